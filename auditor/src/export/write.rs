//! Writes an export: everything below a temporary name, and the folder is there only when all of it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use thiserror::Error;
use time::OffsetDateTime;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::proof::Tail;
use veilsum_protocol::log::{CompactRange, NoteError, Receipt, leaf_hash};
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical;

use super::manifest::{self, MANIFEST, SIGNATURE, SIGNER};
use super::texts::{self, About};
use super::{Record, derived};
use crate::durable;
use crate::page::Page;
use crate::signer::Signer;
use crate::source::{LogReader, SourceError};
use crate::verify::archive::Archive;
use crate::verify::replay::TASK_LIMIT;
use crate::verify::report::Report;
use crate::verify::{Audit, AuditError, Known, Progress, verify_against};

/// Which rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

/// Why there is no export.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The log cannot be looked at.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The folder is no true copy of the log.
    #[error("the log does NOT verify: {0}; nothing was exported")]
    Untrue(String),
    /// The log changed while it was read.
    #[error("the log's folder was changed while it was read; run this again")]
    Changed,
    /// No such rounds.
    #[error("rounds {from} to {to}: found none of them in the log, expected some of {known}")]
    NoRounds {
        /// The first that was asked for.
        from: u64,
        /// The last.
        to: u64,
        /// First and last round of the log.
        known: String,
    },
    /// The folder is taken.
    #[error("{}: it is there already, expected a name that is free", path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("{}: cannot write: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Something has no JSON or CSV form.
    #[error("cannot be written as JSON or CSV: {0}")]
    Form(String),
    /// The manifest cannot be signed.
    #[error("the manifest cannot be signed: {0}")]
    Sign(#[from] NoteError),
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Whether the whole log verifies.
    pub verifies: bool,
    /// The outcome of its audit in one line.
    pub verdict: String,
    /// Rounds in the folder.
    pub rounds: usize,
    /// Entries in the folder.
    pub records: usize,
    /// Files in the folder.
    pub files: usize,
    /// The key under which it is signed; none if it is not.
    pub signed_by: Option<String>,
}

/// Audits the log and writes the rounds of `selection`, with all that they rest on, into the new folder `into`.
///
/// # Errors
/// [`ExportError`]; the folder is not there then.
pub fn export(
    audit: &Audit,
    selection: Selection,
    into: &Path,
    signer: Option<&Signer>,
    now: OffsetDateTime,
    progress: impl FnMut(Progress),
) -> Result<Exported, ExportError> {
    if fs::symlink_metadata(into).is_ok() {
        return Err(ExportError::Taken {
            path: into.to_owned(),
        });
    }
    let known = Known::default();
    let audited = verify_against(audit, &known, progress)?;
    let page = Page {
        audit,
        known: &known,
        audited: &audited,
        now,
    };
    let Some(head) = audited.head.as_ref().filter(|_| page.is_true_copy()) else {
        return Err(ExportError::Untrue(audited.report.verdict()));
    };
    let rounds: BTreeSet<u64> = audited.history.rounds.iter().map(|round| round.round.0).collect();
    let chosen: BTreeSet<u64> = rounds
        .iter()
        .copied()
        .filter(|round| (selection.from..=selection.to).contains(round))
        .collect();
    if chosen.is_empty() {
        let known = rounds.first().zip(rounds.last());
        return Err(ExportError::NoRounds {
            from: selection.from,
            to: selection.to,
            known: known.map_or("a log without rounds".to_owned(), |(first, last)| {
                format!("{first} to {last}")
            }),
        });
    }
    let opens = audited
        .history
        .rounds
        .iter()
        .filter(|round| chosen.contains(&round.round.0));
    let tasks: BTreeSet<Digest> = opens
        .filter_map(|round| Some(round.open.as_ref()?.task))
        .collect();
    let log = LogReader::open(&audit.log, &audit.key).map_err(|_| ExportError::Changed)?;
    if log.head() != head {
        return Err(ExportError::Changed);
    }
    let (records, leaves) = read(&log, &chosen, &tasks).map_err(|_| ExportError::Changed)?;

    let mut folder = Folder::below(into)?;
    let checkpoint = head.note().as_str();
    let start = CompactRange::new();
    let tree = Tail::new(&start, &leaves);
    for record in &records {
        let proof = tree.prove(record.index).map_err(|_| ExportError::Changed)?;
        let file = Receipt::new(record.bytes.clone(), proof, head.note().clone());
        folder.put(&record.path(), &record.bytes)?;
        folder.put(&record.proof_path(), file.to_text().as_bytes())?;
    }
    for (path, contents) in derived::files(&records).map_err(ExportError::Form)? {
        folder.put(&path, &contents)?;
    }
    folder.put("checkpoint", checkpoint.as_bytes())?;
    folder.put("log.key", format!("{}\n", audit.key).as_bytes())?;
    let texts = match &audit.archive {
        Some(archive) => task_texts(&mut folder, archive, &tasks)?,
        None => false,
    };
    folder.put("verify/report.json", &report_json(&audited.report)?)?;
    folder.put("verify/report.html", page.render().as_bytes())?;
    let made_at = crate::page::utc(now);
    let software =
        json!({ "name": "veilsum-auditor", "version": env!("CARGO_PKG_VERSION"), "made_at": made_at });
    folder.put(
        "software.json",
        &derived::pretty(&software).map_err(ExportError::Form)?,
    )?;
    folder.put("MAPPING.md", texts::mapping().as_bytes())?;
    folder.put(
        "mapping.json",
        &derived::pretty(&texts::mapping_json()).map_err(ExportError::Form)?,
    )?;
    let signed_by = signer.map(|signer| signer.key().to_string());
    let about = About {
        origin: &head.checkpoint().origin,
        size: head.checkpoint().size,
        first: chosen.first().copied().unwrap_or_default(),
        last: chosen.last().copied().unwrap_or_default(),
        rounds: chosen.len(),
        records: records.len(),
        verdict: &audited.report.verdict(),
        notes: &audited.report.notes,
        signer: signed_by.as_deref(),
        log_key: &audit.key.to_string(),
        texts,
        made_at: &made_at,
    };
    folder.put("README.md", texts::readme(&about).as_bytes())?;
    if let Some(key) = &signed_by {
        folder.put(SIGNER, format!("{key}\n").as_bytes())?;
    }
    let list = manifest::list(&folder.hashes);
    folder.write(MANIFEST, list.as_bytes())?;
    if let Some(signer) = signer {
        let statement = manifest::statement(about.origin, about.size, &list);
        folder.write(SIGNATURE, signer.sign(&statement)?.as_str().as_bytes())?;
    }
    let files = folder.hashes.len() + 1 + usize::from(signed_by.is_some());
    folder.publish(into)?;
    Ok(Exported {
        verifies: audited.report.holds(),
        verdict: audited.report.verdict(),
        rounds: chosen.len(),
        records: records.len(),
        files,
        signed_by,
    })
}

