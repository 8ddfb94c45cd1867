use veilsum_protocol::model::ColumnSums;

use super::Dataset;

/// What a bank contributes to the statistics round, all of it under masks: sums over its training rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// How many training rows.
    pub rows: u64,
    /// One entry for each standardised input, in the schema's order.
    pub columns: Vec<ColumnSums>,
}

impl Dataset {
    /// The sums over the training rows and all steps, of numbers on `[0, 1]`; a missing number is not counted.
    pub fn statistics(&self) -> Statistics {
        let mut columns = vec![ColumnSums::default(); self.schema().standardised().len()];
        for row in self.training_rows() {
            let mut numbers = self.numbers(row).iter();
            for (sums, cells) in columns.iter_mut().zip(self.number_cells()) {
                for &u in numbers.by_ref().take(cells) {
                    if !u.is_nan() {
                        sums.add(f64::from(u));
                    }
                }
            }
        }
        Statistics {
            rows: self.training_rows().count() as u64,
            columns,
        }
    }
}
