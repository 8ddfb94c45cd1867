#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::crypto::entropy::SeededEntropy;
use crate::crypto::signing::SigningKey;
use crate::ids::{BankIndex, Round, Timestamp};
use crate::log::{Checkpoint, Cosignature, root_of};
use crate::roster::{Roster, RosterEntry};

fn key(seed: u64) -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(seed))
}

fn log_key() -> VerifierKey {
    VerifierKey::new("demo", key(0).verifying_key().0).unwrap()
}

fn bank(position: u16) -> BankIndex {
    BankIndex::new(position).unwrap()
}

fn witnesses() -> Witnesses {
    let entry = |position: u16| RosterEntry {
        index: bank(position),
        name: format!("bank-{position}"),
        signing_key: [position as u8; 32],
        witness_key: key(position.into()).verifying_key().0,
        tls_key: Digest::of(&position.to_be_bytes()),
    };
    Witnesses::of(&Roster::new("demo", (1..=4).map(entry).collect()).unwrap())
}

fn entry(round: u64) -> Entry {
    Entry::Cohort {
        round: Round(round),
        banks: vec![bank(1), bank(2)],
    }
}

/// For entry `index` of a log of `size` cohorts, cosigned by three banks.
fn receipt(size: u64, index: u64) -> Receipt {
    let leaves: Vec<Digest> = (0..size)
        .map(|round| leaf_hash(&entry(round).to_bytes()))
        .collect();
    let head = Checkpoint {
        origin: "demo".to_owned(),
        size,
        root: root_of(&leaves),
    };
    let head = head.sign(&log_key(), |bytes| key(0).sign_bytes(bytes).0).unwrap();
    let cosignatures = [1, 2, 4].map(|position| {
        let cosignature = Cosignature::sign(&key(position.into()), head.note().text(), Timestamp(1));
        (bank(position), cosignature)
    });
    let note = witnesses().add(&head, &cosignatures).note().clone();
    let proof = InclusionProof::build(&leaves, index).unwrap();
    Receipt::new(entry(index).to_bytes(), proof, note)
}

#[test]
fn a_receipt_is_read_back_and_proves_its_entry() {
    for size in 1..20 {
        for index in 0..size {
            let made = receipt(size, index);
            let read = Receipt::parse(made.to_text().as_bytes()).unwrap();
            assert_eq!(read, made);
            let proven = read.verify(&log_key(), &witnesses(), 3).unwrap();
            assert_eq!((proven.index, proven.entry), (index, entry(index)));
            assert_eq!(proven.head.checkpoint().size, size);
            assert_eq!(proven.seen.by.len(), 3);
        }
    }
}

#[test]
fn what_does_not_hold_is_named() {
    let good = receipt(9, 5);
    let refused = |receipt: &Receipt, needed| receipt.verify(&log_key(), &witnesses(), needed).unwrap_err();
    assert_eq!(refused(&good, 4), ReceiptError::Witnesses { found: 3, needed: 4 });
    let moved = Receipt {
        index: 4,
        ..good.clone()
    };
    assert!(matches!(
        refused(&moved, 3),
        ReceiptError::Proof(ProofError::Root { .. })
    ));
    let outside = Receipt {
        index: 9,
        ..good.clone()
    };
    assert!(matches!(
        refused(&outside, 3),
        ReceiptError::Proof(ProofError::NoSuchLeaf { .. })
    ));
    let another = Receipt {
        entry: entry(6).to_bytes(),
        ..good.clone()
    };
    assert!(matches!(refused(&another, 3), ReceiptError::Proof(_)));
    let stranger = VerifierKey::new("demo", [3; 32]).unwrap();
    assert!(matches!(
        good.verify(&stranger, &witnesses(), 3),
        Err(ReceiptError::Checkpoint(_))
    ));
}

#[test]
fn every_other_form_is_refused_with_its_line() {
    let text = receipt(9, 5).to_text();
    let line = |text: &str| match Receipt::parse(text.as_bytes()) {
        Err(ReceiptError::Line { line, .. }) => line,
        other => panic!("{other:?}"),
    };
    assert_eq!(line(&text.replacen("@v1", "@v2", 1)), 1);
    assert_eq!(line(&text.replacen("extra ", "extra", 1)), 2);
    assert_eq!(line(&text.replacen("extra ", "extra !", 1)), 2);
    for index in [
        "index 05\n",
        "index +5\n",
        "index -1\n",
        "index 18446744073709551616\n",
        "index \n",
    ] {
        assert_eq!(line(&text.replacen("index 5\n", index, 1)), 3, "{index}");
    }
    let first_hash = text.lines().nth(3).unwrap();
    assert_eq!(line(&text.replacen(first_hash, &first_hash[4..], 1)), 4);
    let long = format!("{first_hash}\n").repeat(65);
    assert_eq!(line(&text.replacen(&format!("{first_hash}\n"), &long, 1)), 68);
    assert_eq!(line("c2sp.org/tlog-proof@v1\n"), 1);
    assert!(matches!(
        Receipt::parse(&[0xff]),
        Err(ReceiptError::Line { line: 1, .. })
    ));
    assert!(matches!(
        Receipt::parse(&vec![b'a'; MAX_RECEIPT_BYTES + 1]),
        Err(ReceiptError::TooLong { .. })
    ));
    let (proof, note) = text.split_once("\n\n").unwrap();
    assert!(matches!(
        Receipt::parse(format!("{proof}\n\n{}", &note[..20]).as_bytes()),
        Err(ReceiptError::Note(_))
    ));
}

proptest! {
    #[test]
    fn a_changed_receipt_proves_nothing_else(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let good = receipt(13, 7);
        let mut bytes = good.to_text().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = Receipt::parse(&bytes) {
            prop_assert_eq!(changed.to_text().into_bytes(), bytes);
            // All three cosignatures are needed, so none of its bytes is free.
            prop_assert!(changed.verify(&log_key(), &witnesses(), 3).is_err());
        }
    }
}
