//! The queue before a version of a model: rows of several requests are scored as one batch, and the answer is split again.
//!
//! Scoring is arithmetic that blocks, so it has threads of its own. A worker that finds a lone request scores it at once; one that comes back to
//! several joins what fits, and waits for more only while others are on their way ([`Coming`]), and no longer than the oldest may be held.
//!
//! To wake a worker and to be woken by it takes longer than a small model's answer: a lone request of a model that was fast lately is scored where it
//! was read, in a worker's place.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::meters::Meters;
use crate::model::Model;
use crate::refusal::{Kind, Refusal};
use crate::settings::Batching;
use crate::tensor::{Batch, Tensor, part};

/// Rows that a model is expected to have scored in this time keep no thread of the runtime from its connections.
const AT_ONCE: Duration = Duration::from_micros(250);

/// Most bytes of such rows: how long a text or an image takes hangs on its length, and what is known is the time of others.
const SMALL: usize = 16 << 10;

/// What a worker says to a request.
pub(crate) type Scored = Result<Vec<Tensor>, Refusal>;

struct Job {
    batch: Arc<Batch>,
    since: Instant,
    until: Instant,
    answer: oneshot::Sender<Scored>,
}

/// How many requests the server has begun to read that are in no queue yet. Without one it would be in vain to hold others for it.
#[derive(Clone, Default)]
pub(crate) struct Coming(Arc<AtomicUsize>);

impl Coming {
    /// One more, until what is given is dropped.
    pub(crate) fn one(&self) -> OneComing {
        self.0.fetch_add(1, Ordering::Relaxed);
        OneComing(self.clone())
    }

    fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Whether there is but the one that asks.
    fn is_one(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }
}

/// A request that is on its way to a queue.
pub(crate) struct OneComing(Coming);

impl Drop for OneComing {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    rows: usize,
    /// Batches that are being scored, by workers or in their places.
    scoring: usize,
    /// Workers that hold a batch for what is on its way.
    holding: usize,
    closed: bool,
}

struct Queue {
    model: Arc<dyn Model>,
    settings: Batching,
    meters: Meters,
    coming: Coming,
    waiting: Mutex<Waiting>,
    changed: Condvar,
    pace: Pace,
}

/// How long the model takes, in nanoseconds: half of what it was and half of the last batch that it scored.
struct Pace {
    /// Of a batch, however few rows it has.
    batch: AtomicU64,
    /// Of a row.
    row: AtomicU64,
}

impl Pace {
    fn unknown() -> Self {
        Self {
            batch: AtomicU64::new(u64::MAX),
            row: AtomicU64::new(u64::MAX),
        }
    }

    fn saw(&self, took: Duration, rows: usize) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let of_row = took / u64::try_from(rows.max(1)).unwrap_or(u64::MAX);
        for (known, last) in [(&self.batch, took), (&self.row, of_row)] {
            let before = match known.load(Ordering::Relaxed) {
                u64::MAX => last,
                before => before,
            };
            known.store(last / 2 + before / 2, Ordering::Relaxed);
        }
    }

    fn keeps(&self, limit: Duration, rows: usize) -> bool {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let of_rows = self.row.load(Ordering::Relaxed).saturating_mul(rows);
        let expected = self.batch.load(Ordering::Relaxed).max(of_rows);
        u128::from(expected) <= limit.as_nanos()
    }
}

/// A worker's place, which is free again when this is dropped.
struct Place<'a>(&'a Queue);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.scoring -= 1;
        let more = !waiting.jobs.is_empty() || waiting.closed;
        drop(waiting);
        if more {
            self.0.changed.notify_one();
        }
    }
}

/// The queue and workers of a version. Dropped, it scores what still waits and ends its threads.
pub(crate) struct Batcher {
    queue: Arc<Queue>,
    workers: Vec<JoinHandle<()>>,
}

