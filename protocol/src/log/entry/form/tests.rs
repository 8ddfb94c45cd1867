#![allow(clippy::unwrap_used)]
use super::*;
use crate::ids::Digest;
use crate::model::ScoreSums;

fn bank(position: u16) -> BankIndex {
    BankIndex::new(position).unwrap()
}

fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

fn open() -> RoundOpen {
    RoundOpen {
        epoch: Epoch(1),
        round: Round(2),
        task: digest(3),
        kind: RoundKind::Train,
        step: 4,
        attempt: 5,
        state: digest(6),
        last_result: digest(7),
        layout: digest(8),
        directory: digest(9),
        manifest: digest(10),
        thresholds: Thresholds::with_most_colluders(5).unwrap(),
        digit_bits: 16,
        ring_bits: 19,
        opened_at: Timestamp(11),
        ready_until: Timestamp(12),
    }
}

fn result(metrics: Option<Metrics>) -> RoundResult {
    RoundResult {
        round: Round(1),
        open: digest(2),
        kind: RoundKind::Evaluate,
        step: 3,
        sum: digest(4),
        survivors: 5,
        weight: 6,
        next_state: digest(7),
        metrics,
    }
}

/// Every kind of entry, by the number of its type; where it matters in more than one shape.
fn entries() -> Vec<(u8, Entry)> {
    let round = Round(8);
    let signature = Signature([9; 64]);
    let line = |position: u16| RosterEntry {
        index: bank(position),
        name: format!("bank-{position}"),
        signing_key: [position as u8; 32],
        witness_key: [position as u8 + 100; 32],
        tls_key: digest(position as u8),
    };
    let metrics = |negatives, positives| {
        let rows = negatives + positives;
        ScoreSums::binary(rows, 1.5, vec![negatives, 0], vec![0, positives])
            .metrics()
            .unwrap()
    };
    let mut entries = vec![
        (
            1,
            Entry::Roster {
                consortium: "demo".to_owned(),
                banks: (1..=3).map(line).collect(),
            },
        ),
        (
            2,
            Entry::Task {
                name: "credit".to_owned(),
                task: digest(1),
            },
        ),
        (
            3,
            Entry::TaskApproval {
                task: digest(1),
                bank: bank(2),
                signature,
            },
        ),
        (
            4,
            Entry::KeyDirectory {
                epoch: Epoch(1),
                roster: digest(2),
                directory: digest(3),
                first_round: Round(4),
            },
        ),
        (
            5,
            Entry::PrepareManifest {
                epoch: Epoch(1),
                round,
                bundles: vec![(bank(1), digest(1)), (bank(3), digest(3))],
            },
        ),
        (6, Entry::RoundOpen(open())),
        (
            7,
            Entry::Cohort {
                round,
                banks: vec![bank(1), bank(500)],
            },
        ),
        (
            8,
            Entry::Masked {
                round,
                bank: bank(1),
                hash: digest(2),
                length: 3,
                signature,
            },
        ),
        (
            9,
            Entry::Survivors {
                round,
                list: vec![(bank(1), digest(1)), (bank(2), digest(1))],
            },
        ),
        (
            10,
            Entry::Certificate {
                round,
                signatures: vec![(bank(1), signature), (bank(4), signature)],
            },
        ),
        (
            11,
            Entry::Release {
                round,
                bank: bank(1),
                body: digest(2),
            },
        ),
        (12, Entry::Result(result(None))),
        (12, Entry::Result(result(Some(metrics(3, 4))))),
        (12, Entry::Result(result(Some(metrics(0, 0))))),
        (
            13,
            Entry::Ack {
                round,
                bank: bank(1),
                state: digest(2),
                signature,
            },
        ),
    ];
    for reason in AbortReason::ALL {
        for after_release in [false, true] {
            entries.push((
                14,
                Entry::Abort {
                    round,
                    reason,
                    after_release,
                },
            ));
        }
    }
    let proposal = digest(7);
    entries.extend([
        (
            15,
            Entry::RosterProposal {
                sequence: 3,
                previous: digest(6),
                banks: (1..=3).map(line).collect(),
            },
        ),
        (
            16,
            Entry::RosterApproval {
                proposal,
                bank: bank(2),
                signature,
            },
        ),
        (17, Entry::RosterWithdrawal { proposal }),
    ]);
    entries
}

