//! How much features matter on the whole.

use maud::html;
use veilsum_pictures::Picture;
use veilsum_pictures::frame::{WIDTH, rect, svg, text};

use super::lines::Lines;
use super::{decimals, drawable};
use crate::error::Invalid;

const STEP: f64 = 34.0;
const TOP: f64 = 12.0;

/// Bars of the `most` largest of `importances`, whose features are `names`. `score` names what the model gives.
///
/// # Errors
/// No features; lists of different sizes; amounts that are not finite or are negative.
pub fn importances(
    names: &[String],
    importances: &[f64],
    score: &str,
    most: usize,
) -> Result<Picture, Invalid> {
    Invalid::size(
        ("importances", "features"),
        importances.len(),
        names.len(),
        "give one for each name",
    )?;
    if names.is_empty() {
        return Err(Invalid::Empty {
            field: "importances",
            remedy: "name at least one feature",
        });
    }
    drawable("importances", importances.iter())?;
    if let Some(found) = importances.iter().find(|amount| **amount < 0.0) {
        return Err(Invalid::range(
            "importances",
            *found,
            "numbers that are not negative",
        ));
    }
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|one, two| {
        importances[*two]
            .total_cmp(&importances[*one])
            .then(names[*one].cmp(&names[*two]))
    });
    order.truncate(most.max(1));
    let labels: Vec<(String, String)> = order
        .iter()
        .map(|at| (names[*at].clone(), String::new()))
        .collect();
    let lines = Lines::new(&labels, TOP, STEP, 16.0);
    let largest = order.first().map_or(0.0, |at| importances[*at]);
    let digits = decimals(largest);
    // Room for the words behind the longest bar.
    let span = (0.0, if largest > 0.0 { 1.3 * largest } else { 1.0 });
    let x = lines.scale(span);
    let told = |at: &usize| format!("{:.digits$}", importances[*at]);
    let inside = html! {
        (lines.axis(x, span, "mean change, either way"))
        @for (line, at) in order.iter().enumerate() {
            @let (start, end) = (x.at(0.0), x.at(importances[*at]));
            (rect((start, lines.middle(line) - 9.0), (end - start, 18.0), "p-bar p-main"))
            (text(end + 6.0, lines.middle(line) + 5.0, "start", "p-ink p-halo", &told(at)))
        }
        (lines.names(&labels))
    };
    let title = "How much each feature matters".to_owned();
    let more = names.len() - order.len();
    let more = if more > 0 {
        format!(" {more} features that matter less are not drawn.")
    } else {
        String::new()
    };
    let caption = format!("How far each feature moved the {score} on average, whichever way.{more}");
    let all: Vec<String> = order
        .iter()
        .map(|at| format!("{} {}", names[*at], told(at)))
        .collect();
    let spoken = format!("Mean amounts: {}.", all.join("; "));
    let drawing = svg(WIDTH, lines.height(), &title, &spoken, &inside);
    Ok(Picture::new(title, caption, drawing, false))
}
