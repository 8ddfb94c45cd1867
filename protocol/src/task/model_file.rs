//! The table `model` of a task.

use serde::Deserialize;

use crate::model::{
    Activation, Cell, Cnn, EmbeddingBag, Mlp, ModelSpec, Norm, Recurrent, TextCnn, Transformer,
};

use super::TaskError;
use super::ranges::{integer, length, zero_or};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelFile {
    family: Family,
    hidden: Option<Vec<i64>>,
    activation: Option<Activation>,
    dropout: Option<f64>,
    embedding: Option<i64>,
    filters: Option<Vec<i64>>,
    kernel: Option<i64>,
    pool: Option<i64>,
    dense: Option<Vec<i64>>,
    norm: Option<Norm>,
    units: Option<i64>,
    layers: Option<i64>,
    dimension: Option<i64>,
    widths: Option<Vec<i64>>,
    heads: Option<i64>,
    feed_forward: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Family {
    Logistic,
    Mlp,
    Cnn,
    Lstm,
    Gru,
    EmbeddingBag,
    TextCnn,
    Transformer,
}

impl Family {
    /// Its keys beside `family`.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Logistic => &[],
            Self::Mlp => &["hidden", "activation", "dropout", "embedding"],
            Self::Cnn => &["filters", "kernel", "pool", "dense", "norm"],
            Self::Lstm | Self::Gru => &["units", "layers", "dropout"],
            Self::EmbeddingBag => &["dimension", "hidden"],
            Self::TextCnn => &["dimension", "filters", "widths"],
            Self::Transformer => &["dimension", "heads", "layers", "feed_forward", "dropout"],
        }
    }
}

impl ModelSpec {
    /// Reads the lines of a task's table `model`.
    ///
    /// # Errors
    /// The first thing that is wrong, with its key, what was found and what was expected.
    pub fn read(text: &str) -> Result<Self, TaskError> {
        toml::from_str::<ModelFile>(text)?.check()
    }
}

impl ModelFile {
    pub(super) fn check(self) -> Result<ModelSpec, TaskError> {
        let spec = match self.family {
            Family::Logistic => ModelSpec::Logistic,
            Family::Mlp => ModelSpec::Mlp(self.mlp()?),
            Family::Cnn => ModelSpec::Cnn(self.cnn()?),
            Family::Lstm => ModelSpec::Recurrent(self.recurrent(Cell::Lstm)?),
            Family::Gru => ModelSpec::Recurrent(self.recurrent(Cell::Gru)?),
            Family::EmbeddingBag => ModelSpec::EmbeddingBag(self.embedding_bag()?),
            Family::TextCnn => ModelSpec::TextCnn(self.text_cnn()?),
            Family::Transformer => ModelSpec::Transformer(self.transformer()?),
        };
        self.refuse_unused(spec.family())?;
        Ok(spec)
    }

    /// A key that the family does not use would mislead whoever approves the task.
    fn refuse_unused(&self, family: &str) -> Result<(), TaskError> {
        let keys = [
            ("hidden", self.hidden.is_some()),
            ("activation", self.activation.is_some()),
            ("dropout", self.dropout.is_some()),
            ("embedding", self.embedding.is_some()),
            ("filters", self.filters.is_some()),
            ("kernel", self.kernel.is_some()),
            ("pool", self.pool.is_some()),
            ("dense", self.dense.is_some()),
            ("norm", self.norm.is_some()),
            ("units", self.units.is_some()),
            ("layers", self.layers.is_some()),
            ("dimension", self.dimension.is_some()),
            ("widths", self.widths.is_some()),
            ("heads", self.heads.is_some()),
            ("feed_forward", self.feed_forward.is_some()),
        ];
        let used = self.family.keys();
        match keys.iter().find(|(key, set)| *set && !used.contains(key)) {
            Some((key, _)) => Err(TaskError::invalid(
                format!("model.{key}"),
                "a value",
                format!("none: family = \"{family}\" does not use it; leave the key out"),
            )),
            None => Ok(()),
        }
    }

    fn mlp(&self) -> Result<Mlp, TaskError> {
        let hidden = self.hidden.as_ref().ok_or_else(|| {
            TaskError::invalid(
                "model.hidden",
                "nothing",
                "the sizes of the hidden layers, such as [64, 32]",
            )
        })?;
        Ok(Mlp {
            hidden: sizes("model.hidden", hidden, 1..=8, 4096)?,
            activation: self.activation.unwrap_or_default(),
            dropout: self.dropout()?,
            embedding: self
                .embedding
                .map(|most| integer("model.embedding", most, 1..=1024))
                .transpose()?,
        })
    }

    fn cnn(&self) -> Result<Cnn, TaskError> {
        let preset = Cnn::default();
        Ok(Cnn {
            filters: match &self.filters {
                Some(filters) => sizes("model.filters", filters, 1..=8, 1024)?,
                None => preset.filters,
            },
            kernel: size("model.kernel", self.kernel, preset.kernel, 15)?,
            pool: size("model.pool", self.pool, preset.pool, 8)?,
            dense: match &self.dense {
                Some(dense) => sizes("model.dense", dense, 0..=8, 4096)?,
                None => preset.dense,
            },
            norm: self.norm.unwrap_or(preset.norm),
        })
    }

    fn recurrent(&self, cell: Cell) -> Result<Recurrent, TaskError> {
        let preset = Recurrent::default();
        Ok(Recurrent {
            cell,
            units: size("model.units", self.units, preset.units, 2048)?,
            layers: size("model.layers", self.layers, preset.layers, 8)?,
            dropout: self.dropout()?,
        })
    }

