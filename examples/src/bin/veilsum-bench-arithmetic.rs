//! What masks, sums and shares cost on this machine.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use veilsum_examples::arithmetic::{ArithmeticError, growth, measure, measured};

/// What masks, sums and shares cost, each against what this machine allows in the same minute. Prints Markdown tables.
#[derive(Debug, Parser)]
#[command(name = "veilsum-bench-arithmetic", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every step beside its limit
    Steps {
        /// For files of 50 MB, which are removed. Linux keeps /dev/shm in memory, so that no disk is measured
        #[arg(long, default_value = "/dev/shm")]
        dir: PathBuf,
    },
    /// How cost grows with banks and parameters
    Growth {
        /// Greatest number of parameters; 100,000,000 takes 1.5 GB of memory
        #[arg(long, default_value_t = 100_000_000)]
        parameters: usize,
        /// Where the picture goes, as SVG
        #[arg(long)]
        picture: Option<PathBuf>,
    },
}

fn run(command: Command) -> Result<(), ArithmeticError> {
    let mut say = |line: &str| {
        // Whoever reads may have gone.
        let _ = writeln!(std::io::stdout(), "{line}");
    };
    match command {
        Command::Steps { dir } => {
            std::fs::create_dir_all(&dir)?;
            let folder = tempfile::tempdir_in(dir)?;
            measure(folder.path(), &mut say)
        }
        Command::Growth { parameters, picture } => {
            let growth = growth(parameters, &mut say)?;
            match picture {
                Some(path) => Ok(std::fs::write(path, growth.picture()?)?),
                None => Ok(()),
            }
        }
    }
}

fn main() -> ExitCode {
    if measured() {
        return ExitCode::SUCCESS;
    }
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
