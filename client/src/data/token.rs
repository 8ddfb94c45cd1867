//! From a text to the token numbers that the model is given. They are the same at every bank and for ever: `docs/models.md` defines them.

use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation as _;
use veilsum_protocol::task::{TextColumn, Tokeniser};

use super::byte_pairs::BytePairs;

/// Stands behind a text that is shorter than the longest.
const PADDING: u32 = 0;
/// A word that is not in the agreed list.
const UNKNOWN: u32 = 1;
/// The first place of the agreed list.
const FIRST_LISTED: u32 = 2;

/// Gives texts their token numbers.
pub(super) struct Tokens {
    most: usize,
    way: Way,
}

enum Way {
    Words(Words),
    BytePairs(Box<BytePairs>),
}

/// Words, and runs of them.
struct Words {
    longest_run: usize,
    numbers: Numbers,
}

enum Numbers {
    Hashed(u32),
    Listed(HashMap<Box<str>, u32>),
}

impl Tokens {
    pub(super) fn new(column: &TextColumn) -> Self {
        let words = |longest_run: u32, numbers| {
            Way::Words(Words {
                longest_run: longest_run as usize,
                numbers,
            })
        };
        let way = match &column.tokeniser {
            Tokeniser::Hashed { words: run, buckets } => words(*run, Numbers::Hashed(*buckets)),
            Tokeniser::Listed {
                words: run,
                vocabulary,
            } => {
                let places = vocabulary
                    .iter()
                    .map(|word| word.as_str().into())
                    .zip(FIRST_LISTED..);
                words(*run, Numbers::Listed(places.collect()))
            }
            Tokeniser::BytePairs(merges) => Way::BytePairs(Box::new(BytePairs::new(merges))),
        };
        Self {
            most: column.tokens as usize,
            way,
        }
    }

    /// Appends the text's tokens, as many as the column has: cut, or padded.
    pub(super) fn append(&self, text: &str, tokens: &mut Vec<u32>) {
        let end = tokens.len() + self.most;
        match &self.way {
            Way::Words(words) => words.append(text, self.most, tokens),
            Way::BytePairs(pairs) => tokens.extend(pairs.numbers(text, self.most)),
        }
        tokens.resize(end, PADDING);
    }
}

impl Words {
    /// Appends the words in their order, then the runs of two words, then those of three; `most` tokens at most.
    fn append(&self, text: &str, most: usize, tokens: &mut Vec<u32>) {
        let end = tokens.len() + most;
        let mut lower = String::new();
        // Where each word begins and ends.
        let mut places: Vec<(usize, usize)> = Vec::new();
        // Runs of words stand behind all words, so that words beyond the longest text count for nothing.
        for word in text.unicode_words().take(most) {
            if !lower.is_empty() {
                lower.push(' ');
            }
            let start = lower.len();
            lower.push_str(&word.to_lowercase());
            places.push((start, lower.len()));
        }
        for run in 1..=self.longest_run {
            for words in places.windows(run) {
                if tokens.len() == end {
                    return;
                }
                let (Some((start, _)), Some((_, stop))) = (words.first(), words.last()) else {
                    continue;
                };
                let text = lower.get(*start..*stop).unwrap_or_default();
                tokens.extend(self.number(text, run > 1));
            }
        }
    }

    fn number(&self, text: &str, is_run: bool) -> Option<u32> {
        match &self.numbers {
            Numbers::Hashed(buckets) => Some(hashed(text, *buckets)),
            Numbers::Listed(places) => {
                // A run of words that is not listed says nothing that its words have not said.
                let unknown = (!is_run).then_some(UNKNOWN);
                places.get(text).copied().or(unknown)
            }
        }
    }
}

/// How many words a text has.
pub(crate) fn count_words(text: &str) -> usize {
    text.unicode_words().count()
}

