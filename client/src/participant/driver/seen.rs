//! What the loop sees of rounds, for the bank's own operator: when each phase ends at the latest, what this bank's part was, and how the model did
//! on its own rows.

use std::sync::PoisonError;
use std::time::{SystemTime, UNIX_EPOCH};

use veilsum_protocol::crypto::entropy::Entropy;
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::log::entry::{AbortReason, RoundOpen, RoundResult};
use veilsum_protocol::model::ScoreSums;
use veilsum_protocol::task::Deadlines;
use veilsum_protocol::wire::message::ToCoordinator;

use super::Driver;
use crate::participant::channel::Channel;
use crate::participant::history::{Importance, Judged, Part, RoundSeen};
use crate::participant::wait::Wait;

/// The round that is open, as far as this bank knows.
pub(super) struct OpenRound {
    round: Round,
    ready_until: u64,
    deadlines: Deadlines,
    /// When its present phase began here.
    since: u64,
    /// Why this bank sits it out.
    sat_out: Option<&'static str>,
}

/// The time by this machine's clock, in Unix milliseconds.
pub(super) fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// What happens when banks are late in a phase.
const WITHOUT_THEM: &str =
    "the round goes on without the banks that are late, or ends without a result if too few are left";

impl<C: Channel, E: Entropy> Driver<C, E> {
    pub(super) fn saw_open(&mut self, open: &RoundOpen) {
        self.parts.ledger.opened(open.round, open.task);
        let Some(known) = self.tasks.get(&open.task) else {
            return;
        };
        let now = milliseconds();
        self.open = Some(OpenRound {
            round: open.round,
            ready_until: open.ready_until.0.saturating_mul(1000),
            deadlines: known.task.deadlines.clone(),
            since: now,
            sat_out: None,
        });
        let news = RoundSeen {
            opened: Some(now),
            task: open.task.to_hex(),
            name: known.task.name.clone(),
            step: Some(open.step.saturating_add(1)),
            kind: open.kind.name().to_owned(),
            ..RoundSeen::new(open.round.0)
        };
        self.note(news);
    }

    /// The open round comes to its next phase.
    pub(super) fn saw_phase(&mut self, round: Round) {
        if let Some(open) = self.open.as_mut().filter(|open| open.round == round) {
            open.since = milliseconds();
        }
    }

    /// What is wrong with a table quotes its cells, and the history is kept for long: it has general words alone.
    pub(super) fn saw_sat_out(&mut self, round: Round, why: &'static str) {
        if let Some(open) = self.open.as_mut().filter(|open| open.round == round) {
            open.sat_out = Some(why);
        }
    }

    /// How the model that the round starts from did on this bank's own held-out rows.
    pub(super) fn saw_judged(&mut self, round: Round, scores: &ScoreSums) {
        if let Ok(metrics) = scores.metrics() {
            let news = RoundSeen {
                own: Some(Judged::from(&metrics)),
                ..RoundSeen::new(round.0)
            };
            self.note(news);
        }
    }

    pub(super) fn saw_result(&mut self, result: &RoundResult, task: Digest, importance: Option<Importance>) {
        let round = result.round;
        let why = self
            .open
            .take_if(|open| open.round == round)
            .and_then(|open| open.sat_out);
        let part = match (self.parts.participant.is_in_sum(round), &why) {
            (true, _) => Part::InSum,
            (false, Some(_)) => Part::SatOut,
            (false, None) => Part::NotInSum,
        };
        let known = self.tasks.get(&task);
        let news = RoundSeen {
            ended: Some(milliseconds()),
            task: task.to_hex(),
            name: known.map_or_else(String::new, |known| known.task.name.clone()),
            step: Some(result.step.saturating_add(1)),
            kind: result.kind.name().to_owned(),
            part: Some(part),
            survivors: Some(result.survivors),
            why: why.map(str::to_owned),
            all: result.metrics.as_ref().map(Judged::from),
            importance,
            ..RoundSeen::new(round.0)
        };
        self.note_last(news);
    }

    pub(super) fn saw_abort(&mut self, round: Round, reason: AbortReason) {
        self.open.take_if(|open| open.round == round);
        let news = RoundSeen {
            ended: Some(milliseconds()),
            part: Some(Part::Failed),
            why: Some(reason.words().to_owned()),
            ..RoundSeen::new(round.0)
        };
        self.note_last(news);
    }

    fn note_last(&mut self, news: RoundSeen) {
        let round = news.round;
        if let Some(part) = news.part {
            *self.parts.voice.status.rounds.entry(part).or_default() += 1;
        }
        self.note(news);
        let history = self.parts.home.history.lock();
        let history = history.unwrap_or_else(PoisonError::into_inner);
        self.parts.voice.status.last_round = history.get(round).cloned();
    }

    /// A disk that does not take it stops no round.
    fn note(&mut self, news: RoundSeen) {
        let history = self.parts.home.history.lock();
        let noted = history.unwrap_or_else(PoisonError::into_inner).add(news);
        if let Err(error) = noted {
            self.parts.voice.mention(&format!(
                "the history of rounds is not written, rounds go on: {error}"
            ));
        }
    }

    /// The account of what left is told when it cannot be written, and when it can again.
    pub(super) fn look_at_ledger(&mut self) {
        let problem = self.parts.ledger.problem();
        let voice = &mut self.parts.voice;
        if voice.status.egress_problem != problem {
            voice.mention(&match &problem {
                Some(problem) => format!(
                    "what leaves this bank is counted and cannot be written down, rounds go on: {problem}"
                ),
                None => "what leaves this bank is written down again".to_owned(),
            });
            voice.status.egress_problem = problem;
        }
    }

    /// What the bank waits for after a message.
    pub(super) fn wait_after(&self, message: &ToCoordinator) -> Option<Wait> {
        let open = |round: &Round| self.open.as_ref().filter(|open| open.round == *round);
        let late = || Wait::endless("the coordinator's time for this phase is over");
        Some(match message {
            ToCoordinator::EpochKeys(_) => {
                Wait::endless("every bank of the roster is connected and has sent its keys")
            }
            ToCoordinator::Approval(_) => {
                Wait::endless("enough banks have approved the task and are connected")
            }
            ToCoordinator::RosterApproval(_) => Wait::endless("they have, or it is withdrawn"),
            ToCoordinator::Ready { statement, .. } => open(&statement.claim().round)
                .map_or_else(late, |open| Wait::until(open.ready_until, WITHOUT_THEM)),
            ToCoordinator::Confirm { round, .. } => {
                open(round).map_or_else(late, |open| open.within(open.deadlines.confirm_s))
            }
            ToCoordinator::Release { round, .. } => {
                open(round).map_or_else(late, |open| open.within(open.deadlines.unmask_s))
            }
            _ => return None,
        })
    }

    /// What the bank waits for when its update is sent.
    pub(super) fn wait_for_updates(&self, round: Round) -> Wait {
        let open = self.open.as_ref().filter(|open| open.round == round);
        open.map_or_else(
            || Wait::endless("the coordinator's time for uploads is over"),
            |open| open.within(open.deadlines.collect_s),
        )
    }
}

impl OpenRound {
    fn within(&self, seconds: u32) -> Wait {
        let until = self.since.saturating_add(u64::from(seconds).saturating_mul(1000));
        Wait::until(until, WITHOUT_THEM)
    }
}
