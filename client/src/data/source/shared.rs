//! Rows of a table from one thread to those that work on them, and what they make of them back in the order of the file.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Builder, Scope};

use csv::StringRecord;

use super::super::DataError;
use super::super::error::At;
use super::batch::{Batch, Records};
use super::csv::{Block, Splitter};
use super::{Rows, Table};

/// Rows that are handed over at a time, unless they come as blocks of text: some hundred kilobytes, so that threads seldom wait for each other.
const ROWS: usize = 2048;

/// Pieces that wait on either side of a worker; memory holds these and the one at work for each worker.
const WAITING: usize = 2;

/// What one thread does with rows.
pub(crate) trait Worker: Send {
    /// What it makes of rows.
    type Made: Default + Send;

    /// Takes some rows more into `made`.
    ///
    /// # Errors
    /// The first thing that keeps the table from being used. What is in `made` are the rows before.
    fn rows(&mut self, rows: Batch<'_>, made: &mut Self::Made) -> Result<(), DataError>;
}

/// Rows that follow each other, and what came after them if that was an error or the end.
#[derive(Default)]
struct Piece {
    rows: Unworked,
    ends: Option<Result<(), DataError>>,
}

enum Unworked {
    Block(Block),
    Records(Records),
}

impl Default for Unworked {
    fn default() -> Self {
        Self::Block(Block::default())
    }
}

struct Worked<M> {
    made: M,
    ends: Option<Result<(), DataError>>,
}

/// A worker that makes nothing of rows beside what it keeps.
struct Each<F> {
    each: F,
    record: StringRecord,
}

impl<F: FnMut(At, &mut StringRecord) -> Result<(), DataError> + Send> Worker for Each<F> {
    type Made = ();

    fn rows(&mut self, rows: Batch<'_>, (): &mut ()) -> Result<(), DataError> {
        for (at, row) in rows.each() {
            row.copy_to(&mut self.record);
            (self.each)(at, &mut self.record)?;
        }
        Ok(())
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
        let record = StringRecord::new();
        self.share(vec![Each { each, record }], |()| Ok(())).map(drop)
    }

    /// The same for the first so many rows; false if there are more.
    ///
    /// # Errors
    /// The first that reading a row or `each` gives.
    pub(crate) fn for_the_first(
        self,
        rows: u64,
        mut each: impl FnMut(At, &mut StringRecord) -> Result<(), DataError> + Send,
    ) -> Result<bool, DataError> {
        let file = self.file.clone();
        let (mut left, mut cut) = (rows, false);
        let read = self.for_each(|at, record| {
            if left == 0 {
                cut = true;
                // Nobody sees it: it ends the reading.
                return Err(DataError::whole(&file, "more rows", "no more", "read on"));
            }
            left -= 1;
            each(at, record)
        });
        if cut { Ok(false) } else { read.map(|()| true) }
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
                let splitter = self.splitter();
                let thread = Builder::new().name("cells".to_owned());
                threads.push(
                    thread
                        .spawn_scoped(scope, move || work(worker, splitter, &receive, &done, &give_back))
                        .map_err(no_thread)?,
                );
                full.push(send);
                worked.push(ready);
            }
            read_in_thread(scope, self, full, empty).map_err(no_thread)?;
            // The pieces go round in turn, so their results come in turn too. A thread that panicked sends no more, and the scope goes on with
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

    /// What splits this table's blocks, if it comes in such.
    fn splitter(&self) -> Option<Splitter> {
        match &self.rows {
            Rows::Csv(rows) => Some(rows.splitter()),
            Rows::Parquet(_) => None,
        }
    }

    /// The next rows.
    fn next(&mut self, used: Unworked) -> Piece {
        match (&mut self.rows, used) {
            (Rows::Csv(rows), used) => {
                let used = match used {
                    Unworked::Block(block) => block,
                    Unworked::Records(_) => Block::default(),
                };
                let (block, ends) = match rows.next(used) {
                    Ok(Some(block)) => (block, None),
                    Ok(None) => (Block::default(), Some(Ok(()))),
                    Err(error) => (Block::default(), Some(Err(error))),
                };
                Piece {
                    rows: Unworked::Block(block),
                    ends,
                }
            }
            (Rows::Parquet(rows), used) => {
                let mut records = match used {
                    Unworked::Records(records) => records,
                    Unworked::Block(_) => Records::default(),
                };
                records.clear();
                let mut record = StringRecord::new();
                let ends = loop {
                    if records.is_full(ROWS) {
                        break None;
                    }
                    match rows.read(&mut record) {
                        Ok(Some(at)) => records.push(at, &record),
                        Ok(None) => break Some(Ok(())),
                        Err(error) => break Some(Err(error)),
                    }
                };
                Piece {
                    rows: Unworked::Records(records),
                    ends,
                }
            }
        }
    }
}

fn read_in_thread<'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut table: Table,
    full: Vec<SyncSender<Piece>>,
    empty: Receiver<Unworked>,
) -> std::io::Result<()> {
    let read_on = move || {
        for send in full.iter().cycle() {
            let piece = table.next(empty.try_recv().unwrap_or_default());
            let last = piece.ends.is_some();
            // Nobody takes it once there was an error.
            if send.send(piece).is_err() || last {
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
    mut splitter: Option<Splitter>,
    receive: &Receiver<Piece>,
    done: &SyncSender<Worked<W::Made>>,
    give_back: &SyncSender<Unworked>,
) -> W {
    while let Ok(Piece { rows, ends }) = receive.recv() {
        let mut made = W::Made::default();
        let worked = match (&rows, &mut splitter) {
            (Unworked::Block(block), Some(splitter)) => {
                splitter.split_block(block, &mut |rows| worker.rows(rows, &mut made))
            }
            // Only a table of blocks gives one.
            (Unworked::Block(_), None) => Ok(()),
            (Unworked::Records(records), _) => worker.rows(records.batch(), &mut made),
        };
        let ends = worked.err().map(Err).or(ends);
        let last = ends.is_some();
        if done.send(Worked { made, ends }).is_err() || last {
            break;
        }
        // The reader may have come to its end.
        let _ = give_back.try_send(rows);
    }
    worker
}
