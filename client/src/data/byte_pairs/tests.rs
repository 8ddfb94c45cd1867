#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use proptest::prelude::*;
use regex::Regex;

use super::*;

/// The first 60 merges of GPT-2's `vocab.bpe` (Radford and others 2019).
const GPT2: &str = "Ġ t,Ġ a,h e,i n,r e,o n,Ġt he,e r,Ġ s,a t,Ġ w,Ġ o,e n,Ġ c,i t,i s,a n,o r,e s,Ġ b,e d,Ġ f,in g,Ġ p,o u,Ġa n,a l,a r,\
                    Ġt o,Ġ m,Ġo f,Ġ in,Ġ d,Ġ h,Ġan d,i c,a s,l e,Ġt h,i on,o m,l l,en t,Ġ n,Ġ l,s t,Ġ re,v e,Ġ e,r o,l y,Ġb e,Ġ g,Ġ T,c t,\
                    Ġ S,i d,o t,Ġ I,u t";

fn merges(lines: impl IntoIterator<Item = impl Into<String>>) -> Merges {
    Merges::new(lines.into_iter().map(Into::into).collect()).unwrap()
}

fn gpt2() -> Merges {
    merges(GPT2.split(','))
}

/// The text that numbers stand for.
fn decoded(merges: &Merges, numbers: &[u32]) -> Vec<u8> {
    let bytes: HashMap<char, u8> = Merges::alphabet().zip(0..=u8::MAX).collect();
    let made = merges.pairs().map(|(left, right)| format!("{left}{right}"));
    let symbols: Vec<String> = Merges::alphabet().map(String::from).chain(made).collect();
    let spelt = numbers.iter().map(|number| &symbols[*number as usize - 1]);
    spelt
        .flat_map(|symbol| symbol.chars().map(|c| bytes[&c]))
        .collect()
}

/// answers.py writes them, and the package `tokenizers` for Python gives the same.
#[test]
fn texts_have_the_numbers_that_an_independent_program_gives() {
    let merges = gpt2();
    let tokeniser = BytePairs::new(&merges);
    #[rustfmt::skip]
    let answers: [(&str, &[u32]); 6] = [
        ("The hat in the rain isn't theirs",
         &[85, 259, 290, 266, 288, 263, 33, 115, 98, 260, 33, 272, 111, 40, 117, 263, 106, 115, 116]),
        ("I've  lost\tmy card, and 12.50 EUR!",
         &[74, 40, 304, 33, 301, 112, 302, 10, 110, 122, 270, 284, 101, 45, 291, 33, 50, 51, 47, 54, 49, 33, 70, 86, 83, 34]),
        ("\n\n a\n", &[11, 11, 258, 11]),
        ("straße", &[302, 115, 98, 196, 160, 102]),
        ("转账失败 🎉", &[233, 190, 173, 233, 181, 167, 230, 165, 178, 233, 181, 166, 33, 241, 160, 143, 138]),
        ("", &[]),
    ];
    for (text, numbers) in answers {
        assert_eq!(tokeniser.numbers(text, 1024), numbers, "{text:?}");
        assert_eq!(decoded(&merges, numbers), text.as_bytes());
    }
    assert_eq!(
        tokeniser.numbers("The hat in the rain", 4),
        [85, 259, 290, 266],
        "cut behind the fourth"
    );
}

#[test]
fn letters_are_neither_folded_nor_composed() {
    let merges = gpt2();
    let tokeniser = BytePairs::new(&merges);
    let [composed, apart, upper] =
        ["é", "e\u{301}", "É"].map(|text| decoded(&merges, &tokeniser.numbers(text, 8)));
    assert_eq!(
        (composed, apart, upper),
        (vec![0xc3, 0xa9], vec![0x65, 0xcc, 0x81], vec![0xc3, 0x89])
    );
}

/// A text is looked at up to 256 bytes for each token that counts, back to a whole character.
#[test]
fn what_cannot_count_is_not_looked_at() {
    let lines = merges((0..8).map(|power: u32| format!("{0} {0}", "a".repeat(1 << power))));
    let tokeniser = BytePairs::new(&lines);
    let longest = 257 + 7;
    assert_eq!(
        tokeniser.numbers(&"a".repeat(1 << 20), 3),
        [longest; 3],
        "whole symbols as far as is looked"
    );
    assert_eq!(
        pieces(&"转".repeat(1 << 20), 1).get_splits(OffsetReferential::Original, OffsetType::Byte)[0].1,
        (0, 255)
    );
    // Nothing in a cell of the greatest length makes the pattern give up.
    for character in [" ", "\n", "a", "1", "!", "'", "转"] {
        let text = character.repeat(16 << 20);
        let numbers = tokeniser.numbers(&text, 1024);
        assert_eq!(numbers.len(), 1024, "{character:?}");
        assert_eq!(
            numbers,
            slow(&lines, &text[..text.floor_char_boundary(1024 * 256)], 1024),
            "{character:?}"
        );
    }
}

