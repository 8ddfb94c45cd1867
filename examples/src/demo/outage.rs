//! One bank's failure: killed in the middle of a round, back some rounds later.

use veilsum_coordinator::engine::status::Status;

use super::DemoError;
use super::consortium::Consortium;
use super::history::{History, RoundEnd, RoundStory};

/// Rounds that are published without the bank before it is started again.
const ROUNDS_AWAY: usize = 3;

/// What is done to one bank, and how far it has come.
pub(super) struct Outage {
    bank: String,
    /// Not before this step of the task.
    from_step: u32,
    stage: Stage,
}

enum Stage {
    Waiting,
    Killed { round: u64 },
    Away { round: u64 },
    Back { round: u64, restarted_after: u64 },
    Over { round: u64, back_in: u64 },
}

impl Outage {
    pub(super) fn new(bank: String, from_step: u32) -> Self {
        Self {
            bank,
            from_step,
            stage: Stage::Waiting,
        }
    }

    pub(super) fn bank(&self) -> &str {
        &self.bank
    }

    /// The round that lost the bank's update, and the first one in which the bank took part again, so far.
    pub(super) fn rounds(&self) -> (Option<u64>, Option<u64>) {
        match self.stage {
            Stage::Waiting | Stage::Killed { .. } => (None, None),
            Stage::Away { round } | Stage::Back { round, .. } => (Some(round), None),
            Stage::Over { round, back_in } => (Some(round), Some(back_in)),
        }
    }

    /// Does what is due, and tells it.
    pub(super) fn look(
        &mut self,
        consortium: &Consortium,
        status: &Status,
        history: &History,
    ) -> Result<Option<String>, DemoError> {
        let bank = &self.bank;
        let takes_part = |story: &&RoundStory| {
            story.is_published()
                && story
                    .survivors
                    .as_ref()
                    .is_some_and(|survivors| survivors.contains(bank))
        };
        let (stage, told) = match &self.stage {
            Stage::Waiting => {
                let Some(round) = self.moment(status) else {
                    return Ok(None);
                };
                consortium.kill(bank);
                let told = format!(
                    "round {round}: {bank} is killed; it has joined the round, so the others add masks that only its update would cancel"
                );
                (Stage::Killed { round }, told)
            }
            Stage::Killed { round } => {
                let Some(story) = history.round(*round).filter(|story| story.end.is_some()) else {
                    return Ok(None);
                };
                if matches!(story.end, Some(RoundEnd::Published { .. })) && story.lost().contains(bank) {
                    let told = format!(
                        "round {round}: the others put their shares together and took those masks out; the sum is theirs alone"
                    );
                    (Stage::Away { round: *round }, told)
                } else {
                    // The update was stored already, or the round failed: that bank starts again, and the next round is tried.
                    self.from_step = story.step + 2;
                    consortium.start_bank(bank)?;
                    (
                        Stage::Waiting,
                        format!(
                            "round {round}: the failure came too late to lose an update; {bank} starts again"
                        ),
                    )
                }
            }
            Stage::Away { round } => {
                let without = history
                    .rounds()
                    .filter(|story| story.round > *round && story.is_published());
                let (count, last) = without.fold((0, *round), |(count, _), story| (count + 1, story.round));
                if count < ROUNDS_AWAY {
                    return Ok(None);
                }
                consortium.start_bank(bank)?;
                let told =
                    format!("after round {last}: {bank} starts again and reads what it missed from the log");
                (
                    Stage::Back {
                        round: *round,
                        restarted_after: last,
                    },
                    told,
                )
            }
            Stage::Back {
                round,
                restarted_after,
            } => {
                let after = history.rounds().filter(|story| story.round > *restarted_after);
                let Some(story) = after.into_iter().find(takes_part) else {
                    return Ok(None);
                };
                let told = format!("round {}: {bank} takes part again", story.round);
                (
                    Stage::Over {
                        round: *round,
                        back_in: story.round,
                    },
                    told,
                )
            }
            Stage::Over { .. } => return Ok(None),
        };
        self.stage = stage;
        Ok(Some(told))
    }

    /// The round in progress, if its sum now counts on the bank's update and does not have it.
    fn moment(&self, status: &Status) -> Option<u64> {
        let round = status.round.as_ref()?;
        let named = |banks: &[String]| banks.contains(&self.bank);
        let promised = match round.phase.as_str() {
            // It said that it is ready and the others have not all: it will be in the cohort.
            "ready" => round.heard_from > 0 && !round.waiting_for.is_empty() && !named(&round.waiting_for),
            "collect" => named(&round.cohort) && !named(&round.stored),
            _ => false,
        };
        (promised && round.kind == "train" && round.step >= self.from_step).then_some(round.round)
    }
}
