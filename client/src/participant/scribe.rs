//! The thread that writes what nothing in a round waits for: receipts, and models for the bank's own use.
//!
//! Both can be had again after a crash. A receipt stands in every mirror of the log; a model is written again at the next start from the
//! derived state, which is durable before the bank says that it has it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc as news;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::receipt::Receipt;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::task::Task;
use zeroize::Zeroizing;

use super::error::DriverError;
use super::model_files::ModelFiles;
use super::receipts::ReceiptFiles;

/// How long a model waits for a newer one: where rounds take less, not each of their models is written.
const PATIENCE: Duration = Duration::from_secs(1);

/// A model to write.
pub(super) struct Model {
    pub(super) task: Arc<Task>,
    /// Training rounds that went into it.
    pub(super) version: u64,
    pub(super) state: Arc<TaskState>,
    pub(super) hash: Digest,
    /// The bank's personal parameters, if the task has some and the bank has trained them.
    pub(super) personal: Option<Zeroizing<Vec<f32>>>,
}

enum Work {
    Receipt(Box<Receipt>),
    Model(Model),
}

/// A handle to the thread. Dropping it waits until everything is written.
pub(super) struct Scribe {
    work: Option<mpsc::Sender<Work>>,
    failures: news::UnboundedReceiver<DriverError>,
    thread: Option<JoinHandle<()>>,
}

impl Scribe {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(receipts: ReceiptFiles, models: ModelFiles) -> Result<Self, DriverError> {
        let (work, waiting) = mpsc::channel();
        let (tell, failures) = news::unbounded_channel();
        let write = move || {
            if let Err(error) = write(&receipts, &models, &waiting) {
                // Nobody listens only when the daemon is stopping for another reason.
                let _ = tell.send(error);
            }
        };
        let thread = thread::Builder::new()
            .name("scribe".to_owned())
            .spawn(write)
            .map_err(|error| DriverError::Work(format!("no thread to write files: {error}")))?;
        Ok(Self {
            work: Some(work),
            failures,
            thread: Some(thread),
        })
    }

    /// Keeps a receipt.
    pub(super) fn receipt(&self, receipt: Receipt) {
        self.hand(Work::Receipt(Box::new(receipt)));
    }

    /// Replaces a task's model within a second. Of several that wait the newest is written.
    pub(super) fn model(&self, model: Model) {
        self.hand(Work::Model(model));
    }

    fn hand(&self, work: Work) {
        if let Some(sender) = &self.work {
            // After a failure nothing is taken any more, and the failure stops the daemon.
            let _ = sender.send(work);
        }
    }

    /// The failure that has ended the thread, once there is one.
    pub(super) async fn failure(&mut self) -> DriverError {
        match self.failures.recv().await {
            Some(error) => error,
            // It ends without a word when this handle goes, or by a panic, of which the trace tells.
            None => DriverError::Work("the thread that writes files has ended".to_owned()),
        }
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// If something could not be written.
    pub(super) fn finish(&mut self) -> Result<(), DriverError> {
        self.end();
        match self.failures.try_recv() {
            Ok(error) => Err(error),
            Err(_) => Ok(()),
        }
    }

    fn end(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was traced.
            let _ = thread.join();
        }
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.end();
    }
}

fn write(
    receipts: &ReceiptFiles,
    models: &ModelFiles,
    waiting: &mpsc::Receiver<Work>,
) -> Result<(), DriverError> {
    // By task: the newest model, and when it is written if no newer one comes.
    let mut held: BTreeMap<Digest, (Instant, Model)> = BTreeMap::new();
    loop {
        let next = held.values().map(|(due, _)| *due).min();
        let work = match next {
            None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => waiting.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match work {
            Ok(Work::Receipt(receipt)) => receipts.keep(&receipt)?,
            Ok(Work::Model(model)) => {
                let due = Instant::now() + PATIENCE;
                let place = held.entry(model.state.task);
                // Not put off again and again where one round follows the other at once.
                let due = match &place {
                    Entry::Occupied(earlier) => earlier.get().0,
                    Entry::Vacant(_) => due,
                };
                place.insert_entry((due, model));
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = Instant::now();
                for (_, (_, model)) in held.extract_if(.., |_, (due, _)| *due <= now) {
                    model.write(models)?;
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return held.into_values().try_for_each(|(_, model)| model.write(models));
            }
        }
    }
}

impl Model {
    fn write(&self, models: &ModelFiles) -> Result<(), DriverError> {
        let personal = self.personal.as_ref().map(|values| &values[..]);
        Ok(models.write_personal(&self.task, self.version, &self.state, &self.hash, personal)?)
    }
}
