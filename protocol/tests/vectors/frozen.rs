//! The files of `v1/`: compared with what was made in memory, or written anew.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use veilsum_protocol::ids::Digest;

/// Every file, so that none is left behind that no test makes.
const FILES: [&str; 7] = [
    "bundle",
    "derivations",
    "entries",
    "frames",
    "masks",
    "round",
    "statements",
];

/// Longer bytes are kept as their hash.
const SHOWN_BYTES: usize = 400;

/// A line of a file is this long at most, unless it is one value.
const LINE: usize = 160;

fn path(name: &str) -> PathBuf {
    [
        env!("CARGO_MANIFEST_DIR"),
        "tests/vectors/v1",
        &format!("{name}.json"),
    ]
    .iter()
    .collect()
}

fn freezes() -> bool {
    std::env::var_os("VEILSUM_FREEZE").is_some_and(|value| value == "1")
}

/// Compares `found` with `v1/<name>.json`; writes it there when `VEILSUM_FREEZE` is 1.
pub fn check(name: &str, found: &Value) {
    assert!(FILES.contains(&name), "{name} is no file of v1");
    if freezes() {
        fs::write(path(name), lines(found, 0) + "\n").unwrap();
        return;
    }
    let stored = fs::read_to_string(path(name)).ok();
    if let Err(difference) = compare(stored.as_deref(), found) {
        panic!("v1/{name}.json: {difference}. If this form is meant to change, freeze it: see main.rs");
    }
}

fn compare(stored: Option<&str>, found: &Value) -> Result<(), String> {
    let stored = stored.ok_or("the file is missing")?;
    let stored: Value = serde_json::from_str(stored).map_err(|error| error.to_string())?;
    difference(&stored, found, String::new()).map_or(Ok(()), Err)
}

/// The first place where they differ, in words.
fn difference(stored: &Value, found: &Value, at: String) -> Option<String> {
    match (stored, found) {
        (Value::Array(stored), Value::Array(found)) => {
            let inside = stored
                .iter()
                .zip(found)
                .enumerate()
                .find_map(|(i, (stored, found))| difference(stored, found, format!("{at}[{i}]")));
            let lengths = (stored.len() != found.len())
                .then(|| format!("{at}: frozen {} items, found {}", stored.len(), found.len()));
            inside.or(lengths)
        }
        (Value::Object(stored), Value::Object(found)) => {
            let changed = stored.iter().find_map(|(key, stored)| match found.get(key) {
                None => Some(format!("{at}.{key} is frozen and was not made")),
                Some(found) => difference(stored, found, format!("{at}.{key}")),
            });
            let added = || found.keys().find(|key| !stored.contains_key(*key));
            changed.or_else(|| added().map(|key| format!("{at}.{key} was made and is not frozen")))
        }
        _ => (stored != found).then(|| format!("{at}: frozen {stored}, found {found}")),
    }
}

/// JSON that a person can read and a diff can show: whatever fits goes on one line.
fn lines(value: &Value, depth: usize) -> String {
    let flat = value.to_string();
    let (open, close, inner): (_, _, Vec<String>) = match value {
        Value::Array(items) if flat.len() > LINE => (
            "[",
            "]",
            items.iter().map(|item| lines(item, depth + 1)).collect(),
        ),
        Value::Object(fields) if flat.len() > LINE => (
            "{",
            "}",
            fields
                .iter()
                .map(|(key, field)| format!("{}: {}", json!(key), lines(field, depth + 1)))
                .collect(),
        ),
        _ => return flat,
    };
    let (outside, inside) = (" ".repeat(depth), " ".repeat(depth + 1));
    let inner = inner.join(&format!(",\n{inside}"));
    format!("{open}\n{inside}{inner}\n{outside}{close}")
}

/// Bytes as a file keeps them: whole when they are short, else their start; always with their hash.
pub fn shown(bytes: &[u8]) -> Value {
    let hash = Digest::of(bytes).to_hex();
    if bytes.len() <= SHOWN_BYTES {
        json!({ "bytes": hex::encode(bytes), "sha256": hash })
    } else {
        json!({ "starts": hex::encode(&bytes[..64]), "length": bytes.len(), "sha256": hash })
    }
}

#[test]
fn every_file_is_made_by_a_test() {
    let mut found: Vec<String> = fs::read_dir(path("entries").parent().unwrap())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    // While they are being written, some are not there yet.
    let missing = FILES.iter().filter(|name| !freezes() && !path(name).exists());
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&&str>::new());
    let known = |file: &&String| FILES.iter().all(|name| format!("{name}.json") != **file);
    assert_eq!(found.iter().find(known), None, "a file that no test makes");
}

#[test]
fn a_missing_or_different_file_is_told_apart() {
    let found = json!({ "a": [1, { "b": "x" }], "c": null });
    assert_eq!(compare(Some(&lines(&found, 0)), &found), Ok(()));
    for (stored, words) in [
        (None, "the file is missing"),
        (
            Some(r#"{"a": [1, {"b": "y"}], "c": null}"#),
            ".a[1].b: frozen \"y\", found \"x\"",
        ),
        (Some(r#"{"a": [1], "c": null}"#), ".a: frozen 1 items, found 2"),
        (Some(r#"{"a": [1, {"b": "x"}]}"#), ".c was made and is not frozen"),
        (
            Some(r#"{"a": [1, {"b": "x"}], "c": null, "d": 1}"#),
            ".d is frozen and was not made",
        ),
    ] {
        assert_eq!(compare(stored, &found), Err(words.to_owned()));
    }
    assert!(compare(Some("{"), &found).is_err());
}
