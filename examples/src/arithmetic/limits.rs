//! What the machine allows: keystream, memory, hash.
//!
//! The keystream's limit is what one core encrypts in a buffer that stays in its first-level cache, with nothing else to do: by 256-bit
//! registers or by the `aes` crate, which takes 512-bit ones where it finds them, whichever is faster here.

use std::hint::black_box;
use std::sync::OnceLock;

use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use aes::{Aes256Enc, Block};
use ring::digest::{SHA256, digest};

use super::pace::{Row, beside, middle, seconds};

/// Counter blocks of 8 KiB.
const BLOCKS: usize = 512;
const BUFFER: usize = 16 * BLOCKS;
/// Bytes by which it is found out what is faster.
const TRIED: usize = 16 << 20;
/// Lanes of the vectors that are added: 40 MB each, more than any cache holds.
pub(super) const ADDED_LANES: usize = 10_000_000;

/// Keystream into a small buffer, as fast as it goes.
pub(super) struct Keystream {
    library: Aes256Enc,
    counters: Vec<Block>,
    out: Vec<Block>,
}

impl Keystream {
    pub(super) fn new() -> Self {
        let counters = (0..).take(BLOCKS).map(|counter: u32| {
            let mut block = Block::default();
            block[12..].copy_from_slice(&counter.to_be_bytes());
            block
        });
        Self {
            library: Aes256Enc::new(&[7; 32].into()),
            counters: counters.collect(),
            out: vec![Block::default(); BLOCKS],
        }
    }

    /// So many bytes, by the fastest instructions.
    pub(super) fn make(&mut self, bytes: usize) {
        static BY_LIBRARY: OnceLock<bool> = OnceLock::new();
        let by_library = BY_LIBRARY.get_or_init(|| {
            let took = beside(5, &mut || Self::new().make_by_library(TRIED), &mut || {
                Self::new().make_by_pairs(TRIED)
            });
            took.ratio < 1.0
        });
        if *by_library {
            self.make_by_library(bytes);
        } else {
            self.make_by_pairs(bytes);
        }
    }

    /// So many bytes, by 256-bit registers, or by the `aes` crate where there are none that encrypt.
    fn make_by_pairs(&mut self, bytes: usize) {
        for _ in 0..bytes.div_ceil(BUFFER) {
            if !wide::encrypt(black_box(&self.counters), black_box(&mut self.out)) {
                self.by_library();
            }
        }
    }

    /// So many bytes, by the `aes` crate.
    fn make_by_library(&mut self, bytes: usize) {
        (0..bytes.div_ceil(BUFFER)).for_each(|_| self.by_library());
    }

    fn by_library(&mut self) {
        // The buffers are equally long.
        let _ = self
            .library
            .encrypt_blocks_b2b(black_box(&self.counters), black_box(&mut self.out));
    }
}

/// A plain sum of two vectors, lane by lane.
pub(super) struct Addition {
    from: Vec<u32>,
    to: Vec<u32>,
}

impl Addition {
    pub(super) fn new(lanes: usize) -> Self {
        Self {
            from: vec![3; lanes],
            to: vec![5; lanes],
        }
    }

    pub(super) fn add(&mut self) {
        for (to, from) in self.to.iter_mut().zip(&self.from) {
            *to = to.wrapping_add(*from);
        }
        black_box(&mut self.to);
    }
}

pub(super) fn rows() -> Vec<Row> {
    let bytes = 64 << 20;
    let (mut ours, mut theirs) = (Keystream::new(), Keystream::new());
    let keystream = beside(9, &mut || ours.make(bytes), &mut || theirs.make_by_library(bytes));
    let rate = |seconds: f64, bytes: usize| format!("{:.2} GB/s", bytes as f64 / seconds / 1e9);
    let mut addition = Addition::new(ADDED_LANES);
    let mut adds: Vec<f64> = (0..9).map(|_| seconds(&mut || addition.add())).collect();
    let hashed = vec![5; 4 << 20];
    let mut hashes: Vec<f64> = (0..9)
        .map(|_| {
            seconds(&mut || {
                black_box(digest(&SHA256, black_box(&hashed)));
            })
        })
        .collect();
    let row = |what: &str, found: String, ratio: Option<f64>, limit: &str| Row {
        what: what.to_owned(),
        found,
        ratio,
        limit: limit.to_owned(),
        goal: "",
    };
    vec![
        row(
            "limit: AES-256 keystream of one core, 8 KiB buffer",
            rate(keystream.limit, bytes),
            None,
            "",
        ),
        row(
            "the same by the `aes` crate",
            rate(keystream.found[0], bytes),
            Some(keystream.ratio),
            "keystream",
        ),
        row(
            "limit: u32 add of one vector of 40 MB into another",
            format!(
                "{:.2} ms, {} of lanes added",
                middle(&mut adds) * 1e3,
                rate(middle(&mut adds), 4 * ADDED_LANES)
            ),
            None,
            "",
        ),
        row(
            "limit: SHA-256 of one core",
            rate(middle(&mut hashes), hashed.len()),
            None,
            "",
        ),
    ]
}

#[cfg(target_arch = "x86_64")]
mod wide {
    //! Two blocks in a register: the limit is written down here, apart from the code that is measured.
    #![allow(unsafe_code)]

    use core::arch::x86_64::{
        __m256i, _mm256_aesenc_epi128, _mm256_aesenclast_epi128, _mm256_loadu_si256, _mm256_set1_epi8,
        _mm256_storeu_si256, _mm256_xor_si256,
    };

    use aes::Block;

    const AT_ONCE: usize = 16;

    /// False, and nothing done, on a processor without.
    pub(super) fn encrypt(counters: &[Block], out: &mut [Block]) -> bool {
        let here = is_x86_feature_detected!("vaes") && is_x86_feature_detected!("avx2");
        if here {
            // SAFETY: the processor has the features.
            unsafe { pairs(counters, out) };
        }
        here
    }

    #[target_feature(enable = "vaes,avx2")]
    fn pairs(counters: &[Block], out: &mut [Block]) {
        // Any keys take the same time; they are loaded as those of a real schedule are.
        let keys = std::hint::black_box([_mm256_set1_epi8(7); 15]);
        let (counters, out) = (
            counters.as_chunks::<AT_ONCE>().0,
            out.as_chunks_mut::<AT_ONCE>().0,
        );
        for (counters, out) in counters.iter().zip(out) {
            let (from, to): (*const __m256i, *mut __m256i) =
                (counters.as_ptr().cast(), out.as_mut_ptr().cast());
            // SAFETY: 16 blocks are 8 registers, at any alignment.
            let load = |at: usize| unsafe { _mm256_loadu_si256(from.add(at)) };
            let mut blocks = [keys[0]; AT_ONCE / 2];
            for (at, block) in blocks.iter_mut().enumerate() {
                *block = _mm256_xor_si256(load(at), keys[0]);
            }
            for key in &keys[1..14] {
                for block in &mut blocks {
                    *block = _mm256_aesenc_epi128(*block, *key);
                }
            }
            for (at, block) in blocks.into_iter().enumerate() {
                // SAFETY: as above.
                unsafe { _mm256_storeu_si256(to.add(at), _mm256_aesenclast_epi128(block, keys[14])) };
            }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod wide {
    use aes::Block;

    pub(super) fn encrypt(_: &[Block], _: &mut [Block]) -> bool {
        false
    }
}
