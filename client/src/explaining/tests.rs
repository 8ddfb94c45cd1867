#![allow(clippy::unwrap_used)]

use std::time::Instant;

use csv::StringRecord;
use veilsum_protocol::task::ImportanceSpec;
use veilsum_serving::{ExplainWishes, Explanation, Method, Search};

use super::{ExplainError, Explainer, Grounds, RowExplained, importance, spread};
use crate::data::{Dataset, HoldOut, Room};
use crate::scoring::Scorer;
use crate::scoring::tests::{TEXT_TASK, asked, files, rules, scorer, task};

const TABLE_TASK: &str = r#"
    [schema]
    version = 1
    label = "late"
    column = [
        { name = "income", type = "integer", min = 0, max = 99, when_missing = "mean" },
        { name = "age", type = "number", min = 18, max = 98 },
        { name = "home", type = "category", values = ["own", "rent", "other"] },
    ]
    [model]
    family = "mlp"
    hidden = [6]
"#;

/// Forty rows that differ in everything.
fn table() -> String {
    let mut text = "late,income,age,home\n".to_owned();
    for row in 0..40 {
        let home = ["own", "rent", "other"][row % 3];
        let line = format!(
            "{},{},{},{home}\n",
            row % 2,
            (row * 37) % 100,
            18 + (row * 13) % 80
        );
        text.push_str(&line);
    }
    text
}

fn read(scorer: &Scorer, text: &str) -> (Dataset, Vec<u32>) {
    let (_folder, files) = files(text);
    let room = Room::in_memory();
    let hold_out = HoldOut::new([0; 32], 0.0);
    let table = Dataset::read_files(&files, scorer.schema(), &hold_out, None, &rules(""), &room).unwrap();
    let rows = (0..u32::try_from(table.len()).unwrap()).collect();
    (table, rows)
}

fn explained(
    scorer: &Scorer,
    grounds: &Grounds,
    rows: &[StringRecord],
    wishes: &ExplainWishes,
) -> Vec<Explanation> {
    let explained = Explainer::new(scorer, grounds).explain(rows, wishes, None);
    explained
        .unwrap()
        .into_iter()
        .map(|row| row.explanation)
        .collect()
}

fn by(method: Method) -> ExplainWishes {
    ExplainWishes {
        method,
        ..ExplainWishes::default()
    }
}

fn of_table() -> (Scorer, Grounds, Vec<StringRecord>) {
    let scorer = scorer(&task(TABLE_TASK), "");
    let text = table();
    let (table, rows) = read(&scorer, &text);
    let grounds = Grounds::of_table(&scorer, &table, &rows).unwrap();
    let records = asked(&scorer, &text);
    (scorer, grounds, records)
}

fn amount(row: &Explanation, name: &str) -> f64 {
    row.features
        .iter()
        .find(|feature| feature.name == name)
        .unwrap()
        .amount
}

#[test]
fn amounts_sum_to_the_score_and_the_methods_agree() {
    let (scorer, grounds, records) = of_table();
    let rows = &records[..5];
    let scores = scorer.score(rows).unwrap();
    let shapley = explained(&scorer, &grounds, rows, &by(Method::Kernel));
    let orders = explained(&scorer, &grounds, rows, &by(Method::Permutation));
    let paths = explained(&scorer, &grounds, rows, &by(Method::Gradients));
    for (at, (exact, score)) in shapley.iter().zip(&scores).enumerate() {
        assert!((exact.score - f64::from(*score)).abs() < 1e-6);
        assert!(exact.exact && exact.residual.abs() < 1e-6, "{exact:?}");
        // Eleven hundred orders of three columns are nearly all of them.
        assert!(orders[at].residual.abs() < 1e-6);
        for name in ["income", "age", "home"] {
            let apart = (amount(&orders[at], name) - amount(exact, name)).abs();
            assert!(apart < 1e-3, "{name}: {apart}");
        }
        // Of a smooth path the integral's error is small, and nothing but it is left.
        assert!(paths[at].residual.abs() < 2e-3, "{:?}", paths[at]);
    }
    assert!(
        shapley
            .iter()
            .any(|row| row.features.iter().any(|feature| feature.amount.abs() > 1e-3))
    );
}

