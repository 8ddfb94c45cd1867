//! Inclusion and consistency proofs of RFC 6962, sections 2.1.1 and 2.1.2.
//!
//! Both are built from the leaf hashes and verified with the path alone. Who has only the right edge of a tree and the leaves that came
//! after it builds inclusion proofs for those ([`Tail`]).

use std::cell::RefCell;
use std::collections::HashMap;

use thiserror::Error;

use super::merkle::{CompactRange, empty_root, node_hash, root_of};
use crate::ids::Digest;

/// Why a proof was refused, or could not be built.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProofError {
    /// There is no such leaf in the tree.
    #[error("leaf {index} is not in a tree of {tree_size} leaves")]
    NoSuchLeaf {
        /// Position of the leaf, from 0.
        index: u64,
        /// Number of leaves of the tree.
        tree_size: u64,
    },
    /// The older tree is larger than the newer one.
    #[error("a tree of {new_size} leaves cannot continue one of {old_size}: a log never shrinks")]
    Shrunk {
        /// Number of leaves of the older tree.
        old_size: u64,
        /// Number of leaves of the newer tree.
        new_size: u64,
    },
    /// The path has not the length that the sizes prescribe.
    #[error("the proof has {found} hashes, expected {expected}")]
    Length {
        /// Hashes that the proof has.
        found: usize,
        /// Hashes that a proof for these sizes has.
        expected: usize,
    },
    /// The path leads to another root than the one that is known for this size.
    #[error("the proof leads to root {found} at size {size}, expected {expected}")]
    Root {
        /// Size of the tree.
        size: u64,
        /// Root that the path leads to.
        found: Digest,
        /// Root that was given.
        expected: Digest,
    },
}

/// Proof that a leaf stands at a position under a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// Position of the leaf, from 0.
    pub index: u64,
    /// Number of leaves under the root.
    pub tree_size: u64,
    /// Siblings on the way from the leaf to the root.
    pub path: Vec<Digest>,
}

impl InclusionProof {
    /// Proof for leaf `index` in the tree over `leaf_hashes`.
    ///
    /// # Errors
    /// [`ProofError::NoSuchLeaf`] if `index` is not below the number of leaves.
    pub fn build(leaf_hashes: &[Digest], index: u64) -> Result<Self, ProofError> {
        let tree_size = leaf_hashes.len() as u64;
        let position = usize::try_from(index)
            .ok()
            .filter(|position| *position < leaf_hashes.len());
        let position = position.ok_or(ProofError::NoSuchLeaf { index, tree_size })?;
        let mut path = Vec::new();
        let (mut range, mut position) = (leaf_hashes, position);
        while range.len() > 1 {
            let (left, right) = range.split_at(left_size(range.len()));
            if position < left.len() {
                path.push(root_of(right));
                range = left;
            } else {
                path.push(root_of(left));
                position -= left.len();
                range = right;
            }
        }
        path.reverse();
        Ok(Self {
            index,
            tree_size,
            path,
        })
    }

    /// Checks that `leaf` is the leaf at this position of the tree with this root.
    ///
    /// # Errors
    /// Says which of position, length and root does not hold.
    pub fn verify(&self, leaf: &Digest, root: &Digest) -> Result<(), ProofError> {
        if self.index >= self.tree_size {
            return Err(ProofError::NoSuchLeaf {
                index: self.index,
                tree_size: self.tree_size,
            });
        }
        let expected = siblings_above(self.index, self.tree_size - 1);
        if self.path.len() != expected {
            return Err(ProofError::Length {
                found: self.path.len(),
                expected,
            });
        }
        // Position and last position are walked up together: where they meet, the leaf is on the right edge and levels
        // without a sibling are skipped (RFC 9162, section 2.1.3.2).
        let (mut position, mut last) = (self.index, self.tree_size - 1);
        let mut hash = *leaf;
        let mut siblings = self.path.iter();
        while last > 0 {
            if position & 1 == 1 {
                hash = node_hash(siblings.next().expect("the length was checked"), &hash);
            } else if position < last {
                hash = node_hash(&hash, siblings.next().expect("the length was checked"));
            }
            position >>= 1;
            last >>= 1;
        }
        expect_root(self.tree_size, hash, root)
    }
}

/// Proof that the tree of `new_size` leaves begins with the tree of `old_size` leaves: the log only grew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// Number of leaves of the older tree.
    pub old_size: u64,
    /// Number of leaves of the newer tree.
    pub new_size: u64,
    /// Subtrees that both roots are computed from; empty if the sizes are equal or the older tree is empty.
    pub path: Vec<Digest>,
}

