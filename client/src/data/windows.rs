/// Of each row the rows that a model is given for it: itself and the last ones of its group before it, oldest first. No row is
/// kept more than once for that: a window is a place in the order of all rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    steps: usize,
    /// All rows, group by group, each in the order of time.
    order: Vec<u32>,
    /// Where each row stands in the order.
    places: Vec<u32>,
    /// How many rows its window has, 1 to 1024.
    lengths: Vec<u16>,
    /// Whether it is the last of its group.
    last: Vec<bool>,
}

impl Windows {
    /// For so many rows, of which no group is known yet.
    pub(super) fn new(steps: usize, rows: usize) -> Self {
        Self {
            steps,
            order: Vec::with_capacity(rows),
            places: vec![0; rows],
            lengths: vec![0; rows],
            last: vec![false; rows],
        }
    }

    /// Takes the rows of a group, in the order of time.
    ///
    /// # Panics
    /// If there is no such row.
    pub(super) fn push_group(&mut self, rows: impl Iterator<Item = u32>) {
        let mut last = None;
        for (before, row) in rows.enumerate() {
            let at = row as usize;
            self.places[at] = self.order.len() as u32;
            self.lengths[at] = self.steps.min(before + 1) as u16;
            self.order.push(row);
            last = Some(at);
        }
        if let Some(last) = last {
            self.last[last] = true;
        }
    }

    /// Rows that a window has at most.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// The rows of a row's window, itself being the last.
    ///
    /// # Panics
    /// If there is no such row.
    pub(super) fn of(&self, row: usize) -> &[u32] {
        let end = self.places[row] as usize + 1;
        &self.order[end - usize::from(self.lengths[row])..end]
    }

    /// Whether the row is the last of its group.
    ///
    /// # Panics
    /// If there is no such row.
    pub(super) fn is_last(&self, row: usize) -> bool {
        self.last[row]
    }
}
