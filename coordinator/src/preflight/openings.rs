//! What firewalls must let in for the coordinator.

use veilsum_preflight::{Block, Place};

use crate::config::Config;

/// The openings towards this machine.
pub(super) fn of(place: &Place, config: &Config) -> Block {
    let mut rules = vec![
        place.rule("incoming", "UDP", "QUIC of the banks, and the answers to it"),
        place.rule(
            "incoming",
            "TCP",
            "TLS 1.3 of banks whose networks let no UDP out; enrolment of banks and auditors",
        ),
    ];
    if let Some(auditors) = config.auditors.listen {
        let door = Place {
            port: auditors.port(),
            ..place.clone()
        };
        rules.push(door.rule("incoming", "TCP", "HTTPS for auditors and banks: log and archive"));
    }
    if let Some(operators) = config.operator.secure_listen {
        let door = Place {
            port: operators.port(),
            ..place.clone()
        };
        rules.push(door.rule(
            "incoming",
            "TCP",
            "TLS 1.3 of operators on other machines: the operator's page",
        ));
    }
    let mut notes = vec![
        "Nothing goes out from here. From anywhere, or from the addresses of banks and auditors alone, if they are known.",
        "No device on the way may open the TLS (no inspection, no load balancer that ends it): both sides check certificates of the consortium's own authority.",
    ];
    if config.operator.listen.is_some() {
        notes.push("The operator's page (operator.listen) is for this machine alone, and wants no opening.");
    }
    Block::new(
        "For the firewall team: what must be let in to this coordinator.",
        rules,
        notes,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn each_door_that_is_wanted_is_named_with_its_port() {
        let place = Place::of("fl.example.org:7443").unwrap();
        let config =
            |text: &str| toml::from_str::<Config>(&format!("listen = \"0.0.0.0:7443\"\n{text}")).unwrap();
        let text = of(&place, &config("")).text();
        assert!(
            text.contains("incoming   UDP       fl.example.org  7443   QUIC"),
            "{text}"
        );
        assert!(!text.contains("HTTPS") && !text.contains("operator"), "{text}");
        let both = "[auditors]\nlisten = \"0.0.0.0:7444\"\n[operator]\nlisten = \"127.0.0.1:7480\"\nsecure_listen = \"0.0.0.0:7445\"\n";
        let text = of(&place, &config(both)).text();
        assert!(
            text.contains("incoming   TCP       fl.example.org  7444   HTTPS for auditors"),
            "{text}"
        );
        assert!(
            text.contains("incoming   TCP       fl.example.org  7445   TLS 1.3 of operators"),
            "{text}"
        );
        assert!(
            text.contains("wants no opening") && !text.contains("7480"),
            "{text}"
        );
    }
}
