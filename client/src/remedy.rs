//! What the bank's operator can do about what the system says of a file: the end of a message, from "; " on, empty where nothing
//! holds in general.

use std::io::{Error, ErrorKind};

/// Input/output error (Linux, `asm-generic/errno-base.h`), for which the standard library has no stable kind.
const EIO: i32 = 5;

/// For a file that the daemon writes or reads while it works.
pub(crate) fn of_disk(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; free space on this disk and start the daemon again: it goes on where it stopped"
        }
        ErrorKind::FileTooLarge => {
            "; raise the limit on the size of files (ulimit -f) and start the daemon again: it goes on where it stopped"
        }
        ErrorKind::PermissionDenied => "; give the user of the daemon access to it",
        ErrorKind::ReadOnlyFilesystem => "; the daemon needs a folder that it may write to",
        _ if error.raw_os_error() == Some(EIO) => {
            "; the disk fails: look at the system's log, move the folder as it is to a good one, and start the daemon again; never put an old copy of the state back"
        }
        _ => "",
    }
}

/// For a file of the bank's folder, which `init` makes.
pub(crate) fn of_folder(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "; run `veilsum-client init`, or name the folder with --dir",
        ErrorKind::InvalidData => "; it must be text in UTF-8",
        _ => of_disk(error),
    }
}
