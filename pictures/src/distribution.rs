//! Which scores the rows of each label got.

use maud::{Markup, html};
use veilsum_protocol::model::BinarySums;

use super::frame::{Axis, Frame, HEIGHT, WIDTH, svg};
use super::{Cut, Picture, percent};

/// Most columns of a histogram: more would be thinner than their outline.
const MOST_COLUMNS: usize = 64;

/// A histogram's bins, some drawn together.
pub(super) struct Columns {
    /// Bins in a column; the last may have fewer.
    width: usize,
    bins: usize,
}

impl Columns {
    pub(super) fn of(bins: usize) -> Self {
        let least = bins.div_ceil(MOST_COLUMNS).max(1);
        // Columns of one width, where there is such a width near by.
        let even = (least..2 * least + 1).find(|width| bins.is_multiple_of(*width));
        Self {
            width: even.unwrap_or(least),
            bins,
        }
    }

    /// From which score to which, and how many rows.
    pub(super) fn counts(&self, histogram: &[u64]) -> Vec<(f64, f64, u64)> {
        let at = |bin: usize| bin as f64 / self.bins.max(1) as f64;
        let counted = histogram.chunks(self.width).enumerate().map(|(column, bins)| {
            let first = column * self.width;
            (at(first), at(first + bins.len()), bins.iter().sum())
        });
        counted.collect()
    }
}

pub(super) fn scores(sums: &BinarySums, cut: Cut) -> Picture {
    let columns = Columns::of(sums.negatives.len());
    let outline = |histogram: &[u64]| -> Vec<(f64, f64)> {
        let rows = histogram.iter().sum::<u64>().max(1) as f64;
        let counts = columns.counts(histogram);
        counts
            .into_iter()
            .flat_map(|(from, to, count)| [(from, count as f64 / rows), (to, count as f64 / rows)])
            .collect()
    };
    let (negatives, positives) = (outline(&sums.negatives), outline(&sums.positives));
    let most = negatives
        .iter()
        .chain(&positives)
        .map(|(_, share)| *share)
        .fold(0.0, f64::max);
    let frame = Frame::new((0.0, 1.0), (0.0, most.max(1e-3) * 1.08));
    let inside = html! {
        (frame.grid(&Axis::of("score"), &Axis::percent("share of the label's rows")))
        (frame.area(&negatives, "p-area p-second"))
        (frame.area(&positives, "p-area p-main"))
        (frame.line(negatives.iter().copied(), "p-line p-thin p-second"))
        (frame.line(positives.iter().copied(), "p-line p-thin p-main"))
        (upright(&frame, cut.score))
        (frame.legend(&[("p-line p-second", "label 0"), ("p-line p-main", "label 1")]))
    };
    let (zero, one) = (
        sums.negatives.iter().sum::<u64>(),
        sums.positives.iter().sum::<u64>(),
    );
    let share = percent(one as f64 / (zero + one).max(1) as f64);
    let spoken = format!(
        "Histogram of the scores of {zero} rows with label 0 and of {one} rows with label 1, each as shares of its own rows."
    );
    Picture::half(
        "Scores by label",
        format!(
            "{zero} rows with label 0 and {one} with label 1 ({share}), each label drawn as shares of its own rows: the less they overlap, the better the \
             model tells them apart. Dashed: the score from which a row is taken for label 1, {:.3}.",
            cut.score
        ),
        svg(WIDTH, HEIGHT, "Scores by label", &spoken, &inside),
    )
}

/// A dashed line over a score.
fn upright(frame: &Frame, score: f64) -> Markup {
    let (bottom, top) = frame.height();
    frame.line([(score, bottom), (score, top)], "p-line p-thin p-dashed")
}
