use veilsum_protocol::model::ColumnSums;

use super::{DataError, Dataset};

/// What a bank contributes to the statistics round, all of it under masks: sums over its training rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// How many training rows.
    pub rows: u64,
    /// One entry for each standardised input, in the schema's order.
    pub columns: Vec<ColumnSums>,
}

impl Dataset {
    /// The sums over the training rows and all steps, of numbers on `[0, 1]`; a missing number is not counted. Where rows are grouped, each
    /// counts once, however many sequences it is a step of.
    ///
    /// # Errors
    /// If rows that lie in a file cannot be read back.
    pub fn statistics(&self) -> Result<Statistics, DataError> {
        let layout = self.layout();
        let mut columns = vec![ColumnSums::default(); self.schema().standardised().len()];
        let places = layout.columns.iter();
        let standardised = places.flat_map(|place| place.standardised().map(move |of| (place, of)));
        // Which numbers of a row go into which sums.
        let sources: Vec<(usize, usize)> = standardised
            .flat_map(|(place, (behind, moments_at))| {
                (0..place.cells).map(move |cell| (place.first + cell * place.stride + behind, moments_at))
            })
            .collect();
        self.rows().scan(self.own_training_rows(), |_, row| {
            for &(at, moments_at) in &sources {
                let u = row.number(at);
                if !u.is_nan() {
                    columns[moments_at].add(f64::from(u));
                }
            }
        })?;
        Ok(Statistics {
            rows: self.training_rows().count() as u64,
            columns,
        })
    }
}
