//! Weight of evidence and information value (Good 1950; Siddiqi, Credit Risk Scorecards, 2006).

use super::ColumnCounts;

/// Added to every count, so that a group without rows of one label has a weight, too (Haldane 1956; Anscombe 1956).
const ADDED: f64 = 0.5;

/// What the groups of a column tell of a label of 0 or 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Weight of evidence of each group: `ln(share of the negatives / share of the positives)`, above 0 where the label is rather 0. 0 for a
    /// group without rows.
    pub weights: Vec<f64>,
    /// Information value: the sum over the groups of the difference of the two shares times the weight; 0 or more.
    pub information_value: f64,
}

impl Evidence {
    /// From counts of `[negatives, positives]` in each group. Half a row is added to each count of a group that has rows, and the shares are
    /// of the totals so raised.
    ///
    /// The logarithm is the platform's: two machines may differ in the last bits, so nothing that is hashed or logged may hang on it.
    pub fn of(groups: &[[u64; 2]]) -> Self {
        let raised: Vec<Option<[f64; 2]>> = groups
            .iter()
            .map(|counts| {
                (counts.iter().any(|count| *count > 0)).then(|| counts.map(|count| count as f64 + ADDED))
            })
            .collect();
        let [negatives, positives] = raised
            .iter()
            .flatten()
            .fold([0.0; 2], |[n, p], [negative, positive]| {
                [n + negative, p + positive]
            });
        let mut information_value = 0.0;
        let mut weight = |counts: &Option<[f64; 2]>| {
            let Some([negative, positive]) = counts else {
                return 0.0;
            };
            let (negative, positive) = (negative / negatives, positive / positives);
            let weight = (negative / positive).ln();
            information_value += (negative - positive) * weight;
            weight
        };
        Self {
            weights: raised.iter().map(&mut weight).collect(),
            information_value,
        }
    }
}

impl ColumnCounts {
    /// Of a number column in so many quantile bins, cells without a value behind them as a group of their own; none unless the label is 0 or
    /// 1.
    pub fn bin_evidence(&self, count: u16) -> Option<Evidence> {
        let groups = self.by_quantile_bin(count);
        let groups: Option<Vec<_>> = groups.into_iter().map(|group| group.try_into().ok()).collect();
        Some(Evidence::of(&groups?))
    }

    /// Of a category column, value by value; none unless the label is 0 or 1.
    pub fn value_evidence(&self) -> Option<Evidence> {
        let [negatives, positives] = self.present.as_slice() else {
            return None;
        };
        let groups = negatives.iter().zip(positives);
        let groups: Vec<_> = groups
            .map(|(negative, positive)| [*negative, *positive])
            .collect();
        Some(Evidence::of(&groups))
    }
}
