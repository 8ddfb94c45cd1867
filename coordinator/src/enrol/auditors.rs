//! The auditors that may read log and archive: the file `auditors.toml`, which the operator may edit.
//!
//! It is apart from the consortium file, which every bank pins: who audits changes nothing for a bank. Lost: no auditor is let in until the
//! file is back or the auditors are enrolled again.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::roster::check_auditor_name;

use super::{EnrolError, keyfile};

/// Name of the file in the operator's folder.
pub const AUDITORS_FILE: &str = "auditors.toml";

/// Version of the file's format.
const VERSION: u32 = 1;

/// Largest file that is read, in bytes: a few thousand auditors.
const FILE_LIMIT: u64 = 1 << 20;

const HEAD: &str = "\
# Who may read log and archive over HTTPS, beside the banks; written by `veilsum-coordinator enrol`.
# An [[auditor]] that is deleted here is refused from its next request on. Nothing has to be started again.

";

/// The auditors, as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auditors {
    version: u32,
    #[serde(rename = "auditor", default)]
    list: Vec<Auditor>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auditor {
    /// Its name.
    pub name: String,
    /// SHA-256 of its TLS certificate's SubjectPublicKeyInfo in DER.
    #[serde(rename = "tls_key_sha256", with = "super::hex_text")]
    pub tls_key: Digest,
}

impl Auditors {
    /// Reads the file. Where there is none, there are no auditors.
    ///
    /// # Errors
    /// [`EnrolError::File`], or [`EnrolError::Content`] for a file that is not wholly in order.
    pub fn load(path: &Path) -> Result<Self, EnrolError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self {
                    version: VERSION,
                    list: Vec::new(),
                });
            }
            Err(error) => return Err(EnrolError::file(path)(error)),
        };
        let mut text = String::new();
        file.take(FILE_LIMIT + 1)
            .read_to_string(&mut text)
            .map_err(EnrolError::file(path))?;
        if text.len() as u64 > FILE_LIMIT {
            let problem = format!("more than {FILE_LIMIT} bytes, expected at most that");
            return Err(EnrolError::content(path, problem));
        }
        let read: Self = toml::from_str(&text).map_err(|error| EnrolError::content(path, error))?;
        read.check()
            .map_err(|problem| EnrolError::content(path, problem))?;
        Ok(read)
    }

    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!(
                "version {}, expected {VERSION}; use the release that wrote the file",
                self.version
            ));
        }
        for (position, auditor) in self.list.iter().enumerate() {
            check_auditor_name(&auditor.name).map_err(|error| error.to_string())?;
            let mut earlier = self.list.iter().take(position);
            if earlier.any(|it| it.name == auditor.name || it.tls_key == auditor.tls_key) {
                let name = &auditor.name;
                return Err(format!(
                    "auditor {name:?} has the name or the TLS key of an earlier auditor; each needs its own"
                ));
            }
        }
        Ok(())
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// [`EnrolError::File`].
    pub fn store(&self, path: &Path) -> Result<(), EnrolError> {
        let text = toml::to_string(self).map_err(EnrolError::make("the list of auditors"))?;
        keyfile::replace(path, format!("{HEAD}{text}").as_bytes())
    }

    /// Puts an auditor on the list; true if it was there already, with this key.
    ///
    /// # Errors
    /// That the name has another key, or the key another name.
    pub fn admit(&mut self, name: &str, tls_key: Digest) -> Result<bool, String> {
        let new = Auditor {
            name: name.to_owned(),
            tls_key,
        };
        match self
            .list
            .iter()
            .find(|it| it.name == name || it.tls_key == tls_key)
        {
            None => {
                self.list.push(new);
                Ok(false)
            }
            Some(old) if *old == new => Ok(true),
            Some(old) if old.name == name => Err(format!(
                "auditor {name:?} is enrolled with another key; delete its lines in {AUDITORS_FILE} first, or enrol the new key under another name"
            )),
            Some(old) => Err(format!(
                "auditor {:?} is enrolled with this key; each auditor needs its own",
                old.name
            )),
        }
    }

    /// The same list without the auditor of this name.
    pub fn without(&self, name: &str) -> Self {
        let mut left = self.clone();
        left.list.retain(|auditor| auditor.name != name);
        left
    }

    /// The auditor with this TLS key.
    pub fn by_tls_key(&self, tls_key: Digest) -> Option<&Auditor> {
        self.list.iter().find(|it| it.tls_key == tls_key)
    }

    /// All of them, in the order of their admission.
    pub fn list(&self) -> &[Auditor] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[test]
    fn the_list_is_read_back_and_a_line_can_be_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(AUDITORS_FILE);
        let mut auditors = Auditors::load(&path).unwrap();
        assert_eq!(auditors.list(), []);
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert!(!auditors.admit("firm", a).unwrap());
        assert!(!auditors.admit("office", b).unwrap());
        assert!(auditors.admit("firm", a).unwrap());
        assert!(
            auditors
                .admit("firm", Digest::of(b"c"))
                .unwrap_err()
                .contains("another key")
        );
        assert!(auditors.admit("third", a).unwrap_err().contains("\"firm\""));
        auditors.store(&path).unwrap();
        assert_eq!(Auditors::load(&path).unwrap(), auditors);

        let text = fs::read_to_string(&path).unwrap();
        let firm = format!("[[auditor]]\nname = \"firm\"\ntls_key_sha256 = \"{a}\"\n");
        assert!(text.contains(&firm), "{text}");
        fs::write(&path, text.replace(&firm, "")).unwrap();
        let left = Auditors::load(&path).unwrap();
        assert_eq!(left.by_tls_key(a), None);
        assert_eq!(left.by_tls_key(b).unwrap().name, "office");
    }

    #[test]
    fn a_file_that_is_not_in_order_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(AUDITORS_FILE);
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let entry =
            |name: &str, key: &str| format!("[[auditor]]\nname = \"{name}\"\ntls_key_sha256 = \"{key}\"\n");
        for (text, part) in [
            (String::new(), "version"),
            ("version = 2\n".to_owned(), "version 2, expected 1"),
            (
                format!("version = 1\n{}", entry("../x", &a.to_hex())),
                "auditor name",
            ),
            (
                format!("version = 1\n{}", entry("firm", "abc")),
                "64 hex characters",
            ),
            (
                format!(
                    "version = 1\n{}{}",
                    entry("firm", &a.to_hex()),
                    entry("firm", &b.to_hex())
                ),
                "earlier auditor",
            ),
            (
                format!(
                    "version = 1\n{}{}",
                    entry("firm", &a.to_hex()),
                    entry("other", &a.to_hex())
                ),
                "earlier auditor",
            ),
            (
                "version = 1\n#".to_owned() + &"x".repeat(1 << 20),
                "more than 1048576 bytes",
            ),
        ] {
            fs::write(&path, text).unwrap();
            let error = Auditors::load(&path).unwrap_err().to_string();
            assert!(error.contains(AUDITORS_FILE) && error.contains(part), "{error}");
        }
    }
}
