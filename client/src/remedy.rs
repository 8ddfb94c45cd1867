//! What the bank's operator can do about what the system says of a file.

use std::io::Error;

use veilsum_settings::{Program, remedy};

pub(crate) use remedy::of_disk;

/// For a file of the bank's folder, which `init` makes.
pub(crate) fn of_folder(error: &Error) -> &'static str {
    remedy::of_folder(Program::Client, error)
}
