use crate::model::InputShape;

use super::Merges;

/// A column of texts, which reach the model as token numbers. It is the only column of its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextColumn {
    /// Longest text in tokens; longer ones are cut. Shorter ones have token 0, padding, behind them.
    pub tokens: u32,
    /// How a text becomes tokens.
    pub tokeniser: Tokeniser,
}

/// How a text becomes tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tokeniser {
    /// Words, and runs of up to so many of them, hashed into so many numbers from 1.
    Hashed {
        /// Longest run of words that is a token.
        words: u32,
        /// Numbers that there are.
        buckets: u32,
    },
    /// Words, and runs of up to so many of them, by their place in an agreed list: from 2, and 1 for a word that is not in it.
    Listed {
        /// Longest run of words that is a token.
        words: u32,
        /// The list: lower case, one space between words.
        vocabulary: Vec<String>,
    },
    /// Bytes, joined to longer pieces by an agreed list of merges: byte-pair encoding.
    BytePairs(Merges),
}

impl TextColumn {
    /// Token numbers that there are, padding included.
    pub fn vocabulary(&self) -> usize {
        match &self.tokeniser {
            Tokeniser::Hashed { buckets, .. } => 1 + *buckets as usize,
            Tokeniser::Listed { vocabulary, .. } => 2 + vocabulary.len(),
            Tokeniser::BytePairs(merges) => merges.vocabulary(),
        }
    }

    pub(super) fn shape(&self) -> InputShape {
        InputShape::Text {
            tokens: self.tokens as usize,
            vocabulary: self.vocabulary(),
        }
    }
}
