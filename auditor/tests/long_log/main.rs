//! A long log of sixteen banks, every signature in it real: what it takes to verify it. `VEILSUM_ROUNDS` says how many rounds, and
//! `VEILSUM_KEEP` names a folder in which the log stays.
#![allow(clippy::unwrap_used)]

mod log;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::log::Log;

#[test]
fn a_long_log_verifies() {
    let rounds: u64 = std::env::var("VEILSUM_ROUNDS").map_or(40, |rounds| rounds.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var("VEILSUM_KEEP");
    let folder = kept.as_ref().map_or(temporary.path(), |folder| Path::new(folder));
    let mut log = Log::new(16);
    (1..=rounds).for_each(|round| log.round(round));
    let key = log.write(folder).to_string();
    let (entries, bytes) = (log.entries.len(), log.entries.iter().map(Vec::len).sum::<usize>());
    drop(log);
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_veilsum-auditor"))
        .args(["verify", folder.to_str().unwrap(), "--key", &key])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains(&format!(
            "the log verifies: {rounds} rounds, 16 banks, {entries} entries"
        )),
        "{text}"
    );
    println!(
        "{rounds} rounds, {entries} entries of {bytes} bytes, verified in {:?} under key {key}",
        began.elapsed()
    );
}
