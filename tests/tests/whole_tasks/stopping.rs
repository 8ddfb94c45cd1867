//! A task that ends its training when the model gets no better.

use std::fmt::Write as _;

use veilsum_examples::demo::history::RoundEnd;
use veilsum_protocol::model::Figure;
use veilsum_protocol::round::params::RoundKind;

use crate::scene::{Scene, only};

const ROUNDS: u32 = 40;
const PATIENCE: u32 = 2;

fn task() -> String {
    format!(
        r#"
name = "stopping"
rounds = {ROUNDS}
seed = 5
[schema]
version = 1
label = "late"
leave_out = ["day"]
[[schema.column]]
name = "income"
type = "number"
min = 0
max = 1000
[model]
family = "logistic"
[training]
optimiser = "adam"
learning_rate = 0.05
batch_size = 16
local_epochs = 1
[encoding]
range = 2.0
[evaluation]
split = "time"
time_column = "day"
hold_out = 0.25
bins = 64
[early_stopping]
figure = "log_loss"
patience = {PATIENCE}
[deadlines]
attempts = 5
"#
    )
}

/// Small incomes are late, without exception in the days to train on, and with one in four in those held out: a model that is trained for
/// long becomes too sure.
fn table(bank: usize) -> String {
    let mut text = "day,income,late\n".to_owned();
    for day in 0..160 {
        let income = (day * 37 + bank * 101) % 1000;
        let exception = day >= 120 && day % 4 == 0;
        writeln!(text, "{day},{income},{}", u32::from((income < 400) != exception)).unwrap();
    }
    text
}

#[test]
fn training_ends_when_the_model_gets_no_better_and_the_best_one_is_kept() {
    let tables: Vec<String> = (1..=3).map(table).collect();
    let scene = Scene::start(&task(), &tables, 2);
    let history = scene.finish();

    // The rule once more, on the figures that the log tells: each train round judges the model that it began with.
    let trained: Vec<_> = history
        .rounds()
        .filter(|story| story.kind == RoundKind::Train)
        .collect();
    let losses: Vec<f64> = trained
        .iter()
        .map(|story| match &story.end {
            Some(RoundEnd::Published {
                metrics: Some(metrics),
                ..
            }) => metrics.figure(Figure::LogLoss).unwrap(),
            end => panic!("round {}: {end:?}", story.round),
        })
        .collect();
    let (mut best, mut waited) = (0, 0);
    for model in 1..losses.len() {
        assert!(
            waited < PATIENCE,
            "it went on after {waited} models that were no better: {losses:?}"
        );
        if losses[model] < losses[best] {
            (best, waited) = (model, 0);
        } else {
            waited += 1;
        }
    }
    assert_eq!(waited, PATIENCE, "{losses:?}");
    assert!(best > 0 && losses.len() < ROUNDS as usize, "{losses:?}");

    // The best model is the task's, to the bit, and the evaluation judges it as before.
    let state = scene.state(&history.last_state().unwrap());
    let end = state.stopping.as_ref().unwrap().end.unwrap();
    assert_eq!((end.rounds as usize, end.kept as usize), (losses.len(), best));
    let kept = scene.state_behind(trained[best - 1]);
    let last = scene.state_behind(trained[losses.len() - 2]);
    assert_ne!(last.parameters, kept.parameters);
    assert_eq!(state.parameters, kept.parameters);
    for bank in &scene.banks {
        let model = scene.model(bank).unwrap();
        assert_eq!(
            (model.version, &model.parameters),
            (best as u64, &kept.parameters),
            "{bank}"
        );
    }
    let evaluation = only(&history, RoundKind::Evaluate);
    let Some(RoundEnd::Published {
        metrics: Some(metrics),
        ..
    }) = &evaluation.end
    else {
        panic!("{:?}", evaluation.end);
    };
    assert_eq!(metrics.figure(Figure::LogLoss), Some(losses[best]));
}
