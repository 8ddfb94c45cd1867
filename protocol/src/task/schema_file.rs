//! From a schema's TOML to a checked [`Schema`].

mod date;
mod end;
mod image;
mod sequence;
mod text;
mod vocabulary;

use std::collections::BTreeSet;

use serde::Deserialize;

use super::ranges::{integer, length, real, trimmed, unique, words};
use super::schema::{
    CategoryColumn, Column, ColumnEncoding, ColumnKind, LabelKind, NumberColumn, Outside, Schema, WhenMissing,
};
use super::{Cycle, Scale, TaskError};
use date::SinceFile;
use end::End;
use sequence::SequenceFile;
use vocabulary::VocabularyFile;

pub(super) const NAME: std::ops::RangeInclusive<usize> = 1..=128;
/// The confusion matrix, which is summed, has the square of so many counts. Two classes are a label of 0 or 1.
const CLASSES: std::ops::RangeInclusive<usize> = 3..=256;
/// Values of all vocabularies of a task: the first of the rounds that find them has 4096 lanes for each.
const MOST_FOUND: usize = 4096;
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
    sequence: Option<SequenceFile>,
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
    min: Option<End>,
    max: Option<End>,
    scale: Option<Scale>,
    outside: Option<Outside>,
    when_missing: Option<WhenMissing>,
    values: Option<Vec<String>>,
    other: Option<OtherFile>,
    vocabulary: Option<VocabularyFile>,
    encoding: Option<EncodingFile>,
    bins: Option<i64>,
    cycles: Option<Vec<Cycle>>,
    since: Option<SinceFile>,
    tokens: Option<i64>,
    words: Option<i64>,
    buckets: Option<i64>,
    merges: Option<Vec<String>>,
    height: Option<i64>,
    width: Option<i64>,
    channels: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EncodingFile {
    Quantiles,
    Woe,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ColumnType {
    Number,
    Integer,
    Category,
    Date,
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
        let sequence = self
            .sequence
            .map(|sequence| sequence.check(&key("sequence"), &self.label, &self.leave_out, &columns))
            .transpose()?;
        let time = sequence.as_ref().map(|sequence| sequence.time.as_str());
        let of_no_row = |column: &&Column| match &column.kind {
            ColumnKind::Date(date) => date.since_previous && time != Some(column.name.as_str()),
            _ => false,
        };
        if let Some(column) = columns.iter().find(of_no_row) {
            return Err(TaskError::invalid(
                format!("{prefix}column {:?}.since", column.name),
                "a value",
                format!("none: only the column that {prefix}sequence.time names has a row before"),
            ));
        }
        let schema = Schema {
            version,
            label: self.label,
            label_kind,
            leave_out: self.leave_out,
            missing: self.missing,
            sequence,
            columns,
        };
        alone(prefix, &schema)?;
        evidence_needs_two_labels(prefix, &schema)?;
        let found: usize = schema
            .open_columns()
            .map(|(_, vocabulary)| usize::from(vocabulary.most))
            .sum();
        if found > MOST_FOUND {
            return Err(TaskError::invalid(
                key("column: vocabulary.most"),
                format!("{found} in all columns together"),
                format!("at most {MOST_FOUND}"),
            ));
        }
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
        }
        let numbers = schema.input_shape(false).width();
        if !INPUTS.contains(&numbers) {
            return Err(TaskError::invalid(
                key("column: the inputs that they give at all steps"),
                format!("{numbers} numbers"),
                format!("{} to {}", INPUTS.start(), INPUTS.end()),
            ));
        }
        let names: Vec<_> = inputs.into_iter().map(|input| input.name).collect();
        unique(&key("column: the inputs that they give"), &names)?;
        Ok(schema)
    }
}

