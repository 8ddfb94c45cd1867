//! What the loop tells the operator of what it does.

use veilsum_protocol::crypto::entropy::Entropy;
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::follower::LoggedEntry;
use veilsum_protocol::round::participant::Notice;

use super::{Driver, unix_now};
use crate::app::date;
use crate::participant::channel::Channel;
use crate::participant::error::DriverError;
use crate::participant::status::TaskStatus;
use crate::participant::voice;
use crate::participant::wait::Wait;
use crate::peer_text::shown;
use crate::renewal::Remark;

impl<C: Channel, E: Entropy> Driver<C, E> {
    /// Something that the participant wants the operator to know.
    pub(super) fn notice(&mut self, notice: &Notice) -> Result<(), DriverError> {
        let (round, mut text) = match self.roster_notice(notice) {
            Some(text) => {
                self.lay_out_roster()?;
                (None, text)
            }
            None => voice::notice(notice),
        };
        if let Notice::TaskRefused(_, task) = notice
            && let Some(why) = self.refusals.get(task)
        {
            text.push_str(&format!(": {why}"));
        }
        let wait = match notice {
            Notice::Armed(_) => Wait::endless("enough banks have approved a task and are connected"),
            Notice::Aborted(round, reason) => {
                self.saw_abort(*round, *reason);
                Wait::endless(
                    "enough banks are connected for the step to be tried again, unless the task is stopped",
                )
            }
            _ => {
                self.parts.voice.tell(round, &text);
                return Ok(());
            }
        };
        self.parts.voice.wait(round, &text, wait);
        Ok(())
    }

    /// A task's text came.
    pub(super) fn offered(&mut self, hash: &Digest) {
        let Some(known) = self.tasks.get(hash) else {
            return;
        };
        let name = &known.task.name;
        // A refusal was told when the task was looked at.
        if self.refusals.contains_key(hash) {
            return;
        }
        let text = if self.parts.participant.is_approved(hash) {
            format!("task {name} ({hash:?}) is known and approved")
        } else {
            format!(
                "task {name} ({hash:?}) is offered; to look at it and decide: veilsum-client task show {hash:?}, then task approve or task refuse"
            )
        };
        self.parts.voice.tell(None, &text);
    }

    pub(super) fn narrate(&mut self, logged: &LoggedEntry) {
        let Some(entry) = &logged.entry else {
            return;
        };
        match entry {
            Entry::RoundOpen(open) => self.saw_open(open),
            Entry::Cohort { round, banks } => {
                self.cohort = Some((*round, banks.len()));
                self.saw_phase(*round);
            }
            Entry::Survivors { round, .. } | Entry::Certificate { round, .. } => self.saw_phase(*round),
            _ => {}
        }
        let said = match entry {
            Entry::RoundOpen(open) => self.tasks.get(&open.task).map(|known| {
                let text = voice::opened(open, &known.task.name, known.plan.steps());
                (Some(open.round), text)
            }),
            other => voice::entry(other),
        };
        if let Some((round, text)) = said {
            self.parts.voice.tell(round, &text);
        }
    }

    /// The bank's table or schema cannot be used in this round.
    pub(super) fn no_data(&mut self, round: Round, problem: String) {
        let text = format!(
            "this bank sits the round out, the others go on: {problem}. Correct it: it is read again at the next round, and nothing has to be started again"
        );
        let wait = Wait::endless("the next round is opened");
        self.parts.voice.wait(Some(round), &text, wait);
        self.parts.voice.status.data = Some(problem);
    }

    /// The bank's table was read.
    pub(super) fn data_in_order(&mut self) {
        if self.parts.voice.status.data.take().is_some() {
            self.parts
                .voice
                .mention("the bank's table is in order: it takes part");
        }
    }

    /// What has become of the bank's certificate.
    pub(super) fn certificate(&mut self, remark: Remark) {
        let voice = &mut self.parts.voice;
        if let Some(news) = &remark.news {
            voice.mention(news);
        }
        if remark.problem != voice.status.renewal
            && let Some(problem) = &remark.problem
        {
            voice.mention(&format!(
                "the certificate is valid until {} and not renewed yet: {}",
                date(remark.until),
                shown(problem)
            ));
        }
        voice.status.certificate_not_after = Some(remark.until);
        voice.status.renewal = remark.problem;
    }

    pub(super) fn publish(&mut self) -> Result<(), DriverError> {
        let now = unix_now();
        let participant = &self.parts.participant;
        let tasks = self.tasks.iter().map(|(hash, known)| {
            let progress = participant.progress(hash);
            TaskStatus {
                name: known.task.name.clone(),
                task: hash.to_hex(),
                approved: participant.is_approved(hash),
                refused: participant
                    .refusal(hash)
                    .and_then(|_| self.refusals.get(hash).cloned()),
                step: progress.map_or(0, |progress| progress.step),
                steps: known.plan.steps(),
                state: progress.map_or_else(String::new, |progress| progress.state.to_hex()),
            }
        });
        let status = &mut self.parts.voice.status;
        status.tasks = tasks.collect();
        status.log_entries = participant.log_size();
        status.epoch = participant.armed().map(|epoch| epoch.0);
        Ok(self.parts.voice.publish(now)?)
    }
}
