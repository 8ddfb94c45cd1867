//! Checks an export without a network: that it is what was signed, and that it stands under the log's signed head.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use ring::digest::{Context, SHA256};
use serde::Serialize;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::note::MAX_NOTE_BYTES;
use veilsum_protocol::log::receipt::MAX_RECEIPT_BYTES;
use veilsum_protocol::log::{
    Checkpoint, MAX_ENTRY_BYTES, Receipt, UnverifiedNote, VerifiedCheckpoint, VerifierKey,
};
use veilsum_protocol::task::Task;

use super::manifest::{self, MANIFEST, SIGNATURE, SIGNER};
use super::{Record, derived};

/// Longest manifest that is read, in bytes: a few hundred thousand files.
const MANIFEST_LIMIT: u64 = 1 << 26;
/// Longest text of a task, in bytes, and of its description.
const TASK_LIMIT: usize = 1 << 22;
/// Deepest folder of an export.
const DEPTH: usize = 4;

/// The outcome of one check of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportCheck {
    /// Its name, which never changes its meaning.
    pub check: &'static str,
    /// What holds when it passes.
    pub words: &'static str,
    /// Things that were looked at.
    pub checked: usize,
    /// Every failure, with the file.
    pub findings: Vec<String>,
}

/// The outcome of all checks of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Whether every check passed.
    pub verifies: bool,
    /// The checks.
    pub checks: Vec<ExportCheck>,
    /// What the reader should know beside the checks.
    pub notes: Vec<String>,
}

impl ExportCheck {
    fn new(check: &'static str, words: &'static str) -> Self {
        Self {
            check,
            words,
            checked: 0,
            findings: Vec::new(),
        }
    }

    fn look(&mut self, outcome: Result<(), String>) -> bool {
        self.checked += 1;
        let good = outcome.is_ok();
        self.findings.extend(outcome.err());
        good
    }
}

/// Checks the export in `folder`. `log` is the log's pinned key, `auditor` the one under which the export must be signed; without it the
/// signature is compared with the key in the folder, which proves nothing, and a note says so.
///
/// # Errors
/// If there is no export to look at.
pub fn check(folder: &Path, log: &VerifierKey, auditor: Option<&VerifierKey>) -> io::Result<Checked> {
    let list = read(folder, MANIFEST, MANIFEST_LIMIT)?;
    let mut notes = Vec::new();
    let (files, checkpoint, head) = {
        let list = String::from_utf8(list).unwrap_or_default();
        let (checkpoint, head) = checkpoint(folder, log);
        (files(folder, &list), checkpoint, head.map(|head| (head, list)))
    };
    let (files, listed) = files;
    let signature = signature(folder, head.as_ref(), auditor, &mut notes);
    let head = head.map(|(head, _)| head);
    let (proofs, records) = proofs(folder, &listed, head.as_ref());
    let derived = derived_files(folder, &listed, &records);
    let texts = task_texts(folder, &listed, &records);
    let checks = vec![signature, files, checkpoint, proofs, derived, texts];
    Ok(Checked {
        verifies: checks.iter().all(|check| check.findings.is_empty()),
        checks,
        notes,
    })
}

fn read(folder: &Path, path: &str, limit: u64) -> io::Result<Vec<u8>> {
    let path = folder.join(path);
    let name = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    if !fs::symlink_metadata(&path).map_err(name)?.is_file() {
        return Err(io::Error::other(format!("{}: it is no file", path.display())));
    }
    let mut bytes = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(name)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!(
            "{}: found more than {limit} bytes",
            path.display()
        )));
    }
    Ok(bytes)
}

fn text(folder: &Path, path: &str, limit: usize) -> Result<String, String> {
    let bytes = read(folder, path, limit as u64).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| format!("{path}: it is not UTF-8"))
}

