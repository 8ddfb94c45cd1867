//! The auditor's program; see `veilsum-auditor --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    veilsum_auditor::cli::run()
}
