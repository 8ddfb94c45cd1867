use std::collections::HashSet;
use std::ops::RangeInclusive;

use thiserror::Error;

/// Numbers ahead of the first merge's: padding, and one for each byte.
const BEFORE_MERGES: usize = 1 + 256;
/// Characters of a wrong merge that are shown.
const SHOWN: usize = 64;

/// The agreed merges of a text's bytes, in order: each joins two symbols that are there before it to one that is not.
///
/// They are written as in GPT-2's `merges.txt`: two symbols with a space between them, in an alphabet that has one printable character for
/// each byte ([`Merges::alphabet`]). Sennrich, Haddow and Birch 2016, Neural Machine Translation of Rare Words with Subword Units; Radford and
/// others 2019, Language Models are Unsupervised Multitask Learners, section 2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merges(Vec<String>);

/// Why a list of merges is refused: what stands at which place of it, and what should.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("found {found}, expected {expected}")]
pub struct WrongMerge {
    /// The merge and its place, from 1; or how many there are.
    pub found: String,
    /// What should stand there.
    pub expected: String,
}

impl Merges {
    /// How many there may be.
    pub const COUNT: RangeInclusive<usize> = 1..=65_536;
    /// Bytes that the longest symbol stands for.
    pub const LONGEST: usize = 256;

    /// Checks a list.
    ///
    /// # Errors
    /// When it is too short or too long, or the first merge that is not two symbols that are there before it, makes one that is there already, or
    /// makes one of more than [`Merges::LONGEST`] bytes.
    pub fn new(lines: Vec<String>) -> Result<Self, WrongMerge> {
        if !Self::COUNT.contains(&lines.len()) {
            return Err(WrongMerge {
                found: format!("{} entries", lines.len()),
                expected: format!("{} to {}", Self::COUNT.start(), Self::COUNT.end()),
            });
        }
        let bytes: HashSet<char> = Self::alphabet().collect();
        let mut symbols: HashSet<String> = bytes.iter().map(char::to_string).collect();
        for (line, place) in lines.iter().zip(1..) {
            let made = made(line, &symbols, &bytes).map_err(|expected| WrongMerge {
                found: format!("{:?} as merge {place}", shown(line)),
                expected,
            })?;
            symbols.insert(made);
        }
        Ok(Self(lines))
    }

    /// The merges as they are written, in order.
    pub fn lines(&self) -> &[String] {
        &self.0
    }

    /// The two symbols of each merge, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|line| line.split_once(' '))
    }

    /// Token numbers that there are: 0 for padding, `1 + b` for byte `b`, and `257 + i` for what the merge at place `i`, from 0, makes.
    pub fn vocabulary(&self) -> usize {
        BEFORE_MERGES + self.0.len()
    }

    /// The characters that the bytes 0 to 255 are written as: printable ones of Latin-1 as themselves, the other 68, in their order, as the
    /// characters from U+0100. A space is `Ġ`.
    ///
    /// GPT-2's `bytes_to_unicode`.
    pub fn alphabet() -> impl Iterator<Item = char> {
        let mut others = '\u{100}'..='\u{143}';
        (0..=u8::MAX).map(move |byte| match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae.. => char::from(byte),
            _ => others
                .next()
                .expect("68 bytes are not printable, and as many characters stand for them"),
        })
    }
}

/// The symbol that a merge makes, or what was expected in its place.
fn made(line: &str, symbols: &HashSet<String>, bytes: &HashSet<char>) -> Result<String, String> {
    let (left, right) = line
        .split_once(' ')
        .filter(|(_, right)| !right.contains(' '))
        .ok_or("two symbols with one space between them, such as \"h e\"")?;
    for symbol in [left, right] {
        if symbols.contains(symbol) {
            continue;
        }
        return Err(
            match symbol.chars().find(|character| !bytes.contains(character)) {
                Some(foreign) => format!(
                    "symbols in GPT-2's alphabet, which has one character for each byte and none that is {foreign:?}; `veilsum-client schema \
                 merges` writes them so"
                ),
                None => format!(
                    "a byte or what a merge before it makes, which {:?} is not; the line \"#version\" of a merges.txt is no merge",
                    shown(symbol)
                ),
            },
        );
    }
    let made = format!("{left}{right}");
    if symbols.contains(&made) {
        return Err(format!(
            "a merge that makes something new, which {:?} is not: a merge before it makes that already",
            shown(&made)
        ));
    }
    let length = made.chars().count();
    if length > Merges::LONGEST {
        return Err(format!(
            "one that makes a symbol of at most {} bytes, not {length}",
            Merges::LONGEST
        ));
    }
    Ok(made)
}

