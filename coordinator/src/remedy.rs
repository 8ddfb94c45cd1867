//! What the operator can do about what the system says of a file: the end of a message, from "; " on, empty where nothing holds in
//! general.

use std::io::{Error, ErrorKind};

/// Input/output error (Linux, `asm-generic/errno-base.h`), for which the standard library has no stable kind.
const EIO: i32 = 5;

/// For a file that the daemon writes or reads while it works.
pub(crate) fn of_disk(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; free space on this disk and start the coordinator again: it goes on where it stopped"
        }
        ErrorKind::FileTooLarge => {
            "; raise the limit on the size of files (ulimit -f) and start the coordinator again: it goes on where it stopped"
        }
        ErrorKind::PermissionDenied => "; give the user of the coordinator access to it",
        ErrorKind::ReadOnlyFilesystem => "; the coordinator needs a folder that it may write to",
        _ if error.raw_os_error() == Some(EIO) => {
            "; the disk fails: look at the system's log, move the folder as it is to a good one, and start the coordinator again; never put an old copy of this folder back"
        }
        _ => "",
    }
}

/// For an upload that finds no room. The coordinator runs on, and the bank tries again until its round is over.
pub(crate) fn of_upload(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; free space on this disk: the bank tries again every few seconds, and drops out when its round goes on"
        }
        _ => of_disk(error),
    }
}

/// For a file of the operator's folder, which `init` makes.
pub(crate) fn of_folder(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "; run `veilsum-coordinator init`, or name the folder with --dir",
        ErrorKind::InvalidData => "; it must be text in UTF-8",
        _ => of_disk(error),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::atomic_file::WriteError;
    use crate::engine::ports::StoreError;

    #[test]
    fn a_full_disk_is_told_with_the_path_and_what_to_do() {
        let full = || Error::from(ErrorKind::StorageFull);
        let path = Path::new("data/blobs/ba");
        for text in [
            StoreError::io("write the file", path)(full()).to_string(),
            WriteError::at("write the file", path)(full()).to_string(),
        ] {
            for part in [
                "data/blobs/ba: cannot write the file",
                "free space",
                "it goes on where it stopped",
            ] {
                assert!(text.contains(part), "{text}");
            }
        }
    }
}
