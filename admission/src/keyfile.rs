//! Files of an identity folder: private keys that only their owner may read, and public files that are replaced whole.
//!
//! Trusted: whoever can read here is the owner. Lost: no key can be made again, and its owner enrols anew.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

/// Why a file of an identity folder is not read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It could not be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A private key that others may read.
    #[error(
        "{path}: mode {mode:04o} lets others at this private key, expected 0600 or 0400; run: chmod 600 '{path}'"
    )]
    Mode {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is one already.
    #[error("{path} exists already; it is not overwritten. Choose another folder")]
    Exists {
        /// The key file.
        path: PathBuf,
    },
    /// Its content is no key.
    #[error("{path}: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What was found and expected.
        problem: String,
    },
}

impl KeyFileError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }

    pub(crate) fn content(path: &Path, problem: impl ToString) -> Self {
        Self::Content {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }
}

const KEY_LIMIT: u64 = 16 << 10;

/// Writes a new file that only its owner may read and write, durably. It is there as a whole or not at all, so that whoever was interrupted
/// can begin again.
///
/// # Errors
/// [`KeyFileError::Exists`] if there is one already.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), KeyFileError> {
    let temporary = beside(path);
    // What a crash left may have another mode.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(KeyFileError::file(&temporary)(error));
        }
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .map_err(KeyFileError::file(&temporary))?;
    // Unlike a rename, a link never takes the place of a key.
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary).map_err(KeyFileError::file(&temporary))?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(KeyFileError::Exists {
                path: path.to_owned(),
            });
        }
        linked => linked.map_err(KeyFileError::file(path))?,
    }
    sync_parent(path)
}

/// The name of a file while it is written.
fn beside(path: &Path) -> PathBuf {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    temporary.into()
}

/// Reads a private key, and refuses one that others than its owner may read.
///
/// # Errors
/// [`KeyFileError::Mode`] with the command that repairs it.
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let mut file = File::open(path).map_err(KeyFileError::file(path))?;
    let facts = file.metadata().map_err(KeyFileError::file(path))?;
    let mode = facts.permissions().mode() & 0o7777;
    if mode & !0o600 != 0 {
        return Err(KeyFileError::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    if facts.len() > KEY_LIMIT {
        return Err(KeyFileError::content(
            path,
            format!("{} bytes, expected a key", facts.len()),
        ));
    }
    let mut content = Zeroizing::new(Vec::with_capacity(
        usize::try_from(facts.len()).unwrap_or_default(),
    ));
    file.read_to_end(&mut content).map_err(KeyFileError::file(path))?;
    Ok(content)
}

/// Reads the private key in a PEM file (PKCS #8, RFC 5958) as DER, and refuses one that others than its owner may read.
///
/// # Errors
/// [`KeyFileError::Mode`] with the command that repairs it, [`KeyFileError::Content`] if it is not a PKCS #8 key.
pub fn read_pkcs8(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let pem = read_private(path)?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(&pem)
        .map_err(|error| KeyFileError::content(path, format!("no PKCS #8 private key in PEM: {error}")))?;
    Ok(Zeroizing::new(key.secret_pkcs8_der().to_vec()))
}

/// Replaces a public file as a whole: a reader sees the old content or the new one, also after a crash.
///
/// # Errors
/// [`KeyFileError::File`].
pub fn replace(path: &Path, content: &[u8]) -> Result<(), KeyFileError> {
    let temporary = beside(path);
    File::create(&temporary)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .map_err(KeyFileError::file(&temporary))?;
    fs::rename(&temporary, path).map_err(KeyFileError::file(path))?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> Result<(), KeyFileError> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(KeyFileError::file(parent))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_key_is_readable_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        write_private(&path, b"secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(*read_private(&path).unwrap(), b"secret");
        assert!(matches!(
            write_private(&path, b"other"),
            Err(KeyFileError::Exists { .. })
        ));
        // What an interruption left under the other name is no key, and is not in the way.
        fs::write(beside(&folder.path().join("b.key")), b"torn").unwrap();
        write_private(&folder.path().join("b.key"), b"whole").unwrap();
        assert_eq!(*read_private(&folder.path().join("b.key")).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        for (mode, good) in [
            (0o400, true),
            (0o640, false),
            (0o604, false),
            (0o700, false),
            (0o600, true),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = read_private(&path);
            assert_eq!(read.is_ok(), good, "{mode:o}");
            if let Err(error) = read {
                assert!(
                    error
                        .to_string()
                        .contains(&format!("chmod 600 '{}'", path.display())),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn a_public_file_is_replaced_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
