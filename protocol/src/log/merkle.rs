//! The Merkle tree of RFC 6962, section 2.1, with SHA-256.
//!
//! Leaves and nodes are hashed under different first bytes, so that no node passes for an entry.

use ring::digest::{Context, SHA256};
use thiserror::Error;

use crate::ids::Digest;

const LEAF: u8 = 0x00;
const NODE: u8 = 0x01;
const SIZE_BYTES: usize = 8;
const HASH_BYTES: usize = 32;

/// `SHA-256(00 || entry)`: the leaf that stands for an entry.
pub fn leaf_hash(entry: &[u8]) -> Digest {
    hash_parts(LEAF, &[entry])
}

/// `SHA-256(01 || left || right)`: the node above two subtrees.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    hash_parts(NODE, &[&left.0, &right.0])
}

/// `SHA-256("")`: the root of the log without entries.
pub fn empty_root() -> Digest {
    Digest::of(&[])
}

/// Root of the tree over these leaf hashes, in order.
pub fn root_of(leaf_hashes: &[Digest]) -> Digest {
    let mut range = CompactRange::new();
    for leaf in leaf_hashes {
        range.append_leaf_hash(*leaf);
    }
    range.root()
}

fn hash_parts(prefix: u8, parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(&[prefix]);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; HASH_BYTES];
    out.copy_from_slice(context.finish().as_ref());
    Digest(out)
}

/// Why the bytes of a [`CompactRange`] were refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CompactRangeError {
    /// The bytes end within the size.
    #[error("compact range of {found} bytes: expected at least the {SIZE_BYTES} bytes of the size")]
    NoSize {
        /// Bytes that were there.
        found: usize,
    },
    /// The hashes do not fit the size.
    #[error("compact range of size {size}: found {found} bytes of hashes, expected {expected}")]
    Hashes {
        /// The size that the bytes state.
        size: u64,
        /// Bytes after the size.
        found: usize,
        /// Bytes that a range of this size has after the size.
        expected: usize,
    },
}

/// A tree's size and the roots of the perfect subtrees along its right edge, largest first: all that it takes to append
/// and to know the root. There is one subtree per bit that is set in the size, so it holds at most 64 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactRange {
    size: u64,
    right_edge: Vec<Digest>,
}

impl CompactRange {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds one leaf at the right. A tree of `u64::MAX` leaves is out of reach, so the size cannot overflow.
    pub fn append_leaf_hash(&mut self, leaf: Digest) {
        let mut hash = leaf;
        // Every trailing one bit of the size is a perfect subtree that the new leaf completes to one of twice its size.
        for _ in 0..self.size.trailing_ones() {
            let left = self
                .right_edge
                .pop()
                .expect("one hash per bit that is set in the size");
            hash = node_hash(&left, &hash);
        }
        self.right_edge.push(hash);
        self.size += 1;
    }

    /// Root of the tree.
    pub fn root(&self) -> Digest {
        let mut smallest_first = self.right_edge.iter().rev();
        match smallest_first.next() {
            None => empty_root(),
            Some(smallest) => smallest_first.fold(*smallest, |right, left| node_hash(left, &right)),
        }
    }

    /// Root of the perfect subtree over the `width` leaves from `first` on, if it is one of the right edge.
    pub(super) fn subtree(&self, first: u64, width: u64) -> Option<Digest> {
        let mut start = 0;
        let widths = (0..u64::BITS).rev().map(|bit| self.size & (1 << bit));
        for (wide, root) in widths.filter(|wide| *wide > 0).zip(&self.right_edge) {
            if (start, wide) == (first, width) {
                return Some(*root);
            }
            start += wide;
        }
        None
    }

