use crate::model::Decision;

/// Groups of people by which the last model is judged: whether it treats them alike.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Groups {
    /// The column that tells a row's group: one of the schema's, or one that the schema leaves out. It is an input of the model only if the schema
    /// lists it as a column.
    pub column: String,
    /// Its values, each of them a group, in the order of the sums.
    pub values: Vec<String>,
    /// Whether any other value, and a missing one, counts as one more group; it is an error otherwise.
    pub other_bucket: bool,
    /// A row is taken for label 1 if its score is at least this; the edge of a bin.
    pub threshold: f64,
    /// The label that is the good outcome for the person, 0 or 1.
    pub favourable: u8,
}

impl Groups {
    /// How many there are, with the one of other values.
    pub fn count(&self) -> usize {
        self.values.len() + usize::from(self.other_bucket)
    }

    /// Their names, in the order of the sums.
    pub fn names(&self) -> Vec<&str> {
        let other = self.other_bucket.then_some("any other");
        self.values.iter().map(String::as_str).chain(other).collect()
    }

    /// What is decided of the scores in `bins` bins; `None` if the threshold is no edge of two of them.
    pub fn decision(&self, bins: u32) -> Option<Decision> {
        let at = self.threshold * f64::from(bins);
        // A decimal such as 0.29 of 100 bins misses its edge by the rounding of one product.
        let edge = (1..bins).find(|edge| (at - f64::from(*edge)).abs() < 1e-9)?;
        Some(Decision {
            edge,
            favourable: self.favourable,
        })
    }
}

#[cfg(test)]
mod tests;
