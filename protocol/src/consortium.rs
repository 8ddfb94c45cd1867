//! The consortium file: what a bank pins when it is admitted.
//!
//! It names the coordinator, the authority under which both sides' TLS certificates are issued, the key under which the
//! log is signed, and every bank with its public keys. All of it is public; that it is the same at every bank is what matters,
//! so banks compare its hash out of band.

use serde::{Deserialize, Serialize};

use crate::ids::{BankIndex, Digest};
use crate::log::VerifierKey;
use crate::roster::{Roster, RosterEntry, RosterError};

/// Version of the file's format.
pub const CONSORTIUM_VERSION: u32 = 1;

/// Largest consortium file that is read, in bytes: 500 banks take about 200 KiB.
pub const CONSORTIUM_LIMIT: usize = 1 << 20;

/// The file `consortium.toml`, as text; [`Consortium::from_toml`] checks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consortium {
    /// [`CONSORTIUM_VERSION`].
    pub version: u32,
    /// Name of the consortium, and origin of its log.
    pub name: String,
    /// Where the coordinator listens: `host:port`.
    pub address: String,
    /// The host name or address that its certificate must carry.
    pub server_name: String,
    /// The log's verifier key (C2SP signed-note): `name+hash+base64`.
    pub log_key: VerifierKey,
    /// Certificate of the consortium's authority, PEM.
    pub ca_pem: String,
    /// The banks by position.
    #[serde(rename = "bank", default)]
    pub banks: Vec<ConsortiumBank>,
}

/// One bank in the consortium file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsortiumBank {
    /// Roster position, from 1.
    pub index: BankIndex,
    /// Its name.
    pub name: String,
    /// Ed25519 public key, 64 hex characters.
    pub signing_public_key: String,
    /// Ed25519 public key for cosignatures, 64 hex characters.
    pub witness_public_key: String,
    /// SHA-256 of its TLS certificate's SubjectPublicKeyInfo in DER, 64 hex characters.
    pub tls_key_sha256: String,
}

/// Why a text is not a consortium file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsortiumError {
    /// Larger than any honest file.
    #[error("{found} bytes, expected at most {CONSORTIUM_LIMIT}")]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
    /// Not TOML, or a key that is missing or unknown.
    #[error("not a consortium file: {0}")]
    Toml(String),
    /// Written by another version.
    #[error("version {found}, expected {CONSORTIUM_VERSION}; use the release that wrote the file")]
    Version {
        /// The version found.
        found: u32,
    },
    /// A key is not 64 hex characters.
    #[error("bank {bank:?}: {field} is not 64 hex characters")]
    Hex {
        /// The bank.
        bank: String,
        /// The field.
        field: &'static str,
    },
    /// The address has no port, or an empty host.
    #[error("address {found:?}, expected host:port")]
    Address {
        /// What was found.
        found: String,
    },
    /// The log's key carries another name than the consortium's.
    #[error("log_key: it is the key of {found:?}, expected {expected:?}")]
    LogKey {
        /// The name on the key.
        found: String,
        /// The consortium's name.
        expected: String,
    },
    /// The banks are not a roster.
    #[error(transparent)]
    Roster(#[from] RosterError),
}

impl Consortium {
    /// Reads and checks a consortium file and the roster in it.
    ///
    /// # Errors
    /// [`ConsortiumError`] for the first thing that is wrong.
    pub fn from_toml(text: &str) -> Result<(Self, Roster), ConsortiumError> {
        if text.len() > CONSORTIUM_LIMIT {
            return Err(ConsortiumError::TooLarge { found: text.len() });
        }
        let file: Self = toml::from_str(text).map_err(|error| ConsortiumError::Toml(error.to_string()))?;
        let roster = file.roster()?;
        Ok((file, roster))
    }

    /// The file's text. The same consortium always gives the same bytes.
    ///
    /// # Errors
    /// [`ConsortiumError::Toml`] if a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, ConsortiumError> {
        toml::to_string(self).map_err(|error| ConsortiumError::Toml(error.to_string()))
    }

    /// Checks the file and takes the roster out of it.
    ///
    /// # Errors
    /// [`ConsortiumError`] for the first thing that is wrong.
    pub fn roster(&self) -> Result<Roster, ConsortiumError> {
        if self.version != CONSORTIUM_VERSION {
            return Err(ConsortiumError::Version { found: self.version });
        }
        let (host, port) = self.address.rsplit_once(':').unwrap_or_default();
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(ConsortiumError::Address {
                found: self.address.clone(),
            });
        }
        if self.log_key.name() != self.name {
            let (found, expected) = (self.log_key.name().to_owned(), self.name.clone());
            return Err(ConsortiumError::LogKey { found, expected });
        }
        let banks = self
            .banks
            .iter()
            .map(ConsortiumBank::entry)
            .collect::<Result<_, _>>()?;
        Ok(Roster::new(self.name.as_str(), banks)?)
    }
}