impl ConsistencyProof {
    /// Proof from the first `old_size` leaves to all of `leaf_hashes`.
    ///
    /// # Errors
    /// [`ProofError::Shrunk`] if `old_size` is more than the number of leaves.
    pub fn build(leaf_hashes: &[Digest], old_size: u64) -> Result<Self, ProofError> {
        let new_size = leaf_hashes.len() as u64;
        let old = usize::try_from(old_size)
            .ok()
            .filter(|old| *old <= leaf_hashes.len());
        let mut old = old.ok_or(ProofError::Shrunk { old_size, new_size })?;
        let mut path = Vec::new();
        let mut range = leaf_hashes;
        // As long as the walk keeps to the left, the old tree's own root is what the verifier starts from.
        let mut starts_at_old_root = true;
        while old > 0 && old < range.len() {
            let (left, right) = range.split_at(left_size(range.len()));
            if old <= left.len() {
                path.push(root_of(right));
                range = left;
            } else {
                path.push(root_of(left));
                old -= left.len();
                range = right;
                starts_at_old_root = false;
            }
        }
        if !starts_at_old_root {
            path.push(root_of(range));
        }
        path.reverse();
        Ok(Self {
            old_size,
            new_size,
            path,
        })
    }

    /// Checks that the tree with `new_root` begins with the one with `old_root`.
    ///
    /// # Errors
    /// Says which of sizes, length and roots does not hold.
    pub fn verify(&self, old_root: &Digest, new_root: &Digest) -> Result<(), ProofError> {
        let Self {
            old_size,
            new_size,
            path,
        } = self;
        if old_size > new_size {
            return Err(ProofError::Shrunk {
                old_size: *old_size,
                new_size: *new_size,
            });
        }
        let expected = consistency_length(*old_size, *new_size);
        if path.len() != expected {
            return Err(ProofError::Length {
                found: path.len(),
                expected,
            });
        }
        if old_size == new_size {
            return expect_root(*old_size, *new_root, old_root);
        }
        if *old_size == 0 {
            return expect_root(0, empty_root(), old_root);
        }
        // RFC 9162, section 2.1.4.2: from the largest subtree that ends where the old tree ends, up both trees at once.
        let (mut position, mut last) = (old_size - 1, new_size - 1);
        let complete = position.trailing_ones();
        position >>= complete;
        last >>= complete;
        let mut subtrees = path.iter();
        let start = if old_size.is_power_of_two() {
            *old_root
        } else {
            *subtrees.next().expect("the length was checked")
        };
        let (mut old_hash, mut new_hash) = (start, start);
        while last > 0 {
            if position & 1 == 1 {
                let left = subtrees.next().expect("the length was checked");
                old_hash = node_hash(left, &old_hash);
                new_hash = node_hash(left, &new_hash);
            } else if position < last {
                new_hash = node_hash(&new_hash, subtrees.next().expect("the length was checked"));
            }
            position >>= 1;
            last >>= 1;
        }
        expect_root(*old_size, old_hash, old_root)?;
        expect_root(*new_size, new_hash, new_root)
    }
}

/// The end of a tree: all that stands before it is known as a right edge alone.
#[derive(Debug)]
pub struct Tail<'a> {
    before: &'a CompactRange,
    leaves: &'a [Digest],
    /// Roots of perfect subtrees that were needed before: many proofs of one tail share most of them.
    known: RefCell<HashMap<(u64, u64), Digest>>,
}

impl<'a> Tail<'a> {
    /// The tree of `before` with `leaves` behind it.
    pub fn new(before: &'a CompactRange, leaves: &'a [Digest]) -> Self {
        Self {
            before,
            leaves,
            known: RefCell::default(),
        }
    }

    /// Number of leaves of the tree.
    pub fn tree_size(&self) -> u64 {
        self.before.size() + self.leaves.len() as u64
    }

    /// Proof for leaf `index`, which is one of the tail.
    ///
    /// # Errors
    /// [`ProofError::NoSuchLeaf`] if it is not.
    pub fn prove(&self, index: u64) -> Result<InclusionProof, ProofError> {
        let tree_size = self.tree_size();
        if !(self.before.size()..tree_size).contains(&index) {
            return Err(ProofError::NoSuchLeaf { index, tree_size });
        }
        let mut path = Vec::new();
        let (mut first, mut width) = (0, tree_size);
        while width > 1 {
            let left = left_width(width);
            if index < first + left {
                path.push(self.root(first + left, width - left));
                width = left;
            } else {
                path.push(self.root(first, left));
                first += left;
                width -= left;
            }
        }
        path.reverse();
        Ok(InclusionProof {
            index,
            tree_size,
            path,
        })
    }

