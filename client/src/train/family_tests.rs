//! Every family learns a small task of its kind from a seed, and gives the same bits again.
#![allow(clippy::unwrap_used)]

use veilsum_protocol::model::initialise::initialise;
use veilsum_protocol::model::{InputShape, ModelSpec, Target};
use veilsum_protocol::task::Task;

use super::*;
use crate::data::EncodedData;

/// SplitMix64's cousin of the other tests: numbers below `bound`.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// In `[-1, 1)`.
    fn real(&mut self) -> f32 {
        self.below(1 << 20) as f32 / (1 << 19) as f32 - 1.0
    }
}

/// A task's training; family and data do not come from its schema, which has texts, sequences and images only elsewhere.
fn training(more: &str) -> Task {
    Task::parse(&format!(
        "name = \"t\"\nrounds = 1\nseed = 1\n[schema]\nversion = 1\nlabel = \"y\"\n\
         column = [{{ name = \"x\", type = \"number\", min = 0, max = 1 }}]\n\
         [model]\nfamily = \"logistic\"\n[training]\nbatch_size = 16\n{more}\n"
    ))
    .unwrap()
}

fn data(shape: InputShape, target: Target, row: &mut dyn FnMut(&mut Vec<f32>) -> f32) -> EncodedData {
    let mut inputs = Vec::new();
    let labels: Vec<f32> = (0..400).map(|_| row(&mut inputs)).collect();
    EncodedData {
        inputs: inputs.into(),
        shape,
        labels: labels.into(),
        target,
    }
}

/// Trains on 300 rows; gives the share of the other 100 that the model is right about.
fn learns(spec: &ModelSpec, data: &EncodedData, epochs: u32) -> f64 {
    let mut task = training("optimiser = \"adam\"\nlearning_rate = 0.01\nlocal_epochs = 1");
    task.training.local_epochs = epochs;
    let start = initialise(&spec.manifest(&data.shape, data.target), 7);
    let (learn, judge): (Vec<u32>, Vec<u32>) = ((0..300).collect(), (300..400).collect());
    let job = TrainingJob {
        model: spec,
        training: &task.training,
        learning_rate: task.training.learning_rate,
        data,
        rows: &learn,
        parameters: &start,
        seed: 1,
        shuffled: true,
        runtime: Runtime::start(DeviceChoice::Cpu, 1).unwrap(),
    };
    let trained = train(&job, &mut |_| {}).unwrap();
    let once = training("optimiser = \"adam\"\nlearning_rate = 0.01\nlocal_epochs = 1");
    let short = TrainingJob {
        training: &once.training,
        ..job
    };
    assert_eq!(
        train(&short, &mut |_| {}).unwrap(),
        train(&short, &mut |_| {}).unwrap()
    );
    let scores = predict(spec, &trained.parameters, data, &judge, job.runtime).unwrap();
    let right = judge.iter().zip(scores).filter(|(row, score)| {
        let label = data.labels[**row as usize];
        (*score > 0.5) == (label > 0.5)
    });
    right.count() as f64 / judge.len() as f64
}

fn model(text: &str, shape: &InputShape) -> ModelSpec {
    let spec = ModelSpec::read(text).unwrap();
    spec.takes(shape).unwrap();
    spec
}

#[test]
fn tables_with_categories_by_exclusive_or() {
    let shape = InputShape::Table {
        numbers: 1,
        categories: vec![6],
    };
    let mut numbers = Numbers(1);
    // Whether the number is positive, turned round for odd categories.
    let data = data(shape.clone(), Target::Binary, &mut |inputs| {
        let (number, category) = (numbers.real(), numbers.below(6));
        inputs.extend([number, category as f32]);
        f32::from(u8::from((number > 0.0) != (category % 2 == 1)))
    });
    for text in [
        "family = \"mlp\"\nhidden = [16]\nembedding = 4\ndropout = 0.1",
        "family = \"transformer\"\ndimension = 16\nheads = 2\nlayers = 1\nfeed_forward = 16",
    ] {
        let right = learns(&model(text, &shape), &data, 30);
        assert!(right >= 0.93, "{text}: {right}");
    }
}

#[test]
fn sequences_by_the_order_of_two_events() {
    let shape = InputShape::Sequence { steps: 8, width: 3 };
    let mut numbers = Numbers(2);
    // Two events at different steps, of a sequence of 4 to 8 steps: which is first. The last number says that the step is there.
    let data = data(shape.clone(), Target::Binary, &mut |inputs| {
        let missing = numbers.below(5) as usize;
        let first = missing + numbers.below(7 - missing as u64) as usize;
        let second = first + 1 + numbers.below(7 - first as u64) as usize;
        let label = numbers.below(2) as usize;
        for step in 0..8 {
            let event = |of: usize| f32::from(u8::from([first, second][of] == step));
            let there = f32::from(u8::from(step >= missing));
            inputs.extend([event(label), event(1 - label), there]);
        }
        label as f32
    });
    for text in [
        "family = \"lstm\"\nunits = 16\ndropout = 0.1",
        "family = \"gru\"\nunits = 16\nlayers = 2",
        "family = \"transformer\"\ndimension = 16\nheads = 2\nlayers = 2\nfeed_forward = 16",
    ] {
        let right = learns(&model(text, &shape), &data, 30);
        assert!(right >= 0.93, "{text}: {right}");
    }
}

