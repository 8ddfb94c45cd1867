#![allow(clippy::unwrap_used)]
use crate::model::plan::Plan;
use crate::model::state::{AdvanceError, TaskState};
use crate::model::{BinarySums, Figure, GroupSums, Metrics, ScoreSums};
use crate::round::params::RoundKind;
use crate::task::Task;

const TASK: &str = r#"
name = "credit"
rounds = 1
seed = 1
[schema]
version = 1
label = "y"
leave_out = ["sex", "id"]
[[schema.column]]
name = "x"
type = "category"
values = ["u", "v"]
[model]
family = "logistic"
[training]
optimiser = "sgd"
learning_rate = 0.1
batch_size = 32
local_epochs = 1
[evaluation]
bins = 4
"#;

const GROUPS: &str = r#"groups = { column = "sex", values = ["f", "m"], other = "bucket", favourable = 0 }"#;

fn with(groups: &str) -> String {
    TASK.replace("bins = 4\n", &format!("bins = 4\n{groups}\n"))
}

fn grouped() -> Task {
    Task::parse(&with(GROUPS)).unwrap()
}

#[test]
fn the_normal_form_has_groups_only_where_there_are_some() {
    let plain = Task::parse(TASK).unwrap();
    assert!(!plain.canonical_text().contains("groups"));
    let task = grouped();
    assert!(task.canonical_text().contains(
        "bins = 4\n\n[evaluation.groups]\ncolumn = \"sex\"\nvalues = [\"f\", \"m\"]\nother = \"bucket\"\nthreshold = 0.5\nfavourable = 0\n\n[deadlines]"
    ));
    assert_eq!(Task::parse(&task.canonical_text()).as_ref(), Ok(&task));
    assert_ne!(task.hash(), plain.hash());
    let groups = task.evaluation.groups.unwrap();
    assert_eq!((groups.count(), groups.names()), (3, vec!["f", "m", "any other"]));
    let decision = groups.decision(4).unwrap();
    assert_eq!((decision.edge, decision.favourable), (2, 0));
}

#[test]
fn each_mistake_is_named() {
    for (groups, message) in [
        (
            "groups = { values = [\"f\", \"m\"], favourable = 0 }",
            "evaluation.groups.column: found nothing, expected a column of the schema",
        ),
        (
            "groups = { column = \"age\", values = [\"f\", \"m\"], favourable = 0 }",
            "evaluation.groups.column: found \"age\", which the schema does not name",
        ),
        (
            "groups = { column = \"y\", values = [\"f\", \"m\"], favourable = 0 }",
            "evaluation.groups.column: found the label",
        ),
        (
            "groups = { column = \"sex\", favourable = 0 }",
            "evaluation.groups.values: found nothing, expected the values of the column",
        ),
        (
            "groups = { column = \"sex\", values = [\"f\"], favourable = 0 }",
            "evaluation.groups.values: found 1 entries, expected 2 to 16",
        ),
        (
            "groups = { column = \"sex\", values = [\"f\", \"f\"], favourable = 0 }",
            "evaluation.groups.values: found \"f\" a second time",
        ),
        (
            "groups = { column = \"sex\", values = [\"f\", \"\"], favourable = 0 }",
            "evaluation.groups.values: found \"\", which stands for no value",
        ),
        (
            "groups = { column = \"sex\", values = [\"f\", \"m\"] }",
            "evaluation.groups.favourable: found nothing, expected the label that is the good outcome",
        ),
        (
            "groups = { column = \"sex\", values = [\"f\", \"m\"], favourable = 2 }",
            "evaluation.groups.favourable: 2 is out of range, expected 0..=1",
        ),
        (
            "groups = { column = \"sex\", values = [\"f\", \"m\"], favourable = 0, threshold = 0.3 }",
            "evaluation.groups.threshold: found 0.3, expected an edge between two of the 4 bins, so a whole number from 1 to 3 divided by 4",
        ),
        (
            "groups = { column = \"sex\", values = [\"f\", \"m\"], favourable = 0, threshold = 1.0 }",
            "evaluation.groups.threshold: found 1.0, expected an edge",
        ),
        (
            "groups = { column = \"sex\", values = [\"f\", \"m\"], favourable = 0, threshold = nan }",
            "evaluation.groups.threshold: NaN is out of range",
        ),
        (
            "groups = { column = \"sex\", values = [\"f\", \"m\"], favourable = 0, least = 5 }",
            "unknown field `least`",
        ),
    ] {
        let error = Task::parse(&with(groups)).unwrap_err().to_string();
        assert!(error.contains(message), "{groups}: {error}");
    }
    let classes = with(GROUPS).replace(
        "label = \"y\"",
        "label = \"y\"\nlabel_classes = [\"a\", \"b\", \"c\"]",
    );
    let error = Task::parse(&classes).unwrap_err().to_string();
    assert!(
        error.contains("evaluation.groups: found groups, expected none: only a model for a label of 0 or 1"),
        "{error}"
    );
}

#[test]
fn a_decimal_threshold_is_an_edge_in_spite_of_its_rounding() {
    for (threshold, bins, edge) in [
        ("0.29", 100, 29),
        ("0.57", 100, 57),
        ("0.1", 10, 1),
        ("0.7", 10, 7),
    ] {
        let text = with(&GROUPS.replace("favourable", &format!("threshold = {threshold}, favourable")));
        let task = Task::parse(&text.replace("bins = 4", &format!("bins = {bins}"))).unwrap();
        let groups = task.evaluation.groups.unwrap();
        assert_eq!(
            groups.decision(bins).map(|decision| decision.edge),
            Some(edge),
            "{threshold}"
        );
    }
}

