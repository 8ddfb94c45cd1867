//! What is there after the coordinator was killed, or its disk was full, in the middle of its commits.
//!
//! The writer is this test program, started again as a process of its own.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use veilsum_coordinator::engine::ports::{Commit, Store, StoreError};
use veilsum_coordinator::store::sled::SledStore;

const FOLDER: &str = "VEILSUM_TEST_STORE";
const KEPT_RECORDS: u64 = 5;
/// Longest silence of a writer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Commit `number` (from 1): it moves every part of the store on at once, so that a torn commit shows.
fn commit(number: u64) -> Commit {
    let mut deletes = Vec::new();
    if number > KEPT_RECORDS {
        deletes.push(format!("record/{}", number - KEPT_RECORDS));
    }
    Commit {
        puts: vec![
            ("number".to_owned(), number.to_be_bytes().to_vec()),
            (format!("record/{number}"), contents(number, record_bytes(number))),
        ],
        deletes,
        entries: vec![
            contents(2 * number, 50),
            contents(2 * number + 1, entry_bytes(number)),
        ],
        checkpoint: Some(format!("checkpoint {number}")),
    }
}

/// Some records are so large that sled keeps them in files of their own.
fn record_bytes(number: u64) -> usize {
    if number.is_multiple_of(7) { 300_000 } else { 1000 }
}

fn entry_bytes(number: u64) -> usize {
    if number.is_multiple_of(5) { 65_535 } else { 400 }
}

fn contents(seed: u64, bytes: usize) -> Vec<u8> {
    (0u8..=255)
        .cycle()
        .skip(usize::try_from(seed % 256).unwrap())
        .take(bytes)
        .collect()
}

/// Number of the last commit, after every part of the store was compared with it.
fn check(store: &SledStore) -> u64 {
    let number = store
        .get("number")
        .unwrap()
        .map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
    assert_eq!(store.log_size().unwrap(), 2 * number);
    let entries: Vec<Vec<u8>> = (1..=number).flat_map(|number| commit(number).entries).collect();
    assert!(
        store.entries(0, 2 * number).unwrap() == entries,
        "the entries of {number} commits"
    );
    assert_eq!(
        store.checkpoint().unwrap(),
        (number > 0).then(|| format!("checkpoint {number}"))
    );
    let kept = number.saturating_sub(KEPT_RECORDS) + 1..=number;
    let mut records: Vec<(String, Vec<u8>)> = kept
        .map(|number| (format!("record/{number}"), contents(number, record_bytes(number))))
        .collect();
    records.sort();
    assert!(
        store.scan("record/").unwrap() == records,
        "the records after {number} commits"
    );
    number
}

#[test]
#[ignore = "the process that the other tests of this file start, and stop"]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut store = SledStore::open(Path::new(&folder)).unwrap();
    let mut number = check(&store);
    loop {
        number += 1;
        if let Err(error) = store.commit(&commit(number)) {
            assert!(matches!(
                store.commit(&commit(number)),
                Err(StoreError::Failed { .. })
            ));
            say(&format!("error {error}"));
            return;
        }
        say(&format!("committed {number}"));
    }
}

#[test]
#[ignore = "the process that another test of this file starts under a failing disk"]
fn closer() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    if let Ok(store) = SledStore::open(Path::new(&folder)) {
        say("opened");
        drop(store);
        say("closed");
    }
}

/// sled syncs its file once more when it is closed, and unwraps the result.
#[test]
fn a_disk_that_fails_while_the_store_is_closed_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = 0;
    // For some number only the call at the end fails.
    for number in 1..=6 {
        // Twice, so that the store has nothing left to do when it is opened.
        drop(SledStore::open(folder.path()).unwrap());
        drop(SledStore::open(folder.path()).unwrap());
        let fault = format!("inject=fsync:error=EIO:when={number}+");
        let output = Command::new("strace")
            .args([
                "-f",
                "-qqq",
                "-o",
                "/dev/null",
                "-e",
                "trace=fsync",
                "-e",
                &fault,
                "--",
            ])
            .arg(std::env::current_exe().unwrap())
            .args(["closer", "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .output()
            .expect("strace makes the disk fail; install it (Debian: apt install strace)");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if said.contains("opened") {
            opened += 1;
            assert!(said.contains("closed"), "from fsync {number} on: {said}");
        }
    }
    assert!(opened > 0, "no store was opened");
}

fn say(line: &str) {
    // With a line feed first, because the test harness does not end its own line.
    let mut out = std::io::stdout().lock();
    write!(out, "\n{line}\n").unwrap();
    out.flush().unwrap();
}

/// A writer and what it says. It never outlives its test.
struct Writer {
    process: Child,
    lines: Receiver<String>,
}

impl Writer {
    /// The next line; `None` when it has ended.
    fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the writer said nothing for {PATIENCE:?}"),
        }
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        std::iter::from_fn(|| self.line())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start_writer(folder: &Path, largest_file_kib: Option<u32>) -> Writer {
    let program = std::env::current_exe().unwrap();
    let arguments = ["writer", "--exact", "--ignored", "--nocapture"];
    let mut command = match largest_file_kib {
        None => Command::new(program),
        Some(kib) => {
            let mut shell = Command::new("bash");
            shell.args(["-c", r#"trap "" XFSZ; ulimit -f "$1"; shift; exec "$@""#, "bash"]);
            shell.arg(kib.to_string()).arg(program);
            shell
        }
    };
    let mut process = command
        .args(arguments)
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (say, lines) = channel();
    let output = BufReader::new(process.stdout.take().unwrap());
    // It ends with the writer's output, or when nobody listens any more.
    thread::spawn(move || {
        output
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| say.send(line))
    });
    Writer { process, lines }
}

fn committed(line: &str) -> Option<u64> {
    line.strip_prefix("committed ")?.parse().ok()
}

#[test]
fn everything_acknowledged_before_kill_9_is_there_and_nothing_is_torn() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = 0;
    // Killed after a number of commits on each life, at whatever point of the next commit the writer has reached.
    for commits in [1, 9, 4, 23, 2, 40] {
        let mut writer = start_writer(folder.path(), None);
        let mut acknowledged = writer
            .lines()
            .filter_map(|line| committed(&line))
            .nth(commits - 1)
            .unwrap();
        writer.process.kill().unwrap();
        writer.process.wait().unwrap();
        acknowledged = writer
            .lines()
            .filter_map(|line| committed(&line))
            .last()
            .unwrap_or(acknowledged);

        let found = check(&SledStore::open(folder.path()).unwrap());
        assert!(
            acknowledged > before,
            "the writer went on where the last one was killed"
        );
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "found {found}, acknowledged {acknowledged}"
        );
        before = found;
    }
}

#[test]
fn a_full_disk_is_an_error_with_the_path_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let writer = start_writer(folder.path(), Some(2048));
    let lines: Vec<String> = writer.lines().collect();
    drop(writer);
    let acknowledged = lines
        .iter()
        .filter_map(|line| committed(line))
        .next_back()
        .unwrap();
    let error = lines
        .iter()
        .find_map(|line| line.strip_prefix("error "))
        .expect("the writer met the limit");
    let folder_name = folder.path().to_str().unwrap();
    assert!(
        error.contains(folder_name) && error.contains("File too large") && error.contains("ulimit -f"),
        "{error}"
    );

    let found = check(&SledStore::open(folder.path()).unwrap());
    assert!(
        found == acknowledged || found == acknowledged + 1,
        "found {found}, acknowledged {acknowledged}"
    );
}
