use super::super::moments::ONE;
use super::{MAX_ROWS, MetricsError};

/// How much each column of the banks' tables moves a model's answers, of one bank or summed over all: sums over explained rows of the amounts of
/// Shapley values (Lundberg and Lee 2017), whose mean over the rows is a column's global importance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportanceSums {
    /// How many rows were explained.
    pub rows: u64,
    /// Of each column, in the order of [`Schema::explained_columns`](crate::task::Schema::explained_columns), in units of `2^-32`.
    pub amounts: Vec<u64>,
}

impl ImportanceSums {
    /// Of no rows, for so many columns.
    pub fn new(columns: usize) -> Self {
        Self {
            rows: 0,
            amounts: vec![0; columns],
        }
    }

    /// Counts one more row: by how much each column moved its answer, from 0 to 1. What is above counts as 1, so that no row weighs more than that;
    /// what is no number counts as 0.
    pub fn add(&mut self, amounts: impl IntoIterator<Item = f64>) {
        self.rows += 1;
        for (sum, amount) in self.amounts.iter_mut().zip(amounts) {
            *sum += (amount.clamp(0.0, 1.0) * ONE).round() as u64;
        }
    }

    /// Holds the number of explained rows against the greatest that there can be.
    ///
    /// # Errors
    /// When it is greater.
    pub(crate) fn check(&self, most: u64) -> Result<(), MetricsError> {
        if self.rows <= most {
            return Ok(());
        }
        Err(MetricsError::Impossible {
            what: "number of explained rows",
            found: self.rows,
            rows: most,
        })
    }

    /// The mean amount of each column; `None` without rows.
    ///
    /// # Errors
    /// When the sums are more than so many rows can have.
    pub fn means(&self) -> Result<Option<Vec<f64>>, MetricsError> {
        let most = u128::from(self.rows) << 32;
        let is_more = |amount: &&u64| u128::from(**amount) > most;
        if self.rows > MAX_ROWS || self.amounts.iter().any(|amount| is_more(&amount)) {
            return Err(MetricsError::Impossible {
                what: "sum of a column's amounts",
                found: self.amounts.iter().copied().max().unwrap_or(0),
                rows: self.rows,
            });
        }
        let mean = |amount: &u64| *amount as f64 / ONE / self.rows as f64;
        Ok((self.rows > 0).then(|| self.amounts.iter().map(mean).collect()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// By hand: 0.25 and 0.75, the second of them cut from 3 to 1.
    #[test]
    fn means_of_amounts_that_are_cut() {
        let mut sums = ImportanceSums::new(3);
        assert_eq!(sums.means(), Ok(None));
        sums.add([0.25, 0.5, f64::NAN]);
        sums.add([0.25, 3.0, -1.0]);
        assert_eq!(sums.means(), Ok(Some(vec![0.25, 0.75, 0.0])));
    }

    #[test]
    fn sums_that_no_rows_have_are_refused() {
        let sums = |rows, amount| ImportanceSums {
            rows,
            amounts: vec![0, amount],
        };
        assert_eq!(sums(2, 2 << 32).means(), Ok(Some(vec![0.0, 1.0])));
        for wrong in [sums(2, (2 << 32) + 1), sums(0, 1), sums(MAX_ROWS + 1, 0)] {
            let error = wrong.means().unwrap_err();
            assert!(matches!(error, MetricsError::Impossible { .. }), "{error}");
        }
    }
}
