use std::path::PathBuf;

/// Where the values of rows are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that they may take in memory. Rows beyond half of it, of a table that takes more, lie in a file; the other half is for rows
    /// that are read back.
    pub memory_bytes: u64,
    /// Where that file is made, if it is needed. It has no name there.
    pub folder: PathBuf,
}

impl Room {
    /// All in memory, however much it takes.
    pub fn in_memory() -> Self {
        Self {
            memory_bytes: u64::MAX,
            folder: PathBuf::new(),
        }
    }

    pub(super) fn memory(&self) -> usize {
        usize::try_from(self.memory_bytes).unwrap_or(usize::MAX)
    }
}
