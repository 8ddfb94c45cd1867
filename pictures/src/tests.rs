#![allow(clippy::unwrap_used)]
use std::fmt::Write as _;

use veilsum_protocol::model::{BinarySums, ClassSums, GroupSums, ImportanceSums, NumberSums, Target};

use super::*;

fn task(label: &str, evaluation: &str) -> Task {
    let (inline, table) = if label.starts_with('[') {
        ("", label)
    } else {
        (label, "")
    };
    Task::parse(&format!(
        "name = \"t\"\nrounds = 2\nseed = 1\n[schema]\nversion = 1\nlabel = \"y\"\nleave_out = [\"sex\"]\n{inline}\n{table}\n[[schema.column]]\n\
         name = \"x\"\ntype = \"number\"\nmin = 0\nmax = 1\n[model]\nfamily = \"logistic\"\n[training]\noptimiser = \"sgd\"\nlearning_rate = 0.1\n\
         batch_size = 8\nlocal_epochs = 1\n[evaluation]\n{evaluation}\n"
    ))
    .unwrap()
}

fn binary() -> Task {
    task("", "bins = 64")
}

fn grouped() -> Task {
    task(
        "",
        "bins = 64\ngroups = { column = \"sex\", values = [\"women\", \"men\"], other = \"bucket\", favourable = 0, threshold = 0.25 }",
    )
}

fn of_classes(classes: usize) -> Task {
    let names: Vec<String> = (0..classes)
        .map(|class| format!("\"question of kind <{class}> & more\""))
        .collect();
    task(&format!("label_classes = [{}]", names.join(", ")), "")
}

fn number() -> Task {
    task("[schema.label_number]\nmin = 0\nmax = 20000", "")
}

/// A bell of so many rows around a score.
fn bell(rows: f64, middle: f64, width: f64, bins: u32) -> Vec<u64> {
    let at = |bin: u32| (f64::from(bin) + 0.5) / f64::from(bins);
    let high = |bin| (-((at(bin) - middle) / width).powi(2) / 2.0).exp();
    let all: f64 = (0..bins).map(high).sum();
    (0..bins)
        .map(|bin| (rows * high(bin) / all).round() as u64)
        .collect()
}

fn scored(negatives: Vec<u64>, positives: Vec<u64>) -> BinarySums {
    let rows = negatives.iter().chain(&positives).sum::<u64>();
    BinarySums::new(rows, 0.4 * rows as f64, negatives, positives)
}

fn usual() -> BinarySums {
    let groups = [
        (bell(3600.0, 0.2, 0.11, 64), bell(700.0, 0.34, 0.15, 64)),
        (bell(2400.0, 0.27, 0.12, 64), bell(800.0, 0.45, 0.16, 64)),
        (bell(12.0, 0.2, 0.1, 64), bell(3.0, 0.3, 0.1, 64)),
    ];
    let groups: Vec<GroupSums> = groups
        .into_iter()
        .map(|(negatives, positives)| GroupSums { negatives, positives })
        .collect();
    let add = |histogram: fn(&GroupSums) -> &[u64]| -> Vec<u64> {
        (0..64)
            .map(|bin| groups.iter().map(|group| histogram(group)[bin]).sum())
            .collect()
    };
    let (negatives, positives) = (add(|group| &group.negatives), add(|group| &group.positives));
    BinarySums {
        groups,
        ..scored(negatives, positives)
    }
}

/// Most on the diagonal, some spread by a fixed rule, and one class that is always taken for its neighbour.
fn confused(classes: usize) -> ClassSums {
    let mut confusion = vec![0; classes * classes];
    for seen in 0..classes {
        for taken in 0..classes {
            confusion[seen * classes + taken] = match (seen, taken) {
                (1, 2) => 37,
                (1, _) => 0,
                _ if seen == taken => 30 + (seen as u64 * 7) % 11,
                _ if (seen * 31 + taken * 17) % 13 == 0 => 1 + (seen as u64 + taken as u64) % 4,
                _ => 0,
            };
        }
    }
    let rows = confusion.iter().sum();
    ClassSums::new(rows, 0.5 * rows as f64, confusion)
}

fn predicted() -> NumberSums {
    let mut sums = NumberSums::default();
    for row in 0..5000_u32 {
        let label = f64::from(row * 37 % 1000) / 1000.0;
        sums.add(
            label,
            0.8 * label + 0.1 + f64::from(row * 91 % 100) / 1000.0 - 0.05,
        );
    }
    sums
}

