#![allow(clippy::unwrap_used)]

use veilsum_protocol::model::initialise::initialise;
use veilsum_protocol::model::{Figure, InputShape, ModelSpec, NumberSums, ScoreSums, Target};
use veilsum_protocol::task::Task;

use super::*;
use crate::data::EncodedData;

/// A task with `model` and `training`; the schema, of one column, is not used here.
fn task(model: &str, training: &str) -> Task {
    Task::parse(&format!(
        "name = \"t\"\nrounds = 1\nseed = 1\n[schema]\nversion = 1\nlabel = \"y\"\n\
         column = [{{ name = \"x\", type = \"number\", min = 0, max = 1 }}]\n\
         [model]\n{model}\n[training]\nbatch_size = 1000\nlocal_epochs = 1\n{training}\n"
    ))
    .unwrap()
}

fn cpu() -> Runtime {
    Runtime::start(DeviceChoice::Cpu, 1).unwrap()
}

fn job<'a>(task: &'a Task, data: &'a EncodedData, rows: &'a [u32], parameters: &'a [f32]) -> TrainingJob<'a> {
    TrainingJob {
        model: &task.model,
        training: &task.training,
        learning_rate: task.training.learning_rate,
        data,
        rows,
        parameters,
        seed: 1,
        shuffled: true,
        runtime: cpu(),
    }
}

fn run(job: &TrainingJob<'_>) -> Trained {
    train(job, &mut |_| {}).unwrap()
}

fn close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (f64::from(*found) - expected).abs() < 1e-6,
            "{found} is not {expected}"
        );
    }
}

/// Two rows of two inputs: (1, 2) with label 1 and (3, -1) with label 0.
fn two_rows() -> EncodedData {
    EncodedData {
        inputs: vec![1.0, 2.0, 3.0, -1.0].into(),
        shape: InputShape::numbers(2),
        target: Target::Binary,
        labels: vec![1.0, 0.0].into(),
    }
}

// From zero parameters both scores are 1/2, so a row's gradient is (1/2 - label) times (x, 1). The mean over both:
// weight ((-1/2 * 1 + 1/2 * 3) / 2, (-1/2 * 2 + 1/2 * -1) / 2) = (1/2, -3/4), bias 0; the loss is ln 2.
#[test]
fn one_step_of_sgd_by_hand() {
    let task = task(
        "family = \"logistic\"",
        "optimiser = \"sgd\"\nlearning_rate = 0.1",
    );
    let trained = run(&job(&task, &two_rows(), &[0, 1], &[0.0; 3]));
    close(&trained.parameters, &[-0.05, 0.075, 0.0]);
    assert!((trained.mean_loss - 2_f64.ln()).abs() < 1e-6);
}

#[test]
fn weight_decay_and_class_weights_by_hand() {
    // The positive counts 3: weight ((-3/2 + 3/2) / 2, (-3 - 1/2) / 2) = (0, -7/4), bias (-3/2 + 1/2) / 2 = -1/2.
    let weighted = "optimiser = \"sgd\"\nlearning_rate = 0.1\nclass_weights = [1.0, 3.0]";
    let task_weighted = task("family = \"logistic\"", weighted);
    close(
        &run(&job(&task_weighted, &two_rows(), &[0, 1], &[0.0; 3])).parameters,
        &[0.0, 0.175, 0.05],
    );
    // With inputs of zero only the decay moves a weight: w - 0.1 * 0.5 * w; the two rows cancel for the bias.
    let zeros = EncodedData {
        inputs: vec![0.0; 4].into(),
        shape: InputShape::numbers(2),
        target: Target::Binary,
        labels: vec![1.0, 0.0].into(),
    };
    let decayed = task(
        "family = \"logistic\"",
        "optimiser = \"sgd\"\nlearning_rate = 0.1\nweight_decay = 0.5",
    );
    close(
        &run(&job(&decayed, &zeros, &[0, 1], &[1.0, -2.0, 0.0])).parameters,
        &[0.95, -1.9, 0.0],
    );
}

#[test]
fn momentum_and_adam_by_hand() {
    // One row of label 1 with inputs 0: the bias b moves by the gradient sigmoid(b) - 1 alone.
    let data = EncodedData {
        inputs: vec![0.0].into(),
        shape: InputShape::numbers(1),
        target: Target::Binary,
        labels: vec![1.0].into(),
    };
    let sigmoid = |b: f64| 1.0 / (1.0 + (-b).exp());
    let two = |optimiser: &str| {
        let mut task = task(
            "family = \"logistic\"",
            &format!("optimiser = \"{optimiser}\"\nlearning_rate = 0.1"),
        );
        task.training.local_epochs = 2;
        run(&job(&task, &data, &[0], &[0.0; 2])).parameters
    };
    // Momentum (PyTorch): v1 = g1, v2 = 0.9 v1 + g2, b -= 0.1 v.
    let (g1, b1) = (-0.5, 0.05);
    let g2 = sigmoid(b1) - 1.0;
    close(&two("momentum"), &[0.0, b1 - 0.1 * (0.9 * g1 + g2)]);
    // Adam: the first step is the learning rate whatever the gradient; then m and v with bias correction.
    let b1 = 0.1;
    let g2 = sigmoid(b1) - 1.0;
    let m = (0.9 * 0.1 * g1 + 0.1 * g2) / (1.0 - 0.9_f64.powi(2));
    let v = (0.999 * 0.001 * g1 * g1 + 0.001 * g2 * g2) / (1.0 - 0.999_f64.powi(2));
    close(&two("adam"), &[0.0, b1 - 0.1 * m / (v.sqrt() + 1e-8)]);
}

