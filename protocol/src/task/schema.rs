mod image;
mod text;

use serde::Deserialize;

use crate::model::{InputShape, Target};

use super::{Scale, TaskError, canonical, schema_file};

pub use image::ImageColumn;
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
}

impl Column {
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
    /// A text; the only column of its schema.
    Text(TextColumn),
    /// An image; the only column of its schema.
    Image(ImageColumn),
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
    /// 1 when the category is this one (an index of [`CategoryColumn::values`]), else 0.
    Category(usize),
    /// 1 when the category is none of the agreed ones, else 0.
    OtherCategory,
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

    /// Whether a column of the table is read, as the label or for the model.
    pub fn reads(&self, name: &str) -> bool {
        let mut cells = self.columns.iter().flat_map(Column::cells);
        name == self.label || cells.any(|cell| cell == name)
    }

    /// How many steps a row has, if columns stand for successive times. Columns that are one say the same at each step.
    pub fn steps(&self) -> Option<usize> {
        let steps = self.columns.iter().map(|column| column.steps.len());
        steps.max().filter(|steps| *steps > 0)
    }

    /// The model's inputs, of each step if there are steps, in order: column by column, and within a column the number before its missing flag,
    /// or the categories in the agreed order before the bucket for others.
    pub fn inputs(&self) -> Vec<Input> {
        let mut inputs = Vec::new();
        for (column, Column { name, kind, .. }) in self.columns.iter().enumerate() {
            let mut add = |name: String, kind| inputs.push(Input { name, column, kind });
            match kind {
                ColumnKind::Number(number) => {
                    add(name.clone(), InputKind::Standardised);
                    if number.when_missing == WhenMissing::Mean {
                        add(format!("{name} is missing"), InputKind::Missing);
                    }
                }
                ColumnKind::Category(category) => {
                    for (index, value) in category.values.iter().enumerate() {
                        add(format!("{name} = {value}"), InputKind::Category(index));
                    }
                    if category.other_bucket {
                        add(format!("{name} is another"), InputKind::OtherCategory);
                    }
                }
                ColumnKind::Text(_) => add(name.clone(), InputKind::Tokens),
                ColumnKind::Image(_) => add(name.clone(), InputKind::Pixels),
            }
        }
        inputs
    }

    /// What a model is given of a row: [`Schema::inputs`], or, if it embeds categories, each category as the number of its
    /// value behind all numbers and flags. With [`Schema::steps`] it is a sequence, whose categories are not embedded.
    /// A text or an image is the whole row.
    pub fn input_shape(&self, embedded: bool) -> InputShape {
        if let Some(text) = self.text() {
            return text.shape();
        }
        if let Some(image) = self.image() {
            return image.shape();
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
        let number = |input: &&Input| matches!(input.kind, InputKind::Standardised | InputKind::Missing);
        let places = self.columns.iter().filter_map(|column| match &column.kind {
            ColumnKind::Category(category) => {
                Some(category.values.len() + usize::from(category.other_bucket))
            }
            ColumnKind::Number(_) | ColumnKind::Text(_) | ColumnKind::Image(_) => None,
        });
        InputShape::Table {
            numbers: self.inputs().iter().filter(number).count(),
            categories: places.collect(),
        }
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

    /// Names of the standardised inputs in order, one for each number column, whatever its steps: the statistics round and
    /// [`crate::model::Moments`] follow it.
    pub fn standardised(&self) -> Vec<&str> {
        let numbers = self
            .columns
            .iter()
            .filter(|column| matches!(column.kind, ColumnKind::Number(_)));
        numbers.map(|column| column.name.as_str()).collect()
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
