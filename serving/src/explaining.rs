//! Explanations beside scores: on threads of their own, a few at once, so that they take nothing from the queue of those who want scores but the processor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use crate::explanation::{ExplainWishes, Explanation, NotExplained, Question};
use crate::model::Model;
use crate::refusal::{Kind, Refusal};
use crate::settings::Explaining;
use crate::tensor::Batch;

/// Who is explained to, and who waits for it.
pub(crate) struct Explainers {
    settings: Explaining,
    /// One for each request that is explained or waits.
    places: Arc<Semaphore>,
    /// One for each that is explained.
    workers: Arc<Semaphore>,
}

impl Explainers {
    pub(crate) fn new(settings: Explaining) -> Self {
        Self {
            settings,
            places: Arc::new(Semaphore::new(
                settings.workers.saturating_add(settings.queue_requests),
            )),
            workers: Arc::new(Semaphore::new(settings.workers)),
        }
    }

    /// Refuses wishes and rows beyond what is allowed, before anything is done for them.
    pub(crate) fn check(&self, wishes: &ExplainWishes, batch: &Batch) -> Result<(), Refusal> {
        if let Some(problem) = wishes.problem(self.settings.max_coalitions) {
            return Err(Refusal::invalid(problem));
        }
        if batch.rows() > self.settings.max_rows {
            let words = format!(
                "found {} rows, at most {} are explained at once; send several requests, or explain a file by `veilsum-client explain`",
                batch.rows(),
                self.settings.max_rows
            );
            return Err(Refusal::new(Kind::TooLarge, words));
        }
        Ok(())
    }

    /// Has the rows explained, once there is a thread for it.
    pub(crate) async fn explain(
        &self,
        model: Arc<dyn Model>,
        batch: Arc<Batch>,
        wishes: ExplainWishes,
        until: Instant,
    ) -> Result<Vec<Explanation>, Refusal> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let words = format!(
                "{} requests are explained or wait for it, which is all that may; ask again later",
                self.settings.workers.saturating_add(self.settings.queue_requests)
            );
            Refusal::later(Kind::TooMany, Duration::from_secs(1), words)
        })?;
        let worker = match timeout_at(until.into(), Arc::clone(&self.workers).acquire_owned()).await {
            Ok(Ok(worker)) => worker,
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => return Err(late()),
        };
        let name = model.card().name.clone();
        let worked = spawn_blocking(move || {
            // Given back when the work is done, not when nobody waits for it any more.
            let _held: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, worker);
            let question = Question {
                wishes: &wishes,
                until,
            };
            model.explain(&batch, &question)
        });
        match timeout_at(until.into(), worked).await {
            Err(_) => Err(late()),
            Ok(Err(_)) => Err(Refusal::new(
                Kind::Model,
                format!("model {name:?} gave no explanation"),
            )),
            Ok(Ok(Ok(explanations))) => Ok(explanations),
            Ok(Ok(Err(trouble))) => Err(refused(trouble)),
        }
    }
}

fn late() -> Refusal {
    let words = "the time that the request had is over; give it more by x-request-timeout-ms, or ask for fewer rows or coalitions";
    Refusal::new(Kind::Late, words)
}

fn refused(trouble: NotExplained) -> Refusal {
    match trouble {
        NotExplained::Row(problem) => Refusal::invalid(problem.to_string()),
        NotExplained::Wish(words) => Refusal::invalid(words),
        NotExplained::Unable(words) => Refusal::later(Kind::Unavailable, Duration::from_secs(10), words),
        NotExplained::Late => late(),
    }
}
