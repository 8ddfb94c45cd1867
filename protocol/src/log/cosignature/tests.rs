#![allow(clippy::unwrap_used)]

use super::*;
use crate::crypto::entropy::SeededEntropy;
use crate::ids::Digest;
use crate::log::Checkpoint;
use crate::roster::RosterEntry;

fn key(seed: u64) -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(seed))
}

fn log_key() -> VerifierKey {
    VerifierKey::new("example.org/credit", key(0).verifying_key().0).unwrap()
}

fn roster() -> Roster {
    let entry = |position: u16| RosterEntry {
        index: BankIndex::new(position).unwrap(),
        name: format!("bank-{position}"),
        signing_key: key(u64::from(position) + 100).verifying_key().0,
        witness_key: key(u64::from(position)).verifying_key().0,
        tls_key: Digest::of(&position.to_be_bytes()),
    };
    Roster::new("example.org/credit", (1..=4).map(entry).collect()).unwrap()
}

fn head(size: u64) -> VerifiedCheckpoint {
    let head = Checkpoint {
        origin: "example.org/credit".to_owned(),
        size,
        root: Digest([7; 32]),
    };
    head.sign(&log_key(), |bytes| key(0).sign_bytes(bytes).0).unwrap()
}

fn cosigned(head: &VerifiedCheckpoint, by: &[u16]) -> Vec<(BankIndex, Cosignature)> {
    by.iter()
        .map(|position| {
            let time = Timestamp(1_700_000_000 + u64::from(*position));
            let cosignature = Cosignature::sign(&key(u64::from(*position)), head.note().text(), time);
            (BankIndex::new(*position).unwrap(), cosignature)
        })
        .collect()
}

// The example of C2SP tlog-cosignature.
const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

#[test]
fn the_signed_message_is_that_of_the_format() {
    let expected = format!("cosignature/v1\ntime 1679315147\n{EXAMPLE}");
    assert_eq!(message(EXAMPLE, Timestamp(1_679_315_147)), expected.as_bytes());
}

#[test]
fn the_line_of_the_formats_example_is_time_and_signature() {
    let line = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";
    let bytes = BASE64.decode(line).unwrap();
    let cosignature = Cosignature::from_bytes(&bytes[KEY_HASH_BYTES..]).unwrap();
    assert_eq!(cosignature.time, Timestamp(1_679_315_147));
    assert_eq!(cosignature.to_bytes(), bytes[KEY_HASH_BYTES..]);
}

#[test]
fn a_note_with_cosignatures_tells_who_saw_it_and_when() {
    let (head, witnesses) = (head(5), Witnesses::of(&roster()));
    let note = witnesses.add(&head, &cosigned(&head, &[1, 3])).note().clone();
    let read = UnverifiedNote::parse(note.as_str().as_bytes()).unwrap();
    assert_eq!(read, note);
    let seen = witnesses.seen(&read);
    let when: Vec<_> = seen.by.iter().map(|(bank, time)| (bank.get(), time.0)).collect();
    assert_eq!(when, [(1, 1_700_000_001), (3, 1_700_000_003)]);
    assert_eq!(seen.forged, []);
    let bytes = note.as_str().as_bytes();
    let (parsed, _) = parse_witnessed(bytes, &log_key(), &witnesses, 2).unwrap();
    assert_eq!(parsed.checkpoint(), head.checkpoint());
    assert_eq!(parsed.bare(&log_key()), head);
    let refused = parse_witnessed(bytes, &log_key(), &witnesses, 3);
    assert_eq!(refused, Err(WitnessedError::TooFew { found: 2, needed: 3 }));
}

#[test]
fn a_cosignature_counts_once_for_its_bank_and_its_head() {
    let witnesses = Witnesses::of(&roster());
    let (head, other) = (head(5), head(6));
    let twice = witnesses.add(&head, &cosigned(&head, &[1, 1]));
    assert_eq!(witnesses.seen(twice.note()).by.len(), 1);
    let of_another_head = witnesses.add(&head, &cosigned(&other, &[2]));
    let seen = witnesses.seen(of_another_head.note());
    assert_eq!(
        (seen.by.len(), seen.forged),
        (0, vec![BankIndex::new(2).unwrap()])
    );
    let [(_, stolen)] = cosigned(&head, &[2])[..] else {
        panic!("one was made");
    };
    let under_another_name = witnesses.add(&head, &[(BankIndex::new(3).unwrap(), stolen)]);
    assert_eq!(witnesses.seen(under_another_name.note()).by.len(), 0);
    let outside = witnesses.add(&head, &[(BankIndex::new(5).unwrap(), stolen)]);
    assert_eq!(outside, head);
    let later = Cosignature {
        time: Timestamp(stolen.time.0 + 1),
        ..stolen
    };
    let bank = BankIndex::new(2).unwrap();
    assert!(witnesses.verifies(bank, &stolen, head.note().text()));
    assert!(!witnesses.verifies(bank, &later, head.note().text()));
    let beyond = Cosignature::sign(&key(2), head.note().text(), Timestamp(u64::MAX));
    assert_eq!(beyond.time, Timestamp(MAX_TIME));
    assert!(witnesses.verifies(bank, &beyond, head.note().text()));
}

#[test]
fn a_witness_key_is_written_as_other_tools_read_it() {
    let text = WitnessKey::of_bank("example.org/credit", "bank-1", [0xab; 32]).to_string();
    let (name, rest) = text.split_once('+').unwrap();
    let (hash, typed) = rest.split_once('+').unwrap();
    assert_eq!(name, "example.org/credit/bank-1");
    let typed = BASE64.decode(typed).unwrap();
    assert_eq!(typed, [&[4][..], &[0xab; 32]].concat());
    let named = Digest::of(&[b"example.org/credit/bank-1\n".as_slice(), &typed].concat());
    assert_eq!(hash, &named.to_hex()[..8]);
}
