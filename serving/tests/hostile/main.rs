//! Bodies that no application sent, through the reader of requests: good ones are cut, flipped, spliced, and given lengths and numbers of every
//! size. Whatever comes of it, the reader must not panic, must take no more memory than a few times the body, and must read nothing that is another
//! request when it is written and read again.
//!
//! The same mutations come each time; `VEILSUM_MUTATIONS` says how many. The fuzzer `requests` goes on from there, and starts from
//! `fuzz/corpus/requests`, which `VEILSUM_FREEZE=1 cargo test -p veilsum-serving --test hostile` writes anew.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[path = "../../../protocol/tests/hostile/counting.rs"]
mod counting;
mod rewritten;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde_json::{Value, json};

use counting::Counting;
use rewritten::{most_bytes, try_all};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MUTATIONS: u64 = 200_000;

/// What stands in requests, and what has stopped readers of JSON before.
const WORDS: [&str; 22] = [
    "null",
    "true",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\"\"",
    "-1",
    "0",
    "1e999",
    "-0.0",
    "18446744073709551615",
    "9223372036854775807",
    "4294967296",
    "0.1e-400",
    "\\ud800",
    "\"BYTES\"",
    "\"BOOL\"",
    "\"FP64\"",
    "\"data\":",
    "\"binary_data_size\":",
];
/// Lengths at the edges of what a number holds.
const LENGTHS: [u32; 8] = [0, 1, 3, 0x7f, 0xffff, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff];

fn framed(text: &Value, binary: Option<&[u8]>) -> Vec<u8> {
    let text = text.to_string();
    let head = binary.map_or(u32::MAX, |_| u32::try_from(text.len()).unwrap());
    [&head.to_le_bytes(), text.as_bytes(), binary.unwrap_or_default()].concat()
}

/// Good requests, by the names of their files.
fn good() -> BTreeMap<&'static str, Vec<u8>> {
    let binary = |name: &str, kind: &str, shape: &[u32], size: usize| json!({ "name": name, "datatype": kind, "shape": shape, "parameters": { "binary_data_size": size } });
    let mut good = BTreeMap::new();
    good.insert("json", framed(&json!({ "id": "r-1", "parameters": { "routing_key": "k", "other": [1, { "a": null }] }, "inputs": [
        { "name": "age", "datatype": "FP32", "shape": [2], "data": [40, 21.5] },
        { "name": "income", "datatype": "FP64", "shape": [2], "data": [30000.25, null] },
        { "name": "region", "datatype": "BYTES", "shape": [2, 1], "data": [["north"], ["s\u{fc}d\n"]] },
        { "name": "flag", "datatype": "BOOL", "shape": [2], "data": [true, false] },
        { "name": "steps", "datatype": "INT16", "shape": [2, 2], "data": [[1, -2], [3, 32767]] },
    ], "outputs": [{ "name": "score", "parameters": { "binary_data": true } }, { "name": "label" }] }), None));
    let numbers = [
        1.5_f64.to_le_bytes(),
        f64::NAN.to_le_bytes(),
        u64::MAX.to_le_bytes(),
    ]
    .concat();
    let mixed = json!({ "parameters": { "binary_data_output": true }, "inputs": [
        binary("income", "FP64", &[3], 24),
        binary("age", "UINT8", &[3], 3),
        { "name": "count", "datatype": "INT64", "shape": [3], "data": [i64::MIN, 0, i64::MAX] },
        binary("flag", "BOOL", &[3], 3),
        binary("region", "BYTES", &[3], 17),
    ] });
    let texts = b"\x05\0\0\0north\0\0\0\0\0\0\0\0";
    good.insert(
        "binary",
        framed(
            &mixed,
            Some(&[&numbers, &[1, 2, 255][..], &[1, 0, 1], texts].concat()),
        ),
    );
    good.insert("explain", framed(&json!({ "inputs": [{ "name": "x", "datatype": "UINT64", "shape": [1], "data": [u64::MAX] }], "explain": {
        "method": "lime", "output": "high", "coalitions": 64, "adverse": "lower", "protected": ["age"], "threshold": 0.3, "fixed": ["region"], "changes": 2,
    } }), None));
    good.insert(
        "one",
        framed(
            &json!({ "inputs": [binary("x", "INT32", &[1], 4)] }),
            Some(&[1, 2, 3, 4]),
        ),
    );
    good
}

