//! `decisions`: the log of what was asked and answered, read by the bank's own people.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use csv::StringRecord;
use serde::Serialize;
use serde_json::json;
use veilsum_serving::Tensor;
use veilsum_serving::decisions::{Record, Written};

use crate::cli::Failure;
use crate::decisions::{Ledger, LedgerError, Place, SpanError, TimeSpan, Verdict, Wanted, time_text};
use crate::participant::durable::{PRIVATE, replace};
use crate::serving::text_of;

#[derive(Debug, Subcommand)]
pub(crate) enum DecisionsCommand {
    /// List the requests that were scored: when, by which id, by whom, by which version of which model, and how many rows; no row's values
    List {
        #[command(flatten)]
        wishes: Wishes,
    },
    /// Show all that was written down of one request: model, version and hash, its rows and its answers
    Show {
        /// The request's id, as the answer named it
        id: String,
        /// Write its rows to a CSV file, which `explain` reads; for an adverse-action notice
        #[arg(long)]
        rows: Option<PathBuf>,
        #[command(flatten)]
        wishes: Wishes,
    },
    /// Read every record, and tell which file is torn, missing or not closed
    ///
    /// Exit code 1: something is. Only the file that is being written may be without its closing record.
    Verify {
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
}

/// Which records.
#[derive(Debug, Args)]
pub(crate) struct Wishes {
    /// The bank's folder
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// From this date or time on, such as 2026-07-01 or 2026-07-01T08:00:00Z
    #[arg(long)]
    from: Option<String>,
    /// Until this date, with its whole day, or until before this time
    #[arg(long)]
    until: Option<String>,
    /// Of this model
    #[arg(long)]
    model: Option<String>,
    /// Of this version of it
    #[arg(long)]
    version: Option<String>,
    /// Asked by this caller
    #[arg(long)]
    caller: Option<String>,
}

impl Wishes {
    fn wanted(&self, id: Option<&str>) -> Result<Wanted, SpanError> {
        Ok(Wanted {
            span: TimeSpan::read(self.from.as_deref(), self.until.as_deref())?,
            model: self.model.clone(),
            version: self.version.clone(),
            caller: self.caller.clone(),
            id: id.map(str::to_owned),
        })
    }
}

/// A record in a list.
#[derive(Serialize)]
struct Listed<'a> {
    time: String,
    id: &'a str,
    caller: &'a str,
    model: &'a str,
    version: &'a str,
    model_hash: Option<&'a str>,
    rows: usize,
    file: u64,
    record: u32,
}

/// Runs one; `out` takes lines of the result as they come, `say` what else there is to tell. Gives the exit code.
pub(crate) fn execute(
    command: &DecisionsCommand,
    json: bool,
    out: &mut dyn FnMut(&str) -> Result<(), Failure>,
    say: &dyn Fn(&str),
) -> Result<u8, Failure> {
    match command {
        DecisionsCommand::List { wishes } => list(wishes, json, out, say),
        DecisionsCommand::Show { id, rows, wishes } => {
            let found = show(id, wishes, json, out, say)?;
            if let Some(path) = rows {
                write_rows(path, id, &found)?;
                say(&format!("the rows are in {}", path.display()));
            }
            Ok(0)
        }
        DecisionsCommand::Verify { dir } => {
            let verdict = Verdict::of(&Ledger::open(dir)?);
            if json {
                for file in &verdict.files {
                    out(&serde_json::to_string(file).map_err(Failure::finding)?)?;
                }
                out(&json!({ "missing": verdict.missing, "whole": verdict.is_whole() }).to_string())?;
            } else {
                out(&verdict.text())?;
            }
            Ok(if verdict.is_whole() { 0 } else { 1 })
        }
    }
}

fn list(
    wishes: &Wishes,
    json: bool,
    out: &mut dyn FnMut(&str) -> Result<(), Failure>,
    say: &dyn Fn(&str),
) -> Result<u8, Failure> {
    let wanted = wishes.wanted(None)?;
    let ledger = Ledger::open(&wishes.dir)?;
    let (mut requests, mut all) = (0_u64, 0_usize);
    let problems = ledger.each(&wanted, |place, record| -> Result<bool, Failure> {
        let rows = record.rows();
        requests += 1;
        all += rows;
        let line = if json {
            let listed = Listed {
                time: time_text(record.time_ms),
                id: &record.id,
                caller: &record.caller,
                model: &record.model,
                version: &record.version,
                model_hash: record.model_hash.as_deref(),
                rows,
                file: place.file,
                record: place.index,
            };
            serde_json::to_string(&listed).map_err(Failure::finding)?
        } else {
            format!(
                "{}  {:<36}  {:<16}  {} version {:<6}  {rows} rows",
                time_text(record.time_ms),
                record.id,
                record.caller,
                record.model,
                record.version,
            )
        };
        out(&line)?;
        Ok(true)
    })?;
    problems.iter().for_each(|problem| say(problem));
    say(&match requests {
        0 => format!(
            "no such decision is in the {} files of {}",
            ledger.files().len(),
            ledger.folder().display()
        ),
        _ => format!("{requests} requests, {all} rows"),
    });
    Ok(0)
}

