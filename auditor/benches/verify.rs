//! How fast a long log verifies without its archive, what stays in memory, and what the machine's Ed25519 would allow: `make bench-log`.
//! `VEILSUM_ROUNDS` and `VEILSUM_BANKS` name the lengths and sizes to measure.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../tests/long_log/log.rs"]
mod log;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use veilsum_auditor::{Audit, verify};

use crate::log::Log;

/// Set in the process that verifies, so that its memory is that of nothing else.
const MEASURED: &str = "VEILSUM_BENCH_MEASURED";
const REPEATS: usize = 3;

fn main() {
    if let Ok(folder) = std::env::var(MEASURED) {
        return measured(Path::new(&folder));
    }
    let wanted = |name: &str, default: &str| -> Vec<u64> {
        let list = std::env::var(name).unwrap_or(default.to_owned());
        list.split(',').map(|number| number.parse().unwrap()).collect()
    };
    let verifications = verifications();
    println!("| Ed25519 verifications, all cores | {verifications:.0} /s | | |");
    for banks in wanted("VEILSUM_BANKS", "5,16") {
        for rounds in wanted("VEILSUM_ROUNDS", "1000,10000") {
            let folder = tempfile::tempdir().unwrap();
            let mut log = Log::new(u16::try_from(banks).unwrap());
            (1..=rounds).for_each(|round| log.round(round));
            let key = log.write(folder.path()).to_string();
            fs::write(folder.path().join("key"), key).unwrap();
            let entries = log.entries.len();
            drop(log);
            let mut runs: Vec<(f64, u64)> = (0..REPEATS).map(|_| run(folder.path())).collect();
            runs.sort_by(|a, b| a.0.total_cmp(&b.0));
            // An approval of each bank, then an update, a certificate and an acknowledgement of each in every round.
            let least = (banks + 3 * banks * rounds) as f64 / verifications;
            let (fastest, median, slowest) = (runs[0].0, runs[REPEATS / 2].0, runs[REPEATS - 1].0);
            let memory = runs.iter().map(|run| run.1).max().unwrap() as f64 / 1024.0;
            println!(
                "| verify {rounds} rounds of {banks} banks, {entries} entries | {median:.2} s ({fastest:.2} to {slowest:.2}) | signatures alone \
                 {least:.2} s: ratio {:.2} | {memory:.1} MiB |",
                least / median
            );
        }
    }
}

/// Verifications of one-block messages with ring in a second, on all cores.
fn verifications() -> f64 {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let message = [5; 150];
    let signature = pair.sign(&message);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    let count: u64 = thread::scope(|scope| {
        let one = || {
            let key = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
            let mut count = 0;
            while began.elapsed() < Duration::from_secs(3) {
                (0..100).for_each(|_| key.verify(&message, signature.as_ref()).unwrap());
                count += 100;
            }
            count
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    count as f64 / began.elapsed().as_secs_f64()
}

/// Seconds and peak of resident memory in KiB.
fn run(folder: &Path) -> (f64, u64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .env(MEASURED, folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8(output.stdout).unwrap();
    let (seconds, memory) = said.trim().split_once(' ').unwrap();
    (seconds.parse().unwrap(), memory.parse().unwrap())
}

fn measured(folder: &Path) {
    let key = fs::read_to_string(folder.join("key")).unwrap();
    let audit = Audit {
        log: folder.to_owned(),
        key: key.parse().unwrap(),
        rosters: Vec::new(),
        archive: None,
    };
    let began = Instant::now();
    let report = verify(&audit, |_| ()).unwrap();
    let seconds = began.elapsed().as_secs_f64();
    assert!(report.holds(), "{:?}", report.failed());
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    println!("{seconds} {}", peak.trim().trim_end_matches(" kB"));
}