    /// Canonical form: the size as 8 big-endian bytes, then the hashes, largest subtree first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SIZE_BYTES + self.right_edge.len() * HASH_BYTES);
        bytes.extend_from_slice(&self.size.to_be_bytes());
        for hash in &self.right_edge {
            bytes.extend_from_slice(&hash.0);
        }
        bytes
    }

    /// Reads the canonical form; every other byte string is refused.
    ///
    /// # Errors
    /// The number of hashes must be the number of bits that are set in the size, and nothing may follow them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CompactRangeError> {
        let (size, hashes) = bytes
            .split_first_chunk::<SIZE_BYTES>()
            .ok_or(CompactRangeError::NoSize { found: bytes.len() })?;
        let size = u64::from_be_bytes(*size);
        let count = usize::try_from(size.count_ones()).expect("at most 64");
        let expected = count * HASH_BYTES;
        if hashes.len() != expected {
            return Err(CompactRangeError::Hashes {
                size,
                found: hashes.len(),
                expected,
            });
        }
        let (chunks, _) = hashes.as_chunks::<HASH_BYTES>();
        Ok(Self {
            size,
            right_edge: chunks.iter().map(|hash| Digest(*hash)).collect(),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use tlog_tiles::tlog;

    use super::*;

    /// The entries and the roots by size that the Certificate Transparency implementations share as test vectors.
    pub(crate) const ENTRIES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    /// `size` leaf hashes that differ from each other.
    pub(crate) fn leaves(size: u64) -> Vec<Digest> {
        (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    /// The definition of the tree hash in RFC 6962, section 2.1, word for word.
    pub(crate) fn naive_root(leaf_hashes: &[Digest]) -> Digest {
        match leaf_hashes {
            [] => empty_root(),
            [leaf] => *leaf,
            more => {
                let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    /// A log that a foreign implementation holds, to compare with.
    pub(crate) struct ForeignLog(Vec<tlog::Hash>);

    impl ForeignLog {
        pub(crate) fn of(size: u64) -> Self {
            let mut log = Self(Vec::new());
            for n in 0..size {
                let new = tlog::stored_hashes(n, &n.to_be_bytes(), &log).unwrap();
                log.0.extend(new);
            }
            log
        }
    }

    impl tlog::HashReader for ForeignLog {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
            Ok(indexes
                .iter()
                .map(|index| self.0[usize::try_from(*index).unwrap()])
                .collect())
        }
    }

    #[test]
    fn roots_are_those_of_the_shared_test_vectors() {
        let mut range = CompactRange::new();
        let mut hashes = Vec::new();
        assert_eq!(range.root().to_hex(), ROOTS[0]);
        for (entry, root) in ENTRIES.iter().zip(&ROOTS[1..]) {
            let leaf = leaf_hash(&hex::decode(entry).unwrap());
            range.append_leaf_hash(leaf);
            hashes.push(leaf);
            assert_eq!(range.root().to_hex(), *root);
            assert_eq!(root_of(&hashes).to_hex(), *root);
            assert_eq!(naive_root(&hashes).to_hex(), *root);
        }
    }

    #[test]
    fn roots_are_those_of_a_foreign_implementation() {
        let log = ForeignLog::of(300);
        let hashes = leaves(300);
        for size in 1..=300 {
            let foreign = tlog::tree_hash(u64::try_from(size).unwrap(), &log).unwrap();
            assert_eq!(root_of(&hashes[..size]).0, foreign.0, "size {size}");
        }
    }

    #[test]
    fn bytes_of_the_wrong_length_are_refused() {
        assert_eq!(
            CompactRange::from_bytes(&[0; 7]),
            Err(CompactRangeError::NoSize { found: 7 })
        );
        let mut three = CompactRange::new();
        leaves(3)
            .into_iter()
            .for_each(|leaf| three.append_leaf_hash(leaf));
        let bytes = three.to_bytes();
        assert_eq!(bytes.len(), 8 + 2 * 32);
        for wrong in [
            &bytes[..bytes.len() - 1],
            &bytes[..40],
            &[&bytes[..], &[0]].concat(),
            &[&bytes[..], &[0; 32]].concat(),
        ] {
            let error = CompactRange::from_bytes(wrong).unwrap_err();
            assert_eq!(
                error,
                CompactRangeError::Hashes {
                    size: 3,
                    found: wrong.len() - 8,
                    expected: 64
                }
            );
        }
        let mut all_ones = vec![0xff; 8];
        all_ones.extend([0; 63 * 32]);
        assert!(CompactRange::from_bytes(&all_ones).is_err());
    }

    proptest! {
        #[test]
        fn a_range_can_be_laid_down_and_taken_up_anywhere(size in 0u64..600, pause in 0u64..600) {
            let hashes = leaves(size);
            let mut range = CompactRange::new();
            for (n, leaf) in hashes.iter().enumerate() {
                if u64::try_from(n).unwrap() == pause {
                    range = CompactRange::from_bytes(&range.to_bytes()).unwrap();
                }
                range.append_leaf_hash(*leaf);
            }
            prop_assert_eq!(range.size(), size);
            prop_assert_eq!(range.root(), naive_root(&hashes));
            prop_assert_eq!(CompactRange::from_bytes(&range.to_bytes()).unwrap(), range);
        }
    }
}
