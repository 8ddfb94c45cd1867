use serde::Serialize;

/// Bars of a histogram, at most.
const BARS: usize = 40;

/// How many numbers lie in bars of equal width, from the least to the greatest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Histogram {
    /// Whether the bars are equally wide in `sign(x) ln(1 + |x|)`, as the schema's scale "log".
    pub(crate) log: bool,
    /// Where the first bar begins and the last one ends; of whole numbers, the least of the first bar and the greatest
    /// of the last.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Numbers in each bar; where a column has too many values to count one by one, about so many.
    pub(crate) counts: Vec<f64>,
}

impl Histogram {
    /// `buckets` are bounds and counts, in order. Bars of whole numbers hold as many of them each.
    pub(super) fn new(buckets: &[(f64, f64, u64)], whole: bool, log: bool) -> Self {
        let scale = |x: f64| if log { x.abs().ln_1p().copysign(x) } else { x };
        let back = |y: f64| if log { y.abs().exp_m1().copysign(y) } else { y };
        let least = buckets.first().map_or(0.0, |bucket| bucket.0);
        let most = buckets.last().map_or(0.0, |bucket| bucket.1);
        let (from, width, bars) = if whole && !log {
            let width = ((most - least + 1.0) / BARS as f64).ceil().max(1.0);
            let bars = ((most - least + 1.0) / width).ceil();
            (least - 0.5, width, (bars as usize).clamp(1, BARS))
        } else {
            let (from, to) = (scale(least), scale(most));
            let bars = if to > from { BARS } else { 1 };
            (from, ((to - from) / bars as f64).max(f64::MIN_POSITIVE), bars)
        };
        let mut counts = vec![0.0; bars];
        let bar = |y: f64| (((y - from) / width) as usize).min(bars - 1);
        for &(low, high, count) in buckets {
            let (low, high) = (scale(low), scale(high));
            let (first, last) = (bar(low), bar(high));
            if first == last {
                counts[first] += count as f64;
                continue;
            }
            // Shared out as if its numbers were spread evenly in it.
            for (place, share) in counts.iter_mut().enumerate().take(last + 1).skip(first) {
                let begins = (from + width * place as f64).max(low);
                let ends = (from + width * (place + 1) as f64).min(high);
                *share += count as f64 * ((ends - begins) / (high - low)).max(0.0);
            }
        }
        let to = from + width * bars as f64;
        let inside = if whole && !log { 0.5 } else { 0.0 };
        Self {
            log,
            from: back(from + inside),
            to: back(to - inside),
            counts,
        }
    }

    /// The bars as [`blocks`].
    pub(super) fn blocks(&self) -> String {
        blocks(&self.counts)
    }
}

/// Counts as blocks of a terminal, of eight heights; one above 0 is seen.
pub(crate) fn blocks(counts: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().fold(0.0, f64::max);
    let block = |count: &f64| {
        if *count <= 0.0 {
            return ' ';
        }
        BLOCKS[((count / most * 8.0).ceil() as usize).clamp(1, 8) - 1]
    };
    counts.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_a_bar() {
        let points: Vec<_> = (0..100).map(|i| (f64::from(i), f64::from(i), 2)).collect();
        let whole = Histogram::new(&points, true, false);
        // 100 numbers in bars of 3.
        assert_eq!((whole.counts.len(), whole.from, whole.to), (34, 0.0, 101.0));
        assert_eq!(whole.counts[..33], [6.0; 33]);
        assert_eq!(whole.counts[33], 2.0);
        let wide = Histogram::new(&[(0.0, 10.0, 100)], false, false);
        assert_eq!(wide.counts, [2.5; 40]);
        let log = Histogram::new(&[(0.0, 0.0, 1), (99.0, 99.0, 4)], false, true);
        assert_eq!((log.counts[0], log.counts[39]), (1.0, 4.0));
        assert!((log.to - 99.0).abs() < 1e-9, "{}", log.to);
        assert_eq!(log.blocks().trim_start_matches('▂').trim(), "█");
        let one = Histogram::new(&[(5.0, 5.0, 3)], false, false);
        assert_eq!(one.counts, [3.0]);
    }
}