/// Every tag is closed in its order, every attribute is quoted, and no number is none.
fn check(picture: &Picture) {
    let svg = &picture.svg;
    assert!(
        svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""),
        "{svg}"
    );
    for wrong in ["NaN", "inf", "-->", "href", "<script"] {
        assert!(!svg.contains(wrong), "{wrong} in {}: {svg}", picture.title);
    }
    let mut open: Vec<&str> = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        assert!(!text.contains('"') || tag.starts_with(['t', 'd', '/']), "{part}");
        assert!(
            text.split('&').skip(1).all(|entity| entity.contains(';')),
            "{part}"
        );
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{part}"),
            None => {
                assert_eq!(tag.matches('"').count() % 2, 0, "{part}");
                open.push(tag.split(' ').next().unwrap());
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(svg.matches("<desc>").count(), 1);
    let words = format!("{}{}", picture.title, picture.caption);
    assert!(!words.contains("NaN") && !words.contains("inf "), "{words}");
}

fn titles(pictures: &[Picture]) -> Vec<&str> {
    pictures.iter().map(|picture| picture.title.as_str()).collect()
}

fn drawn(task: &Task, scores: impl Into<Judgement>) -> Vec<Picture> {
    let pictures = of(task, &scores.into());
    pictures.iter().for_each(check);
    pictures
}

/// All kinds on one page; with `VEILSUM_PAGES` it is kept there, for people to look at.
#[test]
fn each_kind_of_label_has_its_pictures() {
    let binary = drawn(
        &binary(),
        ScoreSums::Binary(scored(usual().negatives, usual().positives)),
    );
    let with_groups = drawn(&grouped(), ScoreSums::Binary(usual()));
    let plain = [
        "Scores by label",
        "ROC curve",
        "Precision and recall",
        "Kolmogorov-Smirnov",
        "Calibration",
        "Confusion matrix",
    ];
    assert_eq!(titles(&binary), plain);
    assert_eq!(titles(&with_groups)[..6], plain);
    assert_eq!(
        titles(&with_groups)[6..],
        ["Favoured by group", "Equal opportunity", "AUC by group"]
    );
    let classes = [3, 8, 12, 30, 77, 256].map(|classes| {
        let pictures = drawn(&of_classes(classes), ScoreSums::Classes(confused(classes)));
        assert_eq!(titles(&pictures), ["Confusion matrix"]);
        assert_eq!(pictures[0].wide, classes > 8, "{classes}");
        pictures
    });
    let numbers = drawn(&number(), ScoreSums::Number(predicted()));
    assert_eq!(titles(&numbers), ["Errors"]);
    let figures = |step: u32| {
        let good = 1.0 - 0.5 / f64::from(step + 1);
        let sums = scored(
            bell(900.0, 0.6 - 0.4 * good, 0.12, 64),
            bell(300.0, 0.5, 0.15, 64),
        );
        (step, ScoreSums::Binary(sums).metrics().unwrap())
    };
    let learned = by_step(&(1..=30).map(figures).collect::<Vec<_>>());
    learned.iter().for_each(check);
    assert_eq!(
        titles(&learned),
        [
            "AUC",
            "KS",
            "Average precision",
            "Brier score",
            "Log loss",
            "Calibration error"
        ]
    );
    let important = drawn(&explained(), judged(&[0.142]));
    assert_eq!(titles(&important)[6..], ["Importance of columns"]);
    if let Some(folder) = std::env::var_os("VEILSUM_PAGES") {
        let mut page = format!(
            "<!DOCTYPE html><meta charset=utf-8><meta name=viewport content='width=device-width'><meta name=color-scheme content='light dark'>\
             <style>body{{font:1rem/1.55 system-ui,sans-serif;max-width:64rem;margin:auto;padding:1rem}}figure{{border:1px solid #8884;\
             border-radius:.75rem}}{STYLE}</style>"
        );
        for pictures in [&with_groups, &numbers, &learned, &important]
            .into_iter()
            .chain(&classes)
        {
            write!(page, "{}", gallery(pictures).into_string()).unwrap();
        }
        std::fs::write(std::path::Path::new(&folder).join("pictures.html"), page).unwrap();
    }
}

