//! From the base to one row's score, feature by feature.

use maud::html;
use veilsum_pictures::Picture;
use veilsum_pictures::frame::{number, rect, svg, text};

use super::lines::Lines;
use super::{LOWERS, RAISES, decimals, drawable, signed, told};
use crate::attribution::{Attribution, sound};
use crate::error::Invalid;
use crate::feature::{Feature, Value};

const STEP: f64 = 40.0;
const TOP: f64 = 34.0;
/// Half of a bar's height.
const HALF: f64 = 11.0;

/// A step of the way.
struct Part {
    name: String,
    under: String,
    from: f64,
    to: f64,
}

/// A waterfall of one row: the `most` features with the largest amounts, and all others together. `score` names what the model gives.
///
/// # Errors
/// Lists of different sizes; amounts that are not finite.
pub fn waterfall(
    attribution: &Attribution,
    features: &[Feature],
    values: &[Value],
    score: &str,
    most: usize,
) -> Result<Picture, Invalid> {
    sound(std::slice::from_ref(attribution), features.len())?;
    let remedy = "give one for each feature";
    Invalid::size(("values", "values"), values.len(), features.len(), remedy)?;
    let all = attribution
        .values
        .iter()
        .chain([&attribution.base, &attribution.score]);
    drawable("attribution", all)?;
    let parts = parts(attribution, features, values, most.max(1));
    let ends = parts.iter().flat_map(|part| [part.from, part.to]);
    let (low, high) = ends.fold((attribution.base, attribution.base), |(low, high), at| {
        (low.min(at), high.max(at))
    });
    let digits = decimals((high - low).max(attribution.base.abs() * 0.1));
    let labels: Vec<(String, String)> = parts
        .iter()
        .map(|part| (part.name.clone(), part.under.clone()))
        .collect();
    let lines = Lines::new(&labels, TOP, STEP, 16.0);
    let span = roomy(&parts, (low, high), lines.width(), digits, attribution.base);
    let x = lines.scale(span);
    let (base, end) = (x.at(attribution.base), x.at(attribution.score));
    let words = |value: f64| told(value, digits);
    let base_words = format!("base {}", words(attribution.base));
    let end_words = format!("score {}", words(attribution.score));
    let (left, right) = x.ends();
    let anchor = |at: f64, words: &str| {
        let half = Lines::room(words) / 2.0;
        at.clamp((left + half).min(right - half), right - half)
    };
    let inside = html! {
        (lines.axis(x, span, ""))
        line.e-join x1=(number(base)) y1=(number(TOP - 6.0)) x2=(number(base)) y2=(number(lines.middle(0) + HALF)) {}
        (text(anchor(base, &base_words), TOP - 12.0, "middle", "p-soft", &base_words))
        @for (line, part) in parts.iter().enumerate() {
            @let middle = lines.middle(line);
            @let (from, to) = (x.at(part.from), x.at(part.to));
            @let class = if part.to < part.from { LOWERS } else if part.to > part.from { RAISES } else { "p-faint" };
            (rect((from.min(to), middle - HALF), ((to - from).abs().max(1.0), 2.0 * HALF), &format!("p-bar {class}")))
            @let next = if line + 1 < parts.len() { lines.middle(line + 1) + HALF } else { lines.bottom() + 24.0 };
            line.e-join x1=(number(to)) y1=(number(middle - HALF)) x2=(number(to)) y2=(number(next)) {}
        }
        (lines.names(&labels))
        @for (line, part) in parts.iter().enumerate() {
            @let words = signed(part.to - part.from, digits);
            @let (from, to) = (x.at(part.from), x.at(part.to));
            @let room = Lines::room(&words);
            @let behind = if part.to < part.from { to - room >= left } else { to + room > right && from - room >= left };
            @if behind {
                (text(from.min(to) - 6.0, lines.middle(line) + 5.0, "end", "p-ink p-halo", &words))
            } @else {
                (text(from.max(to) + 6.0, lines.middle(line) + 5.0, "start", "p-ink p-halo", &words))
            }
        }
        (text(anchor(end, &end_words), lines.bottom() + 38.0, "middle", "p-ink p-halo", &end_words))
    };
    let title = format!("From the base to this row's {score}");
    let steps: Vec<String> = parts
        .iter()
        .map(|part| {
            let value = if part.under.is_empty() {
                String::new()
            } else {
                format!(" ({})", part.under)
            };
            format!("{}{value} {}", part.name, signed(part.to - part.from, digits))
        })
        .collect();
    let spoken = format!("{base_words}; {}; {end_words}.", steps.join("; "));
    let caption = format!(
        "Each bar is what one feature added to the mean {score} of the rows compared with, {}, the largest first: amber raised, teal lowered it, to {}.",
        words(attribution.base),
        words(attribution.score)
    );
    let drawing = svg(
        veilsum_pictures::frame::WIDTH,
        lines.height(),
        &title,
        &spoken,
        &inside,
    );
    Ok(Picture::new(title, caption, drawing, false))
}

/// A span with room for the words beside bars: before those that fall, behind those that rise.
fn roomy(parts: &[Part], (low, high): (f64, f64), width: f64, digits: usize, base: f64) -> (f64, f64) {
    let room = |falls: bool| {
        let those = parts.iter().filter(|part| (part.to < part.from) == falls);
        let words = those.map(|part| Lines::room(&signed(part.to - part.from, digits)) + 6.0);
        words.fold(10.0, f64::max)
    };
    let (before, behind) = (room(true), room(false));
    let unit = (high - low) / (width - before - behind).max(0.3 * width);
    // What moves nothing that is told must not look like much, and nothing at all has something to stand on.
    let is_still = high - low <= 1e-3 * base.abs();
    let least = if is_still {
        base.abs().max(1e-3) * 1e-2
    } else {
        0.0
    };
    (
        low - (unit * before).max(least),
        high + (unit * behind).max(least),
    )
}

fn parts(attribution: &Attribution, features: &[Feature], values: &[Value], most: usize) -> Vec<Part> {
    let mut now = attribution.base;
    let mut parts = Vec::new();
    let order = attribution.ranked();
    // A single feature beyond the most stands for itself.
    let shown = if order.len() == most + 1 {
        order.len()
    } else {
        most.min(order.len())
    };
    for at in &order[..shown] {
        let to = now + attribution.values[*at];
        parts.push(Part {
            name: features[*at].name.clone(),
            under: features[*at].tell_value(&values[*at]),
            from: now,
            to,
        });
        now = to;
    }
    let others = &order[shown..];
    if !others.is_empty() {
        parts.push(Part {
            name: format!("{} others", others.len()),
            under: String::new(),
            from: now,
            to: now + others.iter().map(|at| attribution.values[*at]).sum::<f64>(),
        });
    }
    let end = parts.last().map_or(now, |part| part.to);
    // What a method that is not locally accurate left over is shown rather than hidden.
    if (attribution.score - end).abs() > 1e-3 * (attribution.score - attribution.base).abs().max(1e-9) {
        parts.push(Part {
            name: "not accounted for".to_owned(),
            under: String::new(),
            from: end,
            to: attribution.score,
        });
    }
    parts
}
