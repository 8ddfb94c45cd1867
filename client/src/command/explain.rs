//! `explain`: why a model gives rows their scores. The rows, the background and the result stay on this machine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};
use csv::StringRecord;
use serde::Serialize;
use veilsum_protocol::task::LabelKind;
use veilsum_serving::{AdverseScore, ExplainWishes, Explanation, Method, Otherwise, Search};

use crate::app;
use crate::cli::Failure;
use crate::explaining::{ExplainError, Explainer, Grounds, spread};
use crate::participant::durable::{PRIVATE, replace};
use crate::scoring::Scorer;
use crate::serving::Shelf;

/// Most rows of a file: each takes as many questions to the model as there are coalitions times background rows.
const MOST_ROWS: usize = 10_000;

/// Which way of the score is against the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Adverse {
    Higher,
    Lower,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The task's name, or the beginning of its hash
    model: String,
    /// A CSV file with the rows, under a header with the schema's columns; the label and others are not read
    rows: PathBuf,
    /// The bank's folder
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Write a page with pictures, one file for a browser; it holds values of single rows
    #[arg(long)]
    html: Option<PathBuf>,
    /// Rows of the bank's own table that the row is compared with
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    background: u32,
    /// How the score is shared out: Shapley values by kernel SHAP or by sampled orders, integrated gradients, or a local linear model
    #[arg(long, default_value = "kernel", value_parser = PossibleValuesParser::new(Method::NAMES).try_map(|name| name.parse::<Method>()))]
    method: Method,
    /// Sets of columns that the model is asked about, all of them where there are no more; the same number of neighbours or steps for other methods
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    coalitions: u32,
    /// The class whose probability is explained, for a model of classes
    #[arg(long)]
    output: Option<String>,
    /// Which way of the score is against the person
    #[arg(long, value_enum, default_value_t = Adverse::Higher)]
    adverse: Adverse,
    /// Columns that are never given as a reason, such as age; between commas; not for texts
    #[arg(long, value_delimiter = ',')]
    protected: Vec<String>,
    /// The score where the decision turns: what would have to change for the other decision is searched
    #[arg(long)]
    threshold: Option<f64>,
    /// Columns that cannot change, such as the age of an account; between commas; not for texts
    #[arg(long, value_delimiter = ',')]
    fixed: Vec<String>,
    /// Most columns that are changed at once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=8))]
    changes: u8,
    /// Most reasons
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=20))]
    reasons: u8,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    model: String,
    version: String,
    state_sha256: String,
    /// The log's entry that proves the model.
    log_entry: Option<u64>,
    /// Rows of the bank's own that each row is compared with; none where a text is compared with itself without its words.
    compared_with: Option<usize>,
    rows: Vec<Explanation>,
}

impl Report {
    /// Lines for people.
    pub(crate) fn text(&self) -> String {
        let entry = self
            .log_entry
            .map_or_else(String::new, |entry| format!(", entry {entry} of the log"));
        let mut text = format!("model {}, version {}{entry}", self.model, self.version);
        let (base, parts) = match self.compared_with {
            Some(_) => ("the mean of the background", "the columns"),
            None => ("that of the text without its words", "the words"),
        };
        for (number, row) in (1..).zip(&self.rows) {
            let _ = write!(
                text,
                "\n\nrow {number}: score {:.4}; {} is {:.4}, and {} account for {:+.4}{}",
                row.score,
                base,
                row.base,
                parts,
                row.score - row.base - row.residual,
                how(row)
            );
            for feature in &row.features {
                let value = feature.value.as_deref().unwrap_or("");
                let _ = write!(
                    text,
                    "\n  {:+.4}  {}{}{value}",
                    feature.amount,
                    feature.name,
                    if value.is_empty() { "" } else { " = " }
                );
            }
            for reason in &row.reasons {
                let _ = write!(text, "\n  reason: {reason}");
            }
            for remark in &row.remarks {
                let _ = write!(text, "\n  {remark}");
            }
            if let Some(otherwise) = &row.counterfactual {
                let _ = write!(text, "\n  {}", told(otherwise));
            }
        }
        text
    }
}

/// What must be known of the amounts.
fn how(row: &Explanation) -> String {
    match row.method {
        Method::Kernel if row.exact => String::new(),
        Method::Kernel | Method::Permutation => " (sampled)".to_owned(),
        Method::Gradients => format!(" (integrated gradients, which leave {:+.4})", row.residual),
        Method::Lime => format!(" (a local linear model, which leaves {:+.4})", row.residual),
    }
}

fn told(otherwise: &Otherwise) -> String {
    let Otherwise {
        threshold,
        changes,
        score,
        complete,
        ..
    } = otherwise;
    match otherwise.outcome {
        Search::AlreadyMet => {
            format!("otherwise: nothing has to change, the score is on the better side of {threshold}")
        }
        Search::NotFound => format!(
            "otherwise: {} reaches {threshold}; the nearest score is {score:.4}",
            if *complete {
                "no allowed change"
            } else {
                "no change that was tried"
            }
        ),
        Search::Found => {
            let changes = changes.iter();
            let changes: Vec<String> = changes
                .map(|change| format!("{} {} in place of {}", change.name, change.to, change.from))
                .collect();
            format!(
                "otherwise: with {} the score would be {score:.4}",
                changes.join(", and ")
            )
        }
    }
}