/// The beginning of a text that may be long.
fn shown(text: &str) -> &str {
    text.char_indices()
        .nth(SHOWN)
        .and_then(|(end, _)| text.get(..end))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn merges(lines: &[&str]) -> Result<Merges, WrongMerge> {
        Merges::new(lines.iter().map(|line| (*line).to_owned()).collect())
    }

    /// By hand from GPT-2's `bytes_to_unicode`: those that stand for themselves, and the ends of the three runs that do not.
    #[test]
    fn each_byte_has_a_character_of_its_own() {
        let alphabet: Vec<char> = Merges::alphabet().collect();
        assert_eq!(alphabet.len(), 256);
        for (byte, character) in [
            (0, 'Ā'),
            (b'\n', 'Ċ'),
            (b' ', 'Ġ'),
            (b'!', '!'),
            (b'~', '~'),
            (0x7f, 'ġ'),
            (0xa0, 'ł'),
            (0xa1, '¡'),
            (0xac, '¬'),
            (0xad, 'Ń'),
            (0xae, '®'),
            (0xff, 'ÿ'),
        ] {
            assert_eq!(alphabet[usize::from(byte)], character, "{byte}");
        }
        assert_eq!(alphabet.iter().collect::<HashSet<_>>().len(), 256);
        assert!(alphabet.iter().all(|c| !c.is_control() && !c.is_whitespace()));
    }

    #[test]
    fn merges_build_on_those_before_them() {
        let good = merges(&["h e", "Ġ t", "Ġt he", "\" \\", "æ ī"]).unwrap();
        assert_eq!(good.vocabulary(), 262);
        assert_eq!(good.pairs().nth(2), Some(("Ġt", "he")));
        assert_eq!(good.lines()[3], "\" \\");
    }

    #[test]
    fn each_wrong_merge_is_named_with_its_place() {
        for (lines, message) in [
            (&[][..], "found 0 entries, expected 1 to 65536"),
            (
                &["h e", "he"],
                "found \"he\" as merge 2, expected two symbols with one space between them",
            ),
            (
                &["h e", "l l o"],
                "found \"l l o\" as merge 2, expected two symbols",
            ),
            (&["h  e"], "found \"h  e\" as merge 1, expected two symbols"),
            (
                &[" e"],
                "a byte or what a merge before it makes, which \"\" is not",
            ),
            (
                &["#version: 0.2"],
                "found \"#version: 0.2\" as merge 1, expected a byte or what a merge before it makes, which \"#version:\" is not",
            ),
            (
                &["t h", "Ġt he"],
                "found \"Ġt he\" as merge 2, expected a byte or what a merge before it makes, which \"Ġt\" is not",
            ),
            (&["转 账"], "one character for each byte and none that is '转'"),
            (&["a\tb c"], "one character for each byte and none that is '\\t'"),
            (
                &["h e", "Ġ t", "h e"],
                "found \"h e\" as merge 3, expected a merge that makes something new, which \"he\" is not",
            ),
            (
                &["a b", "b c", "ab c", "a bc"],
                "found \"a bc\" as merge 4, expected a merge that makes something new, which \"abc\" is not",
            ),
        ] {
            let error = merges(lines).unwrap_err().to_string();
            assert!(error.contains(message), "{lines:?}: {error}");
        }
    }

    #[test]
    fn symbols_are_short_and_lists_bounded() {
        let doubled = |times: u32| {
            let of = |power: u32| "a".repeat(1 << power);
            (0..times).map(|power| format!("{0} {0}", of(power))).collect()
        };
        assert_eq!(Merges::new(doubled(8)).unwrap().vocabulary(), 265);
        let error = Merges::new(doubled(9)).unwrap_err();
        assert_eq!(
            error.expected,
            "one that makes a symbol of at most 256 bytes, not 512"
        );
        // A long line is not shown whole.
        assert!(
            error.found.len() < 100 && error.found.ends_with("as merge 9"),
            "{error}"
        );
        let alphabet: Vec<char> = Merges::alphabet().collect();
        let all = |lines: usize| {
            let pairs = (0..).map(|at| format!("{} {}", alphabet[at % 256], alphabet[at / 256]));
            Merges::new(pairs.take(lines).collect())
        };
        assert_eq!(all(65_536).unwrap().vocabulary(), 65_793);
        let pair = |at: usize| format!("{} {}", alphabet[at % 256], alphabet[at / 256]);
        let more = (0..65_536).map(pair).chain(["aa a".to_owned()]).collect();
        assert_eq!(
            Merges::new(more).unwrap_err().to_string(),
            "found 65537 entries, expected 1 to 65536"
        );
    }
}
