//! The roster: all enrolled banks of a consortium with their public keys.
//!
//! A bank pins the roster when it is enrolled and believes no other. A [`Roster`] that exists has been checked.

use std::collections::HashSet;

use crate::ids::{BankIndex, Digest};

/// Fewest banks of a consortium: with two, each could subtract itself from the sum.
pub const MIN_BANKS: usize = 3;
/// Most banks of a consortium.
pub const MAX_BANKS: usize = 500;
/// Longest name of a bank, in characters: with it a roster of [`MAX_BANKS`] fits into one entry of the log.
pub const MAX_BANK_NAME: usize = 28;
/// Longest name of a consortium, in characters.
pub const MAX_CONSORTIUM_NAME: usize = 64;

/// One enrolled bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterEntry {
    /// Its position, from 1.
    pub index: BankIndex,
    /// Its name: 1 to 28 of `a-z`, `0-9` and `-`.
    pub name: String,
    /// Its Ed25519 public key (RFC 8032), under which it signs what goes into the log.
    pub signing_key: [u8; 32],
    /// Its Ed25519 public key for cosignatures under the log's heads, and for nothing else.
    pub witness_key: [u8; 32],
    /// SHA-256 of the public key of its TLS certificate (the SubjectPublicKeyInfo in DER).
    pub tls_key: Digest,
}

/// All enrolled banks in the order of their positions, which run from 1 without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    consortium: String,
    banks: Vec<RosterEntry>,
}

/// Why a list of banks is not a roster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// Too few or too many banks.
    #[error("{found} banks in the roster, expected {MIN_BANKS} to {MAX_BANKS}")]
    Size {
        /// Banks given.
        found: usize,
    },
    /// A name with other characters, or of the wrong length.
    #[error("{0}")]
    Name(#[from] NameError),
    /// A gap, a repetition or another order of positions.
    #[error("bank {name:?} has position {found}, expected {expected}: positions run from 1 without a gap")]
    Position {
        /// The bank.
        name: String,
        /// Its position.
        found: u16,
        /// What it should be, by its place in the list.
        expected: usize,
    },
    /// Two banks share what must be theirs alone.
    #[error("bank {name:?} has the same {what} as an earlier bank; each bank needs its own")]
    Repeated {
        /// The later bank.
        name: String,
        /// `name`, `signing key`, `witness key` or `TLS key`.
        what: &'static str,
    },
}

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} name {found:?}: expected 1 to {longest} characters out of {allowed}")]
pub struct NameError {
    kind: &'static str,
    found: String,
    longest: usize,
    allowed: &'static str,
}

/// Checks the name of a bank: 1 to 28 of `a-z`, `0-9` and `-`. It serves as a folder and as a DNS label, so it neither starts
/// nor ends with `-`.
///
/// # Errors
/// [`NameError`] with the name that was found.
pub fn check_bank_name(name: &str) -> Result<(), NameError> {
    check_label("bank", name)
}

/// Checks the name of an auditor, which follows the same rule.
///
/// # Errors
/// [`NameError`] with the name that was found.
pub fn check_auditor_name(name: &str) -> Result<(), NameError> {
    check_label("auditor", name)
}

/// Checks the name of an operator, which follows the same rule.
///
/// # Errors
/// [`NameError`] with the name that was found.
pub fn check_operator_name(name: &str) -> Result<(), NameError> {
    check_label("operator", name)
}

fn check_label(kind: &'static str, name: &str) -> Result<(), NameError> {
    let allowed = "a-z, 0-9 and -, with no - at either end";
    let good = name
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if good && (1..=MAX_BANK_NAME).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(());
    }
    Err(NameError {
        kind,
        found: name.to_owned(),
        longest: MAX_BANK_NAME,
        allowed,
    })
}

/// Checks the name of a consortium: 1 to 64 of `a-z`, `0-9`, `-`, `.` and `/`. It is also the origin line of the log, which
/// may be a path without a scheme such as `example.org/credit`.
///
/// # Errors
/// [`NameError`] with the name that was found.
pub fn check_consortium_name(name: &str) -> Result<(), NameError> {
    let allowed = "a-z, 0-9, -, . and /";
    let good = name
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'/'));
    if good && (1..=MAX_CONSORTIUM_NAME).contains(&name.len()) {
        return Ok(());
    }
    Err(NameError {
        kind: "consortium",
        found: name.to_owned(),
        longest: MAX_CONSORTIUM_NAME,
        allowed,
    })
}

