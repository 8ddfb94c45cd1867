//! The files of made-up data: one table for each bank and one that nobody trains on.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Rows in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFiles {
    /// The table, or the images.
    pub rows: PathBuf,
    /// The labels of images, which stand in a file of their own.
    pub labels: Option<PathBuf>,
}

/// The files of one data set.
#[derive(Clone, Debug)]
pub struct Files {
    /// One table per bank, in the order of the banks.
    pub banks: Vec<TableFiles>,
    /// The common test fold.
    pub test: TableFiles,
}

/// Who has a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BankAbout {
    /// Short name, also the stem of its file.
    pub name: &'static str,
    /// What kind of bank it is, for people.
    pub about: &'static str,
}

/// Why a data set could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The folder could not be made.
    #[error("{path}: cannot make the folder: {source}; choose a folder that you may write to")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("{path}: cannot write: {source}; check the free space and your rights there")]
    File {
        /// The file.
        path: PathBuf,
        /// What the writer said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TableFiles {
    /// A table with its labels in it.
    pub fn table(rows: PathBuf) -> Self {
        Self { rows, labels: None }
    }
}

impl WriteError {
    pub(crate) fn file<E: std::error::Error + Send + Sync + 'static>(path: &Path) -> impl Fn(E) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            path: path.clone(),
            source: Box::new(source),
        }
    }
}

/// Makes a folder, if it is not there.
pub(crate) fn make_folder(folder: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(folder).map_err(|source| WriteError::Folder {
        path: folder.to_owned(),
        source,
    })
}

/// Writes rows with a header line, named after the fields.
pub(crate) fn write_csv<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), WriteError> {
    let mut file = csv::Writer::from_path(path).map_err(WriteError::file(path))?;
    for row in rows {
        file.serialize(row).map_err(WriteError::file(path))?;
    }
    file.flush().map_err(WriteError::file(path))
}

/// Writes `folder/<bank>.csv` for every bank and `folder/test.csv`. Makes the folder.
pub(crate) fn write_tables<T: Serialize>(
    folder: &Path,
    banks: impl IntoIterator<Item = (&'static str, Vec<T>)>,
    test: &[T],
) -> Result<Files, WriteError> {
    make_folder(folder)?;
    let mut tables = Vec::new();
    for (name, rows) in banks {
        let path = folder.join(format!("{name}.csv"));
        write_csv(&path, &rows)?;
        tables.push(TableFiles::table(path));
    }
    let path = folder.join("test.csv");
    write_csv(&path, test)?;
    Ok(Files {
        banks: tables,
        test: TableFiles::table(path),
    })
}
