//! The files' writer: a thread that takes what waits, writes it with one call and makes it durable with another, and only then answers. Requests
//! that come while the disk works share its next step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use ring::rand::{SecureRandom, SystemRandom};
use time::{Date, Duration, OffsetDateTime};
use tokio::sync::{mpsc, oneshot};

use super::reader::{date_of, files};
use super::record::Record;
use super::sealing::{CLOSING, HEADER_BYTES, Key, MAGIC, MOST_BYTES, MOST_RECORDS, Place};
use crate::settings::{Decisions, OnFailure};

/// Records that are made durable at once.
const TOGETHER: usize = 256;

struct Job {
    record: Record,
    answer: oneshot::Sender<Result<(), String>>,
}

/// Writes decisions down. Dropped, it closes its file.
pub struct DecisionLog {
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    on_failure: OnFailure,
}

impl DecisionLog {
    /// Begins a new file in the folder, which is made if it is not there, readable for its owner alone. Files older than the settings say are
    /// deleted, now and whenever a file is begun.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(settings: &Decisions, key: Key) -> io::Result<Self> {
        let mut files = Files {
            settings: settings.clone(),
            key,
            open: None,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&settings.folder)?;
        files.begin(OffsetDateTime::now_utc().date())?;
        let (jobs, waiting) = mpsc::channel::<Job>(TOGETHER);
        let writer = thread::Builder::new().name("decisions".to_owned());
        let writer = writer.spawn(move || files.work(waiting))?;
        Ok(Self {
            jobs: Some(jobs),
            writer: Some(writer),
            on_failure: settings.on_failure,
        })
    }

    /// What happens to a request whose record cannot be written.
    pub fn on_failure(&self) -> OnFailure {
        self.on_failure
    }

    /// Writes a record; it is durable when this is ready.
    ///
    /// # Errors
    /// What the disk says.
    pub async fn append(&self, record: Record) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or("the log of decisions is closed")?;
        let stopped = || "the log's writer has stopped".to_owned();
        jobs.send(Job { record, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

impl Drop for DecisionLog {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

struct Files {
    settings: Decisions,
    key: Key,
    open: Option<Open>,
}

struct Open {
    file: File,
    header: [u8; HEADER_BYTES],
    day: Date,
    index: u32,
    offset: u64,
}

impl Files {
    fn work(mut self, mut waiting: mpsc::Receiver<Job>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut jobs = vec![first];
            while jobs.len() < TOGETHER
                && let Ok(next) = waiting.try_recv()
            {
                jobs.push(next);
            }
            let now = OffsetDateTime::now_utc();
            let records: Vec<&Record> = jobs.iter().map(|job| &job.record).collect();
            let written = self.write(&records, now.date());
            if written.is_err() {
                // What stands at the file's end now is unknown: it stays as it is, torn, and the next record begins another one.
                self.open = None;
            }
            for job in jobs {
                let _ = job.answer.send(written.clone());
            }
        }
        if let Some(open) = self.open.take()
            && let Err(error) = open.close(&self.key)
        {
            tracing::warn!(%error, "the last file of decisions could not be closed");
        }
    }

    fn write(&mut self, records: &[&Record], today: Date) -> Result<(), String> {
        let told = |error: io::Error| format!("{}: {error}", self.settings.folder.display());
        let is_over = |open: &Open| {
            open.day != today || open.offset >= self.settings.file_bytes || open.index > MOST_RECORDS - 1024
        };
        if self.open.as_ref().is_none_or(is_over) {
            if let Some(open) = self.open.take() {
                open.close(&self.key).map_err(told)?;
            }
            self.begin(today)
                .map_err(|error| format!("{}: {error}", self.settings.folder.display()))?;
        }
        let folder = self.settings.folder.display();
        let open = self.open.as_mut().ok_or("there is no file of decisions")?;
        let mut bytes = Vec::new();
        for record in records {
            let text = serde_json::to_vec(record).map_err(|error| error.to_string())?;
            open.seal(&self.key, text, 0, &mut bytes)?;
        }
        open.file
            .write_all(&bytes)
            .and_then(|()| open.file.sync_data())
            .map_err(|error| format!("{folder}: {error}"))
    }

    fn begin(&mut self, today: Date) -> io::Result<()> {
        let folder = self.settings.folder.clone();
        let there = files(&folder)?;
        for (number, path) in &there {
            let kept = Duration::days(self.settings.keep_days.into());
            if date_of(path).is_some_and(|day| today.checked_sub(kept).is_some_and(|last| day < last)) {
                tracing::info!(number, "a file of decisions has reached its age and is deleted");
                fs::remove_file(path)?;
            }
        }
        let number = there.last().map_or(1, |(number, _)| number.saturating_add(1));
        let mut header = [0; HEADER_BYTES];
        header[..16].copy_from_slice(MAGIC);
        header[16..24].copy_from_slice(&number.to_be_bytes());
        SystemRandom::new()
            .fill(&mut header[24..])
            .map_err(|_| io::Error::other("the system gives no randomness"))?;
        let path = named(&folder, number, today);
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(&header)?;
        file.sync_all()?;
        // The name is durable when the folder is.
        File::open(&folder)?.sync_all()?;
        self.open = Some(Open {
            file,
            header,
            day: today,
            index: 0,
            offset: HEADER_BYTES as u64,
        });
        Ok(())
    }
}

fn named(folder: &Path, number: u64, day: Date) -> PathBuf {
    let (year, month, day) = (day.year(), u8::from(day.month()), day.day());
    folder.join(format!(
        "decisions-{number:010}-{year:04}-{month:02}-{day:02}.log"
    ))
}

impl Open {
    fn seal(&mut self, key: &Key, mut text: Vec<u8>, mark: u32, to: &mut Vec<u8>) -> Result<(), String> {
        let sealed = u32::try_from(text.len() + 16)
            .ok()
            .filter(|&length| length <= MOST_BYTES);
        let sealed = sealed.ok_or_else(|| {
            format!(
                "a record has {} bytes, at most {MOST_BYTES} are written",
                text.len()
            )
        })?;
        let length = sealed | mark;
        let place = Place {
            header: &self.header,
            index: self.index,
            offset: self.offset,
            length,
        };
        place.seal(key, &mut text)?;
        to.extend_from_slice(&length.to_be_bytes());
        to.extend_from_slice(&text);
        self.index += 1;
        self.offset += 4 + u64::from(sealed);
        Ok(())
    }

    fn close(mut self, key: &Key) -> io::Result<()> {
        let mut bytes = Vec::new();
        let count = self.index.to_be_bytes().to_vec();
        self.seal(key, count, CLOSING, &mut bytes)
            .map_err(io::Error::other)?;
        self.file.write_all(&bytes)?;
        self.file.sync_all()
    }
}
