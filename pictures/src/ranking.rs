//! How well scores put the rows in order: curves over all thresholds, of which each bin's edge is one.

use maud::html;
use veilsum_protocol::model::{BinarySums, Figure, Metrics};

use super::frame::{Axis, Frame, HEIGHT, WIDTH, svg};
use super::{Cut, Picture, percent};

/// Rows with a score from a bin on.
#[derive(Clone, Copy, Default)]
struct Above {
    negatives: u64,
    positives: u64,
}

/// From above the last bin down to the first, which has all rows.
fn falling(sums: &BinarySums) -> Vec<Above> {
    let mut above = vec![Above::default()];
    let mut now = Above::default();
    for (negatives, positives) in sums.negatives.iter().zip(&sums.positives).rev() {
        now.negatives += negatives;
        now.positives += positives;
        above.push(now);
    }
    above
}

/// Rows that are taken for label 1.
fn taken(sums: &BinarySums, cut: Cut) -> Above {
    let count = |histogram: &[u64]| histogram.iter().skip(cut.bin).sum();
    Above {
        negatives: count(&sums.negatives),
        positives: count(&sums.positives),
    }
}

fn share(part: u64, of: u64) -> f64 {
    part as f64 / of.max(1) as f64
}

fn totals(sums: &BinarySums) -> Option<Above> {
    let all = Above {
        negatives: sums.negatives.iter().sum(),
        positives: sums.positives.iter().sum(),
    };
    (all.negatives > 0 && all.positives > 0).then_some(all)
}

/// Receiver operating characteristic; `None` when a label is missing.
pub(super) fn roc(sums: &BinarySums, metrics: &Metrics, cut: Cut) -> Option<Picture> {
    let all = totals(sums)?;
    let auc = metrics.figure(Figure::Auc)?;
    let place = |above: Above| {
        (
            share(above.negatives, all.negatives),
            share(above.positives, all.positives),
        )
    };
    let frame = Frame::unit();
    let curve: Vec<(f64, f64)> = falling(sums).into_iter().map(place).collect();
    let (alarms, hits) = place(taken(sums, cut));
    let words = format!("at {:.3}", cut.score);
    let inside = html! {
        (frame.grid(&Axis::of("false positive rate"), &Axis::of("true positive rate")))
        (frame.line([(0.0, 0.0), (1.0, 1.0)], "p-line p-thin p-dashed"))
        (frame.area(&curve, "p-area p-main"))
        (frame.line(curve.iter().copied(), "p-line p-main"))
        (frame.dot((alarms, hits), "p-dot p-main"))
        (frame.beside((alarms, hits), &words))
    };
    let told = format!(
        "With the threshold {:.3}, {} of the rows with label 1 are found, and {} of those with label 0 are taken for it as well.",
        cut.score,
        percent(hits),
        percent(alarms)
    );
    Some(Picture::half(
        "ROC curve",
        format!(
            "AUC {auc:.4}, the area below it: the chance that a row with label 1 scores above one with label 0. A model that knows nothing keeps to the \
             dashed line. {told}"
        ),
        svg(
            WIDTH,
            HEIGHT,
            "ROC curve",
            &format!("ROC curve with AUC {auc:.4}. {told}"),
            &inside,
        ),
    ))
}

