//! The log as its readers get it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::follower::LogFollower;
use veilsum_protocol::log::tile::{decode_entries, decode_hash_tile, encode_hash_tile, push_entry};
use veilsum_protocol::log::{
    Checkpoint, CompactRange, ConsistencyProof, InclusionProof, ProofError, Receipt, Tile, UnverifiedNote,
    VerifiedCheckpoint, VerifierKey, Witnesses, leaf_hash,
};
use veilsum_protocol::wire::frame;
use veilsum_protocol::wire::message::{Extension, Leaf, MESSAGE_LIMIT};

use super::{Decoder, Outcome, decoder};
use crate::stage::consortium::{log_key, log_signing_key, roster};
use crate::stage::witnesses::all_cosign;

pub(super) const DECODERS: &[Decoder] = &[
    decoder("extension", extension).mended(signed_extension),
    decoder("tile path", line::<Tile>),
    decoder("hash tile", hash_tile),
    decoder("entry bundle", entry_bundle),
    decoder("compact range", compact_range),
    decoder("note", note),
    decoder("checkpoint", checkpoint),
    decoder("signed checkpoint", signed_checkpoint).mended(signed_head),
    decoder("cosigned checkpoint", cosigned_checkpoint),
    decoder("receipt", receipt).costs(24, 16 << 10),
    decoder("verifier key", line::<VerifierKey>),
    decoder("inclusion proof", inclusion).mended(with_root_included),
    decoder("consistency proof", consistency).mended(with_roots_consistent),
];

fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn line<T: std::str::FromStr + ToString>(bytes: &[u8]) -> Outcome {
    let value = utf8(bytes).and_then(|text| text.parse::<T>().ok());
    Outcome::of(bytes, value.map(|value| value.to_string().into_bytes()))
}

fn extension(bytes: &[u8]) -> Outcome {
    let Ok(extension) = frame::decode::<Extension>(bytes, MESSAGE_LIMIT) else {
        return Outcome::Refused;
    };
    let mut follower = LogFollower::new(log_key());
    let Ok(head) = follower.verify(&extension) else {
        return Outcome::Refused;
    };
    if let Some(size) = head.map(|head| head.checkpoint().size) {
        let note = UnverifiedNote::parse(extension.checkpoint.as_bytes()).unwrap();
        let cosignatures = all_cosign(&BANKS, &note);
        let released = follower.witnessed(size, &cosignatures, &witnesses(), 3, &BTreeMap::new());
        for entry in &released.unwrap().entries {
            follower.acted_on(entry);
        }
    }
    let _ = follower.verify(&extension);
    Outcome::of(bytes, frame::encode(&extension, MESSAGE_LIMIT).ok())
}

const BANKS: [u16; 3] = [1, 2, 3];

fn witnesses() -> Witnesses {
    Witnesses::of(&roster(3))
}

/// A coordinator signs whatever it likes.
fn signed_extension(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut extension: Extension = frame::decode(bytes, MESSAGE_LIMIT).ok()?;
    let mut range = CompactRange::new();
    for leaf in &extension.leaves {
        range.append_leaf_hash(match leaf {
            Leaf::Entry(entry) => leaf_hash(entry),
            Leaf::Hash(hash) => *hash,
        });
    }
    let head = Checkpoint {
        origin: log_key().name().to_owned(),
        size: range.size(),
        root: range.root(),
    };
    extension.checkpoint = sign(&head.to_text())?;
    frame::encode(&extension, MESSAGE_LIMIT).ok()
}

fn sign(text: &str) -> Option<String> {
    let key = log_signing_key();
    let note = UnverifiedNote::sign(text, &log_key(), |bytes| key.sign_bytes(bytes).0).ok()?;
    Some(note.as_str().to_owned())
}

/// All of it as hashes; the reader knows the width from the tile's path.
fn hash_tile(bytes: &[u8]) -> Outcome {
    let width = u16::try_from(bytes.len().div_ceil(32)).unwrap_or(u16::MAX);
    let hashes = decode_hash_tile(bytes, width).ok();
    Outcome::of(bytes, hashes.map(|hashes| encode_hash_tile(&hashes)))
}

/// The width, which the reader knows from the tile's path, and the bundle.
fn entry_bundle(bytes: &[u8]) -> Outcome {
    let Some((width, bundle)) = bytes.split_first() else {
        return Outcome::Refused;
    };
    let entries = decode_entries(bundle, u16::from(*width)).ok();
    Outcome::of(
        bytes,
        entries.map(|entries| {
            let mut written = vec![*width];
            entries
                .iter()
                .for_each(|entry| push_entry(&mut written, entry).unwrap());
            written
        }),
    )
}

fn compact_range(bytes: &[u8]) -> Outcome {
    let range = CompactRange::from_bytes(bytes).ok();
    Outcome::of(
        bytes,
        range.map(|range| {
            range.root();
            range.to_bytes()
        }),
    )
}