fn explained() -> Task {
    task("", "importance = {}")
}

/// The usual scores, and the importance of columns over four rows.
fn judged(means: &[f64]) -> Judgement {
    let mut sums = ImportanceSums::new(means.len());
    (0..4).for_each(|_| sums.add(means.iter().copied()));
    Judgement {
        scores: ScoreSums::Binary(scored(usual().negatives, usual().positives)),
        importance: Some(sums),
    }
}

#[test]
fn the_most_important_column_comes_first() {
    let names: Vec<String> = explained()
        .explained_columns()
        .into_iter()
        .map(|column| column.name)
        .collect();
    let mut means = vec![0.01; names.len()];
    *means.last_mut().unwrap() = 0.25;
    let pictures = drawn(&explained(), judged(&means));
    let picture = pictures.last().unwrap();
    assert!(
        picture.caption.contains("over 4 held-out rows of all banks"),
        "{}",
        picture.caption
    );
    let spoken = format!("Importance of columns: {} 0.2500", names.last().unwrap());
    assert!(picture.svg.contains(&spoken), "{}", picture.svg);
    let many: Vec<(String, f64)> = (0..23)
        .map(|at| (format!("c{at}"), f64::from(at) / 100.0))
        .collect();
    let picture = importance(Target::Number, &many, 9).unwrap();
    check(&picture);
    assert!(
        picture.caption.ends_with("3 more columns move less."),
        "{}",
        picture.caption
    );
    let none = Judgement {
        importance: Some(ImportanceSums::new(names.len())),
        ..judged(&means)
    };
    assert_eq!(drawn(&explained(), none).len(), 6);
}

#[test]
fn captions_tell_the_figures_and_what_they_mean() {
    let pictures = drawn(&grouped(), ScoreSums::Binary(usual()));
    let metrics = ScoreSums::Binary(usual())
        .metrics_under(grouped().evaluation.groups.unwrap().decision(64))
        .unwrap();
    let caption = |title: &str| {
        &pictures
            .iter()
            .find(|picture| picture.title == title)
            .unwrap()
            .caption
    };
    let value = |figure| format!("{:.4}", metrics.figure(figure).unwrap());
    use veilsum_protocol::model::Figure;
    assert!(caption("ROC curve").contains(&format!("AUC {}", value(Figure::Auc))));
    assert!(caption("Kolmogorov-Smirnov").contains(&format!("KS {}", value(Figure::Ks))));
    assert!(caption("Calibration").contains(&format!("Brier score {}", value(Figure::Brier))));
    let parity = metrics.figure(Figure::ParityDifference).unwrap();
    assert!(caption("Favoured by group").contains(&format!("parity difference {parity:.3}")));
    assert!(
        caption("Favoured by group").contains("is not kept"),
        "{}",
        caption("Favoured by group")
    );
    assert!(caption("Favoured by group").contains("of sex that is taken for 0, a score below 0.25"));
    let svg = &pictures
        .iter()
        .find(|picture| picture.title == "Favoured by group")
        .unwrap()
        .svg;
    assert!(svg.contains("12 rows, fewer than 30"), "{svg}");
}

/// The threshold's line, column by column: 6 rows with label 0 below it and 2 above, 1 with label 1 below and 3 above.
#[test]
fn a_small_confusion_matrix_by_hand() {
    let sums = scored(vec![4, 2, 1, 1], vec![0, 1, 1, 2]);
    let pictures = drawn(&task("", "bins = 4"), ScoreSums::Binary(sums));
    let matrix = pictures
        .iter()
        .find(|picture| picture.title == "Confusion matrix")
        .unwrap();
    for words in [
        "0 taken for 0: 6 rows, 75.0 %",
        "0 taken for 1: 2 rows, 25.0 %",
        "1 taken for 0: 1 rows, 25.0 %",
        "1 taken for 1: 3 rows, 75.0 %",
    ] {
        assert!(matrix.svg.contains(words), "{words}: {}", matrix.svg);
    }
    // 9 of 12 are right; precision 3 of 5 and recall 3 of 4.
    assert!(
        matrix.caption.contains("accuracy 0.7500, F1 0.6667"),
        "{}",
        matrix.caption
    );
}