/// GPT-2's pattern without a regular expression: which kind a character is of is asked of the regex crate, one by one.
struct Kinds {
    letter: Regex,
    digit: Regex,
    blank: Regex,
}

impl Kinds {
    fn new() -> Self {
        let of = |class: &str| Regex::new(&format!("^{class}$")).unwrap();
        Self {
            letter: of(r"\p{L}"),
            digit: of(r"\p{N}"),
            blank: of(r"\s"),
        }
    }

    fn of(&self, c: char) -> u8 {
        let c = c.to_string();
        if self.blank.is_match(&c) {
            0
        } else if self.letter.is_match(&c) {
            1
        } else if self.digit.is_match(&c) {
            2
        } else {
            3
        }
    }

    fn pieces(&self, text: &str) -> Vec<String> {
        let text: Vec<char> = text.chars().collect();
        let kinds: Vec<u8> = text.iter().map(|c| self.of(*c)).collect();
        let mut found = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let ends = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
            let short = ends.iter().find(|end| {
                end.chars()
                    .enumerate()
                    .all(|(behind, c)| text.get(at + behind) == Some(&c))
            });
            let mut end = at + short.map_or(0, |end| end.len());
            if short.is_none() {
                let begins_a_word = text[at] == ' ' && kinds.get(at + 1).is_some_and(|kind| *kind != 0);
                let first = at + usize::from(begins_a_word);
                end = first + 1;
                while end < text.len() && kinds[end] == kinds[first] {
                    end += 1;
                }
                // The last of several blanks belongs to what comes behind it, or stands alone.
                if kinds[first] == 0 && end < text.len() && end - at > 1 {
                    end -= 1;
                }
            }
            found.push(text[at..end].iter().collect());
            at = end;
        }
        found
    }
}

/// Byte-pair encoding as docs/models.md defines it, step by step.
fn slow(merges: &Merges, text: &str, most: usize) -> Vec<u32> {
    let alphabet: Vec<char> = Merges::alphabet().collect();
    let rank: HashMap<(&str, &str), usize> = merges.pairs().zip(0..).collect();
    let bytes = alphabet.iter().map(char::to_string).zip(1_u32..);
    let made = merges.pairs().map(|(left, right)| format!("{left}{right}"));
    let number: HashMap<String, u32> = bytes.chain(made.zip(257..)).collect();
    let mut numbers = Vec::new();
    for piece in Kinds::new().pieces(text) {
        let mut word: Vec<String> = piece
            .bytes()
            .map(|byte| alphabet[usize::from(byte)].to_string())
            .collect();
        loop {
            let pairs = word.windows(2);
            let ranks = pairs.filter_map(|pair| rank.get(&(pair[0].as_str(), pair[1].as_str())));
            let Some(first) = ranks.min() else { break };
            let (left, right) = merges.pairs().nth(*first).unwrap();
            let mut joined: Vec<String> = Vec::new();
            let mut symbols = word.into_iter().peekable();
            while let Some(symbol) = symbols.next() {
                if symbol == left && symbols.peek().is_some_and(|next| next == right) {
                    symbols.next();
                    joined.push(format!("{left}{right}"));
                } else {
                    joined.push(symbol);
                }
            }
            word = joined;
        }
        numbers.extend(word.iter().map(|symbol| number[symbol]));
        if numbers.len() >= most {
            break;
        }
    }
    numbers.truncate(most);
    numbers
}

/// Up to 40 merges over the bytes of `TEXT`, each of two symbols that are there; picks of what is there already are left out.
fn random_merges() -> impl Strategy<Value = Merges> {
    let bytes: Vec<usize> = "ab' \u{e9}转🎉".bytes().map(usize::from).collect();
    proptest::collection::vec(
        (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        1..40,
    )
    .prop_map(move |picks| {
        let alphabet: Vec<char> = Merges::alphabet().collect();
        let mut symbols: Vec<String> = bytes.iter().map(|byte| alphabet[*byte].to_string()).collect();
        symbols.sort();
        symbols.dedup();
        let mut lines = Vec::new();
        for (left, right) in picks {
            let (left, right) = (left.get(&symbols).clone(), right.get(&symbols).clone());
            let made = format!("{left}{right}");
            if symbols.contains(&made) || made.chars().count() > Merges::LONGEST {
                continue;
            }
            lines.push(format!("{left} {right}"));
            symbols.push(made);
        }
        merges(lines)
    })
}

const TEXT: &str = "[ab' \u{e9}转🎉]{0,40}|\\PC{0,30}|[ab'strevdml \n\t\u{3000}]{0,40}";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_has_the_numbers_of_a_plain_slow_encoder(
        merges in random_merges(),
        text in TEXT,
        most in 1_usize..24,
    ) {
        let tokeniser = BytePairs::new(&merges);
        let all = tokeniser.numbers(&text, 1024);
        prop_assert_eq!(&all, &slow(&merges, &text, 1024));
        prop_assert_eq!(decoded(&merges, &all), text.as_bytes());
        let first = tokeniser.numbers(&text, most);
        prop_assert_eq!(first, &all[..most.min(all.len())]);
    }
}
