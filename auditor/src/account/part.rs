//! What a bank did in a round, by the lists that the log holds of it.

use serde::Serialize;
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::roster::Roster;

use crate::verify::record::RoundRecord;

/// A bank's part in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// Its update is in the published sum.
    InSum,
    /// It did all that was asked of it before the round was aborted.
    Aborted,
    /// It did all that was asked of it so far; the round is not over.
    Running,
    /// It was in the cohort and its update was not among the survivors'.
    DroppedOut,
    /// It prepared the round and was not in the cohort.
    NotReady,
    /// It did not prepare the round.
    NotPrepared,
    /// The round ended before the log says who prepared it.
    Untold,
    /// It is not in the roster of the round.
    Absent,
}

impl Part {
    /// In words, for people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::InSum => "in the sum",
            Self::Aborted => "took part, round aborted",
            Self::Running => "takes part, round not over",
            Self::DroppedOut => "dropped out",
            Self::NotReady => "not ready",
            Self::NotPrepared => "not prepared",
            Self::Untold => "round ended before it was opened",
            Self::Absent => "not in the roster",
        }
    }
}

/// The parts of all banks of the roster, by position.
pub(crate) fn parts(round: &RoundRecord, roster: &Roster) -> Vec<Part> {
    let so_far = match (&round.result, &round.abort) {
        (Some(_), _) => Part::InSum,
        (None, Some(_)) => Part::Aborted,
        (None, None) => Part::Running,
    };
    let Some(prepared) = &round.prepared else {
        return vec![Part::Untold; roster.banks().len()];
    };
    let mut parts = vec![Part::NotPrepared; roster.banks().len()];
    let after = if round.cohort.is_some() {
        Part::NotReady
    } else {
        so_far
    };
    promote(&mut parts, prepared, Part::NotPrepared, after);
    if let Some(cohort) = &round.cohort {
        let after = if round.survivors.is_some() {
            Part::DroppedOut
        } else {
            so_far
        };
        promote(&mut parts, cohort, Part::NotReady, after);
    }
    if let Some(survivors) = &round.survivors {
        promote(&mut parts, survivors, Part::DroppedOut, so_far);
    }
    parts
}

/// Those of `banks` that came as far as `from` came on to `to`. Who was on no earlier list stays where it is: the checks find it.
fn promote(parts: &mut [Part], banks: &[BankIndex], from: Part, to: Part) {
    for bank in banks {
        let at = usize::from(bank.get()).checked_sub(1);
        if let Some(part) = at.and_then(|at| parts.get_mut(at))
            && *part == from
        {
            *part = to;
        }
    }
}
