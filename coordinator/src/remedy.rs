//! What the operator can do about what the system says of a file.

use std::io::Error;

use veilsum_settings::{Program, remedy};

pub(crate) use remedy::of_disk;

/// For a file of the operator's folder, which `init` makes.
pub(crate) fn of_folder(error: &Error) -> &'static str {
    remedy::of_folder(Program::Coordinator, error)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
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
