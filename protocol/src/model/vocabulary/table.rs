//! The second round: a table whose sum gives the values back.

use super::{LEAST_CELLS, LONGEST, PARTS, Support, digest, place, taken, word};
use crate::ids::Digest;
use crate::task::VocabularySpec;

/// Sums of all values in each cell, of one bank or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Table {
    /// Shape `[cells]`: how many values.
    pub(in crate::model) counts: Vec<u64>,
    /// Shape `[cells, 64]`: sums of the values' bytes, which are 0 behind a value's end.
    pub(in crate::model) bytes: Vec<u64>,
    /// Shape `[cells]`: sums of their checks, of 32 bits each.
    pub(in crate::model) checks: Vec<u64>,
}

/// Where a value stands, and what proves it.
struct Entry {
    cells: [usize; PARTS],
    check: u64,
}

impl Table {
    fn cells_of_part(spec: VocabularySpec) -> usize {
        usize::from(spec.most).max(LEAST_CELLS)
    }

    /// Cells of a column.
    pub(in crate::model) fn cells(spec: VocabularySpec) -> usize {
        PARTS * Self::cells_of_part(spec)
    }

    /// Bytes of a column's cells.
    pub(in crate::model) fn bytes(spec: VocabularySpec) -> usize {
        LONGEST * Self::cells(spec)
    }

    /// A bank's part for one column: those of its values that have support.
    pub(in crate::model) fn part(
        spec: VocabularySpec,
        task: &Digest,
        column: usize,
        values: &[String],
        support: &Support,
    ) -> Self {
        let mut table = Self {
            counts: vec![0; Self::cells(spec)],
            bytes: vec![0; Self::bytes(spec)],
            checks: vec![0; Self::cells(spec)],
        };
        let supported = taken(spec, values).filter(|value| support.has(spec, task, column, value));
        for value in supported {
            let entry = Entry::of(spec, task, column, value);
            for cell in entry.cells {
                table.put(cell, value, entry.check);
            }
        }
        table
    }

    fn put(&mut self, cell: usize, value: &str, check: u64) {
        let Some((count, check_sum, bytes)) = self.cell(cell) else {
            return;
        };
        *count += 1;
        *check_sum += check;
        bytes
            .iter_mut()
            .zip(value.bytes())
            .for_each(|(sum, byte)| *sum += u64::from(byte));
    }

    fn cell(&mut self, cell: usize) -> Option<(&mut u64, &mut u64, &mut [u64])> {
        Some((
            self.counts.get_mut(cell)?,
            self.checks.get_mut(cell)?,
            self.bytes.get_mut(cell * LONGEST..(cell + 1) * LONGEST)?,
        ))
    }

    /// The values that come out of the sum and that at least `support` banks put in: the most widespread first, then by their bytes, at most
    /// `most`.
    pub(in crate::model) fn values(
        mut self,
        spec: VocabularySpec,
        task: &Digest,
        column: usize,
    ) -> Vec<String> {
        let mut found: Vec<(u64, String)> = Vec::new();
        let mut waiting: Vec<usize> = (0..self.counts.len()).collect();
        // A value leaves its cells when it comes out, so it comes out once.
        while let Some(cell) = waiting.pop() {
            let Some((count, value, entry)) = self.single(spec, task, column, cell) else {
                continue;
            };
            if !entry
                .cells
                .iter()
                .all(|cell| self.holds(*cell, count, &value, entry.check))
            {
                continue;
            }
            for cell in entry.cells {
                self.take(cell, count, &value, entry.check);
                waiting.push(cell);
            }
            if found.iter().all(|(_, known)| *known != value) {
                found.push((count, value));
            }
        }
        found.retain(|(count, _)| *count >= u64::from(spec.support));
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        found.truncate(usize::from(spec.most));
        found.into_iter().map(|(_, value)| value).collect()
    }

    /// The one value of a cell, and how many banks put it there; none if the cell is empty or holds several.
    fn single(
        &mut self,
        spec: VocabularySpec,
        task: &Digest,
        column: usize,
        cell: usize,
    ) -> Option<(u64, String, Entry)> {
        let (count, check, bytes) = self.cell(cell)?;
        let count = *count;
        let divided = |sum: &u64| (count > 0 && sum.is_multiple_of(count)).then(|| sum / count);
        let check = divided(check)?;
        let bytes = bytes
            .iter()
            .map(|sum| divided(sum).and_then(|byte| u8::try_from(byte).ok()));
        let bytes = bytes.collect::<Option<Vec<u8>>>()?;
        let end = bytes.iter().rposition(|byte| *byte != 0)? + 1;
        let value = std::str::from_utf8(bytes.get(..end)?).ok()?.to_owned();
        if value.chars().any(char::is_control) || value.trim() != value {
            return None;
        }
        let entry = Entry::of(spec, task, column, &value);
        (entry.check == check && entry.cells.contains(&cell)).then_some((count, value, entry))
    }

    /// Whether a cell can hold so many of a value, so that taking it out leaves no less than nothing.
    fn holds(&mut self, cell: usize, count: u64, value: &str, check: u64) -> bool {
        let needed = |one: u64| count.checked_mul(one);
        let Some((found, check_sum, bytes)) = self.cell(cell) else {
            return false;
        };
        let enough = |sum: &u64, one: u64| needed(one).is_some_and(|needed| *sum >= needed);
        *found >= count
            && enough(check_sum, check)
            && bytes
                .iter()
                .zip(value.bytes())
                .all(|(sum, byte)| enough(sum, u64::from(byte)))
    }

    fn take(&mut self, cell: usize, count: u64, value: &str, check: u64) {
        let Some((found, check_sum, bytes)) = self.cell(cell) else {
            return;
        };
        *found -= count;
        *check_sum -= count * check;
        bytes
            .iter_mut()
            .zip(value.bytes())
            .for_each(|(sum, byte)| *sum -= count * u64::from(byte));
    }
}

impl Entry {
    fn of(spec: VocabularySpec, task: &Digest, column: usize, value: &str) -> Self {
        let digest = digest(task, column, 2, value);
        let cells = Table::cells_of_part(spec);
        Self {
            cells: std::array::from_fn(|part| part * cells + place(word(&digest, part), cells)),
            check: u64::from(word(&digest, PARTS)),
        }
    }
}
