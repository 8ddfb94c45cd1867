//! One question and its answer over a connection that stands.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde::Serialize;
use veilsum_protocol::enrolment::{
    ANSWER_LIMIT, ASK_LIMIT, Admission, Answer, Ask, ENROL_ALPN, GREETING_LIMIT, Greeting, RENEW_ALPN,
    RENEWAL_LIMIT, Refusal, Renewal,
};
use veilsum_protocol::ids::{Digest, Timestamp};

use crate::frames::{read_frame, write_frame};
use crate::pin::{Dates, Pin};

/// Clocks may differ by so much. A certificate is valid from ten minutes before its issue.
const CLOCK_SECONDS: u64 = 600;

/// Most characters of the coordinator's words.
const WORDS: usize = 512;

/// What came of a question.
#[derive(Debug)]
pub struct Told {
    /// The answer. Its words can be shown on a terminal.
    pub answer: Answer,
    /// The certificate of the authority that was pinned.
    pub authority: CertificateDer<'static>,
    /// Seconds by which this machine's clock is ahead of the coordinator's; negative if it is behind.
    pub clock_ahead_s: i64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Somebody else answers there.
    #[error(
        "whoever answers there is of another authority: its SHA-256 is {}, expected {expected}; the invitation is for another consortium, or somebody stands in between. Compare both with the operator by another channel",
        found.map_or("not shown".to_owned(), |found| found.to_hex())
    )]
    Foreign {
        /// The authority that was shown, if one was.
        found: Option<Digest>,
        /// The authority of the invitation.
        expected: Digest,
    },
    /// The coordinator's certificate is of the right authority, and not in order.
    #[error("the coordinator's certificate is refused: {0}")]
    Certificate(String),
    /// The coordinator does not take the certificate that was shown.
    #[error(
        "the coordinator does not take this certificate any more ({0}): it has expired, or is of another authority; the operator issues another with `veilsum-coordinator enrol --dir DIR REQUEST-FILE`, for the same request"
    )]
    NotLetIn(String),
    /// The clocks of both machines differ too much for certificates.
    #[error(
        "this machine's clock is {minutes} minutes {direction} the coordinator's ({here} here, {there} there, in seconds since 1970); set the clock that is wrong and run the command again"
    )]
    Clock {
        /// By how much, rounded.
        minutes: u64,
        /// `ahead of` or `behind`.
        direction: &'static str,
        /// Unix seconds on this machine.
        here: u64,
        /// Unix seconds at the coordinator.
        there: u64,
    },
    /// It speaks TLS, and nothing of this.
    #[error(
        "the coordinator takes no requests over the network: it runs an earlier release; use the way by files, or ask its operator which release the consortium runs"
    )]
    OtherVersion,
    /// The name of the invitation is none.
    #[error("{0:?} is not a host name or an IP address")]
    ServerName(String),
    /// TLS cannot be set up here.
    #[error("TLS cannot be set up: {0}")]
    Own(String),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Lost(String),
    /// What came is no answer.
    #[error("the coordinator's answer cannot be read: {0}; is it of the same release?")]
    Unreadable(String),
}