#[test]
fn the_gradient_of_the_inputs_is_that_of_the_score() {
    let (scorer, ..) = of_table();
    let width = scorer.width();
    let row: Vec<f32> = (0..width).map(|at| 0.3 - 0.1 * at as f32).collect();
    let slopes = scorer.input_gradients(&row, 0).unwrap();
    let step = 1e-2_f32;
    for at in 0..width {
        let moved = |by: f32| {
            let mut moved = row.clone();
            moved[at] += by;
            scorer.score_inputs(&moved).unwrap()[0]
        };
        let slope = (moved(step) - moved(-step)) / (2.0 * step);
        assert!((slope - slopes[at]).abs() < 1e-3, "{at}: {slope} {}", slopes[at]);
    }
    assert!(scorer.input_gradients(&row, 1).is_err());
    assert!(scorer.input_gradients(&row[1..], 0).is_err());
}

#[test]
fn a_local_model_says_what_it_leaves() {
    let (scorer, grounds, records) = of_table();
    let row = &explained(&scorer, &grounds, &records[..1], &by(Method::Lime))[0];
    let sum: f64 = row.features.iter().map(|feature| feature.amount).sum();
    assert!((row.base + sum + row.residual - row.score).abs() < 1e-9);
    assert!(row.reasons.is_empty() && !row.exact);
    let explainer = Explainer::new(&scorer, &grounds);
    let rows: Vec<RowExplained> = explainer.explain(&records[..1], &by(Method::Lime), None).unwrap();
    let refused = explainer.page("t", "score", &rows).unwrap_err().to_string();
    assert!(refused.contains("weights of a local model"), "{refused}");
}

#[test]
fn what_would_have_to_change_brings_the_score_over_the_threshold() {
    let (scorer, grounds, records) = of_table();
    let scores = scorer.score(&records).unwrap();
    let highest = (0..scores.len())
        .max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
        .unwrap();
    let mut ordered = scores.clone();
    ordered.sort_by(f32::total_cmp);
    let threshold = f64::from(ordered[10]);
    let wishes = ExplainWishes {
        threshold: Some(threshold),
        protected: vec!["age".to_owned()],
        ..ExplainWishes::default()
    };
    let row = &explained(&scorer, &grounds, &records[highest..=highest], &wishes)[0];
    let found = row.counterfactual.as_ref().unwrap();
    match found.outcome {
        Search::Found => {
            assert!(found.score <= threshold && !found.changes.is_empty(), "{found:?}");
            // The same changes in the bank's own row give the score that was told.
            let features = scorer.features();
            let changed: StringRecord = features
                .iter()
                .zip(&records[highest])
                .map(|(feature, cell)| {
                    let change = found.changes.iter().find(|change| change.name == feature.name);
                    change.map_or(cell, |change| change.to.as_str()).to_owned()
                })
                .collect();
            let score = f64::from(scorer.score(&[changed]).unwrap()[0]);
            assert!((score - found.score).abs() < 1e-6, "{score} {found:?}");
        }
        Search::NotFound => assert!(found.score > threshold && found.complete, "{found:?}"),
        Search::AlreadyMet => panic!("{found:?}"),
    }
    assert!(
        found.changes.iter().all(|change| change.name != "age"),
        "{found:?}"
    );
    let met = ExplainWishes {
        threshold: Some(1.0),
        ..wishes
    };
    let row = &explained(&scorer, &grounds, &records[..1], &met)[0];
    assert_eq!(row.counterfactual.as_ref().unwrap().outcome, Search::AlreadyMet);
}