fn note(bytes: &[u8]) -> Outcome {
    let Ok(note) = UnverifiedNote::parse(bytes) else {
        return Outcome::Refused;
    };
    drop(note.verify(&log_key()));
    let mut written = format!("{}\n", note.text());
    for line in note.signatures() {
        let encoded = BASE64.encode([&line.key_hash, line.signature.as_slice()].concat());
        written.push_str(&format!("\u{2014} {} {encoded}\n", line.name));
    }
    Outcome::of(bytes, Some(written.into_bytes()))
}

fn checkpoint(bytes: &[u8]) -> Outcome {
    let head = utf8(bytes).and_then(|text| Checkpoint::from_text(text).ok());
    Outcome::of(bytes, head.map(|head| head.to_text().into_bytes()))
}

fn signed_checkpoint(bytes: &[u8]) -> Outcome {
    let head = VerifiedCheckpoint::parse(bytes, &log_key()).ok();
    Outcome::of(bytes, head.map(|head| head.note().as_str().as_bytes().to_vec()))
}

/// The cosignatures that verify are found again where they are written anew.
fn cosigned_checkpoint(bytes: &[u8]) -> Outcome {
    let Ok(head) = VerifiedCheckpoint::parse(bytes, &log_key()) else {
        return Outcome::Refused;
    };
    let found = witnesses().cosignatures(head.note());
    if found.is_empty() {
        return Outcome::Refused;
    }
    let alone =
        sign(head.note().text()).and_then(|note| VerifiedCheckpoint::parse(note.as_bytes(), &log_key()).ok());
    let again = alone.map(|alone| {
        witnesses().add(
            &alone,
            &found.iter().map(|(bank, one)| (*bank, *one)).collect::<Vec<_>>(),
        )
    });
    match again {
        Some(again) if witnesses().cosignatures(again.note()) == found => Outcome::Read,
        _ => Outcome::Differs(Vec::new()),
    }
}

fn receipt(bytes: &[u8]) -> Outcome {
    let receipt = Receipt::parse(bytes).ok();
    Outcome::of(
        bytes,
        receipt.map(|receipt| {
            let _ = receipt.verify(&log_key(), &witnesses(), 3);
            receipt.to_text().into_bytes()
        }),
    )
}

fn signed_head(bytes: &[u8]) -> Option<Vec<u8>> {
    let (text, _) = utf8(bytes)?.rsplit_once("\n\n")?;
    Some(sign(&format!("{text}\n"))?.into_bytes())
}

/// Two numbers, two hashes, and the path.
struct Proof {
    numbers: [u64; 2],
    hashes: [Digest; 2],
    path: Vec<Digest>,
}

impl Proof {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (first, bytes) = bytes.split_first_chunk::<8>()?;
        let (second, bytes) = bytes.split_first_chunk::<8>()?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        let mut hashes = hashes.iter().map(|hash| Digest(*hash));
        let proof = Self {
            numbers: [u64::from_be_bytes(*first), u64::from_be_bytes(*second)],
            hashes: [hashes.next()?, hashes.next()?],
            path: hashes.collect(),
        };
        rest.is_empty().then_some(proof)
    }

    fn write(&self) -> Vec<u8> {
        let numbers = self.numbers.iter().flat_map(|number| number.to_be_bytes());
        let hashes = self.hashes.iter().chain(&self.path).flat_map(|hash| hash.0);
        numbers.chain(hashes).collect()
    }

    fn inclusion(&self) -> Result<(), ProofError> {
        let proof = InclusionProof {
            index: self.numbers[0],
            tree_size: self.numbers[1],
            path: self.path.clone(),
        };
        proof.verify(&self.hashes[0], &self.hashes[1])
    }

    fn consistency(&self) -> Result<(), ProofError> {
        let proof = ConsistencyProof {
            old_size: self.numbers[0],
            new_size: self.numbers[1],
            path: self.path.clone(),
        };
        proof.verify(&self.hashes[0], &self.hashes[1])
    }
}

fn inclusion(bytes: &[u8]) -> Outcome {
    let proof = Proof::read(bytes).filter(|proof| proof.inclusion().is_ok());
    Outcome::of(bytes, proof.map(|proof| proof.write()))
}

fn consistency(bytes: &[u8]) -> Outcome {
    let proof = Proof::read(bytes).filter(|proof| proof.consistency().is_ok());
    Outcome::of(bytes, proof.map(|proof| proof.write()))
}

/// The root that the path leads to, whatever the path is.
fn with_root_included(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut proof = Proof::read(bytes)?;
    if let Err(ProofError::Root { found, .. }) = proof.inclusion() {
        proof.hashes[1] = found;
    }
    Some(proof.write())
}

fn with_roots_consistent(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut proof = Proof::read(bytes)?;
    for at in [0, 1] {
        if let Err(ProofError::Root { found, .. }) = proof.consistency() {
            proof.hashes[at] = found;
        }
    }
    Some(proof.write())
}
