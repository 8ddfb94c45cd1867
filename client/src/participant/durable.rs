//! Files that a crash leaves whole, and secrets that are overwritten before their file goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::remedy;

/// Bits of a file that only its owner may read.
pub(crate) const PRIVATE: u32 = 0o600;
/// Bits of a file that holds no secret.
pub(crate) const PUBLIC: u32 = 0o644;

/// A file of the bank could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}{}", path.display(), remedy::of_disk(error))]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system says.
    pub error: io::Error,
}

impl FileError {
    /// For `map_err` on `path`.
    pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self {
            path: path.clone(),
            error,
        }
    }
}

/// The file beside `path` with one more extension.
pub(super) fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// Writes a new file beside `path`, durably; what an earlier crash left there is replaced.
pub(crate) fn stage(path: &Path, mode: u32, content: &[u8]) -> Result<PathBuf, FileError> {
    let staged = beside(path, "new");
    wipe(&staged)?;
    create(&staged, mode, |file| file.write_all(content))?;
    Ok(staged)
}

/// Makes the file `path`, which must not exist, lets `fill` write it and makes its content durable.
pub(super) fn create(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), FileError> {
    let mut file = new_file(path, mode)?;
    fill(&mut file).map_err(FileError::at(path))?;
    settle(&file, path)
}

/// Makes the file `path`, which must not exist, to be written and then [settled](settle).
pub(super) fn new_file(path: &Path, mode: u32) -> Result<File, FileError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(FileError::at(path))
}

/// Makes the content of a file durable.
pub(super) fn settle(file: &File, path: &Path) -> Result<(), FileError> {
    file.sync_all().map_err(FileError::at(path))
}

/// Gives a staged file its name, durably.
pub(crate) fn promote(staged: &Path, path: &Path) -> Result<(), FileError> {
    fs::rename(staged, path).map_err(FileError::at(path))?;
    sync_folder(path)
}

/// Replaces a file that holds no secret: a reader sees the old content or the new one, also after a crash.
pub(crate) fn replace(path: &Path, mode: u32, content: &[u8]) -> Result<(), FileError> {
    promote(&stage(path, mode, content)?, path)
}

/// Makes the folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::at(path))
}

/// Makes the last rename in the folder of `path` durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), FileError> {
    // A bare name is in the working folder.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(FileError::at(folder))
}

/// Overwrites a file with zeros, durably, and removes it. Nothing to do if there is none.
pub(super) fn wipe(path: &Path) -> Result<(), FileError> {
    if zero(path)? {
        fs::remove_file(path).map_err(FileError::at(path))?;
    }
    Ok(())
}

/// Overwrites a file with zeros, durably; false if there is none.
pub(super) fn zero(path: &Path) -> Result<bool, FileError> {
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(FileError::at(path)(error)),
    };
    overwrite(&file).map_err(FileError::at(path))?;
    Ok(true)
}

fn overwrite(mut file: &File) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut left = file.metadata()?.len();
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(ZEROS.len()).min(ZEROS.len());
        file.write_all(&ZEROS[..count])?;
        left -= count as u64;
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_wiped_file_holds_zeros_for_those_who_still_have_it_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, vec![7; 100_000]).unwrap();
        let mut open = File::open(&path).unwrap();
        wipe(&path).unwrap();
        assert!(!path.exists());
        let mut content = Vec::new();
        open.read_to_end(&mut content).unwrap();
        assert_eq!(content, vec![0; 100_000]);
        wipe(&path).unwrap();
    }

    #[test]
    fn a_replaced_file_has_its_mode_and_leaves_nothing_beside_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(beside(&path, "new"), "left by a crash").unwrap();
        replace(&path, PRIVATE, b"one").unwrap();
        replace(&path, PRIVATE, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, PRIVATE);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_disk_says_what_to_do() {
        let error = FileError::at(Path::new("state/x"))(io::Error::from(ErrorKind::StorageFull)).to_string();
        assert!(
            error.starts_with("state/x: ") && error.contains("free space"),
            "{error}"
        );
    }
}