fn show(
    id: &str,
    wishes: &Wishes,
    json: bool,
    out: &mut dyn FnMut(&str) -> Result<(), Failure>,
    say: &dyn Fn(&str),
) -> Result<Vec<Record>, Failure> {
    let wanted = wishes.wanted(Some(id))?;
    let ledger = Ledger::open(&wishes.dir)?;
    let mut found = Vec::new();
    let problems = ledger.each(&wanted, |place, record| -> Result<bool, Failure> {
        found.push((place, record));
        Ok(true)
    })?;
    problems.iter().for_each(|problem| say(problem));
    if found.is_empty() {
        return Err(Failure::finding(format!(
            "no decision with the id {id:?} is in the {} files of {}; `decisions list` has those that there are",
            ledger.files().len(),
            ledger.folder().display()
        )));
    }
    if found.len() > 1 {
        say(&format!(
            "{} requests have this id, which their callers gave; all are shown",
            found.len()
        ));
    }
    for (place, record) in &found {
        if json {
            let mut whole = serde_json::to_value(record).map_err(Failure::finding)?;
            if let Some(fields) = whole.as_object_mut() {
                fields.insert("time".to_owned(), time_text(record.time_ms).into());
                fields.insert("file".to_owned(), place.file.into());
                fields.insert("record".to_owned(), place.index.into());
            }
            out(&whole.to_string())?;
        } else {
            out(&text(*place, record)?)?;
        }
    }
    Ok(found.into_iter().map(|(_, record)| record).collect())
}

fn tensors(written: &[Written]) -> Result<Vec<Tensor>, Failure> {
    let read = written.iter().map(|written| {
        written.tensor().map_err(|problem| {
            Failure::finding(format!(
                "the tensor {:?} of the record is none that this program writes: {problem}",
                written.name()
            ))
        })
    });
    read.collect()
}

fn text(place: Place, record: &Record) -> Result<String, Failure> {
    let mut text = format!(
        "request  {}\ntime     {}\ncaller   {}\nmodel    {} version {}\nhash     {}\nplace    file {}, record {}",
        record.id,
        time_text(record.time_ms),
        record.caller,
        record.model,
        record.version,
        record
            .model_hash
            .as_deref()
            .unwrap_or("none: the log does not prove the model"),
        place.file,
        place.index
    );
    let (inputs, outputs) = (tensors(&record.inputs)?, tensors(&record.outputs)?);
    for row in 0..record.rows() {
        let _ = write!(text, "\nrow {}", row + 1);
        for (tensors, sign) in [(&inputs, " "), (&outputs, "=")] {
            for tensor in tensors {
                let each: usize = tensor.shape.iter().skip(1).product();
                let values = (row * each..(row + 1) * each).map(|at| text_of(tensor, at));
                let _ = match each {
                    // Pixels tell nobody anything.
                    65.. => write!(text, "\n {sign} {}: {each} values, see --json", tensor.name),
                    _ => write!(
                        text,
                        "\n {sign} {}: {}",
                        tensor.name,
                        values.collect::<Vec<_>>().join(", ")
                    ),
                };
            }
        }
    }
    Ok(text)
}

/// The rows of the requests as a table that `explain` reads; a sequence's steps stay apart by their request and row.
fn write_rows(path: &std::path::Path, id: &str, found: &[Record]) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header: Option<StringRecord> = None;
    for record in found {
        let inputs = tensors(&record.inputs)?;
        let names: StringRecord = inputs.iter().map(|tensor| tensor.name.as_str()).collect();
        match &header {
            None => {
                writer.write_record(&names).map_err(Failure::finding)?;
                header = Some(names);
            }
            Some(header) if *header == names => {}
            Some(_) => {
                return Err(Failure::usage(format!(
                    "the requests with the id {id:?} have different columns; name one of their models with --model"
                )));
            }
        }
        if inputs.iter().any(|tensor| tensor.shape.len() > 1) {
            return Err(Failure::usage(
                "--rows: the rows of this model are sequences or images, and no rows of a table; `--json` has all of them",
            ));
        }
        for row in 0..record.rows() {
            let cells: StringRecord = inputs.iter().map(|tensor| text_of(tensor, row)).collect();
            writer.write_record(&cells).map_err(Failure::finding)?;
        }
    }
    let bytes = writer.into_inner().map_err(Failure::finding)?;
    // Values of single rows are for their owner alone.
    replace(path, PRIVATE, &bytes).map_err(Failure::finding)
}

impl From<SpanError> for Failure {
    fn from(error: SpanError) -> Self {
        Self::usage(error)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Serve(error) => error.into(),
            LedgerError::NotWritten { .. } => Self::usage(error),
            LedgerError::NoFolder { .. }
            | LedgerError::NoKey { .. }
            | LedgerError::OtherKey { .. }
            | LedgerError::File { .. } => Self::finding(error),
        }
    }
}
