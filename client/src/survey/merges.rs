//! Byte-pair merges learned from texts, for a task's column of texts.
//!
//! A merge spells out what it joins, and stands in the task: the texts must be ones that anybody may read.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::{OffsetReferential, OffsetType};
use veilsum_protocol::task::Merges;

use super::draft::{push, tokens_for, toml};
use super::spread::{Spread, quantile};
use super::texts;
use crate::data::{BytePairs, DataError, pieces};

/// How often two symbols must stand side by side to be joined. What the model learns of a rarer one would be little, and a rarer one may point at
/// a person.
const FEWEST: u64 = 10;
/// Tokens of the longest text that a schema can have.
const LONGEST_TEXT: usize = 1024;
/// What a merge gives away, in words for who is about to hand it around.
pub(crate) const WARNING: &str = "Merges spell out pieces of the texts that they were learned from, and stand in the task, which every bank, the \
                                  coordinator and auditors read. Hand these around only if those texts are public. Merges learned from customers' \
                                  messages may give away pieces of them: names, numbers, whole words.";

/// Merges, and how long the texts become by them.
#[derive(Debug, Serialize)]
pub(crate) struct LearnedMerges {
    /// Texts that are not blank.
    texts: u64,
    merges: Vec<String>,
    /// Tokens of a text: half of the texts have at most so many.
    half: u64,
    /// Nineteen of twenty have at most so many.
    most: u64,
    /// What a schema's `tokens` may be.
    tokens: u32,
    warning: &'static str,
}

/// Learns up to `size` merges: the most frequent pair of neighbours in all texts first; of equally frequent ones that whose symbols are older, where
/// bytes are in the order of their characters. The order of the texts counts for nothing, so the same texts give the same merges.
///
/// # Errors
/// When the file cannot be read, or no pair is frequent enough.
pub(crate) fn learn(file: &Path, column: Option<&str>, size: usize) -> Result<LearnedMerges, DataError> {
    let (mut texts, mut counts) = (0_u64, HashMap::<String, u64>::new());
    texts::for_each(file, column, |text| {
        texts += 1;
        for (piece, ..) in
            pieces(text, LONGEST_TEXT).get_splits(OffsetReferential::Normalized, OffsetType::None)
        {
            // No word is that long, and joining within it would take long.
            if piece.len() > Merges::LONGEST {
                continue;
            }
            match counts.get_mut(piece) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(piece.to_owned(), 1);
                }
            }
        }
    })?;
    let merges = merges(file, counts, size)?;
    let tokeniser = BytePairs::new(&merges);
    let mut lengths = Spread::default();
    texts::for_each(file, column, |text| {
        lengths.add(tokeniser.numbers(text, LONGEST_TEXT).len() as f64);
    })?;
    if lengths.count() != texts {
        return Err(DataError::whole(
            file,
            format!("{} texts when it was read again", lengths.count()),
            format!("the {texts} of the first time"),
            "name a file that stays as it is, and no pipe",
        ));
    }
    let buckets = lengths.buckets();
    let [half, most] = [0.5, 0.95].map(|share| quantile(&buckets, share).round());
    Ok(LearnedMerges {
        texts,
        merges: merges.lines().to_vec(),
        half: half as u64,
        most: most as u64,
        tokens: tokens_for(most),
        warning: WARNING,
    })
}

/// What is told of a trained model.
#[derive(Deserialize)]
struct Trained {
    merges: Vec<(String, String)>,
}

fn merges(file: &Path, counts: HashMap<String, u64>, size: usize) -> Result<Merges, DataError> {
    let whole = |found: String, expected: String, advice| DataError::whole(file, found, expected, advice);
    // The crate counts pairs with 32 bits.
    let bytes: u64 = counts
        .iter()
        .map(|(piece, count)| piece.len() as u64 * count)
        .sum();
    if bytes > u64::from(i32::MAX.unsigned_abs()) {
        return Err(whole(
            format!("{bytes} bytes of text"),
            format!("at most {}", i32::MAX),
            "take a part of the texts",
        ));
    }
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .min_frequency(FEWEST)
        .initial_alphabet(Merges::alphabet().collect())
        .vocab_size(256 + size)
        .max_token_length(Some(Merges::LONGEST))
        .build();
    let mut model = BPE::default();
    let counts = counts
        .into_iter()
        .map(|(piece, count)| (piece.into(), count))
        .collect();
    let no_merges = |error: String| {
        whole(
            format!("texts that give no merges: {error}"),
            "texts in which letters stand side by side again and again".to_owned(),
            "take other texts",
        )
    };
    trainer
        .do_train(&counts, &mut model)
        .map_err(|error| no_merges(error.to_string()))?;
    let told = serde_json::to_value(&model).and_then(serde_json::from_value::<Trained>);
    let told = told.map_err(|error| no_merges(error.to_string()))?.merges;
    if told.is_empty() {
        return Err(whole(
            format!("no two bytes that stand side by side {FEWEST} times"),
            format!("texts in which some do, {size} pairs of them if there are to be as many merges"),
            "take more texts",
        ));
    }
    let lines = told.iter().map(|(left, right)| format!("{left} {right}"));
    Merges::new(lines.collect()).map_err(|wrong| no_merges(wrong.to_string()))
}

impl LearnedMerges {
    /// The keys of a schema's column, with comments.
    pub(crate) fn toml(&self, wanted: usize) -> String {
        let mut text = String::new();
        push(
            &mut text,
            format_args!(
                "# {} merges for byte-pair encoding, learned from {} texts: half of the texts then have at most {} tokens, 95 % at most {}.\n",
                self.merges.len(),
                self.texts,
                self.half,
                self.most
            ),
        );
        if self.merges.len() < wanted {
            push(
                &mut text,
                format_args!(
                    "# {wanted} were wanted: no other pair stands {FEWEST} times or more in these texts.\n"
                ),
            );
        }
        for sentence in self.warning.split_inclusive(". ") {
            push(&mut text, format_args!("# {}\n", sentence.trim_end()));
        }
        push(
            &mut text,
            format_args!("type = \"text\"\ntokens = {}\nmerges = [\n", self.tokens),
        );
        for merge in &self.merges {
            push(&mut text, format_args!("{},\n", toml(merge)));
        }
        push(&mut text, format_args!("]\n"));
        text
    }
}

#[cfg(test)]
mod tests;