#[test]
fn a_ruled_column_is_not_asked_to_change() {
    let policy =
        "[[column]]\nname = \"home\"\nrule = \"generalise\"\ngroups = { flat = \"rent\" }\nother = \"own\"\n";
    let scorer = scorer(&task(TABLE_TASK), policy);
    assert!(scorer.is_ruled("home") && !scorer.is_ruled("income"));
    let (table, rows) = read(&scorer, &table());
    let grounds = Grounds::of_table(&scorer, &table, &rows).unwrap();
    let wishes = ExplainWishes {
        threshold: Some(0.0),
        fixed: vec!["income".to_owned(), "age".to_owned()],
        ..ExplainWishes::default()
    };
    let record = StringRecord::from(vec!["50", "40", "flat"]);
    let row = &explained(&scorer, &grounds, &[record], &wishes)[0];
    let found = row.counterfactual.as_ref().unwrap();
    assert_eq!((found.outcome, found.complete), (Search::NotFound, true));
    assert!((found.score - row.score).abs() < 1e-9);
}

#[test]
fn the_words_of_a_text_sum_to_its_score() {
    let scorer = scorer(&task(TEXT_TASK), "");
    let grounds = Grounds::without_rows(&scorer).unwrap().unwrap();
    assert_eq!(grounds.background(), None);
    let wishes = ExplainWishes {
        output: Some("fee".to_owned()),
        ..ExplainWishes::default()
    };
    let record = |text: &str| StringRecord::from(vec![text]);
    let row = &explained(&scorer, &grounds, &[record("my card, my lost card!")], &wishes)[0];
    let score = |text: &str| f64::from(scorer.score(&[record(text)]).unwrap()[1]);
    assert!((row.score - score("my card, my lost card!")).abs() < 1e-6);
    assert!((row.base - score(", !")).abs() < 1e-6);
    assert!(row.exact && row.residual.abs() < 1e-6);
    let with_threshold = ExplainWishes {
        threshold: Some(0.5),
        ..wishes.clone()
    };
    let told_so = &explained(&scorer, &grounds, &[record("my card")], &with_threshold)[0];
    assert_eq!(
        told_so.remarks,
        ["what would have to change is searched for rows of tables alone"]
    );
    let my = row.features.iter().find(|feature| feature.name == "my").unwrap();
    assert_eq!((my.value.as_deref(), row.features.len()), (Some("2 times"), 3));
    let page = Explainer::new(&scorer, &grounds)
        .explain(&[record("my card"), record("fee")], &wishes, None)
        .and_then(|rows| Explainer::new(&scorer, &grounds).page("t", "probability of fee", &rows))
        .unwrap();
    assert!(page.contains("Row 2") && page.contains("without its words"));
    let told = |record: StringRecord, wishes: &ExplainWishes| {
        let explainer = Explainer::new(&scorer, &grounds);
        explainer
            .explain(&[record], wishes, None)
            .unwrap_err()
            .to_string()
    };
    assert!(told(record(" ,."), &wishes).contains("row 1: found a text without a word"));
    for list in ["protected", "fixed"] {
        let mut named = wishes.clone();
        match list {
            "protected" => named.protected.push("age".to_owned()),
            _ => named.fixed.push("age".to_owned()),
        }
        let expected = format!("found the column \"age\" among {list}, expected none");
        assert!(told(record("my"), &named).contains(&expected));
    }
    let gradients = ExplainWishes {
        method: Method::Gradients,
        ..wishes
    };
    assert!(told(record("my"), &gradients).contains("take kernel, permutation or lime"));
    assert!(told(record("my"), &ExplainWishes::default()).contains("expected one of card, fee, app"));
}

fn measured(schema_and_model: &str, importance: &str) -> ImportanceSpec {
    let task = task(&format!(
        "{schema_and_model}\n[evaluation]\nimportance = {{ {importance} }}\n"
    ));
    task.evaluation.importance.unwrap()
}

