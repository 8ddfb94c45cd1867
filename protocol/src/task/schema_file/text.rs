//! A text's keys.

use super::super::TaskError;
use super::super::ranges::{integer, length, trimmed, unique, words};
use super::super::schema::{Merges, TextColumn, Tokeniser};
use super::vocabulary::VocabularyFile;
use super::{ColumnFile, refuse};

const TOKENS: std::ops::RangeInclusive<u32> = 1..=1024;
const WORDS: std::ops::RangeInclusive<u32> = 1..=3;
const BUCKETS: std::ops::RangeInclusive<u32> = 16..=1 << 20;
const VOCABULARY: std::ops::RangeInclusive<usize> = 2..=65_536;
const ENTRY: std::ops::RangeInclusive<usize> = 1..=128;

impl ColumnFile {
    pub(super) fn text(&self, path: &str) -> Result<TextColumn, TaskError> {
        self.refuse_keys_of_tables(path, "a text is one cell of words")?;
        self.refuse_keys_of_images(path)?;
        let key = |name: &str| format!("{path}.{name}");
        let tokens = self.tokens.ok_or_else(|| {
            TaskError::invalid(
                key("tokens"),
                "nothing",
                "the length of the longest text in tokens",
            )
        })?;
        Ok(TextColumn {
            tokens: integer(&key("tokens"), tokens, TOKENS)?,
            tokeniser: match &self.merges {
                Some(merges) => self.byte_pairs(path, merges)?,
                None => self.of_words(path)?,
            },
        })
    }

    fn byte_pairs(&self, path: &str, merges: &[String]) -> Result<Tokeniser, TaskError> {
        for (key, present) in [
            ("words", self.words.is_some()),
            ("buckets", self.buckets.is_some()),
            ("vocabulary", self.vocabulary.is_some()),
        ] {
            refuse(path, key, present, "merges join bytes and know no words")?;
        }
        let merges = Merges::new(merges.to_vec());
        merges
            .map(Tokeniser::BytePairs)
            .map_err(|wrong| TaskError::invalid(format!("{path}.merges"), wrong.found, wrong.expected))
    }

    fn of_words(&self, path: &str) -> Result<Tokeniser, TaskError> {
        let key = |name: &str| format!("{path}.{name}");
        let words = integer(&key("words"), self.words.unwrap_or(1), WORDS)?;
        Ok(match (self.buckets, &self.vocabulary) {
            (Some(buckets), None) => Tokeniser::Hashed {
                words,
                buckets: integer(&key("buckets"), buckets, BUCKETS)?,
            },
            (None, Some(VocabularyFile::Open(_))) => {
                return Err(TaskError::invalid(
                    key("vocabulary"),
                    "a table",
                    "the list of agreed words: the banks find out values of categories alone",
                ));
            }
            (None, Some(VocabularyFile::Words(vocabulary))) => {
                check_vocabulary(&key("vocabulary"), vocabulary, words)?;
                Tokeniser::Listed {
                    words,
                    vocabulary: vocabulary.clone(),
                }
            }
            (found, _) => {
                let found = if found.is_none() {
                    "nothing"
                } else {
                    "a value beside vocabulary"
                };
                let expected = "one of buckets, vocabulary and merges: how a text becomes numbers";
                return Err(TaskError::invalid(key("buckets"), found, expected));
            }
        })
    }

    pub(super) fn refuse_keys_of_texts(&self, path: &str) -> Result<(), TaskError> {
        self.refuse_tokens(path)?;
        let only = "only a category or a text has it";
        refuse(path, "vocabulary", self.vocabulary.is_some(), only)
    }

    /// What a text has and no category.
    pub(super) fn refuse_tokens(&self, path: &str) -> Result<(), TaskError> {
        let only = "only a text has it";
        refuse(path, "tokens", self.tokens.is_some(), only)?;
        refuse(path, "words", self.words.is_some(), only)?;
        refuse(path, "buckets", self.buckets.is_some(), only)?;
        refuse(path, "merges", self.merges.is_some(), only)
    }
}