/// Noisy exclusive or: no linear model can tell the classes apart.
fn exclusive_or() -> (EncodedData, Vec<u32>) {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 * 2.0 - 1.0
    };
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..400 {
        let (x, y) = (uniform(), uniform());
        inputs.extend([x, y]);
        labels.push(f32::from(u8::from((x > 0.0) != (y > 0.0))));
    }
    let data = EncodedData {
        inputs: inputs.into(),
        shape: InputShape::numbers(2),
        target: Target::Binary,
        labels: labels.into(),
    };
    (data, (0..400).collect())
}

fn auc(model: &ModelSpec, parameters: &[f32], data: &EncodedData, rows: &[u32]) -> f64 {
    let sums = evaluate(model, parameters, data, rows, 256, cpu()).unwrap();
    sums.metrics().unwrap().figure(Figure::Auc).unwrap()
}

#[test]
fn an_mlp_learns_exclusive_or_and_a_logistic_model_cannot() {
    let (data, rows) = exclusive_or();
    let (learn, judge) = rows.split_at(300);
    for (model, least, most) in [
        ("family = \"mlp\"\nhidden = [16]", 0.97, 1.0),
        (
            "family = \"mlp\"\nhidden = [16, 8]\nactivation = \"tanh\"",
            0.97,
            1.0,
        ),
        ("family = \"logistic\"", 0.0, 0.7),
    ] {
        let mut task = task(model, "optimiser = \"adam\"\nlearning_rate = 0.03");
        (task.training.batch_size, task.training.local_epochs) = (32, 40);
        let start = initialise(&task.model.manifest(&InputShape::numbers(2), Target::Binary), 7);
        let mut losses = Vec::new();
        let trained = train(&job(&task, &data, learn, &start), &mut |p| {
            losses.push(p.mean_loss)
        })
        .unwrap();
        assert_eq!((losses.len(), losses[39]), (40, trained.mean_loss));
        let auc = auc(&task.model, &trained.parameters, &data, judge);
        assert!((least..=most).contains(&auc), "{model}: {auc}");
    }
}

#[test]
fn the_seed_gives_the_same_bits_and_another_seed_others() {
    let (data, rows) = exclusive_or();
    let mut task = task(
        "family = \"mlp\"\nhidden = [8]",
        "optimiser = \"adam\"\nlearning_rate = 0.01",
    );
    (task.training.batch_size, task.training.local_epochs) = (32, 2);
    let start = initialise(&task.model.manifest(&InputShape::numbers(2), Target::Binary), 7);
    let first = job(&task, &data, &rows, &start);
    assert_eq!(run(&first), run(&first));
    assert_ne!(run(&first), run(&TrainingJob { seed: 2, ..first }));
}

#[test]
fn fedprox_holds_the_model_near_the_common_one() {
    let (data, rows) = exclusive_or();
    let distance = |mu: f64| {
        let mut task = task(
            "family = \"mlp\"\nhidden = [8]",
            "optimiser = \"sgd\"\nlearning_rate = 0.1",
        );
        (
            task.training.batch_size,
            task.training.local_epochs,
            task.training.fedprox_mu,
        ) = (32, 10, mu);
        let start = initialise(&task.model.manifest(&InputShape::numbers(2), Target::Binary), 7);
        let trained = run(&job(&task, &data, &rows, &start)).parameters;
        trained
            .iter()
            .zip(&start)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f32>()
            .sqrt()
    };
    let [free, held, bound] = [0.0, 0.1, 5.0].map(distance);
    assert!(
        free > 1.5 * held && held > 1.5 * bound && bound > 0.0,
        "{free} {held} {bound}"
    );
}

#[test]
fn fedprox_by_hand() {
    // Two steps of SGD on zero inputs: the bias moves by g1, then by g2 + mu (b1 - 0).
    let data = EncodedData {
        inputs: vec![0.0].into(),
        shape: InputShape::numbers(1),
        target: Target::Binary,
        labels: vec![1.0].into(),
    };
    let mut task = task(
        "family = \"logistic\"",
        "optimiser = \"sgd\"\nlearning_rate = 0.1\nfedprox_mu = 2.0",
    );
    task.training.local_epochs = 2;
    let trained = run(&job(&task, &data, &[0], &[0.0; 2]));
    let g2 = 1.0 / (1.0 + (-0.05_f64).exp()) - 1.0;
    close(&trained.parameters, &[0.0, 0.05 - 0.1 * (g2 + 2.0 * 0.05)]);
}

