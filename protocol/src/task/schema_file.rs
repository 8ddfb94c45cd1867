//! From a schema's TOML to a checked [`Schema`].

mod image;
mod text;

use std::collections::BTreeSet;

use serde::Deserialize;

use super::ranges::{integer, length, real, trimmed, unique, words};
use super::schema::{
    CategoryColumn, Column, ColumnKind, LabelKind, NumberColumn, Outside, Schema, WhenMissing,
};
use super::{Scale, TaskError};

pub(super) const NAME: std::ops::RangeInclusive<usize> = 1..=128;
/// The confusion matrix, which is summed, has the square of so many counts. Two classes are a label of 0 or 1.
const CLASSES: std::ops::RangeInclusive<usize> = 3..=256;
/// Numbers that a model is given of one row.
const INPUTS: std::ops::RangeInclusive<usize> = 1..=65_536;
/// A whole number up to here is one and only one f64.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Far beyond any money, and small enough that no scale overflows.
const HUGE: f64 = 1e15;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SchemaFile {
    version: i64,
    label: String,
    label_classes: Option<Vec<String>>,
    label_number: Option<LabelNumberFile>,
    #[serde(default)]
    leave_out: Vec<String>,
    #[serde(default = "empty_cell")]
    missing: Vec<String>,
    column: Vec<ColumnFile>,
}

/// The agreed range of a label that is a number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelNumberFile {
    min: Option<f64>,
    max: Option<f64>,
    scale: Option<Scale>,
    outside: Option<Outside>,
}

