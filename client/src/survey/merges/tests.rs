#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use veilsum_protocol::task::Schema;

use super::*;

fn learned(name: &str, text: &str, column: Option<&str>, size: usize) -> Result<LearnedMerges, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    let found = learn(&path, column, size).map_err(|error| error.to_string())?;
    // The same texts in another order give the same.
    let mut lines: Vec<_> = text.lines().collect();
    if column.is_none() {
        lines.reverse();
        fs::write(&path, lines.join("\n")).unwrap();
        assert_eq!(learn(&path, column, size).unwrap().merges, found.merges);
    }
    Ok(found)
}

/// Ten of one word, five of another: the corpus of Hugging Face's course, chapter 6.5, whose first three merges it tells; the fourth is the only
/// other pair that stands ten times.
fn hugs() -> String {
    [("hug", 10), ("pug", 5), ("pun", 12), ("bun", 4), ("hugs", 5)]
        .map(|(word, times)| format!("{word}\n").repeat(times))
        .concat()
}

#[test]
fn the_most_frequent_pair_is_joined_first() {
    let found = learned("words.txt", &hugs(), None, 3).unwrap();
    assert_eq!(found.merges, ["u g", "u n", "h ug"]);
    assert_eq!((found.texts, found.half, found.most, found.tokens), (36, 2, 2, 8));
    let found = learned("words.txt", &hugs(), None, 100).unwrap();
    assert_eq!(found.merges, ["u g", "u n", "h ug", "p un"]);
    let text = found.toml(100);
    for part in [
        "# 4 merges for byte-pair encoding, learned from 36 texts: half of the texts then have at most 1 tokens, 95 % at most 2.\n",
        "# 100 were wanted: no other pair stands 10 times or more in these texts.\n",
        "# Hand these around only if those texts are public.\n",
        "\ntype = \"text\"\ntokens = 8\nmerges = [\n\"u g\",\n\"u n\",\n\"h ug\",\n\"p un\",\n]\n",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

/// What is printed is read again: quotes, backslashes and blanks of a text stand in merges, too.
#[test]
fn the_lines_are_keys_of_a_schema() {
    let text = "say \"转账\" \\ now\n".repeat(10);
    let found = learned("words.txt", &text, None, 64).unwrap();
    let schema = format!(
        "version = 1\nlabel = \"y\"\n[[column]]\nname = \"t\"\n{}",
        found.toml(64)
    );
    let schema = Schema::parse(&schema).unwrap();
    let tokeniser = &schema.text().unwrap().tokeniser;
    assert_eq!(
        *tokeniser,
        veilsum_protocol::task::Tokeniser::BytePairs(Merges::new(found.merges.clone()).unwrap())
    );
    let made: Vec<_> = found.merges.iter().map(|merge| merge.replace(' ', "")).collect();
    // 转 is E8 BD AC, and Ġ a space.
    assert!(made.iter().any(|symbol| symbol == "è½¬è´¦"), "{made:?}");
    assert!(made.iter().any(|symbol| symbol == "Ġ\\"), "{made:?}");
}

#[test]
fn cells_of_a_column_are_read_as_lines_are() {
    let words = hugs();
    let rows: String = words
        .lines()
        .map(|word| format!("secret,\"{word}\n \"\n"))
        .collect();
    let table = format!("id,word\n{rows}secret,\n");
    let found = learned("words.csv", &table, Some("word"), 100).unwrap();
    assert_eq!(found.merges, ["u g", "u n", "h ug", "p un"]);
    assert_eq!(found.texts, 36);
    for (name, text, column, message) in [
        (
            "words.csv",
            &*table,
            Some("text"),
            "found no column \"text\" in the header, expected one of \"id\", \"word\"",
        ),
        (
            "words.csv",
            "a,a\nb,c\n",
            Some("a"),
            "found the column \"a\" twice in the header",
        ),
        (
            "words.CSV",
            &table,
            None,
            "found a table and no --column, expected the name of the column of texts",
        ),
        (
            "words.txt",
            "a\nb\nab\n",
            None,
            "found no two bytes that stand side by side 10 times, expected texts in which some do, 5 pairs",
        ),
        ("words.txt", "", None, "found no two bytes"),
    ] {
        let error = learned(name, text, column, 5).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin1.txt");
    fs::write(&path, b"abc\ncaf\xe9\n").unwrap();
    let error = learn(&path, None, 5).unwrap_err().to_string();
    assert!(
        error.contains("line 2: found bytes that are not UTF-8, expected text in UTF-8"),
        "{error}"
    );
    let error = learn(&folder.path().join("none.txt"), None, 5)
        .unwrap_err()
        .to_string();
    assert!(error.contains("cannot be read"), "{error}");
}

/// Counts all pairs anew for each merge. Letters alone, so that each line is one piece.
fn slow(words: &[String], size: usize) -> Vec<String> {
    let mut ages: Vec<String> = {
        let mut bytes: Vec<char> = Merges::alphabet().collect();
        bytes.sort_unstable();
        bytes.iter().map(char::to_string).collect()
    };
    let mut words: Vec<Vec<usize>> = words
        .iter()
        .map(|word| {
            word.bytes()
                .map(|byte| ages.iter().position(|s| s.as_bytes() == [byte]).unwrap())
                .collect()
        })
        .collect();
    let mut lines = Vec::new();
    while lines.len() < size {
        let mut counts: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for pair in words.iter().flat_map(|word| word.windows(2)) {
            *counts.entry((pair[0], pair[1])).or_default() += 1;
        }
        // The first of the greatest, in the order of ages.
        let Some(most) = counts.values().max().filter(|most| **most >= 10) else {
            break;
        };
        let (left, right) = *counts.iter().find(|(_, count)| *count == most).unwrap().0;
        lines.push(format!("{} {}", ages[left], ages[right]));
        ages.push(format!("{}{}", ages[left], ages[right]));
        for word in &mut words {
            let mut at = 0;
            while at + 1 < word.len() {
                if word[at..at + 2] == [left, right] {
                    word.splice(at..at + 2, [ages.len() - 1]);
                }
                at += 1;
            }
        }
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_texts_give_the_merges_of_a_plain_slow_learner(
        words in proptest::collection::vec("[a-c]{1,12}|a{1,12}|(ab){1,5}", 1..60),
        size in 1_usize..40,
    ) {
        let expected = slow(&words, size);
        match learned("words.txt", &words.join("\n"), None, size) {
            Ok(found) => prop_assert_eq!(found.merges, expected),
            Err(error) => {
                prop_assert!(error.contains("no two bytes"), "{}", error);
                prop_assert!(expected.is_empty());
            }
        }
    }
}
