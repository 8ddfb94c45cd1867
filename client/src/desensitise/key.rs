//! The bank's key for pseudonyms and shifts of dates.
//!
//! Trusted, and as secret as the table: who has it can try every card number until the pseudonym fits. Lost or changed: pseudonyms and shifts are
//! others from then on.

use ring::hmac;
use veilsum_protocol::crypto::secret::Secret;

/// HMAC-SHA-256 under the bank's own key, which never leaves the bank.
pub struct DesensitiseKey(Secret);

impl DesensitiseKey {
    /// The key of the bank.
    pub fn new(key: Secret) -> Self {
        Self(key)
    }

    /// For one table. `ring` cannot wipe what it makes of a key, so it lives no longer than that.
    pub(super) fn keyed(&self) -> Keyed {
        Keyed(hmac::Key::new(hmac::HMAC_SHA256, self.0.expose()))
    }

    /// Tells two keys apart without showing either.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        self.keyed().tag(b"fingerprint", &[])
    }
}

/// The keyed function.
pub(super) struct Keyed(hmac::Key);

impl Keyed {
    /// Hex digits of a pseudonym: 128 bits, so that no two values of a table share one.
    const PSEUDONYM: usize = 32;

    /// The pseudonym of a value. The column's name goes in, so that a number which stands in two columns does not link them.
    pub(super) fn pseudonym(&self, column: &str, value: &str) -> String {
        let mut text = hex::encode(self.tag(b"pseudonym", &[column.as_bytes(), value.as_bytes()]));
        text.truncate(Self::PSEUDONYM);
        text
    }

    /// A shift of 1 to `most` days in either direction, the same for the same value in every column and table: so intervals stay. Never 0: a date
    /// that stays where it was would be a date that was not hidden.
    pub(super) fn shift(&self, by: &str, most: u16) -> i64 {
        let tag = self.tag(b"shift", &[by.as_bytes()]);
        let number = tag
            .iter()
            .take(8)
            .fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
        let most = i64::from(most);
        // 64 bits over at most 7320 shifts: none is likelier than another by more than one part in 2^51.
        let drawn = i64::try_from(number % (2 * most).unsigned_abs()).unwrap_or_default();
        if drawn < most {
            drawn - most
        } else {
            drawn - most + 1
        }
    }

    fn tag(&self, use_of: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"veilsum/v1/desensitise/");
        for part in std::iter::once(&use_of).chain(parts) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(byte: u8) -> Keyed {
        DesensitiseKey::new(Secret::from_bytes([byte; 32])).keyed()
    }

    /// From Python, with the parts laid out as above:
    ///
    /// ```python
    /// import hmac, struct
    /// parts = [b"pseudonym", b"card", b"4111111111111111"]
    /// data = b"veilsum/v1/desensitise/" + b"".join(struct.pack(">Q", len(part)) + part for part in parts)
    /// hmac.new(bytes([7]) * 32, data, "sha256").hexdigest()[:32]
    /// ```
    #[test]
    fn a_pseudonym_is_hmac_sha_256() {
        assert_eq!(
            keyed(7).pseudonym("card", "4111111111111111"),
            "d08a20aff4bed971b6d157a8740a3bdd"
        );
    }

    #[test]
    fn pseudonyms_differ_by_key_column_and_value() {
        let one = keyed(1).pseudonym("a", "bc");
        assert_eq!(one, keyed(1).pseudonym("a", "bc"));
        assert_eq!(one.len(), 32);
        for other in [
            keyed(2).pseudonym("a", "bc"),
            keyed(1).pseudonym("b", "bc"),
            keyed(1).pseudonym("ab", "c"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn shifts_reach_both_ends_and_are_never_nothing() {
        let keyed = keyed(3);
        let shifts: std::collections::BTreeSet<_> =
            (0..200).map(|row| keyed.shift(&row.to_string(), 3)).collect();
        assert_eq!(shifts.into_iter().collect::<Vec<_>>(), [-3, -2, -1, 1, 2, 3]);
    }
}
