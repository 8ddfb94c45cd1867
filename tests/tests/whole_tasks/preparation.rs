//! A task whose banks find the values of a category and count their columns before they train.

use std::fmt::Write as _;

use veilsum_examples::demo::known::{self, Known};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::model::{Figure, Vocabularies};
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::secagg::quantise::Digits;

use crate::scene::{Scene, holds, only};

const TASK: &str = r#"
name = "prepared"
rounds = 2
seed = 5
[schema]
version = 1
label = "late"
[[schema.column]]
name = "income"
type = "number"
min = 0
max = 1000
encoding = "woe"
bins = 5
[[schema.column]]
name = "job"
type = "category"
vocabulary = { support = 3, most = 8 }
encoding = "woe"
[preparation]
histogram_bins = 32
[model]
family = "logistic"
[training]
optimiser = "adam"
learning_rate = 0.05
batch_size = 16
local_epochs = 3
[evaluation]
hold_out = 0.2
bins = 64
[deadlines]
attempts = 5
"#;

/// What one bank alone has, and what two have.
const ALONE: &str = "lamplighter-7731";
const TWO: &str = "glazier-4402";

/// All three banks know clerks and nurses. Small incomes are late, and nurses never.
fn table(bank: usize) -> String {
    let mut text = "income,job,late\n".to_owned();
    for row in 0..200 {
        let income = (row * 37 + bank * 101) % 1000;
        let job = match (row % 5, bank) {
            (2, _) => "nurse",
            (4, 1) if row % 2 == 0 => ALONE,
            (4, 1 | 2) => TWO,
            _ => "clerk",
        };
        let late = u32::from(income < 400 && job != "nurse") ^ u32::from(row % 17 == 0);
        writeln!(text, "{income},{job},{late}").unwrap();
    }
    text
}

fn added(parts: &[Digits]) -> Vec<u32> {
    let mut sum = vec![0; parts[0].lanes().len()];
    for part in parts {
        sum.iter_mut()
            .zip(part.lanes())
            .for_each(|(sum, lane)| *sum += lane);
    }
    sum
}

#[test]
fn values_are_found_and_columns_counted_and_what_too_few_banks_have_stays_with_them() {
    let tables: Vec<String> = (1..=3).map(table).collect();
    let scene = Scene::start(TASK, &tables, 2);
    let history = scene.finish();
    let kinds: Vec<RoundKind> = history.rounds().map(|story| story.kind).collect();
    assert_eq!(
        kinds,
        [
            RoundKind::Support,
            RoundKind::Vocabulary,
            RoundKind::Statistics,
            RoundKind::Train,
            RoundKind::Train,
            RoundKind::Evaluate
        ]
    );
    let all = Some(scene.banks.clone());
    assert!(history.rounds().all(|story| story.survivors == all));

    // What came out, and what the banks counted with it.
    let state = scene.state(&history.last_state().unwrap());
    let found = state.vocabularies.as_ref();
    let agreed = found.and_then(Vocabularies::agreed).unwrap();
    assert_eq!(agreed, [["clerk", "nurse"]]);
    // Without masks the same comes out of the same tables.
    let unread: Vec<_> = scene.banks.iter().map(|bank| scene.rows(bank, None)).collect();
    assert_eq!(known::found(&scene.task, &unread).unwrap().as_ref(), found);
    let read: Vec<_> = scene.banks.iter().map(|bank| scene.rows(bank, found)).collect();
    let unmasked = Known::of(&scene.task, &read.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(Known::in_state(&state), Some(unmasked));
    let counts = state.preparation.as_ref().unwrap();
    let figures = counts.figures(&scene.task.schema.with_found(found));
    assert!(
        figures
            .iter()
            .all(|column| column.evidence.as_ref().unwrap().information_value > 0.1),
        "{figures:?}"
    );
    // The model is one of these weights, and worth something.
    let auc = history
        .metrics_after(state.step - 2)
        .and_then(|metrics| metrics.figure(Figure::Auc))
        .unwrap();
    assert!(auc > 0.8, "AUC {auc}");

    // Neither sum nor state has more of what too few banks have than if they had it not: both rounds once more without these values.
    let kept: Vec<Vec<Vec<String>>> = unread
        .iter()
        .map(|bank| {
            let mut values = bank.open_values();
            values[0].retain(|value| value != ALONE && value != TWO);
            values
        })
        .collect();
    assert_ne!(kept[0], unread[0].open_values());
    let plan = Plan::new(&scene.task);
    let parts: Vec<Digits> = kept.iter().map(|values| plan.support(values).unwrap()).collect();
    let (without, _) = TaskState::initial(&scene.task)
        .advance(&scene.task, &plan, &added(&parts), 3)
        .unwrap();
    let behind_support = scene.state_behind(only(&history, RoundKind::Support));
    assert_eq!(behind_support, without);
    let Some(Vocabularies::Supported(supported)) = &without.vocabularies else {
        panic!("{:?}", without.vocabularies);
    };
    let parts: Vec<Digits> = kept
        .iter()
        .map(|values| plan.vocabulary(supported, values).unwrap())
        .collect();
    assert!(scene.sum(only(&history, RoundKind::Vocabulary)) == added(&parts));

    // In no file of anybody: log, store, archive, states, models, traces and the auditor's page; but in the tables of those who have it.
    let (tables, others): (Vec<_>, Vec<_>) = scene
        .files()
        .into_iter()
        .partition(|path| path.file_name().is_some_and(|name| name == "data.csv"));
    for (text, banks) in [(ALONE, 1), (TWO, 2)] {
        assert_eq!(tables.iter().filter(|path| holds(path, text)).count(), banks);
        for path in &others {
            assert!(!holds(path, text), "{} tells {text}", path.display());
        }
    }
    // A value that came out is found in this way: with the coordinator, at every bank and on the page.
    let dir = &scene.consortium.setup().dir;
    for place in [
        "coordinator/data/blobs",
        "bank-1/state",
        "bank-3/state",
        "bank-3/models",
        "audit.html",
    ] {
        let place = dir.join(place);
        assert!(
            others
                .iter()
                .any(|path| path.starts_with(&place) && holds(path, "nurse")),
            "{} has no nurse",
            place.display()
        );
    }
}
