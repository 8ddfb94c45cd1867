//! A bank's no to a task, with a reason in general words.
//!
//! The reason is one of a closed list, so that no limit, name or number of a bank's policy can be in it. What the policy says is told to the
//! bank's own operator alone; and others do not hear whether the policy refused or the operator did, for a reason of the list.

use serde::{Deserialize, Serialize};

use crate::ids::{BankIndex, Digest};
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};

/// Why a bank refuses a task, as far as others hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalReason {
    /// The bank's operator decided so, and says no more.
    Operator,
    /// The bank wants more banks in a sum than the roster guarantees.
    Banks,
    /// The bank lets no task read one of the columns.
    Columns,
    /// The bank does not allow the model.
    Model,
    /// The bank does not allow so long a task, so much training in a round or so long an archive.
    Length,
    /// The bank does not allow a round to take so much of its machine or line.
    Resources,
}

impl RefusalReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Operator,
        Self::Banks,
        Self::Columns,
        Self::Model,
        Self::Length,
        Self::Resources,
    ];

    /// In words, behind the name of the bank.
    pub fn words(self) -> &'static str {
        match self {
            Self::Operator => "its operator decided so",
            Self::Banks => "for the number of banks in a sum",
            Self::Columns => "for the columns",
            Self::Model => "for the model",
            Self::Length => "for the length",
            Self::Resources => "for what a round takes",
        }
    }

    /// Its name in files and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Banks => "banks",
            Self::Columns => "columns",
            Self::Model => "model",
            Self::Length => "length",
            Self::Resources => "resources",
        }
    }

    /// The reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    fn number(self) -> u8 {
        match self {
            Self::Operator => 1,
            Self::Banks => 2,
            Self::Columns => 3,
            Self::Model => 4,
            Self::Length => 5,
            Self::Resources => 6,
        }
    }
}

/// The bank refuses a task. It is no entry of the log: nothing is computed on it, and the bank may change its mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Hash of the task.
    pub task: Digest,
    /// The bank.
    pub bank: BankIndex,
    /// Why, in general words.
    pub reason: RefusalReason,
}

impl Canonical for Refusal {
    const KIND: &'static str = "refusal";

    fn write(&self, w: &mut Writer) {
        w.digest(&self.task).bank(self.bank).u8(self.reason.number());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (task, bank, number) = (r.digest("task")?, r.bank("bank")?, r.u8("reason")?);
        let reason = RefusalReason::ALL
            .into_iter()
            .find(|reason| reason.number() == number)
            .ok_or_else(|| DecodeError::value("reason", format!("{number} is unknown")))?;
        Ok(Self { task, bank, reason })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_reason_is_read_back_and_no_other_is_known() {
        let bank = BankIndex::new(2).unwrap();
        let task = Digest([7; 32]);
        for reason in RefusalReason::ALL {
            let refusal = Refusal { task, bank, reason };
            assert_eq!(Refusal::from_bytes(&refusal.to_bytes()).unwrap(), refusal);
        }
        let mut bytes = Refusal {
            task,
            bank,
            reason: RefusalReason::Operator,
        }
        .to_bytes();
        for number in [0, 7, 255] {
            *bytes.last_mut().unwrap() = number;
            let error = Refusal::from_bytes(&bytes).unwrap_err().to_string();
            assert!(error.contains(&format!("{number} is unknown")), "{error}");
        }
    }

    #[test]
    fn every_reason_is_known_by_its_name_alone() {
        for reason in RefusalReason::ALL {
            assert_eq!(RefusalReason::from_name(reason.name()), Some(reason));
        }
        for other in ["", "Columns", "column", "its operator decided so"] {
            assert_eq!(RefusalReason::from_name(other), None, "{other}");
        }
    }

    #[test]
    fn no_reason_has_a_number_or_a_name_in_it() {
        for reason in RefusalReason::ALL {
            assert!(
                !reason.words().contains(|c: char| c.is_ascii_digit()),
                "{reason:?}"
            );
        }
    }
}
