//! What firewalls must let through for a bank.

use veilsum_preflight::{Block, Place};

/// The openings to the coordinator, or to the proxy and on from there.
pub(super) fn of(coordinator: &Place, proxy: Option<&Place>) -> Block {
    let unopened = "No device on the way may open the TLS (no inspection): both sides check certificates of the consortium's own authority.";
    match proxy {
        Some(proxy) => Block::new(
            "For the firewall team: what must be let through for this bank. Nothing comes in from outside.",
            vec![
                proxy.rule("outgoing", "TCP", "the HTTP proxy of link.proxy"),
                coordinator.rule(
                    "at the proxy",
                    "CONNECT",
                    "a tunnel for TLS 1.3 to the coordinator",
                ),
            ],
            vec![unopened],
        ),
        None => Block::new(
            "For the firewall team: what must be let through for this bank. Nothing comes in from outside.",
            vec![
                coordinator.rule(
                    "outgoing",
                    "UDP",
                    "QUIC to the coordinator, and the answers to it",
                ),
                coordinator.rule(
                    "outgoing",
                    "TCP",
                    "TLS 1.3 to the coordinator: enrolment, and the way where UDP is blocked",
                ),
            ],
            vec![
                "TCP alone is enough to take part; with UDP the connection holds better on bad lines.",
                unopened,
            ],
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn with_a_proxy_nothing_else_is_asked_for() {
        let coordinator = Place::of("fl.example.org:7443").unwrap();
        let text = of(&coordinator, Place::of("proxy.bank:3128").as_ref()).text();
        assert!(
            text.contains("outgoing      TCP       proxy.bank      3128"),
            "{text}"
        );
        assert!(
            text.contains("at the proxy  CONNECT   fl.example.org  7443"),
            "{text}"
        );
        assert!(!text.contains("UDP"), "{text}");
        let text = of(&coordinator, None).text();
        assert!(
            text.contains("outgoing   UDP       fl.example.org  7443   QUIC"),
            "{text}"
        );
    }
}
