//! What rows of one task's model are explained by: their columns and the bank's rows that they are compared with, or the words of their text.

use veilsum_explain::{Distribution, Groups, Rows};
use veilsum_protocol::model::InputShape;

use super::ExplainError;
use super::features::{feature, groups};
use crate::data::Dataset;
use crate::scoring::{Feature, FeatureKind, Scorer};

/// The same for every version of a model: what the inputs are is settled before the first one.
pub struct Grounds(pub(super) Kind);

pub(super) enum Kind {
    /// Of a table or of sequences.
    Columns(Columns),
    /// Of texts: the place of the text among the scorer's features.
    Words(usize),
}

pub(super) struct Columns {
    pub(super) groups: Groups,
    pub(super) features: Vec<veilsum_explain::Feature>,
    pub(super) background: Rows,
    /// Of each feature that is a number of the table, its values in the background.
    pub(super) numbers: Vec<Option<Distribution>>,
}

impl Grounds {
    /// Those of a model that needs no rows of the bank, if it is one.
    ///
    /// # Errors
    /// A model of images.
    pub fn without_rows(scorer: &Scorer) -> Result<Option<Self>, ExplainError> {
        match scorer.shape() {
            InputShape::Image { .. } => Err(ExplainError::Images),
            InputShape::Text { .. } => {
                let is_text = |feature: &Feature| feature.kind == FeatureKind::Text;
                let place = scorer.features().iter().position(is_text);
                Ok(place.map(|place| Self(Kind::Words(place))))
            }
            InputShape::Table { .. } | InputShape::Sequence { .. } => Ok(None),
        }
    }

    /// Those that compare with `rows` of the bank's own table, which was read under the model's task.
    ///
    /// # Errors
    /// A model of texts or images, whose inputs are no columns; rows that cannot be read back.
    pub fn of_table(scorer: &Scorer, table: &Dataset, rows: &[u32]) -> Result<Self, ExplainError> {
        let schema = scorer.schema();
        let groups = groups(schema, scorer.spec().embeds_categories()).ok_or(ExplainError::Images)??;
        let features = groups.names().iter().map(|name| feature(schema, name)).collect();
        let place = |name: &String| schema.columns.iter().position(|column| column.name == *name);
        let mut numbers = Vec::with_capacity(groups.len());
        for name in groups.names() {
            let values = match place(name).filter(|_| !is_sequence(scorer)) {
                Some(column) => table.numbers(column, rows)?,
                None => None,
            };
            let values = values.filter(|values| !values.is_empty());
            numbers.push(values.map(Distribution::new).transpose()?);
        }
        let background = Rows::new(scorer.width(), scorer.table_inputs(table, rows)?)?;
        Ok(Self(Kind::Columns(Columns {
            groups,
            features,
            background,
            numbers,
        })))
    }

    /// How many rows of the bank a row is compared with; none where it is words.
    pub fn background(&self) -> Option<usize> {
        match &self.0 {
            Kind::Columns(columns) => Some(columns.background.len()),
            Kind::Words(_) => None,
        }
    }
}

/// Whether a row is several records, or several cells of each column.
pub(super) fn is_sequence(scorer: &Scorer) -> bool {
    let schema = scorer.schema();
    schema.sequence.is_some() || schema.steps().is_some()
}

/// Some of the rows, evenly from the first to the last: the same ones each time.
pub fn spread(rows: &[u32], count: usize) -> Vec<u32> {
    let count = count.min(rows.len());
    (0..count)
        .filter_map(|nth| rows.get(nth * rows.len() / count.max(1)).copied())
        .collect()
}
