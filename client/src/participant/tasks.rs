//! The tasks that the consortium offered, and what this bank's operator said of them.
//!
//! Texts are public and named by their hash, which is checked on every read. Approvals and refusals are the operator's word: who may write into
//! these folders can decide in the operator's name. They are files of their own, so that `task approve` and `task refuse` work whether the daemon
//! runs or not. A refusal counts before an approval, which stays beside it: what the daemon has signed stands in the log.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use veilsum_protocol::ids::Digest;
use veilsum_protocol::task::{Task, TaskError};
use veilsum_protocol::wire::refusal::RefusalReason;

use super::durable::{FileError, PRIVATE, PUBLIC, make_folder, replace, sync_folder};
use super::roster_files::Decision;

const EXTENSION: &str = "toml";
/// The hashes of the texts, a line each, in the order in which they came.
const ORDER: &str = "offered.list";

/// A task cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TasksError {
    /// The system's reason.
    #[error(transparent)]
    File(#[from] FileError),
    /// A saved text is not the one that its name says.
    #[error(
        "{path}: found a text of SHA-256 {found}, expected the one in its name; restore the file from a backup"
    )]
    Damaged {
        /// The file.
        path: String,
        /// SHA-256 of what is there.
        found: Digest,
    },
    /// A text that this version does not understand.
    #[error("task {hash}: {error}; a newer release of this program may know it")]
    Text {
        /// Its hash.
        hash: Digest,
        /// The first thing that is wrong.
        error: TaskError,
    },
    /// A text with another normal form than its own.
    #[error("task {0}: its text is not in the normal form; the coordinator must offer the normal form")]
    NotCanonical(Digest),
    /// No offered task has that name or hash.
    #[error("no task {wanted:?} is offered; {known}")]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// Several tasks have that name, or hashes that begin so.
    #[error("{wanted:?} means {}: name one by more digits of its hash", matches.join(" and "))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// Name and hash of each.
        matches: Vec<String>,
    },
}

/// Reads a task's text, which must have the hash that it is known by.
///
/// # Errors
/// [`TasksError::Text`] or [`TasksError::NotCanonical`].
pub(super) fn parse(hash: Digest, text: &[u8]) -> Result<Task, TasksError> {
    let text = String::from_utf8_lossy(text);
    let task = Task::parse(&text).map_err(|error| TasksError::Text { hash, error })?;
    if task.hash() == hash {
        Ok(task)
    } else {
        Err(TasksError::NotCanonical(hash))
    }
}

/// The folders of texts, approvals and refusals.
#[derive(Clone, Debug)]
pub struct Tasks {
    texts: PathBuf,
    approvals: PathBuf,
    refusals: PathBuf,
}

impl Tasks {
    /// In these folders, which are made.
    ///
    /// # Errors
    /// If one cannot be made.
    pub fn open(texts: PathBuf, approvals: PathBuf, refusals: PathBuf) -> Result<Self, FileError> {
        for folder in [&texts, &approvals, &refusals] {
            make_folder(folder)?;
        }
        Ok(Self {
            texts,
            approvals,
            refusals,
        })
    }

