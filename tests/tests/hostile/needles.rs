//! Finds bytes that must not be there, in every form in which a program would write them.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Bytes of a secret that are looked for at a time, so that a part of it counts, too.
const PIECE: usize = 16;

/// Shortest form: what is shorter turns up by chance.
const SHORTEST: usize = 7;

#[derive(Default)]
pub struct Needles {
    known: BTreeSet<(String, Vec<u8>)>,
}

impl Needles {
    /// A text, as it is.
    pub fn text(&mut self, name: &str, text: &str) {
        self.add(name, text.as_bytes());
    }

    /// A number of the table: as text and its digits alone, as a program would print it after moving the point, and as IEEE 754.
    pub fn number(&mut self, name: &str, text: &str) {
        let number: f64 = text.parse().unwrap();
        self.text(name, text);
        self.text(name, &text.replace('.', ""));
        self.add(name, &number.to_be_bytes());
        self.add(name, &number.to_le_bytes());
    }

    /// Secret bytes: as they are, and in hex and base64 wherever in a longer text they stand.
    pub fn secret(&mut self, name: &str, secret: &[u8]) {
        for piece in secret.chunks_exact(PIECE) {
            self.whole(name, piece);
        }
    }

    /// The same for bytes of which a part says nothing.
    pub fn whole(&mut self, name: &str, bytes: &[u8]) {
        self.add(name, bytes);
        self.add(name, hex::encode(bytes).as_bytes());
        self.add(name, hex::encode_upper(bytes).as_bytes());
        for shift in 0..3 {
            // What stands before and after decides the characters at both ends.
            let shifted = [&vec![0; shift][..], bytes].concat();
            let text = STANDARD_NO_PAD.encode(&shifted);
            let (from, to) = ((shift * 8).div_ceil(6), shifted.len() * 8 / 6);
            self.add(name, &text.as_bytes()[from..to]);
        }
        // As Rust prints bytes.
        let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
        self.text(name, &list.join(", "));
    }

    fn add(&mut self, name: &str, bytes: &[u8]) {
        assert!(bytes.len() >= SHORTEST, "{name}");
        self.known.insert((name.to_owned(), bytes.to_vec()));
    }

    pub fn number_of_forms(&self) -> usize {
        self.known.len()
    }

    pub fn sharpened(&self) -> Search<'_> {
        let mut search = Search {
            starts: vec![false; 1 << 16],
            by_start: HashMap::new(),
        };
        for (name, bytes) in &self.known {
            let start: [u8; 4] = *bytes.first_chunk().unwrap();
            search.starts[usize::from(u16::from_be_bytes([start[0], start[1]]))] = true;
            search.by_start.entry(start).or_default().push((name, bytes));
        }
        search
    }
}

pub struct Search<'a> {
    starts: Vec<bool>,
    by_start: HashMap<[u8; 4], Vec<(&'a str, &'a [u8])>>,
}

impl Search<'_> {
    /// The names of what is in the bytes.
    pub fn found_in(&self, bytes: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (at, start) in bytes.windows(4).enumerate() {
            if !self.starts[usize::from(u16::from_be_bytes([start[0], start[1]]))] {
                continue;
            }
            let start: [u8; 4] = *start.first_chunk().unwrap();
            for (name, needle) in self.by_start.get(&start).into_iter().flatten() {
                if bytes[at..].starts_with(needle) {
                    found.insert((*name).to_owned());
                }
            }
        }
        found
    }

    /// Every file below a folder with what is in it; files without a find are left out. Also counts the bytes.
    pub fn found_below(&self, path: &Path, bytes: &mut u64) -> Vec<String> {
        if path.is_dir() {
            let below = fs::read_dir(path).unwrap();
            return below
                .flat_map(|file| self.found_below(&file.unwrap().path(), bytes))
                .collect();
        }
        if !path.is_file() {
            // The operator's socket.
            return Vec::new();
        }
        let content = fs::read(path).unwrap();
        *bytes += content.len() as u64;
        let found = self.found_in(&content);
        found
            .into_iter()
            .map(|name| format!("{name} in {}", path.display()))
            .collect()
    }
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret: Vec<u8> = (0..32_u8).map(|byte| byte.wrapping_mul(37) ^ 0xc3).collect();
    let mut needles = Needles::default();
    needles.secret("secret", &secret);
    needles.number("number", "417309.127843");
    let search = needles.sharpened();
    let around = |before: usize, form: &dyn Fn(&[u8]) -> Vec<u8>| {
        form(&[&vec![0xa5; before][..], &secret, &[0x5a; 7]].concat())
    };
    for before in 0..4 {
        for form in [
            &(|bytes: &[u8]| bytes.to_vec()) as &dyn Fn(&[u8]) -> Vec<u8>,
            &|bytes| hex::encode(bytes).into_bytes(),
            &|bytes| hex::encode_upper(bytes).into_bytes(),
            &|bytes| STANDARD_NO_PAD.encode(bytes).into_bytes(),
            &|bytes| format!("{bytes:?}").into_bytes(),
        ] {
            assert_eq!(search.found_in(&around(before, form)).len(), 1, "{before}");
        }
    }
    for text in ["x=417309.127843;", "0.417309127843"] {
        assert!(search.found_in(text.as_bytes()).contains("number"));
    }
    assert!(
        search
            .found_in(&417_309.127_843_f64.to_le_bytes())
            .contains("number")
    );
    assert!(search.found_in(b"nothing of the kind").is_empty());
}
