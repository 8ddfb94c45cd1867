//! Quantiles from a histogram, in integers up to one division.

use super::ColumnCounts;

impl ColumnCounts {
    /// The value on `[0, 1]` below which the share `part / of` of the present cells of a number column lies; none without any.
    ///
    /// Inside a bin it is interpolated, so it is off by less than the width of a bin from the least cell at or below which at least that share
    /// lies.
    pub fn quantile(&self, part: u32, of: u32) -> Option<f64> {
        let bins = self.by_place();
        let total: u128 = super::total(&bins);
        let (part, of) = (u128::from(part.min(of)), u128::from(of.max(1)));
        let mut before = 0_u128;
        for (bin, &count) in bins.iter().enumerate() {
            let count = u128::from(count);
            if count > 0 && (before + count) * of >= part * total {
                let inside = (part * total).saturating_sub(before * of) as f64 / (of * count) as f64;
                return Some((bin as f64 + inside) / bins.len() as f64);
            }
            before += count;
        }
        None
    }

    /// Which of so many quantile bins each bin of the histogram belongs to, from 0.
    ///
    /// A bin goes whole to where its middle row lies in the order of all rows: so the counts of a quantile bin are exact, and one that holds a
    /// large share of the rows leaves neighbours empty. Without rows all belong to the first.
    pub fn quantile_bins(&self, count: u16) -> Vec<u16> {
        let bins = self.by_place();
        let total = super::total(&bins).max(1);
        let last = count.max(1) - 1;
        let mut before = 0_u128;
        let place = |rows: &u64| {
            let rows = u128::from(*rows);
            let place = u128::from(count) * (2 * before + rows) / (2 * total);
            before += rows;
            u16::try_from(place).unwrap_or(last).min(last)
        };
        bins.iter().map(place).collect()
    }

    /// Cells by label in each of so many quantile bins, those without a value behind them; shape `[count + 1, labels]`.
    pub fn by_quantile_bin(&self, count: u16) -> Vec<Vec<u64>> {
        let labels = self.missing.len();
        let mut sums = vec![vec![0; labels]; usize::from(count) + 1];
        let of_bin = self.quantile_bins(count);
        for (label, present) in self.present.iter().enumerate() {
            for (bin, cells) in of_bin.iter().zip(present) {
                if let Some(sum) = sums
                    .get_mut(usize::from(*bin))
                    .and_then(|sums| sums.get_mut(label))
                {
                    *sum += cells;
                }
            }
        }
        if let Some(last) = sums.last_mut() {
            last.clone_from(&self.missing);
        }
        sums
    }

    /// Where each of so many quantile bins begins and ends on `[0, 1]`; none for one without a bin of the histogram.
    pub fn quantile_ranges(&self, count: u16) -> Vec<Option<[f64; 2]>> {
        let of_bin = self.quantile_bins(count);
        let bins = of_bin.len() as f64;
        let range = |wanted: u16| {
            let first = of_bin.iter().position(|bin| *bin == wanted)?;
            let last = of_bin.iter().rposition(|bin| *bin == wanted)?;
            Some([first as f64 / bins, (last + 1) as f64 / bins])
        };
        (0..count).map(range).collect()
    }
}
