//! Whether as many rows have label 1 as the scores say.

use maud::html;
use veilsum_protocol::model::{BinarySums, Figure, Metrics, Share};

use super::Picture;
use super::distribution::Columns;
use super::frame::{Axis, Frame, HEIGHT, WIDTH, number, rect, svg};

/// Points of the curve, of about equally many rows.
const POINTS: u64 = 10;
/// Height of the bars of counts, as a share of the drawing's.
const BARS: f64 = 0.2;
/// Quantile of the normal distribution for an interval that holds 95 of 100.
const Z: f64 = 1.959_964;

/// Neighbouring bins together.
#[derive(Clone, Copy, Default)]
struct Point {
    rows: u64,
    positives: u64,
    /// Sum of the rows' scores, each taken as the middle of its bin.
    predicted: f64,
}

impl Point {
    fn predicted(self) -> f64 {
        self.predicted / self.rows.max(1) as f64
    }

    fn seen(self) -> f64 {
        self.positives as f64 / self.rows.max(1) as f64
    }

    /// For the rate, at 95 %.
    fn interval(self) -> (f64, f64) {
        let rate = Share {
            part: self.positives,
            of: self.rows,
        };
        rate.interval(Z)
    }
}

/// By rising score, each of a tenth of the rows or more: a bin is never parted.
fn points(sums: &BinarySums) -> Vec<Point> {
    let bins = sums.negatives.len().max(1) as f64;
    let (mut points, mut now) = (Vec::new(), Point::default());
    for (bin, (&negatives, &positives)) in (0_u32..).zip(sums.negatives.iter().zip(&sums.positives)) {
        let rows = negatives + positives;
        now.rows += rows;
        now.positives += positives;
        now.predicted += rows as f64 * (f64::from(bin) + 0.5) / bins;
        if now.rows > 0 && now.rows * POINTS >= sums.rows {
            points.push(std::mem::take(&mut now));
        }
    }
    match points.last_mut() {
        // What is left over is hardly a point of its own.
        Some(last) if now.rows * POINTS * 2 < sums.rows => {
            last.rows += now.rows;
            last.positives += now.positives;
            last.predicted += now.predicted;
        }
        _ if now.rows > 0 => points.push(now),
        _ => {}
    }
    points
}

pub(super) fn curve(sums: &BinarySums, metrics: &Metrics) -> Picture {
    let points = points(sums);
    let ends = points
        .iter()
        .flat_map(|point| [point.predicted(), point.interval().1]);
    let end = (ends.fold(0.05, f64::max) * 1.08).min(1.0);
    let frame = Frame::new((0.0, end), (0.0, end));
    let all: Vec<u64> = sums
        .negatives
        .iter()
        .zip(&sums.positives)
        .map(|(a, b)| a + b)
        .collect();
    let counts = Columns::of(all.len()).counts(&all);
    let shown: Vec<_> = counts
        .into_iter()
        .filter(|(from, _, count)| *from < end && *count > 0)
        .collect();
    let most = shown.iter().map(|(_, _, count)| *count).max().unwrap_or(1).max(1) as f64;
    let curve: Vec<(f64, f64)> = points
        .iter()
        .map(|point| (point.predicted(), point.seen()))
        .collect();
    let (bottom, top) = (frame.y.at(0.0), frame.y.at(end * BARS));
    let inside = html! {
        (frame.grid(&Axis::percent("predicted"), &Axis::percent("came true")))
        @for (from, to, count) in shown {
            @let (left, right) = (frame.x.at(from), frame.x.at(to));
            @let height = (bottom - top) * count as f64 / most;
            (rect((left, bottom - height), (right - left - 0.5, height), "p-bar p-faint"))
        }
        (frame.line([(0.0, 0.0), (end, end)], "p-line p-thin p-dashed"))
        @for point in &points {
            @let (low, high) = point.interval();
            @let at = number(frame.x.at(point.predicted()));
            line.p-whisker x1=(at) x2=(at) y1=(number(frame.y.at(low))) y2=(number(frame.y.at(high))) {}
        }
        (frame.line(curve.iter().copied(), "p-line p-main"))
        @for point in &curve { (frame.dot(*point, "p-dot p-main")) }
    };
    let figure = |figure| {
        metrics
            .figure(figure)
            .map_or("undefined".to_owned(), |value| format!("{value:.4}"))
    };
    let (brier, error) = (figure(Figure::Brier), figure(Figure::CalibrationError));
    let spoken: Vec<String> = points
        .iter()
        .map(|point| {
            format!(
                "{:.1} % predicted, {:.1} % came true, of {} rows",
                100.0 * point.predicted(),
                100.0 * point.seen(),
                point.rows
            )
        })
        .collect();
    Picture::half(
        "Calibration",
        format!(
            "Brier score {brier}, calibration error {error}. Each point is about a tenth of the rows by rising score, with its interval of 95 %; on the dashed \
             line as many have label 1 as the scores say. Bars: how many rows got such scores."
        ),
        svg(
            WIDTH,
            HEIGHT,
            "Calibration",
            &format!("Calibration curve, Brier score {brier}: {}.", spoken.join("; ")),
            &inside,
        ),
    )
}
