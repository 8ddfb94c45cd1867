//! The model families: what each is told, which rows it takes, and its parameters. What a family computes stands beside
//! the code that computes it, in the client, and for people in `docs/models.md`.

mod cnn;
mod mlp;
mod recurrent;
mod text;
mod transformer;

use std::fmt;

use thiserror::Error;

use super::{InputShape, Manifest, Target};

pub use cnn::{Cnn, Norm};
pub use mlp::{Activation, Mlp};
pub use recurrent::{Cell, Recurrent};
pub use text::{EmbeddingBag, TextCnn};
pub use transformer::Transformer;

/// A model family with its sizes.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelSpec {
    /// Logistic regression, or linear regression for a number: one linear layer.
    Logistic,
    /// A multilayer perceptron, with embeddings for categories if it has some.
    Mlp(Mlp),
    /// A convolutional network for images.
    Cnn(Cnn),
    /// An LSTM or a GRU for sequences.
    Recurrent(Recurrent),
    /// The mean of a text's embedded tokens, and a multilayer perceptron over it.
    EmbeddingBag(EmbeddingBag),
    /// A convolutional network over a text's embedded tokens.
    TextCnn(TextCnn),
    /// An encoder transformer for tables, sequences and texts.
    Transformer(Transformer),
}

/// Rows that a family does not take.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("found {found}, expected {expected}")]
pub struct Unfit {
    /// The rows.
    pub found: String,
    /// What the family takes.
    pub expected: String,
}

impl ModelSpec {
    /// The names of all families.
    pub const FAMILIES: [&str; 8] = [
        "logistic",
        "mlp",
        "cnn",
        "lstm",
        "gru",
        "embedding-bag",
        "text-cnn",
        "transformer",
    ];

    /// The family's name in a task.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Logistic => "logistic",
            Self::Mlp(_) => "mlp",
            Self::Cnn(_) => "cnn",
            Self::Recurrent(Recurrent { cell: Cell::Lstm, .. }) => "lstm",
            Self::Recurrent(Recurrent { cell: Cell::Gru, .. }) => "gru",
            Self::EmbeddingBag(_) => "embedding-bag",
            Self::TextCnn(_) => "text-cnn",
            Self::Transformer(_) => "transformer",
        }
    }

    /// Whether a table's categories reach the model as numbers of embeddings ([`InputShape::Table`]'s `categories`); they are one-hot
    /// numbers otherwise.
    pub fn embeds_categories(&self) -> bool {
        matches!(
            self,
            Self::Mlp(Mlp {
                embedding: Some(_),
                ..
            }) | Self::Transformer(_)
        )
    }

    /// Whether the family takes rows of this shape.
    ///
    /// # Errors
    /// What it takes instead.
    pub fn takes(&self, inputs: &InputShape) -> Result<(), Unfit> {
        let expected = match self {
            Self::Logistic => mlp::takes_numbers(inputs),
            Self::Mlp(mlp) => mlp.takes(inputs),
            Self::Cnn(cnn) => cnn.takes(inputs),
            Self::Recurrent(_) => recurrent::takes(inputs),
            Self::EmbeddingBag(_) => text::takes(inputs, 1),
            Self::TextCnn(text_cnn) => text_cnn.takes(inputs),
            Self::Transformer(_) => transformer::takes(inputs),
        };
        expected.map_err(|expected| Unfit {
            found: format!("{} for {inputs}", self.family()),
            expected,
        })
    }

    /// The parameters in their order, for rows of this shape and what is to be predicted of them. Names and layouts are
    /// PyTorch's where it has such a module.
    ///
    /// # Panics
    /// If the family does not take such rows. Every [`crate::task::Task`] was checked for it.
    pub fn manifest(&self, inputs: &InputShape, target: Target) -> Manifest {
        if let Err(unfit) = self.takes(inputs) {
            panic!("{unfit}");
        }
        let mut manifest = Manifest::default();
        let outputs = target.outputs();
        match self {
            Self::Logistic => manifest.chain(inputs.width(), &[], outputs),
            Self::Mlp(mlp) => mlp.parameters(&mut manifest, inputs, outputs),
            Self::Cnn(cnn) => cnn.parameters(&mut manifest, inputs, outputs),
            Self::Recurrent(recurrent) => recurrent.parameters(&mut manifest, inputs, outputs),
            Self::EmbeddingBag(bag) => bag.parameters(&mut manifest, inputs, outputs),
            Self::TextCnn(text_cnn) => text_cnn.parameters(&mut manifest, inputs, outputs),
            Self::Transformer(transformer) => transformer.parameters(&mut manifest, inputs, outputs),
        }
        manifest
    }
}