fn signature(
    folder: &Path,
    head: Option<&(VerifiedCheckpoint, String)>,
    auditor: Option<&VerifierKey>,
    notes: &mut Vec<String>,
) -> ExportCheck {
    let mut check = ExportCheck::new(
        "signature",
        "the list of files is signed by the auditor's key, for this log's head",
    );
    if auditor.is_none() && fs::symlink_metadata(folder.join(SIGNATURE)).is_err() {
        notes.push("the export is not signed: nobody stands for it; records and proofs stand under the log's head all the same".to_owned());
        return check;
    }
    let mut outcome = || {
        let key = match auditor {
            Some(key) => key.clone(),
            None => {
                let key = text(folder, SIGNER, MAX_NOTE_BYTES)?;
                let key: VerifierKey = key.trim().parse().map_err(|error| format!("{SIGNER}: {error}"))?;
                notes.push(format!(
                    "the signature is by the key that lies in the folder, {key}: whoever changed the folder could have put it there; ask the auditor \
                     for the key and give it with --signed-by"
                ));
                key
            }
        };
        let note = read(folder, SIGNATURE, MAX_NOTE_BYTES as u64).map_err(|error| error.to_string())?;
        let note = UnverifiedNote::parse(&note).map_err(|error| format!("{SIGNATURE}: {error}"))?;
        let signed = note
            .verify(&key)
            .map_err(|error| format!("{SIGNATURE}: {error}"))?;
        let (head, list) = head
            .ok_or_else(|| format!("{SIGNATURE}: it cannot be compared, the checkpoint is not the log's"))?;
        let Checkpoint { origin, size, .. } = head.checkpoint();
        let expected = manifest::statement(origin, *size, list);
        if signed == expected {
            Ok(())
        } else {
            Err(format!(
                "{SIGNATURE}: found {signed:?}, expected {expected:?}: {MANIFEST} or the checkpoint is another than was signed"
            ))
        }
    };
    check.look(outcome());
    check
}

/// Every file has its hash, and there is no other.
fn files(folder: &Path, list: &str) -> (ExportCheck, BTreeSet<String>) {
    let mut check = ExportCheck::new(
        "files",
        "every file is the one that the list names, and there is no other",
    );
    let listed = match manifest::parse(list) {
        Ok(listed) => listed,
        Err(problem) => {
            check.look(Err(format!("{MANIFEST}: {problem}")));
            return (check, BTreeSet::new());
        }
    };
    for (path, expected) in &listed {
        check.look(match hash(&folder.join(path)) {
            Ok(found) if found == *expected => Ok(()),
            Ok(found) => Err(format!(
                "{path}: it was changed: found SHA-256 {found}, expected {expected}"
            )),
            Err(error) => Err(format!(
                "{path}: {error}, expected a file with SHA-256 {expected}"
            )),
        });
    }
    let mut there = BTreeSet::new();
    if let Err(problem) = walk(folder, "", DEPTH, &mut there) {
        check.look(Err(problem));
    }
    for path in there {
        if !listed.contains_key(&path) && path != MANIFEST && path != SIGNATURE {
            check.look(Err(format!("{path}: it is not in the list of files")));
        }
    }
    (check, listed.into_keys().collect())
}

fn hash(path: &Path) -> io::Result<Digest> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let (mut file, mut context) = (File::open(path)?, Context::new(&SHA256));
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        match buffer.get(..read) {
            Some(bytes) if read > 0 => context.update(bytes),
            _ => break,
        }
    }
    let digest = context.finish();
    let digest = digest
        .as_ref()
        .try_into()
        .map_err(|_| io::Error::other("no SHA-256"))?;
    Ok(Digest(digest))
}

fn walk(folder: &Path, below: &str, depth: usize, files: &mut BTreeSet<String>) -> Result<(), String> {
    let name = |error: io::Error| format!("{}: {error}", folder.join(below).display());
    for entry in fs::read_dir(folder.join(below)).map_err(name)? {
        let entry = entry.map_err(name)?;
        let file = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() {
            file
        } else {
            format!("{below}/{file}")
        };
        if !entry.file_type().map_err(name)?.is_dir() {
            files.insert(path);
        } else if depth > 1 {
            walk(folder, &path, depth - 1, files)?;
        } else {
            return Err(format!("{path}: found a folder as deep as no export has"));
        }
    }
    Ok(())
}

fn checkpoint(folder: &Path, key: &VerifierKey) -> (ExportCheck, Option<VerifiedCheckpoint>) {
    let mut check = ExportCheck::new(
        "checkpoint",
        "the checkpoint is signed by the pinned key of the log",
    );
    let note = read(folder, "checkpoint", MAX_NOTE_BYTES as u64).map_err(|error| error.to_string());
    let head = note.and_then(|note| {
        VerifiedCheckpoint::parse(&note, key).map_err(|error| format!("checkpoint: {error}"))
    });
    match head {
        Ok(head) => {
            check.look(Ok(()));
            (check, Some(head))
        }
        Err(problem) => {
            check.look(Err(problem));
            (check, None)
        }
    }
}