#[test]
fn images_by_their_bright_half() {
    let shape = InputShape::Image {
        channels: 1,
        height: 10,
        width: 10,
    };
    let mut numbers = Numbers(3);
    // A square of 3 x 3 pixels is bright, in the left half or in the right.
    let data = data(shape.clone(), Target::Binary, &mut |inputs| {
        let (right, top) = (numbers.below(2) as usize, numbers.below(8) as usize);
        let left = 5 * right + numbers.below(3) as usize;
        for y in 0..10 {
            for x in 0..10 {
                let bright = (top..top + 3).contains(&y) && (left..left + 3).contains(&x);
                inputs.push(0.2 * numbers.real().abs() + if bright { 0.8 } else { 0.0 });
            }
        }
        right as f32
    });
    for text in [
        "family = \"cnn\"\nfilters = [8]\ndense = [16]",
        "family = \"cnn\"\nfilters = [8]\ndense = []\nnorm = \"group\"",
    ] {
        let right = learns(&model(text, &shape), &data, 8);
        assert!(right >= 0.95, "{text}: {right}");
    }
}

#[test]
fn texts_by_a_word() {
    let shape = InputShape::Text {
        tokens: 10,
        vocabulary: 20,
    };
    let mut numbers = Numbers(4);
    // Texts of 5 to 10 words, one of which is number 1 in half of them.
    let data = data(shape.clone(), Target::Binary, &mut |inputs| {
        let (length, label) = (5 + numbers.below(6) as usize, numbers.below(2));
        let place = numbers.below(length as u64) as usize;
        for token in 0..10 {
            let word = 2 + numbers.below(18);
            inputs.push(match token {
                token if token >= length => 0.0,
                token if token == place && label == 1 => 1.0,
                _ => word as f32,
            });
        }
        label as f32
    });
    for text in [
        "family = \"embedding-bag\"\ndimension = 16",
        "family = \"text-cnn\"\ndimension = 16\nfilters = [8, 8]\nwidths = [2, 3]",
        "family = \"transformer\"\ndimension = 16\nheads = 2\nlayers = 1\nfeed_forward = 16\ndropout = 0.1",
    ] {
        let right = learns(&model(text, &shape), &data, 30);
        assert!(right >= 0.95, "{text}: {right}");
    }
}

/// Classes through softmax, and numbers through each of their losses: the loss falls to a fraction.
#[test]
fn classes_and_numbers_are_learned_too() {
    let shape = InputShape::numbers(2);
    let mut numbers = Numbers(5);
    let classes = data(shape.clone(), Target::Classes(4), &mut |inputs| {
        let (x, y) = (numbers.real(), numbers.real());
        inputs.extend([x, y]);
        f32::from(u8::from(x > 0.0) * 2 + u8::from(y > 0.0))
    });
    let values = data(shape.clone(), Target::Number, &mut |inputs| {
        let (x, y) = (numbers.real(), numbers.real());
        inputs.extend([x, y]);
        x * y
    });
    let mut task = training(
        "optimiser = \"rmsprop\"\nlearning_rate = 0.01\nlocal_epochs = 30\nclip_gradient_norm = 1.0",
    );
    let spec = model("family = \"mlp\"\nhidden = [32]", &shape);
    let rows: Vec<u32> = (0..400).collect();
    use veilsum_protocol::task::Loss;
    for (loss, data) in [
        (Loss::CrossEntropy, &classes),
        (Loss::Focal { gamma: 2.0 }, &classes),
        (Loss::MeanSquared, &values),
        (Loss::Huber { delta: 0.1 }, &values),
        (Loss::Quantile { quantile: 0.5 }, &values),
    ] {
        task.training.loss = loss;
        task.training.class_weights.clear();
        let start = initialise(&spec.manifest(&data.shape, data.target), 7);
        let job = TrainingJob {
            model: &spec,
            training: &task.training,
            learning_rate: task.training.learning_rate,
            data,
            rows: &rows,
            parameters: &start,
            seed: 1,
            shuffled: true,
            runtime: Runtime::start(DeviceChoice::Cpu, 1).unwrap(),
        };
        let mut losses = Vec::new();
        train(&job, &mut |progress| losses.push(progress.mean_loss)).unwrap();
        assert!(losses[29] < 0.3 * losses[0], "{loss:?}: {losses:?}");
    }
}