/// xorshift64 of Marsaglia.
struct Draws(u64);

impl Draws {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(most.max(1)).unwrap()).unwrap()
    }

    fn mutated(&mut self, good: &[&[u8]]) -> Vec<u8> {
        let mut bytes = good[self.below(good.len())].to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(9) {
                0 => bytes.truncate(at),
                1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                2 if !bytes.is_empty() => bytes[at] = u8::try_from(self.below(256)).unwrap(),
                3 => drop(bytes.splice(at..at, WORDS[self.below(WORDS.len())].bytes())),
                // A length of four bytes, where the head's stands or anywhere.
                4 => {
                    let at = if self.below(2) == 0 { 0 } else { at };
                    if let Some(four) = bytes.get_mut(at..at + 4) {
                        four.copy_from_slice(&LENGTHS[self.below(LENGTHS.len())].to_le_bytes());
                    }
                }
                5 => self.number(&mut bytes),
                6 => {
                    let to = at + self.below(64).min(bytes.len() - at);
                    let again = bytes[at..to].to_vec();
                    bytes.splice(at..at, again);
                }
                7 => {
                    let to = at + self.below(16).min(bytes.len() - at);
                    bytes.drain(at..to);
                }
                _ => {
                    let other = good[self.below(good.len())];
                    let from = self.below(other.len());
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
            }
        }
        // Where lengths of the text changed, the head is mostly right again, so that what lies behind it is reached.
        let end = bytes.iter().rposition(|&byte| byte == b'}');
        if let Some(end) = end.filter(|_| self.below(4) > 0)
            && bytes.len() > 4
            && bytes[..4] != [255; 4]
            && end >= 4
        {
            bytes[..4].copy_from_slice(&u32::try_from(end - 3).unwrap().to_le_bytes());
        }
        bytes
    }

    /// Another number in the place of one of the text.
    fn number(&mut self, bytes: &mut Vec<u8>) {
        let digit = |&at: &usize| bytes[at].is_ascii_digit();
        let places: Vec<usize> = (4..bytes.len()).filter(digit).collect();
        let Some(&at) = places.get(self.below(places.len())) else {
            return;
        };
        let to = (at..bytes.len())
            .find(|&to| !bytes[to].is_ascii_digit())
            .unwrap_or(bytes.len());
        let numbers = [
            "0",
            "1",
            "2",
            "3",
            "7",
            "255",
            "256",
            "65536",
            "1048577",
            "-1",
            "1.0",
            "1e400",
            "9223372036854775808",
        ];
        bytes.splice(at..to, numbers[self.below(numbers.len())].bytes());
    }
}

/// Whether bytes were taken; and what is wrong, if anything is.
fn tried(bytes: &[u8]) -> Result<bool, String> {
    // Only the reading counts: what writes again is the test's own.
    let read = || {
        if let Some((head, body)) = rewritten::framed(bytes) {
            drop(veilsum_serving::read_request(body, head, rewritten::LIMITS));
        }
    };
    let (read, peak) = counting::peak_of(|| catch_unwind(AssertUnwindSafe(read)));
    if read.is_err() {
        return Err("the reader panicked".to_owned());
    }
    let most = most_bytes(bytes.len());
    if peak > most {
        return Err(format!(
            "it took {peak} bytes of memory for {}, expected at most {most}",
            bytes.len()
        ));
    }
    catch_unwind(|| try_all(bytes)).map_err(|_| "it is another request when it is read again".to_owned())
}

