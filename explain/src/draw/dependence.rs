//! How one feature's amount hangs on its value.

use maud::html;
use veilsum_pictures::Picture;
use veilsum_pictures::frame::{Axis, Frame, HEIGHT, WIDTH, number, svg};

use super::{decimals, drawable, signed};
use crate::error::Invalid;
use crate::feature::{Feature, Kind, shortened};
use crate::importance::Dependence;

/// More points are drawn only in part.
const MOST_POINTS: usize = 600;

/// A point for each row, and the trend through them. `score` names what the model gives.
///
/// # Errors
/// When the feature has no value in any row.
pub fn dependence(dependence: &Dependence, feature: &Feature, score: &str) -> Result<Picture, Invalid> {
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        values.fold(None, |span: Option<(f64, f64)>, value| {
            let (low, high) = span.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })
    };
    let points = &dependence.points;
    drawable("values of the feature", points.iter().map(|point| &point.0))?;
    drawable("attributions", points.iter().map(|point| &point.1))?;
    let spans =
        ends(&mut points.iter().map(|point| point.0)).zip(ends(&mut points.iter().map(|point| point.1)));
    let Some(((first, last), (low, high))) = spans else {
        return Err(Invalid::Empty {
            field: "values of the feature",
            remedy: "explain rows in which it is not missing",
        });
    };
    // A single value gets room on both sides, so that its points stand in the middle.
    let wide = if last > first {
        0.03 * (last - first)
    } else {
        first.abs().max(1.0) * 0.1
    };
    let most = high.abs().max(low.abs());
    let tall = if most > 0.0 {
        (0.08 * (high - low)).max(0.05 * most)
    } else {
        1.0
    };
    let frame = Frame::new(
        (first - wide, last + wide),
        ((low - tall).min(0.0), (high + tall).max(0.0)),
    );
    let unit = match &feature.kind {
        Kind::Number { unit, .. } if !unit.is_empty() => format!(" in {unit}"),
        _ => String::new(),
    };
    let name = format!("{}{unit}", shortened(&feature.name, 34));
    let across = format!("added to the {}", shortened(score, 30));
    let every = points.len().div_ceil(MOST_POINTS).max(1);
    let drawn: Vec<(f64, f64)> = points.iter().copied().step_by(every).collect();
    let zero = number(frame.y.at(0.0));
    let (left, right) = frame.x.ends();
    let inside = html! {
        (frame.grid(&Axis::of(&name), &Axis::of(&across)))
        line.e-zero x1=(number(left)) y1=(zero) x2=(number(right)) y2=(zero) {}
        g {
            @for (value, amount) in &drawn {
                circle.e-point cx=(number(frame.x.at(*value))) cy=(number(frame.y.at(*amount))) r="3" {}
            }
        }
        @if dependence.trend.len() > 1 { (frame.line(dependence.trend.iter().copied(), "p-line p-thin p-second")) }
    };
    let digits = decimals(high - low);
    let missing = match dependence.missing {
        Some((mean, 1)) => format!(" In one row it is missing, which added {}.", signed(mean, digits)),
        Some((mean, rows)) => format!(
            " In {rows} rows it is missing, which added {} on average.",
            signed(mean, digits)
        ),
        None => String::new(),
    };
    let part = if every > 1 {
        format!(" Of {} rows {} are drawn.", points.len(), drawn.len())
    } else {
        String::new()
    };
    let title = format!("{}: its value and what it adds", feature.name);
    let caption =
        format!("A point is a row; the line is the mean over rows with like values.{missing}{part}");
    let told: Vec<String> = dependence
        .trend
        .iter()
        .map(|(value, amount)| format!("about {} adds {}", feature.tell(*value), signed(*amount, digits)))
        .collect();
    let spoken = format!("{}: {}.{missing}", feature.name, told.join("; "));
    Ok(Picture::new(
        title.clone(),
        caption,
        svg(WIDTH, HEIGHT, &title, &spoken, &inside),
        false,
    ))
}