/// A weight of evidence compares the rows of two labels.
fn evidence_needs_two_labels(prefix: &str, schema: &Schema) -> Result<(), TaskError> {
    let evidence = |column: &&Column| {
        let encoding = column.encoding;
        matches!(
            encoding,
            ColumnEncoding::BinEvidence { .. } | ColumnEncoding::ValueEvidence
        )
    };
    match schema.columns.iter().find(evidence) {
        Some(column) if schema.label_kind != LabelKind::Binary => Err(TaskError::invalid(
            format!("{prefix}column {:?}.encoding", column.name),
            "\"woe\" beside a label of classes or numbers",
            "a label of 0 or 1, or another encoding",
        )),
        _ => Ok(()),
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
                vocabulary: None,
            }))
        }
        (None, Some(number)) => {
            // The checks of a column of numbers are those of such a label.
            let column = ColumnFile {
                name: name.to_owned(),
                steps: Vec::new(),
                r#type: ColumnType::Number,
                min: number.min.map(End::Number),
                max: number.max.map(End::Number),
                scale: number.scale,
                outside: number.outside,
                when_missing: None,
                values: None,
                other: None,
                vocabulary: None,
                encoding: None,
                bins: None,
                cycles: None,
                since: None,
                tokens: None,
                words: None,
                buckets: None,
                merges: None,
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
            ColumnType::Date => ColumnKind::Date(self.date(&path)?),
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
            encoding: self.encoding(&path)?,
            name: self.name,
            steps: self.steps,
            kind,
        })
    }

    fn encoding(&self, path: &str) -> Result<ColumnEncoding, TaskError> {
        let bins = || integer(&format!("{path}.bins"), self.bins.unwrap_or(10), 2..=100);
        let is_category = self.r#type == ColumnType::Category;
        if !matches!(
            self.r#type,
            ColumnType::Category | ColumnType::Number | ColumnType::Integer
        ) {
            refuse(
                path,
                "encoding",
                self.encoding.is_some(),
                "only a number or a category has it",
            )?;
        }
        if is_category || self.encoding.is_none() {
            refuse(
                path,
                "bins",
                self.bins.is_some(),
                "only a number with an encoding has it",
            )?;
        }
        Ok(match self.encoding {
            None => ColumnEncoding::Plain,
            Some(EncodingFile::Quantiles) if is_category => {
                return Err(TaskError::invalid(
                    format!("{path}.encoding"),
                    "\"quantiles\"",
                    "\"woe\", or none: a category has no quantiles",
                ));
            }
            Some(EncodingFile::Quantiles) => ColumnEncoding::Quantiles { bins: bins()? },
            Some(EncodingFile::Woe) if is_category => ColumnEncoding::ValueEvidence,
            Some(EncodingFile::Woe) => ColumnEncoding::BinEvidence { bins: bins()? },
        })
    }

    fn number(&self, path: &str) -> Result<NumberColumn, TaskError> {
        refuse(path, "values", self.values.is_some(), "only a category has it")?;
        refuse(path, "other", self.other.is_some(), "only a category has it")?;
        self.refuse_dates(path)?;
        self.refuse_keys_of_texts(path)?;
        self.refuse_keys_of_images(path)?;
        let integer = self.r#type == ColumnType::Integer;
        let end = |key: &str, found: &Option<End>| {
            let key = format!("{path}.{key}");
            let found = match found {
                None => {
                    return Err(TaskError::invalid(
                        &key,
                        "nothing",
                        "the agreed range of the column",
                    ));
                }
                Some(End::Number(number)) => *number,
                Some(text) => return Err(TaskError::invalid(key, text.to_string(), "a number")),
            };
            let found = real(&key, found, -HUGE..=HUGE)?;
            if integer && (found.fract() != 0.0 || found.abs() > EXACT) {
                return Err(TaskError::invalid(key, format!("{found:?}"), "a whole number"));
            }
            // Minus zero would be a second spelling of zero in the canonical form.
            Ok(if found == 0.0 { 0.0 } else { found })
        };
        let (min, max) = (end("min", &self.min)?, end("max", &self.max)?);
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
        self.refuse_dates(path)
    }

    fn category(&self, path: &str) -> Result<CategoryColumn, TaskError> {
        let only = "only a number or a date has it";
        self.refuse_dates(path)?;
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
        self.refuse_tokens(path)?;
        self.refuse_keys_of_images(path)?;
        if let Some(file) = &self.vocabulary {
            return self.open(path, file);
        }
        let key = format!("{path}.values");
        let values = self.values.clone();
        let values =
            values.ok_or_else(|| TaskError::invalid(&key, "nothing", "the list of agreed values"))?;
        let other_bucket = self.other == Some(OtherFile::Bucket);
        check_values(&key, &values, if other_bucket { 1 } else { 2 }..=1000)?;
        Ok(CategoryColumn {
            values,
            other_bucket,
            vocabulary: None,
        })
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
    if schema.sequence.is_some() {
        return Err(TaskError::invalid(
            format!("{prefix}sequence"),
            format!("a sequence of rows, each {what}"),
            "none: a model takes a text or an image alone",
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
