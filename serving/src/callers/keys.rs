//! The file of keys. It holds hashes alone, so that who reads it gets in nowhere; a key has 256 bits, so its hash needs no salt.

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::callers::Quota;

const HASH: usize = 32;
/// Most keys in a file.
const MOST: usize = 10_000;

/// A caller's key, without the key.
#[derive(Clone, Debug)]
pub struct Key {
    name: String,
    hash: [u8; HASH],
    expires: Option<OffsetDateTime>,
    quota: Option<Quota>,
}

impl Key {
    /// Name of the caller.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn quota(&self) -> Option<Quota> {
        self.quota
    }

    pub(super) fn has_expired(&self, now: OffsetDateTime) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }
}

/// The keys of a file.
#[derive(Clone, Debug)]
pub struct Keys(Vec<Key>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: String,
    expires: Option<String>,
    quota: Option<Quota>,
}

impl Keys {
    /// Reads a file of keys: TOML, a `[[key]]` for each with `name`, `sha256` (64 hexadecimal digits), and if wanted `expires` (RFC 3339) and
    /// `quota = { rows_per_second = .., burst = .. }`. A caller may have several keys under its name, so that one can follow another.
    ///
    /// # Errors
    /// What is wrong, and with which key.
    pub fn read(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        if file.key.is_empty() || file.key.len() > MOST {
            return Err(format!(
                "found {} keys, expected 1 to {MOST} [[key]]",
                file.key.len()
            ));
        }
        let mut keys: Vec<Key> = Vec::with_capacity(file.key.len());
        for (at, entry) in file.key.into_iter().enumerate() {
            let bad = |words: String| format!("[[key]] {} ({:?}): {words}", at + 1, entry.name);
            let fits = (1..=64).contains(&entry.name.len())
                && entry.name.bytes().all(|byte| byte.is_ascii_graphic());
            if !fits {
                return Err(bad(
                    "name: expected 1 to 64 printable ASCII characters without spaces".to_owned(),
                ));
            }
            let mut hash = [0; HASH];
            hex::decode_to_slice(&entry.sha256, &mut hash).map_err(|_| {
                bad(format!(
                    "sha256: found {} characters, expected 64 hexadecimal digits",
                    entry.sha256.len()
                ))
            })?;
            let expires = entry
                .expires
                .as_deref()
                .map(|text| OffsetDateTime::parse(text, &Rfc3339));
            let expires = expires
                .transpose()
                .map_err(|_| bad("expires: expected a time such as \"2027-01-31T00:00:00Z\"".to_owned()))?;
            if entry
                .quota
                .is_some_and(|quota| quota.rows_per_second == 0 || quota.burst == 0)
            {
                return Err(bad(
                    "quota: expected rows_per_second and burst of at least 1".to_owned()
                ));
            }
            if let Some(other) = keys.iter().find(|other| other.hash == hash) {
                return Err(bad(format!(
                    "sha256: the same as that of {:?}; make each its own key",
                    other.name
                )));
            }
            keys.push(Key {
                name: entry.name,
                hash,
                expires,
                quota: entry.quota,
            });
        }
        Ok(Self(keys))
    }

    /// The key of a text. How long it takes tells nothing of the hashes: each is compared to its end.
    pub(super) fn find(&self, presented: &str) -> Option<&Key> {
        let hash = digest(&SHA256, presented.as_bytes());
        let mut place = u64::MAX;
        for (at, key) in (0_u64..).zip(&self.0) {
            let same: Choice = key.hash.as_slice().ct_eq(hash.as_ref());
            place.conditional_assign(&at, same);
        }
        self.0.get(usize::try_from(place).ok()?)
    }
}

/// A new key of 256 bits and the lines for the file of keys: the key goes to the caller and nowhere else.
///
/// # Errors
/// If the system gives no randomness.
pub fn make_key(name: &str) -> Result<(String, String), String> {
    let mut bytes = [0; HASH];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| "the system gives no randomness for a key".to_owned())?;
    let key = hex::encode(bytes);
    let hash = hex::encode(digest(&SHA256, key.as_bytes()));
    let lines = format!(
        "[[key]]\nname = {}\nsha256 = \"{hash}\"\n",
        toml::Value::String(name.to_owned())
    );
    Keys::read(&lines)?;
    Ok((key, lines))
}

#[cfg(test)]
mod tests {
    use super::{Keys, make_key};

    /// `printf %s 00112233 | sha256sum`.
    const FILE: &str = r#"
        [[key]]
        name = "scoring-desk"
        sha256 = "HASH"
        expires = "2027-01-31T00:00:00Z"
        quota = { rows_per_second = 10, burst = 20 }
    "#;

    #[test]
    fn a_key_is_found_by_its_hash_alone() {
        let hash = "32b4f576fc607b3ed0a1516e772567e52f31093263c548b9c716725877238b94";
        let keys = Keys::read(&FILE.replace("HASH", hash)).expect("a good file");
        assert_eq!(keys.find("00112233").map(super::Key::name), Some("scoring-desk"));
        assert!(keys.find(hash).is_none());
        let (key, lines) = make_key("desk").expect("randomness");
        let keys = Keys::read(&lines).expect("our own lines");
        assert_eq!(keys.find(&key).map(super::Key::name), Some("desk"));
        assert!(keys.find(&key.to_uppercase()).is_none());
        assert!(!lines.contains(&key));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told() {
        for (text, part) in [
            ("", "found 0 keys"),
            (&FILE.replace("HASH", "12"), "expected 64 hexadecimal digits"),
            (
                &FILE.replace("HASH", &"0".repeat(64)).replace("2027", "soon"),
                "expires",
            ),
            (
                &FILE.replace("HASH", &"0".repeat(64)).replace("scoring-desk", ""),
                "name",
            ),
            (
                &FILE
                    .replace("HASH", &"0".repeat(64))
                    .replace("burst = 20", "burst = 0"),
                "quota",
            ),
            (&FILE.replace("HASH", &"0".repeat(64)).repeat(2), "the same as"),
            (&FILE.replace("expires", "expire"), "unknown field"),
        ] {
            let problem = Keys::read(text).expect_err(part);
            assert!(problem.contains(part), "{problem}");
        }
    }
}
