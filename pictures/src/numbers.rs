//! How far predicted numbers are off. A cloud of predictions over labels would need the rows, and nobody has them; these are the sums' figures.

use veilsum_protocol::model::{Figure, Metrics, NumberSums};
use veilsum_protocol::task::{LabelKind, Scale, Task};

use super::Picture;
use super::bars::{self, Bar};
use super::frame::{Axis, WIDTH, svg};

/// Parts of 1 in the sums.
const ONE: f64 = 4_294_967_296.0;

pub(super) fn errors(task: &Task, sums: &NumberSums, metrics: &Metrics) -> Picture {
    let rows = sums.rows.max(1) as f64;
    let mean = sums.labels as f64 / ONE / rows;
    let variance = (sums.label_squares as f64 / ONE / rows - mean * mean).max(0.0);
    // Only on a linear scale is a distance the same everywhere.
    let unit = match &task.schema.label_kind {
        LabelKind::Number(number) if number.scale == Scale::Linear => Some(number.max - number.min),
        _ => None,
    };
    let (rmse, mae) = (metrics.figure(Figure::Rmse), metrics.figure(Figure::Mae));
    let words = |value: f64| match unit {
        Some(unit) => format!("{value:.4} ({})", rounded(value * unit)),
        None => format!("{value:.4}"),
    };
    let bar = |name: &str, value: Option<f64>, class| Bar {
        name: name.to_owned(),
        value,
        words: value.map_or("undefined".to_owned(), words),
        class,
    };
    let bars = [
        bar("mean for all", Some(variance.sqrt()), "p-bar p-faint"),
        bar("RMSE", rmse, "p-bar p-main"),
        bar("MAE", mae, "p-bar p-second"),
    ];
    let most = bars.iter().filter_map(|bar| bar.value).fold(1e-3, f64::max);
    // Room for the words behind the longest bar.
    let (inside, height) = bars::draw(
        &bars,
        most * 1.9,
        &Axis::of("error on the label's scale from 0 to 1"),
        None,
    );
    let explained = match metrics.figure(Figure::RSquared) {
        Some(share) if share >= 0.0 => format!(
            "the model explains {:.1} % of the labels' variance",
            100.0 * share
        ),
        Some(share) => {
            format!("the model is worse than predicting the mean of all labels (R\u{b2} {share:.3})")
        }
        None => "the labels are all alike, so there is no variance to explain".to_owned(),
    };
    let spoken: Vec<String> = bars
        .iter()
        .map(|bar| format!("{} {}", bar.name, bar.words))
        .collect();
    Picture::half(
        "Errors",
        format!(
            "Over {} rows {explained}.{} Above: the error of predicting the labels' mean for every row. Single predictions are not drawn: only sums leave the \
             banks.",
            sums.rows,
            unit.map_or("", |_| " In brackets the error in the label's own unit.")
        ),
        svg(
            WIDTH,
            height,
            "Errors",
            &format!("Errors: {}.", spoken.join("; ")),
            &inside,
        ),
    )
}

/// Four digits that matter.
fn rounded(value: f64) -> String {
    let digits = if value == 0.0 {
        0.0
    } else {
        value.abs().log10().floor()
    };
    let decimals = (3.0 - digits).clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}")
}
