//! Files that are there as a whole or not at all, also after a loss of power.
//!
//! A write is: a temporary name in the same folder, fsync, rename, fsync of the folder. After an error of fsync the kernel
//! may have dropped what it could not write, so asking again proves nothing: every error here is fatal to the caller.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::remedy;

/// Ending of the temporary names. A file with this ending is left over from a crash and can be removed.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// Why a file is not, or not certainly, on the disk.
#[derive(Debug, Error)]
#[error("{}: cannot {action}: {source}{}", path.display(), remedy::of_disk(source))]
pub struct WriteError {
    /// What was being done.
    pub action: &'static str,
    /// File or folder it was done to.
    pub path: PathBuf,
    /// The system's reason.
    pub source: io::Error,
}

impl WriteError {
    pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// Writes `bytes` to `path`, in place of what was there, and returns when they are durable. The folder must exist. One
/// writer per path at a time.
///
/// # Errors
/// Says which step failed, on which path. The old contents are still there then, or the new ones.
pub fn durable_write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let temporary = temporary_name(path);
    let mut file = File::create(&temporary).map_err(WriteError::at("create the file", &temporary))?;
    file.write_all(bytes)
        .map_err(WriteError::at("write the file", &temporary))?;
    file.sync_all()
        .map_err(WriteError::at("fsync the file", &temporary))?;
    drop(file);
    durable_rename(&temporary, path)
}

/// Renames a file whose contents are durable, over what was at `to`, and returns when the new name is durable. Both are in
/// one file system.
///
/// # Errors
/// As [`durable_write`].
pub fn durable_rename(from: &Path, to: &Path) -> Result<(), WriteError> {
    fs::rename(from, to).map_err(WriteError::at("rename the file", from))?;
    sync_folder(folder_of(to))
}

/// Creates a folder and those above it, and returns when their names are durable.
///
/// # Errors
/// Says which step failed, on which path.
pub fn durable_create_folder(path: &Path) -> Result<(), WriteError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = folder_of(path);
    durable_create_folder(above)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        result => result.map_err(WriteError::at("create the folder", path))?,
    }
    sync_folder(above)
}

/// Makes the names in a folder durable: which files it has, and which it has no longer.
///
/// # Errors
/// The folder cannot be opened, or fsync fails.
pub fn sync_folder(path: &Path) -> Result<(), WriteError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(WriteError::at("fsync the folder", path))
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(TEMPORARY_SUFFIX);
    name.into()
}

/// The folder that a path is in; a bare name is in the working folder.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) => Path::new("."),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_is_replaced_and_no_temporary_name_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        for contents in [&b"first"[..], b"", b"the third, which is longer"] {
            durable_write(&path, contents).unwrap();
            assert_eq!(fs::read(&path).unwrap(), contents);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_crash_left_under_the_temporary_name_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(temporary_name(&path), b"torn and much longer than what comes").unwrap();
        durable_write(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn folders_are_created_down_to_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("x001/x234");
        durable_create_folder(&deep).unwrap();
        durable_create_folder(&deep).unwrap();
        assert!(deep.is_dir());
    }

    #[test]
    fn an_error_names_the_step_and_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/a");
        let error = durable_write(&path, b"x").unwrap_err().to_string();
        assert!(
            error.contains("cannot create the file") && error.contains("missing/a"),
            "{error}"
        );
        fs::write(folder.path().join("file"), b"").unwrap();
        let error = durable_create_folder(&folder.path().join("file/b"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("folder"), "{error}");
    }

    #[test]
    fn a_bare_name_is_in_the_working_folder() {
        assert_eq!(folder_of(Path::new("a")), Path::new("."));
        assert_eq!(folder_of(Path::new("/")), Path::new("/"));
        assert_eq!(folder_of(Path::new("/a/b")), Path::new("/a"));
    }
}
