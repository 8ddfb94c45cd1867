//! `model`: which models the bank has, what proves them, and one for elsewhere; `serve`: the same in service.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use veilsum_serving::callers::make_key;

use crate::cli::Failure;
use crate::export::{ExportError, Exported, Format, Wanted, export};
use crate::serving::{Listed, ServeError, Shelf, ShelfError, run};

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// List the models that rounds have led to, with the round and the log's entry of each
    List {
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
    /// Make a key for an application that asks `serve`: prints it once, with the lines for the file that serve.toml names in `keys`
    Key {
        /// The application
        name: String,
    },
    /// Write a model for elsewhere into a folder, with its card, the task and the receipt that proves it
    ///
    /// The file takes rows that are encoded already, as model.json and card.json beside it say. An earlier export of the model in the folder is
    /// replaced; a folder with anything else is refused. A model that the log does not prove is not exported, as it is not served.
    Export {
        /// The task's name, or the beginning of its hash
        model: String,
        /// What the model is written as
        #[arg(long, value_enum)]
        format: Format,
        /// The folder, which is made
        #[arg(long)]
        out: PathBuf,
        /// The version: a round whose model serve had in service; the latest without
        #[arg(long)]
        version: Option<String>,
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
    /// Prove that a model is the one that the consortium's log names: checks the receipt, and says what it proves
    Show {
        /// The task's name, or the beginning of its hash
        model: String,
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
}

/// A list, or one model with its proof.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Report {
    /// All.
    List(Vec<Listed>),
    /// One.
    One(Box<Listed>),
    /// A model for elsewhere.
    Exported(Box<Exported>),
    /// A caller's key.
    Key {
        /// For the application alone.
        key: String,
        /// For the file of keys.
        lines: String,
    },
}

impl Report {
    /// Lines for people.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::List(models) if models.is_empty() => {
                "no model yet: the first comes when the statistics round of an approved task is done"
                    .to_owned()
            }
            Self::List(models) => {
                let lines: Vec<String> = models.iter().map(line).collect();
                lines.join("\n")
            }
            Self::One(model) => proof(model),
            Self::Exported(exported) => written(exported),
            Self::Key { key, lines } => format!(
                "{lines}\nthe key, for the application alone, which sends it as `Authorization: Bearer KEY`; it is shown once and kept nowhere here:\n{key}"
            ),
        }
    }

    /// 1 for a model that nothing proves.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::One(model) if model.proven.is_none() => 1,
            _ => 0,
        }
    }
}

fn line(model: &Listed) -> String {
    let state = model.state_sha256.get(..16).unwrap_or_default();
    match &model.proven {
        Some(proven) => format!(
            "{:<24} version {:<6} state {state}  entry {} of the log, cosigned by {}",
            model.name,
            proven.round,
            proven.entry,
            names(proven.cosigned_by.keys())
        ),
        None => format!(
            "{:<24} step {:<9} state {state}  not proven",
            model.name, model.step
        ),
    }
}

fn proof(model: &Listed) -> String {
    let mut text = format!(
        "model    {}\ntask     {}\nstate    {}\n",
        model.name, model.task_sha256, model.state_sha256
    );
    match (&model.proven, &model.problem) {
        (Some(proven), _) => {
            let _ = write!(
                text,
                "version  {}: round {}, step {} of the task, the sum of {} banks\nproven   the result is entry {} of the log, under a head of {} entries with root {}\ncosigned by {}\nreceipt  {}, which proves the same to anybody who has the consortium file",
                proven.round,
                proven.round,
                proven.step,
                proven.survivors,
                proven.entry,
                proven.log_entries,
                proven.log_root,
                names(proven.cosigned_by.keys()),
                proven.receipt.display()
            );
        }
        (None, problem) => {
            let problem = problem.as_deref().unwrap_or("nothing is known of it");
            let _ = write!(text, "NOT PROVEN: {problem}");
        }
    }
    text
}

fn written(exported: &Exported) -> String {
    let (model, proof) = (&exported.card.model, &exported.card.proof);
    let proven = match proof.log_entry {
        Some(entry) => format!("proven   the result is entry {entry} of the log"),
        None => "NOT PROVEN".to_owned(),
    };
    format!(
        "model    {}\nversion  {}\nstate    {}\n{proven}\nfile     {}, sha256 {}\nfolder   {} with {}",
        model.name,
        model.version,
        model.state_sha256,
        model.file,
        model.file_sha256,
        exported.folder.display(),
        exported.files.join(", ")
    )
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Runs one.
pub(crate) fn execute(command: &ModelCommand, say: &dyn Fn(&str)) -> Result<Report, Failure> {
    match command {
        ModelCommand::List { dir } => {
            let found = Shelf::open(dir)?.latest()?;
            Ok(Report::List(found.iter().map(|found| found.listed()).collect()))
        }
        ModelCommand::Key { name } => {
            let (key, lines) = make_key(name).map_err(Failure::usage)?;
            Ok(Report::Key { key, lines })
        }
        ModelCommand::Export {
            model,
            format,
            out,
            version,
            dir,
        } => {
            let wanted = Wanted {
                model,
                version: version.as_deref(),
                format: *format,
                out,
            };
            let exported = export(dir, &wanted)?;
            if let Some(problem) = &exported.card.proof.problem {
                say(&format!(
                    "warning: the model is NOT PROVEN: {problem}; its card says so"
                ));
            }
            let model = &exported.card.model;
            if model.holds_personal {
                say(&format!(
                    "warning: {} holds this bank's own parameters ({}), which say as much about its rows as an update: the file is of mode 0600, for the \
                     bank alone",
                    model.file,
                    model.personal.join(", ")
                ));
            }
            Ok(Report::Exported(Box::new(exported)))
        }
        ModelCommand::Show { model, dir } => {
            let found = Shelf::open(dir)?.find(model)?;
            let found = found.ok_or_else(|| {
                Failure::finding(format!(
                    "task {model} has no model yet: the first comes when its statistics round is done"
                ))
            })?;
            Ok(Report::One(Box::new(found.listed())))
        }
    }
}

/// Serves until it is stopped.
pub(crate) fn serve(dir: &Path, say: &(dyn Fn(&str) + Sync)) -> Result<(), Failure> {
    Ok(run(dir, say)?)
}

impl From<ShelfError> for Failure {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::Folder(error) => (*error).into(),
            ShelfError::NoState { .. } | ShelfError::Policy(_) | ShelfError::Tasks(_) => Self::usage(error),
            other => Self::finding(other),
        }
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Shelf(error) => error.into(),
            ExportError::Folder(error) => (*error).into(),
            ExportError::Out(_) | ExportError::NoVersion { .. } => Self::usage(error),
            other => Self::finding(other),
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Folder(error) => (*error).into(),
            ServeError::Shelf(error) => error.into(),
            ServeError::Key(error) => error.into(),
            ServeError::Content { .. } => Self::usage(error),
            ServeError::System(_) => Self::finding(error),
        }
    }
}