    /// Root over `width` leaves from `first` on. A sibling on the way to a leaf of the tail lies in the tail, or is a subtree of the
    /// right edge before it, or divides into such.
    fn root(&self, first: u64, width: u64) -> Digest {
        if let Some(root) = self.known.borrow().get(&(first, width)) {
            return *root;
        }
        let leaf = || {
            let at = usize::try_from(first.checked_sub(self.before.size())?).ok()?;
            self.leaves.get(at).filter(|_| width == 1).copied()
        };
        let root = self
            .before
            .subtree(first, width)
            .or_else(leaf)
            .unwrap_or_else(|| {
                let left = left_width(width);
                node_hash(&self.root(first, left), &self.root(first + left, width - left))
            });
        self.known.borrow_mut().insert((first, width), root);
        root
    }
}

fn left_width(width: u64) -> u64 {
    width.next_power_of_two() / 2
}

/// Leaves under the left child: the largest power of two below `size`, for `size` of 2 or more.
fn left_size(size: usize) -> usize {
    size.next_power_of_two() / 2
}

fn expect_root(size: u64, found: Digest, expected: &Digest) -> Result<(), ProofError> {
    if found == *expected {
        Ok(())
    } else {
        Err(ProofError::Root {
            size,
            found,
            expected: *expected,
        })
    }
}

fn consistency_length(old_size: u64, new_size: u64) -> usize {
    if old_size == 0 || old_size == new_size {
        return 0;
    }
    let (position, last) = (old_size - 1, new_size - 1);
    let complete = position.trailing_ones();
    let start = usize::from(!old_size.is_power_of_two());
    start + siblings_above(position >> complete, last >> complete)
}

