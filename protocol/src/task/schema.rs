mod explained;
mod image;
mod merges;
mod text;

use serde::Deserialize;

use crate::model::{InputShape, Target, Vocabularies};

use super::{Cycle, DateColumn, Scale, Sequence, TaskError, canonical, describe, schema_file};

pub use explained::ExplainedColumn;
pub use image::ImageColumn;
pub use merges::{Merges, WrongMerge};
pub use text::{TextColumn, Tokeniser};

/// The columns of the banks' rows, and what the model is given of them.
///
/// It stands in the task as the table `schema`, and alone in a file of each bank's own, which must be equal.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Schema {
    /// The consortium's number for this schema, from 1: it changes whenever the schema does.
    pub version: u32,
    /// The column to predict.
    pub label: String,
    /// What its cells are.
    pub label_kind: LabelKind,
    /// Columns that may be present and are never read.
    pub leave_out: Vec<String>,
    /// Cells that stand for "no value", compared after trimming.
    pub missing: Vec<String>,
    /// Whether rows are parts of sequences, and how.
    pub sequence: Option<Sequence>,
    /// The columns that are read, in the order of the model's inputs.
    pub columns: Vec<Column>,
}

/// What the cells of the label are. None of them may be missing.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelKind {
    /// 0 or 1.
    Binary,
    /// One of three or more classes, by their names; the number of a class is its place here.
    Classes(CategoryColumn),
    /// A number, which the model predicts on the scale's way from 0 at the least value to 1 at the greatest.
    Number(NumberColumn),
}

/// A column that is read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Column {
    /// Its name in the table's header; with [`Column::steps`], the name of what they measure.
    pub name: String,
    /// The columns of the table that hold it at successive times, oldest first; empty for a column that is one.
    pub steps: Vec<String>,
    /// What its cells are.
    pub kind: ColumnKind,
    /// What the model is given of it.
    pub encoding: ColumnEncoding,
}

impl Column {
    /// What is read of it, and what the model is given, in one line, as [`Task::describe`](super::Task::describe) has it.
    pub fn in_words(&self) -> String {
        describe::column(self)
    }

    /// The columns of the table that it is read from.
    pub fn cells(&self) -> &[String] {
        if self.steps.is_empty() {
            std::slice::from_ref(&self.name)
        } else {
            &self.steps
        }
    }
}

/// What the cells of a column are.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnKind {
    /// A number or whole number; gives one standardised input.
    Number(NumberColumn),
    /// One of a list of values; gives one input for each.
    Category(CategoryColumn),
    /// A moment; gives a standardised input, two for each cycle, and one for the time since the row before.
    Date(DateColumn),
    /// A text; the only column of its schema.
    Text(TextColumn),
    /// An image; the only column of its schema.
    Image(ImageColumn),
}

/// What the model is given of a column. All but the first follow from what the consortium counted, see [`crate::model::Preparation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ColumnEncoding {
    /// A number standardised, a category one-hot or embedded.
    #[default]
    Plain,
    /// A number as the one of so many quantile bins that holds it, one-hot; none of them when it is missing.
    Quantiles {
        /// Bins.
        bins: u16,
    },
    /// A number as the weight of evidence of its quantile bin; missing ones are a bin of their own.
    BinEvidence {
        /// Bins beside that of missing ones.
        bins: u16,
    },
    /// A category as the weight of evidence of its value.
    ValueEvidence,
}

/// A column of numbers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NumberColumn {
    /// Whether fractions are refused.
    pub integer: bool,
    /// Least value of the agreed range.
    pub min: f64,
    /// Greatest value of the agreed range, above `min`.
    pub max: f64,
    /// The scale on which the range is mapped to `[0, 1]`.
    pub scale: Scale,
    /// What a value outside the range does.
    pub outside: Outside,
    /// What a missing value does.
    pub when_missing: WhenMissing,
}

/// A column of categories.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CategoryColumn {
    /// The agreed values, in the order of their inputs.
    pub values: Vec<String>,
    /// Whether any other value, and a missing one, counts as one more category; it is an error otherwise.
    pub other_bucket: bool,
    /// The banks find the values out among each other before they train; `values` is empty until then.
    pub vocabulary: Option<VocabularySpec>,
}

/// Which values the banks find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VocabularySpec {
    /// How many banks must have a value.
    pub support: u16,
    /// Values at most. The model has an input for each, whether it is found or not.
    pub most: u16,
}

impl CategoryColumn {
    /// Where the bucket for other values stands, behind the values.
    pub fn bucket(&self) -> usize {
        self.vocabulary
            .map_or(self.values.len(), |vocabulary| usize::from(vocabulary.most))
    }

    /// Values, found or not, and the bucket.
    pub fn places(&self) -> usize {
        self.bucket() + usize::from(self.other_bucket)
    }

    /// What each place stands for in words.
    pub fn place_names(&self) -> Vec<String> {
        let values = self.values.iter().cloned();
        let not_found = (self.values.len()..self.bucket()).map(|at| format!("value {}, not found", at + 1));
        let other = self.other_bucket.then(|| "another".to_owned());
        values.chain(not_found).chain(other).collect()
    }
}

