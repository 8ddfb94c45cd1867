#![allow(clippy::unwrap_used)]
use super::*;
use crate::crypto::entropy::SeededEntropy;
use crate::crypto::signing::SigningKey;
use crate::log::Checkpoint;

fn signing_key() -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(1))
}

fn key() -> VerifierKey {
    VerifierKey::new("demo", signing_key().verifying_key().0).unwrap()
}

fn entry(number: u8) -> Vec<u8> {
    let task = Digest([number; 32]);
    Entry::Task {
        name: format!("task-{number}"),
        task,
    }
    .to_bytes()
}

/// The log of entries `numbers`, from `from` on.
fn extension(numbers: std::ops::Range<u8>, from: u64) -> Extension {
    let entries: Vec<Vec<u8>> = numbers.map(entry).collect();
    signed(
        &entries,
        entries[from as usize..]
            .iter()
            .cloned()
            .map(Leaf::Entry)
            .collect(),
        from,
    )
}

fn signed(entries: &[Vec<u8>], leaves: Vec<Leaf>, from: u64) -> Extension {
    let mut range = CompactRange::new();
    for bytes in entries {
        range.append_leaf_hash(leaf_hash(bytes));
    }
    let head = Checkpoint {
        origin: "demo".to_owned(),
        size: range.size(),
        root: range.root(),
    };
    let checkpoint = head
        .sign(&key(), |bytes| signing_key().sign_bytes(bytes).0)
        .unwrap();
    Extension {
        from,
        leaves,
        checkpoint: checkpoint.note().as_str().to_owned(),
    }
}

/// A reader that acted on entries 0 to 4.
fn reader() -> LogFollower {
    let mut reader = LogFollower::new(key());
    for logged in reader.verify(&extension(0..5, 0)).unwrap() {
        reader.acted_on(&logged);
    }
    reader
}

#[test]
fn a_long_extension_comes_in_parts_and_starts_again_after_a_break() {
    let whole = extension(0..9, 5);
    let part = |from: u64, leaves: &[Leaf]| Extension {
        from,
        leaves: leaves.to_vec(),
        checkpoint: String::new(),
    };
    let last = Extension {
        from: 8,
        leaves: whole.leaves[3..].to_vec(),
        checkpoint: whole.checkpoint.clone(),
    };
    let mut reader = reader();
    assert_eq!(reader.verify(&part(5, &whole.leaves[..2])), Ok(Vec::new()));
    // The connection broke here; the new one starts from what was acted on.
    assert_eq!(reader.verify(&part(5, &whole.leaves[..2])), Ok(Vec::new()));
    assert_eq!(reader.verify(&part(7, &whole.leaves[2..3])), Ok(Vec::new()));
    let entries = reader.verify(&last).unwrap();
    assert_eq!(
        entries.iter().map(|logged| logged.index).collect::<Vec<_>>(),
        [5, 6, 7, 8]
    );
    // A part in the middle is missing.
    let mut reader = self::reader();
    assert_eq!(reader.verify(&part(5, &whole.leaves[..2])), Ok(Vec::new()));
    assert!(matches!(
        reader.verify(&last),
        Err(FollowError::Gap { from: 8, expected: 5 })
    ));
    // A changed entry shows at the end.
    let mut reader = self::reader();
    let changed = [
        Leaf::Entry(entry(100)),
        whole.leaves[1].clone(),
        whole.leaves[2].clone(),
    ];
    assert_eq!(reader.verify(&part(5, &changed)), Ok(Vec::new()));
    assert_eq!(reader.verify(&last), Err(FollowError::Fork { size: 9 }));
}

