use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Builder};

use csv::StringRecord;

use super::super::DataError;
use super::super::error::At;
use super::Table;

/// Rows that are handed over at a time.
const BATCH: usize = 512;

/// Batches that wait to be taken. One more is at work on either side, so memory holds four.
const WAITING: usize = 2;

/// Rows that follow each other, and what came after them if that was an error or the end.
#[derive(Default)]
struct Batch {
    records: Vec<StringRecord>,
    /// Where each of the first so many records begins; the rest are for a next use.
    begins: Vec<At>,
    ends: Option<Result<(), DataError>>,
}

impl Table {
    /// Hands every row to `each`, while a thread of its own reads on.
    ///
    /// # Errors
    /// The first that reading a row or `each` gives, in the order of the file.
    pub(crate) fn for_each(
        self,
        mut each: impl FnMut(At, &mut StringRecord) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let file = self.file.clone();
        let (full, take) = sync_channel(WAITING);
        let (give_back, empty) = sync_channel(WAITING + 2);
        thread::scope(|scope| {
            Builder::new()
                .name("rows".to_owned())
                .spawn_scoped(scope, move || self.read_on(&full, &empty))
                .map_err(|source| DataError::Unreadable {
                    file,
                    source,
                    advice: "the system gives no thread to read it with: end other programs, then try again",
                })?;
            while let Ok(mut batch) = take.recv() {
                for (at, record) in batch.begins.iter().zip(&mut batch.records) {
                    each(*at, record)?;
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

    fn read_on(mut self, full: &SyncSender<Batch>, empty: &Receiver<Batch>) {
        loop {
            let mut batch: Batch = empty.try_recv().unwrap_or_default();
            batch.begins.clear();
            while batch.begins.len() < BATCH && batch.ends.is_none() {
                let place = batch.begins.len();
                if batch.records.len() == place {
                    batch.records.push(StringRecord::new());
                }
                match self.read(&mut batch.records[place]) {
                    Ok(Some(at)) => batch.begins.push(at),
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
