//! The population stability index.

/// A bin that is empty in one of the samples counts there as so much of a row.
const OF_EMPTY: f64 = 0.5;

/// Quantile of the normal distribution for 99 of 100.
const Z: f64 = 2.326_348;

/// The population stability index of two samples, counted in the same bins: the sum of `(p - q) ln(p / q)` over the bins, where `p` and `q` are the
/// shares of either sample (Siddiqi, Credit Risk Scorecards, 2006; the same as Jeffreys' divergence). 0 where both are alike, the same whichever comes
/// first. By custom from 0.1 on it is worth a look, and from 0.25 on the population is another.
///
/// A bin that is empty in one sample counts there as half a row, one that is empty in both says nothing. `None` if a sample is empty, or they are of
/// different numbers of bins.
pub fn psi(one: &[u64], other: &[u64]) -> Option<f64> {
    let (all, rest) = (total(one), total(other));
    if one.len() != other.len() || all == 0 || rest == 0 {
        return None;
    }
    let share = |count: u64, of: u64| {
        let count = if count == 0 { OF_EMPTY } else { count as f64 };
        count / of as f64
    };
    let bins = one.iter().zip(other).filter(|(one, other)| **one + **other > 0);
    Some(
        bins.map(|(one, other)| {
            let (p, q) = (share(*one, all), share(*other, rest));
            (p - q) * (p / q).ln()
        })
        .sum(),
    )
}

/// What the index is below, 99 times of 100, if both samples are drawn from one population: `1/n + 1/m` times the quantile of chi-squared with one
/// degree of freedom less than there are bins (Yurdakul and Naranjo, Statistical properties of the population stability index, 2020). Of few rows an
/// index above 0.1 is chance. The quantile is that of Wilson and Hilferty (1931). `None` as of [`psi`].
pub fn chance(one: &[u64], other: &[u64]) -> Option<f64> {
    let (all, rest) = (total(one), total(other));
    if one.len() != other.len() || all == 0 || rest == 0 {
        return None;
    }
    let bins = one.iter().zip(other).filter(|(one, other)| **one + **other > 0);
    let freedom = bins.count().saturating_sub(1);
    if freedom == 0 {
        return Some(0.0);
    }
    let part = 2.0 / (9.0 * freedom as f64);
    let quantile = freedom as f64 * (1.0 - part + Z * part.sqrt()).powi(3);
    Some(quantile * (1.0 / all as f64 + 1.0 / rest as f64))
}

fn total(counts: &[u64]) -> u64 {
    counts.iter().sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // Shares 1/4, 3/4 and 1/2, 1/2: (-1/4) ln(1/2) + (1/4) ln(3/2) = (1/4) ln 3.
        let found = psi(&[25, 75], &[10, 10]).unwrap();
        assert!((found - 3.0_f64.ln() / 4.0).abs() < 1e-15, "{found}");
        // The empty bin is half of 20 rows: (1/4 - 1/40) ln 10 + (3/4 - 1) ln(3/4).
        let found = psi(&[25, 75, 0], &[0, 20, 0]).unwrap();
        let expected = 0.225 * 10.0_f64.ln() - 0.25 * 0.75_f64.ln();
        assert!((found - expected).abs() < 1e-12, "{found}");
        assert_eq!(psi(&[1, 2], &[1, 2, 3]), None);
        assert_eq!((psi(&[0, 0], &[1, 2]), chance(&[0, 0], &[1, 2])), (None, None));
        assert_eq!(chance(&[5, 0], &[9, 0]), Some(0.0));
    }
}
