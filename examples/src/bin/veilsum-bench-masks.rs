//! What masks cost in whole rounds, over real processes on this machine.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use veilsum_examples::bench::Way;
use veilsum_examples::bench::masks::{MasksOptions, compare};

/// Whole rounds with masks, in turns with rounds of programs that apply none: `scripts/bench-unmasked` builds those and starts this. Prints a
/// Markdown table.
#[derive(Debug, Parser)]
#[command(name = "veilsum-bench-masks", version)]
struct Cli {
    /// Where to play; what an earlier run left there is replaced
    #[arg(long, default_value = "target/bench-masks")]
    dir: PathBuf,
    /// Banks, each a process of its own
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(3..=500))]
    banks: u16,
    /// Parameters of the model, about
    #[arg(long, default_value_t = 1_000_000)]
    parameters: u64,
    /// Rounds that are measured in each turn
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Turns
    #[arg(long, default_value_t = 5)]
    turns: usize,
    /// By which way banks go
    #[arg(long, value_enum, default_value_t = Way::Quic)]
    way: Way,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let compared = compare(&MasksOptions {
        dir: cli.dir,
        banks: cli.banks,
        parameters: cli.parameters,
        rounds: cli.rounds,
        turns: cli.turns,
        way: cli.way,
    });
    match compared {
        Ok(table) => {
            let _ = write!(std::io::stdout(), "{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