/// What a number outside the agreed range does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outside {
    /// It is an error.
    #[default]
    Refuse,
    /// It becomes the nearest end of the range.
    Clip,
}

/// What a missing number does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenMissing {
    /// It is an error.
    #[default]
    Refuse,
    /// It becomes the consortium's mean, and one more input says that it was missing.
    Mean,
}

/// One number that the model is given of a row; or all of them, where a row is a text or an image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Input {
    /// Its name in reports; no two inputs of a schema share one.
    pub name: String,
    /// The column that it comes from, as an index of [`Schema::columns`].
    pub column: usize,
    /// What it says of the column.
    pub kind: InputKind,
}

/// What an input says of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// The number, put on `[0, 1]` and then standardised by the consortium's moments; 0 when missing.
    Standardised,
    /// 1 when the number is missing, else 0.
    Missing,
    /// Sine of the place in a cycle, the whole cycle being once round; 0 when the date is missing.
    Sine(Cycle),
    /// Cosine of it, likewise.
    Cosine(Cycle),
    /// How long before this row the one before it in its group was: `ln(1 + seconds)` as a share of that of the agreed range,
    /// at most 1, standardised by the consortium's moments; 0 for the first row.
    SincePrevious,
    /// 1 when the category is this one (an index of [`CategoryColumn::values`]), else 0.
    Category(usize),
    /// 1 when the category is none of the agreed ones, else 0.
    OtherCategory,
    /// 1 when the number lies in this quantile bin of the consortium, from 0; else 0.
    QuantileBin(u16),
    /// The weight of evidence of the number's quantile bin, or of the category.
    Evidence,
    /// The token numbers of a text.
    Tokens,
    /// The values of an image, on `[0, 1]`.
    Pixels,
}

impl Schema {
    /// Reads a schema file: the table `schema` of a task, alone at the root of a TOML file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its key, what was found and what was expected.
    pub fn parse(text: &str) -> Result<Self, TaskError> {
        schema_file::parse(text)
    }

    /// The normal form of a schema file; it parses to an equal schema.
    pub fn canonical_text(&self) -> String {
        canonical::schema(self)
    }

    /// Whether a column of the table is read, as the label, for the model, or to make sequences.
    pub fn reads(&self, name: &str) -> bool {
        let of = |sequence: &Sequence| name == sequence.key || name == sequence.time;
        self.trains_on(name) || self.sequence.as_ref().is_some_and(of)
    }

    /// Whether a column of the table is the label or given to the model.
    pub fn trains_on(&self, name: &str) -> bool {
        let mut cells = self.columns.iter().flat_map(Column::cells);
        name == self.label || cells.any(|cell| cell == name)
    }

    /// How many steps a row has, if columns stand for successive times. Columns that are one say the same at each step. Rows that are
    /// steps themselves have none: see [`Schema::sequence`].
    pub fn steps(&self) -> Option<usize> {
        let steps = self.columns.iter().map(|column| column.steps.len());
        steps.max().filter(|steps| *steps > 0)
    }

    /// The model's inputs, of each step if there are steps, in order: column by column, and within a column the number before its missing flag,
    /// its cycles and the time since the row before, or the categories in the agreed order before the bucket for others. A step of a
    /// [`Sequence`] has one more number behind them, which says that the step is there.
    pub fn inputs(&self) -> Vec<Input> {
        let mut inputs = Vec::new();
        for (column, described) in self.columns.iter().enumerate() {
            let Column { name, kind, .. } = described;
            let mut add = |name: String, kind| inputs.push(Input { name, column, kind });
            if let ColumnEncoding::BinEvidence { .. } | ColumnEncoding::ValueEvidence = described.encoding {
                add(format!("{name} as evidence"), InputKind::Evidence);
                continue;
            }
            match kind {
                ColumnKind::Number(number) => {
                    if let ColumnEncoding::Quantiles { bins } = described.encoding {
                        for bin in 0..bins {
                            add(format!("{name} in bin {}", bin + 1), InputKind::QuantileBin(bin));
                        }
                    } else {
                        add(name.clone(), InputKind::Standardised);
                    }
                    if number.when_missing == WhenMissing::Mean {
                        add(format!("{name} is missing"), InputKind::Missing);
                    }
                }
                ColumnKind::Category(category) => {
                    for (index, value) in category.values.iter().enumerate() {
                        add(format!("{name} = {value}"), InputKind::Category(index));
                    }
                    for index in category.values.len()..category.bucket() {
                        let name = format!("{name}, value {} of those found", index + 1);
                        add(name, InputKind::Category(index));
                    }
                    if category.other_bucket {
                        add(format!("{name} is another"), InputKind::OtherCategory);
                    }
                }
                ColumnKind::Date(date) => {
                    add(name.clone(), InputKind::Standardised);
                    if date.when_missing == WhenMissing::Mean {
                        add(format!("{name} is missing"), InputKind::Missing);
                    }
                    for &cycle in &date.cycles {
                        add(format!("{name} sin {}", cycle.name()), InputKind::Sine(cycle));
                        add(format!("{name} cos {}", cycle.name()), InputKind::Cosine(cycle));
                    }
                    if date.since_previous {
                        add(format!("{name} since previous"), InputKind::SincePrevious);
                    }
                }
                ColumnKind::Text(_) => add(name.clone(), InputKind::Tokens),
                ColumnKind::Image(_) => add(name.clone(), InputKind::Pixels),
            }
        }
        inputs
    }

