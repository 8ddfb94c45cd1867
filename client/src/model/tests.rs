#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use serde::Deserialize;
use tch::{Device, Kind, Tensor};
use veilsum_protocol::model::{
    Activation, Cell, Cnn, EmbeddingBag, InputShape, Mlp, ModelSpec, Norm, Recurrent, Target, TextCnn,
    Transformer,
};

use super::*;
use crate::train::{predict_batch, predicted};

fn numbers(count: usize, salt: i64) -> Vec<f32> {
    let number = |at: usize| ((to_i64(at) * 7919 + salt * 104_729) as f64).sin() as f32;
    (0..count).map(number).collect()
}

/// What answers.py writes.
#[derive(Deserialize)]
struct Answer {
    parameters: usize,
    outputs: Vec<f64>,
    gradient: [f64; 2],
}

struct Case {
    name: &'static str,
    spec: ModelSpec,
    shape: InputShape,
    target: Target,
    /// Three rows.
    inputs: Vec<f32>,
}

const ROWS: usize = 3;

/// The models of answers.py.
fn cases() -> Vec<Case> {
    let case = |name, spec, shape, target, inputs| Case {
        name,
        spec,
        shape,
        target,
        inputs,
    };
    let mut mlp = Mlp::new(vec![4], Activation::Tanh);
    mlp.embedding = Some(2);
    let table = InputShape::Table {
        numbers: 3,
        categories: vec![3, 5],
    };
    let values = numbers(9, 1);
    let categories = [[0.0, 4.0], [2.0, 0.0], [1.0, 3.0]];
    let rows = values
        .chunks(3)
        .zip(&categories)
        .flat_map(|(numbers, categories)| [numbers, categories].concat());
    let rows: Vec<f32> = rows.collect();
    let image = InputShape::Image {
        channels: 2,
        height: 14,
        width: 12,
    };
    let cnn = |norm| {
        ModelSpec::Cnn(Cnn {
            filters: vec![4, 6],
            dense: vec![5],
            norm,
            ..Cnn::default()
        })
    };
    let pixels = numbers(ROWS * 2 * 14 * 12, 1);
    let sequence = InputShape::Sequence { steps: 5, width: 3 };
    let mut steps = numbers(ROWS * 5 * 3, 1);
    // The second row misses two steps, the third four.
    steps[15..21].fill(0.0);
    steps[30..42].fill(0.0);
    let recurrent = |cell| {
        ModelSpec::Recurrent(Recurrent {
            cell,
            units: 4,
            layers: 2,
            dropout: 0.0,
        })
    };
    let text = InputShape::Text {
        tokens: 7,
        vocabulary: 11,
    };
    let texts = [
        [3, 1, 4, 1, 5, 9, 2],
        [6, 5, 10, 0, 0, 0, 0],
        [8, 0, 0, 0, 0, 0, 0],
    ];
    let texts: Vec<f32> = texts
        .concat()
        .into_iter()
        .map(|token: u8| f32::from(token))
        .collect();
    let bag = ModelSpec::EmbeddingBag(EmbeddingBag {
        dimension: 4,
        hidden: vec![5],
    });
    let text_cnn = ModelSpec::TextCnn(TextCnn {
        dimension: 4,
        filters: vec![3, 2],
        widths: vec![2, 3],
    });
    let transformer = || {
        ModelSpec::Transformer(Transformer {
            dimension: 8,
            heads: 2,
            layers: 2,
            feed_forward: 6,
            dropout: 0.0,
        })
    };
    let (three, binary) = (Target::Classes(3), Target::Binary);
    vec![
        case("mlp", ModelSpec::Mlp(mlp), table.clone(), three, rows.clone()),
        case("cnn", cnn(Norm::None), image.clone(), three, pixels.clone()),
        case("cnn-group", cnn(Norm::Group), image, three, pixels),
        case(
            "lstm",
            recurrent(Cell::Lstm),
            sequence.clone(),
            binary,
            steps.clone(),
        ),
        case(
            "gru",
            recurrent(Cell::Gru),
            sequence.clone(),
            binary,
            steps.clone(),
        ),
        case("embedding-bag", bag, text.clone(), binary, texts.clone()),
        case("text-cnn", text_cnn, text.clone(), binary, texts.clone()),
        case("transformer-text", transformer(), text, binary, texts),
        case("transformer-sequence", transformer(), sequence, binary, steps),
        case("transformer-table", transformer(), table, binary, rows),
    ]
}

impl Case {
    fn network(&self) -> Network {
        Network::new(&self.spec, &self.shape, self.target)
    }

    fn inputs(&self) -> Tensor {
        Tensor::from_slice(&self.inputs).view([to_i64(ROWS), -1])
    }

