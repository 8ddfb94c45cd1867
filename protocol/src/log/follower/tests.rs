#![allow(clippy::unwrap_used)]
use super::*;
use crate::crypto::entropy::SeededEntropy;
use crate::crypto::signing::SigningKey;
use crate::ids::Timestamp;
use crate::log::{Checkpoint, InclusionProof};
use crate::roster::{Roster, RosterEntry};

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

fn witness_key(position: u16) -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(100 + u64::from(position)))
}

fn witnesses() -> Witnesses {
    let entry = |position: u16| RosterEntry {
        index: BankIndex::new(position).unwrap(),
        name: format!("bank-{position}"),
        signing_key: [position as u8; 32],
        witness_key: witness_key(position).verifying_key().0,
        tls_key: Digest::of(&position.to_be_bytes()),
    };
    Witnesses::of(&Roster::new("demo", (1..=4).map(entry).collect()).unwrap())
}

/// Cosignatures of these banks under the head with this text.
fn cosigned(text: &str, by: &[u16]) -> Vec<(BankIndex, Cosignature)> {
    by.iter()
        .map(|position| {
            let cosignature = Cosignature::sign(&witness_key(*position), text, Timestamp(1_700_000_000));
            (BankIndex::new(*position).unwrap(), cosignature)
        })
        .collect()
}

impl LogFollower {
    /// Three witnesses of four have seen the largest head.
    fn seen_by_three(&mut self) -> Vec<LoggedEntry> {
        let seen = self.seen().unwrap();
        let (size, cosignatures) = (seen.checkpoint().size, cosigned(seen.note().text(), &[1, 2, 4]));
        let released = self.witnessed(size, &cosignatures, &witnesses(), 3, &BTreeMap::new());
        released.unwrap().entries
    }

    /// Shown, and seen by enough.
    fn take(&mut self, extension: &Extension) -> Result<Vec<LoggedEntry>, FollowError> {
        self.verify(extension)?;
        Ok(self.seen_by_three())
    }
}

/// A reader that acted on entries 0 to 4.
fn reader() -> LogFollower {
    let mut reader = LogFollower::new(key());
    for logged in reader.take(&extension(0..5, 0)).unwrap() {
        reader.acted_on(&logged);
    }
    reader
}

/// The reader refused because the entries do not give the root of that size.
#[track_caller]
fn assert_fork<T: std::fmt::Debug>(outcome: Result<T, FollowError>, expected: u64) {
    assert!(
        matches!(&outcome, Err(FollowError::Fork { size, .. }) if *size == expected),
        "{outcome:?}"
    );
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
    assert_eq!(reader.verify(&part(5, &whole.leaves[..2])), Ok(None));
    // The connection broke here; the new one starts from what was acted on.
    assert_eq!(reader.verify(&part(5, &whole.leaves[..2])), Ok(None));
    assert_eq!(reader.verify(&part(7, &whole.leaves[2..3])), Ok(None));
    let entries = reader.take(&last).unwrap();
    assert_eq!(
        entries.iter().map(|logged| logged.index).collect::<Vec<_>>(),
        [5, 6, 7, 8]
    );
    // A part in the middle is missing.
    let mut reader = self::reader();
    assert_eq!(reader.verify(&part(5, &whole.leaves[..2])), Ok(None));
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
    assert_eq!(reader.verify(&part(5, &changed)), Ok(None));
    assert_fork(reader.verify(&last), 9);
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
        assert_eq!(reader.verify(&part(5, &whole.leaves[..2])), Ok(None));
        assert_eq!(reader.verify(&part(7, &whole.leaves[2..3])), Ok(None));
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
    assert_eq!(reader.verify(&part(5, &whole.leaves[..3])), Ok(None));
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
    assert_eq!(reader.take(&whole).unwrap().len(), 4);
}

