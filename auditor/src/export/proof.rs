//! Proofs that entries are in the log, as C2SP `tlog-proof` files. The extra line holds the entry itself, so that the file alone says
//! what was logged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::{InclusionProof, node_hash};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// A tree of 2^64 leaves has paths of 64 hashes.
const MAX_PATH: usize = 64;

/// A tree whose perfect subtrees are hashed once, for many proofs.
pub(super) struct Tree {
    /// Roots over 1, 2, 4, ... leaves each.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    pub(super) fn over(leaves: Vec<Digest>) -> Self {
        let mut levels = vec![leaves];
        while let Some(last) = levels.last().filter(|last| last.len() > 1) {
            let next = last.chunks_exact(2).filter_map(|pair| match pair {
                [left, right] => Some(node_hash(left, right)),
                _ => None,
            });
            let next = next.collect();
            levels.push(next);
        }
        Self { levels }
    }

    fn size(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// Proof for leaf `index`; none if there is no such leaf.
    pub(super) fn prove(&self, index: u64) -> Option<InclusionProof> {
        let position = usize::try_from(index)
            .ok()
            .filter(|position| *position < self.size())?;
        let (mut first, mut width) = (0, self.size());
        let mut path = Vec::new();
        while width > 1 {
            let left = width.next_power_of_two() / 2;
            if position < first + left {
                path.push(self.root(first + left, width - left)?);
                width = left;
            } else {
                path.push(self.root(first, left)?);
                first += left;
                width -= left;
            }
        }
        path.reverse();
        Some(InclusionProof {
            index,
            tree_size: self.size() as u64,
            path,
        })
    }

    /// Root over `width` leaves from `first` on, as they come up on the way down: perfect subtrees are aligned to their width.
    fn root(&self, first: usize, width: usize) -> Option<Digest> {
        if width.is_power_of_two() {
            let level = self.levels.get(usize::try_from(width.trailing_zeros()).ok()?)?;
            return level.get(first / width).copied();
        }
        let left = width.next_power_of_two() / 2;
        Some(node_hash(
            &self.root(first, left)?,
            &self.root(first + left, width - left)?,
        ))
    }
}

/// A proof as it stands in a file. Nothing of it was checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProofFile {
    pub(super) entry: Vec<u8>,
    pub(super) index: u64,
    pub(super) path: Vec<Digest>,
    pub(super) checkpoint: String,
}

impl ProofFile {
    pub(super) fn to_text(&self) -> String {
        let mut text = format!(
            "{FIRST_LINE}\nextra {}\nindex {}\n",
            BASE64.encode(&self.entry),
            self.index
        );
        for hash in &self.path {
            text.push_str(&BASE64.encode(hash.0));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a file; what is accepted is written again as the same bytes.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (proof, checkpoint) = text
            .split_once("\n\n")
            .ok_or("it has no blank line before a checkpoint")?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err("its first line is not c2sp.org/tlog-proof@v1");
        }
        let entry = lines
            .next()
            .and_then(|line| BASE64.decode(line.strip_prefix("extra ")?).ok());
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index ")?.parse::<u64>().ok());
        let path: Option<Vec<Digest>> = lines
            .map(|line| BASE64.decode(line).ok()?.try_into().ok().map(Digest))
            .collect();
        let read = Self {
            entry: entry.ok_or("its second line is not the entry in base64")?,
            index: index.ok_or("its third line is not the entry's index")?,
            path: path
                .filter(|path| path.len() <= MAX_PATH)
                .ok_or("its path is not hashes in base64")?,
            checkpoint: checkpoint.to_owned(),
        };
        if read.to_text() == text {
            Ok(read)
        } else {
            Err("it is not in the one form that it could have")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn proofs_are_those_that_are_built_leaf_by_leaf() {
        let leaves: Vec<Digest> = (0u8..70).map(|leaf| Digest::of(&[leaf])).collect();
        for size in 0..=leaves.len() {
            let tree = Tree::over(leaves[..size].to_vec());
            for index in 0..size as u64 {
                assert_eq!(
                    tree.prove(index),
                    InclusionProof::build(&leaves[..size], index).ok(),
                    "{index} of {size}"
                );
            }
            assert_eq!(tree.prove(size as u64), None);
        }
    }

    #[test]
    fn a_file_reads_as_it_was_written_and_in_no_other_form() {
        let file = ProofFile {
            entry: b"entry".to_vec(),
            index: 73,
            path: vec![Digest([1; 32]), Digest([2; 32])],
            checkpoint: "origin\n5\nroot\n\n\u{2014} a b\n".to_owned(),
        };
        let text = file.to_text();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra ZW50cnk=\nindex 73\nAQEB"));
        assert_eq!(ProofFile::parse(&text).unwrap(), file);
        for (from, to) in [
            ("@v1", "@v2"),
            ("index 73", "index 073"),
            ("extra ", "extra  "),
            ("AQEB", "AQ!B"),
            ("\n\n", "\n"),
        ] {
            assert!(ProofFile::parse(&text.replacen(from, to, 1)).is_err(), "{to}");
        }
    }
}
