//! A consortium of many banks under load, on this machine.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use veilsum_examples::demo::DemoError;
use veilsum_examples::load::idle::{IdleOptions, hold};
use veilsum_examples::load::{Options, play};

/// Many banks as real processes or connections: what the coordinator needs for them, against its limits.
#[derive(Debug, Parser)]
#[command(name = "veilsum-load", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Rounds of training with large updates, while banks are killed in every phase and come back
    Rounds {
        /// Where to play; what an earlier run left there is replaced
        #[arg(long, default_value = "target/load")]
        dir: PathBuf,
        /// Banks, each a process of its own with some 120 MiB
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(3..=500))]
        banks: u16,
        /// Parameters of the model, about
        #[arg(long, default_value_t = 1_000_000)]
        parameters: u64,
        /// Rounds of training
        #[arg(long, default_value_t = 50)]
        rounds: u32,
        /// Of the banks that take part, how many are killed in every phase, in percent
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=50))]
        drop: u8,
        /// Gives the banks that are killed
        #[arg(long, default_value_t = 7)]
        seed: u64,
    },
    /// Connections that do nothing
    Idle {
        /// Where to play; what an earlier run left there is replaced
        #[arg(long, default_value = "target/load")]
        dir: PathBuf,
        /// Banks: a roster has at most 500
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(3..=500))]
        banks: u16,
        /// Connections by TCP that never say a word
        #[arg(long, default_value_t = 500)]
        strangers: usize,
        /// How long they are held, in seconds
        #[arg(long, default_value_t = 60)]
        hold: u64,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Rounds {
            dir,
            banks,
            parameters,
            rounds,
            drop,
            seed,
        } => play(&Options {
            dir,
            banks,
            parameters,
            rounds,
            drop_percent: drop.into(),
            seed,
        })
        .map(|report| (report.table(), report.holds())),
        Command::Idle {
            dir,
            banks,
            strangers,
            hold: seconds,
        } => hold(&IdleOptions {
            dir,
            banks,
            strangers,
            hold: Duration::from_secs(seconds),
        })
        .map(|report| (report.table(), report.holds())),
    };
    match outcome {
        Ok((table, holds)) => {
            let _ = write!(std::io::stdout(), "{table}");
            let _ = writeln!(
                std::io::stdout(),
                "{}",
                if holds {
                    "every limit holds"
                } else {
                    "A LIMIT DOES NOT HOLD"
                }
            );
            ExitCode::from(u8::from(!holds))
        }
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
