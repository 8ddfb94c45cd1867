//! Why there is no connection, sorted by what the bank's operator has to do about it.

use veilsum_admission::ProxyCause;
use veilsum_link::{End, Transport};
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::wire::stream::{ALPN, CloseCode};

use crate::peer_text;

/// `no_application_protocol` (RFC 7301, section 3.2): no version of the protocol in common.
const NO_COMMON_VERSION: u8 = 120;

/// Why there is no connection. Each text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// The name has no address.
    #[error("cannot resolve {address}: {problem}; check the name in consortium.toml and this machine's DNS")]
    CannotResolve {
        /// The address of the consortium file.
        address: String,
        /// What the system says.
        problem: String,
    },
    /// Nothing came back.
    #[error(
        "no answer from {address} over {carrier} for {seconds} s: the coordinator is down, or a firewall on the way drops {carrier} to it",
        carrier = transport.carrier()
    )]
    NoAnswer {
        /// The way that was tried.
        transport: Transport,
        /// The address of the consortium file.
        address: String,
        /// How long was waited.
        seconds: u32,
    },
    /// The network, or the machine that should listen there, says no.
    #[error(
        "cannot reach {address} over {carrier}: {problem}; the coordinator is down, or a firewall on the way refuses {carrier} to it",
        carrier = transport.carrier()
    )]
    Unreachable {
        /// The way that was tried.
        transport: Transport,
        /// The address of the consortium file.
        address: String,
        /// What the system says.
        problem: String,
    },
    /// Both ways were tried.
    #[error("no connection, over QUIC or over TCP. QUIC: {quic}. TCP: {tcp}")]
    NeitherWay {
        /// Why not over QUIC.
        quic: Box<DownReason>,
        /// Why not over TCP.
        tcp: Box<DownReason>,
    },
    /// The proxy of `link.proxy`.
    #[error("the proxy {proxy}: {problem}")]
    Proxy {
        /// `host:port`.
        proxy: String,
        /// Who has to do something.
        cause: ProxyCause,
        /// What it did, and what to do.
        problem: String,
    },
    /// The coordinator does not speak this version of the protocol.
    #[error(
        "the coordinator speaks another version; this client speaks {}; ask its operator which release the consortium runs, and install that",
        String::from_utf8_lossy(ALPN)
    )]
    OtherVersion,
    /// The coordinator's certificate is not from the pinned authority, or not for this name or time.
    #[error(
        "the coordinator's certificate is refused: {0}; it must come from the authority in consortium.toml and carry server_name"
    )]
    WrongAuthority(String),
    /// The bank's certificate has expired, is not valid yet, or was refused in the handshake.
    #[error("the bank's own certificate: {0}")]
    OwnCertificate(String),
    /// The bank's key is not in the coordinator's roster.
    #[error(
        "the coordinator does not know this bank: {0}; ask its operator whether the enrolment is complete"
    )]
    NotInRoster(String),
    /// The operator took the bank's access away.
    #[error("the coordinator lets this bank in no more: {0}")]
    Revoked(String),
    /// The bank's key is in a roster that is proposed and not in force yet.
    #[error(
        "the coordinator expects this bank, whose roster is not in force yet: {0}; the daemon waits for it and asks again by itself"
    )]
    NotYet(String),
    /// The coordinator knows the bank's key at another position.
    #[error(
        "the coordinator has this bank at position {found}, consortium.toml at {expected}; the files are of different enrolments"
    )]
    WrongPosition {
        /// What the coordinator says.
        found: BankIndex,
        /// What the consortium file says.
        expected: BankIndex,
    },
    /// Another connection used this bank's key.
    #[error(
        "another connection with this bank's key took its place: two daemons run with one identity. Stop one of them, here or wherever a copy of this folder is"
    )]
    Replaced,
    /// The coordinator ended the connection on purpose.
    #[error("the coordinator closed the connection: {0}")]
    Closed(String),
    /// The connection stood and broke.
    #[error("the connection broke: {0}")]
    Lost(String),
    /// This machine or its settings.
    #[error("cannot connect from here: {0}")]
    Local(String),
}

