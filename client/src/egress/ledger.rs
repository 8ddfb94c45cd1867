//! Where the transport counts.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use veilsum_link::Transport;
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::wire::outbound::Departure;

use super::file::{self, LedgerFile};
use super::record::{FRAMED, Record};
use super::totals::Totals;
use crate::participant::FileError;

/// Last lines that are held for who looks.
const RECENT: usize = 60;
/// Rounds whose task is remembered.
const ROUNDS: usize = 16;

/// Everything that left the bank. Copies are the same one.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    file: Option<LedgerFile>,
    totals: Totals,
    recent: VecDeque<Record>,
    tasks: BTreeMap<Round, Digest>,
    problem: Option<String>,
}

/// What the ledger holds at one moment.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Sums.
    pub totals: Totals,
    /// The last lines, oldest first.
    pub recent: Vec<Record>,
    /// Why the disk does not take the lines; they are counted all the same, and written when it takes them again.
    pub problem: Option<String>,
}

impl Ledger {
    /// One that ends with the process, for what sends nothing of a bank's.
    pub fn in_memory() -> Self {
        Self(Arc::default())
    }

    /// One that goes on with what is in `folder`, which is made.
    ///
    /// # Errors
    /// If the folder cannot be made, or its files not be read.
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        let (file, read) = LedgerFile::open(folder, RECENT)?;
        if read.sums_are_damaged {
            tracing::warn!(
                "{}: days.json, the sums of what left the bank, cannot be read; it is kept as days.json.damaged, and the account begins with the lines that are here",
                folder.display()
            );
        }
        if read.damaged > 0 {
            tracing::warn!(
                "{}: {} lines of the account of what left the bank cannot be read, as after a power failure; the others count",
                folder.display(),
                read.damaged
            );
        }
        Ok(Self(Arc::new(Mutex::new(Inner {
            file: Some(file),
            totals: read.totals,
            recent: read.recent.into(),
            ..Inner::default()
        }))))
    }

    /// What a folder holds, whether a daemon writes there or not.
    ///
    /// # Errors
    /// If its files cannot be read.
    pub fn read(folder: &Path) -> Result<Account, FileError> {
        let read = file::read(folder, RECENT)?;
        Ok(Account {
            totals: read.totals,
            recent: read.recent,
            problem: None,
        })
    }

    /// Bytes are about to be handed to a connection.
    pub fn leaves(&self, departure: Departure, bytes: u64) {
        self.note(departure, bytes, false);
    }

    /// So many of them were not, because it broke.
    pub fn stayed(&self, departure: Departure, bytes: u64) {
        if bytes > 0 {
            self.note(departure, bytes, true);
        }
    }

    /// So many bytes went out on a connection since this was last said of it, with all that TLS, QUIC and the records of TCP add: the payload of
    /// UDP datagrams, or what was written to the TCP socket. Headers of UDP, TCP and IP are not among them.
    pub fn framed(&self, transport: Transport, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let word = match transport {
            Transport::Quic => "quic",
            Transport::Tcp => "tcp",
        };
        self.lock().take(Record {
            n: 0,
            at: 0,
            kind: format!("{FRAMED}{word}"),
            round: None,
            task: None,
            bytes,
            stayed: false,
        });
    }

    /// Which task a round is of.
    pub fn opened(&self, round: Round, task: Digest) {
        let mut inner = self.lock();
        inner.tasks.insert(round, task);
        while inner.tasks.len() > ROUNDS {
            inner.tasks.pop_first();
        }
    }

    /// What it holds now.
    pub fn account(&self) -> Account {
        let inner = self.lock();
        Account {
            totals: inner.totals.clone(),
            recent: inner.recent.iter().cloned().collect(),
            problem: inner.problem.clone(),
        }
    }

    /// Why the disk does not take it, while it does not.
    pub fn problem(&self) -> Option<String> {
        self.lock().problem.clone()
    }

    fn note(&self, departure: Departure, bytes: u64, stayed: bool) {
        let mut inner = self.lock();
        let task = departure.round.and_then(|round| inner.tasks.get(&round).copied());
        let record = Record::of(departure, task, bytes);
        inner.take(Record { stayed, ..record });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take(&mut self, mut record: Record) {
        record.n = self.totals.through + 1;
        record.at = now();
        self.totals.take(&record);
        if let Some(file) = &mut self.file {
            let written = file.append(&record, &self.totals);
            // A round is not stopped by it: it is counted in memory, and told.
            self.problem = written.err().map(|error| error.to_string());
        }
        self.recent.push_back(record);
        while self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use veilsum_protocol::wire::outbound::OutboundKind;

    use super::*;

    #[test]
    fn a_ledger_goes_on_where_the_last_daemon_left_it_and_names_the_rounds_task() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        ledger.opened(Round(7), Digest([1; 32]));
        let vector = Departure::of(OutboundKind::MaskedVector).in_round(Round(7));
        ledger.leaves(vector, 1000);
        ledger.stayed(vector, 300);
        ledger.leaves(Departure::of(OutboundKind::Hello), 50);
        ledger.framed(Transport::Tcp, 1500);
        drop(ledger);
        let ledger = Ledger::open(folder.path()).unwrap();
        ledger.leaves(Departure::of(OutboundKind::Hello), 50);
        let account = ledger.account();
        assert_eq!((account.totals.sum().bytes, account.totals.framed()), (800, 1500));
        let numbers: Vec<u64> = account.recent.iter().map(|record| record.n).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        let first = &account.recent[0];
        assert_eq!(
            (first.round, first.task.as_deref()),
            (Some(7), Some("01".repeat(32).as_str()))
        );
        assert!(first.words().contains("under masks"));
        let text = fs::read_to_string(folder.path().join("egress.jsonl")).unwrap();
        assert_eq!(text.lines().count(), 5);
        assert_eq!(Ledger::read(folder.path()).unwrap().totals, account.totals);
    }

    #[test]
    fn a_disk_that_fails_is_told_and_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("egress");
        let ledger = Ledger::open(&place).unwrap();
        // In the place of the file there is one that cannot be written.
        ledger.lock().file.as_mut().unwrap().lose();
        fs::remove_file(place.join("egress.jsonl")).unwrap();
        fs::create_dir(place.join("egress.jsonl")).unwrap();
        ledger.leaves(Departure::of(OutboundKind::Hello), 50);
        assert!(ledger.problem().unwrap().contains("egress.jsonl"));
        assert_eq!(ledger.account().totals.sum().bytes, 50);
        fs::remove_dir(place.join("egress.jsonl")).unwrap();
        ledger.leaves(Departure::of(OutboundKind::Hello), 1);
        assert_eq!(ledger.problem(), None);
        assert_eq!(Ledger::read(&place).unwrap().totals.sum().bytes, 51);
    }
}
