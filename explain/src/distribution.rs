//! The numbers of a background's column, in order.

use crate::error::Invalid;

/// Numbers that are finite, ascending; at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution(Vec<f64>);

impl Distribution {
    /// Sorts them.
    ///
    /// # Errors
    /// When there is none, or one is not finite.
    pub fn new(mut numbers: Vec<f64>) -> Result<Self, Invalid> {
        if numbers.is_empty() {
            return Err(Invalid::NoBackground);
        }
        if let Some(found) = numbers.iter().find(|number| !number.is_finite()) {
            return Err(Invalid::range(
                "the background's numbers",
                *found,
                "finite numbers; leave missing ones out",
            ));
        }
        numbers.sort_by(f64::total_cmp);
        Ok(Self(numbers))
    }

    /// Below which a share of the numbers lies, from 0 for the smallest to 1 for the largest, straight between neighbours (definition 7 of Hyndman and
    /// Fan 1996).
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let place = share.clamp(0.0, 1.0) * last as f64;
        let below = (place.floor() as usize).min(last);
        let (low, high) = (self.0[below], self.0[(below + 1).min(last)]);
        low + (place - below as f64) * (high - low)
    }

    /// The share of the numbers that are smaller, and half of those that are equal: between 0 and 1.
    pub fn rank(&self, number: f64) -> f64 {
        let smaller = self.0.partition_point(|other| *other < number);
        let up_to = self.0.partition_point(|other| *other <= number);
        (smaller + up_to) as f64 / (2 * self.0.len()) as f64
    }

    /// The share of the numbers that are smaller or equal.
    pub fn up_to(&self, number: f64) -> f64 {
        self.0.partition_point(|other| *other <= number) as f64 / self.0.len() as f64
    }

    /// How many different numbers there are.
    pub fn distinct(&self) -> usize {
        1 + self.0.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quantiles_and_ranks_by_hand() {
        let four = Distribution::new(vec![4.0, 1.0, 2.0, 2.0]).unwrap();
        // numpy.quantile([1, 2, 2, 4], [0, .25, .5, .75, 1])
        let quantiles = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| four.quantile(share));
        assert_eq!(quantiles, [1.0, 1.75, 2.0, 2.5, 4.0]);
        assert_eq!(
            [0.0, 1.0, 2.0, 3.0, 9.0].map(|number| four.rank(number)),
            [0.0, 0.125, 0.5, 0.75, 1.0]
        );
        assert_eq!(four.up_to(2.0), 0.75);
        assert_eq!(four.distinct(), 3);
        assert_eq!(Distribution::new(vec![7.0]).unwrap().quantile(0.3), 7.0);
        assert!(Distribution::new(Vec::new()).is_err());
        assert!(Distribution::new(vec![f64::NAN]).is_err());
    }
}
