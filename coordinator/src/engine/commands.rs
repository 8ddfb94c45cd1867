//! What the operator says of tasks: offer, pause, resume, stop, show.
//!
//! Whatever is said becomes durable before it is answered. An answer in words is for the operator; the engine goes on after each.

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::coordinator::Event;
use veilsum_protocol::task::Task;

use super::driver::Engine;
use super::ports::{Fault, Ledger};
use super::status::TaskDetail;
use super::tasks::{LoadedTask, TaskStatus};

/// The hash of the task that was meant, or what is wrong, in words.
type Said = Result<Digest, String>;

impl<L: Ledger> Engine<L> {
    pub(super) fn create_task(&mut self, text: &str) -> Result<Said, Fault> {
        if self.is_changing() {
            return Ok(Err(
                "the roster is changing; create the task when that is over".to_owned()
            ));
        }
        let task = match Task::parse(text) {
            Ok(task) => task,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let (name, hash) = (task.name.clone(), task.hash());
        if self.tasks.by_hash(&hash).is_some() {
            return Ok(Err(format!(
                "task {name} exists already with the very same text; change it, or let it run"
            )));
        }
        let same_name = self.tasks.records().find(|record| record.name == name);
        if let Some(other) = same_name.filter(|record| !record.status.is_over()) {
            return Ok(Err(format!(
                "a task named {name} is {}; stop it first, or choose another name",
                other.status.words()
            )));
        }
        let loaded = LoadedTask::create(task, self.tasks.next_order(), self.blobs.as_ref())?;
        let entry = Entry::Task {
            name: name.clone(),
            task: hash,
        };
        self.outbox.put([loaded.record.put()?]);
        self.outbox.log(&[entry]);
        self.tasks.push(loaded);
        self.blobs.publish(&hash);
        tracing::info!("task {name} is offered to the banks; each bank's operator approves it");
        Ok(Ok(hash))
    }

    /// An open round of the task ends as usual; no other starts until the task is resumed. Other tasks have their turn meanwhile.
    pub(super) fn pause_task(&mut self, name: &str) -> Result<Said, Fault> {
        let Some(task) = self.tasks.named(name) else {
            return Ok(Err(self.tasks.unknown(name)));
        };
        let (hash, name) = (task.record.task, task.record.name.clone());
        match &task.record.status {
            TaskStatus::Paused => return Ok(Ok(hash)),
            TaskStatus::Running => {}
            over => return Ok(Err(over_already(&name, over, "paused"))),
        }
        task.record.status = TaskStatus::Paused;
        let put = task.record.put()?;
        self.outbox.put([put]);
        tracing::info!("task {name} is paused by the operator; an open round of it ends as usual");
        Ok(Ok(hash))
    }

    /// Rounds of a paused task start again, in its old place in the order.
    pub(super) fn resume_task(&mut self, name: &str) -> Result<Said, Fault> {
        let Some(task) = self.tasks.named(name) else {
            return Ok(Err(self.tasks.unknown(name)));
        };
        let (hash, name) = (task.record.task, task.record.name.clone());
        match &task.record.status {
            TaskStatus::Running => return Ok(Ok(hash)),
            TaskStatus::Paused => {}
            over => return Ok(Err(over_already(&name, over, "resumed"))),
        }
        task.record.status = TaskStatus::Running;
        let put = task.record.put()?;
        self.outbox.put([put]);
        // Who may start it has to be here for as long as before any first round.
        self.assembled = None;
        tracing::info!("task {name} is resumed by the operator");
        Ok(Ok(hash))
    }

    /// An open round of the task ends without a result.
    pub(super) fn stop_task(&mut self, name: &str) -> Result<Said, Fault> {
        let Some(task) = self.tasks.named(name) else {
            return Ok(Err(self.tasks.unknown(name)));
        };
        let hash = task.record.task;
        match &task.record.status {
            TaskStatus::Stopped(_) => return Ok(Ok(hash)),
            TaskStatus::Finished => {
                return Ok(Err(over_already(
                    &task.record.name,
                    &task.record.status,
                    "stopped",
                )));
            }
            TaskStatus::Running | TaskStatus::Paused => {}
        }
        task.record.status = TaskStatus::Stopped("by the operator".to_owned());
        let put = task.record.put()?;
        self.outbox.put([put]);
        if self.round.as_ref().is_some_and(|round| round.plan().task == hash) {
            self.round_event(None, Event::Stop)?;
        }
        Ok(Ok(hash))
    }

    pub(super) fn show_task(&mut self, name: &str) -> Result<Box<TaskDetail>, String> {
        let Some(task) = self.tasks.named(name) else {
            return Err(self.tasks.unknown(name));
        };
        let (hash, description) = (task.record.task, task.task.describe());
        let text = task.task.canonical_text();
        let line = self.tasks.all().find(|task| task.record.task == hash);
        let line = line
            .map(|task| self.task_status(task))
            .ok_or("the task is gone")?;
        Ok(Box::new(TaskDetail {
            line,
            description,
            text,
        }))
    }
}

fn over_already(name: &str, status: &TaskStatus, wanted: &str) -> String {
    format!(
        "task {name} is {}; a task that is over cannot be {wanted}",
        status.words()
    )
}
