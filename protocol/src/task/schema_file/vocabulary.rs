//! What the key `vocabulary` holds: of a category which values the banks find out, of a text the agreed words.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::TaskError;
use super::super::ranges::integer;
use super::super::schema::{CategoryColumn, VocabularySpec};
use super::{ColumnFile, OtherFile, refuse};

/// Which of both it has to be, the column's type says.
pub(super) enum VocabularyFile {
    Open(OpenFile),
    Words(Vec<String>),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenFile {
    support: i64,
    most: i64,
}

impl<'de> Deserialize<'de> for VocabularyFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VocabularyVisitor)
    }
}

struct VocabularyVisitor;

impl<'de> Visitor<'de> for VocabularyVisitor {
    type Value = VocabularyFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of support and most for a category, or a list of words for a text")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<VocabularyFile, A::Error> {
        OpenFile::deserialize(MapAccessDeserializer::new(map)).map(VocabularyFile::Open)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<VocabularyFile, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(VocabularyFile::Words)
    }
}

impl ColumnFile {
    /// A category whose values the banks find out. What they do not find needs a place, so there is always a bucket.
    pub(super) fn open(&self, path: &str, file: &VocabularyFile) -> Result<CategoryColumn, TaskError> {
        let VocabularyFile::Open(file) = file else {
            return Err(TaskError::invalid(
                format!("{path}.vocabulary"),
                "a list",
                "a table of support and most; the list of a category's agreed values is `values`",
            ));
        };
        refuse(
            path,
            "values",
            self.values.is_some(),
            "the banks find them out (vocabulary)",
        )?;
        if self.other == Some(OtherFile::Refuse) {
            return Err(TaskError::invalid(
                format!("{path}.other"),
                "\"refuse\" beside vocabulary",
                "\"bucket\", or nothing, which is the same: values that are not found count as one more",
            ));
        }
        let vocabulary = VocabularySpec {
            support: integer(&format!("{path}.vocabulary.support"), file.support, 3..=500)?,
            most: integer(&format!("{path}.vocabulary.most"), file.most, 2..=1000)?,
        };
        Ok(CategoryColumn {
            values: Vec::new(),
            other_bucket: true,
            vocabulary: Some(vocabulary),
        })
    }
}
