//! How each figure went from step to step.

use maud::html;
use veilsum_protocol::model::{Better, Figure, Metrics};

use super::Picture;
use super::frame::{Axis, Frame, HEIGHT, WIDTH, svg};

/// Most points of a line: more could not be told apart.
const MOST_POINTS: usize = 200;
/// Most points that are marked one by one.
const MOST_DOTS: usize = 40;

/// Some steps drawn together.
struct Drawn {
    step: f64,
    mean: f64,
    least: f64,
    most: f64,
}

pub(super) fn curves(measured: &[(u32, Metrics)]) -> Vec<Picture> {
    let drawn = Figure::ALL.into_iter().filter(|figure| !figure.compares_groups());
    drawn.filter_map(|figure| curve(figure, measured)).collect()
}

/// `None` for a figure that says nothing of the model, and for one without a value.
fn curve(figure: Figure, measured: &[(u32, Metrics)]) -> Option<Picture> {
    let better = match figure.better() {
        Better::Higher => "higher is better",
        Better::Lower => "lower is better",
        Better::Neither => return None,
    };
    let values = measured.iter().filter_map(|(step, metrics)| {
        Some((*step, metrics.figure(figure).filter(|value| value.is_finite())?))
    });
    let points: Vec<(u32, f64)> = values.collect();
    let (first, last) = (points.first()?, points.last()?);
    let (low, high) = points.iter().fold((first, first), |(low, high), point| {
        (
            if point.1 < low.1 { point } else { low },
            if point.1 > high.1 { point } else { high },
        )
    });
    let title = figure.title();
    let spoken = format!(
        "{title} by step: {:.4} at step {}, {:.4} at step {}; least {:.4} at step {}, most {:.4} at step {}.",
        first.1, first.0, last.1, last.0, low.1, low.0, high.1, high.0
    );
    let width = points.len().div_ceil(MOST_POINTS).max(1);
    let drawn = together(&points, width);
    let air = ((high.1 - low.1) * 0.1).max(0.005);
    let end = f64::from(last.0).max(f64::from(first.0) + 1.0);
    let frame = Frame::new((f64::from(first.0), end), (low.1 - air, high.1 + air));
    let up = drawn.iter().map(|point| (point.step, point.most));
    let down = drawn.iter().rev().map(|point| (point.step, point.least));
    let line: Vec<(f64, f64)> = drawn.iter().map(|point| (point.step, point.mean)).collect();
    let inside = html! {
        (frame.grid(&Axis { whole: true, ..Axis::of("step") }, &Axis::of("")))
        @if width > 1 { (frame.line(up.chain(down), "p-area p-main")) }
        (frame.line(line.iter().copied(), "p-line p-main"))
        @if line.len() <= MOST_DOTS { @for point in &line { (frame.dot(*point, "p-dot p-main")) } }
    };
    let mut caption = format!("{better}: from {:.4} to {:.4}.", first.1, last.1);
    if let Some(first) = caption.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if width > 1 {
        caption.push_str(&format!(
            " Each point is the mean of {width} steps; the band goes from their least to their most."
        ));
    }
    Some(Picture::half(
        title,
        caption,
        svg(WIDTH, HEIGHT, &format!("{title} by step"), &spoken, &inside),
    ))
}

fn together(points: &[(u32, f64)], width: usize) -> Vec<Drawn> {
    let drawn = points.chunks(width).map(|points| {
        let count = points.len() as f64;
        let values = || points.iter().map(|point| point.1);
        Drawn {
            step: points.iter().map(|point| f64::from(point.0)).sum::<f64>() / count,
            mean: values().sum::<f64>() / count,
            least: values().fold(f64::INFINITY, f64::min),
            most: values().fold(f64::NEG_INFINITY, f64::max),
        }
    });
    drawn.collect()
}
