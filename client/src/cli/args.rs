//! The words of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::command::backup::KeepCommand;
use crate::command::config::ConfigCommand;
use crate::command::decisions::DecisionsCommand;
use crate::command::explain::Explain;
use crate::command::model::ModelCommand;
use crate::command::monitor::Watched;
use crate::command::preflight::Preflight;
use crate::command::roster::RosterCommand;
use crate::command::score::Score;
use crate::command::task::TaskCommand;

/// A bank's daemon: trains on the bank's own table and sends nothing but masked updates.
#[derive(Debug, Parser)]
#[command(name = "veilsum-client", version)]
pub(super) struct Cli {
    /// Print the result as one line of JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the bank's keys, its configuration and its request to be enrolled
    Init {
        /// Name of the bank: 1 to 32 of a-z, 0-9 and -
        #[arg(long)]
        name: String,
        /// The folder to make
        #[arg(long)]
        dir: PathBuf,
    },
    /// Be enrolled by the invitation that the consortium's operator sent: makes keys and configuration, asks, waits, and fetches what `run`
    /// needs
    ///
    /// Private keys stay here. What is there already is kept, so that the command can be repeated after any failure. Exit code 75: the
    /// coordinator does not answer, or somebody has to decide first.
    Enrol {
        /// The line that the operator sent; it is as good as a key until it is used. `-` reads it from standard input: arguments can be seen by
        /// others on this machine
        invitation: String,
        /// The bank's folder; made if it is missing
        #[arg(long)]
        dir: PathBuf,
        /// The table, or the images, for `data.file`
        #[arg(long)]
        data: Option<PathBuf>,
        /// The images' labels, for `data.labels`
        #[arg(long)]
        labels: Option<PathBuf>,
        /// The agreed schema, for `data.schema`
        #[arg(long)]
        schema: Option<PathBuf>,
        /// `http://host:port` of the proxy that outgoing connections must take, for `link.proxy`
        #[arg(long)]
        proxy: Option<String>,
        /// End with exit code 75 where something has to be waited for
        #[arg(long)]
        no_wait: bool,
        /// Wait at most so many hours
        #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u64).range(1..=2160), conflicts_with = "no_wait")]
        wait_hours: u64,
    },
    /// Take part in the consortium's rounds until stopped
    Run {
        #[command(flatten)]
        bank: Folder,
    },
    /// Look at everything that could keep the daemon from taking part, name each cause, and print what firewalls must let out
    ///
    /// Configuration, identity, data, libtorch, GPU, disk, memory, and the way: DNS, proxy, TCP, UDP, TLS, clocks. Before enrolment, with --invitation
    /// or --coordinator, the way alone. Nothing derived from data is sent. Exit code 2: something on this machine has to be corrected. 1: this machine
    /// is in order, the connection is not.
    Preflight(Preflight),
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Show the tasks that the consortium offers, and decide on them
    Task {
        #[command(subcommand)]
        command: TaskCommand,
    },
    /// Show what the consortium knows of a task's columns, from sums over all banks
    Columns {
        #[command(flatten)]
        bank: Folder,
        /// Name of the task, or 4 or more of the first characters of its hash
        task: String,
    },
    /// Look at the bank's own table; nothing of it leaves this machine
    Data {
        #[command(subcommand)]
        command: DataCommand,
    },
    /// Write a schema
    Schema {
        #[command(subcommand)]
        command: SchemaCommand,
    },
    /// Show who belongs to the consortium, and decide on a proposed change
    Roster {
        #[command(subcommand)]
        command: RosterCommand,
    },
    /// Look at the models that the rounds have led to
    Model {
        #[command(subcommand)]
        command: ModelCommand,
    },
    /// Score the rows of a file, on all processors: a file of scores, in the order of the rows
    Score(Score),
    /// Say why a model gives rows their scores: what each column added, and reasons in words
    Explain(Explain),
    /// Serve the models to the bank's own applications, by the Open Inference Protocol v2, until stopped; beside the daemon or without it
    ///
    /// A round that leads to another model puts it into service. serve.toml in the bank's folder sets addresses, callers' keys, limits and the
    /// decision log; without it, REST is served on this machine alone. A model that the log does not prove is not served.
    Serve {
        #[command(flatten)]
        bank: Folder,
    },
    /// Read the log of decisions that `serve` writes: which requests were scored, and each of them whole; nothing of it leaves this machine
    ///
    /// With --json a line of JSON for each. The key is identity/decisions.key in the bank's folder, the log's folder is named by serve.toml.
    Decisions {
        #[command(subcommand)]
        command: DecisionsCommand,
    },
    /// Say how a model does in service: whether rows and scores are still those of the bank's own table, whether what it foretold came true, and how
    /// groups fare, window by window, from the decision log
    ///
    /// Exit code 1: something calls for action. 0: nothing does; what is worth a look is told. monitor.toml in the bank's folder sets the limits.
    Monitor(Watched),
    /// Print the address that lets a browser in to the bank's page, once
    Page {
        #[command(flatten)]
        bank: Folder,
    },
    /// Show what the daemon is doing, as it goes on
    ///
    /// Bars on a terminal, a line for each change elsewhere, a line of JSON for each change with --json. Every wait says until when, and what
    /// comes then. Ctrl-C ends it.
    Watch {
        #[command(flatten)]
        bank: Folder,
        /// End when no approved task has steps left; exit code 1 if the last was stopped
        #[arg(long)]
        until_finished: bool,
    },
    /// Tell what the daemon is doing
    Status {
        #[command(flatten)]
        bank: Folder,
    },
    #[command(flatten)]
    Keep(KeepCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum DataCommand {
    /// Show what each column looks like, what the bank's policy does to it, and how well rows hide among each other
    ///
    /// Cells are shown by their shape only. Exit code 2: a column that is read is refused, or a file has to be corrected. 1: rows do not hide as
    /// well as the policy asks.
    Check {
        #[command(flatten)]
        bank: Folder,
    },
    /// Count, spread and most frequent values of every column, with histograms
    ///
    /// Of images: how many of which size, and how many of each label.
    Profile {
        /// The table: CSV, plain or gzip, or Parquet; or images, IDX, plain or gzip
        file: PathBuf,
        /// The images' labels, IDX
        #[arg(long)]
        labels: Option<PathBuf>,
        /// Write a page with pictures, too
        #[arg(long)]
        html: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// Draft a schema from a table, with the reason of each choice; it tells no single row
    Infer {
        /// The table: CSV, plain or gzip, or Parquet
        file: PathBuf,
        /// The column to predict
        #[arg(long)]
        label: Option<String>,
        /// Where to write the draft; it is printed otherwise
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Learn the byte-pair merges of a column of texts, from texts that anybody may read
    ///
    /// Merges spell out pieces of the texts and stand in the task, which the whole consortium reads: never learn them from customers' messages.
    /// The same texts give the same merges.
    Merges {
        /// The texts: a table (CSV, plain or gzip, or Parquet) with --column, or a file with a text on each line
        file: PathBuf,
        /// The table's column of texts
        #[arg(long)]
        column: Option<String>,
        /// How many merges to learn, 1 to 65536; the model has a vocabulary of 257 more
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
        size: u32,
        /// Where to write the schema's lines; they are printed otherwise
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Folder {
    /// The bank's folder
    #[arg(long, default_value = ".")]
    pub(super) dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
