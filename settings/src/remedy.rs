//! What can be done about what the system says of a file: the end of a message, from "; " on, empty where nothing holds in general.

use std::io::{Error, ErrorKind};

use crate::Program;

/// Input/output error (Linux, `asm-generic/errno-base.h`), for which the standard library has no stable kind.
const EIO: i32 = 5;

/// For a file that a daemon writes or reads while it works.
pub fn of_disk(error: &Error) -> &'static str {
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
            "; the disk fails: look at the system's log, move the folder as it is to a good one, and start the daemon again; never put an old copy of the folder back"
        }
        _ => "",
    }
}

/// For a file of the program's folder, which its `init` makes.
pub fn of_folder(program: Program, error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => match program {
            Program::Coordinator => "; run `veilsum-coordinator init`, or name the folder with --dir",
            Program::Client => "; run `veilsum-client init`, or name the folder with --dir",
        },
        ErrorKind::InvalidData => "; it must be text in UTF-8",
        _ => of_disk(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_disk_is_told_from_a_full_one_by_what_the_system_says() {
        // Linux, `asm-generic/errno-base.h` and `errno.h`.
        for (number, part) in [
            (5, "never put an old copy"),
            (13, "access"),
            (27, "ulimit -f"),
            (28, "free space"),
            (30, "may write to"),
            (122, "free space"),
        ] {
            let error = Error::from_raw_os_error(number);
            assert!(of_disk(&error).contains(part), "{error}: {}", of_disk(&error));
            assert_eq!(of_folder(Program::Client, &error), of_disk(&error));
        }
        assert_eq!(of_disk(&Error::from_raw_os_error(2)), "");
        let missing = |program| of_folder(program, &Error::from_raw_os_error(2));
        assert!(missing(Program::Client).contains("`veilsum-client init`"));
        assert!(missing(Program::Coordinator).contains("`veilsum-coordinator init`"));
    }
}