fn empty_cell() -> Vec<String> {
    vec![String::new()]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnFile {
    name: String,
    #[serde(default)]
    steps: Vec<String>,
    r#type: ColumnType,
    min: Option<f64>,
    max: Option<f64>,
    scale: Option<Scale>,
    outside: Option<Outside>,
    when_missing: Option<WhenMissing>,
    values: Option<Vec<String>>,
    other: Option<OtherFile>,
    tokens: Option<i64>,
    words: Option<i64>,
    buckets: Option<i64>,
    vocabulary: Option<Vec<String>>,
    height: Option<i64>,
    width: Option<i64>,
    channels: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ColumnType {
    Number,
    Integer,
    Category,
    Text,
    Image,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OtherFile {
    Refuse,
    Bucket,
}

pub(super) fn parse(text: &str) -> Result<Schema, TaskError> {
    toml::from_str::<SchemaFile>(text)?.check("")
}

impl SchemaFile {
    /// `prefix` is what stands before the schema's keys in the file: nothing, or `schema.` in a task.
    pub(super) fn check(self, prefix: &str) -> Result<Schema, TaskError> {
        let key = |name: &str| format!("{prefix}{name}");
        let version = integer(&key("version"), self.version, 1..=u32::MAX)?;
        words(&key("label"), &self.label, NAME)?;
        length(&key("leave_out"), &self.leave_out, 0..=4096)?;
        length(&key("missing"), &self.missing, 0..=16)?;
        for cell in &self.missing {
            words(&key("missing"), cell, 0..=32)?;
            trimmed(&key("missing"), cell)?;
        }
        unique(&key("missing"), &self.missing)?;
        length(&key("column"), &self.column, 1..=4096)?;
        let columns = self
            .column
            .into_iter()
            .enumerate()
            .map(|(i, column)| column.check(prefix, i + 1));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;

        let mut seen = BTreeSet::from([self.label.as_str()]);
        for name in &self.leave_out {
            words(&key("leave_out"), name, NAME)?;
        }
        let named = |list: &'static str| move |name| (list, name);
        let left_out = self.leave_out.iter().map(String::as_str).map(named("leave_out"));
        for (list, name) in left_out.chain(columns.iter().map(|c| c.name.as_str()).map(named("column"))) {
            trimmed(&key(list), name)?;
            if !seen.insert(name) {
                return Err(TaskError::invalid(
                    key(list),
                    format!("the column {name:?} a second time"),
                    "each column once, as label, in leave_out or as a column",
                ));
            }
        }
        let steps = columns.iter().flat_map(|column| &column.steps);
        for name in steps {
            if !seen.insert(name) {
                return Err(TaskError::invalid(
                    key("column: steps"),
                    format!("the column {name:?} a second time"),
                    "each column once, as label, in leave_out, as a column or as a step",
                ));
            }
        }
        let label_kind = label_kind(prefix, &self.label, self.label_classes, self.label_number)?;
        let schema = Schema {
            version,
            label: self.label,
            label_kind,
            leave_out: self.leave_out,
            missing: self.missing,
            columns,
        };
        alone(prefix, &schema)?;
        let inputs = schema.inputs();
        length(&key("column: the inputs that they give"), &inputs, INPUTS)?;
        if let Some(steps) = schema.steps() {
            let differs = |column: &&Column| !column.steps.is_empty() && column.steps.len() != steps;
            if let Some(column) = schema.columns.iter().find(differs) {
                return Err(TaskError::invalid(
                    format!("{prefix}column {:?}.steps", column.name),
                    format!("{} columns", column.steps.len()),
                    format!("{steps}, as another column has: all are of the same times"),
                ));
            }
            let numbers = inputs.len().saturating_mul(steps);
            if !INPUTS.contains(&numbers) {
                return Err(TaskError::invalid(
                    key("column: the inputs that they give at all steps"),
                    format!("{numbers} numbers"),
                    format!("{} to {}", INPUTS.start(), INPUTS.end()),
                ));
            }
        }
        let names: Vec<_> = inputs.into_iter().map(|input| input.name).collect();
        unique(&key("column: the inputs that they give"), &names)?;
        Ok(schema)
    }
}

fn label_kind(
    prefix: &str,
    name: &str,
    classes: Option<Vec<String>>,
    number: Option<LabelNumberFile>,
) -> Result<LabelKind, TaskError> {
    match (classes, number) {
        (None, None) => Ok(LabelKind::Binary),
        (Some(_), Some(_)) => Err(TaskError::invalid(
            format!("{prefix}label_number"),
            "a range beside label_classes",
            "one of them: classes, or a number",
        )),
        (Some(values), None) => {
            check_values(&format!("{prefix}label_classes"), &values, CLASSES)?;
            Ok(LabelKind::Classes(CategoryColumn {
                values,
                other_bucket: false,
            }))
        }
        (None, Some(number)) => {
            // The checks of a column of numbers are those of such a label.
            let column = ColumnFile {
                name: name.to_owned(),
                steps: Vec::new(),
                r#type: ColumnType::Number,
                min: number.min,
                max: number.max,
                scale: number.scale,
                outside: number.outside,
                when_missing: None,
                values: None,
                other: None,
                tokens: None,
                words: None,
                buckets: None,
                vocabulary: None,
                height: None,
                width: None,
                channels: None,
            };
            let path = format!("{prefix}label_number");
            Ok(LabelKind::Number(column.number(&path)?))
        }
    }
}

impl ColumnFile {
    fn check(self, prefix: &str, position: usize) -> Result<Column, TaskError> {
        words(
            &format!("{prefix}column number {position}: name"),
            &self.name,
            NAME,
        )?;
        let path = format!("{prefix}column {:?}", self.name);
        let kind = match self.r#type {
            ColumnType::Category => ColumnKind::Category(self.category(&path)?),
            ColumnType::Number | ColumnType::Integer => ColumnKind::Number(self.number(&path)?),
            ColumnType::Text => ColumnKind::Text(self.text(&path)?),
            ColumnType::Image => ColumnKind::Image(self.image(&path)?),
        };
        if !self.steps.is_empty() {
            let key = format!("{path}.steps");
            check_values(&key, &self.steps, 2..=1024)?;
            for name in &self.steps {
                words(&key, name, NAME)?;
            }
        }
        Ok(Column {
            name: self.name,
            steps: self.steps,
            kind,
        })
    }

    fn number(&self, path: &str) -> Result<NumberColumn, TaskError> {
        refuse(path, "values", self.values.is_some(), "only a category has it")?;
        refuse(path, "other", self.other.is_some(), "only a category has it")?;
        self.refuse_keys_of_texts(path)?;
        self.refuse_keys_of_images(path)?;
        let integer = self.r#type == ColumnType::Integer;
        let end = |key: &str, found: Option<f64>| {
            let key = format!("{path}.{key}");
            let found =
                found.ok_or_else(|| TaskError::invalid(&key, "nothing", "the agreed range of the column"))?;
            let found = real(&key, found, -HUGE..=HUGE)?;
            if integer && (found.fract() != 0.0 || found.abs() > EXACT) {
                return Err(TaskError::invalid(key, format!("{found:?}"), "a whole number"));
            }
            // Minus zero would be a second spelling of zero in the canonical form.
            Ok(if found == 0.0 { 0.0 } else { found })
        };
        let (min, max) = (end("min", self.min)?, end("max", self.max)?);
        if min >= max {
            return Err(TaskError::invalid(
                format!("{path}.max"),
                format!("{max:?}"),
                format!("more than min, {min:?}"),
            ));
        }
        let scale = self.scale.unwrap_or_default();
        // Two ends may be so near and so large that they fall together once scaled.
        if scale.apply(min) >= scale.apply(max) {
            return Err(TaskError::invalid(
                format!("{path}.max"),
                format!("{max:?}"),
                "a wider range on this scale",
            ));
        }
        Ok(NumberColumn {
            integer,
            min,
            max,
            scale,
            outside: self.outside.unwrap_or_default(),
            when_missing: self.when_missing.unwrap_or_default(),
        })
    }

    /// Keys that columns of a table have, which a text or an image, being `what` it is, has not.
    fn refuse_keys_of_tables(&self, path: &str, what: &str) -> Result<(), TaskError> {
        for (key, present) in [
            ("steps", !self.steps.is_empty()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("scale", self.scale.is_some()),
            ("outside", self.outside.is_some()),
            ("when_missing", self.when_missing.is_some()),
            ("values", self.values.is_some()),
            ("other", self.other.is_some()),
        ] {
            refuse(path, key, present, what)?;
        }
        Ok(())
    }

    fn category(&self, path: &str) -> Result<CategoryColumn, TaskError> {
        let only = "only a number or an integer has it";
        refuse(path, "min", self.min.is_some(), only)?;
        refuse(path, "max", self.max.is_some(), only)?;
        refuse(path, "scale", self.scale.is_some(), only)?;
        refuse(path, "outside", self.outside.is_some(), only)?;
        refuse(
            path,
            "when_missing",
            self.when_missing.is_some(),
            "a category has `other = \"bucket\"` for it",
        )?;
        self.refuse_keys_of_texts(path)?;
        self.refuse_keys_of_images(path)?;
        let key = format!("{path}.values");
        let values = self.values.clone();
        let values =
            values.ok_or_else(|| TaskError::invalid(&key, "nothing", "the list of agreed values"))?;
        let other_bucket = self.other == Some(OtherFile::Bucket);
        check_values(&key, &values, if other_bucket { 1 } else { 2 }..=1000)?;
        Ok(CategoryColumn { values, other_bucket })
    }
}

/// A row is a text or an image as a whole.
fn alone(prefix: &str, schema: &Schema) -> Result<(), TaskError> {
    let what = if schema.text().is_some() {
        "a text"
    } else if schema.image().is_some() {
        "an image"
    } else {
        return Ok(());
    };
    if schema.columns.len() > 1 {
        return Err(TaskError::invalid(
            format!("{prefix}column"),
            format!("{what} beside {} other columns", schema.columns.len() - 1),
            format!("{what} as the only column: a model takes a text, an image or a table"),
        ));
    }
    if schema.image().is_none() {
        return Ok(());
    }
    if matches!(schema.label_kind, LabelKind::Number(_)) {
        return Err(TaskError::invalid(
            format!("{prefix}label_number"),
            "a range",
            "label_classes, or a label of 0 or 1: an image's label is the number of its class",
        ));
    }
    if !schema.leave_out.is_empty() {
        return Err(TaskError::invalid(
            format!("{prefix}leave_out"),
            format!("{} entries", schema.leave_out.len()),
            "none: a file of images has no columns",
        ));
    }
    Ok(())
}

pub(super) fn check_values(
    key: &str,
    values: &[String],
    count: std::ops::RangeInclusive<usize>,
) -> Result<(), TaskError> {
    length(key, values, count)?;
    for value in values {
        words(key, value, 0..=128)?;
        trimmed(key, value)?;
    }
    unique(key, values)
}

/// A key that the column's type does not use would mislead whoever reads the file.
fn refuse(path: &str, key: &str, present: bool, why: &str) -> Result<(), TaskError> {
    if present {
        Err(TaskError::invalid(
            format!("{path}.{key}"),
            "a value",
            format!("none: {why}"),
        ))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