/// Precision by recall; `None` without positives. Drawn in steps, so that the area below is the average precision.
pub(super) fn precision_recall(sums: &BinarySums, metrics: &Metrics, cut: Cut) -> Option<Picture> {
    let all: u64 = sums.positives.iter().sum();
    let average = metrics.figure(Figure::AveragePrecision)?;
    let base = metrics.figure(Figure::PositiveShare)?;
    let precision = |above: Above| share(above.positives, above.positives + above.negatives);
    let mut curve: Vec<(f64, f64)> = Vec::new();
    for pair in falling(sums).windows(2) {
        if let [before, now] = pair
            && now.positives > before.positives
        {
            curve.push((share(before.positives, all), precision(*now)));
            curve.push((share(now.positives, all), precision(*now)));
        }
    }
    let frame = Frame::unit();
    let taken = taken(sums, cut);
    let at = (share(taken.positives, all), precision(taken));
    let some = taken.positives + taken.negatives > 0;
    let words = format!("at {:.3}", cut.score);
    let inside = html! {
        (frame.grid(&Axis::of("recall"), &Axis::of("precision")))
        (frame.line([(0.0, base), (1.0, base)], "p-line p-thin p-dashed"))
        (frame.area(&curve, "p-area p-main"))
        (frame.line(curve.iter().copied(), "p-line p-main"))
        @if some {
            (frame.dot(at, "p-dot p-main"))
            (frame.beside(at, &words))
        }
    };
    let told = if some {
        format!(
            "With the threshold {:.3}, {} of the rows that are taken for label 1 have it, and {} of those that have it are found.",
            cut.score,
            percent(at.1),
            percent(at.0)
        )
    } else {
        format!(
            "With the threshold {:.3}, no row is taken for label 1.",
            cut.score
        )
    };
    Some(Picture::half(
        "Precision and recall",
        format!(
            "Average precision {average:.4}, the area below it; a model that knows nothing keeps to the dashed line, the share of label 1, {base:.4}. {told}"
        ),
        svg(
            WIDTH,
            HEIGHT,
            "Precision and recall",
            &format!("Precision by recall, average precision {average:.4}. {told}"),
            &inside,
        ),
    ))
}

/// The two distributions of scores and the largest gap between them; `None` when a label is missing.
pub(super) fn kolmogorov_smirnov(sums: &BinarySums, metrics: &Metrics) -> Option<Picture> {
    let all = totals(sums)?;
    let gap = metrics.figure(Figure::Ks)?;
    let bins = sums.negatives.len().max(1) as f64;
    let (mut negatives, mut positives) = (vec![(0.0, 0.0)], vec![(0.0, 0.0)]);
    let mut below = Above::default();
    let mut widest = (0_u128, 0.0, (0.0, 0.0));
    for (bin, (negative, positive)) in (1_u32..).zip(sums.negatives.iter().zip(&sums.positives)) {
        below.negatives += negative;
        below.positives += positive;
        let at = f64::from(bin) / bins;
        let shares = (
            share(below.negatives, all.negatives),
            share(below.positives, all.positives),
        );
        negatives.push((at, shares.0));
        positives.push((at, shares.1));
        let (of_negatives, of_positives) = (
            u128::from(below.negatives) * u128::from(all.positives),
            u128::from(below.positives) * u128::from(all.negatives),
        );
        let distance = of_negatives.abs_diff(of_positives);
        if distance > widest.0 {
            widest = (distance, at, shares);
        }
    }
    let (_, at, shares) = widest;
    let frame = Frame::unit();
    let words = format!("KS {gap:.3} at {at:.3}");
    let inside = html! {
        (frame.grid(&Axis::of("score"), &Axis::of("share of rows below")))
        (frame.line(negatives, "p-line p-second"))
        (frame.line(positives, "p-line p-main"))
        @if gap > 0.0 {
            (frame.line([(at, shares.0), (at, shares.1)], "p-line p-thin p-strong"))
            (frame.dot((at, shares.0), "p-dot p-strong"))
            (frame.dot((at, shares.1), "p-dot p-strong"))
            (frame.beside((at, (shares.0 + shares.1) / 2.0), &words))
        }
        (frame.legend(&[("p-line p-second", "label 0"), ("p-line p-main", "label 1")]))
    };
    let told = format!(
        "{} of the rows with label 0 and {} of those with label 1 score below {at:.3}.",
        percent(shares.0),
        percent(shares.1)
    );
    Some(Picture::half(
        "Kolmogorov-Smirnov",
        format!("KS {gap:.4}, the largest gap between the two distributions of scores: {told}"),
        svg(
            WIDTH,
            HEIGHT,
            "Kolmogorov-Smirnov",
            &format!(
                "Cumulative distributions of the scores of both labels; the largest gap is {gap:.4}. {told}"
            ),
            &inside,
        ),
    ))
}
