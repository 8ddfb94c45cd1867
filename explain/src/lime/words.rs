//! A text's different words, and the text without some of them.

use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation;

use crate::coalition::Coalition;

/// A text in which words can be left out. Words are those of Unicode's annex 29; the same word at several places is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    names: Vec<String>,
    /// What the text is made of in its order, with the word's number where it is a word.
    pieces: Vec<(String, Option<usize>)>,
}

impl Words {
    /// Splits a text.
    pub fn of(text: &str) -> Self {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut words = Self {
            names: Vec::new(),
            pieces: Vec::new(),
        };
        for piece in text.split_word_bounds() {
            let is_word = piece.chars().any(char::is_alphanumeric);
            let number = is_word.then(|| {
                *places.entry(piece).or_insert_with(|| {
                    words.names.push(piece.to_owned());
                    words.names.len() - 1
                })
            });
            words.pieces.push((piece.to_owned(), number));
        }
        words
    }

    /// The different words, in the order in which they first appear.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How often a word stands in the text, by its number.
    pub fn times(&self, word: usize) -> usize {
        let pieces = self.pieces.iter();
        pieces.filter(|(_, number)| *number == Some(word)).count()
    }

    /// The text with these words alone; what stands between words stays.
    pub fn with(&self, kept: Coalition<'_>) -> String {
        let stays = |number: Option<usize>| number.is_none_or(|number| kept.contains(number));
        let pieces = self.pieces.iter().filter(|(_, number)| stays(*number));
        pieces.map(|(piece, _)| piece.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::coalition::Coalitions;

    #[test]
    fn a_word_is_left_out_wherever_it_stands() {
        let words = Words::of("My card, my card was billed 3.50 twice! 卡");
        assert_eq!(
            words.names(),
            ["My", "card", "my", "was", "billed", "3.50", "twice", "卡"]
        );
        let mut sets = Coalitions::new(words.names().len());
        sets.push([0, 2, 5]);
        sets.push_all();
        let texts: Vec<String> = sets.iter().map(|set| words.with(set)).collect();
        assert_eq!((words.times(1), words.times(0)), (2, 1));
        assert_eq!(texts[0], "My , my    3.50 ! ");
        assert_eq!(texts[1], "My card, my card was billed 3.50 twice! 卡");
        assert!(Words::of(" ,.").names().is_empty());
    }
}
