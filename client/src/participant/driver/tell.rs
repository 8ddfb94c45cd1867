//! What the loop tells the operator of what it does.

use std::time::{SystemTime, UNIX_EPOCH};

use veilsum_protocol::crypto::entropy::Entropy;
use veilsum_protocol::ids::Round;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::follower::LoggedEntry;
use veilsum_protocol::round::participant::Notice;
use veilsum_protocol::task::Task;

use super::Driver;
use crate::app::date;
use crate::participant::channel::Channel;
use crate::participant::error::DriverError;
use crate::participant::status::TaskStatus;
use crate::participant::voice;
use crate::peer_text::shown;
use crate::renewal::Remark;

impl<C: Channel, E: Entropy> Driver<C, E> {
    /// Something that the participant wants the operator to know.
    pub(super) fn notice(&mut self, notice: &Notice) -> Result<(), DriverError> {
        let (round, text) = match self.roster_notice(notice) {
            Some(text) => {
                self.lay_out_roster()?;
                (None, text)
            }
            None => voice::notice(notice),
        };
        self.parts.voice.tell(round, &text);
        Ok(())
    }

    pub(super) fn offered(&mut self, task: &Task) {
        let hash = task.hash();
        let text = if self.parts.participant.is_approved(&hash) {
            format!("task {} ({hash:?}) is known and approved", task.name)
        } else {
            format!(
                "task {} ({hash:?}) is offered; to look at it and take part: veilsum-client approve {hash:?}",
                task.name
            )
        };
        self.parts.voice.tell(None, &text);
    }

    pub(super) fn narrate(&mut self, logged: &LoggedEntry) {
        let Some(entry) = &logged.entry else {
            return;
        };
        if let Entry::Cohort { round, banks } = entry {
            self.cohort = Some((*round, banks.len()));
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
        self.parts.voice.tell(Some(round), &text);
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
        voice.status.certificate_until = remark.until;
        voice.status.renewal = remark.problem;
    }

    pub(super) fn publish(&mut self) -> Result<(), DriverError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let participant = &self.parts.participant;
        let tasks = self.tasks.iter().map(|(hash, known)| {
            let progress = participant.progress(hash);
            TaskStatus {
                name: known.task.name.clone(),
                task: hash.to_hex(),
                approved: participant.is_approved(hash),
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