    /// Keeps an offered task's text, behind those that came before it.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn save(&self, hash: &Digest, text: &[u8]) -> Result<(), FileError> {
        let mut order = self.order()?;
        if !order.contains(hash) {
            order.push(*hash);
            let lines: String = order.iter().map(|hash| hash.to_hex() + "\n").collect();
            replace(&self.texts.join(ORDER), PUBLIC, lines.as_bytes())?;
        }
        replace(&file(&self.texts, hash), PUBLIC, text)
    }

    fn order(&self) -> Result<Vec<Digest>, FileError> {
        let path = self.texts.join(ORDER);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().filter_map(Digest::from_hex).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(FileError::at(&path)(error)),
        }
    }

    /// The offered task of the same name that came before `task`: the last one that the operator approved, or else the last one; with whether it
    /// was approved.
    ///
    /// # Errors
    /// If a text cannot be read.
    pub fn earlier(&self, task: &Task) -> Result<Option<(Task, bool)>, TasksError> {
        let approved = self.approved()?;
        let (mut before, _) = self.other_versions(task)?;
        let last = before.iter().rfind(|other| approved.contains(&other.hash()));
        Ok(match last {
            Some(last) => Some((last.clone(), true)),
            None => before.pop().map(|last| (last, false)),
        })
    }

    /// The last offered task of the same name that came after `task`.
    ///
    /// # Errors
    /// If a text cannot be read.
    pub fn later(&self, task: &Task) -> Result<Option<Task>, TasksError> {
        Ok(self.other_versions(task)?.1.pop())
    }

    /// The offered tasks of the same name that came before `task`, and those that came after it, in the order in which they came.
    fn other_versions(&self, task: &Task) -> Result<(Vec<Task>, Vec<Task>), TasksError> {
        let order = self.order()?;
        // A text that is not in the order came before all that are.
        let place = |task: &Task| {
            let hash = task.hash();
            order.iter().position(|known| *known == hash)
        };
        let own = place(task);
        let mut others = self.offered()?;
        // The task itself has the same place; of two that are not in the order neither came first.
        others.retain(|other| other.name == task.name && place(other) != own);
        others.sort_by_key(place);
        Ok(others.into_iter().partition(|other| place(other) < own))
    }

    /// The text of an offered task; `None` if it was not saved.
    ///
    /// # Errors
    /// If it cannot be read, or is another text.
    pub fn text(&self, hash: &Digest) -> Result<Option<Vec<u8>>, TasksError> {
        let path = file(&self.texts, hash);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::at(&path)(error).into()),
        };
        match Digest::of(&bytes) {
            found if found == *hash => Ok(Some(bytes)),
            found => Err(TasksError::Damaged {
                path: path.display().to_string(),
                found,
            }),
        }
    }

    /// Every offered task that this version understands, by name.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn offered(&self) -> Result<Vec<Task>, TasksError> {
        let mut tasks = Vec::new();
        for hash in hashes(&self.texts)? {
            if let Some(Ok(task)) = self.text(&hash)?.map(|text| parse(hash, &text)) {
                tasks.push(task);
            }
        }
        tasks.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tasks)
    }

    /// The offered task of that name, or whose hash begins so. A whole hash is that of one task, whatever another one is named.
    ///
    /// # Errors
    /// [`TasksError::Unknown`] or [`TasksError::Ambiguous`] with what there is.
    pub fn find(&self, wanted: &str) -> Result<Task, TasksError> {
        let offered = self.offered()?;
        let whole = Digest::from_hex(wanted);
        let fits = |task: &&Task| match whole {
            Some(hash) => task.hash() == hash,
            None => task.name == wanted || (wanted.len() >= 4 && task.hash().to_hex().starts_with(wanted)),
        };
        let label = |task: &Task| format!("{} ({:?})", task.name, task.hash());
        let mut matches: Vec<&Task> = offered.iter().filter(fits).collect();
        match (matches.pop(), matches.is_empty()) {
            (Some(only), true) => Ok(only.clone()),
            (Some(last), false) => Err(TasksError::Ambiguous {
                wanted: wanted.to_owned(),
                matches: matches.into_iter().chain([last]).map(label).collect(),
            }),
            (None, _) => Err(TasksError::Unknown {
                wanted: wanted.to_owned(),
                known: if offered.is_empty() {
                    "none is known here yet: the daemon hears of tasks once it is connected".to_owned()
                } else {
                    format!(
                        "offered: {}",
                        offered.iter().map(label).collect::<Vec<_>>().join(", ")
                    )
                },
            }),
        }
    }

    /// Notes that the operator approves a task, for the daemon to see.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn approve(&self, task: &Task) -> Result<(), FileError> {
        note(&self.approvals, task, "approved", "")?;
        // After the approval: a crash in between leaves the refusal in force.
        let refusal = file(&self.refusals, &task.hash());
        match fs::remove_file(&refusal) {
            Ok(()) => sync_folder(&refusal),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(FileError::at(&refusal)(error)),
        }
    }

    /// Notes that the operator refuses a task, whatever was said before, and what others hear of why.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn refuse(&self, task: &Task, reason: RefusalReason) -> Result<(), FileError> {
        let reason = format!("reason = {:?}\n", reason.name());
        note(&self.refusals, task, "refused", &reason)
    }

    /// What others hear of why the operator refuses a task; `None` if it is not refused. A file that names no reason is a refusal all the same,
    /// so that a damaged one lets no round begin: the operator decided so.
    ///
    /// # Errors
    /// If there is a file that cannot be read.
    pub fn refusal(&self, task: &Digest) -> Result<Option<RefusalReason>, FileError> {
        let path = file(&self.refusals, task);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::at(&path)(error)),
        };
        let note: Option<toml::Table> = String::from_utf8_lossy(&bytes).parse().ok();
        let reason = note.as_ref().and_then(|note| note.get("reason")?.as_str());
        Ok(Some(
            reason
                .and_then(RefusalReason::from_name)
                .unwrap_or(RefusalReason::Operator),
        ))
    }

    /// The operator's word on a task; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be looked at.
    pub fn decision(&self, task: &Digest) -> Result<Option<Decision>, FileError> {
        let is_there = |folder: &Path| {
            let path = file(folder, task);
            path.try_exists().map_err(FileError::at(&path))
        };
        Ok(if is_there(&self.refusals)? {
            Some(Decision::Refused)
        } else if is_there(&self.approvals)? {
            Some(Decision::Approved)
        } else {
            None
        })
    }

    /// Hashes of the tasks that the operator approved, those that were refused since included.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn approved(&self) -> Result<BTreeSet<Digest>, FileError> {
        hashes(&self.approvals)
    }
}