impl Batcher {
    /// Starts the workers.
    pub(crate) fn start(
        model: Arc<dyn Model>,
        settings: Batching,
        meters: Meters,
        coming: Coming,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue {
            model,
            settings,
            meters,
            coming,
            waiting: Mutex::default(),
            changed: Condvar::new(),
            pace: Pace::unknown(),
        });
        let mut batcher = Self {
            queue,
            workers: Vec::new(),
        };
        for _ in 0..settings.workers.max(1) {
            let queue = Arc::clone(&batcher.queue);
            let worker = thread::Builder::new().name("scoring".to_owned());
            batcher.workers.push(worker.spawn(move || queue.work())?);
        }
        Ok(batcher)
    }

    /// Scores a few rows here and now, if nobody else waits or is on the way, a worker is idle, and the model was fast lately. `_coming` is that of
    /// these rows.
    pub(crate) fn at_once(&self, batch: &Batch, until: Instant, _coming: &OneComing) -> Option<Scored> {
        let queue = &self.queue;
        let quick = queue.pace.keeps(AT_ONCE, batch.rows()) && batch.bytes() <= SMALL;
        if !quick || !queue.coming.is_one() || until <= Instant::now() {
            return None;
        }
        let place = {
            let mut waiting = queue.lock();
            // What others are held for goes where they are.
            let is_free = waiting.scoring < queue.settings.workers.max(1) && waiting.holding == 0;
            if !waiting.jobs.is_empty() || !is_free {
                return None;
            }
            waiting.scoring += 1;
            Place(queue)
        };
        let scored = queue.ask(batch);
        drop(place);
        Some(scored)
    }

    /// Puts rows into the queue, where they are on their way no more. Whoever drops the receiver takes them out again, as does `until`.
    pub(crate) fn put(
        &self,
        batch: Arc<Batch>,
        until: Instant,
        coming: OneComing,
    ) -> Result<oneshot::Receiver<Scored>, Refusal> {
        let settings = &self.queue.settings;
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.queue.lock();
        // Who has gone makes room for who is there.
        if waiting.jobs.len() >= settings.queue_requests || waiting.rows + batch.rows() > settings.queue_rows
        {
            waiting.tidy();
        }
        let full = waiting.jobs.len() >= settings.queue_requests
            || (!waiting.jobs.is_empty() && waiting.rows + batch.rows() > settings.queue_rows);
        if full {
            let (jobs, rows) = (waiting.jobs.len(), waiting.rows);
            return Err(Refusal::later(
                Kind::TooMany,
                Duration::from_secs(1),
                format!(
                    "{jobs} requests with {rows} rows wait for model {:?} already; ask again later, or from fewer places at once",
                    self.queue.model.card().name
                ),
            ));
        }
        waiting.rows += batch.rows();
        waiting.jobs.push_back(Job {
            batch,
            since: Instant::now(),
            until,
            answer,
        });
        self.queue.told(&waiting);
        // A worker that holds others for these rows must find either of the two.
        drop(coming);
        drop(waiting);
        self.queue.changed.notify_one();
        Ok(answered)
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
        // Nobody waits for the threads: the last holder of a version may be a request on the runtime, which must not block. They end by themselves.
        self.workers.clear();
    }
}

impl Waiting {
    /// Takes out whom nobody waits for.
    fn tidy(&mut self) {
        let now = Instant::now();
        self.jobs.retain(|job| !job.is_over(now));
        self.rows = self.jobs.iter().map(|job| job.batch.rows()).sum();
    }

    fn pop(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        self.rows = self.rows.saturating_sub(job.batch.rows());
        Some(job)
    }
}

impl Job {
    fn is_over(&self, now: Instant) -> bool {
        self.answer.is_closed() || now >= self.until
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self, waiting: &Waiting) {
        let card = self.model.card();
        self.meters
            .queue_depth(&card.name, &card.version, waiting.jobs.len());
    }

    fn work(&self) {
        while let Some((jobs, place)) = self.next() {
            self.score(jobs);
            drop(place);
        }
    }

