//! How a member gets another certificate for the same key and name before the present one expires.
//!
//! The connection is TLS 1.3 under a name of its own ([`RENEW_ALPN`], RFC 7301), and the one who asks shows the certificate that is in force: the
//! handshake proves its key, its name, its role and that it has not expired. The coordinator speaks first, with a
//! [`Greeting`](super::Greeting); then there is one [`Renewal`] and one [`Answer`](super::Answer), and the connection ends.

use serde::{Deserialize, Serialize};

use crate::ids::Digest;

/// The application protocol of members that renew their certificate.
pub const RENEW_ALPN: &[u8] = b"veilsum-renew/1";

/// Largest body of a question, in bytes.
pub const RENEWAL_LIMIT: usize = 64;

/// What is asked: a certificate in place of the one that was shown in the handshake. The same question may be asked again at any time, and
/// has the same answer while that one is the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// SHA-256 of the certificate that was shown, in DER.
    pub replaces: Digest,
}

/// When a certificate is renewed: at the beginning of the last third of its validity. All three in Unix seconds.
pub fn renewal_is_due_at(not_before: i64, not_after: i64) -> i64 {
    let validity = not_after.saturating_sub(not_before).max(0);
    not_after.saturating_sub(validity / 3)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::wire::frame::{decode, encode};

    #[test]
    fn a_third_before_the_end_is_the_time() {
        assert_eq!(renewal_is_due_at(0, 90), 60);
        assert_eq!(renewal_is_due_at(1_000, 1_000), 1_000);
        // What cannot be is due at once, and nothing overflows.
        assert_eq!(renewal_is_due_at(10, 0), 0);
        assert_eq!(renewal_is_due_at(i64::MIN, i64::MAX), i64::MAX - i64::MAX / 3);
    }

    #[test]
    fn the_question_fits() {
        let asked = Renewal {
            replaces: Digest([255; 32]),
        };
        let body = encode(&asked, RENEWAL_LIMIT).unwrap();
        assert_eq!(decode::<Renewal>(&body, RENEWAL_LIMIT).unwrap(), asked);
    }
}
