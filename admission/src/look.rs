//! A look at who answers: which certificates it shows and what time it has. Nothing is asked, and no secret is said.

use std::cell::RefCell;
use std::io::{self, Read, Write};

use rustls::{AlertDescription, CertificateError};
use rustls_pki_types::CertificateDer;
use veilsum_protocol::enrolment::{ENROL_ALPN, GREETING_LIMIT, Greeting};
use veilsum_protocol::ids::{Digest, Timestamp};

use crate::AskError;
use crate::ask::{To, harmless, open, words};
use crate::frames::read_frame;
use crate::pin::{Dates, Pin};

/// What was seen.
#[derive(Debug)]
pub struct Look {
    /// Every certificate that was shown, the server's own first; empty where the handshake did not come so far.
    pub chain: Vec<CertificateDer<'static>>,
    /// The authority: the pinned one, or the one that was shown where none was pinned.
    pub authority: Option<CertificateDer<'static>>,
    /// If the certificate is not valid by this machine's clock, the moment that is at odds.
    pub dates: Option<Dates>,
    /// The coordinator's time, if it is the coordinator.
    pub time: Result<Timestamp, LookProblem>,
}

/// Why whoever answers is not taken for the coordinator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookProblem {
    /// It shows certificates of another authority.
    #[error("it shows a certificate of another authority")]
    Authority,
    /// The certificate is the authority's, and not one for this name or purpose.
    #[error("its certificate is refused: {0}")]
    Certificate(String),
    /// It has no word for those who are not enrolled yet.
    #[error("it speaks TLS, and not this protocol")]
    Protocol,
    /// What came is no TLS.
    #[error("it does not speak TLS 1.3: {0}")]
    NotTls(String),
    /// It hung up without a word.
    #[error("it hung up before it said anything")]
    HungUp,
    /// It took the connection and said nothing.
    #[error("it takes the connection and says nothing")]
    Silent,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Lost(String),
}

/// Looks. `authority` is the SHA-256 of the pinned authority's certificate, where one is known.
///
/// The connection's own timeouts bound each step.
///
/// # Errors
/// If TLS cannot be set up here, or the name is none.
pub fn look<S: Read + Write>(
    stream: S,
    server_name: &str,
    authority: Option<Digest>,
) -> Result<Look, AskError> {
    let to = To {
        server_name,
        authority,
        alpn: ENROL_ALPN,
    };
    let (mut tls, pin) = open(stream, &to, None)?;
    let why = RefCell::new(None);
    let broken = |error: io::Error| {
        let text = error.to_string();
        *why.borrow_mut() = Some(sorted(&error, &pin));
        AskError::Lost(text)
    };
    let time = match read_frame::<Greeting>(&mut tls, GREETING_LIMIT, &broken) {
        Ok(greeting) => Ok(greeting.time),
        Err(error) => Err(why.take().unwrap_or_else(|| LookProblem::Lost(error.to_string()))),
    };
    tls.conn.send_close_notify();
    // Whether the farewell arrives does not matter.
    let _ = tls.flush();
    let seen = pin.seen();
    Ok(Look {
        chain: seen.chain,
        authority: seen.authority,
        dates: seen.dates,
        time,
    })
}

/// Sorts what TLS and TCP say.
fn sorted(error: &io::Error, pin: &Pin) -> LookProblem {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let seen = pin.seen();
    match inner {
        Some(rustls::Error::InvalidCertificate(_)) if seen.authority.is_none() => LookProblem::Authority,
        // Its own signature does not come from the authority that it shows.
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => LookProblem::Authority,
        Some(rustls::Error::InvalidCertificate(reason)) => LookProblem::Certificate(words(reason)),
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol))
        | Some(rustls::Error::NoApplicationProtocol) => LookProblem::Protocol,
        Some(other) => LookProblem::NotTls(harmless(&other.to_string())),
        None if error.kind() == io::ErrorKind::UnexpectedEof => LookProblem::HungUp,
        None if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            LookProblem::Silent
        }
        None => LookProblem::Lost(error.to_string()),
    }
}
