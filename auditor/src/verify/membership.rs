//! Who may take part, under which keys, and in what: rosters, key directories and approvals.

use veilsum_protocol::crypto::signing::VerifyingKey;
use veilsum_protocol::ids::{Epoch, Round};
use veilsum_protocol::log::roster_chain::stays;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::roster_change::thresholds;
use veilsum_protocol::wire::statement::Approval;

use super::history::History;
use super::report::{Check, Ledger, Place, Problems};

/// The rosters are of this log and, where some were pinned, among those, or approved changes lead from one to the other.
pub(crate) fn rosters(history: &History, origin: &str, pinned: &[Roster], ledger: &mut Ledger) {
    let known = known(history, pinned);
    for (logged, known) in history.rosters.iter().zip(known) {
        let mut problems = Problems::new();
        problems.unless_equal("consortium", logged.value.consortium(), origin);
        problems.unless(
            known,
            || format!("roster {} of other banks or keys", logged.hash),
            || "the pinned roster, or one that approved changes lead to or from".to_owned(),
        );
        ledger.settle(Check::Roster, Place::entry(logged.index), problems.into_vec());
    }
    if let Some(first) = history.rounds.first()
        && history.roster_at(first.begins_at).is_none()
    {
        let place = Place::of(first.round, first.begins_at);
        ledger.fail(
            Check::Roster,
            place,
            "no roster",
            "a roster before the first round",
        );
    }
    if let (true, Some(last)) = (pinned.is_empty(), history.rosters.last()) {
        ledger.notes.push(format!(
            "no roster was pinned: the banks' keys are those that the log names; ask the banks whether their roster \
             has hash {}, or verify with --consortium",
            last.hash
        ));
    }
}

/// Which rosters the auditor may believe. A change that its banks approved leads from one that is known to the next. It leads back as well, if more
/// banks stayed than may lie: one that is honest signed for this change alone, from the roster that it went by.
fn known(history: &History, pinned: &[Roster]) -> Vec<bool> {
    let rosters = &history.rosters;
    let mut known: Vec<bool> = rosters
        .iter()
        .map(|logged| pinned.is_empty() || pinned.contains(&logged.value))
        .collect();
    let approved = |at: usize| {
        let later = rosters.get(at);
        later.is_some_and(|later| history.approved_rosters.contains(&later.index))
    };
    let leads_back = |at: usize| {
        let (Some(before), Some(later)) = (at.checked_sub(1).and_then(|at| rosters.get(at)), rosters.get(at))
        else {
            return false;
        };
        let stayed = before
            .value
            .banks()
            .iter()
            .filter(|bank| stays(bank, &later.value));
        thresholds(&later.value).is_some_and(|it| stayed.count() > usize::from(it.colluders))
    };
    for at in 1..known.len() {
        if approved(at) && known.get(at - 1) == Some(&true) {
            known.iter_mut().skip(at).take(1).for_each(|it| *it = true);
        }
    }
    for at in (1..known.len()).rev() {
        if approved(at) && known.get(at) == Some(&true) && leads_back(at) {
            known.iter_mut().skip(at - 1).take(1).for_each(|it| *it = true);
        }
    }
    known
}

/// Every directory is of the roster in force, for a new epoch, and begins behind every round before it.
pub(crate) fn directories(history: &History, ledger: &mut Ledger) {
    let mut last_epoch: Option<Epoch> = None;
    for logged in &history.directories {
        let directory = &logged.value;
        let mut problems = Problems::new();
        let roster = history.roster_at(logged.index).map(|roster| roster.hash);
        problems.unless(
            roster == Some(directory.roster),
            || format!("keys for roster {}", directory.roster),
            || roster.map_or("a roster before it".to_owned(), |hash| hash.to_string()),
        );
        problems.unless(
            last_epoch.is_none_or(|last| directory.epoch > last),
            || format!("epoch {}", directory.epoch),
            || last_epoch.map_or(String::new(), |last| format!("one after {last}")),
        );
        let begun = history.rounds.iter();
        let used: Option<Round> = begun
            .take_while(|round| round.begins_at < logged.index)
            .map(|round| round.round)
            .max();
        problems.unless(
            used.is_none_or(|used| directory.first_round > used),
            || format!("first round {}", directory.first_round),
            || used.map_or(String::new(), |used| format!("one after {used}, which was used")),
        );
        last_epoch = last_epoch.max(Some(directory.epoch));
        ledger.settle(
            Check::KeyDirectory,
            Place::entry(logged.index),
            problems.into_vec(),
        );
    }
}

/// Every approval is signed by its bank, for a task that was offered before.
pub(crate) fn approvals(history: &History, ledger: &mut Ledger) {
    for logged in &history.approvals {
        let approval = &logged.value;
        let mut problems = Problems::new();
        let offered = History::last_before(&history.tasks, logged.index, |offer| offer.task == approval.task);
        problems.unless(
            offered.is_some(),
            || format!("approval of task {}", approval.task),
            || "a task that was offered before".to_owned(),
        );
        let statement = Approval {
            task: approval.task,
            bank: approval.bank,
        };
        let key = history.key_at(logged.index, approval.bank).map(VerifyingKey);
        problems.unless(
            key.is_some_and(|key| key.verifies(&statement, &approval.signature)),
            || {
                format!(
                    "a signature that is not bank {}'s over the approval",
                    approval.bank
                )
            },
            || "the bank's signature under the roster's key".to_owned(),
        );
        ledger.settle(
            Check::TaskApproval,
            Place::entry(logged.index),
            problems.into_vec(),
        );
    }
}
