//! What the machine allows: keystream, memory, hash.
//!
//! The keystream's limit is what one core encrypts in a buffer that stays in its first-level cache, with nothing else to do: by registers of 256
//! bits, of 512 bits, or by the `aes` crate, whichever is fastest here.

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

/// Registers of more than one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Registers {
    Pairs,
    Quads,
}

/// How keystream is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Wide(Registers),
    Library,
}

impl Way {
    /// Those that the processor has.
    fn all() -> Vec<Self> {
        let wide = [Registers::Pairs, Registers::Quads].into_iter();
        let wide = wide.filter(|registers| wide::has(*registers)).map(Self::Wide);
        wide.chain([Self::Library]).collect()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Wide(Registers::Pairs) => "- the same by 256-bit registers",
            Self::Wide(Registers::Quads) => "- the same by 512-bit registers",
            Self::Library => "- the same by the `aes` crate",
        }
    }
}

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

    /// So many bytes, by the fastest way of this machine.
    pub(super) fn make(&mut self, bytes: usize) {
        static FASTEST: OnceLock<Way> = OnceLock::new();
        let fastest = FASTEST.get_or_init(|| {
            let took = |way: &Way| {
                let mut tries = [(); 5].map(|()| seconds(&mut || Self::new().make_by(*way, TRIED)));
                middle(&mut tries)
            };
            let ways = Way::all();
            let fastest = ways.iter().min_by(|one, other| took(one).total_cmp(&took(other)));
            fastest.copied().unwrap_or(Way::Library)
        });
        self.make_by(*fastest, bytes);
    }

    fn make_by(&mut self, way: Way, bytes: usize) {
        for _ in 0..bytes.div_ceil(BUFFER) {
            match way {
                Way::Wide(registers) => {
                    wide::encrypt(registers, black_box(&self.counters), black_box(&mut self.out));
                }
                Way::Library => self.by_library(),
            }
        }
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
    let mut limit = Keystream::new();
    let ways = Way::all().into_iter().map(|way| {
        let mut keystream = Keystream::new();
        let took = beside(9, &mut || limit.make(bytes), &mut || {
            keystream.make_by(way, bytes)
        });
        (way, took)
    });
    let ways: Vec<_> = ways.collect();
    let mut limits: Vec<f64> = ways.iter().map(|(_, took)| took.limit).collect();
    let mut rows = vec![row(
        "limit: AES-256 keystream of one core, 8 KiB buffer",
        rate(middle(&mut limits), bytes),
        None,
        "",
    )];
    rows.extend(ways.iter().map(|(way, took)| {
        row(
            way.name(),
            rate(took.found[0], bytes),
            Some(took.ratio),
            "keystream",
        )
    }));
    rows.extend([
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
    ]);
    rows
}

#[cfg(target_arch = "x86_64")]
mod wide {
    //! Two or four blocks in a register: the limit is written down here, apart from the code that is measured.
    #![allow(unsafe_code)]

    use core::arch::x86_64::{
        __m256i, __m512i, _mm256_aesenc_epi128, _mm256_aesenclast_epi128, _mm256_loadu_si256,
        _mm256_set1_epi8, _mm256_storeu_si256, _mm256_xor_si256, _mm512_aesenc_epi128,
        _mm512_aesenclast_epi128, _mm512_loadu_si512, _mm512_set1_epi8, _mm512_storeu_si512,
        _mm512_xor_si512,
    };

    use aes::Block;

    use super::Registers;

    /// Blocks that are under way together, by 256 bits and by 512.
    const PAIRS: usize = 16;
    const QUADS: usize = 32;

    pub(super) fn has(registers: Registers) -> bool {
        let pairs = is_x86_feature_detected!("vaes") && is_x86_feature_detected!("avx2");
        match registers {
            Registers::Pairs => pairs,
            Registers::Quads => pairs && is_x86_feature_detected!("avx512f"),
        }
    }

    /// Nothing is done on a processor without.
    pub(super) fn encrypt(registers: Registers, counters: &[Block], out: &mut [Block]) {
        if has(registers) {
            // SAFETY: the processor has the features.
            unsafe {
                match registers {
                    Registers::Pairs => pairs(counters, out),
                    Registers::Quads => quads(counters, out),
                }
            }
        }
    }

    macro_rules! encryption {
        ($name:ident, $features:literal, $register:ty, $at_once:ident, $blocks:literal, $set:ident, $load:ident, $xor:ident, $round:ident, $last:ident, $store:ident) => {
            #[target_feature(enable = $features)]
            fn $name(counters: &[Block], out: &mut [Block]) {
                // Any keys take the same time; they are loaded as those of a real schedule are.
                let keys = std::hint::black_box([$set(7); 15]);
                let counters = counters.as_chunks::<$at_once>().0;
                let out = out.as_chunks_mut::<$at_once>().0;
                for (counters, out) in counters.iter().zip(out) {
                    let (from, to): (*const $register, *mut $register) =
                        (counters.as_ptr().cast(), out.as_mut_ptr().cast());
                    let mut blocks = [keys[0]; $at_once / $blocks];
                    for (at, block) in blocks.iter_mut().enumerate() {
                        // SAFETY: so many blocks are so many registers, at any alignment.
                        *block = $xor(unsafe { $load(from.add(at)) }, keys[0]);
                    }
                    for key in &keys[1..14] {
                        for block in &mut blocks {
                            *block = $round(*block, *key);
                        }
                    }
                    for (at, block) in blocks.into_iter().enumerate() {
                        // SAFETY: as above.
                        unsafe { $store(to.add(at), $last(block, keys[14])) };
                    }
                }
            }
        };
    }

    encryption!(
        pairs,
        "vaes,avx2",
        __m256i,
        PAIRS,
        2,
        _mm256_set1_epi8,
        _mm256_loadu_si256,
        _mm256_xor_si256,
        _mm256_aesenc_epi128,
        _mm256_aesenclast_epi128,
        _mm256_storeu_si256
    );
    encryption!(
        quads,
        "vaes,avx512f",
        __m512i,
        QUADS,
        4,
        _mm512_set1_epi8,
        _mm512_loadu_si512,
        _mm512_xor_si512,
        _mm512_aesenc_epi128,
        _mm512_aesenclast_epi128,
        _mm512_storeu_si512
    );
}

#[cfg(not(target_arch = "x86_64"))]
mod wide {
    use aes::Block;

    use super::Registers;

    pub(super) fn has(_: Registers) -> bool {
        false
    }

    pub(super) fn encrypt(_: Registers, _: &[Block], _: &mut [Block]) {}
}
