//! A model of each family with random parameters, and rows with all that a row can hold: padding, texts and sequences without anything, the
//! last value of a category, which is the bucket for unknown ones.

use veilsum_onnx::Answer;
use veilsum_protocol::model::{
    Activation, Cell, Cnn, EmbeddingBag, InputShape, Mlp, ModelSpec, Norm, Recurrent, TextCnn, Transformer,
};
use veilsum_protocol::task::Scale;

/// Rows of a case.
const ROWS: usize = 24;

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) spec: ModelSpec,
    pub(super) shape: InputShape,
    pub(super) answer: Answer,
    pub(super) parameters: Vec<f32>,
    /// `[ROWS, width]`.
    pub(super) rows: Vec<f32>,
}

/// SplitMix64 (Steele et al. 2014).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound as u64) as usize
    }

    /// From -1 to 1.
    fn number(&mut self) -> f32 {
        ((self.word() >> 40) as f64 / f64::from(1 << 23) - 1.0) as f32
    }

    /// One row after another; the first few are the ends of what there is.
    fn row(&mut self, shape: &InputShape, at: usize) -> Vec<f32> {
        match shape {
            InputShape::Table { numbers, categories } => {
                let mut row: Vec<f32> = (0..*numbers).map(|_| 2.0 * self.number()).collect();
                row.extend(categories.iter().map(|values| match at {
                    0 => 0.0,
                    1 => (values - 1) as f32,
                    _ => self.below(*values) as f32,
                }));
                row
            }
            InputShape::Sequence { steps, width } => {
                let mut row: Vec<f32> = (0..steps * width).map(|_| self.number()).collect();
                // Nothing missing, all missing, all but the last.
                let missing = match at {
                    0 => 0,
                    1 => *steps,
                    2 => steps - 1,
                    _ => self.below(steps + 1),
                };
                row[..missing * width].fill(0.0);
                // A step of zeros behind the first that is there is a step.
                if at == 3 && *steps > 2 {
                    row.fill(0.5);
                    row[*width..2 * width].fill(0.0);
                }
                row
            }
            InputShape::Image { .. } => (0..shape.width())
                .map(|_| self.below(256) as f32 / 255.0)
                .collect(),
            InputShape::Text { tokens, vocabulary } => {
                let length = match at {
                    0 => *tokens,
                    1 => 0,
                    2 => 1,
                    _ => self.below(tokens + 1),
                };
                let mut row: Vec<f32> = (0..length)
                    .map(|_| (1 + self.below(vocabulary - 1)) as f32)
                    .collect();
                row.resize(*tokens, 0.0);
                // The greatest token number, and padding in the middle, which no tokeniser makes.
                if at == 3 && *tokens > 2 {
                    row[0] = (vocabulary - 1) as f32;
                    row[1] = 0.0;
                    row[2] = 1.0;
                }
                row
            }
        }
    }
}

fn case(name: &'static str, spec: ModelSpec, shape: InputShape, answer: Answer) -> Case {
    let seed = |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte));
    let mut random = Random(name.bytes().fold(7, seed));
    let total = spec.manifest(&shape, answer.target()).total();
    let mut parameters: Vec<f32> = (0..total).map(|_| random.number()).collect();
    if let (Answer::Number { .. }, Some((bias, others))) = (answer, parameters.split_last_mut()) {
        // Around the middle of the unit scale, whose ends cut off what lies beyond.
        others.iter_mut().for_each(|value| *value *= 0.3);
        *bias = 0.5;
    }
    Case {
        parameters,
        rows: (0..ROWS).flat_map(|at| random.row(&shape, at)).collect(),
        name,
        spec,
        shape,
        answer,
    }
}

