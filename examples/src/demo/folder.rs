//! Folders that are made anew for each run, and that hold nothing of anybody else.

use std::fs;
use std::path::Path;

use super::DemoError;

/// Makes the folder `dir`, empty but for the file `marker`, in the place of one with that file from an earlier run.
///
/// # Errors
/// [`DemoError::Usage`] if something of somebody else's is there.
pub(crate) fn make_anew(dir: &Path, marker: &str) -> Result<(), DemoError> {
    let marker = dir.join(marker);
    if marker.is_file() {
        fs::remove_dir_all(dir).map_err(DemoError::file(dir))?;
    } else if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(DemoError::Usage(format!(
            "{}: found a folder that this program did not make, expected an empty or a new one; choose another with --dir",
            dir.display()
        )));
    }
    fs::create_dir_all(dir).map_err(DemoError::file(dir))?;
    fs::write(&marker, "").map_err(DemoError::file(&marker))
}
