//! Five banks train one model under masks, on this machine.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use veilsum_examples::demo::DemoError;
use veilsum_examples::demo::show::{Options, play};
use veilsum_examples::example::Example;

/// A coordinator and five banks as separate processes train one model; nobody sees another's data or update.
///
/// Without `--data` the banks have made-up data, the same on every machine: loan applications, card transactions, prices, messages or documents.
#[derive(Debug, Parser)]
#[command(name = "veilsum-demo", version)]
struct Cli {
    /// Which made-up data the banks have
    #[arg(value_enum, default_value = "credit", conflicts_with = "data")]
    example: Example,
    /// Where to play; what an earlier demo left there is replaced
    #[arg(long, default_value = "target/demo")]
    dir: PathBuf,
    /// A table of your own, CSV or CSV.gz, or images as IDX, to deal out to the banks
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The labels of the images in --data, IDX
    #[arg(long, value_name = "IDX", requires = "data")]
    labels: Option<PathBuf>,
    /// The test fold, where it has a file of its own
    #[arg(long, value_name = "FILE", requires = "data")]
    test: Option<PathBuf>,
    /// The labels of the images in --test, IDX
    #[arg(long, value_name = "IDX", requires = "test")]
    test_labels: Option<PathBuf>,
    /// The task; by default the example's own, and for --data the loan task with --schema
    #[arg(long, value_name = "TOML")]
    task: Option<PathBuf>,
    /// The schema of --data, in place of the task's own
    #[arg(long, value_name = "TOML", requires = "data")]
    schema: Option<PathBuf>,
    /// Which row goes where: CSV with row, fold (train or test) and a column for each partition
    #[arg(long, value_name = "CSV", requires = "data", requires = "partition")]
    split: Option<PathBuf>,
    /// The column of --split with each row's bank, from 0
    #[arg(long, requires = "split")]
    partition: Option<String>,
    /// Rounds of training, in place of the task's own number
    #[arg(long)]
    rounds: Option<u32>,
    /// Gives the made-up data, the draw without --split, and the order of rows in the models to compare with
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Also train the same federation without masks, and compare
    #[arg(long)]
    compare_unmasked: bool,
    /// Judge the federated model alone: train none to compare with, which takes longer than the rounds where models are large
    #[arg(long, conflicts_with = "compare_unmasked")]
    federated_only: bool,
    /// Only train the federation without masks, in this process, and tell each round's figures
    #[arg(long)]
    trial: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let options = Options {
        dir: cli.dir,
        example: cli.example,
        data: cli.data,
        labels: cli.labels,
        test: cli.test,
        test_labels: cli.test_labels,
        task: cli.task,
        schema: cli.schema,
        split: cli.split,
        partition: cli.partition,
        rounds: cli.rounds,
        seed: cli.seed,
        compare_unmasked: cli.compare_unmasked,
        federated_only: cli.federated_only,
        trial: cli.trial,
    };
    match play(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(if matches!(error, DemoError::Usage(_)) {
                2
            } else {
                1
            })
        }
    }
}
