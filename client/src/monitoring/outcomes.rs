//! What came true, and who people are, as the bank tells it afterwards: a CSV file with the request's id, the row in it, and the label.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use veilsum_protocol::task::LabelKind;

/// Why the file is not taken.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct OutcomesError {
    /// The file.
    pub path: PathBuf,
    /// What was found, and what was expected.
    pub problem: String,
}

/// One row's.
#[derive(Clone, Debug, Default, PartialEq)]
struct Outcome {
    label: Option<f64>,
    /// Of each group column of the file.
    groups: Vec<String>,
}

/// The file.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// Columns besides id, row and label.
    columns: Vec<String>,
    of: HashMap<(String, usize), Outcome>,
}

const ID: &str = "id";
const ROW: &str = "row";
const LABEL: &str = "label";

impl Outcomes {
    /// Reads the file. An empty label is one that is not known yet. A label is 0 or 1, one of the classes, or a number, as the task has it.
    ///
    /// # Errors
    /// A header without `id`, a cell that does not fit, or a row that comes twice.
    pub fn read(path: &Path, kind: &LabelKind) -> Result<Self, OutcomesError> {
        let wrong = |problem: String| OutcomesError {
            path: path.to_owned(),
            problem,
        };
        let mut reader = csv::Reader::from_path(path).map_err(|error| wrong(error.to_string()))?;
        let header = reader
            .headers()
            .map_err(|error| wrong(error.to_string()))?
            .clone();
        let place = |name: &str| header.iter().position(|column| column.trim() == name);
        let id_at = place(ID).ok_or_else(|| {
            wrong(format!(
                "found no column {ID:?} in the header, expected the request's id; {ROW:?} is the row in the request, counted from 0, and {LABEL:?} what came true"
            ))
        })?;
        let (row_at, label_at) = (place(ROW), place(LABEL));
        let is_other = |at: usize| at != id_at && Some(at) != row_at && Some(at) != label_at;
        let others: Vec<usize> = (0..header.len()).filter(|at| is_other(*at)).collect();
        let columns = others
            .iter()
            .map(|at| header.get(*at).unwrap_or_default().trim().to_owned());
        let mut outcomes = Self {
            columns: columns.collect(),
            of: HashMap::new(),
        };
        for (line, record) in (2..).zip(reader.records()) {
            let record = record.map_err(|error| wrong(error.to_string()))?;
            let cell = |at: usize| record.get(at).unwrap_or_default().trim();
            let wrong = |problem: String| wrong(format!("line {line}: {problem}"));
            let id = cell(id_at).to_owned();
            let row = match row_at.map(cell).unwrap_or_default() {
                "" => 0,
                text => text.parse().map_err(|_| {
                    wrong(format!(
                        "column {ROW}: found {text:?}, expected the row in the request, 0 or more"
                    ))
                })?,
            };
            let label = match label_at.map(cell).unwrap_or_default() {
                "" => None,
                text => Some(label(text, kind).map_err(wrong)?),
            };
            let outcome = Outcome {
                label,
                groups: others.iter().map(|at| cell(*at).to_owned()).collect(),
            };
            if let Some(before) = outcomes.of.insert((id.clone(), row), outcome) {
                drop(before);
                return Err(wrong(format!(
                    "found row {row} of the request {id:?} again, expected each once; keep the line that is right"
                )));
            }
        }
        Ok(outcomes)
    }

    /// The place of a group column.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// What came of a row.
    pub(super) fn label(&self, id: &str, row: usize) -> Option<f64> {
        self.get(id, row)?.label
    }

    /// What a group column says of a row; nothing where the row is not in the file.
    pub(super) fn group(&self, id: &str, row: usize, column: usize) -> Option<&str> {
        self.get(id, row)?.groups.get(column).map(String::as_str)
    }

    fn get(&self, id: &str, row: usize) -> Option<&Outcome> {
        self.of.get(&(id.to_owned(), row))
    }

    /// Every row of it.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&str, usize)> {
        self.of.keys().map(|(id, row)| (id.as_str(), *row))
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

fn label(text: &str, kind: &LabelKind) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    match kind {
        LabelKind::Binary => number
            .filter(|number| *number == 0.0 || *number == 1.0)
            .ok_or_else(|| format!("column {LABEL}: found {text:?}, expected 0 or 1")),
        LabelKind::Classes(classes) => {
            let place = classes.values.iter().position(|class| class == text);
            let place = place.and_then(|place| u16::try_from(place).ok());
            place.map(f64::from).ok_or_else(|| {
                format!(
                    "column {LABEL}: found {text:?}, expected one of {}",
                    classes.values.join(", ")
                )
            })
        }
        LabelKind::Number(_) => {
            number.ok_or_else(|| format!("column {LABEL}: found {text:?}, expected a number"))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str, kind: &LabelKind) -> Result<Outcomes, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outcomes.csv");
        std::fs::write(&path, text).unwrap();
        Outcomes::read(&path, kind).map_err(|error| error.problem)
    }

    #[test]
    fn rows_are_found_by_request_and_row() {
        let found = read("label,id,age\n1,a,young\n,b,old\n", &LabelKind::Binary).unwrap();
        assert_eq!((found.label("a", 0), found.label("b", 0)), (Some(1.0), None));
        let age = found.column("age").unwrap();
        assert_eq!(found.group("b", 0, age), Some("old"));
        assert_eq!((found.group("a", 1, age), found.column("id")), (None, None));
        let found = read("id,row,label\na,0,0\na,1,1\n", &LabelKind::Binary).unwrap();
        assert_eq!((found.label("a", 1), found.len()), (Some(1.0), 2));
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_line() {
        let wrong = |text| read(text, &LabelKind::Binary).unwrap_err();
        assert!(wrong("label\n1\n").contains("no column \"id\""));
        assert_eq!(
            wrong("id,label\na,1\nb,yes\n"),
            "line 3: column label: found \"yes\", expected 0 or 1"
        );
        assert!(
            wrong("id,row,label\na,0,1\na,0,1\n").contains("line 3: found row 0 of the request \"a\" again")
        );
        assert!(wrong("id,row\na,-1\n").contains("line 2: column row"));
    }
}
