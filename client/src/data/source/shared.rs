use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Builder, Scope};

use csv::StringRecord;

use super::super::DataError;
use super::super::error::At;
use super::Table;

/// Rows that are handed over at a time: some hundred kilobytes, so that threads seldom wait for each other.
const BATCH: usize = 2048;

/// Batches that wait on either side of a worker; memory holds these and the one at work for each worker.
const WAITING: usize = 2;

/// What one thread does with rows.
pub(crate) trait Worker: Send {
    /// What it makes of a batch of rows.
    type Made: Default + Send;

    /// Takes one row more into `made`.
    ///
    /// # Errors
    /// What keeps the table from being used.
    fn row(&mut self, at: At, record: &mut StringRecord, made: &mut Self::Made) -> Result<(), DataError>;
}

/// Rows that follow each other, and what came after them if that was an error or the end.
#[derive(Default)]
struct Batch {
    /// The rest, behind as many as `rows` has, are for a next use.
    records: Vec<StringRecord>,
    rows: Vec<At>,
    ends: Option<Result<(), DataError>>,
}

struct Worked<M> {
    made: M,
    ends: Option<Result<(), DataError>>,
}

/// A worker that makes nothing of rows beside what it keeps.
struct Each<F>(F);

impl<F: FnMut(At, &mut StringRecord) -> Result<(), DataError> + Send> Worker for Each<F> {
    type Made = ();

    fn row(&mut self, at: At, record: &mut StringRecord, (): &mut ()) -> Result<(), DataError> {
        (self.0)(at, record)
    }
}

impl Table {
    /// Hands every row to `each` in the order of the file, while a thread reads on.
    ///
    /// # Errors
    /// The first that reading a row or `each` gives.
    pub(crate) fn for_each(
        self,
        each: impl FnMut(At, &mut StringRecord) -> Result<(), DataError> + Send,
    ) -> Result<(), DataError> {
        self.share(vec![Each(each)], |()| Ok(())).map(drop)
    }

    /// Deals the rows out to the workers, each in a thread of its own, while another reads on; `take` gets what they made, in the order of the
    /// file. Gives the workers back.
    ///
    /// # Errors
    /// The first that reading a row, a worker or `take` gives, in the order of the file.
    pub(crate) fn share<W: Worker>(
        self,
        workers: Vec<W>,
        mut take: impl FnMut(W::Made) -> Result<(), DataError>,
    ) -> Result<Vec<W>, DataError> {
        let file = self.file.clone();
        let no_thread = |source| DataError::Unreadable {
            file: file.clone(),
            source,
            advice: "the system gives no thread to read it with: end other programs, then try again",
        };
        thread::scope(|scope| {
            let (give_back, empty) = sync_channel(workers.len() * (2 * WAITING + 1));
            let (mut full, mut worked, mut threads) = (Vec::new(), Vec::new(), Vec::new());
            for worker in workers {
                let (send, receive) = sync_channel(WAITING);
                let (done, ready) = sync_channel(WAITING);
                let give_back = give_back.clone();
                let thread = Builder::new().name("cells".to_owned());
                threads.push(
                    thread
                        .spawn_scoped(scope, move || work(worker, &receive, &done, &give_back))
                        .map_err(no_thread)?,
                );
                full.push(send);
                worked.push(ready);
            }
            read_in_thread(scope, self, full, empty).map_err(no_thread)?;
            // The batches go round in turn, so their results come in turn too. A thread that panicked sends no more, and the scope goes on with
            // its panic.
            for ready in worked.iter().cycle() {
                let Ok(Worked { made, ends }) = ready.recv() else {
                    break;
                };
                take(made)?;
                if let Some(end) = ends {
                    end?;
                    break;
                }
            }
            // Whoever still sends finds nobody, and ends.
            drop(worked);
            Ok(threads
                .into_iter()
                .filter_map(|thread| thread.join().map_err(std::panic::resume_unwind).ok())
                .collect())
        })
    }
}

fn read_in_thread<'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut table: Table,
    full: Vec<SyncSender<Batch>>,
    empty: Receiver<Batch>,
) -> std::io::Result<()> {
    let read_on = move || {
        for send in full.iter().cycle() {
            let mut batch = empty.try_recv().unwrap_or_default();
            batch.rows.clear();
            while batch.rows.len() < BATCH && batch.ends.is_none() {
                let place = batch.rows.len();
                if batch.records.len() == place {
                    batch.records.push(StringRecord::new());
                }
                match table.read(&mut batch.records[place]) {
                    Ok(Some(at)) => batch.rows.push(at),
                    Ok(None) => batch.ends = Some(Ok(())),
                    Err(error) => batch.ends = Some(Err(error)),
                }
            }
            let last = batch.ends.is_some();
            // Nobody takes it once there was an error.
            if send.send(batch).is_err() || last {
                return;
            }
        }
    };
    Builder::new()
        .name("rows".to_owned())
        .spawn_scoped(scope, read_on)
        .map(drop)
}

fn work<W: Worker>(
    mut worker: W,
    receive: &Receiver<Batch>,
    done: &SyncSender<Worked<W::Made>>,
    give_back: &SyncSender<Batch>,
) -> W {
    while let Ok(mut batch) = receive.recv() {
        let mut made = W::Made::default();
        let mut ends = batch.ends.take();
        for (at, record) in batch.rows.drain(..).zip(&mut batch.records) {
            if let Err(error) = worker.row(at, record, &mut made) {
                ends = Some(Err(error));
                break;
            }
        }
        let last = ends.is_some();
        if done.send(Worked { made, ends }).is_err() || last {
            break;
        }
        // The reader may have come to its end.
        let _ = give_back.try_send(batch);
    }
    worker
}