impl AskError {
    /// Whether the same question may be answered if it is asked again.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

/// Who a member is when it renews: what it shows in the handshake.
pub struct Member {
    /// The certificate that is in force, with those between it and the authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
}

/// Asks under an invitation. `authority` is the SHA-256 of the pinned authority's certificate. Nothing is said before the coordinator has
/// proved who it is and told its time.
///
/// The connection's own timeouts bound each step.
///
/// # Errors
/// [`AskError`].
pub fn ask<S: Read + Write>(
    stream: S,
    server_name: &str,
    authority: Digest,
    question: &Ask,
    now: Timestamp,
) -> Result<Told, AskError> {
    let to = To {
        server_name,
        authority: Some(authority),
        alpn: ENROL_ALPN,
    };
    exchange(stream, &to, None, authority, (question, ASK_LIMIT), now)
}

/// Asks for a certificate in place of the member's present one, for the same key, name and role. Everything else as [`ask`].
///
/// # Errors
/// [`AskError`]; [`AskError::NotLetIn`] if the coordinator does not take the present certificate any more.
pub fn renew<S: Read + Write>(
    stream: S,
    server_name: &str,
    authority: Digest,
    member: Member,
    now: Timestamp,
) -> Result<Told, AskError> {
    let shown = member.chain.first().map_or(&[][..], |shown| shown);
    let question = Renewal {
        replaces: Digest::of(shown),
    };
    let to = To {
        server_name,
        authority: Some(authority),
        alpn: RENEW_ALPN,
    };
    exchange(
        stream,
        &to,
        Some(member),
        authority,
        (&question, RENEWAL_LIMIT),
        now,
    )
}

/// Whom a connection goes to, and under which name of the application.
pub(crate) struct To<'a> {
    pub(crate) server_name: &'a str,
    /// SHA-256 of the pinned authority's certificate, where one is known.
    pub(crate) authority: Option<Digest>,
    pub(crate) alpn: &'static [u8],
}

fn exchange<S: Read + Write, Q: Serialize>(
    stream: S,
    to: &To<'_>,
    member: Option<Member>,
    authority: Digest,
    (question, limit): (&Q, usize),
    now: Timestamp,
) -> Result<Told, AskError> {
    let (mut tls, pin) = open(stream, to, member)?;
    let broken = |error: io::Error| told_by_tls(&error, &pin, authority);

    let greeting: Greeting = read_frame(&mut tls, GREETING_LIMIT, &broken)?;
    let there = greeting.time.0;
    let differ = now.0.abs_diff(there);
    let seen = pin.seen();
    let clock = || AskError::Clock {
        minutes: differ.saturating_add(30) / 60,
        direction: if now.0 > there { "ahead of" } else { "behind" },
        here: now.0,
        there,
    };
    match seen.dates {
        // By the coordinator's clock, too: it is the certificate.
        Some(Dates::NotAfter(end)) if there > end => {
            return Err(AskError::Certificate(
                "it has expired; its operator issues another with `veilsum-coordinator renew`".to_owned(),
            ));
        }
        Some(_) => return Err(clock()),
        // What is issued now would not be valid here yet.
        None if there > now.0.saturating_add(CLOCK_SECONDS) => return Err(clock()),
        None => {}
    }
    let shown = seen.authority.ok_or(AskError::Foreign {
        found: None,
        expected: authority,
    })?;
    write_frame(&mut tls, question, limit, &broken)?;
    let answer = plain(read_frame(&mut tls, ANSWER_LIMIT, &broken)?);
    tls.conn.send_close_notify();
    // The answer is here; whether the farewell arrives does not matter.
    let _ = tls.flush();
    let ahead = i64::try_from(now.0).unwrap_or(i64::MAX);
    Ok(Told {
        answer,
        authority: shown,
        clock_ahead_s: ahead.saturating_sub(i64::try_from(there).unwrap_or(i64::MAX)),
    })
}

/// TLS as those speak it who have no certificate yet, or show the present one to get another. The handshake begins with the first byte that is
/// read or written.
pub(crate) fn open<S: Read + Write>(
    stream: S,
    to: &To<'_>,
    member: Option<Member>,
) -> Result<(StreamOwned<ClientConnection, S>, Arc<Pin>), AskError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let pin = Arc::new(Pin::new(to.authority, Arc::clone(&provider)));
    let own = |error: rustls::Error| AskError::Own(error.to_string());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(own)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&pin) as _);
    let mut config = match member {
        None => builder.with_no_client_auth(),
        Some(Member { chain, key }) => builder.with_client_auth_cert(chain, key).map_err(own)?,
    };
    config.alpn_protocols = vec![to.alpn.to_vec()];
    config.resumption = Resumption::disabled();
    let name = ServerName::try_from(to.server_name.to_owned())
        .map_err(|_| AskError::ServerName(to.server_name.to_owned()))?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(own)?;
    Ok((StreamOwned::new(connection, stream), pin))
}

