//! The bank's own values of categories whose values the banks find out among each other.

use std::collections::HashMap;

use veilsum_protocol::task::Schema;

use super::moment::Moment;
use super::split::Side;

/// Different values of a column that each thread remembers; of a column with more, those that come later count as any other.
const MOST: usize = 1 << 16;

/// Cells of each value, and in which rows it stands.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Cells in rows to train on; by time, in all rows.
    cells: u64,
    /// The first moment, where the split is by time.
    earliest: Option<Moment>,
}

/// The values of each open column.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenValues {
    /// Places of the open columns in the schema.
    columns: Vec<usize>,
    seen: Vec<HashMap<String, Seen>>,
}

impl OpenValues {
    pub(super) fn of(schema: &Schema) -> Self {
        let columns: Vec<usize> = schema.open_columns().map(|(at, _)| at).collect();
        Self {
            seen: vec![HashMap::new(); columns.len()],
            columns,
        }
    }

    /// Whether the schema has no open column.
    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Puts together what two threads saw of the same columns.
    pub(super) fn merge(mut self, other: Self) -> Self {
        for (mine, theirs) in self.seen.iter_mut().zip(other.seen) {
            for (value, seen) in theirs {
                let known = mine.entry(value).or_default();
                known.cells += seen.cells;
                known.earliest = match (known.earliest, seen.earliest) {
                    (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
                    (mine, theirs) => mine.or(theirs),
                };
            }
        }
        self
    }

    /// One more cell of a column of the schema, in a row on this side.
    pub(super) fn see(&mut self, column: usize, cell: &str, missing: &[String], side: Side) {
        let Some(at) = self.columns.iter().position(|open| *open == column) else {
            return;
        };
        let moment = match side {
            Side::HeldOut => return,
            Side::Training => None,
            Side::At(moment) => Some(moment),
        };
        if missing.iter().any(|missing| missing == cell) {
            return;
        }
        let Some(values) = self.seen.get_mut(at) else {
            return;
        };
        if !values.contains_key(cell) {
            if values.len() == MOST {
                return;
            }
            values.insert(cell.to_owned(), Seen::default());
        }
        let Some(known) = values.get_mut(cell) else {
            return;
        };
        known.cells += 1;
        known.earliest = match (known.earliest, moment) {
            (Some(earliest), Some(moment)) if earliest <= moment => Some(earliest),
            (earliest, None) => earliest,
            (_, moment) => moment,
        };
    }

    /// Forgets values that stand in rows from `first` on alone: those are held out.
    pub(super) fn keep_before(&mut self, first: Moment) {
        for values in &mut self.seen {
            values.retain(|_, seen| seen.earliest.is_none_or(|earliest| earliest < first));
        }
    }

    /// For each open column the values, the most frequent first, then by their text.
    pub(super) fn values(&self) -> Vec<Vec<String>> {
        let sorted = self.seen.iter().map(|values| {
            let mut values: Vec<_> = values.iter().collect();
            values.sort_by(|a, b| b.1.cells.cmp(&a.1.cells).then_with(|| a.0.cmp(b.0)));
            values.into_iter().map(|(value, _)| value.clone()).collect()
        });
        sorted.collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_of_rows_to_train_on_by_how_many_cells_have_them() {
        let schema = Schema::parse(
            "version = 1\nlabel = \"y\"\n[[column]]\nname = \"plain\"\ntype = \"category\"\nvalues = [\"a\", \"b\"]\n\
             [[column]]\nname = \"job\"\ntype = \"category\"\nvocabulary = { support = 3, most = 4 }\n",
        )
        .unwrap();
        let missing = [String::new(), "NA".to_owned()];
        let mut open = OpenValues::of(&schema);
        for (cell, side) in [
            ("nurse", Side::Training),
            ("clerk", Side::Training),
            ("judge", Side::HeldOut),
            ("clerk", Side::Training),
            ("NA", Side::Training),
            ("", Side::Training),
        ] {
            open.see(1, cell, &missing, side);
            open.see(0, "a", &missing, side);
        }
        assert_eq!(open.values(), [["clerk", "nurse"]]);

        let at = |text: &str| Moment::parse(text).unwrap();
        let mut open = OpenValues::of(&schema);
        for (cell, day) in [
            ("late", "2024-03-01"),
            ("both", "2024-03-02"),
            ("both", "2024-01-01"),
            ("early", "2024-01-02"),
        ] {
            open.see(1, cell, &missing, Side::At(at(day)));
        }
        // As another thread saw some of the rows.
        let mut other = OpenValues::of(&schema);
        for (cell, day) in [
            ("early", "2024-01-03"),
            ("early", "2024-01-04"),
            ("late", "2024-01-31"),
        ] {
            other.see(1, cell, &missing, Side::At(at(day)));
        }
        let both = open.clone().merge(other.clone()).values();
        assert_eq!(both, other.merge(open.clone()).values());
        assert_eq!(both, [["early", "both", "late"]]);
        open.keep_before(at("2024-02-01"));
        assert_eq!(open.values(), [["both", "early"]]);
    }
}