impl ConsortiumBank {
    /// The bank as a roster has it.
    ///
    /// # Errors
    /// [`ConsortiumError::Hex`] if a key is none.
    pub fn entry(&self) -> Result<RosterEntry, ConsortiumError> {
        let key = |field, text: &str| {
            Digest::from_hex(text).ok_or_else(|| ConsortiumError::Hex {
                bank: self.name.clone(),
                field,
            })
        };
        Ok(RosterEntry {
            index: self.index,
            name: self.name.clone(),
            signing_key: key("signing_public_key", &self.signing_public_key)?.0,
            witness_key: key("witness_public_key", &self.witness_public_key)?.0,
            tls_key: key("tls_key_sha256", &self.tls_key_sha256)?,
        })
    }
}

impl From<&RosterEntry> for ConsortiumBank {
    fn from(entry: &RosterEntry) -> Self {
        Self {
            index: entry.index,
            name: entry.name.clone(),
            signing_public_key: hex::encode(entry.signing_key),
            witness_public_key: hex::encode(entry.witness_key),
            tls_key_sha256: entry.tls_key.to_hex(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn consortium() -> Consortium {
        let banks = (1..=3u16)
            .map(|position| ConsortiumBank {
                index: BankIndex::new(position).unwrap(),
                name: format!("bank-{position}"),
                signing_public_key: Digest::of(&[1, u8::try_from(position).unwrap()]).to_hex(),
                witness_public_key: Digest::of(&[3, u8::try_from(position).unwrap()]).to_hex(),
                tls_key_sha256: Digest::of(&[2, u8::try_from(position).unwrap()]).to_hex(),
            })
            .collect();
        Consortium {
            version: CONSORTIUM_VERSION,
            name: "demo".to_owned(),
            address: "localhost:7443".to_owned(),
            server_name: "localhost".to_owned(),
            log_key: VerifierKey::new("demo", [9; 32]).unwrap(),
            ca_pem: "PEM\n".to_owned(),
            banks,
        }
    }

    #[test]
    fn the_file_is_read_back_with_its_roster() {
        let text = consortium().to_toml().unwrap();
        let (read, roster) = Consortium::from_toml(&text).unwrap();
        assert_eq!(read, consortium());
        assert_eq!(read.to_toml().unwrap(), text);
        let again: Vec<_> = roster.banks().iter().map(ConsortiumBank::from).collect();
        assert_eq!(again, read.banks);
    }

    #[test]
    fn a_wrong_file_says_what_is_wrong() {
        let refused = |change: fn(&mut Consortium)| {
            let mut changed = consortium();
            change(&mut changed);
            Consortium::from_toml(&changed.to_toml().unwrap())
                .unwrap_err()
                .to_string()
        };
        assert!(refused(|it| it.version = 9).contains("version 9, expected 1"));
        assert!(refused(|it| it.address = "localhost".to_owned()).contains("expected host:port"));
        assert!(
            refused(|it| it.log_key = VerifierKey::new("other", [9; 32]).unwrap())
                .contains("key of \"other\"")
        );
        assert!(refused(|it| it.banks[1].tls_key_sha256.push('0')).contains("bank-2"));
        assert!(refused(|it| it.banks.truncate(2)).contains("2 banks"));
        let zero = consortium().to_toml().unwrap().replace("index = 1", "index = 0");
        assert!(
            Consortium::from_toml(&zero)
                .unwrap_err()
                .to_string()
                .contains("start at 1")
        );
        let forged = consortium()
            .to_toml()
            .unwrap()
            .replace("log_key = \"demo+", "log_key = \"demo2+");
        assert!(
            Consortium::from_toml(&forged)
                .unwrap_err()
                .to_string()
                .contains("hash")
        );
        let unknown = format!("extra = 1\n{}", consortium().to_toml().unwrap());
        assert!(
            Consortium::from_toml(&unknown)
                .unwrap_err()
                .to_string()
                .contains("extra")
        );
    }
}
