//! What a whole round costs, over real processes on this machine.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use veilsum_examples::bench::{Options, Way, play};
use veilsum_examples::demo::{Keeper, Programs};

/// Whole rounds with next to no training: wall time, CPU of all processes, memory, bytes. Prints a Markdown table.
#[derive(Debug, Parser)]
#[command(name = "veilsum-bench-round", version)]
struct Cli {
    /// Where to play; what an earlier run left there is replaced
    #[arg(long, default_value = "target/bench-round")]
    dir: PathBuf,
    /// Banks, each a process of its own
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(3..=500))]
    banks: u16,
    /// Parameters of the model, about
    #[arg(long, default_value_t = 1_000_000)]
    parameters: u64,
    /// Rounds that are measured
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// By which way banks go
    #[arg(long, value_enum, default_value_t = Way::Quic)]
    way: Way,
    /// Through a network in this process that counts bytes, and makes them so many milliseconds late in each direction
    #[arg(long)]
    delay_ms: Option<u64>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let keeper = Keeper::default();
    let played = keeper
        .kill_all_when_interrupted()
        .and_then(|()| Programs::beside_this_one())
        .and_then(|programs| {
            let options = Options {
                dir: cli.dir,
                programs,
                banks: cli.banks,
                parameters: cli.parameters,
                rounds: cli.rounds,
                way: cli.way,
                delay: cli.delay_ms.map(Duration::from_millis),
            };
            play(&options, keeper)
        });
    match played {
        Ok(report) => {
            let _ = write!(std::io::stdout(), "{}", report.table());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
