//! From a text to the token numbers of byte pairs, by the tokenizers crate. They are the same at every bank and for ever: `docs/models.md`
//! defines them.

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    Model as _, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _, TruncationDirection,
};
use veilsum_protocol::task::Merges;

/// The number of byte 0.
const FIRST_BYTE: u32 = 1;
/// The number of what the first merge makes.
const FIRST_MERGE: u32 = FIRST_BYTE + 256;

/// Gives texts the numbers of their byte pairs.
pub(crate) struct BytePairs(BPE);

impl BytePairs {
    pub(crate) fn new(merges: &Merges) -> Self {
        let bytes = Merges::alphabet().map(String::from).zip(FIRST_BYTE..);
        let made = merges
            .pairs()
            .map(|(left, right)| format!("{left}{right}"))
            .zip(FIRST_MERGE..);
        let numbers: Vocab = bytes.chain(made).collect();
        let pairs = merges
            .pairs()
            .map(|(left, right)| (left.to_owned(), right.to_owned()))
            .collect();
        let model = BPE::builder().vocab_and_merges(numbers, pairs).build();
        Self(
            model.expect("both symbols of a merge that was checked have a number, and what it makes has one"),
        )
    }

    /// The numbers of a text, the first `most` of them.
    pub(crate) fn numbers(&self, text: &str, most: usize) -> Vec<u32> {
        let mut pieces = pieces(text, most);
        pieces
            .tokenize_with_limit(
                |piece| self.0.tokenize(piece.get()),
                most,
                TruncationDirection::Right,
            )
            .expect("every byte has a number, so that no piece has an unknown symbol");
        let pieces = pieces.get_splits(OffsetReferential::Normalized, OffsetType::None);
        let tokens = pieces.iter().filter_map(|(_, _, tokens)| tokens.as_deref());
        tokens.flatten().map(|token| token.id).take(most).collect()
    }
}

/// What merges join symbols within, and never across: words with the space before them, runs of digits, of other signs, and of blanks, in
/// the alphabet of [`Merges::alphabet`]. Of a text that is too long for its last byte to be in one of the first `most` tokens, the rest is left out.
///
/// GPT-2's pattern, of `encoder.py`.
pub(crate) fn pieces(text: &str, most: usize) -> PreTokenizedString {
    let end = text.floor_char_boundary(most.saturating_mul(Merges::LONGEST));
    let mut pieces = PreTokenizedString::from(text.get(..end).unwrap_or(text));
    let (add_prefix_space, trim_offsets, use_regex) = (false, false, true);
    ByteLevel::new(add_prefix_space, trim_offsets, use_regex)
        .pre_tokenize(&mut pieces)
        .expect("splitting by a fixed pattern and renaming bytes refuse no text");
    pieces
}

#[cfg(test)]
mod tests;
