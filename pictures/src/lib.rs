//! Pictures of how good a model is, from the sums that the consortium published: nobody has the rows, and none is needed.
//!
//! * [`of`]: what one judgement shows; by the kind of label in `distribution`, `ranking`, `calibration`, `confusion`, `numbers`, and `fairness` by group;
//!   `importance` of columns.
//! * [`by_step`]: each figure of the log by step; [`beside`]: those of one side beside another's.
//! * [`frame`] and [`bars`]: axes, lines and words, and bars below each other, for pictures of other crates too.
//!
//! Each is an SVG without script or anything from elsewhere. Its colours come from [`STYLE`], which a page puts into its head; [`gallery`] places
//! pictures beside each other, or below each other on a phone. Texts from outside are escaped.

pub mod bars;
mod beside;
mod calibration;
mod confusion;
mod distribution;
mod fairness;
pub mod frame;
mod importance;
mod learning;
mod numbers;
mod ranking;

use maud::{Markup, PreEscaped, html};
use veilsum_protocol::model::{Judgement, Metrics, ScoreSums};
use veilsum_protocol::task::Task;

pub use beside::{Beside, beside};
pub use importance::importance;

/// The colours and sizes of all pictures, for a page's style sheet.
pub const STYLE: &str = include_str!("pictures.css");

/// A picture with its words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Picture {
    /// What it is.
    pub title: String,
    /// What it says, and how to read it.
    pub caption: String,
    /// The drawing, with a description for those who do not see it.
    pub svg: String,
    /// Whether it needs the whole width of a page.
    pub wide: bool,
}

impl Picture {
    /// A picture that another crate has drawn, with [`frame::svg`].
    pub fn new(title: String, caption: String, svg: String, wide: bool) -> Self {
        Self {
            title,
            caption,
            svg,
            wide,
        }
    }

    fn half(title: &str, caption: String, svg: String) -> Self {
        Self {
            title: title.to_owned(),
            caption,
            svg,
            wide: false,
        }
    }
}

/// What one judgement of `task`'s model shows; nothing without rows, or of sums that contradict themselves.
pub fn of(task: &Task, judgement: &Judgement) -> Vec<Picture> {
    let mut pictures = of_scores(task, &judgement.scores);
    pictures.extend(importance::of(task, judgement.importance.as_ref()));
    pictures
}

fn of_scores(task: &Task, scores: &ScoreSums) -> Vec<Picture> {
    let Some(metrics) = scores.metrics().ok().filter(|metrics| metrics.rows > 0) else {
        return Vec::new();
    };
    match scores {
        ScoreSums::Binary(sums) => {
            let cut = Cut::of(task, sums.negatives.len());
            let mut pictures = vec![distribution::scores(sums, cut)];
            pictures.extend(ranking::roc(sums, &metrics, cut));
            pictures.extend(ranking::precision_recall(sums, &metrics, cut));
            pictures.extend(ranking::kolmogorov_smirnov(sums, &metrics));
            pictures.push(calibration::curve(sums, &metrics));
            pictures.push(confusion::at_cut(sums, cut));
            pictures.extend(fairness::of(task, sums));
            pictures
        }
        ScoreSums::Classes(sums) => vec![confusion::of_classes(task, sums, &metrics)],
        ScoreSums::Number(sums) => vec![numbers::errors(task, sums, &metrics)],
    }
}

/// How well the probabilities behind such sums are calibrated; nothing of sums of another kind, without rows, or that contradict themselves.
pub fn calibration(scores: &ScoreSums) -> Option<Picture> {
    let metrics = scores.metrics().ok().filter(|metrics| metrics.rows > 0)?;
    match scores {
        ScoreSums::Binary(sums) => Some(calibration::curve(sums, &metrics)),
        ScoreSums::Classes(_) | ScoreSums::Number(_) => None,
    }
}

/// Each figure of `measured` by step, ascending. Figures that compare groups are of the last model alone and have a picture of their own in [`of`].
pub fn by_step(measured: &[(u32, Metrics)]) -> Vec<Picture> {
    learning::curves(measured)
}

/// The pictures as figures of a page.
pub fn gallery(pictures: &[Picture]) -> Markup {
    html! {
        div.pictures {
            @for picture in pictures {
                figure.p-wide[picture.wide] {
                    figcaption { strong { (picture.title) } }
                    div.p-scroll tabindex=[picture.wide.then_some("0")] { (PreEscaped(&picture.svg)) }
                    p.p-caption { (picture.caption) }
                }
            }
        }
    }
}

/// Where scores part those who are taken for label 1 from the others.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// The first bin that is taken for label 1.
    bin: usize,
    /// The score at its lower edge.
    score: f64,
}

impl Cut {
    /// At the threshold of the task's groups; in the middle where it has none.
    fn of(task: &Task, bins: usize) -> Self {
        let groups = task.evaluation.groups.as_ref();
        let decision = groups.and_then(|groups| groups.decision(task.evaluation.bins));
        let decided = decision.and_then(|decision| usize::try_from(decision.edge).ok());
        let bin = decided.unwrap_or(bins.div_ceil(2)).min(bins);
        Self {
            bin,
            score: bin as f64 / bins.max(1) as f64,
        }
    }
}

/// A share as people read it.
fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests;