/// Where the type's number stands.
const TYPE_AT: usize = b"veilsum/v1/log-entry\0".len();

#[test]
fn every_entry_comes_back_and_has_its_own_form() {
    let mut forms = std::collections::BTreeSet::new();
    let mut types = std::collections::BTreeSet::new();
    for (number, entry) in entries() {
        let bytes = entry.to_bytes();
        assert_eq!(bytes[TYPE_AT], number);
        assert_eq!(Entry::from_bytes(&bytes), Ok(entry));
        assert!(forms.insert(bytes));
        types.insert(number);
    }
    assert_eq!(types, (1..=17).collect());
}

#[test]
fn cut_short_or_with_more_behind_it_is_none() {
    for (number, entry) in entries() {
        let bytes = entry.to_bytes();
        for length in 0..bytes.len() {
            assert!(
                Entry::from_bytes(&bytes[..length]).is_err(),
                "type {number} at {length} bytes"
            );
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Entry::from_bytes(&longer), Err(DecodeError::NotCanonical(1)));
    }
}

#[test]
fn lists_out_of_order_or_with_a_bank_twice_are_refused() {
    let round = Round(8);
    let (one, two) = (bank(1), bank(2));
    let signature = Signature([9; 64]);
    for (a, b) in [(two, one), (one, one)] {
        let bad = [
            Entry::PrepareManifest {
                epoch: Epoch(1),
                round,
                bundles: vec![(a, digest(1)), (b, digest(2))],
            },
            Entry::Cohort {
                round,
                banks: vec![a, b],
            },
            Entry::Survivors {
                round,
                list: vec![(a, digest(1)), (b, digest(2))],
            },
            Entry::Certificate {
                round,
                signatures: vec![(a, signature), (b, signature)],
            },
        ];
        for entry in bad {
            let error = Entry::from_bytes(&entry.to_bytes()).unwrap_err().to_string();
            assert!(error.contains("not in order, or one is named twice"), "{error}");
        }
    }
}

#[test]
fn numbers_that_mean_nothing_are_refused() {
    let refused = |entry: &Entry, from_end: usize, value: u8| {
        let mut bytes = entry.to_bytes();
        let at = bytes.len() - from_end;
        bytes[at] = value;
        Entry::from_bytes(&bytes).unwrap_err().to_string()
    };
    let abort = Entry::Abort {
        round: Round(1),
        reason: AbortReason::Stopped,
        after_release: true,
    };
    assert!(refused(&abort, 2, 0).contains("reason"));
    assert!(refused(&abort, 2, 99).contains("reason"));
    assert!(refused(&abort, 1, 2).contains("neither 0 nor 1"));
    let without = Entry::Result(result(None));
    assert!(refused(&without, 1, 2).contains("neither 0 nor 1"));
    let mut unknown = abort.to_bytes();
    unknown[TYPE_AT] = 18;
    assert!(Entry::from_bytes(&unknown).is_err());
    let mut thresholds = open();
    thresholds.thresholds.threshold = 2;
    assert!(Entry::from_bytes(&Entry::RoundOpen(thresholds).to_bytes()).is_err());
    // A figure that is not defined has one form: another NaN is refused.
    let undefined = ScoreSums::binary(0, 0.0, vec![0], vec![0]).metrics().unwrap();
    let nan = Entry::Result(result(Some(undefined)));
    let mut bytes = nan.to_bytes();
    assert_eq!(Entry::from_bytes(&bytes), Ok(nan));
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(Entry::from_bytes(&bytes), Err(DecodeError::NotCanonical(0)));
}