#[test]
fn an_entry_that_no_log_can_hold_is_refused() {
    let long = |bytes: usize, checkpoint: String| Extension {
        from: 5,
        leaves: vec![Leaf::Hash(Digest([1; 32])), Leaf::Entry(vec![0; bytes])],
        checkpoint,
    };
    for checkpoint in [String::new(), extension(0..7, 5).checkpoint] {
        let refused = FollowError::LongEntry {
            index: 6,
            bytes: 65_536,
        };
        let mut reader = reader();
        assert_eq!(
            reader.verify(&long(65_536, checkpoint.clone())),
            Err(refused.clone())
        );
        assert_ne!(reader.verify(&long(65_535, checkpoint)), Err(refused));
    }
}

#[test]
fn no_more_than_the_limit_is_kept_without_a_checkpoint() {
    let whole = extension(0..9, 5);
    let part = |from: u64, leaves: &[Leaf]| Extension {
        from,
        leaves: leaves.to_vec(),
        checkpoint: String::new(),
    };
    let mut reader = reader();
    let one = size_of::<Leaf>() + entry(5).len();
    reader.pending_limit = 3 * one;
    for _ in 0..2 {
        // What was refused is gone, so the same parts are taken again.
        assert_eq!(reader.verify(&part(5, &whole.leaves[..2])), Ok(Vec::new()));
        assert_eq!(reader.verify(&part(7, &whole.leaves[2..3])), Ok(Vec::new()));
        assert_eq!(
            reader.verify(&part(8, &whole.leaves[3..])),
            Err(FollowError::TooMuchPending {
                bytes: 4 * one,
                limit: 3 * one
            })
        );
        assert!(reader.parts.is_none());
    }
    // Leaf hashes take memory too; and the last part counts as well.
    let hashes = vec![Leaf::Hash(Digest([1; 32])); 3 * one];
    assert!(matches!(
        reader.verify(&part(5, &hashes)),
        Err(FollowError::TooMuchPending { .. })
    ));
    assert_eq!(reader.verify(&part(5, &whole.leaves[..3])), Ok(Vec::new()));
    let last = Extension {
        from: 8,
        leaves: whole.leaves[3..].to_vec(),
        checkpoint: whole.checkpoint.clone(),
    };
    assert!(matches!(
        reader.verify(&last),
        Err(FollowError::TooMuchPending { .. })
    ));
    reader.pending_limit = MAX_PENDING;
    assert_eq!(reader.verify(&whole).unwrap().len(), 4);
}

#[test]
fn it_follows_and_gives_each_entry_until_it_was_acted_on() {
    let mut reader = reader();
    assert_eq!(reader.size(), 5);
    let ahead = reader.verify(&extension(0..8, 5)).unwrap();
    assert_eq!(
        ahead.iter().map(|logged| logged.index).collect::<Vec<_>>(),
        [5, 6, 7]
    );
    // More of the log while it still acts on these.
    let more = reader.verify(&extension(0..9, 8)).unwrap();
    assert_eq!(more.len(), 1);
    assert_eq!(more[0].index, 8);
    // After a reconnection, from where it stands.
    reader.acted_on(&ahead[0]);
    let again = reader.verify(&extension(0..9, 6)).unwrap();
    assert_eq!(again[..2], ahead[1..]);
    assert_eq!(again[2], more[0]);
    assert_eq!(
        reader.verify(&extension(0..9, 2)).unwrap(),
        again,
        "an overlap is left out"
    );
}

#[test]
fn a_gap_is_refused() {
    let gap = FollowError::Gap { from: 6, expected: 5 };
    assert_eq!(reader().verify(&extension(0..8, 6)), Err(gap));
}

#[test]
fn a_rollback_is_refused_also_of_what_was_only_seen() {
    let mut reader = reader();
    assert_eq!(
        reader.verify(&extension(0..4, 0)),
        Err(FollowError::Rollback { found: 4, seen: 5 })
    );
    reader.verify(&extension(0..9, 5)).unwrap();
    assert_eq!(
        reader.verify(&extension(0..7, 5)),
        Err(FollowError::Rollback { found: 7, seen: 9 })
    );
}

