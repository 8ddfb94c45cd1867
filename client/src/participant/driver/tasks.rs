//! Which tasks the bank takes part in: its operator's word, and above it the bank's own policy, looked at again and again.

use veilsum_protocol::crypto::entropy::Entropy;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::entry::RoundOpen;
use veilsum_protocol::round::participant::Event;
use veilsum_protocol::wire::refusal::RefusalReason;

use super::{Driver, Input, unix_now};
use crate::participant::channel::Channel;
use crate::participant::error::DriverError;
use crate::participant::roster_files::Decision;

/// How the bank stands to a task now.
enum Stand {
    /// Its operator approved it, and the policy allows it.
    Approves,
    /// Why not: for others, and for the bank's own operator.
    Refuses(RefusalReason, String),
    /// Nothing was said; or the policy cannot be read, so that nothing new is said.
    Silent,
}

impl<C: Channel, E: Entropy> Driver<C, E> {
    /// Looks at the policy and at the operator's words, and hands on what has changed.
    pub(super) fn look_at_tasks(&mut self) -> Result<(), DriverError> {
        self.look_at_policy();
        let hashes: Vec<Digest> = self.tasks.keys().copied().collect();
        for task in hashes {
            let queued = |input: &Input| matches!(input, Input::Approved(queued) | Input::Refused(queued, _) | Input::Reconsidered(queued) if *queued == task);
            if self.inputs.iter().any(queued) {
                continue;
            }
            let stand = self.stand(&task)?;
            let participant = &self.parts.participant;
            let refused = participant.refusal(&task);
            let input = match stand {
                Stand::Approves if refused.is_some() || !participant.is_approved(&task) => {
                    self.parts
                        .voice
                        .mention(&format!("task {task:?} is approved by the operator"));
                    Input::Approved(task)
                }
                Stand::Refuses(reason, words) => {
                    self.refusals.insert(task, words.clone());
                    // A task whose last step is done is refused by nobody any more.
                    if refused == Some(reason) || self.is_done(&task) {
                        continue;
                    }
                    let name = self.tasks.get(&task).map_or("", |known| known.task.name.as_str());
                    let text = format!(
                        "task {name} ({task:?}) is refused: {words}. The coordinator hears that, and of why no more than {:?}; this bank sits out every round of it that begins. To look at it: veilsum-client task show {task:?}",
                        reason.words()
                    );
                    self.parts.voice.mention(&text);
                    Input::Refused(task, reason)
                }
                // As long as the policy cannot be read what was said stands.
                Stand::Silent if refused.is_some() && self.policy.problem().is_none() => {
                    Input::Reconsidered(task)
                }
                Stand::Approves | Stand::Silent => {
                    if refused.is_none() {
                        self.refusals.remove(&task);
                    }
                    continue;
                }
            };
            if !matches!(input, Input::Refused(..)) {
                self.refusals.remove(&task);
            }
            self.inputs.push_back(input);
        }
        Ok(())
    }

    fn is_done(&self, task: &Digest) -> bool {
        let progress = self.parts.participant.progress(task);
        let steps = self.tasks.get(task).map(|known| known.plan.steps());
        progress.is_some_and(|progress| steps.is_some_and(|steps| progress.step >= steps))
    }

    fn look_at_policy(&mut self) {
        self.policy.look(self.parts.participant.thresholds());
        let problem = self.policy.problem().map(str::to_owned);
        let status = &mut self.parts.voice.status;
        status.outside_hours_until = self
            .policy
            .hours()
            .and_then(|hours| hours.closed_until(unix_now()));
        if status.policy != problem {
            status.policy.clone_from(&problem);
            self.parts.voice.mention(&match problem {
                Some(problem) => format!(
                    "the bank's policy cannot be read, so no task is approved and this bank sits rounds out: {problem}"
                ),
                None => "the bank's policy is in order".to_owned(),
            });
        }
    }

    fn stand(&mut self, task: &Digest) -> Result<Stand, DriverError> {
        if let Some(reason) = self.parts.home.tasks.refusal(task)? {
            return Ok(Stand::Refuses(
                reason,
                "this bank's operator refused it".to_owned(),
            ));
        }
        let decision = self.parts.home.tasks.decision(task)?;
        let Some(known) = self.tasks.get(task) else {
            return Ok(Stand::Silent);
        };
        let verdict = self.policy.verdict(&known.task, &known.plan);
        if let Some(reason) = verdict.reason() {
            let words: Vec<String> = verdict
                .breaches
                .iter()
                .map(crate::consent::Breach::words)
                .collect();
            return Ok(Stand::Refuses(
                reason,
                format!("it is beyond this bank's policy, {}", words.join("; ")),
            ));
        }
        Ok(match decision {
            Some(Decision::Approved) if verdict.allows() => Stand::Approves,
            _ => Stand::Silent,
        })
    }

    /// Whether this bank sits the round out, whatever it approved before. It is looked at as it stands now; a round that was joined goes on.
    pub(super) fn sits_out(&mut self, open: &RoundOpen) -> Result<bool, DriverError> {
        self.look_at_policy();
        let why = match self.stand(&open.task)? {
            Stand::Refuses(_, words) => Some(words),
            Stand::Approves | Stand::Silent => self.outside_hours(),
        };
        if let Some(problem) = self.policy.problem().map(str::to_owned) {
            self.no_data(open.round, problem);
        } else if let Some(why) = why {
            let text = format!("this bank sits the round out, the others go on: {why}");
            self.parts.voice.tell(Some(open.round), &text);
        } else {
            return Ok(false);
        }
        self.step(Event::NotComputed(open.round));
        Ok(true)
    }

    fn outside_hours(&self) -> Option<String> {
        let until = self.parts.voice.status.outside_hours_until?;
        let hours = self.policy.hours().map(ToString::to_string).unwrap_or_default();
        Some(format!(
            "it is outside of the hours of its policy ({hours}); it joins rounds again from {}",
            crate::consent::moment(until)
        ))
    }
}