    fn values(&self, network: &Network) -> Vec<f32> {
        let values = numbers(network.manifest().total(), 0);
        values.into_iter().map(|value| 0.5 * value).collect()
    }

    fn slope(&self) -> Tensor {
        let outputs = self.target.outputs();
        let slope = Tensor::from_slice(&numbers(ROWS * outputs, 2));
        match outputs {
            1 => slope,
            outputs => slope.view([to_i64(ROWS), to_i64(outputs)]),
        }
    }

    /// The logits and the gradient of their product with the slope.
    fn train(&self, network: &Network, values: &[f32], dropout: &mut Dropout) -> (Tensor, Tensor) {
        let parameters = network.trainable(values, Device::Cpu).unwrap();
        let gradients = network.zeros(Device::Cpu).unwrap();
        let inputs = self.inputs();
        let outputs = network.training_outputs(&parameters, &inputs, dropout).unwrap();
        network
            .gradients(&parameters, &inputs, &outputs, &self.slope(), &gradients)
            .unwrap();
        assert_eq!(Vec::<f32>::try_from(parameters.flat()).unwrap(), values);
        (outputs.logits().unwrap(), gradients.flat().copy())
    }
}

#[test]
fn outputs_and_gradients_are_those_of_pytorch_s_modules() {
    let answers: BTreeMap<String, Answer> = serde_json::from_str(include_str!("answers.json")).unwrap();
    assert_eq!(answers.len(), cases().len());
    for case in cases() {
        let (name, answer) = (case.name, &answers[case.name]);
        let network = case.network();
        assert_eq!(network.manifest().total(), answer.parameters, "{name}");
        let values = case.values(&network);
        let (logits, gradient) = case.train(&network, &values, &mut Dropout::none());
        let scored = network.parameters(&values, Device::Cpu).unwrap();
        let scored = network
            .outputs(&scored, &case.inputs())
            .unwrap()
            .logits()
            .unwrap();
        assert!((&scored - &logits).abs().max().double_value(&[]) < 1e-6, "{name}");
        let logits = Vec::<f32>::try_from(logits.flatten(0, -1)).unwrap();
        assert_eq!(logits.len(), answer.outputs.len(), "{name}");
        for (found, expected) in logits.iter().zip(&answer.outputs) {
            assert!(
                (f64::from(*found) - expected).abs() < 2e-6,
                "{name}: {found} {expected}"
            );
        }
        let gradient = gradient.to_kind(Kind::Double);
        let probe = Tensor::from_slice(&numbers(values.len(), 3)).to_kind(Kind::Double);
        let found = [gradient.dot(&probe), gradient.norm()].map(|value| value.double_value(&[]));
        for (found, expected) in found.into_iter().zip(answer.gradient) {
            assert!((found - expected).abs() < 2e-5, "{name}: {found} {expected}");
        }
    }
}

/// With dropout, whose mask is the same for the same seed.
#[test]
fn gradients_are_those_of_finite_differences() {
    for mut case in cases() {
        match &mut case.spec {
            ModelSpec::Mlp(mlp) => mlp.dropout = 0.3,
            ModelSpec::Recurrent(recurrent) => recurrent.dropout = 0.3,
            ModelSpec::Transformer(transformer) => transformer.dropout = 0.3,
            _ => {}
        }
        let network = case.network();
        let values = case.values(&network);
        let way = numbers(values.len(), 4);
        let at = |step: f32| {
            let values: Vec<f32> = values
                .iter()
                .zip(&way)
                .map(|(value, way)| value + step * way)
                .collect();
            let (logits, gradient) = case.train(&network, &values, &mut Dropout::seeded(1));
            let product = (logits.to_kind(Kind::Double) * case.slope()).sum(Kind::Double);
            (product.double_value(&[]), gradient)
        };
        let step = 2e-4;
        let ((above, _), (below, _), (_, gradient)) = (at(step), at(-step), at(0.0));
        let expected = (above - below) / (2.0 * f64::from(step));
        let found = (gradient * Tensor::from_slice(&way))
            .sum(Kind::Double)
            .double_value(&[]);
        let name = case.name;
        assert!(
            (found - expected).abs() < 0.02 * (1.0 + expected.abs()),
            "{name}: {found} {expected}"
        );
    }
}

