//! How many rounds a second the coordinator's ledger takes, with its store and its files on a real disk, against what the disk
//! makes durable: `make bench-log`. `VEILSUM_BENCH_DISK` names a folder on the disk to measure; else it is the build's.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../../auditor/tests/long_log/log.rs"]
#[allow(dead_code, reason = "here the ledger writes the files")]
mod log;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use veilsum_coordinator::atomic_file::{durable_create_folder, durable_write};
use veilsum_coordinator::engine::ports::Ledger as _;
use veilsum_coordinator::ledger::StoredLedger;
use veilsum_coordinator::store::sled::SledStore;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::wire::canonical::Canonical;

use crate::log::{Log, log_key};

const LEAST: Duration = Duration::from_secs(5);

/// When entries are committed.
#[derive(Clone, Copy, PartialEq)]
enum Commits {
    /// What arrives from a bank at once, as the engine does.
    Arrival,
    /// All that a phase brings together.
    Phase,
    /// A whole round together.
    Round,
}

/// A phase: what is committed with each arrival. Behind each the head is published.
type Phase = Vec<Vec<Vec<u8>>>;

fn phases(entries: &[Vec<u8>]) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    let mut last = None;
    for bytes in entries {
        let entry = Entry::from_bytes(bytes).unwrap();
        let (phase, joins) = match entry {
            Entry::PrepareManifest { .. } => (0, false),
            Entry::RoundOpen(_) => (0, true),
            Entry::Cohort { .. } => (1, false),
            Entry::Masked { .. } | Entry::Survivors { .. } => (2, false),
            Entry::Certificate { .. } => (3, false),
            Entry::Release { .. } | Entry::Result(_) => (4, false),
            _ => (5, false),
        };
        if last != Some(phase) {
            phases.push(Vec::new());
        }
        last = Some(phase);
        let arrivals = phases.last_mut().unwrap();
        match arrivals.last_mut().filter(|_| joins) {
            Some(arrival) => arrival.push(bytes.clone()),
            None => arrivals.push(vec![bytes.clone()]),
        }
    }
    phases
}

fn gathered(phases: Vec<Phase>, commits: Commits) -> Vec<Phase> {
    match commits {
        Commits::Arrival => phases,
        Commits::Phase => phases.into_iter().map(|phase| vec![phase.concat()]).collect(),
        Commits::Round => vec![vec![phases.concat().concat()]],
    }
}

/// Times that the disk makes 4 KiB durable in a second.
fn fsyncs(folder: &Path) -> f64 {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("fsyncs"))
        .unwrap();
    let (mut count, began) = (0, Instant::now());
    while began.elapsed() < Duration::from_secs(2) {
        file.write_all(&[1; 4096]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}

/// Times that a small file is replaced durably in a second: fsync, rename, fsync of the folder.
fn replacements(folder: &Path) -> f64 {
    let (mut count, began) = (0, Instant::now());
    while began.elapsed() < Duration::from_secs(2) {
        durable_write(&folder.join("replaced"), &[1; 4096]).unwrap();
        count += 1;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}

/// Rounds, commits and published heads a second.
fn append(folder: &Path, banks: u16, commits: Commits) -> (f64, f64, f64) {
    let mut log = Log::new(banks);
    let store = SledStore::open(&folder.join("store")).unwrap();
    durable_create_folder(&folder.join("log")).unwrap();
    let mut ledger = StoredLedger::open(store, &folder.join("log"), &log.verifier_key(), log_key()).unwrap();
    ledger
        .commit(Vec::new(), Vec::new(), std::mem::take(&mut log.entries))
        .unwrap();
    let (mut rounds, mut committed, mut heads, mut spent) = (0, 0, 0, Duration::ZERO);
    while spent < LEAST {
        rounds += 1;
        log.round(rounds);
        for phase in gathered(phases(&std::mem::take(&mut log.entries)), commits) {
            for entries in phase {
                // The round's record beside the entries, as the engine keeps its journal.
                let record = vec![(format!("round/{committed:08}"), vec![1; 200])];
                let began = Instant::now();
                ledger.commit(record, Vec::new(), entries).unwrap();
                spent += began.elapsed();
                committed += 1;
            }
            // The banks' work.
            let head = log.cosigned(ledger.head().unwrap());
            let began = Instant::now();
            ledger.publish(head).unwrap();
            spent += began.elapsed();
            heads += 1;
        }
    }
    let seconds = spent.as_secs_f64();
    (
        rounds as f64 / seconds,
        f64::from(committed) / seconds,
        f64::from(heads) / seconds,
    )
}

fn main() {
    let disk = std::env::var_os("VEILSUM_BENCH_DISK");
    let disk = disk.map_or(PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    for (what, commits) in [
        ("each arrival committed", Commits::Arrival),
        ("each phase committed", Commits::Phase),
        ("each round committed", Commits::Round),
    ] {
        for banks in [5, 16] {
            let mut runs: Vec<_> = (0..3)
                .map(|_| {
                    let folder = tempfile::tempdir_in(&disk).unwrap();
                    let limit = (fsyncs(folder.path()), replacements(folder.path()));
                    (append(folder.path(), banks, commits), limit)
                })
                .collect();
            runs.sort_by(|a, b| a.0.0.total_cmp(&b.0.0));
            let ((rounds, committed, heads), (fsyncs, replaced)) = runs[1];
            // A commit: one fsync of the store at least, a bundle and a hash tile replaced. A head: one file replaced.
            let least = committed / fsyncs + (2.0 * committed + heads) / replaced;
            println!(
                "| append rounds of {banks} banks, {what} | {rounds:.1} rounds/s ({:.1} to {:.1}); {committed:.0} commits/s, {heads:.0} heads/s | \
                 {fsyncs:.0} fsync/s, {replaced:.0} replaced files/s: ratio {least:.2} | |",
                runs[0].0.0, runs[2].0.0
            );
        }
    }
}
