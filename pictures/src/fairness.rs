//! How the last model treats each group of people, from the groups' histograms of scores.

use veilsum_protocol::model::{BinarySums, GroupFigures, LEAST_GROUP_ROWS, Share, Spread};
use veilsum_protocol::task::{Groups, Task};

use super::Picture;
use super::bars::{self, Bar};
use super::frame::{Axis, WIDTH, svg};

/// Nothing where the sums tell no groups apart.
pub(super) fn of(task: &Task, sums: &BinarySums) -> Vec<Picture> {
    let Some(groups) = &task.evaluation.groups else {
        return Vec::new();
    };
    let Some(decision) = groups.decision(task.evaluation.bins) else {
        return Vec::new();
    };
    if sums.groups.len() != groups.count() {
        return Vec::new();
    }
    let figures: Vec<GroupFigures> = sums.groups.iter().map(|group| group.figures(decision)).collect();
    vec![
        selected(groups, &figures),
        opportunity(groups, &figures),
        auc(groups, &figures),
    ]
}

fn bar(name: &str, share: Share) -> Bar {
    Bar {
        name: name.to_owned(),
        value: share.told(),
        words: match share.told() {
            Some(told) => format!("{:.1} % of {}", 100.0 * told, share.of),
            None => too_few(share.of),
        },
        class: "p-bar p-main",
    }
}

fn too_few(rows: u64) -> String {
    format!("{rows} rows, fewer than {LEAST_GROUP_ROWS}")
}

/// Who counts as favoured.
fn favoured(groups: &Groups) -> String {
    let side = if groups.favourable == 1 { "from" } else { "below" };
    format!(
        "taken for {}, a score {side} {}",
        groups.favourable, groups.threshold
    )
}

fn picture(
    title: &str,
    caption: String,
    bars: &[Bar],
    end: f64,
    axis: &Axis<'_>,
    mark: Option<(f64, &str)>,
) -> Picture {
    let (inside, height) = bars::draw(bars, end, axis, mark);
    let spoken: Vec<String> = bars
        .iter()
        .map(|bar| format!("{}: {}", bar.name, bar.words))
        .collect();
    let spoken = format!("{title}: {}.", spoken.join("; "));
    Picture::half(title, caption, svg(WIDTH, height, title, &spoken, &inside))
}

fn selected(groups: &Groups, figures: &[GroupFigures]) -> Picture {
    let shares = figures.iter().map(|group| group.selected);
    let spread = Spread::of(shares.clone());
    let bars: Vec<Bar> = groups
        .names()
        .iter()
        .zip(shares)
        .map(|(name, share)| bar(name, share))
        .collect();
    let fifths = spread.and_then(|spread| Some(0.8 * spread.most.told()?));
    let told = match spread {
        Some(spread) => {
            let ratio = spread
                .ratio()
                .map_or("undefined".to_owned(), |ratio| format!("{ratio:.3}"));
            let kept = if spread.keeps_four_fifths() {
                "kept"
            } else {
                "not kept"
            };
            format!(
                "Demographic parity difference {:.3}, disparate impact ratio {ratio}: the four-fifths rule is {kept}.",
                spread.difference()
            )
        }
        None => "Too few rows to compare the groups.".to_owned(),
    };
    picture(
        "Favoured by group",
        format!(
            "Share of each group of {} that is {}. {told} Dashed: four fifths of the highest share.",
            groups.column,
            favoured(groups)
        ),
        &bars,
        1.0,
        &Axis::percent("favoured"),
        fifths.map(|at| (at, "four fifths of the highest")),
    )
}

fn opportunity(groups: &Groups, figures: &[GroupFigures]) -> Picture {
    let shares = figures.iter().map(|group| group.rightly);
    let bars: Vec<Bar> = groups
        .names()
        .iter()
        .zip(shares.clone())
        .map(|(name, share)| bar(name, share))
        .collect();
    let difference = |spread: Option<Spread>| spread.map(Spread::difference);
    let rightly = difference(Spread::of(shares));
    let wrongly = difference(Spread::of(figures.iter().map(|group| group.wrongly)));
    let words = |value: Option<f64>| value.map_or("undefined".to_owned(), |value| format!("{value:.3}"));
    let odds = rightly
        .zip(wrongly)
        .map(|(rightly, wrongly)| rightly.max(wrongly));
    picture(
        "Equal opportunity",
        format!(
            "Of the rows whose label is {0}, the share of each group that is taken for {0}: the true positive rate of the good outcome. Equal opportunity \
             difference {1}; equalised odds difference, which looks at the rows with the other label as well, {2}.",
            groups.favourable,
            words(rightly),
            words(odds)
        ),
        &bars,
        1.0,
        &Axis::percent("rightly favoured"),
        None,
    )
}

fn auc(groups: &Groups, figures: &[GroupFigures]) -> Picture {
    let bars: Vec<Bar> = groups
        .names()
        .iter()
        .zip(figures)
        .map(|(name, group)| Bar {
            name: (*name).to_owned(),
            value: group.auc,
            words: match group.auc {
                Some(auc) => format!("{auc:.3}, {} rows", group.selected.of),
                None if group.selected.of < LEAST_GROUP_ROWS => too_few(group.selected.of),
                None => "one label only".to_owned(),
            },
            class: "p-bar p-main",
        })
        .collect();
    picture(
        "AUC by group",
        "How well the scores order the rows within each group, 0.5 for a coin.".to_owned(),
        &bars,
        1.0,
        &Axis::of("AUC"),
        Some((0.5, "a coin")),
    )
}