/// Levels above `position` that have a sibling, in a level whose last position is `last`.
fn siblings_above(mut position: u64, mut last: u64) -> usize {
    let mut count = 0;
    while last > 0 {
        count += usize::from(position & 1 == 1 || position < last);
        position >>= 1;
        last >>= 1;
    }
    count
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use tlog_tiles::tlog;

    use super::super::merkle::tests::{ForeignLog, leaves};
    use super::*;

    const SIZES: u64 = 40;

    #[test]
    fn every_proof_of_small_trees_is_the_foreign_implementations() {
        let log = ForeignLog::of(SIZES);
        let hashes = leaves(SIZES);
        for size in 1..=SIZES {
            let tree = &hashes[..usize::try_from(size).unwrap()];
            let root = root_of(tree);
            for index in 0..size {
                let proof = InclusionProof::build(tree, index).unwrap();
                let foreign = tlog::prove_record(size, index, &log).unwrap();
                assert_eq!(
                    bytes(&proof.path),
                    foreign.iter().map(|hash| hash.0).collect::<Vec<_>>()
                );
                proof
                    .verify(&tree[usize::try_from(index).unwrap()], &root)
                    .unwrap();
            }
            for old_size in 1..=size {
                let proof = ConsistencyProof::build(tree, old_size).unwrap();
                let foreign = tlog::prove_tree(size, old_size, &log).unwrap();
                assert_eq!(
                    bytes(&proof.path),
                    foreign.iter().map(|hash| hash.0).collect::<Vec<_>>()
                );
                proof
                    .verify(&root_of(&tree[..usize::try_from(old_size).unwrap()]), &root)
                    .unwrap();
            }
        }
    }

    #[test]
    fn a_tail_proves_its_leaves_as_the_whole_tree_does() {
        let hashes = leaves(SIZES);
        for size in 1..=SIZES {
            let tree = &hashes[..usize::try_from(size).unwrap()];
            for known in 0..=size {
                let (head, tail) = tree.split_at(usize::try_from(known).unwrap());
                let mut before = CompactRange::new();
                head.iter().for_each(|leaf| before.append_leaf_hash(*leaf));
                let tail = Tail::new(&before, tail);
                for index in known..size {
                    assert_eq!(tail.prove(index), InclusionProof::build(tree, index));
                }
                let outside = |index| ProofError::NoSuchLeaf {
                    index,
                    tree_size: size,
                };
                assert_eq!(tail.prove(size), Err(outside(size)));
                if let Some(index) = known.checked_sub(1) {
                    assert_eq!(tail.prove(index), Err(outside(index)));
                }
            }
        }
    }

    fn bytes(path: &[Digest]) -> Vec<[u8; 32]> {
        path.iter().map(|hash| hash.0).collect()
    }

    #[test]
    fn what_is_not_in_the_tree_has_no_proof() {
        let hashes = leaves(5);
        assert_eq!(
            InclusionProof::build(&hashes, 5),
            Err(ProofError::NoSuchLeaf {
                index: 5,
                tree_size: 5
            })
        );
        assert_eq!(
            ConsistencyProof::build(&hashes, 6),
            Err(ProofError::Shrunk {
                old_size: 6,
                new_size: 5
            })
        );
        let outside = InclusionProof {
            index: 0,
            tree_size: 0,
            path: vec![],
        };
        assert!(outside.verify(&hashes[0], &empty_root()).is_err());
        let shrunk = ConsistencyProof {
            old_size: 2,
            new_size: 1,
            path: vec![],
        };
        assert!(shrunk.verify(&root_of(&hashes[..2]), &hashes[0]).is_err());
    }

    #[test]
    fn the_empty_log_is_the_start_of_every_log_and_of_no_other_root() {
        let hashes = leaves(3);
        let proof = ConsistencyProof::build(&hashes, 0).unwrap();
        proof.verify(&empty_root(), &root_of(&hashes)).unwrap();
        assert!(matches!(
            proof.verify(&hashes[0], &root_of(&hashes)),
            Err(ProofError::Root { size: 0, .. })
        ));
    }

    #[test]
    fn sizes_at_the_end_of_the_number_range_are_handled() {
        let leaf = leaves(1)[0];
        let proof = InclusionProof {
            index: u64::MAX - 1,
            tree_size: u64::MAX,
            path: vec![leaf; 3],
        };
        assert!(matches!(
            proof.verify(&leaf, &leaf),
            Err(ProofError::Length { found: 3, .. })
        ));
        for old_size in [1, 1 << 63, u64::MAX - 1] {
            let proof = ConsistencyProof {
                old_size,
                new_size: u64::MAX,
                path: vec![],
            };
            assert!(
                matches!(
                    proof.verify(&leaf, &leaf),
                    Err(ProofError::Length { found: 0, .. })
                ),
                "{old_size}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_changed_inclusion_proof_fails(size in 1u64..200, pick in any::<u64>(), flip in 0usize..256, at in any::<usize>()) {
            let hashes = leaves(size);
            let index = pick % size;
            let (leaf, root) = (hashes[usize::try_from(index).unwrap()], root_of(&hashes));
            let proof = InclusionProof::build(&hashes, index).unwrap();
            prop_assert_eq!(proof.verify(&leaf, &root), Ok(()));

            let mut longer = proof.clone();
            longer.path.push(root);
            prop_assert!(longer.verify(&leaf, &root).is_err());
            prop_assert!(proof.verify(&flipped(leaf, flip), &root).is_err());
            prop_assert!(proof.verify(&leaf, &flipped(root, flip)).is_err());
            if !proof.path.is_empty() {
                let mut shorter = proof.clone();
                shorter.path.pop();
                prop_assert!(shorter.verify(&leaf, &root).is_err());
                let mut other = proof.clone();
                let at = at % other.path.len();
                other.path[at] = flipped(other.path[at], flip);
                prop_assert!(other.verify(&leaf, &root).is_err());
            }
        }

        #[test]
        fn a_changed_consistency_proof_fails(new_size in 2u64..200, pick in any::<u64>(), flip in 0usize..256, at in any::<usize>()) {
            let old_size = 1 + pick % (new_size - 1);
            let hashes = leaves(new_size);
            let (old_root, new_root) = (root_of(&hashes[..usize::try_from(old_size).unwrap()]), root_of(&hashes));
            let proof = ConsistencyProof::build(&hashes, old_size).unwrap();
            prop_assert_eq!(proof.verify(&old_root, &new_root), Ok(()));
            prop_assert!(proof.verify(&flipped(old_root, flip), &new_root).is_err());
            prop_assert!(proof.verify(&old_root, &flipped(new_root, flip)).is_err());
            let mut other = proof.clone();
            let at = at % other.path.len();
            other.path[at] = flipped(other.path[at], flip);
            prop_assert!(other.verify(&old_root, &new_root).is_err());
            let mut shorter = proof.clone();
            shorter.path.pop();
            prop_assert!(shorter.verify(&old_root, &new_root).is_err());
            let mut longer = proof;
            longer.path.push(new_root);
            prop_assert!(longer.verify(&old_root, &new_root).is_err());
        }
    }

    fn flipped(digest: Digest, bit: usize) -> Digest {
        let mut bytes = digest.0;
        bytes[bit / 8] ^= 1 << (bit % 8);
        Digest(bytes)
    }
}
