//! By what served models are explained: rows of the bank's own table, read once for each task when the first explanation is asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::Vocabularies;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::task::Task;

use crate::explaining::{ExplainError, Grounds, spread};
use crate::participant::contribution::Source;
use crate::scoring::Scorer;

/// Those of all tasks.
pub(super) struct AllGrounds {
    source: Source,
    /// How many rows a row is compared with.
    rows: usize,
    /// By the task's hash. Held while a table is read, so that it is read once.
    known: Mutex<BTreeMap<Digest, Arc<Grounds>>>,
}

/// What a served model needs to find its own.
pub(super) struct Why {
    all: Arc<AllGrounds>,
    task: Task,
    found: Option<Vocabularies>,
}

impl AllGrounds {
    pub(super) fn new(source: Source, rows: usize) -> Self {
        Self {
            source,
            rows,
            known: Mutex::default(),
        }
    }

    pub(super) fn why(self: &Arc<Self>, task: &Task, state: &TaskState) -> Why {
        Why {
            all: Arc::clone(self),
            task: task.clone(),
            found: state.vocabularies.clone(),
        }
    }
}

impl Why {
    /// They are the same for all versions: what a model is given of a row is settled before the first one.
    pub(super) fn grounds(&self, scorer: &Scorer) -> Result<Arc<Grounds>, ExplainError> {
        let mut known = self.all.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(grounds) = known.get(&self.task.hash()) {
            return Ok(Arc::clone(grounds));
        }
        let grounds = match Grounds::without_rows(scorer)? {
            Some(grounds) => grounds,
            None => {
                let table = self.all.source.read_found(&self.task, self.found.as_ref())?;
                let rows: Vec<u32> = table.training_rows().collect();
                Grounds::of_table(scorer, &table, &spread(&rows, self.all.rows))?
            }
        };
        let grounds = Arc::new(grounds);
        known.insert(self.task.hash(), Arc::clone(&grounds));
        Ok(grounds)
    }
}
