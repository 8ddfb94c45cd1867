use std::path::PathBuf;

/// Where a bank's rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFiles {
    /// The table, or the images.
    pub file: PathBuf,
    /// The labels of images, which stand in a file of their own; `None` beside a table.
    pub labels: Option<PathBuf>,
}

impl From<PathBuf> for DataFiles {
    fn from(file: PathBuf) -> Self {
        Self { file, labels: None }
    }
}
