//! What uploads and downloads cost beside the bare transport, on this machine.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use veilsum_examples::bench::transfer::{TransferOptions, measure};

/// Uploads and downloads of one vector by one bank and by many at once, over QUIC and over TCP, against the same transport with nothing on
/// top, and with a plain program that hashes and keeps what comes. Prints a Markdown table.
#[derive(Debug, Parser)]
#[command(name = "veilsum-bench-transport", version)]
struct Cli {
    /// Where to play; what an earlier run left there is replaced
    #[arg(long, default_value = "target/bench-transport")]
    dir: PathBuf,
    /// Banks at once
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(3..=500))]
    banks: u16,
    /// Bytes of a vector: 10 million digits of 20 bits
    #[arg(long, default_value_t = 25_000_000)]
    bytes: u64,
    /// How often each is done; the median counts
    #[arg(long, default_value_t = 5)]
    times: usize,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let options = TransferOptions {
        dir: cli.dir,
        banks: cli.banks,
        bytes: cli.bytes,
        times: cli.times,
    };
    match measure(&options) {
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
