//! From a schema's table `sequence` to a checked [`Sequence`].

use serde::Deserialize;

use super::super::ranges::{integer, trimmed, words};
use super::super::schema::{Column, ColumnKind};
use super::super::{Examples, Sequence, TaskError};
use super::NAME;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SequenceFile {
    key: String,
    time: String,
    steps: i64,
    examples: Option<Examples>,
}

impl SequenceFile {
    /// `path` is the table's name; the rest is what else the schema says of the file's columns.
    pub(super) fn check(
        self,
        path: &str,
        label: &str,
        leave_out: &[String],
        columns: &[Column],
    ) -> Result<Sequence, TaskError> {
        let key = |name: &str| format!("{path}.{name}");
        for (name, column) in [("key", &self.key), ("time", &self.time)] {
            words(&key(name), column, NAME)?;
            trimmed(&key(name), column)?;
        }
        if let Some(wide) = columns.iter().find(|column| !column.steps.is_empty()) {
            return Err(TaskError::invalid(
                path,
                format!("rows that are grouped, and steps of the column {:?}", wide.name),
                "one of them: a row is a step, or it holds all steps",
            ));
        }
        let used = |name: &str| match name {
            name if name == label => Some("the label"),
            name if leave_out.iter().any(|left| left == name) => Some("in leave_out"),
            name => columns
                .iter()
                .any(|column| column.name == name)
                .then_some("an input"),
        };
        if let Some(what) = used(&self.key) {
            return Err(TaskError::invalid(
                key("key"),
                format!("{:?}, which is {what}", self.key),
                "a column that is read to group the rows and for nothing else",
            ));
        }
        let of_moments = |column: &&Column| {
            column.name == self.time && matches!(column.kind, ColumnKind::Number(_) | ColumnKind::Date(_))
        };
        let found = if self.time == self.key {
            Some("the key")
        } else {
            used(&self.time).filter(|_| !columns.iter().any(|column| of_moments(&column)))
        };
        if let Some(what) = found {
            return Err(TaskError::invalid(
                key("time"),
                format!("{:?}, which is {what}", self.time),
                "a column of dates or numbers that orders the rows: an input, or one that is none",
            ));
        }
        Ok(Sequence {
            key: self.key,
            time: self.time,
            steps: integer(&key("steps"), self.steps, 2_u16..=1024)?.into(),
            examples: self.examples.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::model::InputShape;
    use crate::task::{ColumnKind, Cycle, Examples, InputKind, Schema};

    const GOOD: &str = r#"
version = 1
label = "y"
leave_out = ["id"]
[sequence]
key = "card"
time = "at"
steps = 10
[[column]]
name = "at"
type = "date"
min = "2020-01-01"
max = "2030-01-01T12:30"
when_missing = "mean"
cycles = ["week", "day"]
since = "previous"
[[column]]
name = "amount"
type = "number"
min = 0
max = 5
"#;

    #[test]
    fn a_row_of_a_group_is_a_step_with_a_mark_behind_its_inputs() {
        let schema = Schema::parse(GOOD).unwrap();
        let names: Vec<_> = schema.inputs().into_iter().map(|input| input.name).collect();
        assert_eq!(
            names,
            [
                "at",
                "at is missing",
                "at sin week",
                "at cos week",
                "at sin day",
                "at cos day",
                "at since previous",
                "amount"
            ]
        );
        assert_eq!(schema.inputs()[2].kind, InputKind::Sine(Cycle::Week));
        assert_eq!(schema.standardised(), ["at", "at since previous", "amount"]);
        for embedded in [false, true] {
            let shape = schema.input_shape(embedded);
            assert_eq!(shape, InputShape::Sequence { steps: 10, width: 9 });
        }
        let sequence = schema.sequence.as_ref().unwrap();
        assert_eq!(sequence.examples, Examples::Every);
        let ColumnKind::Date(at) = &schema.columns[0].kind else {
            panic!("{schema:?}")
        };
        // `date -u -d ... +%s`
        assert_eq!((at.min, at.max), (1_577_836_800, 1_893_501_000));
        let read =
            ["card", "at", "amount", "y", "id"].map(|name| (schema.reads(name), schema.trains_on(name)));
        assert_eq!(
            read,
            [
                (true, false),
                (true, true),
                (true, true),
                (true, true),
                (false, false)
            ]
        );
    }

    #[test]
    fn each_mistake_is_named() {
        for (from, to, message) in [
            (
                "steps = 10",
                "steps = 1",
                "sequence.steps: 1 is out of range, expected 2..=1024",
            ),
            (
                "steps = 10",
                "steps = 10\nexamples = \"first\"",
                "unknown variant `first`",
            ),
            (
                "\"card\"",
                "\"amount\"",
                "sequence.key: found \"amount\", which is an input, expected a column that is read to group",
            ),
            (
                "\"card\"",
                "\"id\"",
                "sequence.key: found \"id\", which is in leave_out",
            ),
            (
                "\"card\"",
                "\"y\"",
                "sequence.key: found \"y\", which is the label",
            ),
            (
                "\"card\"",
                "\"at\"",
                "sequence.key: found \"at\", which is an input",
            ),
            (
                "time = \"at\"",
                "time = \"card\"",
                "sequence.time: found \"card\", which is the key",
            ),
            (
                "time = \"at\"",
                "time = \"id\"",
                "sequence.time: found \"id\", which is in leave_out",
            ),
            (
                "time = \"at\"",
                "time = \"amount\"",
                "column \"at\".since: found a value, expected none: only the column that sequence.time names",
            ),
            (
                "name = \"amount\"",
                "name = \"amount\"\nsteps = [\"a1\", \"a2\"]",
                "sequence: found rows that are grouped, and steps of the column \"amount\"",
            ),
            (
                "\"2020-01-01\"",
                "2020",
                "column \"at\".min: found 2020.0, expected a date in quotes such as",
            ),
            (
                "\"2020-01-01\"",
                "\"1.1.2020\"",
                "column \"at\".min: found \"1.1.2020\", expected a date in quotes",
            ),
            (
                "\"2020-01-01\"",
                "2020-01-01",
                "expected a number, or a date in quotes",
            ),
            (
                "\"2020-01-01\"",
                "\"2030-01-01T12:30:00\"",
                "column \"at\".max: found \"2030-01-01T12:30:00\", expected a later date than min",
            ),
            (
                "min = 0",
                "min = \"2020-01-01\"",
                "column \"amount\".min: found \"2020-01-01\", expected a number",
            ),
            (
                "min = 0",
                "min = 0\ncycles = [\"day\"]",
                "column \"amount\".cycles: found a value, expected none: only a date",
            ),
            (
                "\"week\"",
                "\"day\"",
                "column \"at\".cycles: found \"day\" a second time",
            ),
            ("\"week\"", "\"decade\"", "unknown variant `decade`"),
            (
                "since = \"previous\"",
                "scale = \"log\"",
                "column \"at\".scale: found a value, expected none",
            ),
            (
                "steps = 10",
                "steps = 1024\n",
                "column: the inputs that they give at all steps: found 66560 numbers",
            ),
        ] {
            let mut text = GOOD.replacen(from, to, 1);
            if message.contains("66560") {
                text.push_str("[[column]]\nname = \"c\"\ntype = \"category\"\nvalues = [");
                (0..56).for_each(|value| text.push_str(&format!("\"{value}\",")));
                text.push_str("]\n");
            }
            let error = Schema::parse(&text).unwrap_err().to_string();
            assert!(error.contains(message), "{to}: {error}");
        }
    }
}
