//! Does again what the coordinator and the banks did with the masked updates: adds them, takes the masks off, and derives
//! the next state from the sum.

use std::collections::{BTreeMap, BTreeSet};

use veilsum_protocol::crypto::signing::VerifyingKey;
use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::log::entry::{AbortReason, RoundOpen, RoundResult};
use veilsum_protocol::model::Judgement;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::{TaskState, Turnout};
use veilsum_protocol::round::context::Context;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::round::recover::Recovery;
use veilsum_protocol::secagg::accumulate::Accumulator;
use veilsum_protocol::secagg::mask::Masks;
use veilsum_protocol::secagg::pack;
use veilsum_protocol::secagg::ring::Ring;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::{Bundle, MESSAGE_LIMIT, Rejection};
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::{Release, ReleasedShare};

use super::archive::Archive;
use super::bundles;
use super::history::{History, Logged, RoundHistory};
use super::judged::Judged;
use super::prepared::Prepared;
use super::report::{Check, Ledger, Place, Problems};
use super::retention::{Leave, LetGo, Retention};
use crate::source::LogReader;

/// Longest text of a task in bytes.
pub(crate) const TASK_LIMIT: u64 = Task::TEXT_LIMIT as u64;

/// Checks the archive against the log, round by round.
pub(crate) struct Replay<'a> {
    archive: &'a Archive,
    /// By task; none where its text is not to be had.
    tasks: BTreeMap<Digest, Option<Derivation>>,
    /// By round and releasing bank: whose shares left, and whether they were of the self-mask.
    released: BTreeMap<(Round, BankIndex), Vec<(BankIndex, bool)>>,
    replayed: usize,
    prepared: Vec<Prepared>,
    retention: Retention<'a>,
}

/// What came of a replay.
pub(crate) struct Replayed {
    /// Rounds whose sum was computed again.
    pub(crate) sums: usize,
    pub(crate) let_go: Vec<LetGo>,
    /// By task.
    pub(crate) judged: BTreeMap<Digest, Judged>,
    pub(crate) prepared: Vec<Prepared>,
}

/// A task, as far as its states were derived.
struct Derivation {
    task: Task,
    plan: Plan,
    /// None once a sum could not be had, or did not give the published state.
    state: Option<TaskState>,
    /// How the model did the last time, with the step.
    judgement: Option<(u32, Judgement)>,
}

/// What a round's sum is made of.
struct Parts<'a> {
    round: &'a RoundHistory,
    open: &'a RoundOpen,
    cohort: &'a [BankIndex],
    survivors: &'a [(BankIndex, Digest)],
    ring: Ring,
    lanes: usize,
    leave: &'a Leave,
}

impl Parts<'_> {
    /// What is left of the masks, from the releases that count.
    fn recover(
        &self,
        bundles: &BTreeMap<BankIndex, Bundle>,
        releases: &BTreeMap<BankIndex, Release>,
    ) -> Result<Masks, Rejection> {
        let survivors = self.survivors.iter().map(|(bank, _)| *bank).collect();
        Recovery {
            open: self.open,
            context: Context::of(self.open, self.cohort),
            cohort: self.cohort,
            survivors: &survivors,
            bundles,
            releases,
        }
        .run()
    }
}

impl<'a> Replay<'a> {
    pub(crate) fn new(archive: &'a Archive, log: &'a LogReader) -> Self {
        Self {
            archive,
            tasks: BTreeMap::new(),
            released: BTreeMap::new(),
            replayed: 0,
            prepared: Vec::new(),
            retention: Retention::new(log),
        }
    }

