//! The proposed roster, for the operator who decides on it, and the operator's word.
//!
//! | file | what |
//! | --- | --- |
//! | `in-force.entry`, `proposal.entry` | the rosters before and after, as their entries in the log; the daemon writes them while a change is proposed |
//! | `<proposal>.toml` | the operator's yes or no to one proposal |
//!
//! Who may write into the folder can decide in the operator's name. Lost: what the daemon has taken up stays, other decisions are made again.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::roster_chain::Proposal;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::wire::canonical::Canonical as _;

use super::durable::{FileError, PRIVATE, PUBLIC, make_folder, replace};

const IN_FORCE: &str = "in-force.entry";
const PROPOSAL: &str = "proposal.entry";

/// What the operator decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Yes.
    Approved,
    /// No.
    Refused,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    decision: Decision,
}

/// A proposal as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// Hash of the proposal: what is approved.
    pub hash: Digest,
    /// The roster in force.
    pub before: Roster,
    /// The one that is to follow.
    pub after: Roster,
}

/// The folder.
#[derive(Clone, Debug)]
pub struct RosterFiles {
    folder: PathBuf,
}

impl RosterFiles {
    /// In `folder`, which is made.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn open(folder: PathBuf) -> Result<Self, FileError> {
        make_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Writes down what is proposed, or that nothing is.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn offer(&self, in_force: &Roster, proposal: Option<&Proposal>) -> Result<(), FileError> {
        let path = self.folder.join(PROPOSAL);
        let Some(open) = proposal else {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(FileError::at(&path)(error))
                }
                _ => Ok(()),
            };
        };
        let entry = Entry::RosterProposal {
            sequence: open.sequence,
            previous: in_force.hash(),
            banks: open.roster.banks().to_vec(),
        };
        self.write(IN_FORCE, &Entry::from(in_force))?;
        self.write(PROPOSAL, &entry)
    }

    fn write(&self, name: &str, entry: &Entry) -> Result<(), FileError> {
        let (path, bytes) = (self.folder.join(name), entry.to_bytes());
        if fs::read(&path).ok().as_deref() == Some(bytes.as_slice()) {
            return Ok(());
        }
        replace(&path, PUBLIC, &bytes)
    }

    /// What is proposed, as the daemon last wrote it.
    ///
    /// # Errors
    /// If it cannot be read. What is no proposal for the roster beside it counts as none.
    pub fn proposed(&self) -> Result<Option<Proposed>, FileError> {
        let (Some(before), Some(proposal)) = (self.read(IN_FORCE)?, self.read(PROPOSAL)?) else {
            return Ok(None);
        };
        let (hash, previous) = (proposal.hash(), before.hash());
        let (
            Entry::Roster { consortium, banks },
            Entry::RosterProposal {
                previous: of,
                banks: after,
                ..
            },
        ) = (before, proposal)
        else {
            return Ok(None);
        };
        let rosters = (
            Roster::new(consortium.as_str(), banks),
            Roster::new(consortium.as_str(), after),
        );
        Ok(match rosters {
            (Ok(before), Ok(after)) if of == previous => Some(Proposed { hash, before, after }),
            _ => None,
        })
    }

    fn read(&self, name: &str) -> Result<Option<Entry>, FileError> {
        let path = self.folder.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Entry::from_bytes(&bytes).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::at(&path)(error)),
        }
    }

    /// Notes the operator's word on a proposal, for the daemon to see.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn decide(&self, proposal: &Digest, decision: Decision) -> Result<(), FileError> {
        let path = self.note(proposal);
        let note = toml::to_string(&Note { decision })
            .map_err(|error| FileError::at(&path)(std::io::Error::other(error)))?;
        let text = format!("# The operator of this bank decided on this change of the roster.\n{note}");
        replace(&path, PRIVATE, text.as_bytes())
    }

    /// The operator's word on a proposal.
    ///
    /// # Errors
    /// If its file is there and cannot be read, or says neither.
    pub fn decision(&self, proposal: &Digest) -> Result<Option<Decision>, FileError> {
        let path = self.note(proposal);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::at(&path)(error)),
        };
        let note: Note = toml::from_str(&text).map_err(|error| {
            FileError::at(&path)(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
        })?;
        Ok(Some(note.decision))
    }

    fn note(&self, proposal: &Digest) -> PathBuf {
        self.folder.join(proposal.to_hex()).with_extension("toml")
    }

    /// Where the decisions of the state folder are.
    pub fn folder_in(state: &Path) -> PathBuf {
        state.join("rosters")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use veilsum_protocol::ids::BankIndex;
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

    fn files() -> (tempfile::TempDir, RosterFiles) {
        let folder = tempfile::tempdir().unwrap();
        let files = RosterFiles::open(RosterFiles::folder_in(folder.path())).unwrap();
        (folder, files)
    }

    #[test]
    fn what_is_proposed_is_read_as_it_was_offered() {
        let (_folder, files) = files();
        assert_eq!(files.proposed().unwrap(), None);
        let (before, after) = (roster(4), roster(5));
        let entry = Entry::RosterProposal {
            sequence: 3,
            previous: before.hash(),
            banks: after.banks().to_vec(),
        };
        let proposal = Proposal {
            hash: entry.hash(),
            sequence: 3,
            roster: after.clone(),
            approved: BTreeSet::new(),
        };
        files.offer(&before, Some(&proposal)).unwrap();
        let expected = Proposed {
            hash: entry.hash(),
            before: before.clone(),
            after,
        };
        assert_eq!(files.proposed().unwrap(), Some(expected));
        // A roster that the proposal does not follow stands beside it.
        files.write(IN_FORCE, &Entry::from(&roster(3))).unwrap();
        assert_eq!(files.proposed().unwrap(), None);
        files.offer(&before, None).unwrap();
        files.offer(&before, None).unwrap();
        assert_eq!(files.proposed().unwrap(), None);
    }

    #[test]
    fn a_decision_is_about_one_proposal_and_the_last_one_counts() {
        let (_folder, files) = files();
        let (one, other) = (Digest([1; 32]), Digest([2; 32]));
        assert_eq!(files.decision(&one).unwrap(), None);
        files.decide(&one, Decision::Refused).unwrap();
        files.decide(&one, Decision::Approved).unwrap();
        assert_eq!(files.decision(&one).unwrap(), Some(Decision::Approved));
        assert_eq!(files.decision(&other).unwrap(), None);
        fs::write(files.note(&other), "decision = \"perhaps\"").unwrap();
        let error = files.decision(&other).unwrap_err().to_string();
        assert!(
            error.contains("perhaps") && error.contains(&other.to_hex()),
            "{error}"
        );
    }
}
