//! Values of a category that enough banks have, found out in two masked rounds in which nobody sees another.
//!
//! 1. **Support.** Each bank sets a cell to 1 in each of eight tables for each of its values. The sum of a cell is the number of banks
//!    with a value in it, so a value that `support` banks have finds at least so many in each of its cells. The state keeps for each cell whether
//!    it has so many.
//! 2. **Vocabulary.** Each bank puts those of its values whose cells all have support into a table from whose sum they come out again: an
//!    invertible Bloom lookup table (Goodrich and Mitzenmacher 2011). A value that comes out fewer than `support` times is left out.
//!
//! Everything here is integers and SHA-256: coordinator, banks and auditors find the same values.

mod form;
mod support;
mod table;

pub use form::Vocabularies;
pub use support::Support;
pub(super) use table::Table;

use crate::ids::Digest;
use crate::task::VocabularySpec;
use crate::wire::canonical::Writer;

/// Tables of the first round. A value that too few banks have must meet others in each of them to be taken for one that enough have.
const SUPPORT_TABLES: usize = 8;
/// Cells of each of them for each value that the vocabulary may have.
const SUPPORT_CELLS: usize = 512;
/// Parts of the table of the second round; a value stands once in each.
const PARTS: usize = 4;
/// Fewest cells of such a part: two values that share one in every part do not come out.
const LEAST_CELLS: usize = 64;
/// Values that a bank takes into the first round, for each that the vocabulary may have: the most frequent of its own.
const OWN_VALUES: usize = 2;
/// Longest value in bytes; longer ones count as any other.
const LONGEST: usize = 64;

/// A bank's values that take part: the most frequent first, of those that the table has room for.
fn taken(spec: VocabularySpec, values: &[String]) -> impl Iterator<Item = &str> {
    let fits = |value: &&str| (1..=LONGEST).contains(&value.len()) && !value.chars().any(char::is_control);
    let values = values.iter().map(String::as_str).filter(fits);
    values.take(OWN_VALUES * usize::from(spec.most))
}

/// SHA-256 of a value, by task, column and round, so that values which meet in one do not in the others.
fn digest(task: &Digest, column: usize, round: u8, value: &str) -> [u8; 32] {
    let mut w = Writer::domain("vocabulary-value");
    w.digest(task)
        .u32(u32::try_from(column).unwrap_or(u32::MAX))
        .u8(round)
        .text(value);
    Digest::of(&w.finish()).0
}

/// Word `at` of a digest.
fn word(digest: &[u8; 32], at: usize) -> u32 {
    let (words, _) = digest.as_chunks::<4>();
    words.get(at).map_or(0, |word| u32::from_be_bytes(*word))
}

/// A place below `cells`, from a uniform word.
fn place(word: u32, cells: usize) -> usize {
    let place = (u64::from(word) * cells as u64) >> 32;
    usize::try_from(place).unwrap_or(0)
}

#[cfg(test)]
mod tests;
