//! How a model in service does, from the decisions that it was asked for: whether the rows are still those that it learned from, whether what it
//! foretold came true, and how groups of people fare, window by window.
//!
//! * [`Baseline`]: the values of a column that others are compared with; [`Drift`] is how far some are from them, by [`psi()`] and [`ks()`].
//! * [`Window`]: how time is parted.
//! * [`Quality`]: foretold beside seen, where outcomes are known. [`Fairness`]: the groups' shares of favourable decisions.
//! * [`Monitor`] looks at a [`Sample`] as a whole, and gives a [`Report`] with [`Alert`]s under [`Limits`].
//! * [`page()`] is the report as one file for a browser.
//!
//! Nothing here knows a clock, file, thread or libtorch. What figures of quality and fairness mean is said, and reckoned, by
//! [`veilsum_protocol::model`]: the consortium's rounds and a bank's own monitoring speak of the same AUC, Brier score and impact ratio.

mod baseline;
mod bins;
mod fairness;
mod kolmogorov;
mod level;
mod monitor;
mod page;
mod quality;
mod sample;
mod stability;
mod window;

pub use baseline::{Baseline, Drift};
pub use bins::Bins;
pub use fairness::{Fairness, GroupShare};
pub use kolmogorov::{Ks, ks};
pub use level::{Alert, KsLimits, Level, Limits, Steps};
pub use monitor::{GroupReport, Histogram, Monitor, Moved, Reference, Report, WindowReport};
pub use page::{About, page};
pub use quality::Quality;
pub use sample::{Grouping, Invalid, Named, NumberRange, Predictions, Sample, Values};
pub use stability::{chance, psi};
pub use window::{Span, Window};

/// Scores are counted in so many bins of equal width, so that the consortium's formulas, which work on histograms, serve here as well. A threshold is
/// one of their edges.
pub const SCORE_BINS: usize = 1000;
