//! From a model's name to what is to be said of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use veilsum_monitoring::{Invalid, Limits, Monitor, Report, Window};
use veilsum_protocol::model::Decision;

use super::current::{Gathering, LeftOut};
use super::outcomes::{Outcomes, OutcomesError};
use super::reference;
use crate::app::{self, AppError};
use crate::data::DataError;
use crate::decisions::{Ledger, LedgerError, TimeSpan, Wanted, time_text};
use crate::explaining::spread;
use crate::scoring::ScorerError;
use crate::serving::{Shelf, ShelfError};

/// Versions that a message names.
const TOLD_VERSIONS: usize = 12;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// The task's name, or the beginning of its hash.
    pub model: String,
    /// The bank's folder.
    pub dir: PathBuf,
    /// Which version; without it the one that answered last.
    pub version: Option<String>,
    /// From when until when.
    pub span: TimeSpan,
    /// How time is parted.
    pub window: Window,
    /// What came true.
    pub outcomes: Option<PathBuf>,
    /// Columns that tell groups of people apart.
    pub groups: Vec<String>,
    /// What a score decides.
    pub decision: Decision,
    /// Most rows of the bank's own table.
    pub reference_rows: usize,
    /// From where on something is no longer as it was.
    pub limits: Limits,
}

/// Why nothing is said of a model.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The models.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The bank's folder.
    #[error(transparent)]
    Folder(Box<AppError>),
    /// The log.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// What came true.
    #[error(transparent)]
    Outcomes(#[from] OutcomesError),
    /// The bank's table.
    #[error(transparent)]
    Table(Box<DataError>),
    /// The model.
    #[error(transparent)]
    Scorer(Box<ScorerError>),
    /// What was given to the method.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The task has none yet.
    #[error("task {0} has no model yet: the first comes when its statistics round is done")]
    NoModel(String),
    /// Nothing to look at.
    #[error(
        "no decision of model {model} is in the log from {span}; `serve` writes them down as applications ask, and `decisions list` has those that there are"
    )]
    NoDecisions {
        /// The model.
        model: String,
        /// When, in words.
        span: String,
    },
    /// None could be read.
    #[error(
        "none of the {rows} rows that model {model} answered can be read under policy.toml and schema as they are now; the log is of other columns"
    )]
    Unreadable {
        /// The model.
        model: String,
        /// Rows in the log.
        rows: usize,
    },
    /// Another version than there is.
    #[error("found the version {version:?}, expected one that answered: {}", answered.join(", "))]
    NoAnswer {
        /// What was asked for.
        version: String,
        /// What answered, with its rows.
        answered: Vec<String>,
    },
    /// Its state is gone, so that the reference cannot be scored by it.
    #[error(
        "version {version} of model {model} answered, but its state is not kept any more: the latest ten that `serve` had in service are. Name another with --version: {}",
        answered.join(", ")
    )]
    Gone {
        /// The model.
        model: String,
        /// The version.
        version: String,
        /// What answered, with its rows.
        answered: Vec<String>,
    },
    /// An answer in the log that is none of this model.
    #[error(
        "an answer in the log is none of this model: {0}; it is of another task of the same name. Look at another time with --from"
    )]
    Answer(String),
    /// A column of too many groups.
    #[error(
        "--group {column}: found {found} different values, expected a column of at most {most} groups, such as bands of age; put one into the file of --outcomes"
    )]
    Groups {
        /// The column.
        column: String,
        /// Different values.
        found: usize,
        /// Most that there may be.
        most: usize,
    },
    /// There is no such column.
    #[error(
        "--group {column}: {}",
        if *sequence { "found a column of steps of sequences, expected one value for each row; put the groups into the file of --outcomes" }
        else { "found no such column, expected one that the model is asked with, or one of the file of --outcomes" }
    )]
    NoGroup {
        /// The column.
        column: String,
        /// Whether it is there, of steps.
        sequence: bool,
    },
}

impl From<AppError> for MonitorError {
    fn from(error: AppError) -> Self {
        Self::Folder(Box::new(error))
    }
}

impl From<DataError> for MonitorError {
    fn from(error: DataError) -> Self {
        Self::Table(Box::new(error))
    }
}

impl From<ScorerError> for MonitorError {
    fn from(error: ScorerError) -> Self {
        Self::Scorer(Box::new(error))
    }
}

/// What was found of a version.
#[derive(Debug)]
pub struct Found {
    /// The task's name.
    pub model: String,
    /// The version.
    pub version: String,
    /// What the model predicts, such as "probability of late".
    pub label: String,
    /// What was found.
    pub report: Report,
    /// What was left out, and what is not looked at; each a sentence.
    pub remarks: Vec<String>,
}