    fn embedding_bag(&self) -> Result<EmbeddingBag, TaskError> {
        let preset = EmbeddingBag::default();
        Ok(EmbeddingBag {
            dimension: self.dimension(preset.dimension)?,
            hidden: match &self.hidden {
                Some(hidden) => sizes("model.hidden", hidden, 0..=8, 4096)?,
                None => preset.hidden,
            },
        })
    }

    fn text_cnn(&self) -> Result<TextCnn, TaskError> {
        let preset = TextCnn::default();
        let widths = match &self.widths {
            Some(widths) => sizes("model.widths", widths, 1..=8, 32)?,
            None => preset.widths,
        };
        let filters = match &self.filters {
            Some(filters) => {
                length("model.filters", filters, widths.len()..=widths.len())?;
                sizes("model.filters", filters, 1..=8, 1024)?
            }
            None => vec![64; widths.len()],
        };
        Ok(TextCnn {
            dimension: self.dimension(preset.dimension)?,
            filters,
            widths,
        })
    }

    fn transformer(&self) -> Result<Transformer, TaskError> {
        let preset = Transformer::default();
        let dimension = self.dimension(preset.dimension)?;
        let heads = size("model.heads", self.heads, preset.heads, 64)?;
        if !dimension.is_multiple_of(heads) {
            return Err(TaskError::invalid(
                "model.dimension",
                dimension.to_string(),
                format!("a multiple of model.heads, {heads}"),
            ));
        }
        Ok(Transformer {
            dimension,
            heads,
            layers: size("model.layers", self.layers, preset.layers, 24)?,
            feed_forward: size("model.feed_forward", self.feed_forward, preset.feed_forward, 8192)?,
            dropout: self.dropout()?,
        })
    }

    fn dimension(&self, preset: u32) -> Result<u32, TaskError> {
        size("model.dimension", self.dimension, preset, 2048)
    }

    fn dropout(&self) -> Result<f64, TaskError> {
        zero_or("model.dropout", self.dropout.unwrap_or(0.0), 0.9)
    }
}

fn size(key: &str, found: Option<i64>, preset: u32, most: u32) -> Result<u32, TaskError> {
    found.map_or(Ok(preset), |found| integer(key, found, 1..=most))
}

fn sizes(
    key: &str,
    found: &[i64],
    entries: std::ops::RangeInclusive<usize>,
    most: u32,
) -> Result<Vec<u32>, TaskError> {
    length(key, found, entries)?;
    found.iter().map(|&size| integer(key, size, 1..=most)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::task::canonical;

    fn read(text: &str) -> Result<ModelSpec, TaskError> {
        ModelSpec::read(text)
    }

    #[test]
    fn a_family_alone_is_its_preset() {
        for (family, spec) in [
            ("logistic", ModelSpec::Logistic),
            ("cnn", ModelSpec::Cnn(Cnn::default())),
            ("lstm", ModelSpec::Recurrent(Recurrent::default())),
            (
                "gru",
                ModelSpec::Recurrent(Recurrent {
                    cell: Cell::Gru,
                    ..Recurrent::default()
                }),
            ),
            ("embedding-bag", ModelSpec::EmbeddingBag(EmbeddingBag::default())),
            ("text-cnn", ModelSpec::TextCnn(TextCnn::default())),
            ("transformer", ModelSpec::Transformer(Transformer::default())),
        ] {
            assert_eq!(spec.family(), family);
            assert_eq!(read(&format!("family = \"{family}\"")), Ok(spec));
        }
    }

    #[test]
    fn every_key_of_a_family_survives_the_normal_form() {
        for text in [
            "family = \"mlp\"\nhidden = [4, 3]\nactivation = \"tanh\"\ndropout = 0.25\nembedding = 8",
            "family = \"cnn\"\nfilters = [4]\nkernel = 5\npool = 1\ndense = []\nnorm = \"group\"",
            "family = \"lstm\"\nunits = 3\nlayers = 2\ndropout = 0.5",
            "family = \"gru\"\nunits = 5",
            "family = \"embedding-bag\"\ndimension = 3\nhidden = [4]",
            "family = \"text-cnn\"\ndimension = 3\nfilters = [5, 6]\nwidths = [2, 3]",
            "family = \"transformer\"\ndimension = 6\nheads = 3\nlayers = 1\nfeed_forward = 7\ndropout = 0.1",
        ] {
            let spec = read(text).unwrap();
            let normal = canonical::model(&spec);
            assert_eq!(read(&normal), Ok(spec), "{normal}");
            let keys = |text: &str| {
                text.lines()
                    .map(|line| line.split(' ').next().unwrap().to_owned())
                    .collect::<Vec<_>>()
            };
            assert!(
                keys(text).iter().all(|key| keys(&normal).contains(key)),
                "{normal}"
            );
        }
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, message) in [
            (
                "family = \"cnn\"\nhidden = [4]",
                "model.hidden: found a value, expected none: family = \"cnn\" does not use it",
            ),
            (
                "family = \"gru\"\nactivation = \"relu\"",
                "model.activation: found a value, expected none: family = \"gru\" does not use it",
            ),
            (
                "family = \"transformer\"\ndimension = 10",
                "model.dimension: found 10, expected a multiple of model.heads, 4",
            ),
            (
                "family = \"text-cnn\"\nfilters = [4]",
                "model.filters: found 1 entries, expected 3 to 3",
            ),
            (
                "family = \"lstm\"\ndropout = 1.0",
                "model.dropout: 1.0 is out of range, expected 0.0..=0.9",
            ),
            (
                "family = \"cnn\"\nkernel = 0",
                "model.kernel: 0 is out of range, expected 1..=15",
            ),
            (
                "family = \"resnet\"",
                "unknown variant `resnet`, expected one of `logistic`",
            ),
            (
                "family = \"cnn\"\nnorm = \"batch\"",
                "unknown variant `batch`, expected `none` or `group`",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
