//! What is said when a bank or an auditor asks to be enrolled over the network.
//!
//! The connection is TLS 1.3 under a name of its own ([`ENROL_ALPN`], RFC 7301). The one who asks shows no certificate: it has none yet, and
//! shows the secret of an invitation. The coordinator speaks first, with a [`Greeting`]; then there is one [`Ask`] and one [`Answer`], and
//! the connection ends.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroize as _;

use super::{Party, REQUEST_LIMIT};
use crate::consortium::CONSORTIUM_LIMIT;
use crate::crypto::secret::Secret;
use crate::ids::{Digest, Timestamp};
use crate::wire::canonical::Writer;

/// The application protocol of those who have an invitation.
pub const ENROL_ALPN: &[u8] = b"veilsum-enrol/1";

/// Largest body of a greeting, in bytes.
pub const GREETING_LIMIT: usize = 64;

/// Largest body of a question, in bytes: a request, a name and a secret.
pub const ASK_LIMIT: usize = REQUEST_LIMIT + 256;

/// Largest body of an answer, in bytes: a consortium file and a certificate.
pub const ANSWER_LIMIT: usize = CONSORTIUM_LIMIT + (64 << 10);

/// Longest text in an answer that is no file, in bytes; [`Refusal::new`] cuts there.
const TEXT_LIMIT: usize = 512;

/// The coordinator's first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// The time by its clock. Certificates are valid from the moment of their issue, so a clock that differs is told before anything
    /// else goes wrong.
    pub time: Timestamp,
}

/// What is asked: to be enrolled, or how far an enrolment is. The same question may be asked again at any time.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// What the invitation is for.
    pub party: Party,
    /// The invited name.
    pub name: String,
    /// The invitation's secret.
    #[serde(serialize_with = "write_secret", deserialize_with = "read_secret")]
    pub secret: Secret,
    /// The request file, with the proofs that its sender holds the private keys.
    pub request: String,
}

fn write_secret<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    secret.expose().serialize(serializer)
}

fn read_secret<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Secret, D::Error> {
    let mut bytes = <[u8; 32]>::deserialize(deserializer)?;
    let secret = Secret::from_bytes(bytes);
    bytes.zeroize();
    Ok(secret)
}

/// What the coordinator keeps of an invitation's secret: SHA-256 of `"veilsum/v1/invitation-secret\0"` and the secret. The secret is
/// uniform and of full length, so a plain hash shows nothing of it.
pub fn secret_digest(secret: &Secret) -> Digest {
    let mut writer = Writer::domain("invitation-secret");
    writer.fixed(secret.expose());
    let mut bytes = writer.finish();
    let digest = Digest::of(&bytes);
    bytes.zeroize();
    digest
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is noted. Ask again: the certificate follows when what is waited for has come.
    Pending {
        /// What is waited for, in words.
        waiting_for: String,
    },
    /// Here is the certificate, and the consortium file if there is one with this bank in it.
    Admitted(Admission),
    /// No.
    Refused(Refusal),
}

/// What an admission consists of. All of it is public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// The certificate, PEM.
    pub certificate: String,
    /// The consortium file; for a bank one with this bank in it.
    pub consortium: Option<String>,
    /// What the consortium file waits for, in words; empty when it is there.
    pub waiting_for: String,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What to make of it.
    pub reason: RefusalReason,
    /// The same in words, for people.
    pub text: String,
}

impl Refusal {
    /// A refusal with the text cut to 512 bytes at a character boundary.
    pub fn new(reason: RefusalReason, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.truncate(text.floor_char_boundary(TEXT_LIMIT));
        Self { reason, text }
    }
}

/// Why a question is refused. Their order is their number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalReason {
    /// No invitation has this name and secret.
    Unknown,
    /// Other keys have used the invitation.
    Used,
    /// Nobody used it in time.
    Expired,
    /// The operator took it back.
    Withdrawn,
    /// The operator refused these keys.
    Refused,
    /// The request does not fit the invitation, or is not in order.
    Request,
    /// The operator took the access away.
    Revoked,
    /// The coordinator cannot answer now.
    Later,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::wire::frame::{decode, encode};

    fn ask(request: String) -> Ask {
        Ask {
            party: Party::Bank,
            name: "bank-a".to_owned(),
            secret: Secret::from_bytes([5; 32]),
            request,
        }
    }

    #[test]
    fn the_largest_question_fits_and_is_read_back() {
        let body = encode(&ask("x".repeat(REQUEST_LIMIT)), ASK_LIMIT).unwrap();
        assert_eq!(
            decode::<Ask>(&body, ASK_LIMIT).unwrap(),
            ask("x".repeat(REQUEST_LIMIT))
        );
        assert!(encode(&ask("x".repeat(ASK_LIMIT)), ASK_LIMIT).is_err());
    }

    #[test]
    fn the_largest_answer_fits() {
        let answer = Answer::Admitted(Admission {
            certificate: "x".repeat(8 << 10),
            consortium: Some("x".repeat(CONSORTIUM_LIMIT)),
            waiting_for: String::new(),
        });
        let body = encode(&answer, ANSWER_LIMIT).unwrap();
        assert_eq!(decode::<Answer>(&body, ANSWER_LIMIT).unwrap(), answer);
        let greeting = Greeting {
            time: Timestamp(1_800_000_000),
        };
        let body = encode(&greeting, GREETING_LIMIT).unwrap();
        assert_eq!(decode::<Greeting>(&body, GREETING_LIMIT).unwrap(), greeting);
    }

    #[test]
    fn a_long_reason_is_cut_and_a_secret_is_not_printed() {
        let refusal = Refusal::new(RefusalReason::Refused, "é".repeat(TEXT_LIMIT));
        assert!(refusal.text.len() <= TEXT_LIMIT);
        assert!(!format!("{:?}", ask(String::new())).contains("5, 5"));
    }

    #[test]
    fn the_kept_digest_is_the_documented_one() {
        let bytes = [b"veilsum/v1/invitation-secret\0".as_slice(), &[5; 32]].concat();
        assert_eq!(secret_digest(&Secret::from_bytes([5; 32])), Digest::of(&bytes));
    }
}