    /// What is scored next, as one batch; nothing once the queue is closed and empty.
    fn next(&self) -> Option<(Vec<Job>, Place<'_>)> {
        let mut waiting = self.lock();
        let mut was_idle = false;
        let first = loop {
            if waiting.scoring >= self.settings.workers.max(1) {
                // Somebody is in this worker's place, and wakes it when it is free.
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            match waiting.pop() {
                Some(job) if job.is_over(Instant::now()) => refuse_late(job),
                Some(job) => break job,
                None if waiting.closed => return None,
                None => {
                    was_idle = true;
                    waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        waiting.scoring += 1;
        let hold = first.since + Duration::from_micros(self.settings.hold_us);
        let mut rows = first.batch.rows();
        let mut jobs = vec![first];
        loop {
            let mut at = 0;
            while rows < self.settings.max_rows && at < waiting.jobs.len() {
                let Some(next) = waiting.jobs.get(at) else { break };
                let fits = jobs.first().is_none_or(|job| job.batch.fits(&next.batch));
                if !fits || rows + next.batch.rows() > self.settings.max_rows {
                    at += 1;
                    continue;
                }
                let Some(job) = waiting.jobs.remove(at) else { break };
                waiting.rows = waiting.rows.saturating_sub(job.batch.rows());
                if job.is_over(Instant::now()) {
                    refuse_late(job);
                } else {
                    rows += job.batch.rows();
                    jobs.push(job);
                }
            }
            let lone = was_idle && jobs.len() == 1;
            let now = Instant::now();
            let vain = lone || !self.coming.any();
            if vain
                || rows >= self.settings.max_rows
                || now >= hold
                || waiting.closed
                || !waiting.jobs.is_empty()
            {
                break;
            }
            self.told(&waiting);
            waiting.holding += 1;
            waiting = self
                .changed
                .wait_timeout(waiting, hold - now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            waiting.holding -= 1;
        }
        self.told(&waiting);
        // Whoever put what is left has woken this worker alone.
        if !waiting.jobs.is_empty() {
            self.changed.notify_one();
        }
        drop(waiting);
        Some((jobs, Place(self)))
    }

    fn score(&self, mut jobs: Vec<Job>) {
        // Between the queue and here a client may have gone.
        let now = Instant::now();
        let (over, kept): (Vec<_>, Vec<_>) = jobs.drain(..).partition(|job| job.is_over(now));
        over.into_iter().for_each(refuse_late);
        jobs = kept;
        if jobs.len() > 1 {
            let batches: Vec<&Batch> = jobs.iter().map(|job| job.batch.as_ref()).collect();
            let Some(joined) = Batch::joined(&batches) else {
                return;
            };
            match self.ask(&joined) {
                Ok(outputs) => {
                    let mut from = 0;
                    for job in jobs {
                        let rows = job.batch.rows();
                        // A client that has gone meanwhile needs no answer.
                        let _ = job.answer.send(Ok(part(&outputs, from, rows)));
                        from += rows;
                    }
                    return;
                }
                // Each by itself, so that one wrong row costs the others nothing.
                Err(refusal) => tracing::debug!(%refusal, "a joined batch could not be scored"),
            }
        }
        for job in jobs {
            if job.is_over(Instant::now()) {
                refuse_late(job);
                continue;
            }
            let scored = self.ask(&job.batch);
            let _ = job.answer.send(scored);
        }
    }

    /// Asks the model and holds it to its card.
    fn ask(&self, batch: &Batch) -> Scored {
        let card = self.model.card();
        self.meters.batch(&card.name, &card.version, batch.rows());
        let broken = |what: String| {
            tracing::error!("model {} {}: {what}", card.name, card.version);
            let words = format!(
                "model {:?} {:?} {what}; its operator must look at it",
                card.name, card.version
            );
            Refusal::new(Kind::Model, words)
        };
        let began = Instant::now();
        let answer = catch_unwind(AssertUnwindSafe(|| self.model.score(batch)));
        let took = began.elapsed();
        let outputs = match answer {
            Err(_) => return Err(broken("stopped in the middle of a batch".to_owned())),
            Ok(Err(problem)) => return Err(Refusal::invalid(problem.to_string())),
            Ok(Ok(outputs)) => outputs,
        };
        // A row that is refused is refused before the model's own work.
        self.pace.saw(took, batch.rows());
        if outputs.len() != card.outputs.len() {
            let (found, expected) = (outputs.len(), card.outputs.len());
            return Err(broken(format!(
                "gave {found} outputs, its card promises {expected}"
            )));
        }
        for (output, spec) in outputs.iter().zip(&card.outputs) {
            let count: usize = output.shape.iter().product();
            let marks = output.missing.as_ref().map_or(count, Vec::len);
            let kept = output.name == spec.name
                && output.data.datatype() == spec.datatype
                && output.shape.len() == spec.shape.len()
                && output.trail_fits(spec)
                && output.rows() == batch.rows()
                && output.data.len() == count
                && marks == count;
            if !kept {
                return Err(broken(format!(
                    "gave {:?}: {} {:?} with {} elements for {} rows, its card promises {}",
                    output.name,
                    output.data.datatype(),
                    output.shape,
                    output.data.len(),
                    batch.rows(),
                    spec.told()
                )));
            }
        }
        Ok(outputs)
    }
}

fn refuse_late(job: Job) {
    let words = "the time that the request had was over before its rows were scored";
    let _ = job.answer.send(Err(Refusal::new(Kind::Late, words)));
}