/// The amounts of each row's explanation by itself, against the same background.
#[test]
fn importance_is_the_mean_amount_over_rows() {
    let (scorer, _, records) = of_table();
    let (table, rows) = read(&scorer, &table());
    let spec = measured(TABLE_TASK, "rows = 8, background = 5");
    let (training, held_out) = rows.split_at(24);
    let sums = importance(&scorer, &table, training, held_out, &spec).unwrap();
    let grounds = Grounds::of_table(&scorer, &table, &spread(training, 5)).unwrap();
    let explained_rows: Vec<StringRecord> = spread(held_out, 8)
        .into_iter()
        .map(|row| records[row as usize].clone())
        .collect();
    let rows = explained(&scorer, &grounds, &explained_rows, &by(Method::Kernel));
    let means = sums.means().unwrap().unwrap();
    assert_eq!((sums.rows, rows.len()), (8, 8));
    for (name, mean) in ["income", "age", "home"].iter().zip(means) {
        let expected = rows.iter().map(|row| amount(row, name).abs()).sum::<f64>() / 8.0;
        assert!(
            (mean - expected).abs() < 1e-6 && mean > 1e-4,
            "{name}: {mean} {expected}"
        );
    }
    let none = importance(&scorer, &table, &[], held_out, &spec).unwrap();
    assert_eq!((none.rows, none.means()), (0, Ok(None)));
}

/// Of classes: half of what all probabilities move by, each explained by itself.
#[test]
fn importance_of_classes_is_what_goes_from_some_to_others() {
    let of_classes = TABLE_TASK.replace(
        "label = \"late\"",
        "label = \"late\"\nlabel_classes = [\"0\", \"1\", \"2\"]",
    );
    let scorer = scorer(&task(&of_classes), "");
    let text = table();
    let (table, rows) = read(&scorer, &text);
    let spec = measured(&of_classes, "rows = 1, background = 7");
    let (training, held_out) = rows.split_at(30);
    let means = importance(&scorer, &table, training, held_out, &spec)
        .unwrap()
        .means()
        .unwrap()
        .unwrap();
    let grounds = Grounds::of_table(&scorer, &table, &spread(training, 7)).unwrap();
    let record = asked(&scorer, &text)[held_out[0] as usize].clone();
    let mut expected = [0.0; 3];
    for class in ["0", "1", "2"] {
        let wishes = ExplainWishes {
            output: Some(class.to_owned()),
            ..ExplainWishes::default()
        };
        let row = &explained(&scorer, &grounds, std::slice::from_ref(&record), &wishes)[0];
        for (sum, name) in expected.iter_mut().zip(["income", "age", "home"]) {
            *sum += 0.5 * amount(row, name).abs();
        }
    }
    for (mean, expected) in means.iter().zip(expected) {
        assert!(
            (mean - expected).abs() < 1e-6 && *mean > 1e-4,
            "{means:?} {expected:?}"
        );
    }
}

#[test]
fn what_does_not_fit_is_told_and_nobody_is_explained_to_who_has_gone() {
    let (scorer, grounds, records) = of_table();
    let explainer = Explainer::new(&scorer, &grounds);
    let wrong = ExplainWishes {
        protected: vec!["agee".to_owned()],
        ..ExplainWishes::default()
    };
    let told = explainer.explain(&records, &wrong, None).unwrap_err().to_string();
    assert!(
        told.contains("\"agee\" among protected") && told.contains("income, age, home"),
        "{told}"
    );
    let late = explainer.explain(&records, &ExplainWishes::default(), Some(Instant::now()));
    assert!(matches!(late, Err(ExplainError::Late)));

    let embedded = scorer_of_embedded();
    let (table, rows) = read(&embedded, &table());
    let grounds = Grounds::of_table(&embedded, &table, &rows).unwrap();
    let told = Explainer::new(&embedded, &grounds)
        .explain(&records[..1], &by(Method::Gradients), None)
        .unwrap_err()
        .to_string();
    assert!(told.contains("which has no gradient"), "{told}");
}

fn scorer_of_embedded() -> Scorer {
    scorer(
        &task(&TABLE_TASK.replace("hidden = [6]", "hidden = [6]\nembedding = 2")),
        "",
    )
}
