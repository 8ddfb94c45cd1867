//! Numbers of a column in little memory: moments, ends, and quantiles to within half a percent of their value.

/// Two neighbouring buckets differ by this factor.
const GROWTH: f64 = 1.01;
/// Numbers nearer to 0 than this count as 0 for quantiles.
const LEAST: f64 = 1e-9;

/// How numbers are spread. Buckets are as wide as 1 % of what they hold, as in DDSketch (Masson et al. 2019): at most
/// about 73,000 of them for either sign, whatever the numbers are.
#[derive(Default)]
pub(super) struct Spread {
    count: u64,
    mean: f64,
    /// Sum of squared distances from the mean (Welford 1962).
    squares: f64,
    least: f64,
    most: f64,
    zeros: u64,
    negative: Buckets,
    positive: Buckets,
}

#[derive(Default)]
struct Buckets {
    first: i32,
    counts: Vec<u64>,
}

impl Buckets {
    fn add(&mut self, bucket: i32) {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            let more = usize::try_from(self.first - bucket).unwrap_or(0);
            self.counts.splice(0..0, std::iter::repeat_n(0, more));
            self.first = bucket;
        }
        let place = usize::try_from(bucket - self.first).unwrap_or(0);
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
    }

    /// The buckets that hold something, from the least: bounds and count.
    fn filled(&self) -> impl DoubleEndedIterator<Item = (f64, f64, u64)> {
        let bounds = |bucket: i32| (GROWTH.powi(bucket), GROWTH.powi(bucket + 1));
        let first = self.first;
        let all = self.counts.iter().enumerate();
        all.filter(|(_, count)| **count > 0).map(move |(place, &count)| {
            let (low, high) = bounds(first + i32::try_from(place).unwrap_or(0));
            (low, high, count)
        })
    }
}

impl Spread {
    pub(super) fn add(&mut self, x: f64) {
        self.count += 1;
        if self.count == 1 {
            (self.least, self.most) = (x, x);
        }
        self.least = self.least.min(x);
        self.most = self.most.max(x);
        let from_mean = x - self.mean;
        self.mean += from_mean / self.count as f64;
        self.squares += from_mean * (x - self.mean);
        if x.abs() < LEAST {
            self.zeros += 1;
            return;
        }
        let bucket = (x.abs().ln() / GROWTH.ln()).floor() as i32;
        if x > 0.0 {
            self.positive.add(bucket);
        } else {
            self.negative.add(bucket);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn ends(&self) -> (f64, f64) {
        (self.least, self.most)
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// Of the column as a sample.
    pub(super) fn deviation(&self) -> f64 {
        (self.squares / self.count.saturating_sub(1).max(1) as f64).sqrt()
    }

    /// The buckets from the least number to the greatest: bounds, within the ends, and count.
    pub(super) fn buckets(&self) -> Vec<(f64, f64, u64)> {
        let clamp = |x: f64| x.clamp(self.least, self.most);
        let negative = self
            .negative
            .filled()
            .rev()
            .map(|(low, high, count)| (-high, -low, count));
        let zeros = (self.zeros > 0).then_some((0.0, 0.0, self.zeros));
        let all = negative.chain(zeros).chain(self.positive.filled());
        all.map(|(low, high, count)| (clamp(low), clamp(high), count))
            .collect()
    }
}

/// The number below which the share `q` of the counted ones lies, to within the width of its bucket.
pub(super) fn quantile(buckets: &[(f64, f64, u64)], q: f64) -> f64 {
    let all: u64 = buckets.iter().map(|bucket| bucket.2).sum();
    let rank = (q * all.saturating_sub(1) as f64).round() as u64;
    let mut before = 0;
    for &(low, high, count) in buckets {
        before += count;
        if before > rank {
            return low.midpoint(high);
        }
    }
    buckets.last().map_or(0.0, |bucket| bucket.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_half_a_percent_and_moments_are_those_of_the_numbers() {
        let mut spread = Spread::default();
        let numbers: Vec<f64> = (-5000..20_000).map(|i| f64::from(i) * 3.7).collect();
        numbers.iter().rev().for_each(|x| spread.add(*x));
        let buckets = spread.buckets();
        assert!(buckets.is_sorted_by(|a, b| a.0 <= b.0));
        for q in [0.0, 0.01, 0.2, 0.25, 0.5, 0.95, 1.0] {
            let expected = numbers[(q * 24_999.0) as usize];
            let found = quantile(&buckets, q);
            assert!(
                (found - expected).abs() <= 0.006 * expected.abs() + 4.0,
                "{q}: {found} {expected}"
            );
        }
        assert_eq!(spread.ends(), (-18_500.0, 73_996.3));
        // Whole numbers in a row: the mean is in the middle, the deviation sqrt((n^2 + n) / 12).
        assert!((spread.mean() - 3.7 * 7_499.5).abs() < 1e-6);
        let n = 25_000.0_f64;
        assert!((spread.deviation() - 3.7 * (n * (n + 1.0) / 12.0).sqrt()).abs() < 1e-4);
    }
}