fn note(folder: &Path, task: &Task, word: &str, more: &str) -> Result<(), FileError> {
    let note = format!(
        "# The operator of this bank {word} this task.\nname = {:?}\n{more}",
        task.name
    );
    replace(&file(folder, &task.hash()), PRIVATE, note.as_bytes())
}

fn file(folder: &Path, hash: &Digest) -> PathBuf {
    folder.join(hash.to_hex()).with_extension(EXTENSION)
}

/// The hashes in the names of a folder's files.
fn hashes(folder: &Path) -> Result<BTreeSet<Digest>, FileError> {
    let at = FileError::at(folder);
    let mut found = BTreeSet::new();
    for file in fs::read_dir(folder).map_err(&at)? {
        let name = file.map_err(&at)?.file_name();
        let hash = name
            .to_str()
            .and_then(|name| name.strip_suffix(EXTENSION)?.strip_suffix('.'))
            .and_then(Digest::from_hex);
        found.extend(hash);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = r#"
        name = "credit"
        rounds = 1
        seed = 3
        [schema]
        version = 1
        label = "y"
        column = [{ name = "a", type = "number", min = 0, max = 1 }]
        [model]
        family = "logistic"
        [training]
        optimiser = "sgd"
        learning_rate = 0.1
        batch_size = 1
        local_epochs = 1
    "#;

    fn tasks() -> (tempfile::TempDir, Tasks) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let tasks = Tasks::open(at("tasks"), at("approvals"), at("refusals")).unwrap();
        (folder, tasks)
    }

    fn offer(tasks: &Tasks, text: &str) -> Task {
        let task = Task::parse(text).unwrap();
        tasks
            .save(&task.hash(), task.canonical_text().as_bytes())
            .unwrap();
        task
    }

    #[test]
    fn a_task_is_found_by_its_name_or_the_start_of_its_hash() {
        let (_folder, tasks) = tasks();
        let nothing = tasks.find("credit").unwrap_err().to_string();
        assert!(nothing.contains("none is known here yet"), "{nothing}");
        let task = offer(&tasks, TEXT);
        assert_eq!(tasks.find("credit").unwrap(), task);
        assert_eq!(tasks.find(&task.hash().to_hex()[..4]).unwrap(), task);
        let unknown = tasks.find("debit").unwrap_err().to_string();
        assert!(unknown.contains("offered: credit"), "{unknown}");
        let second = offer(&tasks, &TEXT.replace("seed = 3", "seed = 4"));
        let both = tasks.find("credit").unwrap_err().to_string();
        assert!(both.contains("more digits"), "{both}");
        assert_eq!(tasks.find(&second.hash().to_hex()).unwrap(), second);
        // A name that is somebody's hash stands in nobody's way.
        offer(&tasks, &TEXT.replace("credit", &second.hash().to_hex()));
        assert_eq!(tasks.find(&second.hash().to_hex()).unwrap(), second);
    }

    #[test]
    fn approvals_are_seen_by_whoever_looks() {
        let (_folder, tasks) = tasks();
        let task = offer(&tasks, TEXT);
        assert!(tasks.approved().unwrap().is_empty());
        tasks.approve(&task).unwrap();
        tasks.approve(&task).unwrap();
        assert_eq!(tasks.approved().unwrap(), BTreeSet::from([task.hash()]));
    }

    #[test]
    fn the_last_word_counts_and_an_approval_stays_beside_a_refusal() {
        let (_folder, tasks) = tasks();
        let task = offer(&tasks, TEXT);
        let word = || tasks.decision(&task.hash()).unwrap();
        assert_eq!(word(), None);
        tasks.refuse(&task, RefusalReason::Operator).unwrap();
        assert_eq!(word(), Some(Decision::Refused));
        assert!(tasks.approved().unwrap().is_empty());
        tasks.approve(&task).unwrap();
        assert_eq!(word(), Some(Decision::Approved));
        tasks.refuse(&task, RefusalReason::Operator).unwrap();
        assert_eq!(word(), Some(Decision::Refused));
        assert_eq!(tasks.approved().unwrap(), BTreeSet::from([task.hash()]));
    }

    #[test]
    fn a_refusal_keeps_what_others_hear_of_why_and_counts_without_it() {
        let (folder, tasks) = tasks();
        let task = offer(&tasks, TEXT);
        let refusal = || tasks.refusal(&task.hash()).unwrap();
        assert_eq!(refusal(), None);
        for reason in RefusalReason::ALL {
            tasks.refuse(&task, reason).unwrap();
            assert_eq!(refusal(), Some(reason));
        }
        let path = file(&folder.path().join("refusals"), &task.hash());
        for other in [
            "# The operator of this bank refused this task.\nname = \"credit\"\n",
            "reason = \"salary\"\n",
            "reason = 3\n",
            "",
            "[[",
        ] {
            fs::write(&path, other).unwrap();
            assert_eq!(refusal(), Some(RefusalReason::Operator), "{other:?}");
        }
        tasks.approve(&task).unwrap();
        assert_eq!(refusal(), None);
    }

    #[test]
    fn the_earlier_version_is_the_last_that_was_approved_or_else_offered() {
        let (_folder, tasks) = tasks();
        let version = |seed: u32| TEXT.replace("seed = 3", &format!("seed = {seed}"));
        // Not in the order of hashes or names.
        let offered: Vec<Task> = [7, 3, 9, 1].map(|seed| offer(&tasks, &version(seed))).into();
        offer(&tasks, &TEXT.replace("credit", "fraud"));
        let earlier = |at: usize| {
            let found = tasks.earlier(&offered[at]).unwrap();
            found.map(|(task, approved)| (task.seed, approved))
        };
        assert_eq!([0, 1, 3].map(earlier), [None, Some((7, false)), Some((9, false))]);
        tasks.approve(&offered[1]).unwrap();
        assert_eq!(
            [1, 2, 3].map(earlier),
            [Some((7, false)), Some((3, true)), Some((3, true))]
        );
        // A text that is fetched again keeps its place.
        tasks
            .save(&offered[0].hash(), offered[0].canonical_text().as_bytes())
            .unwrap();
        assert_eq!(earlier(1), Some((7, false)));
        let later = |at: usize| tasks.later(&offered[at]).unwrap().map(|task| task.seed);
        assert_eq!([0, 1, 2, 3].map(later), [Some(1), Some(1), Some(1), None]);
    }

    #[test]
    fn a_changed_text_is_not_taken_for_the_task() {
        let (folder, tasks) = tasks();
        let hash = offer(&tasks, TEXT).hash();
        let path = folder.path().join("tasks").join(hash.to_hex() + ".toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("rounds = 1", "rounds = 2")).unwrap();
        assert!(matches!(tasks.text(&hash), Err(TasksError::Damaged { .. })));
        assert!(matches!(
            parse(Digest::of(TEXT.as_bytes()), TEXT.as_bytes()),
            Err(TasksError::NotCanonical(_))
        ));
        assert!(matches!(parse(hash, b"name = 1"), Err(TasksError::Text { .. })));
    }
}