/// Looks at the decisions of a version beside the bank's own table. `say` tells a person what goes on.
///
/// # Errors
/// [`MonitorError`].
pub fn look(wishes: &Wishes, say: &dyn Fn(&str)) -> Result<Found, MonitorError> {
    wishes.limits.check()?;
    let shelf = Shelf::open(&wishes.dir)?;
    let latest = shelf
        .find(&wishes.model)?
        .ok_or_else(|| MonitorError::NoModel(wishes.model.clone()))?;
    let model = latest.task.name.clone();
    let ledger = Ledger::open(&wishes.dir)?;
    let wanted = Wanted {
        span: wishes.span,
        model: Some(model.clone()),
        ..Wanted::default()
    };
    let Answered { versions, last } = answered(&ledger, &wanted);
    let Some(last) = last else {
        return Err(MonitorError::NoDecisions {
            model,
            span: wishes.span.words(),
        });
    };
    let version = wishes.version.clone().unwrap_or(last);
    let told = |versions: &BTreeMap<String, usize>| -> Vec<String> {
        let line = |(version, rows): (&String, &usize)| format!("{version} ({rows} rows)");
        versions.iter().rev().take(TOLD_VERSIONS).map(line).collect()
    };
    let Some(rows) = versions.get(&version).copied() else {
        return Err(MonitorError::NoAnswer {
            version,
            answered: told(&versions),
        });
    };
    let runtime = app::runtime(shelf.config())?;
    let Some((scorer, state)) = shelf.version(&wishes.dir, &latest, &version, runtime)? else {
        return Err(MonitorError::Gone {
            model,
            version,
            answered: told(&versions),
        });
    };
    let schema = scorer.schema();
    let outcomes = wishes.outcomes.as_ref();
    let outcomes = outcomes
        .map(|path| Outcomes::read(path, &schema.label_kind))
        .transpose()?;

    say(&format!("reading {rows} rows of {}", ledger.folder().display()));
    let mut gathering = Gathering::new(&scorer, outcomes.as_ref(), &wishes.groups)?;
    let of_version = Wanted {
        version: Some(version.clone()),
        ..wanted
    };
    let mut remarks = ledger.each(&of_version, |_, record| -> Result<bool, MonitorError> {
        gathering.take(record)?;
        Ok(true)
    })?;
    let (sample, left_out) = gathering.sample()?;
    if sample.times_ms.is_empty() {
        return Err(MonitorError::Unreadable { model, rows });
    }

    say(&format!("reading {}", shelf.config().data.file.display()));
    let source = app::source(shelf.config(), runtime)?;
    let table = source.read_found(&latest.task, state.vocabularies.as_ref())?;
    let own: Vec<u32> = table.training_rows().collect();
    let reference = reference::of_table(&scorer, &table, &spread(&own, wishes.reference_rows))?;

    remarks.extend(left_out.words());
    let others: usize = versions
        .iter()
        .filter(|(other, _)| **other != version)
        .map(|(_, rows)| rows)
        .sum();
    if others > 0 {
        remarks.push(format!(
            "{others} rows that other versions answered are not looked at: {}.",
            told(&versions).join(", ")
        ));
    }
    if sample.columns.is_empty() {
        let what = if schema.text().is_some() {
            "texts"
        } else {
            "images"
        };
        remarks.push(format!(
            "This model reads {what}, which are no columns of a table: what it says is looked at alone."
        ));
    }
    let is_binary = matches!(sample.predictions, veilsum_monitoring::Predictions::Binary(_));
    if !sample.groupings.is_empty() && !is_binary {
        remarks.push("Groups are compared where a model answers yes or no: this one does not.".to_owned());
    }
    let monitor = Monitor {
        window: wishes.window,
        limits: wishes.limits,
        decision: wishes.decision,
    };
    Ok(Found {
        label: schema.label.clone(),
        report: monitor.look(&reference, &sample)?,
        model,
        version,
        remarks,
    })
}

/// Which versions answered.
struct Answered {
    /// Each with its rows.
    versions: BTreeMap<String, usize>,
    /// That of the latest record.
    last: Option<String>,
}

fn answered(ledger: &Ledger, wanted: &Wanted) -> Answered {
    let mut found = Answered {
        versions: BTreeMap::new(),
        last: None,
    };
    let mut at = i64::MIN;
    // What is torn is told when the rows are read.
    let read: Result<_, std::convert::Infallible> = ledger.each(wanted, |_, record| {
        *found.versions.entry(record.version.clone()).or_default() += record.rows();
        if record.time_ms >= at {
            at = record.time_ms;
            found.last = Some(record.version);
        }
        Ok(true)
    });
    let Ok(_) = read;
    found
}

impl LeftOut {
    fn words(self) -> Vec<String> {
        let mut words = Vec::new();
        if self.unreadable > 0 {
            words.push(format!(
                "Rows in the log that cannot be read under policy.toml and schema as they are now, and are left out: {}.",
                self.unreadable
            ));
        }
        if self.unknown_outcomes > 0 {
            words.push(format!(
                "Rows of the outcomes that are of no decision that was looked at: {}.",
                self.unknown_outcomes
            ));
        }
        if self.ambiguous > 0 {
            words.push(format!(
                "Rows with an outcome whose id several requests have, so that nobody can tell of which it is, and which count as without: {}.",
                self.ambiguous
            ));
        }
        words
    }
}

/// Limits of a bank's folder, or of a file that was named; without either those by default.
///
/// # Errors
/// What is wrong with the file, in words.
pub fn limits(dir: &Path, named: Option<&Path>) -> Result<Limits, String> {
    let path = named.map_or_else(|| dir.join(LIMITS_FILE), Path::to_owned);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Limits::default());
        }
        read => read.map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let limits: Limits = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    limits
        .check()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(limits)
}

/// The limits, in the bank's folder.
const LIMITS_FILE: &str = "monitor.toml";

impl TimeSpan {
    /// For people.
    pub(super) fn words(self) -> String {
        let (from, until) = self.ends();
        let word = |at: Option<i64>, open: &str| at.map_or_else(|| open.to_owned(), time_text);
        format!("{} to {}", word(from, "its beginning"), word(until, "its end"))
    }
}