pub(super) fn cases() -> Vec<Case> {
    let numbers = || InputShape::numbers(7);
    let mixed = || InputShape::Table {
        numbers: 3,
        categories: vec![3, 5, 1],
    };
    let categories = || InputShape::Table {
        numbers: 0,
        categories: vec![4, 2],
    };
    let image = |channels, height, width| InputShape::Image {
        channels,
        height,
        width,
    };
    let sequence = |steps, width| InputShape::Sequence { steps, width };
    let text = || InputShape::Text {
        tokens: 9,
        vocabulary: 13,
    };
    let (one, classes) = (Answer::Probability, Answer::Probabilities(4));
    let amount = |scale| Answer::Number {
        scale,
        min: -50.0,
        max: 9000.0,
    };
    let mlp = |hidden: &[u32], activation, embedding| {
        ModelSpec::Mlp(Mlp {
            dropout: 0.25,
            embedding,
            ..Mlp::new(hidden.to_vec(), activation)
        })
    };
    let cnn = |filters: &[u32], kernel, pool, dense: &[u32], norm| {
        ModelSpec::Cnn(Cnn {
            filters: filters.to_vec(),
            kernel,
            pool,
            dense: dense.to_vec(),
            norm,
        })
    };
    let recurrent = |cell, units, layers| {
        ModelSpec::Recurrent(Recurrent {
            cell,
            units,
            layers,
            dropout: 0.25,
        })
    };
    let bag = |hidden: &[u32]| {
        ModelSpec::EmbeddingBag(EmbeddingBag {
            dimension: 5,
            hidden: hidden.to_vec(),
        })
    };
    let text_cnn = ModelSpec::TextCnn(TextCnn {
        dimension: 4,
        filters: vec![3, 2],
        widths: vec![2, 9],
    });
    let transformer = |heads, layers| {
        ModelSpec::Transformer(Transformer {
            dimension: 8,
            heads,
            layers,
            feed_forward: 6,
            dropout: 0.25,
        })
    };
    let (relu, tanh) = (Activation::Relu, Activation::Tanh);
    let plain = |hidden: &[u32], activation| ModelSpec::Mlp(Mlp::new(hidden.to_vec(), activation));
    vec![
        case("logistic", ModelSpec::Logistic, numbers(), one),
        case("logistic-classes", ModelSpec::Logistic, numbers(), classes),
        case(
            "logistic-number",
            ModelSpec::Logistic,
            numbers(),
            amount(Scale::Linear),
        ),
        case(
            "logistic-log-number",
            ModelSpec::Logistic,
            numbers(),
            amount(Scale::Log),
        ),
        case("logistic-sequence", ModelSpec::Logistic, sequence(3, 2), one),
        case("mlp", plain(&[6, 5], relu), numbers(), one),
        case("mlp-tanh", plain(&[6], tanh), numbers(), classes),
        case("mlp-dropout", mlp(&[6, 4], relu, None), image(1, 3, 4), one),
        case("mlp-embedding", mlp(&[6], tanh, Some(2)), mixed(), classes),
        case("mlp-embedding-alone", mlp(&[], relu, Some(3)), categories(), one),
        case(
            "cnn",
            cnn(&[4, 6], 3, 2, &[5], Norm::None),
            image(2, 14, 12),
            classes,
        ),
        case(
            "cnn-group",
            cnn(&[6, 16], 3, 2, &[5, 4], Norm::Group),
            image(1, 15, 11),
            one,
        ),
        case(
            "cnn-group-of-one",
            cnn(&[5], 2, 1, &[], Norm::Group),
            image(3, 4, 5),
            classes,
        ),
        case(
            "cnn-wide-pool",
            cnn(&[3], 5, 3, &[], Norm::None),
            image(1, 12, 16),
            one,
        ),
        case("lstm", recurrent(Cell::Lstm, 4, 1), sequence(5, 3), one),
        case(
            "lstm-layers",
            recurrent(Cell::Lstm, 5, 3),
            sequence(6, 4),
            classes,
        ),
        case("lstm-one-step", recurrent(Cell::Lstm, 3, 2), sequence(1, 4), one),
        case("gru", recurrent(Cell::Gru, 4, 1), sequence(5, 3), one),
        case(
            "gru-layers",
            recurrent(Cell::Gru, 5, 3),
            sequence(6, 4),
            amount(Scale::Log),
        ),
        case(
            "gru-one-step",
            recurrent(Cell::Gru, 3, 2),
            sequence(1, 4),
            classes,
        ),
        case("embedding-bag", bag(&[]), text(), one),
        case("embedding-bag-hidden", bag(&[6, 3]), text(), classes),
        case("text-cnn", text_cnn, text(), classes),
        case("transformer-numbers", transformer(2, 2), numbers(), one),
        case("transformer-table", transformer(4, 1), mixed(), classes),
        case("transformer-categories", transformer(1, 2), categories(), one),
        case(
            "transformer-sequence",
            transformer(2, 2),
            sequence(5, 3),
            amount(Scale::Linear),
        ),
        case("transformer-text", transformer(2, 3), text(), one),
    ]
}
