use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Builder};

use csv::StringRecord;

use super::super::DataError;
use super::super::error::At;
use super::Table;

/// Rows that are handed over at a time: some hundred kilobytes, so that threads seldom wait for each other.
const BATCH: usize = 4096;

/// Batches that wait to be taken. One more is at work on either side, so memory holds four.
const WAITING: usize = 2;

/// Rows that follow each other, and what came after them if that was an error or the end.
struct Batch<P> {
    records: Vec<StringRecord>,
    /// Where each of the first so many records begins, and what was made of it; the rest are for a next use.
    rows: Vec<(At, P)>,
    ends: Option<Result<(), DataError>>,
}

impl<P> Default for Batch<P> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            rows: Vec::new(),
            ends: None,
        }
    }
}

impl Table {
    /// Hands every row to `each`, with what `prepare` made of it, while a thread of its own reads on and prepares.
    ///
    /// # Errors
    /// The first that reading a row, `prepare` or `each` gives, in the order of the file.
    pub(crate) fn for_each<P: Send>(
        self,
        prepare: impl FnMut(At, &mut StringRecord) -> Result<P, DataError> + Send,
        mut each: impl FnMut(At, &StringRecord, P) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let file = self.file.clone();
        let (full, take) = sync_channel(WAITING);
        let (give_back, empty) = sync_channel(WAITING + 2);
        thread::scope(|scope| {
            Builder::new()
                .name("rows".to_owned())
                .spawn_scoped(scope, move || self.read_on(prepare, &full, &empty))
                .map_err(|source| DataError::Unreadable {
                    file,
                    source,
                    advice: "the system gives no thread to read it with: end other programs, then try again",
                })?;
            while let Ok(mut batch) = take.recv() {
                for ((at, prepared), record) in batch.rows.drain(..).zip(&batch.records) {
                    each(at, record, prepared)?;
                }
                if let Some(end) = batch.ends.take() {
                    return end;
                }
                // The reader may have come to its end.
                let _ = give_back.try_send(batch);
            }
            // Only a reader that panicked sends no end; the scope goes on with its panic.
            Ok(())
        })
    }

    fn read_on<P>(
        mut self,
        mut prepare: impl FnMut(At, &mut StringRecord) -> Result<P, DataError>,
        full: &SyncSender<Batch<P>>,
        empty: &Receiver<Batch<P>>,
    ) {
        loop {
            let mut batch = empty.try_recv().unwrap_or_default();
            while batch.rows.len() < BATCH && batch.ends.is_none() {
                let place = batch.rows.len();
                if batch.records.len() == place {
                    batch.records.push(StringRecord::new());
                }
                let record = &mut batch.records[place];
                let read = self.read(record);
                let row = read.and_then(|at| at.map(|at| Ok((at, prepare(at, record)?))).transpose());
                match row {
                    Ok(Some(row)) => batch.rows.push(row),
                    Ok(None) => batch.ends = Some(Ok(())),
                    Err(error) => batch.ends = Some(Err(error)),
                }
            }
            let last = batch.ends.is_some();
            // Nobody takes it once `each` gave an error.
            if full.send(batch).is_err() || last {
                return;
            }
        }
    }
}