/// An entry that no text can give would be a parameter that nobody trains.
fn check_vocabulary(key: &str, vocabulary: &[String], most_words: u32) -> Result<(), TaskError> {
    length(key, vocabulary, VOCABULARY)?;
    for entry in vocabulary {
        words(key, entry, ENTRY)?;
        trimmed(key, entry)?;
        if entry.to_lowercase() != *entry {
            return Err(TaskError::invalid(
                key,
                format!("{entry:?}"),
                format!("{:?}: words are compared in lower case", entry.to_lowercase()),
            ));
        }
        let count = entry.split(' ').count();
        if count > most_words as usize || entry.split(' ').any(str::is_empty) {
            return Err(TaskError::invalid(
                key,
                format!("{entry:?}"),
                format!("at most {most_words} words, as `words` says, with one space between them"),
            ));
        }
    }
    unique(key, vocabulary)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::{Schema, Task};
    use super::*;
    use crate::model::InputShape;

    const TEXT: &str = "version = 1\nlabel = \"y\"\nleave_out = [\"id\"]\n[[column]]\nname = \"message\"\ntype = \"text\"\n\
                        tokens = 48\nbuckets = 8192\n";

    fn task(schema: &str, model: &str) -> Result<Task, TaskError> {
        let schema = schema.replace("[[column]]", "[[schema.column]]");
        Task::parse(&format!(
            "name = \"t\"\nrounds = 1\nseed = 1\n[schema]\n{schema}[model]\n{model}\n\
             [training]\noptimiser = \"adam\"\nlearning_rate = 0.01\nbatch_size = 8\nlocal_epochs = 1\n"
        ))
    }

    #[test]
    fn a_text_is_the_row_and_has_a_form_of_its_own() {
        let listed = TEXT.replace(
            "buckets = 8192",
            "words = 2\nvocabulary = [\"card\", \"card declined\", \"straße\", \"转账\"]",
        );
        let merged = TEXT.replace("buckets = 8192", "merges = ['h e', 'Ġ t', '\" \\', 'Ġt he']");
        for (schema, vocabulary, form) in [
            (TEXT, 8193, "tokens = 48\nwords = 1\nbuckets = 8192\n"),
            (
                &listed,
                6,
                "tokens = 48\nwords = 2\nvocabulary = [\"card\", \"card declined\", \"straße\", \"转账\"]\n",
            ),
            (
                &merged,
                261,
                "tokens = 48\nmerges = [\n\"h e\",\n\"Ġ t\",\n\"\\\" \\\\\",\n\"Ġt he\",\n]\n",
            ),
        ] {
            let task = task(schema, "family = \"embedding-bag\"").unwrap();
            let shape = InputShape::Text {
                tokens: 48,
                vocabulary,
            };
            assert_eq!(task.input_shape(), shape);
            assert!(task.schema.standardised().is_empty());
            let normal = task.canonical_text();
            assert!(normal.contains(&format!("type = \"text\"\n{form}")), "{normal}");
            assert_eq!(Task::parse(&normal).unwrap(), task);
            let alone = task.schema.canonical_text();
            assert_eq!(Schema::parse(&alone).unwrap(), task.schema);
        }
        let described = task(TEXT, "family = \"embedding-bag\"").unwrap().describe();
        for part in [
            "from texts of at most 48 tokens",
            "message  text, the first 48 tokens of it: its words as 8192 numbers, by a hash that has no key",
        ] {
            assert!(described.contains(part), "{part} is not in:\n{described}");
        }
        assert!(!described.contains("number columns"), "{described}");
        let described = task(&listed, "family = \"embedding-bag\"").unwrap().describe();
        let part = "its words, and runs of up to 2 words, that are in the task's list of 4; all other words are alike";
        assert!(described.contains(part), "{described}");
        let described = task(&merged, "family = \"embedding-bag\"").unwrap().describe();
        let part = "the first 48 tokens of it: its bytes, joined to longer pieces by the 4 merges that the task lists";
        assert!(described.contains(part), "{described}");
        let error = task(TEXT, "family = \"logistic\"").unwrap_err().to_string();
        assert!(
            error.contains("found logistic for texts of at most 48 tokens"),
            "{error}"
        );
    }

    #[test]
    fn a_task_that_nobody_could_fetch_is_refused() {
        let list = |entries: usize| {
            let entries: Vec<_> = (0..entries).map(|entry| format!("\"{entry:0>124}\"")).collect();
            task(
                &TEXT.replace("buckets = 8192", &format!("vocabulary = [{}]", entries.join(","))),
                "family = \"embedding-bag\"\ndimension = 1",
            )
        };
        // 128 bytes an entry.
        assert!(list(8_180).unwrap().canonical_text().len() <= Task::TEXT_LIMIT);
        let error = list(8_192).unwrap_err().to_string();
        assert!(
            error.contains("bytes long, expected at most 1048576 bytes"),
            "{error}"
        );
    }

    #[test]
    fn two_schemas_differ_by_the_line_of_a_merge() {
        let schema = |merges: &str| {
            Schema::parse(&TEXT.replace("buckets = 8192", &format!("merges = [{merges}]"))).unwrap()
        };
        let difference = schema("\"h e\", \"Ġ t\"").difference(&schema("\"h e\", \"Ġ a\""));
        assert_eq!(difference, Some(("\"Ġ t\",".to_owned(), "\"Ġ a\",".to_owned())));
    }

    #[test]
    fn each_mistake_is_named() {
        let long = format!("buckets = 8192\nvocabulary = [\"{}\", \"b\"]", "a".repeat(129));
        for (from, to, message) in [
            (
                "tokens = 48",
                "tokens = 1025",
                "column \"message\".tokens: 1025 is out of range, expected 1..=1024",
            ),
            (
                "tokens = 48\n",
                "",
                "column \"message\".tokens: found nothing, expected the length",
            ),
            (
                "tokens = 48",
                "tokens = 8\nwords = 4",
                "column \"message\".words: 4 is out of range",
            ),
            (
                "buckets = 8192",
                "buckets = 15",
                "column \"message\".buckets: 15 is out of range",
            ),
            (
                "buckets = 8192",
                "",
                "column \"message\".buckets: found nothing, expected one of",
            ),
            (
                "buckets = 8192",
                &long,
                "column \"message\".buckets: found a value beside vocabulary",
            ),
            (
                "buckets = 8192",
                "vocabulary = [\"Card\", \"b\"]",
                "column \"message\".vocabulary: found \"Card\", expected \"card\"",
            ),
            (
                "buckets = 8192",
                "vocabulary = [\"a b\", \"b\"]",
                "found \"a b\", expected at most 1 words",
            ),
            (
                "buckets = 8192",
                "words = 3\nvocabulary = [\"a  b\", \"b\"]",
                "with one space between them",
            ),
            (
                "buckets = 8192",
                "vocabulary = [\"a\", \"a\"]",
                "found \"a\" a second time",
            ),
            (
                "buckets = 8192",
                "vocabulary = [\"a\"]",
                "found 1 entries, expected 2 to 65536",
            ),
            (
                "buckets = 8192",
                "merges = [\"h e\", \"l lo\"]",
                "column \"message\".merges: found \"l lo\" as merge 2, expected a byte or what a merge before it makes, which \"lo\" is not",
            ),
            (
                "buckets = 8192",
                "merges = []",
                "column \"message\".merges: found 0 entries, expected 1 to 65536",
            ),
            (
                "buckets = 8192",
                "buckets = 16\nmerges = [\"h e\"]",
                "column \"message\".buckets: found a value, expected none: merges join bytes and know no words",
            ),
            (
                "buckets = 8192",
                "words = 1\nmerges = [\"h e\"]",
                "column \"message\".words: found a value, expected none: merges join bytes",
            ),
            (
                "type = \"text\"\ntokens = 48\nbuckets = 8192",
                "type = \"category\"\nvalues = [\"a\", \"b\"]\nmerges = [\"h e\"]",
                "column \"message\".merges: found a value, expected none: only a text has it",
            ),
            (
                "buckets = 8192",
                "buckets = 16\nsteps = [\"a\", \"b\"]",
                "column \"message\".steps: found a value, expected none: a text is one cell of words",
            ),
            (
                "buckets = 8192",
                "buckets = 16\nmin = 0",
                "column \"message\".min: found a value, expected none",
            ),
            (
                "buckets = 8192",
                "buckets = 16\nheight = 28",
                "column \"message\".height: found a value, expected none: only an image has it",
            ),
            (
                "buckets = 8192",
                "buckets = 16\n[[column]]\nname = \"x\"\ntype = \"number\"\nmin = 0\nmax = 1",
                "column: found a text beside 1 other columns, expected a text as the only column",
            ),
            (
                "type = \"text\"\ntokens = 48\nbuckets = 8192",
                "type = \"number\"\nmin = 0\nmax = 1\ntokens = 48",
                "column \"message\".tokens: found a value, expected none: only a text has it",
            ),
        ] {
            assert!(TEXT.contains(from), "{from}");
            let error = Schema::parse(&TEXT.replacen(from, to, 1))
                .unwrap_err()
                .to_string();
            assert!(error.contains(message), "{to}: {error}");
        }
    }
}
