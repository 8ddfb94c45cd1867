//! What a bank remembers of the sums that its shares may have opened: the same step is summed again over the same banks only, or
//! the difference of the two sums would give a bank away.
//!
//! A bank is its signing key here, because a position belongs to another bank when the roster changes. Every certified list that holds
//! this bank counts, whether its own shares left or not, so the log alone gives the memory back to a bank that lost its state.

use std::collections::BTreeMap;

use crate::ids::{BankIndex, Digest};
use crate::log::entry::RoundOpen;
use crate::roster::Roster;
use crate::round::checks::Check;
use crate::wire::canonical::{DecodeError, Reader, Writer};
use crate::wire::message::Rejection;

/// A step of a task and the banks that it is summed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SummedStep {
    task: Digest,
    step: u32,
    /// Hash of the signing keys; `None` once there were two sets, after which no third can be right.
    survivors: Option<Digest>,
}

impl SummedStep {
    /// The opened step over `survivors`; `None` if one of them is not in the roster.
    pub(super) fn of<'a>(
        open: &RoundOpen,
        roster: &Roster,
        survivors: impl Iterator<Item = &'a BankIndex>,
    ) -> Option<Self> {
        let keys = survivors.map(|bank| roster.bank(*bank).map(|entry| entry.signing_key));
        let mut keys = keys.collect::<Option<Vec<[u8; 32]>>>()?;
        keys.sort_unstable();
        let mut w = Writer::domain("survivor-set");
        w.list(keys.iter(), |w, key| {
            w.fixed(key);
        });
        Some(Self {
            task: open.task,
            step: open.step,
            survivors: Some(Digest::of(&w.finish())),
        })
    }
}

/// By task: the step that was summed last. Earlier ones are derived, and no bank takes part in them again (C-203).
#[derive(Default)]
pub struct Released(BTreeMap<Digest, SummedStep>);

impl Released {
    /// # Errors
    /// C-407 if the step was summed over other banks before.
    pub(super) fn check(&self, now: &SummedStep) -> Result<(), Rejection> {
        match self.0.get(&now.task) {
            Some(before) if before.step == now.step && before.survivors != now.survivors => {
                Err(Rejection::new(
                    Check::StepReleased,
                    "the same step over other banks would give the difference away; the task cannot go on, start a new one",
                ))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn remember(&mut self, now: SummedStep) {
        let before = self.0.entry(now.task).or_insert(now);
        if before.step < now.step {
            *before = now;
        } else if before.step == now.step && before.survivors != now.survivors {
            before.survivors = None;
        }
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.list(self.0.values(), |w, summed| {
            w.digest(&summed.task).u32(summed.step);
            w.list(summed.survivors.iter(), |w, set| {
                w.digest(set);
            });
        });
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let steps = r.list(40, "summed steps", |r| {
            Ok(SummedStep {
                task: r.digest("task")?,
                step: r.u32("step")?,
                survivors: r.list(32, "survivors", |r| r.digest("survivors"))?.pop(),
            })
        })?;
        Ok(Self(steps.into_iter().map(|step| (step.task, step)).collect()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn over(step: u32, set: u8) -> SummedStep {
        SummedStep {
            task: Digest([1; 32]),
            step,
            survivors: Some(Digest([set; 32])),
        }
    }

    #[test]
    fn the_same_banks_may_again_others_may_not_and_after_two_sets_nobody_may() {
        let mut released = Released::default();
        assert!(released.check(&over(3, 1)).is_ok());
        released.remember(over(3, 1));
        released.remember(over(2, 9));
        assert!(released.check(&over(3, 1)).is_ok());
        assert!(released.check(&over(4, 2)).is_ok(), "another step");
        assert_eq!(
            released.check(&over(3, 2)).unwrap_err().check,
            Check::StepReleased
        );
        released.remember(over(3, 2));
        let mut w = Writer::domain("released");
        released.write(&mut w);
        let bytes = w.finish();
        let mut released = Released::read(&mut Reader::domain(&bytes, "released").unwrap()).unwrap();
        for set in 1..=3 {
            assert_eq!(
                released.check(&over(3, set)).unwrap_err().check,
                Check::StepReleased
            );
        }
        released.remember(over(4, 2));
        assert!(released.check(&over(4, 2)).is_ok());
    }
}
