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
    for banks in wanted("VEILSUM_BANKS", "5,16") {
        for rounds in wanted("VEILSUM_ROUNDS", "1000,10000") {
            let folder = tempfile::tempdir().unwrap();
            let mut log = Log::new(u16::try_from(banks).unwrap());
            (1..=rounds).for_each(|round| log.round(round));
            let key = log.write(folder.path()).to_string();
            fs::write(folder.path().join("key"), key).unwrap();
            let entries = log.entries.len();
            drop(log);
            let mut runs: Vec<Run> = (0..REPEATS).map(|_| run(folder.path())).collect();
            runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
            let Run { seconds, cpu, .. } = runs[REPEATS / 2];
            let memory = runs.iter().map(|run| run.peak).max().unwrap() as f64 / 1024.0;
            // An approval of each bank, then an update, a certificate and an acknowledgement of each in every round.
            let signatures = (banks + 3 * banks * rounds) as f64;
            let mut ratios: Vec<f64> = runs.iter().map(|run| signatures / run.limit / run.cpu).collect();
            ratios.sort_by(f64::total_cmp);
            println!(
                "| verify {rounds} rounds of {banks} banks, {entries} entries | {seconds:.2} s ({:.2} to {:.2}), {cpu:.2} s of processor | \
                 {:.0} Ed25519 verifications in a second of one core: ratio {:.2} | {memory:.1} MiB |",
                runs[0].seconds,
                runs[REPEATS - 1].seconds,
                runs[REPEATS / 2].limit,
                ratios[REPEATS / 2],
            );
        }
    }
}

/// What one audit took, and what the processor did right before it.
struct Run {
    seconds: f64,
    /// Seconds of processor, of all threads.
    cpu: f64,
    /// Peak of resident memory in KiB.
    peak: u64,
    /// Ed25519 verifications in a second of processor.
    limit: f64,
}

/// Seconds of processor that this process took, in steps of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum();
    ticks as f64 / 100.0
}

/// With ring, on all cores at once, as the audit does it; of messages as long as what banks sign.
fn verifications() -> f64 {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let message = [5; 100];
    let signature = pair.sign(&message);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (began, before) = (Instant::now(), cpu_seconds());
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
    count as f64 / (cpu_seconds() - before)
}

fn run(folder: &Path) -> Run {
    let limit = verifications();
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
    let [seconds, cpu, peak] = said.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{said}");
    };
    Run {
        seconds: seconds.parse().unwrap(),
        cpu: cpu.parse().unwrap(),
        peak: peak.parse().unwrap(),
        limit,
    }
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
    println!(
        "{seconds} {} {}",
        cpu_seconds(),
        peak.trim().trim_end_matches(" kB")
    );
}