#[test]
fn many_classes_name_what_is_taken_for_what() {
    let pictures = drawn(&of_classes(77), ScoreSums::Classes(confused(77)));
    assert!(
        pictures[0]
            .caption
            .contains("Taken for another most often: question of kind <1> & more for question of kind <2> & more (37 rows, 100.0 %)"),
        "{}",
        pictures[0].caption
    );
    // What a name says is text and nothing else.
    assert!(
        gallery(&pictures)
            .into_string()
            .contains("question of kind &lt;1&gt; &amp; more")
    );
    assert!(pictures[0].svg.len() < 300_000, "{}", pictures[0].svg.len());
}

#[test]
fn extremes_are_drawn_without_a_number_that_is_none() {
    let none = scored(vec![0; 64], vec![0; 64]);
    assert!(of(&binary(), &ScoreSums::Binary(none).into()).is_empty());
    assert!(of(&number(), &ScoreSums::Number(NumberSums::default()).into()).is_empty());
    assert!(
        of(
            &of_classes(3),
            &ScoreSums::Classes(ClassSums::new(0, 0.0, vec![0; 9])).into()
        )
        .is_empty()
    );
    assert!(by_step(&[]).is_empty());
    let one = |at: usize| {
        let mut histogram = vec![0; 64];
        histogram[at] = 1;
        histogram
    };
    // One row of either label, at either end; no curve over a label that is not there.
    for at in [0, 31, 63] {
        let pictures = drawn(&binary(), ScoreSums::Binary(scored(one(at), vec![0; 64])));
        assert_eq!(
            titles(&pictures),
            ["Scores by label", "Calibration", "Confusion matrix"]
        );
        let pictures = drawn(&binary(), ScoreSums::Binary(scored(vec![0; 64], one(at))));
        assert!(titles(&pictures).contains(&"Precision and recall"));
        drawn(&binary(), ScoreSums::Binary(scored(one(at), one(63 - at))));
    }
    // Everybody in one bin, and as many rows as the sums hold.
    let huge: Vec<u64> = vec![1 << 40; 64];
    drawn(&binary(), ScoreSums::Binary(scored(huge.clone(), huge)));
    // Sums of other bins than the task's, and one bin only.
    drawn(&binary(), ScoreSums::Binary(scored(vec![5], vec![3])));
    drawn(&binary(), ScoreSums::Binary(scored(vec![1; 4096], vec![2; 4096])));
    drawn(&binary(), ScoreSums::Binary(scored(vec![1; 257], vec![2; 257])));
    // Groups without a row.
    let empty = GroupSums {
        negatives: vec![0; 64],
        positives: vec![0; 64],
    };
    let mut sums = scored(one(3), one(9));
    sums.groups = vec![
        GroupSums {
            negatives: one(3),
            positives: one(9),
        },
        empty.clone(),
        empty,
    ];
    let pictures = drawn(&grouped(), ScoreSums::Binary(sums));
    assert!(
        pictures
            .iter()
            .any(|picture| picture.caption.contains("Too few rows to compare"))
    );
    // Sums that contradict themselves have no pictures.
    let mut wrong = usual();
    wrong.groups[0].negatives[0] += 1;
    assert!(of(&grouped(), &ScoreSums::Binary(wrong).into()).is_empty());
    let mut all_alike = NumberSums::default();
    all_alike.add(0.5, 0.5);
    let pictures = drawn(&number(), ScoreSums::Number(all_alike));
    assert!(pictures[0].caption.contains("no variance to explain"));
    let mut worse = NumberSums::default();
    worse.add(0.0, 1.0);
    worse.add(1.0, 0.0);
    let pictures = drawn(&number(), ScoreSums::Number(worse));
    assert!(pictures[0].caption.contains("worse than predicting the mean"));
    assert!(pictures[0].svg.contains("1.0000 (20000)"), "{}", pictures[0].svg);
}

#[test]
fn many_steps_are_drawn_together() {
    let figures = |step: u32| {
        let sums = scored(vec![u64::from(step % 7) + 1, 2], vec![1, 3]);
        (step, ScoreSums::Binary(sums).metrics().unwrap())
    };
    let pictures = by_step(&(0..10_000).map(figures).collect::<Vec<_>>());
    for picture in &pictures {
        check(picture);
        assert!(
            picture.caption.contains("Each point is the mean of 50 steps"),
            "{}",
            picture.caption
        );
        assert!(picture.svg.len() < 20_000);
    }
    assert_eq!(pictures.len(), 6);
}