/// Explains the rows of a file.
pub(crate) fn execute(command: &Explain, say: &dyn Fn(&str)) -> Result<Report, Failure> {
    let shelf = Shelf::open(&command.dir)?;
    let found = shelf.find(&command.model)?.ok_or_else(|| {
        Failure::finding(format!(
            "task {} has no model yet: the first comes when its statistics round is done",
            command.model
        ))
    })?;
    let runtime = app::runtime(shelf.config())?;
    let (scorer, state) = shelf.scorer(&found, runtime)?;
    let records = records(&command.rows, &scorer)?;
    let grounds = match Grounds::without_rows(&scorer)? {
        Some(grounds) => grounds,
        None => {
            say(&format!("reading {}", shelf.config().data.file.display()));
            let source = app::source(shelf.config(), runtime)?;
            let table = source
                .read_found(&found.task, state.vocabularies.as_ref())
                .map_err(Failure::finding)?;
            let rows: Vec<u32> = table.training_rows().collect();
            Grounds::of_table(&scorer, &table, &spread(&rows, command.background as usize))?
        }
    };
    let explainer = Explainer::new(&scorer, &grounds);
    let wishes = ExplainWishes {
        method: command.method,
        output: command.output.clone(),
        coalitions: command.coalitions as usize,
        adverse: match command.adverse {
            Adverse::Higher => AdverseScore::Higher,
            Adverse::Lower => AdverseScore::Lower,
        },
        protected: command.protected.clone(),
        reasons: command.reasons.into(),
        threshold: command.threshold,
        fixed: command.fixed.clone(),
        changes: command.changes.into(),
    };
    if let Some(problem) = wishes.problem(command.coalitions as usize) {
        return Err(Failure::usage(problem));
    }
    let rows = explainer.explain(&records, &wishes, None)?;
    if let Some(path) = &command.html {
        let schema = scorer.schema();
        let score = match (&command.output, &schema.label_kind) {
            (Some(class), _) => format!("probability of {class}"),
            (None, LabelKind::Number(_)) => format!("{} on its own scale from 0 to 1", schema.label),
            (None, _) => format!("probability of {}", schema.label),
        };
        let title = format!("{}, version {}", found.task.name, found.version());
        let page = explainer.page(&title, &score, &rows)?;
        // Values of single rows are for their owner alone.
        replace(path, PRIVATE, page.as_bytes()).map_err(Failure::finding)?;
        say(&format!("pictures are in {}", path.display()));
    }
    Ok(Report {
        model: found.task.name.clone(),
        version: found.version(),
        state_sha256: found.state.to_hex(),
        log_entry: found.proven.as_ref().ok().map(|proven| proven.entry),
        compared_with: grounds.background(),
        rows: rows.into_iter().map(|row| row.explanation).collect(),
    })
}

/// The rows of a file under the scorer's features.
fn records(path: &Path, scorer: &Scorer) -> Result<Vec<StringRecord>, Failure> {
    let wrong = |problem: String| Failure::usage(format!("{}: {problem}", path.display()));
    let mut reader = csv::Reader::from_path(path).map_err(|error| wrong(error.to_string()))?;
    let header = reader
        .headers()
        .map_err(|error| wrong(error.to_string()))?
        .clone();
    let place = |name: &str| {
        let place = header.iter().position(|column| column.trim() == name);
        place.ok_or_else(|| {
            wrong(format!(
                "found no column {name:?} in the header, expected every column that the model reads"
            ))
        })
    };
    let features = scorer.features();
    let places = features
        .iter()
        .map(|feature| place(&feature.name))
        .collect::<Result<Vec<_>, _>>()?;
    let mut records = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        if records.len() == MOST_ROWS {
            return Err(wrong(format!(
                "found more than {MOST_ROWS} rows, expected at most that; explain them in parts"
            )));
        }
        records.push(
            places
                .iter()
                .map(|place| record.get(*place).unwrap_or_default())
                .collect(),
        );
    }
    if records.is_empty() {
        return Err(wrong(
            "found a header and no row, expected at least one".to_owned(),
        ));
    }
    Ok(records)
}

impl From<ExplainError> for Failure {
    fn from(error: ExplainError) -> Self {
        match error {
            ExplainError::Output { .. }
            | ExplainError::Scorer(_)
            | ExplainError::Images
            | ExplainError::Method { .. }
            | ExplainError::Column { .. }
            | ExplainError::NoColumns { .. }
            | ExplainError::NoWords { .. }
            | ExplainError::Invalid(_) => Self::usage(error),
            ExplainError::Table(_) | ExplainError::Late => Self::finding(error),
        }
    }
}
