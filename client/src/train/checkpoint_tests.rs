//! Training that goes on where an earlier run ended.
#![allow(clippy::unwrap_used)]

use veilsum_protocol::model::initialise::initialise;
use veilsum_protocol::model::{InputShape, Target};
use veilsum_protocol::task::Task;

use super::*;
use crate::data::EncodedData;

const ROWS: u32 = 120;

fn task(model: &str, training: &str) -> Task {
    Task::parse(&format!(
        "name = \"t\"\nrounds = 1\nseed = 1\n[schema]\nversion = 1\nlabel = \"y\"\n\
         column = [{{ name = \"x\", type = \"number\", min = 0, max = 1 }}]\n\
         [model]\n{model}\n[training]\nlearning_rate = 0.02\nbatch_size = 16\nlocal_epochs = 5\n{training}\n"
    ))
    .unwrap()
}

fn data() -> EncodedData {
    let labels = (0..ROWS).map(|row| f32::from(u8::from(row % 3 == 0)));
    let numbers = (0..2 * ROWS).map(|at| ((at * 7919 + 13) % 101) as f32 / 50.0 - 1.0);
    EncodedData {
        inputs: numbers.collect::<Vec<_>>().into(),
        shape: InputShape::numbers(2),
        target: Target::Binary,
        labels: labels.collect::<Vec<_>>().into(),
    }
}

fn behind(from: &Checkpoint) -> Start<'_> {
    Start {
        from: Some(from),
        correction: None,
    }
}

/// Every optimiser, with dropout, FedProx, and rows in the order of a seed and in their own.
#[test]
fn from_any_pass_it_goes_on_to_the_same_bits() {
    let (data, rows) = (data(), (0..ROWS).collect::<Vec<_>>());
    let mlp = "family = \"mlp\"\nhidden = [6]\ndropout = 0.3";
    for (training, shuffled) in [
        ("optimiser = \"sgd\"\nfedprox_mu = 0.5", true),
        ("optimiser = \"momentum\"\nnesterov = true", true),
        ("optimiser = \"adam\"\nfedprox_mu = 0.1", true),
        ("optimiser = \"adamw\"\nweight_decay = 0.1", false),
        ("optimiser = \"adagrad\"", true),
        ("optimiser = \"rmsprop\"", false),
    ] {
        let task = task(mlp, training);
        let start = initialise(&task.model.manifest(&data.shape, Target::Binary), 7);
        let job = TrainingJob {
            model: &task.model,
            training: &task.training,
            learning_rate: task.training.learning_rate,
            data: &data,
            rows: &rows,
            parameters: &start,
            seed: 5,
            shuffled,
            runtime: Runtime::start(DeviceChoice::Cpu, 1).unwrap(),
        };
        let mut kept = Vec::new();
        let mut keep = |between: &Between<'_>| -> Result<(), TrainError> {
            kept.push(between.checkpoint()?);
            Ok(())
        };
        let mut losses = Vec::new();
        let whole = train_from(&job, Start::default(), &mut keep, &mut |at| {
            losses.push(at.mean_loss)
        })
        .unwrap();
        assert_eq!(
            kept.iter().map(|from| from.epoch).collect::<Vec<_>>(),
            [1, 2, 3, 4]
        );
        assert_eq!(train(&job, &mut |_| {}).unwrap(), whole);
        for from in &kept {
            let mut told = Vec::new();
            let rest = train_from(&job, behind(from), &mut |_| Ok(()), &mut |at| {
                told.push((at.epoch, at.mean_loss))
            });
            assert!(
                rest.unwrap() == whole,
                "{training}: from pass {} to another model",
                from.epoch
            );
            let expected: Vec<_> = (1..)
                .zip(losses.iter().copied())
                .skip(from.epoch as usize)
                .collect();
            assert_eq!(told, expected);
        }
        // What does not belong to the job is refused.
        let refused = |change: fn(&mut Checkpoint)| {
            let mut other = kept[0].clone();
            change(&mut other);
            train_from(&job, behind(&other), &mut |_| Ok(()), &mut |_| {})
                .unwrap_err()
                .to_string()
        };
        assert!(refused(|other| other.epoch = 5).starts_with("passes of a checkpoint: found 5"));
        assert!(refused(|other| other.epoch = 0).starts_with("passes of a checkpoint: found 0"));
        assert!(refused(|other| other.parameters.truncate(3)).starts_with("values of a checkpoint"));
        assert!(refused(|other| other.moments.push(Vec::new())).starts_with("moments of a checkpoint"));
    }
}

/// From zeros the row (1, 2) of label 1 has gradient -1/2 (1, 2, 1); the correction is added to it. The second step's gradient follows from
/// where the first led.
#[test]
fn steps_are_corrected_by_hand() {
    let task = task(
        "family = \"logistic\"",
        "optimiser = \"sgd\"\nclip_gradient_norm = 100.0",
    );
    let data = EncodedData {
        inputs: vec![1.0, 2.0].into(),
        shape: InputShape::numbers(2),
        target: Target::Binary,
        labels: vec![1.0].into(),
    };
    let mut training = task.training.clone();
    let run = |training: &veilsum_protocol::task::TrainingSpec| {
        let job = TrainingJob {
            model: &task.model,
            training,
            learning_rate: 0.1,
            data: &data,
            rows: &[0],
            parameters: &[0.0; 3],
            seed: 1,
            shuffled: true,
            runtime: Runtime::start(DeviceChoice::Cpu, 1).unwrap(),
        };
        let start = Start {
            correction: Some(&[0.25, -1.0, 0.5]),
            ..Start::default()
        };
        train_from(&job, start, &mut |_| Ok(()), &mut |_| {})
            .unwrap()
            .parameters
    };
    let close = |found: Vec<f32>, expected: [f64; 3]| {
        let off = found
            .iter()
            .zip(expected)
            .map(|(found, expected)| (f64::from(*found) - expected).abs());
        assert!(off.fold(0.0, f64::max) < 1e-6, "{found:?} {expected:?}");
    };
    let first = [0.025, 0.2, 0.0];
    training.local_epochs = 1;
    close(run(&training), first);
    training.local_epochs = 2;
    let logit: f64 = first[0] + 2.0 * first[1] + first[2];
    let slope = 1.0 / (1.0 + (-logit).exp()) - 1.0;
    let gradient = [slope + 0.25, 2.0 * slope - 1.0, slope + 0.5];
    let second = [0, 1, 2].map(|at| first[at] - 0.1 * gradient[at]);
    close(run(&training), second);
}