    pub(crate) fn archive(&self) -> &'a Archive {
        self.archive
    }

    /// Tells of the rounds whose files are gone by the rule, and what came of the replay.
    pub(crate) fn finish(self, ledger: &mut Ledger) -> Replayed {
        let judged = self.tasks.into_iter().filter_map(|(hash, derivation)| {
            let Derivation { task, judgement, .. } = derivation?;
            Some((hash, Judged::new(task, judgement?)))
        });
        Replayed {
            sums: self.replayed,
            let_go: self.retention.finish(&mut ledger.notes),
            judged: judged.collect(),
            prepared: self.prepared,
        }
    }

    /// Replays one round, as far as it came.
    pub(crate) fn round(&mut self, history: &History, round: &RoundHistory, ledger: &mut Ledger) {
        let Some(open) = &round.open else {
            return;
        };
        self.task(history, open, ledger);
        let Some(Some(derivation)) = self.tasks.get(&open.value.task) else {
            return;
        };
        let Some((ring, lanes)) = round_plan(round, open, derivation, ledger) else {
            return;
        };
        let Some(cohort) = &round.cohort else {
            return;
        };
        let leave = self.retention.leave(&derivation.task, round.round);
        // Shares that left before an abort count as well.
        let needed = round.result.is_some() || !round.releases.is_empty();
        let bundles = bundles::of_cohort(self.archive, history, round, needed, &leave, ledger);
        if round.result.is_none() {
            self.unadded(round, ledger);
        }
        let Some(survivors) = &round.survivors else {
            self.note(round, open.value.task, &leave);
            return;
        };
        let parts = Parts {
            round,
            open: &open.value,
            cohort: &cohort.value,
            survivors: &survivors.value,
            ring,
            lanes,
            leave: &leave,
        };
        let releases = self.releases(history, &parts, bundles.as_ref(), ledger);
        let recovered = || bundles.map(|bundles| parts.recover(&bundles, &releases));
        match (&round.result, &round.abort) {
            (Some(result), _) => {
                let sum = self.sum(&parts, result, recovered(), ledger);
                self.derive(&parts, result, sum, ledger);
            }
            (None, Some(abort)) if abort.value.reason == AbortReason::BadShares => {
                let recovered = recovered();
                ledger
                    .notes
                    .push(bad_shares(round.round, leave.is_taken(), recovered));
            }
            _ => {}
        }
        self.note(round, open.value.task, &leave);
    }

    /// Remembers that files of the round are gone, if they are.
    fn note(&mut self, round: &RoundHistory, task: Digest, leave: &Leave) {
        if let Some(Some(derivation)) = self.tasks.get(&task)
            && leave.is_taken()
        {
            let has_result = round.result.is_some();
            self.retention
                .gone(task, &derivation.task, round.round, has_result);
        }
    }

    /// Whether the training of a round's task may stop early; true where its text cannot be had.
    pub(crate) fn stops_early(
        &mut self,
        history: &History,
        open: &Logged<RoundOpen>,
        ledger: &mut Ledger,
    ) -> bool {
        self.task(history, open, ledger);
        match self.tasks.get(&open.value.task) {
            Some(Some(derivation)) => derivation.task.early_stopping.is_some(),
            _ => true,
        }
    }

    fn task(&mut self, history: &History, open: &Logged<RoundOpen>, ledger: &mut Ledger) {
        let hash = open.value.task;
        if self.tasks.contains_key(&hash) {
            return;
        }
        let offer = History::last_before(&history.tasks, open.index, |offer| offer.task == hash);
        let place = Place::entry(offer.map_or(open.index, |offer| offer.index));
        let read = || {
            let bytes = self
                .archive
                .blob(&hash, TASK_LIMIT)
                .map_err(|error| error.to_string())?;
            let text = String::from_utf8(bytes).map_err(|_| "a text that is not UTF-8".to_owned())?;
            let task = Task::parse(&text).map_err(|error| format!("a task with an error: {error}"))?;
            if task.hash() != hash {
                return Err(format!("a text whose normal form has hash {}", task.hash()));
            }
            match offer {
                Some(offer) if offer.value.name != task.name => Err(format!("a task named {:?}", task.name)),
                _ => Ok(task),
            }
        };
        let derivation = match read() {
            Ok(task) => {
                ledger.pass(Check::TaskText);
                Some(Derivation {
                    plan: Plan::new(&task),
                    state: Some(TaskState::initial(&task)),
                    judgement: None,
                    task,
                })
            }
            Err(found) => {
                let name = offer.map_or(String::new(), |offer| format!(" of {:?}", offer.value.name));
                ledger.fail(
                    Check::TaskText,
                    place,
                    found,
                    format!("the text{name} with SHA-256 {hash}; its rounds cannot be replayed without it"),
                );
                None
            }
        };
        self.tasks.insert(hash, derivation);
    }

    /// The releases that count. Without `bundles` nothing says whether a share is the one that was dealt; that they are missing is told
    /// where they are read.
    fn releases(
        &mut self,
        history: &History,
        parts: &Parts<'_>,
        bundles: Option<&BTreeMap<BankIndex, Bundle>>,
        ledger: &mut Ledger,
    ) -> BTreeMap<BankIndex, Release> {
        let context = Context::of(parts.open, parts.cohort).digest();
        let survivors: BTreeSet<BankIndex> = parts.survivors.iter().map(|(bank, _)| *bank).collect();
        let mut releases = BTreeMap::new();
        for logged in &parts.round.releases {
            let (bank, body) = logged.value;
            let place = Place::of(parts.round.round, logged.index);
            let read = self
                .archive
                .blob(&body, MESSAGE_LIMIT as u64)
                .map_err(|error| parts.leave.refuse(&error))
                .and_then(|bytes| signed_release(history, logged.index, bank, &bytes).map_err(Some));
            let release = match read {
                Ok(release) => release,
                Err(None) => continue,
                Err(Some(found)) => {
                    let expected = format!("the shares of bank {bank} with SHA-256 {body}");
                    ledger.fail(Check::ArchivedRelease, place, found, expected);
                    continue;
                }
            };
            self.one_kind(parts.round.round, place, &release, ledger);
            let mut problems = Problems::new();
            problems.unless_equal("shares of bank", release.bank, bank);
            problems.unless_equal("shares for context", release.context, context);
            let form = Recovery::check_release(&release, parts.cohort, &survivors);
            let dealt = bundles.map_or(Ok(()), |bundles| {
                Recovery::check_shares(&release, parts.open.epoch, parts.open.round, bundles)
            });
            if let Err(rejection) = form {
                problems.unless(
                    false,
                    || rejection.to_string(),
                    || "one share for each bank of the cohort, by whether it survived".to_owned(),
                );
            } else if let Err(rejection) = dealt {
                problems.unless(
                    false,
                    || rejection.to_string(),
                    || format!("the shares that bank {bank} was dealt"),
                );
            }
            if ledger.settle(Check::ArchivedRelease, place, problems.into_vec()) {
                releases.entry(bank).or_insert(release);
            }
        }
        releases
    }

    fn one_kind(&mut self, round: Round, place: Place, release: &Release, ledger: &mut Ledger) {
        let mut problems = Problems::new();
        let known = self.released.entry((round, release.bank)).or_default();
        for (of, share) in &release.shares {
            let self_mask = matches!(share, ReleasedShare::SelfMask(_));
            let first = match known.iter().find(|(bank, _)| bank == of) {
                Some((_, first)) => *first,
                None => {
                    known.push((*of, self_mask));
                    self_mask
                }
            };
            problems.unless(
                first == self_mask,
                || {
                    format!(
                        "both kinds of bank {}'s shares of bank {of} in round {round}",
                        release.bank
                    )
                },
                || "one kind: both together open the bank's update".to_owned(),
            );
        }
        known.shrink_to_fit();
        ledger.settle(Check::OneKindOfShare, place, problems.into_vec());
    }

    /// The sum that the archive gives, if it is the published one.
    fn sum(
        &mut self,
        parts: &Parts<'_>,
        result: &Logged<RoundResult>,
        recovered: Option<Result<Masks, Rejection>>,
        ledger: &mut Ledger,
    ) -> Option<Vec<u32>> {
        let place = Place::of(parts.round.round, result.index);
        let accumulator = self.add(parts, ledger);
        if parts.leave.is_taken() {
            return None;
        }
        let (Some(recovered), Some(mut accumulator)) = (recovered, accumulator) else {
            return None;
        };
        let masks = match recovered {
            Ok(masks) => masks,
            Err(rejection) => {
                let expected = "shares that give the secrets to which the banks committed";
                ledger.fail(Check::MaskedSum, place, rejection.to_string(), expected);
                return None;
            }
        };
        accumulator.apply(&masks);
        let lanes = accumulator.into_lanes();
        let mut packed = Vec::with_capacity(parts.ring.packed_bytes(lanes.len()));
        pack::pack(parts.ring, &lanes, &mut packed);
        let found = Digest::of(&packed);
        if found != result.value.sum {
            let published = format!("the published sum {found}", found = result.value.sum);
            let replayed = format!("{found} from {} masked updates", parts.survivors.len());
            ledger.fail(Check::MaskedSum, place, published, replayed);
            return None;
        }
        ledger.pass(Check::MaskedSum);
        self.replayed += 1;
        Some(lanes)
    }

    /// The masked updates of a round without a result: no sum hangs on them, but those that are there must be what the log says.
    fn unadded(&self, round: &RoundHistory, ledger: &mut Ledger) {
        for logged in &round.masked {
            let update = &logged.value;
            match self.archive.blob_if_there(&update.hash, update.length) {
                Ok(None) => {}
                Ok(Some(vector)) if vector.len() as u64 == update.length => {
                    ledger.pass(Check::ArchivedMasked)
                }
                other => ledger.fail(
                    Check::ArchivedMasked,
                    Place::of(round.round, logged.index),
                    match other {
                        Err(error) => error.to_string(),
                        Ok(vector) => format!("{} bytes", vector.map_or(0, |vector| vector.len())),
                    },
                    format!(
                        "{} bytes with SHA-256 {} from bank {}",
                        update.length, update.hash, update.bank
                    ),
                ),
            }
        }
    }

    /// The sum of the masked updates; nothing if one of them is not to be had.
    fn add(&self, parts: &Parts<'_>, ledger: &mut Ledger) -> Option<Accumulator> {
        let expected = parts.ring.packed_bytes(parts.lanes) as u64;
        let mut accumulator = Accumulator::new(parts.ring, parts.lanes);
        let mut whole = true;
        for logged in &parts.round.masked {
            let update = &logged.value;
            let mut add = || {
                if update.length != expected {
                    return Err(Some(format!("an update of {} bytes", update.length)));
                }
                let vector = self
                    .archive
                    .blob(&update.hash, expected)
                    .map_err(|error| parts.leave.refuse(&error))?;
                accumulator.add(&vector).map_err(|error| Some(error.to_string()))
            };
            match add() {
                Ok(()) => ledger.pass(Check::ArchivedMasked),
                Err(None) => whole = false,
                Err(Some(found)) => {
                    whole = false;
                    ledger.fail(
                        Check::ArchivedMasked,
                        Place::of(parts.round.round, logged.index),
                        found,
                        format!(
                            "{expected} bytes with SHA-256 {} from bank {}",
                            update.hash, update.bank
                        ),
                    );
                }
            }
        }
        whole.then_some(accumulator)
    }

    /// The next state, from the replayed sum or, where the replay failed, from the published one.
    fn derive(
        &mut self,
        parts: &Parts<'_>,
        result: &Logged<RoundResult>,
        sum: Option<Vec<u32>>,
        ledger: &mut Ledger,
    ) {
        let sum = sum.or(self.published_sum(parts, result, ledger));
        let Some(Some(derivation)) = self.tasks.get_mut(&parts.open.task) else {
            return;
        };
        let Some(state) = derivation.state.take() else {
            return;
        };
        let place = Place::of(parts.round.round, result.index);
        let Some(sum) = sum else {
            ledger.notes.push(format!(
                "the states of task {:?} from round {} on were not derived: its sum is not to be had",
                derivation.task.name, parts.round.round
            ));
            return;
        };
        let mut judgement = None;
        let mut problems = Problems::new();
        problems.unless_equal("a round from state", parts.open.state, state.hash());
        problems.unless_equal("step", parts.open.step, state.step);
        let survivors = u16::try_from(parts.survivors.len()).unwrap_or(u16::MAX);
        let turnout = Turnout {
            survivors,
            banks: parts.open.thresholds.banks,
        };
        match state.advance(&derivation.task, &derivation.plan, &sum, turnout) {
            Err(error) => problems.unless(
                false,
                || format!("a result whose sum gives no next state: {error}"),
                || "an abort".to_owned(),
            ),
            Ok((next, outcome)) => {
                let published = &result.value;
                problems.unless_equal("next state", published.next_state, next.hash());
                problems.unless_equal("weight", published.weight, outcome.weight);
                let derived = RoundResult {
                    metrics: outcome.metrics.clone(),
                    ..published.clone()
                };
                // The canonical bytes tell apart what two equal numbers may not.
                problems.unless(
                    derived.to_bytes() == published.to_bytes(),
                    || format!("{:?}", published.metrics),
                    || format!("{:?}", outcome.metrics),
                );
                derivation.state = Some(next);
                judgement = outcome.judgement.map(|judgement| (published.step, judgement));
            }
        }
        if ledger.settle(Check::DerivedState, place, problems.into_vec()) {
            derivation.judgement = judgement.or(derivation.judgement.take());
            if let Some(state) = &derivation.state
                && let Some(counts) = &state.preparation
                && parts.open.kind == RoundKind::Statistics
            {
                self.prepared.push(Prepared {
                    task: derivation.task.name.clone(),
                    schema: derivation.task.schema.with_found(state.vocabularies.as_ref()),
                    counts: counts.clone(),
                });
            }
        } else {
            derivation.state = None;
            ledger.notes.push(format!(
                "the states of task {:?} after round {} were not derived",
                derivation.task.name, parts.round.round
            ));
        }
    }

    /// The sum that the banks were shown.
    fn published_sum(
        &self,
        parts: &Parts<'_>,
        result: &Logged<RoundResult>,
        ledger: &mut Ledger,
    ) -> Option<Vec<u32>> {
        let expected = parts.ring.packed_bytes(parts.lanes) as u64;
        let mut lanes = Vec::with_capacity(parts.lanes);
        let read = self
            .archive
            .blob(&result.value.sum, expected)
            .map_err(|error| error.to_string())
            .and_then(|packed| {
                pack::unpack(parts.ring, &packed, parts.lanes, |lane| lanes.push(lane))
                    .map_err(|error| error.to_string())
            });
        match read {
            Ok(()) => {
                ledger.pass(Check::ArchivedSum);
                Some(lanes)
            }
            Err(found) => {
                let place = Place::of(parts.round.round, result.index);
                let expected = format!("{expected} bytes with SHA-256 {}", result.value.sum);
                ledger.fail(Check::ArchivedSum, place, found, expected);
                None
            }
        }
    }
}