/// From 1 to `buckets`: FNV-1a of 64 bits over the text's UTF-8, its upper half laid over its lower one, modulo `buckets`, plus 1.
///
/// Fowler, Noll, Vo and Eastlake, The FNV Non-Cryptographic Hash Algorithm, sections 2 and 3 (xor-folding).
fn hashed(text: &str, buckets: u32) -> u32 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = text.bytes().fold(OFFSET_BASIS, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    let folded = ((hash >> 32) ^ hash) & u64::from(u32::MAX);
    let place = folded % u64::from(buckets.max(1));
    1 + u32::try_from(place).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use veilsum_protocol::task::Schema;

    use super::*;

    fn schema(keys: &str) -> Schema {
        Schema::parse(&format!(
            "version = 1\nlabel = \"y\"\n[[column]]\nname = \"t\"\ntype = \"text\"\n{keys}\n"
        ))
        .unwrap()
    }

    fn tokens(keys: &str, text: &str) -> Vec<u32> {
        let schema = schema(keys);
        let mut tokens = vec![99];
        Tokens::new(schema.text().unwrap()).append(text, &mut tokens);
        assert_eq!(tokens.remove(0), 99);
        tokens
    }

    /// token_answers.py writes them: a text, and its number of 16, of 8192 and of 1,000,003.
    const ANSWERS: [(&str, u32, u32, u32); 6] = [
        ("a", 1, 4289, 298783),
        ("card", 16, 3024, 983365),
        ("card declined", 7, 5335, 985792),
        ("didn't", 4, 1572, 530890),
        ("straße", 11, 4875, 38292),
        ("转", 14, 6382, 896599),
    ];

    #[test]
    fn hashes_are_as_defined() {
        for (text, small, middle, large) in ANSWERS {
            assert_eq!(hashed(text, 16), small, "{text}");
            assert_eq!(hashed(text, 8192), middle, "{text}");
            assert_eq!(hashed(text, 1_000_003), large, "{text}");
        }
    }

    #[test]
    fn words_are_unicode_s_in_lower_case() {
        let hash = |word: &str| hashed(word, 8192);
        let words = |text: &str, expected: &[&str]| {
            let mut expected: Vec<u32> = expected.iter().map(|word| hash(word)).collect();
            expected.resize(8, 0);
            assert_eq!(tokens("tokens = 8\nbuckets = 8192", text), expected, "{text}");
        };
        words("", &[]);
        words(" \t\n", &[]);
        words("?! ...", &[]);
        words("My CARD didn't arrive!", &["my", "card", "didn't", "arrive"]);
        words(
            "Überweisung über 12.50 EUR\r\nan [card]",
            &["überweisung", "über", "12.50", "eur", "an", "card"],
        );
        // No spaces between ideographs.
        words("转账失败, ok", &["转", "账", "失", "败", "ok"]);
        words("a b c d e f g h i", &["a", "b", "c", "d", "e", "f", "g", "h"]);
    }

    #[test]
    fn runs_of_words_stand_behind_the_words() {
        let hash = |words: &[&str]| words.iter().map(|words| hashed(words, 64)).collect::<Vec<_>>();
        let text = "One two THREE";
        let all = hash(&["one", "two", "three", "one two", "two three", "one two three"]);
        assert_eq!(tokens("tokens = 6\nwords = 3\nbuckets = 64", text), all);
        assert_eq!(tokens("tokens = 4\nwords = 3\nbuckets = 64", text), all[..4]);
        let two = [&all[..5], &[0, 0]].concat();
        assert_eq!(tokens("tokens = 7\nwords = 2\nbuckets = 64", text), two);
    }

    #[test]
    fn listed_words_have_their_place_and_others_are_unknown() {
        let keys = "tokens = 6\nwords = 2\nvocabulary = [\"card\", \"lost\", \"card lost\"]";
        // The run "lost my" is not listed and gives no token.
        assert_eq!(tokens(keys, "Card lost, my card"), [2, 3, 1, 2, 4, 0]);
        assert_eq!(tokens(keys, ""), [0; 6]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_has_as_many_tokens_as_the_column_and_padding_behind_them(
            text in "\\PC{0,40}|[a-c ]{0,30}",
            most in 1_usize..20,
            words in 1..=3,
        ) {
            for (keys, below) in [("buckets = 20", 21), ("vocabulary = [\"a\", \"b\"]", 4)] {
                let found = tokens(&format!("tokens = {most}\nwords = {words}\n{keys}"), &text);
                prop_assert_eq!(found.len(), most);
                prop_assert!(found.iter().all(|token| *token < below));
                let length = found.iter().position(|token| *token == 0).unwrap_or(most);
                prop_assert!(found[length..].iter().all(|token| *token == 0));
                prop_assert_eq!(length.min(1), count_words(&text).min(1));
            }
        }
    }
}