/// Without libtorch, against it; what is predicted, too.
#[test]
fn a_few_rows_of_a_small_network_get_the_scores_of_libtorch() {
    let mlp = |activation, dropout| {
        let mut mlp = Mlp::new(vec![9, 5], activation);
        mlp.dropout = dropout;
        ModelSpec::Mlp(mlp)
    };
    let specs = [
        ModelSpec::Logistic,
        mlp(Activation::Relu, 0.0),
        mlp(Activation::Tanh, 0.4),
    ];
    for spec in specs {
        for target in [Target::Binary, Target::Classes(4), Target::Number] {
            let (width, rows) = (7, 6);
            let network = Network::new(&spec, &InputShape::numbers(width), target);
            let values = numbers(network.manifest().total(), 5);
            let inputs: Vec<f32> = numbers(rows * width, 6).iter().map(|value| 4.0 * value).collect();
            let few = FewRows::new(&spec, network.manifest(), &values).unwrap();
            assert!(few.takes(rows) && !few.takes(1 << 18));
            let found = predicted(target, few.outputs(&inputs, width)).unwrap();
            let parameters = network.parameters(&values, Device::Cpu).unwrap();
            let tensor = Tensor::from_slice(&inputs).view([-1, to_i64(width)]);
            let mut expected = Vec::new();
            predict_batch(&network, &parameters, &tensor, target, &mut expected).unwrap();
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() < 2e-6,
                    "{spec:?} {target:?}: {found} {expected}"
                );
            }
            let spoiled: Vec<f32> = inputs.iter().map(|_| f32::NAN).collect();
            assert!(predicted(target, few.outputs(&spoiled, width)).is_err());
        }
    }
    let large = ModelSpec::Mlp(Mlp::new(vec![512, 256], Activation::Relu));
    let network = Network::new(&large, &InputShape::numbers(7), Target::Binary);
    let values = vec![0.0; network.manifest().total()];
    assert!(FewRows::new(&large, network.manifest(), &values).is_none());
}

/// Against libtorch's autograd, which builds the same network from its own operations.
#[test]
fn a_chain_s_gradients_are_those_of_autograd() {
    let mlp = |activation| ModelSpec::Mlp(Mlp::new(vec![5, 3], activation));
    for (spec, target) in [
        (ModelSpec::Logistic, Target::Binary),
        (mlp(Activation::Relu), Target::Binary),
        (mlp(Activation::Tanh), Target::Classes(4)),
    ] {
        let network = Network::new(&spec, &InputShape::numbers(4), target);
        let case = Case {
            name: "chain",
            spec: spec.clone(),
            shape: InputShape::numbers(4),
            target,
            inputs: numbers(ROWS * 4, 1),
        };
        let values = case.values(&network);
        let (logits, found) = case.train(&network, &values, &mut Dropout::none());

        let flat = Tensor::from_slice(&values).set_requires_grad(true);
        let mut chain = case.inputs();
        let arrays: Vec<Tensor> = network
            .manifest()
            .parameters()
            .iter()
            .map(|p| {
                let shape: Vec<i64> = p.shape.iter().map(|size| to_i64(*size)).collect();
                flat.narrow(0, to_i64(p.range.start), to_i64(p.range.len()))
                    .view(shape.as_slice())
            })
            .collect();
        let (layers, _) = arrays.as_chunks::<2>();
        for (index, [weight, bias]) in layers.iter().enumerate() {
            chain = chain.linear(weight, Some(bias));
            if index + 1 < layers.len() {
                chain = match &spec {
                    ModelSpec::Mlp(mlp) if mlp.activation == Activation::Tanh => chain.tanh(),
                    _ => chain.relu(),
                };
            }
        }
        let expected = chain.view_as(&logits);
        let off = (logits - &expected).abs().max();
        assert!(off.double_value(&[]) < 1e-6, "{spec:?}: logits off by {off:?}");
        (expected * case.slope()).sum(Kind::Float).backward();
        let off = (found - flat.grad()).abs().max();
        assert!(off.double_value(&[]) < 1e-6, "{spec:?}: gradients off by {off:?}");
    }
}

#[test]
fn a_text_or_sequence_of_nothing_gives_a_number() {
    for mut case in cases() {
        if !matches!(case.shape, InputShape::Text { .. } | InputShape::Sequence { .. }) {
            continue;
        }
        case.inputs.fill(0.0);
        let network = case.network();
        let (logits, gradient) = case.train(&network, &case.values(&network), &mut Dropout::none());
        for numbers in [logits, gradient] {
            assert!(numbers.isfinite().all().int64_value(&[]) == 1, "{}", case.name);
        }
    }
}

#[test]
fn a_token_beyond_the_vocabulary_is_an_error() {
    for mut case in cases() {
        if let InputShape::Text { .. } = case.shape {
            case.inputs[0] = 11.0;
            let network = case.network();
            let parameters = network.parameters(&case.values(&network), Device::Cpu).unwrap();
            assert!(
                network.outputs(&parameters, &case.inputs()).is_err(),
                "{}",
                case.name
            );
        }
    }
}
