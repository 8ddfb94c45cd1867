//! The bank's consortium file, which names the roster that it goes by: after an approved change it names the new one.

use std::path::PathBuf;

use veilsum_protocol::consortium::{Consortium, ConsortiumBank, ConsortiumError};
use veilsum_protocol::roster::Roster;

use super::durable::{FileError, PUBLIC, beside, replace};

/// The consortium file cannot follow a change of the roster.
#[derive(Debug, thiserror::Error)]
pub enum ConsortiumFileError {
    /// The system's reason.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is none any more.
    #[error(
        "{path}: {error}; put the file of the admission back and start the daemon again: it goes on from there"
    )]
    Content {
        /// The file.
        path: String,
        /// What is wrong.
        error: ConsortiumError,
    },
}

/// The file.
#[derive(Clone, Debug)]
pub struct ConsortiumFile {
    path: PathBuf,
}

impl ConsortiumFile {
    /// At `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes the file name this roster, durably, and keeps what was there beside it as `.before`. Everything else in it stays. If it names the
    /// roster already, nothing happens.
    ///
    /// # Errors
    /// If it cannot be read or replaced; it is whole all the same.
    pub fn name(&self, roster: &Roster) -> Result<(), ConsortiumFileError> {
        let content = |error| ConsortiumFileError::Content {
            path: self.path.display().to_string(),
            error,
        };
        let text = std::fs::read_to_string(&self.path).map_err(FileError::at(&self.path))?;
        let (file, named) = Consortium::from_toml(&text).map_err(content)?;
        if named == *roster {
            return Ok(());
        }
        let next = Consortium {
            banks: roster.banks().iter().map(ConsortiumBank::from).collect(),
            ..file
        };
        let next = next.to_toml().map_err(content)?;
        replace(&beside(&self.path, "before"), PUBLIC, text.as_bytes())?;
        Ok(replace(&self.path, PUBLIC, next.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use veilsum_protocol::ids::{BankIndex, Digest};
    use veilsum_protocol::log::VerifierKey;
    use veilsum_protocol::roster::RosterEntry;

    use super::*;

    fn roster(banks: u16) -> Roster {
        let entry = |position: u16| RosterEntry {
            index: BankIndex::new(position).unwrap(),
            name: format!("bank-{position}"),
            signing_key: Digest::of(&[1, position as u8]).0,
            witness_key: Digest::of(&[2, position as u8]).0,
            tls_key: Digest::of(&[3, position as u8]),
        };
        Roster::new("demo", (1..=banks).map(entry).collect()).unwrap()
    }

    #[test]
    fn the_new_roster_takes_the_place_of_the_old_one_which_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("consortium.toml");
        let consortium = Consortium {
            version: 1,
            name: "demo".to_owned(),
            address: "localhost:7443".to_owned(),
            server_name: "localhost".to_owned(),
            log_key: VerifierKey::new("demo", [9; 32]).unwrap(),
            ca_pem: "PEM\n".to_owned(),
            banks: roster(3).banks().iter().map(ConsortiumBank::from).collect(),
        };
        let before = consortium.to_toml().unwrap();
        std::fs::write(&path, &before).unwrap();
        let file = ConsortiumFile::new(path.clone());
        for _ in 0..2 {
            file.name(&roster(4)).unwrap();
            let (read, named) = Consortium::from_toml(&std::fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(named, roster(4));
            assert_eq!(
                (read.address, read.ca_pem),
                (consortium.address.clone(), consortium.ca_pem.clone())
            );
            let kept = std::fs::read_to_string(folder.path().join("consortium.toml.before")).unwrap();
            assert_eq!(kept, before);
        }
        std::fs::write(&path, "version = 1").unwrap();
        let error = file.name(&roster(3)).unwrap_err().to_string();
        assert!(error.contains("put the file of the admission back"), "{error}");
    }
}