impl DownReason {
    /// Whether the coordinator itself gave it, or this bank's files: the other way would end the same.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::OwnCertificate(_)
                | Self::NotInRoster(_)
                | Self::Revoked(_)
                | Self::NotYet(_)
                | Self::WrongPosition { .. }
                | Self::OtherVersion
                | Self::CannotResolve { .. }
        )
    }
}

/// Sorts a connection's end. `stood`: whether its handshake was done.
pub(super) fn diagnose(end: &End, stood: bool) -> DownReason {
    match end {
        End::Closed { code, reason } => {
            let text = peer_text::shown(reason);
            match CloseCode::from_number(*code) {
                Some(CloseCode::NotInRoster) => DownReason::NotInRoster(text),
                Some(CloseCode::Revoked) => DownReason::Revoked(text),
                Some(CloseCode::NotYet) => DownReason::NotYet(text),
                Some(CloseCode::Replaced) => DownReason::Replaced,
                _ => DownReason::Closed(text),
            }
        }
        End::Alert(NO_COMMON_VERSION)
        | End::Refused {
            alert: NO_COMMON_VERSION,
            ..
        } => DownReason::OtherVersion,
        End::Alert(alert) => match certificate_alert(*alert) {
            Some(problem) => DownReason::OwnCertificate(format!("the coordinator refused it: {problem}")),
            None => DownReason::Closed(format!("TLS alert {alert} (RFC 8446, section 6)")),
        },
        // This side refused the handshake: of all that can be wrong with the coordinator, its certificate.
        End::Refused { text, .. } if !stood => DownReason::WrongAuthority(peer_text::shown(text)),
        End::Full => DownReason::Closed("it takes no more connections now".to_owned()),
        End::Violation(text) => DownReason::Closed(peer_text::shown(text)),
        other => DownReason::Lost(peer_text::shown(&other.to_string())),
    }
}

/// Alerts by which a server refuses the client's certificate (RFC 8446, section 6.2).
fn certificate_alert(alert: u8) -> Option<&'static str> {
    Some(match alert {
        42 => "it is damaged",
        43 => "its kind is not supported",
        44 => "it is revoked",
        45 => "it has expired, or its clock is behind; ask to enrol the same request again",
        46 => "it is not acceptable",
        48 => "it comes from another authority than the consortium's",
        51 => "its signature does not verify",
        116 => "none was shown",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_that_refuse_the_certificate_say_what_is_wrong_with_it() {
        assert!(certificate_alert(45).is_some_and(|text| text.contains("expired")));
        assert_eq!(certificate_alert(120), None);
        let text = diagnose(&End::Alert(120), false).to_string();
        assert!(
            text.contains("speaks another version; this client speaks veilsum/1"),
            "{text}"
        );
    }

    #[test]
    fn a_reason_of_the_coordinator_does_not_steer_the_terminal() {
        let closed = |code: CloseCode| End::Closed {
            code: code.number().into(),
            reason: "\x1b]0;owned\x07bye".to_owned(),
        };
        assert_eq!(
            diagnose(&closed(CloseCode::Goodbye), true),
            DownReason::Closed("]0;ownedbye".to_owned())
        );
        assert_eq!(
            diagnose(&closed(CloseCode::NotYet), true),
            DownReason::NotYet("]0;ownedbye".to_owned())
        );
        assert_eq!(
            diagnose(&closed(CloseCode::NotInRoster), true),
            DownReason::NotInRoster("]0;ownedbye".to_owned())
        );
    }

    #[test]
    fn a_certificate_that_is_refused_is_the_coordinators_only_in_the_handshake() {
        let refused = End::Refused {
            alert: 48,
            text: "invalid peer certificate".to_owned(),
        };
        assert!(matches!(diagnose(&refused, false), DownReason::WrongAuthority(_)));
        assert!(matches!(diagnose(&refused, true), DownReason::Lost(_)));
    }
}
