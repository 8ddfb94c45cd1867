//! The bank's program; see `veilsum-client --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    veilsum_client::cli::run()
}
