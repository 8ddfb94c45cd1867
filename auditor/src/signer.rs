//! The auditor's own key, under which exports are signed: a file in the form of the Go package `golang.org/x/mod/sumdb/note`,
//! `PRIVATE+KEY+<name>+<hash>+<base64 of 01 and the Ed25519 seed>`, that nobody but its owner may read.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use thiserror::Error;
use veilsum_protocol::log::{NoteError, UnverifiedNote, VerifierKey, VerifierKeyError};
use zeroize::Zeroizing;

const PREFIX: &str = "PRIVATE+KEY+";
const ED25519_TYPE: u8 = 1;
const SEED_BYTES: usize = 32;
/// Longest key file in bytes: a name of a few hundred characters.
const LIMIT: u64 = 4096;

/// Why there is no key to sign with.
#[derive(Debug, Error)]
pub enum SignerError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others may read the key.
    #[error("{}: found mode {mode:04o}, expected 0600: others on this machine may have read the key; make another with `key generate`, or run `chmod 600` if you know that nobody has", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is no key.
    #[error("{}: {what}; expected one line `PRIVATE+KEY+<name>+<hash>+<base64>`, as `key generate` writes it", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The name cannot be a key's.
    #[error(transparent)]
    Name(#[from] VerifierKeyError),
    /// The operating system gives no randomness.
    #[error("the operating system gave no randomness, so no key was made")]
    Randomness,
}

/// A key to sign with.
pub struct Signer {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.key)
    }
}

impl Signer {
    /// Makes a key under `name` and writes it into a new file with mode 0600.
    ///
    /// # Errors
    /// If the file is there already, or cannot be written.
    pub fn generate(path: &Path, name: &str) -> Result<Self, SignerError> {
        let mut seed = Zeroizing::new([0u8; SEED_BYTES]);
        SystemRandom::new()
            .fill(&mut *seed)
            .map_err(|_| SignerError::Randomness)?;
        let signer = Self::from_seed(name, &*seed)?;
        let typed = Zeroizing::new([&[ED25519_TYPE], &seed[..]].concat());
        let encoded = Zeroizing::new(BASE64.encode(&*typed));
        let text = Zeroizing::new(format!(
            "{PREFIX}{name}+{}+{}\n",
            hex::encode(signer.key.key_hash()),
            *encoded
        ));
        let file = |source| SignerError::File {
            path: path.to_owned(),
            source,
        };
        // A key is never written over, so the name itself is taken at once and not by renaming.
        let mut new = OpenOptions::new();
        let mut out = new
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(file)?;
        let written = out.write_all(text.as_bytes()).and_then(|()| out.sync_all());
        if let Err(source) = written {
            let _ = fs::remove_file(path);
            return Err(file(source));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        fs::File::open(folder.unwrap_or(Path::new(".")))
            .and_then(|folder| folder.sync_all())
            .map_err(file)?;
        Ok(signer)
    }

    /// Reads a key that nobody but its owner may read.
    ///
    /// # Errors
    /// [`SignerError`] with what was found.
    pub fn open(path: &Path) -> Result<Self, SignerError> {
        let refuse = |source| SignerError::File {
            path: path.to_owned(),
            source,
        };
        let file = fs::File::open(path).map_err(refuse)?;
        let mode = file.metadata().map_err(refuse)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SignerError::Open {
                path: path.to_owned(),
                mode,
            });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(LIMIT).read_to_string(&mut text).map_err(refuse)?;
        Self::parse(text.trim_end_matches('\n')).map_err(|what| SignerError::Form {
            path: path.to_owned(),
            what,
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix(PREFIX)
            .ok_or("it does not begin with PRIVATE+KEY+")?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err("it has too few parts".to_owned());
        };
        let typed = BASE64.decode(key).map(Zeroizing::new);
        let typed = typed.map_err(|_| "its last part is not base64".to_owned())?;
        let seed = match typed.split_first() {
            Some((&ED25519_TYPE, seed)) => seed,
            _ => return Err("its type is not Ed25519 (01)".to_owned()),
        };
        let signer = Self::from_seed(name, seed).map_err(|error| error.to_string())?;
        if hex::encode(signer.key.key_hash()) != hash {
            return Err("its hash is not that of the name and the key".to_owned());
        }
        Ok(signer)
    }

    fn from_seed(name: &str, seed: &[u8]) -> Result<Self, SignerError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| SignerError::Form {
            path: PathBuf::new(),
            what: format!("a seed of {} bytes, expected {SEED_BYTES}", seed.len()),
        })?;
        let mut public = [0; 32];
        for (to, from) in public.iter_mut().zip(pair.public_key().as_ref()) {
            *to = *from;
        }
        Ok(Self {
            key: VerifierKey::new(name, public)?,
            pair,
        })
    }

    /// The public half: what others pin.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Signs a text as a note (C2SP `signed-note`).
    ///
    /// # Errors
    /// If the text cannot be a note's.
    pub fn sign(&self, text: &str) -> Result<UnverifiedNote, NoteError> {
        UnverifiedNote::sign(text, &self.key, |bytes| {
            let mut signature = [0; 64];
            for (to, from) in signature.iter_mut().zip(self.pair.sign(bytes).as_ref()) {
                *to = *from;
            }
            signature
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    // The example of the Go package golang.org/x/mod/sumdb/note.
    const KNOWN: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const KNOWN_TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const KNOWN_SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_known_key_signs_the_known_note() {
        let signer = Signer::parse(KNOWN).unwrap();
        let note = signer.sign(KNOWN_TEXT).unwrap();
        assert_eq!(note.as_str(), format!("{KNOWN_TEXT}\n{KNOWN_SIGNATURE}"));
    }

    #[test]
    fn a_key_is_written_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auditor.key");
        let made = Signer::generate(&path, "auditor.example").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(Signer::open(&path).unwrap().key(), made.key());
        let error = Signer::generate(&path, "auditor.example").unwrap_err();
        assert!(matches!(error, SignerError::File { .. }), "{error}");
        assert_eq!(Signer::open(&path).unwrap().key(), made.key());
        for open in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = Signer::open(&path).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{open:04o}")) && error.contains("0600"),
                "{error}"
            );
        }
        assert!(Signer::generate(&folder.path().join("other"), "two words").is_err());
        assert!(!folder.path().join("other").exists());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for (text, what) in [
            ("", "PRIVATE+KEY+"),
            ("PRIVATE+KEY+a+b", "too few"),
            (&KNOWN.replace("c74f20a3", "c74f20a4"), "hash"),
            (&KNOWN.replace("+AYEK", "+AoEK"), "type"),
            (&KNOWN[..KNOWN.len() - 4], "seed of 29 bytes"),
            (&format!("{KNOWN}!"), "base64"),
        ] {
            let error = Signer::parse(text).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
    }
}
