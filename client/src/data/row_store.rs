use std::fmt;

use super::row_file::{RowFile, Wanted};
use super::{DataError, Room};

/// Rows of one size as their bytes: in memory as far as the room goes, then in a file.
pub(super) struct RowStore {
    room: Room,
    /// Bytes of a row, at least 1.
    width: usize,
    /// The first rows.
    memory: Vec<u8>,
    /// The rows behind them.
    file: Option<RowFile>,
}

/// Rows that were read back from the file of a store, in the order in which they were asked for.
#[derive(Default)]
pub(super) struct ReadBack {
    wanted: Vec<Wanted>,
    rows: Vec<u8>,
    between: Vec<u8>,
    /// How many were taken.
    taken: usize,
}

impl RowStore {
    pub(super) fn new(room: &Room, width: usize) -> Self {
        Self {
            room: room.clone(),
            width: width.max(1),
            memory: Vec::new(),
            file: None,
        }
    }

    /// Puts rows behind the last.
    ///
    /// # Errors
    /// If they have no room in memory and none on the disk.
    pub(super) fn push(&mut self, rows: &[u8]) -> Result<(), DataError> {
        if let Some(file) = &mut self.file {
            return file.push(rows);
        }
        self.memory.extend_from_slice(rows);
        let most = self.room.memory();
        if self.memory.len() <= most {
            return Ok(());
        }
        let mut file = RowFile::create(&self.room.folder, self.width)?;
        let kept = most / 2 / self.width * self.width;
        file.push(&self.memory[kept..])?;
        self.memory.truncate(kept);
        self.memory.shrink_to_fit();
        self.file = Some(file);
        Ok(())
    }

    /// Lets all rows be read.
    ///
    /// # Errors
    /// If the disk does not take them.
    pub(super) fn finish(&mut self) -> Result<(), DataError> {
        match &mut self.file {
            Some(file) => file.flush(),
            None => Ok(()),
        }
    }

    /// How many rows may be read back at once within the room; `None` if all are in memory.
    pub(super) fn at_once(&self) -> Option<usize> {
        self.file.as_ref()?;
        Some(self.room.memory() / 2 / (self.width + size_of::<Wanted>() + size_of::<u32>()))
    }

    /// Reads those of `rows` that lie in the file. Each of `rows` is then to be [taken](Self::take), in this order.
    ///
    /// # Errors
    /// If the disk does not give them back.
    pub(super) fn read(&self, rows: impl Iterator<Item = u32>, into: &mut ReadBack) -> Result<(), DataError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let in_memory = (self.memory.len() / self.width) as u32;
        into.taken = 0;
        into.wanted.clear();
        let beyond = rows.filter_map(|row| row.checked_sub(in_memory));
        into.wanted
            .extend((0..).zip(beyond).map(|(place, row)| Wanted::new(row, place)));
        into.rows.resize(into.wanted.len() * self.width, 0);
        file.read(&mut into.wanted, &mut into.rows, &mut into.between)
    }

    /// The bytes of a row: one in memory, or the next of those that were read back.
    ///
    /// # Panics
    /// If there is no such row, or it was not read.
    pub(super) fn take<'a>(&'a self, row: u32, read: &'a mut ReadBack) -> &'a [u8] {
        let start = row as usize * self.width;
        if let Some(row) = self.memory.get(start..start + self.width) {
            return row;
        }
        let start = read.taken * self.width;
        read.taken += 1;
        &read.rows[start..start + self.width]
    }
}

impl fmt::Debug for RowStore {
    /// No row's values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStore")
            .field("width", &self.width)
            .field("bytes_in_memory", &self.memory.len())
            .field("has_file", &self.file.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WIDTH: usize = 4;

    fn store(memory_bytes: u64, folder: &std::path::Path) -> RowStore {
        let room = Room {
            memory_bytes,
            folder: folder.to_owned(),
        };
        let mut store = RowStore::new(&room, WIDTH);
        for rows in (0..1000_u32).collect::<Vec<_>>().chunks(30) {
            let bytes: Vec<u8> = rows.iter().flat_map(|row| row.to_ne_bytes()).collect();
            store.push(&bytes).unwrap();
        }
        store.finish().unwrap();
        store
    }

    #[test]
    fn rows_are_the_same_wherever_they_lie() {
        let folder = tempfile::tempdir().unwrap();
        for (memory_bytes, in_memory, at_once) in [
            (u64::MAX, 4000, None),
            (4000, 4000, None),
            // Half of the room is for rows, half for those that are read back, with 12 bytes to sort each of them by.
            (3999, 1996, Some(124)),
            (100, 48, Some(3)),
            (0, 0, Some(0)),
        ] {
            let store = store(memory_bytes, folder.path());
            assert_eq!((store.memory.len(), store.at_once()), (in_memory, at_once));
            let mut read = ReadBack::default();
            for asked in [
                vec![999, 0, 500, 500, 11, 13],
                (0..1000).rev().collect(),
                Vec::new(),
            ] {
                store.read(asked.iter().copied(), &mut read).unwrap();
                for row in asked {
                    assert_eq!(store.take(row, &mut read), row.to_ne_bytes());
                }
            }
            assert!(!format!("{store:?}").contains('['), "{store:?}");
        }
    }

    #[test]
    fn a_folder_that_takes_no_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let no_folder = folder.path().join("state");
        std::fs::write(&no_folder, "").unwrap();
        let room = Room {
            memory_bytes: 7,
            folder: no_folder.clone(),
        };
        let mut store = RowStore::new(&room, WIDTH);
        store.push(&[1; 4]).unwrap();
        let error = store.push(&[2; 4]).unwrap_err().to_string();
        let begins = format!(
            "{}: the rows beyond data.memory_bytes cannot be",
            no_folder.display()
        );
        assert!(error.starts_with(&begins), "{error}");
    }
}
