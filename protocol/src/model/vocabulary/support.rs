//! The first round: which cells have support.

use super::{SUPPORT_CELLS, SUPPORT_TABLES, digest, place, taken, word};
use crate::ids::Digest;
use crate::task::VocabularySpec;

/// For each cell of a column's tables whether at least `support` banks have a value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Support {
    /// One bit a cell, eight to a byte, the least significant first; the tables one after another.
    pub(super) bits: Vec<u8>,
}

impl Support {
    /// Cells of one table.
    fn cells(spec: VocabularySpec) -> usize {
        SUPPORT_CELLS * usize::from(spec.most)
    }

    /// Counts of a column in the first round's sum.
    pub(in crate::model) fn size(spec: VocabularySpec) -> usize {
        SUPPORT_TABLES * Self::cells(spec)
    }

    /// A bank's part for one column: 1 in each cell that one of its values has; `column` is its place in the schema.
    pub(in crate::model) fn part(
        spec: VocabularySpec,
        task: &Digest,
        column: usize,
        values: &[String],
    ) -> Vec<u64> {
        let mut cells = vec![0; Self::size(spec)];
        for value in taken(spec, values) {
            for place in places(spec, task, column, value) {
                if let Some(cell) = cells.get_mut(place) {
                    *cell = 1;
                }
            }
        }
        cells
    }

    /// From the sums of a column's cells.
    pub(in crate::model) fn of(spec: VocabularySpec, sums: &[u64]) -> Self {
        let bits = sums.chunks(8).map(|sums| {
            let supported = |sum: &u64| *sum >= u64::from(spec.support);
            sums.iter()
                .enumerate()
                .fold(0, |byte, (at, sum)| byte | u8::from(supported(sum)) << at)
        });
        Self { bits: bits.collect() }
    }

    /// Whether all cells of a value have support.
    pub(super) fn has(&self, spec: VocabularySpec, task: &Digest, column: usize, value: &str) -> bool {
        let bit = |place: usize| {
            self.bits
                .get(place / 8)
                .is_some_and(|byte| byte >> (place % 8) & 1 == 1)
        };
        places(spec, task, column, value).into_iter().all(bit)
    }
}

/// The cells of a value, one in each table.
fn places(spec: VocabularySpec, task: &Digest, column: usize, value: &str) -> [usize; SUPPORT_TABLES] {
    let digest = digest(task, column, 1, value);
    let cells = Support::cells(spec);
    std::array::from_fn(|table| table * cells + place(word(&digest, table), cells))
}
