//! The operator's program; see `veilsum-coordinator --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    veilsum_coordinator::cli::run()
}