#[test]
fn no_body_stops_the_reader_or_takes_much_memory_or_has_two_meanings() {
    let good = good();
    let seeds: Vec<&[u8]> = good.values().map(Vec::as_slice).collect();
    for (name, bytes) in &good {
        assert_eq!(tried(bytes), Ok(true), "{name}");
    }
    let mutations =
        std::env::var("VEILSUM_MUTATIONS").map_or(MUTATIONS, |count| count.parse::<u64>().unwrap());
    let mut draws = Draws(88_172_645_463_325_252);
    let mut taken = 0_u64;
    for number in 0..mutations {
        let bytes = draws.mutated(&seeds);
        match tried(&bytes) {
            Ok(was_taken) => taken += u64::from(was_taken),
            Err(problem) => panic!("mutation {number}: {problem}\n{}", bytes.escape_ascii()),
        }
    }
    // Enough of both, or it tries nothing: some are good still.
    assert!(
        taken > mutations / 50 && taken < mutations / 2,
        "{taken} of {mutations} were taken"
    );
}

/// Bodies made to take much room for few bytes.
#[test]
fn what_swells_is_held_to_a_few_times_the_body() {
    let input = r#"{"name":"x","datatype":"FP64","shape":[1],"data":[1]}"#;
    let many = |part: &str| vec![part; 20_000].join(",");
    let nested = format!("{}0{}", r#"{"":"#.repeat(100), "}".repeat(100));
    for (what, text) in [
        (
            "maps in parameters",
            format!(
                r#"{{"parameters":{{"x":[{}]}},"inputs":[{input}]}}"#,
                many(r#"{"":0}"#)
            ),
        ),
        (
            "deep maps in parameters",
            format!(
                r#"{{"parameters":{{"x":[{}]}},"inputs":[{input}]}}"#,
                many(&nested)
            ),
        ),
        (
            "parameters of each input",
            format!(
                r#"{{"inputs":[{}]}}"#,
                many(r#"{"name":"","datatype":"","shape":[],"parameters":{"":0}}"#)
            ),
        ),
        (
            "outputs",
            format!(r#"{{"outputs":[{}],"inputs":[{input}]}}"#, many(r#"{"name":""}"#)),
        ),
        (
            "a shape",
            format!(
                r#"{{"inputs":[{{"name":"x","datatype":"FP64","shape":[{}],"data":[1]}}]}}"#,
                many("1")
            ),
        ),
        (
            "texts",
            format!(
                r#"{{"inputs":[{{"name":"x","datatype":"BYTES","shape":[20000],"data":[{}]}}]}}"#,
                many(r#""""#)
            ),
        ),
        (
            "nulls",
            format!(
                r#"{{"inputs":[{{"name":"x","datatype":"BYTES","shape":[20000],"data":[{}]}}]}}"#,
                many("null")
            ),
        ),
        (
            "a shape without elements",
            r#"{"inputs":[{"name":"x","datatype":"FP64","shape":[1048576],"data":[1]}]}"#.to_owned(),
        ),
    ] {
        let bytes = [&u32::MAX.to_le_bytes(), text.as_bytes()].concat();
        if let Err(problem) = tried(&bytes) {
            panic!("{what}: {problem}");
        }
    }
    // Texts of no bytes in binary form, of four bytes of length each.
    let head = r#"{"inputs":[{"name":"x","datatype":"BYTES","shape":[20000],"parameters":{"binary_data_size":80000}}]}"#;
    let length = u32::try_from(head.len()).unwrap().to_le_bytes();
    let bytes = [&length, head.as_bytes(), &[0; 80_000]].concat();
    assert_eq!(tried(&bytes), Ok(true));
}

#[test]
fn the_fuzzer_starts_from_good_requests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/requests");
    let good = good();
    if std::env::var_os("VEILSUM_FREEZE").is_some_and(|value| value == "1") {
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in &good {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
    let stored: BTreeMap<String, Vec<u8>> = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| {
            (
                file.file_name().into_string().unwrap(),
                fs::read(file.path()).unwrap(),
            )
        })
        .collect();
    let good: BTreeMap<String, Vec<u8>> = good
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .collect();
    assert!(
        stored == good,
        "fuzz/corpus/requests is not of this list; the head of this file says how to write it anew"
    );
}