fn signed_release(history: &History, index: u64, bank: BankIndex, bytes: &[u8]) -> Result<Release, String> {
    let signed = Signed::<Release>::from_bytes(bytes).ok_or("no signed release")?;
    let key = history.key_at(index, bank).map(VerifyingKey);
    let release = key.and_then(|key| signed.open(&key).cloned());
    release.ok_or_else(|| format!("shares without a valid signature of bank {bank}"))
}

/// Who made a round end for bad shares, as far as the archive shows it.
fn bad_shares(round: Round, gone: bool, recovered: Option<Result<Masks, Rejection>>) -> String {
    let found = match recovered {
        _ if gone => "the files that would show whose are gone, as its task says".to_owned(),
        Some(Err(rejection)) => rejection.to_string(),
        Some(Ok(_)) => "the shares and bundles in the archive are good".to_owned(),
        None => "without all bundles and a release the archive does not show why".to_owned(),
    };
    format!("round {round} ended for bad shares: {found}")
}

/// What the task says about the round's step; its ring and lanes if the round keeps to it.
fn round_plan(
    round: &RoundHistory,
    logged: &Logged<RoundOpen>,
    Derivation { plan, state, .. }: &Derivation,
    ledger: &mut Ledger,
) -> Option<(Ring, usize)> {
    let open = &logged.value;
    let layout = plan.layout(open.kind);
    let mut problems = Problems::new();
    let kind = plan.kind(open.step);
    problems.unless(
        kind == Some(open.kind),
        || format!("a {} round as step {}", open.kind.name(), open.step),
        || {
            kind.map_or(format!("no step after {}", plan.steps()), |kind| {
                kind.name().to_owned()
            })
        },
    );
    if let Some(state) = state {
        problems.unless_equal("step", open.step, state.step);
    }
    problems.unless_equal("layout", open.layout, layout.digest());
    problems.unless_equal("digit bits", open.digit_bits, layout.digit_bits);
    let place = Place::of(round.round, logged.index);
    let good = ledger.settle(Check::RoundPlan, place, problems.into_vec());
    let ring = Ring::for_sum(open.thresholds.banks, open.digit_bits).filter(|_| good)?;
    Some((ring, layout.lanes()))
}
