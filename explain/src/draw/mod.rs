//! Pictures of attributions, in the house's frame and colours: amber raises a score, teal lowers it.

mod beeswarm;
mod dependence;
mod importance;
mod lines;
mod waterfall;

pub use beeswarm::beeswarm;
pub use dependence::dependence;
pub use importance::importances;
pub use waterfall::waterfall;

use crate::error::Invalid;

/// What the pictures need beside [`veilsum_pictures::STYLE`], for a page's style sheet.
pub const STYLE: &str = include_str!("draw.css");

/// What raises and what lowers a score.
const RAISES: &str = "p-second";
const LOWERS: &str = "p-main";

/// Differences of larger numbers could not be drawn.
const LARGEST: f64 = 1e150;

/// Refuses what has no place on an axis.
fn drawable<'a>(field: &'static str, mut numbers: impl Iterator<Item = &'a f64>) -> Result<(), Invalid> {
    match numbers.find(|number| !number.is_finite() || number.abs() > LARGEST) {
        Some(found) => Err(Invalid::range(
            field,
            *found,
            "finite numbers of at most 1e150 to draw",
        )),
        None => Ok(()),
    }
}

/// Digits that tell amounts within `span` apart.
pub(crate) fn decimals(span: f64) -> usize {
    if span > 0.0 && span.is_finite() {
        (2.0 - span.log10().floor()).clamp(0.0, 8.0) as usize
    } else {
        3
    }
}

/// Numbers from here on are told by their power of ten.
const LARGE: f64 = 1e9;

/// A number with a minus sign as long as a plus.
pub(crate) fn told(number: f64, decimals: usize) -> String {
    let text = if number.abs() < LARGE {
        format!("{number:.decimals$}")
    } else {
        format!("{number:.3e}")
    };
    text.replace('-', "−")
}

/// An amount with its sign; none where it rounds to nothing.
pub(crate) fn signed(amount: f64, decimals: usize) -> String {
    let text = told(amount.abs(), decimals);
    if text.chars().all(|digit| matches!(digit, '0' | '.')) {
        return text;
    }
    format!("{}{text}", if amount < 0.0 { '−' } else { '+' })
}
