//! How a round ends: its result, the chain of states, the acknowledgements, or an abort.

use std::collections::{BTreeMap, BTreeSet};

use veilsum_protocol::crypto::signing::VerifyingKey;
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::log::entry::{RoundOpen, RoundResult};
use veilsum_protocol::roster::Roster;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::statement::Derived;

use super::history::{AckEntry, Logged, RoundHistory};
use super::record::{Acknowledged, RoundRecord};
use super::report::{Check, Ledger, Place, Problems};

/// Checks the outcomes of the rounds in their order.
#[derive(Default)]
pub(crate) struct Outcomes {
    tasks: BTreeMap<Digest, Progress>,
}

/// Where a task stands by its last result.
struct Progress {
    /// The next step.
    step: u32,
    /// Whether it may be the evaluation instead, by which a task ends whose training stops early.
    may_end: bool,
    state: Digest,
    last_result: Digest,
}

impl Outcomes {
    /// `stops_early`: whether training of the round's task may stop before its rounds are used up; true where its text is not known.
    pub(crate) fn check(&mut self, round: &RoundHistory, stops_early: bool, ledger: &mut Ledger) {
        if let Some(open) = &round.open {
            self.starts_where_the_last_ended(round, open, ledger);
            if let Some(logged) = &round.result {
                result(round, open, logged, ledger);
                let next = Progress {
                    step: open.value.step.saturating_add(1),
                    may_end: stops_early && open.value.kind == RoundKind::Train,
                    state: logged.value.next_state,
                    last_result: logged.hash,
                };
                self.tasks.insert(open.value.task, next);
            }
        }
        abort(round, ledger);
    }

    fn starts_where_the_last_ended(
        &mut self,
        round: &RoundHistory,
        logged: &Logged<RoundOpen>,
        ledger: &mut Ledger,
    ) {
        let open = &logged.value;
        // The first state of a task follows from its text alone, so every try of the first step starts from the same one.
        let progress = self.tasks.entry(open.task).or_insert(Progress {
            step: 0,
            may_end: false,
            state: open.state,
            last_result: Digest([0; 32]),
        });
        let mut problems = Problems::new();
        let ends = progress.may_end && open.kind == RoundKind::Evaluate && open.step > progress.step;
        if !ends {
            problems.unless_equal("step", open.step, progress.step);
        }
        problems.unless_equal("state", open.state, progress.state);
        problems.unless_equal("last result", open.last_result, progress.last_result);
        let place = Place::of(round.round, logged.index);
        ledger.settle(Check::StateChain, place, problems.into_vec());
    }
}

fn result(round: &RoundHistory, open: &Logged<RoundOpen>, logged: &Logged<RoundResult>, ledger: &mut Ledger) {
    let result = &logged.value;
    let mut problems = Problems::new();
    problems.unless_equal("a result of the opening", result.open, open.value.hash());
    problems.unless_equal("kind", result.kind.name(), open.value.kind.name());
    problems.unless_equal("step", result.step, open.value.step);
    let survivors = round.survivors.as_ref().map_or(0, |list| list.value.len());
    problems.unless_equal("a sum of survivors:", usize::from(result.survivors), survivors);
    let measured = result.kind.is_measured();
    problems.unless(
        result.metrics.is_some() == measured,
        || format!("a {} round with metrics: {}", result.kind.name(), !measured),
        || format!("metrics: {measured}"),
    );
    problems.unless(
        result.weight > 0 || result.kind != RoundKind::Train,
        || "weight 0".to_owned(),
        || "at least 1 for each survivor".to_owned(),
    );
    problems.unless(
        result.weight == 0 || result.kind == RoundKind::Train,
        || format!("weight {}", result.weight),
        || format!("0 in a round of kind {}", result.kind.name()),
    );
    let place = Place::of(round.round, logged.index);
    ledger.settle(Check::Result, place, problems.into_vec());
}

/// The acknowledgements are signed, one of each bank, for the published state.
pub(crate) fn acks(round: &RoundHistory, roster: &Roster, ledger: &mut Ledger) {
    let Some(result) = &round.result else {
        return;
    };
    let mut seen = BTreeSet::new();
    for logged in &round.acks {
        let first = seen.insert(logged.value.bank);
        ack(
            round.round,
            result.value.next_state,
            first,
            roster,
            logged,
            ledger,
        );
    }
}

/// An acknowledgement of a round whose other entries are checked already.
pub(crate) fn late_ack(
    round: &mut RoundRecord,
    roster: Option<&Logged<Roster>>,
    logged: &Logged<AckEntry>,
    ledger: &mut Ledger,
) {
    let (Some(result), Some(roster)) = (&round.result, roster) else {
        return;
    };
    let bank = logged.value.bank;
    let first = round.acks.iter().all(|known| known.bank != bank);
    ack(
        round.round,
        result.next_state,
        first,
        &roster.value,
        logged,
        ledger,
    );
    let agrees = logged.value.state == result.next_state;
    round.acks.push(Acknowledged { bank, agrees });
}

fn ack(
    round: Round,
    state: Digest,
    first: bool,
    roster: &Roster,
    logged: &Logged<AckEntry>,
    ledger: &mut Ledger,
) {
    let ack = &logged.value;
    let mut problems = Problems::new();
    problems.unless_equal("state", ack.state, state);
    problems.unless(
        first,
        || format!("a second acknowledgement of bank {}", ack.bank),
        || "one from each bank".to_owned(),
    );
    let statement = Derived {
        round,
        bank: ack.bank,
        state: ack.state,
    };
    let key = roster.bank(ack.bank).map(|entry| VerifyingKey(entry.signing_key));
    problems.unless(
        key.is_some_and(|key| key.verifies(&statement, &ack.signature)),
        || format!("a signature that is not bank {}'s over this state", ack.bank),
        || "the bank's signature under the roster's key".to_owned(),
    );
    ledger.settle(Check::Acks, Place::of(round, logged.index), problems.into_vec());
}

/// Once the certificate is out, a bank may have released its shares, whether they arrived or not.
fn abort(round: &RoundHistory, ledger: &mut Ledger) {
    let Some(abort) = &round.abort else {
        return;
    };
    let certified = round.certificate.is_some() || !round.releases.is_empty();
    let mut problems = Problems::new();
    problems.unless(
        abort.value.after_release || !certified,
        || "an abort that says that no share was released".to_owned(),
        || "one that says that shares may be out: the survivors were certified".to_owned(),
    );
    let place = Place::of(round.round, abort.index);
    ledger.settle(Check::Abort, place, problems.into_vec());
}