impl fmt::Display for InputShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table { numbers, categories } if categories.is_empty() => {
                write!(f, "a table of {numbers} numbers a row")
            }
            Self::Table { numbers, categories } => write!(
                f,
                "a table of {numbers} numbers and {} embedded categories a row",
                categories.len()
            ),
            Self::Sequence { steps, width } => write!(f, "sequences of {steps} steps of {width} numbers"),
            Self::Image {
                channels,
                height,
                width,
            } => write!(f, "images of {channels} channels of {height} x {width} pixels"),
            Self::Text { tokens, .. } => write!(f, "texts of at most {tokens} tokens"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::model) const IMAGE: InputShape = InputShape::Image {
        channels: 1,
        height: 28,
        width: 28,
    };
    const SEQUENCE: InputShape = InputShape::Sequence { steps: 6, width: 3 };
    const TEXT: InputShape = InputShape::Text {
        tokens: 9,
        vocabulary: 50,
    };

    fn with_categories() -> InputShape {
        InputShape::Table {
            numbers: 2,
            categories: vec![3, 40],
        }
    }

    fn every() -> [ModelSpec; 8] {
        let recurrent = |cell| {
            ModelSpec::Recurrent(Recurrent {
                cell,
                ..Recurrent::default()
            })
        };
        [
            ModelSpec::Logistic,
            ModelSpec::Mlp(Mlp::new(vec![4], Activation::Relu)),
            ModelSpec::Cnn(Cnn::default()),
            recurrent(Cell::Lstm),
            recurrent(Cell::Gru),
            ModelSpec::EmbeddingBag(EmbeddingBag::default()),
            ModelSpec::TextCnn(TextCnn::default()),
            ModelSpec::Transformer(Transformer::default()),
        ]
    }

    fn shapes(spec: &ModelSpec, inputs: &InputShape, target: Target) -> Vec<(String, Vec<usize>)> {
        let manifest = spec.manifest(inputs, target);
        let found = manifest.parameters().iter();
        found.map(|p| (p.name.clone(), p.shape.clone())).collect()
    }

    fn assert_shapes(spec: &ModelSpec, inputs: &InputShape, target: Target, expected: &[(&str, &[usize])]) {
        let expected = expected
            .iter()
            .map(|(name, shape)| (name.to_string(), shape.to_vec()));
        assert_eq!(
            shapes(spec, inputs, target),
            expected.collect::<Vec<_>>(),
            "{spec:?}"
        );
    }

    #[test]
    fn each_family_takes_its_shapes_and_no_other() {
        let table = InputShape::numbers(5);
        for (spec, taken) in every().iter().zip([
            [true, false, true, true, false],
            [true, false, true, true, false],
            [false, false, false, true, false],
            [false, false, true, false, false],
            [false, false, true, false, false],
            [false, false, false, false, true],
            [false, false, false, false, true],
            [true, true, true, false, true],
        ]) {
            let shapes = [&table, &with_categories(), &SEQUENCE, &IMAGE, &TEXT];
            assert_eq!(shapes.map(|shape| spec.takes(shape).is_ok()), taken, "{spec:?}");
        }
        let error = ModelSpec::Cnn(Cnn::default())
            .takes(&table)
            .map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err("found cnn for a table of 5 numbers a row, expected images".to_owned())
        );
    }

    #[test]
    fn every_family_is_in_the_list_of_names() {
        let names: std::collections::BTreeSet<_> = every().iter().map(ModelSpec::family).collect();
        assert_eq!(names, ModelSpec::FAMILIES.into_iter().collect());
    }

    #[test]
    fn names_are_unique_and_ranges_follow_each_other() {
        for spec in every() {
            for shape in [InputShape::numbers(5), with_categories(), SEQUENCE, IMAGE, TEXT] {
                if spec.takes(&shape).is_err() {
                    continue;
                }
                let manifest = spec.manifest(&shape, Target::Classes(3));
                let mut at = 0;
                for parameter in manifest.parameters() {
                    assert_eq!(parameter.range.start, at);
                    at = parameter.range.end;
                    assert_eq!(parameter.range.len(), parameter.shape.iter().product::<usize>());
                }
                assert_eq!(at, manifest.total());
                let mut names: Vec<_> = manifest.parameters().iter().map(|p| &p.name).collect();
                names.sort();
                names.dedup();
                assert_eq!(names.len(), manifest.parameters().len());
            }
        }
    }

    #[test]
    fn logistic_is_one_linear_layer() {
        let expected: [(&str, &[usize]); 2] = [("output.weight", &[1, 5]), ("output.bias", &[1])];
        assert_shapes(
            &ModelSpec::Logistic,
            &InputShape::numbers(5),
            Target::Binary,
            &expected,
        );
        let expected: [(&str, &[usize]); 2] = [("output.weight", &[4, 18]), ("output.bias", &[4])];
        assert_shapes(&ModelSpec::Logistic, &SEQUENCE, Target::Classes(4), &expected);
    }

    #[test]
    fn mlp_chains_its_hidden_layers_and_embeds_categories() {
        let mut mlp = Mlp::new(vec![4, 3], Activation::Tanh);
        let spec = ModelSpec::Mlp(mlp.clone());
        let expected: [(&str, &[usize]); 6] = [
            ("hidden.0.weight", &[4, 5]),
            ("hidden.0.bias", &[4]),
            ("hidden.1.weight", &[3, 4]),
            ("hidden.1.bias", &[3]),
            ("output.weight", &[1, 3]),
            ("output.bias", &[1]),
        ];
        assert_shapes(&spec, &InputShape::numbers(5), Target::Binary, &expected);
        (mlp.hidden, mlp.embedding) = (vec![4], Some(8));
        let expected: [(&str, &[usize]); 6] = [
            // Half as many numbers as values, at most 8.
            ("embedding.0.weight", &[3, 2]),
            ("embedding.1.weight", &[40, 8]),
            ("hidden.0.weight", &[4, 2 + 2 + 8]),
            ("hidden.0.bias", &[4]),
            ("output.weight", &[1, 4]),
            ("output.bias", &[1]),
        ];
        assert_shapes(
            &ModelSpec::Mlp(mlp),
            &with_categories(),
            Target::Binary,
            &expected,
        );
    }

    #[test]
    fn the_classic_convolutional_network() {
        let spec = ModelSpec::Cnn(Cnn::default());
        // 28 - 2 = 26, halved 13, - 2 = 11, halved 5.
        let expected: [(&str, &[usize]); 8] = [
            ("conv.0.weight", &[32, 1, 3, 3]),
            ("conv.0.bias", &[32]),
            ("conv.1.weight", &[64, 32, 3, 3]),
            ("conv.1.bias", &[64]),
            ("hidden.0.weight", &[64, 64 * 5 * 5]),
            ("hidden.0.bias", &[64]),
            ("output.weight", &[10, 64]),
            ("output.bias", &[10]),
        ];
        assert_shapes(&spec, &IMAGE, Target::Classes(10), &expected);
        assert_eq!(spec.manifest(&IMAGE, Target::Classes(10)).total(), 121_930);
        let small = InputShape::Image {
            channels: 1,
            height: 28,
            width: 9,
        };
        let error = spec.takes(&small).map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err("found cnn for images of 1 channels of 28 x 9 pixels, expected images from which 2 blocks leave a pixel, \
                 each taking 2 pixels off both sizes and dividing what is left by 2"
                .to_owned())
        );
    }

    #[test]
    fn recurrent_and_text_families_have_pytorch_s_arrays() {
        let gru = ModelSpec::Recurrent(Recurrent {
            cell: Cell::Gru,
            units: 4,
            layers: 2,
            dropout: 0.0,
        });
        let expected: [(&str, &[usize]); 10] = [
            ("recurrent.weight_ih_l0", &[12, 3]),
            ("recurrent.weight_hh_l0", &[12, 4]),
            ("recurrent.bias_ih_l0", &[12]),
            ("recurrent.bias_hh_l0", &[12]),
            ("recurrent.weight_ih_l1", &[12, 4]),
            ("recurrent.weight_hh_l1", &[12, 4]),
            ("recurrent.bias_ih_l1", &[12]),
            ("recurrent.bias_hh_l1", &[12]),
            ("output.weight", &[1, 4]),
            ("output.bias", &[1]),
        ];
        assert_shapes(&gru, &SEQUENCE, Target::Number, &expected);
        let text_cnn = ModelSpec::TextCnn(TextCnn {
            dimension: 8,
            filters: vec![5, 6],
            widths: vec![2, 3],
        });
        let expected: [(&str, &[usize]); 7] = [
            ("embedding.weight", &[50, 8]),
            ("conv.0.weight", &[5, 8, 2]),
            ("conv.0.bias", &[5]),
            ("conv.1.weight", &[6, 8, 3]),
            ("conv.1.bias", &[6]),
            ("output.weight", &[1, 11]),
            ("output.bias", &[1]),
        ];
        assert_shapes(&text_cnn, &TEXT, Target::Binary, &expected);
        let short = InputShape::Text {
            tokens: 2,
            vocabulary: 50,
        };
        assert!(text_cnn.takes(&short).is_err());
        let bag = ModelSpec::EmbeddingBag(EmbeddingBag {
            dimension: 8,
            hidden: vec![],
        });
        let expected: [(&str, &[usize]); 3] = [
            ("embedding.weight", &[50, 8]),
            ("output.weight", &[1, 8]),
            ("output.bias", &[1]),
        ];
        assert_shapes(&bag, &TEXT, Target::Binary, &expected);
    }

    #[test]
    fn transformer_turns_each_shape_into_tokens() {
        let spec = ModelSpec::Transformer(Transformer {
            dimension: 8,
            heads: 2,
            layers: 1,
            feed_forward: 16,
            dropout: 0.0,
        });
        let body: [(&str, &[usize]); 16] = [
            ("layers.0.self_attn.in_proj_weight", &[24, 8]),
            ("layers.0.self_attn.in_proj_bias", &[24]),
            ("layers.0.self_attn.out_proj.weight", &[8, 8]),
            ("layers.0.self_attn.out_proj.bias", &[8]),
            ("layers.0.linear1.weight", &[16, 8]),
            ("layers.0.linear1.bias", &[16]),
            ("layers.0.linear2.weight", &[8, 16]),
            ("layers.0.linear2.bias", &[8]),
            ("layers.0.norm1.weight", &[8]),
            ("layers.0.norm1.bias", &[8]),
            ("layers.0.norm2.weight", &[8]),
            ("layers.0.norm2.bias", &[8]),
            ("norm.weight", &[8]),
            ("norm.bias", &[8]),
            ("output.weight", &[1, 8]),
            ("output.bias", &[1]),
        ];
        let text: [(&str, &[usize]); 2] = [("embedding.weight", &[50, 8]), ("position.weight", &[9, 8])];
        let sequence: [(&str, &[usize]); 3] = [
            ("projection.weight", &[8, 3]),
            ("projection.bias", &[8]),
            ("position.weight", &[6, 8]),
        ];
        let table: [(&str, &[usize]); 3] = [
            ("numbers.weight", &[2, 8]),
            ("numbers.bias", &[2, 8]),
            ("categories.weight", &[43, 8]),
        ];
        for (shape, head) in [
            (TEXT, &text[..]),
            (SEQUENCE, &sequence[..]),
            (with_categories(), &table[..]),
            (InputShape::numbers(2), &table[..2]),
        ] {
            assert_shapes(&spec, &shape, Target::Binary, &[head, &body].concat());
        }
    }

    #[test]
    fn a_total_beyond_every_number_stops_there() {
        let spec = ModelSpec::Mlp(Mlp::new(vec![u32::MAX, u32::MAX, u32::MAX], Activation::Relu));
        let manifest = spec.manifest(&InputShape::numbers(usize::MAX), Target::Binary);
        assert_eq!(manifest.total(), usize::MAX);
    }
}