#[test]
fn c_601_a_fork_is_refused() {
    let mut reader = reader();
    // Another past than the one that was acted on.
    assert_eq!(
        reader.verify(&extension(1..8, 5)),
        Err(FollowError::Fork { size: 7 })
    );
    // Another continuation than the one that was seen, longer, as long, and after a restart.
    reader.verify(&extension(0..8, 5)).unwrap();
    let entries: Vec<Vec<u8>> = (0..5).chain(50..55).map(entry).collect();
    let other = |size: usize| {
        signed(
            &entries[..size],
            entries[5..size].iter().cloned().map(Leaf::Entry).collect(),
            5,
        )
    };
    assert_eq!(reader.verify(&other(10)), Err(FollowError::Fork { size: 8 }));
    assert_eq!(reader.verify(&other(8)), Err(FollowError::Fork { size: 8 }));
    let mut writer = Writer::domain("reader");
    reader.write(&mut writer);
    let bytes = writer.finish();
    let mut restarted = LogFollower::read(&mut Reader::domain(&bytes, "reader").unwrap(), key()).unwrap();
    assert_eq!((restarted.size(), restarted.seen().unwrap().0), (5, 8));
    assert_eq!(restarted.verify(&other(10)), Err(FollowError::Fork { size: 8 }));
    // A refusal changes nothing: the right log is still followed.
    assert_eq!(restarted.verify(&extension(0..10, 5)).unwrap().len(), 5);
}

#[test]
fn an_altered_missing_or_added_entry_is_refused() {
    let good = extension(0..8, 5);
    for change in [
        (|leaves: &mut Vec<Leaf>| leaves[1] = Leaf::Entry(entry(99))) as fn(&mut Vec<Leaf>),
        |leaves| drop(leaves.remove(1)),
        |leaves| leaves.push(Leaf::Entry(entry(99))),
        |leaves| leaves.swap(0, 1),
        |leaves| leaves[2] = Leaf::Hash(Digest([0; 32])),
    ] {
        let mut bad = good.clone();
        change(&mut bad.leaves);
        let mut reader = reader();
        assert_eq!(reader.verify(&bad), Err(FollowError::Fork { size: 8 }));
        assert_eq!(reader.verify(&good).unwrap().len(), 3);
    }
    let mut bad = good;
    bad.leaves[1] = Leaf::Entry(b"no entry".to_vec());
    assert!(matches!(
        reader().verify(&bad),
        Err(FollowError::Entry { index: 6, .. })
    ));
}

#[test]
fn a_checkpoint_of_another_key_is_refused() {
    let mut stranger = LogFollower::new(VerifierKey::new("demo", [3; 32]).unwrap());
    assert!(matches!(
        stranger.verify(&extension(0..2, 0)),
        Err(FollowError::Checkpoint(_))
    ));
}

#[test]
fn leaf_hashes_stand_for_entries_that_the_reader_need_not_see() {
    let entries: Vec<Vec<u8>> = (0..3).map(entry).collect();
    let leaves = vec![
        Leaf::Hash(leaf_hash(&entries[0])),
        Leaf::Entry(entries[1].clone()),
        Leaf::Hash(leaf_hash(&entries[2])),
    ];
    let mut reader = LogFollower::new(key());
    let logged = reader.verify(&signed(&entries, leaves, 0)).unwrap();
    let is_whole: Vec<bool> = logged.iter().map(|logged| logged.entry.is_some()).collect();
    assert_eq!(is_whole, [false, true, false]);
    for entry in &logged {
        reader.acted_on(entry);
    }
    assert_eq!(reader.verify(&extension(0..5, 3)).unwrap().len(), 2);
}

#[test]
#[should_panic(expected = "in order")]
fn acting_out_of_order_is_a_bug_of_the_caller() {
    let mut reader = LogFollower::new(key());
    let logged = reader.verify(&extension(0..2, 0)).unwrap();
    reader.acted_on(&logged[1]);
}