/// The entries that belong into the export, and the leaf hashes of all.
fn read(
    log: &LogReader,
    rounds: &BTreeSet<u64>,
    tasks: &BTreeSet<Digest>,
) -> Result<(Vec<Record>, Vec<Digest>), SourceError> {
    let (mut records, mut leaves) = (Vec::new(), Vec::new());
    for bundle in log.bundles() {
        for bytes in bundle? {
            let index = leaves.len() as u64;
            leaves.push(leaf_hash(&bytes));
            // What is no entry is a finding of the audit, and belongs to no round.
            let Ok(entry) = Entry::from_bytes(&bytes) else {
                continue;
            };
            let belongs = match (&entry, entry.round()) {
                (_, Some(round)) => rounds.contains(&round.0),
                (Entry::Task { task, .. } | Entry::TaskApproval { task, .. }, None) => tasks.contains(task),
                (_, None) => true,
            };
            if belongs {
                records.push(Record { index, bytes, entry });
            }
        }
    }
    Ok((records, leaves))
}

/// Whether the text of every task was to be had. One that is not is a finding of the audit.
fn task_texts(folder: &mut Folder, archive: &Path, tasks: &BTreeSet<Digest>) -> Result<bool, ExportError> {
    let archive = Archive::open(archive).map_err(AuditError::from)?;
    let mut all = true;
    for task in tasks {
        let Some(text) = archive
            .blob(task, TASK_LIMIT)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
        else {
            all = false;
            continue;
        };
        folder.put(&format!("tasks/{}.toml", task.to_hex()), text.as_bytes())?;
        if let Ok(read) = Task::parse(&text) {
            folder.put(
                &format!("tasks/{}.txt", task.to_hex()),
                read.describe().as_bytes(),
            )?;
        }
    }
    Ok(all)
}

fn report_json(report: &Report) -> Result<Vec<u8>, ExportError> {
    #[derive(Serialize)]
    struct Whole<'a> {
        verifies: bool,
        verdict: String,
        #[serde(flatten)]
        report: &'a Report,
    }
    let whole = Whole {
        verifies: report.holds(),
        verdict: report.verdict(),
        report,
    };
    let value = serde_json::to_value(&whole).map_err(|error| ExportError::Form(error.to_string()))?;
    derived::pretty(&value).map_err(ExportError::Form)
}

/// A folder that is being written.
struct Folder {
    path: PathBuf,
    hashes: BTreeMap<String, Digest>,
    published: bool,
}

impl Folder {
    fn below(into: &Path) -> Result<Self, ExportError> {
        let path = durable::temporary(into);
        let refuse = |source| ExportError::Write {
            path: path.clone(),
            source,
        };
        // Of a run that was killed.
        if path.is_dir() {
            fs::remove_dir_all(&path).map_err(refuse)?;
        }
        fs::create_dir_all(&path).map_err(refuse)?;
        Ok(Self {
            path,
            hashes: BTreeMap::new(),
            published: false,
        })
    }

    /// Writes a file that the manifest lists.
    fn put(&mut self, path: &str, contents: &[u8]) -> Result<(), ExportError> {
        self.write(path, contents)?;
        self.hashes.insert(path.to_owned(), Digest::of(contents));
        Ok(())
    }

    fn write(&self, path: &str, contents: &[u8]) -> Result<(), ExportError> {
        let path = self.path.join(path);
        durable::write(&path, contents).map_err(|source| ExportError::Write { path, source })
    }

    fn publish(mut self, into: &Path) -> Result<(), ExportError> {
        let refuse = |source| ExportError::Write {
            path: into.to_owned(),
            source,
        };
        // The folders that were made are on the disk before the whole is there.
        sync_folders(&self.path).map_err(refuse)?;
        durable::publish(&self.path, into).map_err(refuse)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn sync_folders(path: &Path) -> io::Result<()> {
    for below in fs::read_dir(path)? {
        let below = below?;
        if below.file_type()?.is_dir() {
            sync_folders(&below.path())?;
        }
    }
    File::open(path)?.sync_all()
}
