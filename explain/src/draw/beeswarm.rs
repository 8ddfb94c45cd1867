//! The amounts of many rows, a point for each row and feature.

use maud::{Markup, html};
use veilsum_pictures::Picture;
use veilsum_pictures::frame::{WIDTH, number, svg, text};

use super::lines::Lines;
use super::{decimals, drawable};
use crate::attribution::Attribution;
use crate::distribution::Distribution;
use crate::error::Invalid;
use crate::feature::{Feature, Value};
use crate::importance::importance;

const STEP: f64 = 36.0;
const TOP: f64 = 40.0;
/// A point's.
const RADIUS: f64 = 2.4;
/// Points above or below a line's middle, at most.
const REACH: f64 = 14.0;
/// More rows are drawn only in part: points would hide each other, and a page would grow.
const MOST_ROWS: usize = 300;
/// Colours from the smallest value to the largest.
const COLOURS: u32 = 9;

/// A beeswarm of the `most` features with the largest mean amounts; `values` are each row's, in the features' order. `score` names what the model gives.
///
/// # Errors
/// No rows; lists of different sizes; values of another kind than the feature's; amounts that are not finite.
pub fn beeswarm(
    attributions: &[Attribution],
    features: &[Feature],
    values: &[Vec<Value>],
    score: &str,
    most: usize,
) -> Result<Picture, Invalid> {
    let means = importance(attributions)?;
    check(attributions, features, values, means.len())?;
    let mut order: Vec<usize> = (0..means.len()).collect();
    order.sort_by(|one, two| means[*two].total_cmp(&means[*one]));
    order.truncate(most.max(1));
    let every = attributions.len().div_ceil(MOST_ROWS);
    let rows: Vec<usize> = (0..attributions.len()).step_by(every).collect();
    let amounts = || {
        order
            .iter()
            .flat_map(|at| rows.iter().map(move |row| attributions[*row].values[*at]))
    };
    let (low, high) = amounts().fold((0.0, 0.0), |(low, high), amount| {
        (f64::min(low, amount), f64::max(high, amount))
    });
    // Without any amount the points stand in the middle.
    let air = if high > low { 0.04 * (high - low) } else { 1.0 };
    let span = (low - air, high + air);
    let labels: Vec<(String, String)> = order
        .iter()
        .map(|at| (features[*at].name.clone(), String::new()))
        .collect();
    let lines = Lines::new(&labels, TOP, STEP, 16.0);
    let x = lines.scale(span);
    let inside = html! {
        (lines.axis(x, span, "what it added"))
        (lines.names(&labels))
        @for (line, at) in order.iter().enumerate() {
            @let colours = colours(*at, &rows, values);
            @let places: Vec<f64> = rows.iter().map(|row| x.at(attributions[*row].values[*at])).collect();
            g {
                @for ((place, lift), class) in places.iter().zip(lifts(&places)).zip(&colours) {
                    circle.(class) cx=(number(*place)) cy=(number(lines.middle(line) + lift)) r=(RADIUS) {}
                }
            }
        }
        (key())
    };
    let digits = decimals(high - low);
    let told: Vec<String> = order
        .iter()
        .map(|at| format!("{} {:.digits$}", features[*at].name, means[*at]))
        .collect();
    let title = "What features add, row by row".to_owned();
    let part = if every > 1 {
        format!(" Of {} rows {} are drawn.", attributions.len(), rows.len())
    } else {
        String::new()
    };
    let more = means.len() - order.len();
    let more = if more > 0 {
        format!(" {more} features with smaller amounts are not drawn.")
    } else {
        String::new()
    };
    let rows_told = if attributions.len() == 1 {
        "one row".to_owned()
    } else {
        format!("{} rows", attributions.len())
    };
    let caption = format!(
        "A point is a row: right of 0 the feature raised its {score}, left of it lowered it. Blue points have the feature's small values, amber ones its \
         large values, grey ones a category, a text or none.{part}{more}"
    );
    let spoken = format!("Mean amounts over {rows_told}: {}.", told.join("; "));
    let drawing = svg(WIDTH, lines.height(), &title, &spoken, &inside);
    Ok(Picture::new(title, caption, drawing, false))
}

fn check(
    attributions: &[Attribution],
    features: &[Feature],
    values: &[Vec<Value>],
    width: usize,
) -> Result<(), Invalid> {
    let remedy = "give one for each feature of each explained row";
    Invalid::size(("features", "features"), features.len(), width, remedy)?;
    Invalid::size(("values", "rows"), values.len(), attributions.len(), remedy)?;
    for row in values {
        Invalid::size(("values", "values in a row"), row.len(), width, remedy)?;
        features
            .iter()
            .zip(row)
            .try_for_each(|(feature, value)| feature.check(value))?;
    }
    drawable(
        "attributions",
        attributions.iter().flat_map(|attribution| &attribution.values),
    )
}

/// A class for each row, by the rank of its value among those that are drawn.
fn colours(feature: usize, rows: &[usize], values: &[Vec<Value>]) -> Vec<String> {
    let number = |row: &usize| match values[*row][feature] {
        Value::Number(number) => Some(number),
        _ => None,
    };
    let distribution = Distribution::new(rows.iter().filter_map(number).collect()).ok();
    let class = |row: &usize| match (number(row), &distribution) {
        (Some(value), Some(distribution)) => {
            let colour = (distribution.rank(value) * f64::from(COLOURS)) as u32;
            format!("e-v{}", colour.min(COLOURS - 1))
        }
        _ => "e-none".to_owned(),
    };
    rows.iter().map(class).collect()
}

/// How far each point is moved up or down so that they lie beside each other; closer together where they are many.
fn lifts(places: &[f64]) -> Vec<f64> {
    let slot = |place: f64| (place / (2.0 * RADIUS)).round() as i64;
    let mut counts: std::collections::HashMap<i64, u32> = std::collections::HashMap::new();
    let taken: Vec<u32> = places
        .iter()
        .map(|place| {
            let count = counts.entry(slot(*place)).or_default();
            *count += 1;
            *count - 1
        })
        .collect();
    let highest = counts.values().copied().max().unwrap_or(1);
    let apart = (2.0 * REACH / f64::from(highest.max(2) - 1)).min(2.0 * RADIUS);
    taken
        .into_iter()
        .map(|taken| {
            let away = f64::from(taken.div_ceil(2)) * apart;
            if taken % 2 == 0 { away } else { -away }
        })
        .collect()
}

/// What the colours are.
fn key() -> Markup {
    let right = WIDTH - 16.0;
    let start = right - 36.0 - 10.0 * f64::from(COLOURS);
    html! {
        (text(start - 6.0, 20.0, "end", "p-soft e-small", "small value"))
        @for colour in 0..COLOURS {
            rect.{ "e-v" (colour) } x=(number(start + 10.0 * f64::from(colour))) y="10" width="10" height="11" shape-rendering="crispEdges" {}
        }
        (text(start + 10.0 * f64::from(COLOURS) + 6.0, 20.0, "start", "p-soft e-small", "large"))
    }
}
