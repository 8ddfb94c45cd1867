//! Five banks train one credit model under masks, on this machine.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use veilsum_examples::demo::DemoError;
use veilsum_examples::demo::show::{Options, play};

/// A coordinator and five banks as separate processes train one credit model; nobody sees another's data or update.
///
/// Without `--data` the banks have made-up loan applications, the same on every machine.
#[derive(Debug, Parser)]
#[command(name = "veilsum-demo", version)]
struct Cli {
    /// Where to play; what an earlier demo left there is replaced
    #[arg(long, default_value = "target/demo")]
    dir: PathBuf,
    /// A table of your own, CSV or CSV.gz, to deal out to the banks
    #[arg(long, value_name = "CSV")]
    data: Option<PathBuf>,
    /// The task; by default the loan task, for --data with --schema
    #[arg(long, value_name = "TOML", requires = "data")]
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
    /// Gives the made-up applications, the draw without --split, and the order of rows in the models to compare with
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Also train the same federation without masks, and compare
    #[arg(long)]
    compare_unmasked: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let options = Options {
        dir: cli.dir,
        data: cli.data,
        task: cli.task,
        schema: cli.schema,
        split: cli.split,
        partition: cli.partition,
        rounds: cli.rounds,
        seed: cli.seed,
        compare_unmasked: cli.compare_unmasked,
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
