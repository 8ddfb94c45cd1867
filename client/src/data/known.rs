//! What short cells say that were seen of late, so that a column with few values is looked at once for each of them.

use super::source::Short;

/// Places, a power of two, so that a few hundred values seldom fall on one.
const PLACES: usize = 1024;

/// Cells after which it is judged whether knowing them pays.
const ENOUGH: u64 = 1 << 13;

/// Cells of one column with what each says, and how often they were met again.
pub(super) struct KnownCells {
    /// The first cell that fell on each place. Empty once it does not pay.
    places: Vec<Known>,
    asked: u64,
    unknown: u64,
}

/// A cell that is known.
#[derive(Clone, Copy)]
pub(super) struct Known {
    key: [u64; 2],
    /// Bits of what it says.
    says: u32,
    /// How often it was met again.
    pub(super) times: u32,
}

/// Of no cell: it would have more bytes than there are.
const NONE: Known = Known {
    key: [u64::MAX; 2],
    says: 0,
    times: 0,
};

impl Known {
    /// The cell.
    pub(super) fn cell(self) -> Option<Short> {
        Short::of_key(self.key)
    }
}

impl KnownCells {
    pub(super) fn new() -> Self {
        Self {
            places: vec![NONE; PLACES],
            asked: 0,
            unknown: 0,
        }
    }

    /// Of so few cells that it cannot pay.
    pub(super) fn none() -> Self {
        Self {
            places: Vec::new(),
            asked: 0,
            unknown: 0,
        }
    }

    /// Whether it still pays.
    pub(super) fn pays(&self) -> bool {
        !self.places.is_empty()
    }

    /// What the cell says, if it is known; it counts as met again.
    #[inline]
    pub(super) fn meet(&mut self, cell: Short) -> Option<u32> {
        let key = cell.key();
        let known = self.places.get_mut(place(key)).filter(|known| known.key == key)?;
        known.times = known.times.checked_add(1)?;
        Some(known.says)
    }

    /// Knows a cell, unless its place is taken.
    pub(super) fn learn(&mut self, cell: Short, says: u32) {
        let key = cell.key();
        let free = self.places.get_mut(place(key));
        if let Some(free) = free.filter(|known| known.key == NONE.key) {
            let times = 0;
            *free = Known { key, says, times };
        }
    }

    /// So many cells were asked for since it was told last, and so many of them were not known. Gives what is not known any longer, which is all where
    /// that was most of them.
    pub(super) fn judge(&mut self, asked: usize, unknown: usize) -> Vec<Known> {
        self.asked += asked as u64;
        self.unknown += unknown as u64;
        if self.asked < ENOUGH || 2 * self.unknown < self.asked {
            return Vec::new();
        }
        self.forget()
    }

    /// Gives everything that is known, and knows nothing from now on.
    pub(super) fn forget(&mut self) -> Vec<Known> {
        std::mem::take(&mut self.places)
    }
}

/// Any even spread would do.
#[inline]
fn place([low, high]: [u64; 2]) -> usize {
    let spread = (low.rotate_left(32) ^ high).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread >> (u64::BITS - PLACES.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_cell_is_unknown_or_met_again() {
        let mut known = KnownCells::new();
        let mut asked: HashMap<String, u32> = HashMap::new();
        let mut unknown: HashMap<String, u32> = HashMap::new();
        for row in 0..50_000_u32 {
            let text = (row * row % 977 * 31).to_string();
            *asked.entry(text.clone()).or_default() += 1;
            let Some(cell) = Short::new(text.as_bytes()) else {
                continue;
            };
            let says = text.len() as u32;
            match known.meet(cell) {
                Some(said) => assert_eq!(said, says),
                None => {
                    known.learn(cell, says);
                    *unknown.entry(text).or_default() += 1;
                }
            }
        }
        assert!(unknown.len() > 300 && unknown.values().sum::<u32>() < 25_000);
        for known in known.forget() {
            let Some(cell) = known.cell() else {
                continue;
            };
            *unknown.entry(cell.with_text(str::to_owned)).or_default() += known.times;
        }
        assert_eq!(unknown, asked);
        assert!(!known.pays());
    }

    #[test]
    fn a_column_where_cells_differ_is_given_up() {
        let mut known = KnownCells::new();
        assert!(known.judge(5000, 5000).is_empty() && known.pays());
        assert_eq!(known.judge(5000, 5000).len(), PLACES);
        let mut few = KnownCells::new();
        assert!(few.judge(10_000, 4000).is_empty() && few.pays());
    }
}
