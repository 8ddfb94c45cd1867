//! A bank's daemon that is killed while it trains, and goes on where it was.

use std::fmt::Write as _;
use std::fs;

use veilsum_client::train::{DeviceChoice, Runtime, TrainingJob, train};
use veilsum_coordinator::engine::status::Status;
use veilsum_examples::demo::known::Known;
use veilsum_protocol::round::params::RoundKind;

use crate::scene::{PATIENCE, Scene, only};

/// So many that the training outlasts the second behind which its first checkpoint is written.
const EPOCHS: u32 = 1000;

/// What a bank keeps to itself leaves it neither rounded nor averaged: all but one number of the model.
fn task() -> String {
    format!(
        r#"
name = "resumed"
rounds = 1
seed = 5
[schema]
version = 1
label = "late"
[[schema.column]]
name = "income"
type = "number"
min = 0
max = 1000
[[schema.column]]
name = "home"
type = "category"
values = ["own", "rent"]
[model]
family = "mlp"
hidden = [8]
dropout = 0.1
[training]
optimiser = "adam"
learning_rate = 0.002
batch_size = 16
local_epochs = {EPOCHS}
personal = ["hidden.0", "output.weight"]
[encoding]
range = 4.0
[evaluation]
hold_out = 0.2
bins = 16
"#
    )
}

fn table(rows: usize) -> String {
    let mut text = "income,home,late\n".to_owned();
    for row in 0..rows {
        let income = row * 37 % 1000;
        let home = if row % 3 == 0 { "rent" } else { "own" };
        let late = u32::from(income < 300) ^ u32::from(row % 11 == 0);
        writeln!(text, "{income},{home},{late}").unwrap();
    }
    text
}

/// Of a checkpoint file: the seed of the rows' order, and the passes that are done.
fn seed_and_epoch(checkpoint: &[u8]) -> (u64, u32) {
    let fields = checkpoint.strip_prefix(b"veilsum/v1/checkpoint\0").unwrap();
    // Behind the round and the hash of what is trained.
    let (seed, rest) = fields[8 + 32..].split_first_chunk().unwrap();
    let epoch = rest.first_chunk().unwrap();
    (u64::from_be_bytes(*seed), u32::from_be_bytes(*epoch))
}

#[test]
fn a_bank_that_is_killed_in_training_goes_on_and_comes_to_the_bits_of_an_undisturbed_one() {
    let struck = "bank-1";
    // The coordinator waits for it.
    let scene = Scene::start(&task(), &[table(1500), table(80), table(90)], 100);
    let folder = scene.consortium.bank_folder(struck).join("state/rounds");
    let checkpoint = || {
        let mut files = fs::read_dir(&folder).ok()?.flatten();
        let file = files.find(|file| file.path().extension().is_some_and(|kind| kind == "training"))?;
        fs::read(file.path()).ok()
    };
    let written = |_: &Status| checkpoint().is_some();
    scene
        .consortium
        .wait_for("a checkpoint of the training", PATIENCE, written)
        .unwrap();
    scene.consortium.kill(struck);
    let (seed, epoch) = seed_and_epoch(&checkpoint().unwrap());
    assert!((1..EPOCHS).contains(&epoch));
    scene.consortium.start_bank(struck).unwrap();
    let history = scene.finish();

    let goes_on =
        format!("training goes on behind epoch {epoch} of {EPOCHS}, where the last run has left it");
    let printed = scene.printed_by(struck);
    assert_eq!(printed.matches(&goes_on).count(), 1, "{printed}");
    // The round that it was killed in, and no other, ended with it.
    let round = only(&history, RoundKind::Train);
    assert_eq!(round.survivors, Some(scene.banks.clone()));
    assert_eq!(
        history
            .rounds()
            .filter(|story| story.kind == RoundKind::Train)
            .count(),
        1
    );

    // The same training in one go, with the seed of the run that was killed.
    let before = scene.state_behind(only(&history, RoundKind::Statistics));
    let rows = scene.rows(struck, None);
    let data = Known::in_state(&before)
        .unwrap()
        .encode(&scene.task, &rows)
        .unwrap();
    let training: Vec<u32> = rows.training_rows().collect();
    let job = TrainingJob {
        model: &scene.task.model,
        training: &scene.task.training,
        learning_rate: scene.task.learning_rate(0),
        data: &data,
        rows: &training,
        parameters: &before.parameters,
        seed,
        shuffled: true,
        runtime: Runtime::start(DeviceChoice::Cpu, 1).unwrap(),
    };
    let personal = |parameters: &[f32]| -> Vec<u32> {
        let values = scene.task.shared().take_personal(parameters);
        values.into_iter().map(f32::to_bits).collect()
    };
    let undisturbed = personal(&train(&job, &mut |_| ()).unwrap().parameters);
    let model = scene.model(struck).unwrap();
    assert_eq!(personal(&model.parameters), undisturbed);
    assert_eq!(undisturbed.len() + 1, model.parameters.len());
    assert_ne!(undisturbed, personal(&before.parameters));
}
