//! One question and its answer over a connection that stands.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use veilsum_protocol::enrolment::{
    ANSWER_LIMIT, ASK_LIMIT, Admission, Answer, Ask, ENROL_ALPN, GREETING_LIMIT, Greeting, RENEW_ALPN,
    Refusal,
};
use veilsum_protocol::ids::{Digest, Timestamp};

use crate::frames::{read_frame, write_frame};
use crate::pin::{Dates, Pin};

/// Clocks may differ by so much. A certificate is valid from ten minutes before its issue.
const CLOCK_SECONDS: u64 = 600;

/// Most characters of the coordinator's words.
const WORDS: usize = 512;

/// The present certificate of a party that is enrolled.
pub struct Credentials {
    /// The certificate and what was sent with it, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
}

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
    /// The coordinator refuses the certificate that was shown.
    #[error("the coordinator refuses this certificate ({0}); ask its operator for an invitation")]
    Refused(String),
    /// The name of the invitation is none.
    #[error("{0:?} is not a host name or an IP address")]
    ServerName(String),
    /// The own certificate and key do not work together.
    #[error("the present certificate cannot be shown: {0}")]
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
    exchange(stream, server_name, authority, None, question, now)
}

/// Asks for another certificate for the key of the present one.
///
/// # Errors
/// [`AskError`].
pub fn renew<S: Read + Write>(
    stream: S,
    server_name: &str,
    authority: Digest,
    present: Credentials,
    now: Timestamp,
) -> Result<Told, AskError> {
    exchange(stream, server_name, authority, Some(present), &Ask::Renew, now)
}

fn exchange<S: Read + Write>(
    stream: S,
    server_name: &str,
    authority: Digest,
    present: Option<Credentials>,
    question: &Ask,
    now: Timestamp,
) -> Result<Told, AskError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let pin = Arc::new(Pin::new(authority, Arc::clone(&provider)));
    let own = |error: rustls::Error| AskError::Own(error.to_string());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(own)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&pin) as _);
    let (mut config, alpn) = match present {
        None => (builder.with_no_client_auth(), ENROL_ALPN),
        Some(Credentials { chain, key }) => (
            builder.with_client_auth_cert(chain, key).map_err(own)?,
            RENEW_ALPN,
        ),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::disabled();
    let name = ServerName::try_from(server_name.to_owned())
        .map_err(|_| AskError::ServerName(server_name.to_owned()))?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(own)?;
    let mut tls = StreamOwned::new(connection, stream);
    let broken = |error: io::Error| told_by_tls(&error, &pin, authority);

    let greeting: Greeting = read_frame(&mut tls, GREETING_LIMIT, &broken)?;
    let there = greeting.time.0;
    let differ = now.0.abs_diff(there);
    let seen = pin.seen();
    let clock = || AskError::Clock {
        minutes: differ.div_ceil(60),
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
    write_frame(&mut tls, question, ASK_LIMIT, &broken)?;
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

/// One line without control characters and marks that reorder what stands beside them (Unicode, UAX 9), cut at [`WORDS`] characters.
fn harmless(text: &str) -> String {
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
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA),
        )) => AskError::Refused(format!("{alert:?}")),
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

fn words(reason: &CertificateError) -> String {
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
