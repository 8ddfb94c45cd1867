//! When the phases of the open round and of those before it began and ended, since the daemon was started.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use veilsum_protocol::ids::Millis;
use veilsum_protocol::log::entry::AbortReason;
use veilsum_protocol::round::coordinator::{CoordinatorRound, Phase};

use super::observer::Observer;

/// Rounds that are remembered.
const MOST_ROUNDS: usize = 50;

/// A phase of a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseSpan {
    /// Its name.
    pub phase: String,
    /// When it began, in Unix milliseconds.
    pub begun: u64,
    /// When it ended; `None` while it lasts.
    pub ended: Option<u64>,
}

/// A round and its phases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundSpan {
    /// Its number.
    pub round: u64,
    /// Name of its task.
    pub task: String,
    /// What is computed.
    pub kind: String,
    /// Step of the task, from 0.
    pub step: u32,
    /// Its phases, in order. One that took no time may be left out.
    pub phases: Vec<PhaseSpan>,
    /// Banks in the sum, once the result is published.
    pub survivors: Option<u16>,
    /// Why it ended without a result, if it did.
    pub failed: Option<String>,
}

/// The open round and the last ones.
#[derive(Default)]
pub(super) struct Timeline {
    open: Option<(Phase, RoundSpan)>,
    past: VecDeque<RoundSpan>,
}

impl Timeline {
    /// Looks at the phase of the open round.
    pub(super) fn follow(
        &mut self,
        machine: &CoordinatorRound,
        task: impl FnOnce() -> String,
        now: Millis,
        observer: &dyn Observer,
    ) {
        let (round, phase) = (machine.round().0, machine.phase());
        if self.open.as_ref().is_none_or(|(_, span)| span.round != round) {
            let span = RoundSpan {
                round,
                task: task(),
                kind: machine.plan().kind.name().to_owned(),
                step: machine.plan().step,
                phases: vec![begun(phase, now)],
                survivors: None,
                failed: None,
            };
            self.open = Some((phase, span));
            return;
        }
        let Some((last, span)) = self.open.as_mut().filter(|(last, _)| *last != phase) else {
            return;
        };
        end(span, *last, now, observer);
        if phase != Phase::Closed {
            span.phases.push(begun(phase, now));
        }
        *last = phase;
    }

    /// The open round has ended.
    pub(super) fn close(&mut self, outcome: Result<u16, AbortReason>, now: Millis, observer: &dyn Observer) {
        observer.round_ended(outcome.map(|_| ()));
        let Some((last, mut span)) = self.open.take() else {
            return;
        };
        end(&mut span, last, now, observer);
        match outcome {
            Ok(survivors) => span.survivors = Some(survivors),
            Err(reason) => span.failed = Some(reason.words().to_owned()),
        }
        if self.past.len() == MOST_ROUNDS {
            self.past.pop_front();
        }
        self.past.push_back(span);
    }

    /// The open round.
    pub(super) fn open(&self) -> Option<&RoundSpan> {
        self.open.as_ref().map(|(_, span)| span)
    }

    /// The rounds before it, oldest first.
    pub(super) fn past(&self) -> impl Iterator<Item = &RoundSpan> {
        self.past.iter()
    }
}

fn begun(phase: Phase, now: Millis) -> PhaseSpan {
    PhaseSpan {
        phase: phase.name().to_owned(),
        begun: now.0,
        ended: None,
    }
}

fn end(span: &mut RoundSpan, phase: Phase, now: Millis, observer: &dyn Observer) {
    if let Some(last) = span.phases.last_mut().filter(|last| last.ended.is_none()) {
        last.ended = Some(now.0);
        let milliseconds = u32::try_from(now.0.saturating_sub(last.begun)).unwrap_or(u32::MAX);
        observer.phase_ended(phase, f64::from(milliseconds) / 1000.0);
    }
}