    /// What a model is given of a row: [`Schema::inputs`], or, if it embeds categories, each category as the number of its
    /// value behind all numbers and flags. With [`Schema::steps`] or [`Schema::sequence`] it is a sequence, whose categories are not
    /// embedded. A text or an image is the whole row.
    pub fn input_shape(&self, embedded: bool) -> InputShape {
        if let Some(text) = self.text() {
            return text.shape();
        }
        if let Some(image) = self.image() {
            return image.shape();
        }
        if let Some(sequence) = &self.sequence {
            return InputShape::Sequence {
                steps: sequence.steps,
                width: self.inputs().len() + 1,
            };
        }
        if let Some(steps) = self.steps() {
            return InputShape::Sequence {
                steps,
                width: self.inputs().len(),
            };
        }
        if !embedded {
            return InputShape::numbers(self.inputs().len());
        }
        let number =
            |input: &&Input| !matches!(input.kind, InputKind::Category(_) | InputKind::OtherCategory);
        let places = self.columns.iter().filter_map(|column| match &column.kind {
            ColumnKind::Category(category) if column.encoding == ColumnEncoding::Plain => {
                Some(category.places())
            }
            ColumnKind::Number(_)
            | ColumnKind::Category(_)
            | ColumnKind::Date(_)
            | ColumnKind::Text(_)
            | ColumnKind::Image(_) => None,
        });
        InputShape::Table {
            numbers: self.inputs().iter().filter(number).count(),
            categories: places.collect(),
        }
    }

    /// The categories whose values the banks find out, with their places in the schema.
    pub fn open_columns(&self) -> impl Iterator<Item = (usize, VocabularySpec)> {
        let columns = self.columns.iter().enumerate();
        columns.filter_map(|(at, column)| match &column.kind {
            ColumnKind::Category(category) => category.vocabulary.map(|vocabulary| (at, vocabulary)),
            _ => None,
        })
    }

    /// The schema with the values that the banks have found, as far as they have.
    pub fn with_found(&self, found: Option<&Vocabularies>) -> Self {
        let mut schema = self.clone();
        let found = found.and_then(Vocabularies::agreed).unwrap_or_default();
        for ((at, _), values) in self.open_columns().zip(found) {
            if let Some(Column {
                kind: ColumnKind::Category(category),
                ..
            }) = schema.columns.get_mut(at)
            {
                category.values.clone_from(values);
            }
        }
        schema
    }

    /// The text that a row is, if it is one.
    pub fn text(&self) -> Option<&TextColumn> {
        self.columns.iter().find_map(|column| match &column.kind {
            ColumnKind::Text(text) => Some(text),
            _ => None,
        })
    }

    /// The image that a row is, if it is one.
    pub fn image(&self) -> Option<&ImageColumn> {
        self.columns.iter().find_map(|column| match &column.kind {
            ColumnKind::Image(image) => Some(image),
            _ => None,
        })
    }

    /// What a model of such rows predicts.
    pub fn target(&self) -> Target {
        match &self.label_kind {
            LabelKind::Binary => Target::Binary,
            LabelKind::Classes(classes) => Target::Classes(
                u16::try_from(classes.values.len()).expect("a schema has at most 256 classes"),
            ),
            LabelKind::Number(_) => Target::Number,
        }
    }

    /// Names of what is standardised, in order: each column of numbers or dates, whatever its steps and its encoding, and the time
    /// since the row before. The statistics round and [`crate::model::Moments`] follow it.
    pub fn standardised(&self) -> Vec<String> {
        let mut names = Vec::new();
        for Column { name, kind, .. } in &self.columns {
            match kind {
                ColumnKind::Number(_) => names.push(name.clone()),
                ColumnKind::Date(date) => {
                    names.push(name.clone());
                    if date.since_previous {
                        names.push(format!("{name} since previous"));
                    }
                }
                ColumnKind::Category(_) | ColumnKind::Text(_) | ColumnKind::Image(_) => {}
            }
        }
        names
    }

    /// The first line in which the normal forms of two schemas differ, as `(this one's, the other's)`.
    pub fn difference(&self, other: &Self) -> Option<(String, String)> {
        let (mine, theirs) = (self.canonical_text(), other.canonical_text());
        let (mut mine, mut theirs) = (mine.lines(), theirs.lines());
        loop {
            match (mine.next(), theirs.next()) {
                (None, None) => return None,
                (a, b) if a == b => {}
                (a, b) => {
                    let shown = |line: Option<&str>| line.unwrap_or("the end of the file").to_owned();
                    return Some((shown(a), shown(b)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