#[test]
fn the_description_tells_the_bank_what_is_read_and_what_leaves() {
    let text = grouped().describe();
    for part in [
        "read to judge the last model by group, and never given to the model: sex",
        "never read: id",
        "compared between the groups of sex (f, m; any other value or none is a group of its own): a score below 0.5 is taken for 0, the good outcome",
        "again for each of the 3 groups of sex",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(!Task::parse(TASK).unwrap().describe().contains("group"));
}

fn bank(groups: [[[u64; 4]; 2]; 3]) -> ScoreSums {
    let groups = groups.map(|[negatives, positives]| GroupSums {
        negatives: negatives.to_vec(),
        positives: positives.to_vec(),
    });
    let add = |histogram: fn(&GroupSums) -> &[u64]| -> Vec<u64> {
        (0..4)
            .map(|bin| groups.iter().map(|group| histogram(group)[bin]).sum())
            .collect()
    };
    let (negatives, positives) = (add(|group| &group.negatives), add(|group| &group.positives));
    let rows = negatives.iter().chain(&positives).sum();
    ScoreSums::Binary(BinarySums {
        groups: groups.to_vec(),
        ..BinarySums::new(rows, 1.0, negatives, positives)
    })
}

/// The lanes of two banks' contributions, added up.
fn sum(plan: &Plan, banks: &[ScoreSums]) -> Vec<u32> {
    let mut sum = vec![0; plan.layout(RoundKind::Evaluate).lanes()];
    for bank in banks {
        let digits = plan.evaluate(bank, None).unwrap();
        assert_eq!(digits.lanes().len(), sum.len());
        sum.iter_mut()
            .zip(digits.lanes())
            .for_each(|(sum, digit)| *sum += digit);
    }
    sum
}

fn judged(task: &Task, sum: &[u32]) -> Result<(Metrics, ScoreSums), AdvanceError> {
    // No number column, so no statistics round: one round of training, then the evaluation.
    let last = TaskState {
        step: 1,
        ..TaskState::initial(task)
    };
    let (_, outcome) = last.advance(task, &Plan::new(task), sum, 2)?;
    Ok((outcome.metrics.unwrap(), outcome.judgement.unwrap().scores))
}

#[test]
fn groups_go_through_a_sum_and_come_out_as_figures() {
    let task = grouped();
    let plan = Plan::new(&task);
    let banks = [
        bank([
            [[20, 10, 5, 5], [5, 5, 10, 10]],
            [[30, 10, 10, 0], [5, 5, 5, 15]],
            [[1, 0, 0, 0], [0, 0, 0, 1]],
        ]),
        bank([
            [[10, 10, 10, 0], [10, 5, 5, 10]],
            [[40, 10, 5, 5], [0, 0, 10, 20]],
            [[0, 0, 0, 0], [0, 0, 0, 0]],
        ]),
    ];
    let (metrics, scores) = judged(&task, &sum(&plan, &banks)).unwrap();
    // Taken for 0: of the women 50 + 25 of 130, of the men 90 + 10 of 170; the others are too few.
    let (women, men) = (75.0 / 130.0, 100.0 / 170.0);
    let near = |figure, expected: f64| {
        let found = metrics.figure(figure).unwrap();
        assert!((found - expected).abs() < 1e-12, "{figure:?} {found} {expected}");
    };
    near(Figure::ImpactRatio, women / men);
    near(Figure::ParityDifference, men - women);
    // With label 0: 50 of 70 and 90 of 110; with label 1: 25 of 60 and 10 of 60.
    near(Figure::OpportunityDifference, 90.0 / 110.0 - 50.0 / 70.0);
    near(Figure::OddsDifference, 0.25);
    let ScoreSums::Binary(scores) = scores else {
        panic!("a label of 0 or 1");
    };
    assert_eq!(scores.groups[1].negatives, [70, 20, 15, 5]);
    assert_eq!(scores.groups[2].positives, [0, 0, 0, 1]);
    // Train steps have no groups, and a task without them keeps its layouts.
    let plain = Plan::new(&Task::parse(TASK).unwrap());
    assert_eq!(
        plan.layout(RoundKind::Train).lanes(),
        plain.layout(RoundKind::Train).lanes()
    );
    let more = plan.layout(RoundKind::Evaluate).lanes() - plain.layout(RoundKind::Evaluate).lanes();
    // Three groups, two labels, four bins, two limbs of 16 bits.
    assert_eq!(more, 3 * 2 * 4 * 2);
}

#[test]
fn a_bank_whose_groups_are_not_its_whole_is_noticed() {
    let task = grouped();
    let plan = Plan::new(&task);
    let honest = bank([[[20, 10, 5, 5], [5, 5, 10, 10]]; 3]);
    let ScoreSums::Binary(mut lying) = honest.clone() else {
        panic!("a label of 0 or 1");
    };
    // A row of one group is told as one of another bin.
    lying.groups[0].negatives[0] -= 1;
    lying.groups[0].negatives[1] += 1;
    let error = judged(&task, &sum(&plan, &[honest, ScoreSums::Binary(lying)])).unwrap_err();
    let AdvanceError::Sums(words) = error else {
        panic!("{error}");
    };
    assert!(
        words.contains("the groups hold 119 rows with label 0 in bin 0, expected 120"),
        "{words}"
    );
}