#[test]
fn a_loss_that_is_no_number_is_an_error_with_advice() {
    let data = EncodedData {
        inputs: vec![1e30, -1e30].into(),
        shape: InputShape::numbers(1),
        target: Target::Binary,
        labels: vec![0.0, 1.0].into(),
    };
    let mut task = task(
        "family = \"mlp\"\nhidden = [4]",
        "optimiser = \"sgd\"\nlearning_rate = 10",
    );
    task.training.local_epochs = 5;
    let start = initialise(&task.model.manifest(&InputShape::numbers(1), Target::Binary), 7);
    let error = train(&job(&task, &data, &[0, 1], &start), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("local epoch") && error.contains("training.learning_rate"),
        "{error}"
    );
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let task = task(
        "family = \"logistic\"",
        "optimiser = \"sgd\"\nlearning_rate = 0.1",
    );
    let data = two_rows();
    let refused = |rows: &[u32], parameters: &[f32]| {
        train(&job(&task, &data, rows, parameters), &mut |_| {})
            .unwrap_err()
            .to_string()
    };
    assert_eq!(refused(&[0], &[0.0; 2]), "parameters: found 2, expected 3");
    assert_eq!(refused(&[0, 2], &[0.0; 3]), "row: found 2, expected below 2");
    assert_eq!(
        refused(&[], &[0.0; 3]),
        "training rows: found 0, expected at least 1"
    );
    let nan = predict(&task.model, &[f32::NAN; 3], &data, &[0], cpu())
        .unwrap_err()
        .to_string();
    assert!(nan.contains("gives NaN as a score"), "{nan}");
}

#[test]
fn evaluation_by_hand() {
    const UNIT: f64 = (1 << 24) as f64;
    let data = two_rows();
    let judged = |parameters: [f32; 3], rows: &[u32]| match evaluate(
        &ModelSpec::Logistic,
        &parameters,
        &data,
        rows,
        4,
        cpu(),
    ) {
        Ok(ScoreSums::Binary(sums)) => sums,
        other => panic!("{other:?}"),
    };
    // Weight (1, 0), bias 0: logits 1 and 3, scores 0.731 and 0.953; bins of a quarter: 2 and 3.
    let sums = judged([1.0, 0.0, 0.0], &[0, 1]);
    assert_eq!((sums.rows, &sums.positives[..]), (2, &[0, 0, 1, 0][..]));
    assert_eq!(sums.negatives, [0, 0, 0, 1]);
    let expected = (1.0 + (-1_f64).exp()).ln() + (1.0 + 3_f64.exp()).ln();
    assert!((sums.loss as f64 / UNIT - expected).abs() < 1e-6);
    // Certain scores: 0 for the negative, in the first bin, and 1 for the positive, in the last. Each loss is 1e-7, 3.4 units in all.
    let certain = judged([-99.0, 99.0, 0.0], &[0, 1]);
    assert_eq!((certain.negatives[0], certain.positives[3]), (1, 1));
    assert_eq!(certain.loss, 3);
    // Certain and wrong: each loss is -ln 1e-7.
    let wrong = judged([99.0, -99.0, 0.0], &[0, 1]);
    assert!((wrong.loss as f64 / UNIT - 2.0 * -(1e-7_f64).ln()).abs() < 1e-3);
    let none = judged([0.0; 3], &[]);
    assert_eq!((none.rows, none.loss), (0, 0));
}

/// Three classes from one number: logits (x, 0, -x) for x = ln 2 are probabilities (4, 2, 1) / 7.
#[test]
fn classes_and_numbers_by_hand() {
    let data = |target, labels: &[f32]| EncodedData {
        inputs: vec![2_f32.ln(); labels.len()].into(),
        shape: InputShape::numbers(1),
        target,
        labels: labels.to_vec().into(),
    };
    let classes = data(Target::Classes(3), &[0.0, 1.0, 2.0]);
    let parameters = [1.0, 0.0, -1.0, 0.0, 0.0, 0.0];
    let rows = [0, 1, 2];
    let Ok(ScoreSums::Classes(sums)) = evaluate(&ModelSpec::Logistic, &parameters, &classes, &rows, 4, cpu())
    else {
        panic!("sums of classes");
    };
    assert_eq!(sums.confusion, [1, 0, 0, 1, 0, 0, 1, 0, 0]);
    let expected = (7.0_f64 / 4.0).ln() + (7.0_f64 / 2.0).ln() + 7_f64.ln();
    assert!((sums.loss as f64 / f64::from(1 << 24) - expected).abs() < 1e-6);

    let numbers = data(Target::Number, &[0.25, 1.0]);
    let Ok(ScoreSums::Number(sums)) =
        evaluate(&ModelSpec::Logistic, &[0.0, 0.75], &numbers, &[0, 1], 4, cpu())
    else {
        panic!("sums of numbers");
    };
    let unit = |value: f64| (value * 4_294_967_296.0) as u64;
    assert_eq!(
        sums,
        NumberSums {
            rows: 2,
            labels: unit(1.25),
            label_squares: unit(1.0625),
            absolute: unit(0.75),
            squared: unit(0.3125),
        }
    );
}
