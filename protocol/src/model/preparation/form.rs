//! Its canonical form inside a task's state.

use super::{ColumnCounts, Preparation};
use crate::wire::canonical::{DecodeError, Reader, Writer};

impl Preparation {
    pub(in crate::model) fn write(&self, w: &mut Writer) {
        write_counts(w, &self.rows);
        w.list(self.columns.iter(), |w, column| {
            w.list(column.present.iter(), |w, counts| write_counts(w, counts));
            write_counts(w, &column.missing);
        });
    }

    pub(in crate::model) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            rows: read_counts(r, "rows by label")?,
            columns: r.list(8, "columns", |r| {
                Ok(ColumnCounts {
                    present: r.list(4, "counts by label", |r| read_counts(r, "counts"))?,
                    missing: read_counts(r, "missing cells")?,
                })
            })?,
        })
    }
}

fn write_counts(w: &mut Writer, counts: &[u64]) {
    w.list(counts.iter(), |w, count| {
        w.u64(*count);
    });
}

fn read_counts(r: &mut Reader<'_>, what: &'static str) -> Result<Vec<u64>, DecodeError> {
    r.list(8, what, |r| r.u64(what))
}
