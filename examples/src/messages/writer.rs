//! Writes a message: a frame, what it is about, and slips of the fingers.

use rand_chacha::ChaCha8Rng;

use super::phrases::{
    CHINESE, CHINESE_AFTER, CHINESE_BEFORE, CHINESE_WORDS, ENGLISH, ENGLISH_AFTER, ENGLISH_BEFORE,
    ENGLISH_WORDS,
};
use super::{INTENTS, Message};
use crate::draw::{chance, one_of, whole};

/// Share of messages that were filed under another intent than the customer's.
const MISFILED: f64 = 0.02;

/// Share of English messages with a slip in a word, and of those with one more.
const SLIP: f64 = 0.5;

pub(super) fn message(rng: &mut ChaCha8Rng, intent: usize, chinese: f64) -> Message {
    let text = if chance(rng, chinese) {
        let phrase = one_of(rng, CHINESE[intent]);
        let body = filled(rng, phrase, &CHINESE_WORDS);
        let mut text = framed(rng, &CHINESE_BEFORE, &body, &CHINESE_AFTER, "");
        if chance(rng, 0.2) {
            text = without_one(rng, &text);
        }
        text
    } else {
        let phrase = one_of(rng, ENGLISH[intent]);
        let body = filled(rng, phrase, &ENGLISH_WORDS);
        let mut text = framed(rng, &ENGLISH_BEFORE, &body, &ENGLISH_AFTER, " ");
        if chance(rng, 0.3) {
            text = text.to_lowercase();
        }
        while chance(rng, SLIP) {
            text = slipped(rng, &text);
        }
        text
    };
    let filed = if chance(rng, MISFILED) {
        // Below the number of intents.
        whole(rng, 0, INTENTS.len() as u32 - 1) as usize
    } else {
        intent
    };
    Message {
        text,
        intent: INTENTS[filed],
    }
}

/// The phrase with one of its words for each name in braces.
fn filled(rng: &mut ChaCha8Rng, phrase: &str, words: &[(&str, &[&str])]) -> String {
    let mut text = String::new();
    let mut rest = phrase;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        let choice = words.iter().find(|(known, _)| *known == name);
        text.push_str(before);
        text.push_str(choice.map_or(name, |(_, words)| one_of(rng, words)));
        rest = behind;
    }
    text + rest
}

fn framed(rng: &mut ChaCha8Rng, before: &[&str], body: &str, after: &[&str], between: &str) -> String {
    let mut parts = Vec::new();
    if chance(rng, 0.5) {
        parts.push(one_of(rng, before));
    }
    parts.push(body);
    if chance(rng, 0.5) {
        parts.push(one_of(rng, after));
    }
    parts.join(between)
}

/// With two letters exchanged, one doubled or one left out, inside a word.
fn slipped(rng: &mut ChaCha8Rng, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let inside: Vec<usize> = (1..letters.len().saturating_sub(2))
        .filter(|&at| letters[at - 1..at + 3].iter().all(char::is_ascii_alphabetic))
        .collect();
    if inside.is_empty() {
        return text.to_owned();
    }
    let at = inside[whole(rng, 0, inside.len() as u32 - 1) as usize];
    match whole(rng, 0, 2) {
        0 => letters.swap(at, at + 1),
        1 => letters.insert(at, letters[at]),
        _ => drop(letters.remove(at)),
    }
    letters.into_iter().collect()
}

/// Without one of its characters.
fn without_one(rng: &mut ChaCha8Rng, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    if characters.len() > 6 {
        characters.remove(whole(rng, 0, characters.len() as u32 - 1) as usize);
    }
    characters.into_iter().collect()
}