#[test]
fn it_follows_and_gives_each_entry_until_it_was_acted_on() {
    let mut reader = reader();
    assert_eq!(reader.size(), 5);
    let ahead = reader.take(&extension(0..8, 5)).unwrap();
    assert_eq!(
        ahead.iter().map(|logged| logged.index).collect::<Vec<_>>(),
        [5, 6, 7]
    );
    // More of the log while it still acts on these.
    let more = reader.take(&extension(0..9, 8)).unwrap();
    assert_eq!(more.len(), 1);
    assert_eq!(more[0].index, 8);
    // After a reconnection, from where it stands.
    reader.acted_on(&ahead[0]);
    let again = reader.take(&extension(0..9, 6)).unwrap();
    assert_eq!(again[..2], ahead[1..]);
    assert_eq!(again[2], more[0]);
    assert_eq!(
        reader.take(&extension(0..9, 2)).unwrap(),
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
    let rolled_back = |seen: Extension, shown: Extension, [seen_size, found]: [u64; 2]| {
        Err(FollowError::Rollback {
            found,
            seen: seen_size,
            evidence: Box::new(Evidence {
                seen: seen.checkpoint,
                shown: shown.checkpoint,
            }),
        })
    };
    let (seen, shown) = (extension(0..5, 0), extension(0..4, 0));
    assert_eq!(reader.verify(&shown.clone()), rolled_back(seen, shown, [5, 4]));
    let (seen, shown) = (extension(0..9, 5), extension(0..7, 5));
    reader.verify(&seen).unwrap();
    assert_eq!(reader.verify(&shown.clone()), rolled_back(seen, shown, [9, 7]));
}

#[test]
fn c_601_who_remembers_a_head_alone_follows_no_log_that_was_set_back_or_forked_since() {
    let head = |size: u8| {
        let shown = extension(0..size, 0);
        VerifiedCheckpoint::parse(shown.checkpoint.as_bytes(), &key()).unwrap()
    };
    let remembering = || LogFollower::remembering(key(), &head(5));
    assert_eq!(
        (
            remembering().size(),
            remembering().seen().unwrap().checkpoint().size
        ),
        (0, 5)
    );
    // The same log, as long and longer, from its start.
    for size in [5, 9] {
        let mut reader = remembering();
        let entries = reader.take(&extension(0..size, 0)).unwrap();
        assert_eq!(entries.len(), usize::from(size));
    }
    let set_back = remembering().verify(&extension(0..4, 0)).unwrap_err();
    assert!(
        matches!(
            set_back,
            FollowError::Rollback {
                found: 4,
                seen: 5,
                ..
            }
        ),
        "{set_back}"
    );
    assert!(set_back.evidence().is_some());
    let entries: Vec<Vec<u8>> = (0..4).chain(50..53).map(entry).collect();
    let leaves = entries.iter().cloned().map(Leaf::Entry).collect();
    assert_fork(remembering().verify(&signed(&entries, leaves, 0)), 5);
    // Who remembers nothing would have followed it.
    let leaves = entries.iter().cloned().map(Leaf::Entry).collect();
    LogFollower::new(key())
        .verify(&signed(&entries, leaves, 0))
        .unwrap();
}

#[test]
fn c_601_a_fork_is_refused() {
    let mut reader = reader();
    // Another past than the one that was acted on.
    assert_fork(reader.verify(&extension(1..8, 5)), 7);
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
    assert_fork(reader.verify(&other(10)), 8);
    assert_fork(reader.verify(&other(8)), 8);
    let mut writer = Writer::domain("reader");
    reader.write(&mut writer);
    let bytes = writer.finish();
    let mut restarted = LogFollower::read(&mut Reader::domain(&bytes, "reader").unwrap(), key()).unwrap();
    assert_eq!(
        (restarted.size(), restarted.seen().unwrap().checkpoint().size),
        (5, 8)
    );
    assert_fork(restarted.verify(&other(10)), 8);
    // A refusal changes nothing: the right log is still followed.
    assert_eq!(restarted.take(&extension(0..10, 5)).unwrap().len(), 5);
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
        assert_fork(reader.verify(&bad), 8);
        assert_eq!(reader.take(&good).unwrap().len(), 3);
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
    let logged = reader.take(&signed(&entries, leaves, 0)).unwrap();
    let is_whole: Vec<bool> = logged.iter().map(|logged| logged.entry.is_some()).collect();
    assert_eq!(is_whole, [false, true, false]);
    for entry in &logged {
        reader.acted_on(entry);
    }
    assert_eq!(reader.take(&extension(0..5, 3)).unwrap().len(), 2);
}

#[test]
#[should_panic(expected = "in order")]
fn acting_out_of_order_is_a_bug_of_the_caller() {
    let mut reader = LogFollower::new(key());
    let logged = reader.take(&extension(0..2, 0)).unwrap();
    reader.acted_on(&logged[1]);
}

#[test]
fn a_fork_is_told_with_both_notes() {
    let mut reader = reader();
    let (good, other) = (extension(0..8, 5), extension(1..9, 5));
    reader.verify(&good).unwrap();
    let error = reader.verify(&other).unwrap_err();
    let expected = Evidence {
        seen: good.checkpoint,
        shown: other.checkpoint,
    };
    assert_eq!(error.evidence(), Some(&expected));
}

#[test]
fn c_602_nothing_is_given_out_that_too_few_have_seen() {
    let mut reader = reader();
    let text = |reader: &LogFollower| reader.seen().unwrap().note().text().to_owned();
    reader.verify(&extension(0..7, 5)).unwrap();
    let first = text(&reader);
    reader.verify(&extension(0..9, 7)).unwrap();
    let second = text(&reader);
    let give = |reader: &mut LogFollower, size, cosignatures: &[_]| {
        reader.witnessed(size, cosignatures, &witnesses(), 3, &BTreeMap::new())
    };
    let too_few = |size, found| WitnessError::TooFew {
        size,
        found,
        needed: 3,
    };
    for (cosignatures, found) in [
        (cosigned(&second, &[1, 2]), 2),
        (cosigned(&second, &[1, 2, 2, 1]), 2),
        // Of another head, of a bank outside the roster, and one that is not what it was.
        ([cosigned(&second, &[1, 2]), cosigned(&first, &[3])].concat(), 2),
        (cosigned(&second, &[1, 2, 5]), 2),
        (cosigned("example.org/other\n9\n", &[1, 2, 3, 4]), 0),
    ] {
        assert_eq!(give(&mut reader, 9, &cosignatures), Err(too_few(9, found)));
    }
    let unknown = WitnessError::UnknownHead { size: 10 };
    assert_eq!(
        give(&mut reader, 10, &cosigned(&second, &[1, 2, 3])),
        Err(unknown)
    );
    assert_eq!(
        give(&mut reader, 8, &cosigned(&second, &[1, 2, 3])),
        Ok(Released::default())
    );

    // The heads one after the other; and what was given out is not given again.
    let released = give(&mut reader, 7, &cosigned(&first, &[1, 2, 3])).unwrap();
    let indices = |released: &Released| {
        released
            .entries
            .iter()
            .map(|logged| logged.index)
            .collect::<Vec<_>>()
    };
    assert_eq!(indices(&released), [5, 6]);
    assert_eq!(
        give(&mut reader, 7, &cosigned(&first, &[1, 2, 3])).unwrap(),
        Released::default()
    );
    let released = give(&mut reader, 9, &cosigned(&second, &[2, 3, 4])).unwrap();
    assert_eq!(indices(&released), [7, 8]);
    assert_eq!(reader.held.bytes(), 0);
}

#[test]
fn a_later_head_gives_out_what_stands_under_an_earlier_one() {
    let mut reader = reader();
    reader.verify(&extension(0..7, 5)).unwrap();
    reader.verify(&extension(0..9, 7)).unwrap();
    assert_eq!(reader.seen_by_three().len(), 4);
}

#[test]
fn receipts_prove_the_entries_that_were_asked_for() {
    let mut reader = reader();
    reader.verify(&extension(0..9, 5)).unwrap();
    let text = reader.seen().unwrap().note().text().to_owned();
    let own = [6, 8].map(|number| (leaf_hash(&entry(number)), entry(number)));
    let cosignatures = [cosigned(&text, &[1, 2, 4]), cosigned("another head", &[3])].concat();
    let released = reader
        .witnessed(9, &cosignatures, &witnesses(), 3, &own.into())
        .unwrap();
    let all: Vec<Digest> = (0..9).map(|number| leaf_hash(&entry(number))).collect();
    assert_eq!(released.receipts.len(), 2);
    for (receipt, number) in released.receipts.iter().zip([6, 8]) {
        assert_eq!(
            (receipt.index(), receipt.entry_bytes()),
            (number.into(), &entry(number)[..])
        );
        let proven = receipt.verify(&key(), &witnesses(), 3).unwrap();
        assert_eq!(proven.entry.to_bytes(), entry(number));
        let path = InclusionProof::build(&all, number.into()).unwrap();
        assert_eq!(
            *receipt,
            crate::log::Receipt::new(entry(number), path, receipt.note().clone())
        );
        // The forged one is not carried along.
        assert_eq!(receipt.note().signatures().len(), 4);
    }
}

#[test]
fn what_is_held_is_limited() {
    let mut reader = reader();
    reader.pending_limit = 3 * (size_of::<Leaf>() + entry(5).len());
    reader.verify(&extension(0..7, 5)).unwrap();
    let more = extension(0..9, 7);
    assert!(matches!(
        reader.verify(&more),
        Err(FollowError::TooMuchPending { .. })
    ));
    reader.seen_by_three();
    reader.verify(&more).unwrap();
}