impl Roster {
    /// Checks a list of banks: 3 to 500, positions 1, 2, ... in order, names well formed, no name or key twice.
    ///
    /// # Errors
    /// The first [`RosterError`] in the order of the list.
    pub fn new(consortium: impl Into<String>, banks: Vec<RosterEntry>) -> Result<Self, RosterError> {
        let consortium = consortium.into();
        check_consortium_name(&consortium)?;
        if !(MIN_BANKS..=MAX_BANKS).contains(&banks.len()) {
            return Err(RosterError::Size { found: banks.len() });
        }
        let (mut names, mut keys, mut tls_keys) = (HashSet::new(), HashSet::new(), HashSet::new());
        for (expected, bank) in (1..).zip(&banks) {
            check_bank_name(&bank.name)?;
            if usize::from(bank.index.get()) != expected {
                return Err(RosterError::Position {
                    name: bank.name.clone(),
                    found: bank.index.get(),
                    expected,
                });
            }
            for (new, what) in [
                (names.insert(bank.name.as_str()), "name"),
                (keys.insert(bank.signing_key), "signing key"),
                // Nor one that is another's signing key: a signature is to be one party's in one role.
                (keys.insert(bank.witness_key), "witness key"),
                (tls_keys.insert(bank.tls_key), "TLS key"),
            ] {
                if !new {
                    return Err(RosterError::Repeated {
                        name: bank.name.clone(),
                        what,
                    });
                }
            }
        }
        Ok(Self { consortium, banks })
    }

    /// Name of the consortium.
    pub fn consortium(&self) -> &str {
        &self.consortium
    }

    /// The banks by position.
    pub fn banks(&self) -> &[RosterEntry] {
        &self.banks
    }

    /// The bank at a position.
    pub fn bank(&self, index: BankIndex) -> Option<&RosterEntry> {
        self.banks.get(usize::from(index.get()).checked_sub(1)?)
    }

    /// The bank of that name.
    pub fn named(&self, name: &str) -> Option<&RosterEntry> {
        self.banks.iter().find(|bank| bank.name == name)
    }

    /// The bank whose TLS certificate has a public key of this hash.
    pub fn by_tls_key(&self, tls_key: Digest) -> Option<&RosterEntry> {
        self.banks.iter().find(|bank| bank.tls_key == tls_key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn banks(count: u16) -> Vec<RosterEntry> {
        (1..=count)
            .map(|position| RosterEntry {
                index: BankIndex::new(position).unwrap(),
                name: format!("bank-{position}"),
                signing_key: Digest::of(format!("signing {position}").as_bytes()).0,
                witness_key: Digest::of(format!("witness {position}").as_bytes()).0,
                tls_key: Digest::of(format!("tls {position}").as_bytes()),
            })
            .collect()
    }

    fn refused(change: impl FnOnce(&mut Vec<RosterEntry>)) -> String {
        let mut list = banks(4);
        change(&mut list);
        Roster::new("demo", list).unwrap_err().to_string()
    }

    #[test]
    fn a_good_roster_is_found_by_position_name_and_key() {
        let roster = Roster::new("example.org/credit", banks(500)).unwrap();
        let last = roster.bank(BankIndex::new(500).unwrap()).unwrap();
        assert_eq!(last.name, "bank-500");
        assert_eq!(roster.named("bank-7"), roster.bank(BankIndex::new(7).unwrap()));
        assert_eq!(roster.by_tls_key(last.tls_key), Some(last));
        assert_eq!(roster.bank(BankIndex::new(501).unwrap()), None);
    }

    #[test]
    fn the_number_of_banks_is_bounded() {
        for (count, good) in [(2, false), (3, true), (500, true), (501, false)] {
            assert_eq!(Roster::new("demo", banks(count)).is_ok(), good, "{count}");
        }
    }

    #[test]
    fn gaps_and_repetitions_are_refused() {
        assert!(
            refused(|list| list[2].index = BankIndex::new(4).unwrap()).contains("position 4, expected 3")
        );
        assert!(refused(|list| list.swap(0, 1)).contains("position 2, expected 1"));
        assert!(refused(|list| list[3].name = "bank-1".to_owned()).contains("same name"));
        assert!(refused(|list| list[3].signing_key = list[0].signing_key).contains("same signing key"));
        assert!(refused(|list| list[3].witness_key = list[0].witness_key).contains("same witness key"));
        assert!(refused(|list| list[3].witness_key = list[3].signing_key).contains("same witness key"));
        assert!(refused(|list| list[3].tls_key = list[0].tls_key).contains("same TLS key"));
    }

    #[test]
    fn names_cannot_leave_their_folder_or_label() {
        for bad in ["", "-a", "a-", "A", "a.b", "../a", "a b", "ä", &"a".repeat(29)] {
            assert!(check_bank_name(bad).is_err(), "{bad}");
        }
        for good in ["a", "bank-a", "0", &"a".repeat(28)] {
            assert!(check_bank_name(good).is_ok(), "{good}");
        }
        assert!(check_consortium_name("example.org/credit").is_ok());
        assert!(check_consortium_name("a+b").is_err());
    }
}
