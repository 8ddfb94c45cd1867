//! Which of several versions gets a request.

use ring::digest::{Context, SHA256};

/// A version's part of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Name of the version.
    pub version: String,
    /// Its part, in proportion to the sum of all.
    pub weight: u32,
}

/// The version of a key: SHA-256 over the model's name, a zero byte and the key, its first eight bytes as a big-endian number, modulo the sum of
/// the weights. So it is the same on every machine and after every restart.
pub(super) fn share<'a>(model: &str, key: &str, shares: &'a [Share]) -> Option<&'a str> {
    let sum: u64 = shares.iter().map(|share| u64::from(share.weight)).sum();
    let mut hash = Context::new(&SHA256);
    for bytes in [model.as_bytes(), &[0], key.as_bytes()] {
        hash.update(bytes);
    }
    let hash = hash.finish();
    let number = u64::from_be_bytes(*hash.as_ref().first_chunk::<8>()?);
    let mut place = number.checked_rem(sum)?;
    for share in shares {
        let weight = u64::from(share.weight);
        if place < weight {
            return Some(&share.version);
        }
        place -= weight;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Share, share};

    fn shares() -> [Share; 2] {
        [("1", 9), ("2", 1)].map(|(version, weight)| Share {
            version: version.to_owned(),
            weight,
        })
    }

    /// Worked out with Python: int.from_bytes(sha256(b"credit\0" + key).digest()[:8], "big") % 10.
    #[test]
    fn a_key_has_the_version_that_its_hash_says() {
        for (key, version) in KNOWN {
            assert_eq!(share("credit", key, &shares()), Some(*version), "{key}");
        }
        assert_eq!(share("credit", "a", &[]), None);
    }

    #[test]
    fn shares_are_kept_in_the_long_run() {
        let keys = (0..10_000).filter(|n| share("credit", &n.to_string(), &shares()) == Some("2"));
        let found = keys.count();
        // A tenth of 10,000, give or take five standard deviations of 30.
        assert!((850..=1150).contains(&found), "{found}");
    }

    const KNOWN: &[(&str, &str)] = &[
        ("customer-1", "1"),
        ("customer-2", "1"),
        ("customer-3", "1"),
        ("customer-4", "2"),
        ("customer-5", "2"),
        ("customer-6", "2"),
        ("customer-7", "1"),
        ("customer-8", "1"),
        ("", "1"),
        ("Zürich", "2"),
        ("k0", "1"),
        ("k1", "1"),
        ("k2", "1"),
        ("k3", "1"),
        ("k4", "1"),
        ("k5", "1"),
    ];
}
