//! How much each column of the banks' tables moves a model's answers, the greatest first.

use veilsum_protocol::model::{ImportanceSums, Target};
use veilsum_protocol::task::Task;

use super::Picture;
use super::bars::{self, Bar};
use super::frame::{Axis, WIDTH, svg};

/// Most columns that are drawn.
const DRAWN: usize = 20;

/// Nothing where it was not measured, or of no rows.
pub(super) fn of(task: &Task, sums: Option<&ImportanceSums>) -> Option<Picture> {
    let sums = sums?;
    let means = sums.means().ok().flatten()?;
    let names = task.explained_columns().into_iter().map(|column| column.name);
    let columns: Vec<(String, f64)> = names.zip(means).collect();
    importance(task.target(), &columns, sums.rows)
}

/// A bar for each of `columns`, whose mean amounts over `rows` rows are given; nothing without columns.
pub fn importance(target: Target, columns: &[(String, f64)], rows: u64) -> Option<Picture> {
    let mut sorted: Vec<&(String, f64)> = columns.iter().filter(|(_, mean)| mean.is_finite()).collect();
    sorted.sort_by(|one, other| other.1.total_cmp(&one.1));
    let left_out = sorted.len().saturating_sub(DRAWN);
    sorted.truncate(DRAWN);
    let most = sorted.first()?.1;
    let bars: Vec<Bar> = sorted
        .iter()
        .map(|(name, mean)| Bar {
            name: name.clone(),
            value: Some(*mean),
            words: format!("{mean:.4}"),
            class: "p-bar p-main",
        })
        .collect();
    let (of_what, axis) = match target {
        Target::Binary => ("the probability of label 1", "mean change of the probability"),
        Target::Classes(_) => (
            "the probabilities of the classes, what goes from some to others counted once",
            "mean change of the probabilities",
        ),
        Target::Number => (
            "the predicted number on the label's scale from 0 to 1",
            "mean change on the label's scale from 0 to 1",
        ),
    };
    // Room for the words behind the longest bar.
    let (inside, height) = bars::draw(&bars, 1.25 * most.max(1e-9), &Axis::of(axis), None);
    let spoken: Vec<String> = bars
        .iter()
        .map(|bar| format!("{} {}", bar.name, bar.words))
        .collect();
    let rest = match left_out {
        0 => String::new(),
        1 => " One more column moves less.".to_owned(),
        more => format!(" {more} more columns move less."),
    };
    let title = "Importance of columns";
    Some(Picture::half(
        title,
        format!(
            "By how much each column moves {of_what}: the mean amount of its Shapley value over {rows} held-out rows of all banks in the sum, each row \
             compared with training rows of its own bank. It says what the model goes by, not what causes what.{rest}"
        ),
        svg(
            WIDTH,
            height,
            title,
            &format!("{title}: {}.", spoken.join("; ")),
            &inside,
        ),
    ))
}
