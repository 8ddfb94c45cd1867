//! The auditors that may read log and archive, and the operators that have the operator's page from elsewhere: the files `auditors.toml` and
//! `operators.toml`, which the operator may edit.
//!
//! They are apart from the consortium file, which every bank pins: who reads changes nothing for a bank. Lost: none of them is let in until
//! the file is back or they are enrolled again.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use veilsum_admission::keyfile;
use veilsum_protocol::enrolment::Role;
use veilsum_protocol::ids::Digest;

use super::EnrolError;

/// Name of the auditors' file in the operator's folder.
pub const AUDITORS_FILE: &str = "auditors.toml";

/// Name of the operators' file there.
pub const OPERATORS_FILE: &str = "operators.toml";

/// Version of both files' format.
const VERSION: u32 = 1;

/// Largest file that is read, in bytes: a few thousand names.
const FILE_LIMIT: u64 = 1 << 20;

/// The name that a role's file has in the operator's folder.
pub fn file_name(role: Role) -> &'static str {
    match role {
        Role::Auditor => AUDITORS_FILE,
        Role::Operator => OPERATORS_FILE,
    }
}

fn head(role: Role) -> String {
    let may = match role {
        Role::Auditor => "Who may read log and archive over HTTPS, beside the banks",
        Role::Operator => "Who has the operator's page over HTTPS",
    };
    format!(
        "# {may}; written by `veilsum-coordinator enrol` and by enrolment with an invitation.\n\
         # An [[{role}]] that is deleted here is refused from its next request on. Nothing has to be started again.\n\n"
    )
}

/// Those of one role, as they stand in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readers {
    role: Role,
    list: Vec<Reader>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reader {
    /// Its name.
    pub name: String,
    /// SHA-256 of its TLS certificate's SubjectPublicKeyInfo in DER.
    #[serde(rename = "tls_key_sha256", with = "super::hex_text")]
    pub tls_key: Digest,
}

/// The form of both files; each has entries of its own role alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    auditor: Vec<Reader>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    operator: Vec<Reader>,
}

impl Readers {
    /// Reads the file of a role. Where there is none, there is nobody.
    ///
    /// # Errors
    /// [`EnrolError::File`], or [`EnrolError::Content`] for a file that is not wholly in order.
    pub fn load(role: Role, path: &Path) -> Result<Self, EnrolError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self {
                    role,
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
        let content: Content = toml::from_str(&text).map_err(|error| EnrolError::content(path, error))?;
        Self::of(role, content).map_err(|problem| EnrolError::content(path, problem))
    }

    fn of(role: Role, content: Content) -> Result<Self, String> {
        let Content {
            version,
            auditor,
            operator,
        } = content;
        if version != VERSION {
            return Err(format!(
                "version {version}, expected {VERSION}; use the release that wrote the file"
            ));
        }
        let (list, other) = match role {
            Role::Auditor => (auditor, operator),
            Role::Operator => (operator, auditor),
        };
        if let Some(other) = other.first() {
            return Err(format!(
                "{:?} is of the other role, expected [[{role}]] alone; the other file is for it",
                other.name
            ));
        }
        for (position, reader) in list.iter().enumerate() {
            role.party()
                .check_name(&reader.name)
                .map_err(|error| error.to_string())?;
            let mut earlier = list.iter().take(position);
            if earlier.any(|it| it.name == reader.name || it.tls_key == reader.tls_key) {
                let name = &reader.name;
                return Err(format!(
                    "{role} {name:?} has the name or the TLS key of an earlier {role}; each needs its own"
                ));
            }
        }
        Ok(Self { role, list })
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// [`EnrolError::File`].
    pub fn store(&self, path: &Path) -> Result<(), EnrolError> {
        let (auditor, operator) = match self.role {
            Role::Auditor => (self.list.clone(), Vec::new()),
            Role::Operator => (Vec::new(), self.list.clone()),
        };
        let content = Content {
            version: VERSION,
            auditor,
            operator,
        };
        let text = toml::to_string(&content).map_err(EnrolError::make("the list of those who may read"))?;
        Ok(keyfile::replace(
            path,
            format!("{}{text}", head(self.role)).as_bytes(),
        )?)
    }

    /// Puts a name on the list; true if it was there already, with this key.
    ///
    /// # Errors
    /// That the name has another key, or the key another name.
    pub fn admit(&mut self, name: &str, tls_key: Digest) -> Result<bool, String> {
        let role = self.role;
        let new = Reader {
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
                "{role} {name:?} is enrolled with another key; delete its lines in {} first, or enrol the new key under another name",
                file_name(role)
            )),
            Some(old) => Err(format!(
                "{role} {:?} is enrolled with this key; each {role} needs its own",
                old.name
            )),
        }
    }

    /// The same list without this name.
    pub fn without(&self, name: &str) -> Self {
        let mut left = self.clone();
        left.list.retain(|reader| reader.name != name);
        left
    }

    /// Who has this TLS key.
    pub fn by_tls_key(&self, tls_key: Digest) -> Option<&Reader> {
        self.list.iter().find(|it| it.tls_key == tls_key)
    }

    /// Who has this name.
    pub fn by_name(&self, name: &str) -> Option<&Reader> {
        self.list.iter().find(|it| it.name == name)
    }

    /// Their role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// All of them, in the order of their admission.
    pub fn list(&self) -> &[Reader] {
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
        let mut auditors = Readers::load(Role::Auditor, &path).unwrap();
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
        assert_eq!(Readers::load(Role::Auditor, &path).unwrap(), auditors);

        let text = fs::read_to_string(&path).unwrap();
        let firm = format!("[[auditor]]\nname = \"firm\"\ntls_key_sha256 = \"{a}\"\n");
        assert!(text.contains(&firm), "{text}");
        fs::write(&path, text.replace(&firm, "")).unwrap();
        let left = Readers::load(Role::Auditor, &path).unwrap();
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
                "version = 1\n[[operator]]\nname = \"anna\"\ntls_key_sha256 = \"".to_owned()
                    + &a.to_hex()
                    + "\"",
                "\"anna\" is of the other role, expected [[auditor]] alone",
            ),
            (
                "version = 1\n#".to_owned() + &"x".repeat(1 << 20),
                "more than 1048576 bytes",
            ),
        ] {
            fs::write(&path, text).unwrap();
            let error = Readers::load(Role::Auditor, &path).unwrap_err().to_string();
            assert!(error.contains(AUDITORS_FILE) && error.contains(part), "{error}");
        }
    }
}