/// The coordinator's words go to a terminal.
fn plain(answer: Answer) -> Answer {
    match answer {
        Answer::Pending { waiting_for } => Answer::Pending {
            waiting_for: harmless(&waiting_for),
        },
        Answer::Admitted(admission) => Answer::Admitted(Admission {
            waiting_for: harmless(&admission.waiting_for),
            ..admission
        }),
        Answer::Refused(refusal) => Answer::Refused(Refusal {
            text: harmless(&refusal.text),
            ..refusal
        }),
    }
}

/// One line without control characters and marks that reorder what stands beside them (Unicode, UAX 9), cut after 512 characters.
pub(crate) fn harmless(text: &str) -> String {
    let marks = |found: char| matches!(found, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .filter(|found| !found.is_control() && !marks(*found))
        .take(WORDS)
        .collect()
}

/// Sorts what TLS and TCP say.
fn told_by_tls(error: &io::Error, pin: &Pin, authority: Digest) -> AskError {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let seen = pin.seen();
    match inner {
        Some(rustls::Error::InvalidCertificate(_)) if seen.authority.is_none() => AskError::Foreign {
            found: seen.other,
            expected: authority,
        },
        Some(rustls::Error::InvalidCertificate(reason)) => AskError::Certificate(words(reason)),
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol))
        | Some(rustls::Error::NoApplicationProtocol) => AskError::OtherVersion,
        Some(rustls::Error::AlertReceived(
            alert @ (AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied),
        )) => AskError::NotLetIn(format!("{alert:?}")),
        Some(other) => AskError::Lost(other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => AskError::Lost(
            "the coordinator hung up; it is stopping, has too many at its door, or was asked too often from this address"
                .to_owned(),
        ),
        None if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            AskError::Lost("nothing came in time".to_owned())
        }
        None => AskError::Lost(error.to_string()),
    }
}