/// Every record stands in the log, where its proof says.
fn proofs(
    folder: &Path,
    listed: &BTreeSet<String>,
    head: Option<&VerifiedCheckpoint>,
) -> (ExportCheck, Vec<Record>) {
    let mut check = ExportCheck::new(
        "proofs",
        "every record is an entry of the log, at its place under the checkpoint",
    );
    let mut records: Vec<Record> = Vec::new();
    let mut proven = BTreeSet::new();
    for path in listed.iter().filter(|path| path.starts_with("proofs/")) {
        match proof(folder, path, head) {
            Ok(record) if record.proof_path() == *path => {
                let own = read(folder, &record.path(), MAX_ENTRY_BYTES as u64);
                check.look(match own {
                    Ok(bytes) if bytes == record.bytes => Ok(()),
                    Ok(_) => Err(format!(
                        "{}: it is not the entry that {path} proves",
                        record.path()
                    )),
                    Err(error) => Err(error.to_string()),
                });
                proven.insert(record.path());
                records.push(record);
            }
            Ok(record) => drop(check.look(Err(format!("{path}: it proves entry {}", record.index)))),
            Err(problem) => drop(check.look(Err(format!("{path}: {problem}")))),
        }
    }
    let is_record = |path: &&String| path.starts_with("records/") && path.ends_with(".bin");
    for path in listed
        .iter()
        .filter(is_record)
        .filter(|path| !proven.contains(*path))
    {
        check.look(Err(format!("{path}: no proof shows that it is in the log")));
    }
    records.sort_by_key(|record| record.index);
    (check, records)
}

fn proof(folder: &Path, path: &str, head: Option<&VerifiedCheckpoint>) -> Result<Record, String> {
    let head = head.ok_or("it cannot be checked, the checkpoint is not the log's")?;
    let file = text(folder, path, MAX_RECEIPT_BYTES)?;
    let file = Receipt::parse(file.as_bytes()).map_err(|error| error.to_string())?;
    if file.note() != head.note() {
        return Err("it is under another checkpoint than the one in the folder".to_owned());
    }
    let entry = file.prove(head).map_err(|error| error.to_string())?;
    Ok(Record {
        index: file.index(),
        entry,
        bytes: file.entry_bytes().to_vec(),
    })
}

/// What follows from the records says the same as they do.
fn derived_files(folder: &Path, listed: &BTreeSet<String>, records: &[Record]) -> ExportCheck {
    let mut check = ExportCheck::new(
        "derived",
        "lists, rosters, approvals, inventory and metrics are those that follow from the records",
    );
    let expected: BTreeMap<String, Vec<u8>> = match derived::files(records) {
        Ok(files) => files,
        Err(problem) => {
            check.look(Err(problem));
            return check;
        }
    };
    for (path, expected) in &expected {
        let found = read(folder, path, expected.len() as u64);
        let same = found.is_ok_and(|found| found == *expected);
        check.look(if same {
            Ok(())
        } else {
            Err(format!("{path}: it says other than the records do"))
        });
    }
    let follows = |path: &&String| {
        path.starts_with("rosters/") || path.starts_with("records/") && path.ends_with(".json")
    };
    for path in listed
        .iter()
        .filter(follows)
        .filter(|path| !expected.contains_key(*path))
    {
        check.look(Err(format!("{path}: it follows from no record")));
    }
    check
}

/// A task's text is the one that was approved, and the plain words are those that follow from it.
fn task_texts(folder: &Path, listed: &BTreeSet<String>, records: &[Record]) -> ExportCheck {
    let mut check = ExportCheck::new(
        "task-texts",
        "the tasks' texts are those that the records name by their hash",
    );
    let named: BTreeSet<Digest> = records
        .iter()
        .filter_map(|record| match &record.entry {
            Entry::Task { task, .. } => Some(*task),
            _ => None,
        })
        .collect();
    let one = |path: &str| {
        let (name, ending) = path.rsplit_once('.').unwrap_or((path, ""));
        let hash = name.strip_prefix("tasks/").and_then(Digest::from_hex);
        let hash = hash.filter(|hash| named.contains(hash));
        let hash = hash.ok_or_else(|| format!("{path}: no record names a task of that hash"))?;
        let task = text(folder, &format!("{name}.toml"), TASK_LIMIT)?;
        let found = Digest::of(task.as_bytes());
        if found != hash {
            return Err(format!(
                "{path}: found SHA-256 {found} of the task's text, expected {hash}"
            ));
        }
        match ending {
            "toml" => Ok(()),
            "txt" => {
                let words = text(folder, path, TASK_LIMIT)?;
                let same = Task::parse(&task).is_ok_and(|task| task.describe() == words);
                if same {
                    Ok(())
                } else {
                    Err(format!("{path}: it says other than the task's text does"))
                }
            }
            _ => Err(format!("{path}: expected the ending toml or txt")),
        }
    };
    for path in listed.iter().filter(|path| path.starts_with("tasks/")) {
        check.look(one(path));
    }
    check
}
