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

/// What the pictures need beside [`veilsum_pictures::STYLE`], for a page's style sheet.
pub const STYLE: &str = include_str!("draw.css");

/// What raises and what lowers a score.
const RAISES: &str = "p-second";
const LOWERS: &str = "p-main";

/// Digits that tell amounts within `span` apart.
pub(crate) fn decimals(span: f64) -> usize {
    if span > 0.0 && span.is_finite() {
        (2.0 - span.log10().floor()).clamp(0.0, 8.0) as usize
    } else {
        3
    }
}

/// An amount with its sign.
pub(crate) fn signed(amount: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", amount.abs());
    if text.chars().all(|digit| matches!(digit, '0' | '.')) {
        return text;
    }
    format!("{}{text}", if amount < 0.0 { '−' } else { '+' })
}