pub(crate) fn words(reason: &CertificateError) -> String {
    match reason {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is not for the name in the invitation".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not a server's; whoever shows it is a member that poses as the coordinator".to_owned()
        }
        CertificateError::BadSignature | CertificateError::UnknownIssuer => {
            "its authority did not sign it".to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::net::UnixStream;
    use std::thread;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::{ServerConfig, ServerConnection};
    use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use time::{Duration, OffsetDateTime};
    use veilsum_protocol::crypto::secret::Secret;
    use veilsum_protocol::enrolment::{Party, RefusalReason};

    use super::*;

    const HOUR: u64 = 3600;

    struct Coordinator {
        authority: Digest,
        chain: Vec<CertificateDer<'static>>,
        key: Vec<u8>,
    }

    /// Its certificate is valid from so many hours before now until so many after.
    fn coordinator(before: i64, after: i64) -> Coordinator {
        let ca_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca = params.self_signed(&ca_key).unwrap();
        let issuer = Issuer::new(params, ca_key);
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["fl.example".to_owned()]).unwrap();
        params.not_before = OffsetDateTime::now_utc() - Duration::hours(before);
        params.not_after = OffsetDateTime::now_utc() + Duration::hours(after);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Coordinator {
            authority: Digest::of(ca.der()),
            chain: vec![certificate.der().clone(), ca.der().clone()],
            key: key.serialize_der(),
        }
    }

    fn now() -> u64 {
        u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap()
    }

    /// Asks it, by a clock that shows `here`; it says that it is `there`.
    fn asked(who: &Coordinator, name: &str, pinned: Digest, here: u64, there: u64) -> Result<Told, AskError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                who.chain.clone(),
                PrivateKeyDer::from(PrivatePkcs8KeyDer::from(who.key.clone())),
            )
            .unwrap();
        config.alpn_protocols = vec![ENROL_ALPN.to_vec()];
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = thread::spawn(move || {
            let connection = ServerConnection::new(Arc::new(config)).unwrap();
            let mut tls = StreamOwned::new(connection, theirs);
            let broken = |error: io::Error| AskError::Lost(error.to_string());
            let greeting = Greeting {
                time: Timestamp(there),
            };
            write_frame(&mut tls, &greeting, GREETING_LIMIT, &broken)?;
            let ask: Ask = read_frame(&mut tls, ASK_LIMIT, &broken)?;
            let answer = Answer::Refused(Refusal {
                reason: RefusalReason::Unknown,
                text: "no\u{1b}[2J".to_owned(),
            });
            write_frame(&mut tls, &answer, ANSWER_LIMIT, &broken)?;
            Ok::<_, AskError>(ask)
        });
        let question = Ask {
            party: Party::Bank,
            name: "bank-a".to_owned(),
            secret: Secret::from_bytes([5; 32]),
            request: "request".to_owned(),
        };
        let told = ask(ours, name, pinned, &question, Timestamp(here));
        let heard = server.join().unwrap();
        // The secret is said to nobody but the coordinator that the invitation names, at a time at which certificates hold.
        assert_eq!(heard.is_ok(), told.is_ok(), "{told:?}");
        told
    }

    #[test]
    fn the_pinned_coordinator_is_asked_and_its_words_do_not_steer_the_terminal() {
        let who = coordinator(1, 24);
        let told = asked(&who, "fl.example", who.authority, now(), now()).unwrap();
        assert!(matches!(told.answer, Answer::Refused(refusal) if refusal.text == "no[2J"));
        assert!(told.clock_ahead_s.abs() < 60);
        assert_eq!(Digest::of(&told.authority), who.authority);
        // A clock that is a little wrong is told, and in nobody's way.
        let told = asked(&who, "fl.example", who.authority, now() + 300, now()).unwrap();
        assert!((250..350).contains(&told.clock_ahead_s));
    }

    #[test]
    fn another_authority_another_name_and_an_expired_certificate_are_refused() {
        let who = coordinator(1, 24);
        let other = coordinator(1, 24);
        let refused = asked(&who, "fl.example", other.authority, now(), now()).unwrap_err();
        assert!(
            matches!(&refused, AskError::Foreign { found: Some(found), .. } if *found == who.authority),
            "{refused}"
        );
        let refused = asked(&who, "other.example", who.authority, now(), now()).unwrap_err();
        assert!(
            refused.to_string().contains("not for the name in the invitation"),
            "{refused}"
        );
        // A certificate of the other authority, with the pinned one beside it.
        let mixed = Coordinator {
            authority: who.authority,
            chain: vec![other.chain[0].clone(), who.chain[1].clone()],
            key: other.key,
        };
        let refused = asked(&mixed, "fl.example", who.authority, now(), now()).unwrap_err();
        assert!(refused.to_string().contains("did not sign it"), "{refused}");
        let old = coordinator(48, -1);
        let refused = asked(&old, "fl.example", old.authority, now(), now()).unwrap_err();
        assert!(refused.to_string().contains("it has expired"), "{refused}");
    }

    /// rustls looks at the system's clock; so here the coordinator's certificate and its time are an hour ahead.
    #[test]
    fn a_clock_that_is_an_hour_off_is_named_before_the_secret_is_said() {
        let who = coordinator(-1, 24);
        let ahead = now() + HOUR + 60;
        let refused = asked(&who, "fl.example", who.authority, now(), ahead).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("61 minutes behind the coordinator's"),
            "{refused}"
        );
        let who = coordinator(24, -1);
        let refused = asked(&who, "fl.example", who.authority, now(), now() - 2 * HOUR).unwrap_err();
        assert!(refused.to_string().contains("120 minutes ahead of"), "{refused}");
        let who = coordinator(1, 24);
        let refused = asked(&who, "fl.example", who.authority, now() - HOUR, now()).unwrap_err();
        assert!(refused.to_string().contains("60 minutes behind"), "{refused}");
    }
}
