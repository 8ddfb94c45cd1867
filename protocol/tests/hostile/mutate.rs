//! Good bytes made bad, the same way for the same number.

use veilsum_protocol::ids::Digest;

/// Values that lengths, numbers and tags break at.
const EXTREMES: [u64; 18] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x1_0000,
    0x0040_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

/// Pieces that texts break at.
const PIECES: [&str; 26] = [
    "\n",
    "\n\n",
    "\r\n",
    "\0",
    "\"",
    "'",
    "\"\"\"",
    "\\u0000",
    "\u{2014} ",
    "+",
    " ",
    "=",
    "[",
    "[[",
    "]",
    "{",
    "}",
    ".",
    "-1",
    "nan",
    "-inf",
    "1e999",
    "0.0000001",
    "18446744073709551616",
    "x001/",
    ".p/0",
];

/// Longest text of brackets, for parsers that call themselves.
const DEEP: u64 = 2_000;

pub struct Mutator {
    state: u64,
}

impl Mutator {
    pub fn new(name: &str, number: u64) -> Self {
        let Digest([a, b, c, d, e, f, g, h, ..]) = Digest::of(format!("{name} {number}").as_bytes());
        Self {
            state: u64::from_be_bytes([a, b, c, d, e, f, g, h]) | 1,
        }
    }

    /// Xorshift64 (Marsaglia 2003).
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// One of `good`, changed in one to four ways; `others` are pieces of other kinds.
    pub fn mutate(&mut self, good: &[&[u8]], others: &[Vec<u8>]) -> Vec<u8> {
        if self.below(100) == 0 {
            return self.random(300);
        }
        let mut bytes = self.one(good).to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, good, others);
        }
        bytes
    }

    fn random(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next() as u8).collect()
    }

    fn change(&mut self, bytes: &mut Vec<u8>, good: &[&[u8]], others: &[Vec<u8>]) {
        let at = self.below(bytes.len());
        match self.below(13) {
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            2 | 3 => {
                let value = *self.one(&EXTREMES);
                self.number(bytes, at, value);
            }
            4 => {
                // A little more or less than what stands there, or than what follows.
                let left = (bytes.len() - at) as u64;
                let value = left.wrapping_add(self.below(17) as u64).wrapping_sub(8);
                self.number(bytes, at, value);
            }
            5 => bytes.truncate(at),
            6 => {
                let more = self.random(40);
                bytes.extend(more);
            }
            7 => {
                let end = at + self.below((bytes.len() - at).min(64) + 1);
                bytes.drain(at..end);
            }
            8 => {
                let end = at + self.below((bytes.len() - at).min(64) + 1);
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            9 => {
                // The start of one and the end of another.
                let other = self.one(good);
                let from = self.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            10 => {
                let other = self.one::<Vec<u8>>(others);
                let (from, length) = (self.below(other.len()), 1 + self.below(80));
                let piece = other[from..].iter().take(length);
                let end = (at + self.below(80)).min(bytes.len());
                bytes.splice(at..end, piece.copied());
            }
            11 => {
                let piece = *self.one(&PIECES);
                let times = if self.below(50) == 0 {
                    self.below(DEEP as usize)
                } else {
                    1
                };
                bytes.splice(at..at, piece.repeat(times).into_bytes());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = *self.one(b"\x00\x01\xff 09azAZ-+.=\"'\n\t#");
                }
            }
        }
    }

    /// A number of 1, 2, 4 or 8 bytes in the place of what stands at `at`.
    fn number(&mut self, bytes: &mut [u8], at: usize, value: u64) {
        let width = *self.one(&[1, 2, 4, 8]);
        for (byte, put) in bytes[at..].iter_mut().zip(&value.to_be_bytes()[8 - width..]) {
            *byte = *put;
        }
    }
}
