//! `v1/entries.json`: every type of log entry, and the values that stand inside them or are named by them.

use serde_json::{Value, json};
use veilsum_protocol::crypto::signing::Signature;
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round, Timestamp};
use veilsum_protocol::log::entry::{AbortReason, Entry, RoundOpen, RoundResult};
use veilsum_protocol::model::optimiser::OptimiserState;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::model::{Metrics, Moments, ScoreSums};
use veilsum_protocol::roster::RosterEntry;
use veilsum_protocol::round::params::{RoundKind, Thresholds};
use veilsum_protocol::secagg::layout::{Layout, Segment, SegmentKind};
use veilsum_protocol::wire::canonical::Canonical;

use crate::forms::{bad, good, joined, with};
use crate::{bank, frozen};

const ROUND: Round = Round(8);
const SIGNATURE: Signature = Signature([9; 64]);
/// Where the number of an entry's type stands.
const TYPE_AT: isize = "veilsum/v1/log-entry\0".len() as isize;

fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

pub fn open() -> RoundOpen {
    RoundOpen {
        epoch: Epoch(1),
        round: ROUND,
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
        opened_at: Timestamp(1_700_000_000),
        ready_until: Timestamp(1_700_000_060),
    }
}

pub fn open_fields() -> Value {
    json!([
        ["u64", 1],
        ["u64", 8],
        ["repeat", 3, 32],
        ["u8", 2],
        ["u32", 4],
        ["u32", 5],
        ["repeat", 6, 32],
        ["repeat", 7, 32],
        ["repeat", 8, 32],
        ["repeat", 9, 32],
        ["repeat", 10, 32],
        ["u16", 5],
        ["u16", 1],
        ["u16", 4],
        ["u16", 4],
        ["u8", 16],
        ["u8", 19],
        ["u64", 1_700_000_000],
        ["u64", 1_700_000_060]
    ])
}

pub fn cohort() -> Entry {
    Entry::Cohort {
        round: ROUND,
        banks: vec![bank(1), bank(2), bank(500)],
    }
}

pub fn cohort_fields() -> Value {
    json!([
        ["u8", 7],
        ["u64", 8],
        ["list", [[["bank", 1]], [["bank", 2]], [["bank", 500]]]]
    ])
}

fn result(metrics: Option<Metrics>) -> RoundResult {
    RoundResult {
        round: ROUND,
        open: digest(2),
        kind: RoundKind::Evaluate,
        step: 3,
        sum: digest(4),
        survivors: 5,
        weight: 600,
        next_state: digest(7),
        metrics,
    }
}

fn result_fields() -> Value {
    json!([
        ["u64", 8],
        ["repeat", 2, 32],
        ["u8", 3],
        ["u32", 3],
        ["repeat", 4, 32],
        ["u16", 5],
        ["u64", 600],
        ["repeat", 7, 32]
    ])
}

/// All figures defined, and none. By hand: 4 of 8 rows; 14 of 16 pairs; 1 - 1/4; precision 1 for three positives and 4/8 for the fourth;
/// (4/16 + 9/16 + 3/16) / 8; 2 nats over 8 rows; (|5 - 4| + |9 - 12|) / 32.
fn metrics() -> [Metrics; 2] {
    [
        ScoreSums::binary(8, 2.0, vec![4, 0], vec![1, 3]),
        ScoreSums::binary(0, 0.0, vec![0], vec![0]),
    ]
    .map(|sums| sums.metrics().unwrap())
}

/// Banks and what they sent.
fn pairs() -> Vec<(BankIndex, Digest)> {
    vec![(bank(1), digest(1)), (bank(3), digest(3))]
}

fn entries() -> Vec<Value> {
    let line = |position: u16, byte: u8| RosterEntry {
        index: bank(position),
        name: format!("bank-{position}"),
        signing_key: [byte; 32],
        witness_key: [byte + 2; 32],
        tls_key: digest(byte + 1),
    };
    let signatures = vec![(bank(1), SIGNATURE), (bank(4), SIGNATURE)];
    let hashes = json!([
        "list",
        [[["bank", 1], ["repeat", 1, 32]], [["bank", 3], ["repeat", 3, 32]]]
    ]);
    let [defined, undefined] = metrics();
    let mut all = vec![
        good(
            "roster",
            &Entry::Roster {
                consortium: "example.org/credit".to_owned(),
                banks: vec![line(1, 20), line(2, 30)],
            },
            &json!([
                ["u8", 1],
                ["text", "example.org/credit"],
                [
                    "list",
                    [
                        [
                            ["bank", 1],
                            ["text", "bank-1"],
                            ["repeat", 20, 32],
                            ["repeat", 22, 32],
                            ["repeat", 21, 32]
                        ],
                        [
                            ["bank", 2],
                            ["text", "bank-2"],
                            ["repeat", 30, 32],
                            ["repeat", 32, 32],
                            ["repeat", 31, 32]
                        ]
                    ]
                ]
            ]),
        ),
        good(
            "task",
            &Entry::Task {
                name: "crédit".to_owned(),
                task: digest(1),
            },
            &json!([["u8", 2], ["text", "crédit"], ["repeat", 1, 32]]),
        ),
        good(
            "task approval",
            &Entry::TaskApproval {
                task: digest(1),
                bank: bank(2),
                signature: SIGNATURE,
            },
            &json!([["u8", 3], ["repeat", 1, 32], ["bank", 2], ["repeat", 9, 64]]),
        ),
        good(
            "key directory",
            &Entry::KeyDirectory {
                epoch: Epoch(1),
                roster: digest(2),
                directory: digest(3),
                first_round: Round(4),
            },
            &json!([
                ["u8", 4],
                ["u64", 1],
                ["repeat", 2, 32],
                ["repeat", 3, 32],
                ["u64", 4]
            ]),
        ),
        good(
            "prepare manifest",
            &Entry::PrepareManifest {
                epoch: Epoch(1),
                round: ROUND,
                bundles: pairs(),
            },
            &json!([["u8", 5], ["u64", 1], ["u64", 8], hashes]),
        ),
        good(
            "round open",
            &Entry::RoundOpen(open()),
            &joined(&[&json!([["u8", 6]]), &open_fields()]),
        ),
        good("cohort", &cohort(), &cohort_fields()),
        good(
            "masked",
            &Entry::Masked {
                round: ROUND,
                bank: bank(1),
                hash: digest(2),
                length: 65_536,
                signature: SIGNATURE,
            },
            &json!([
                ["u8", 8],
                ["u64", 8],
                ["bank", 1],
                ["repeat", 2, 32],
                ["u64", 65_536],
                ["repeat", 9, 64]
            ]),
        ),
        good(
            "survivors",
            &Entry::Survivors {
                round: ROUND,
                list: pairs(),
            },
            &json!([["u8", 9], ["u64", 8], hashes]),
        ),
        good(
            "certificate",
            &Entry::Certificate {
                round: ROUND,
                signatures,
            },
            &json!([
                ["u8", 10],
                ["u64", 8],
                [
                    "list",
                    [[["bank", 1], ["repeat", 9, 64]], [["bank", 4], ["repeat", 9, 64]]]
                ]
            ]),
        ),
        good(
            "release",
            &Entry::Release {
                round: ROUND,
                bank: bank(1),
                body: digest(2),
            },
            &json!([["u8", 11], ["u64", 8], ["bank", 1], ["repeat", 2, 32]]),
        ),
        good(
            "result without metrics",
            &Entry::Result(result(None)),
            &joined(&[&json!([["u8", 12]]), &result_fields(), &json!([["u8", 0]])]),
        ),
        good(
            "result with metrics",
            &Entry::Result(result(Some(defined))),
            &joined(&[
                &json!([["u8", 12]]),
                &result_fields(),
                &json!([
                    ["u8", 1],
                    ["u64", 8],
                    [
                        "list",
                        [
                            [["u8", 1], ["f64", 0.5]],
                            [["u8", 2], ["f64", 0.875]],
                            [["u8", 3], ["f64", 0.75]],
                            [["u8", 4], ["f64", 0.875]],
                            [["u8", 5], ["f64", 0.125]],
                            [["u8", 6], ["f64", 0.25]],
                            [["u8", 7], ["f64", 0.125]]
                        ]
                    ]
                ]),
            ]),
        ),
        good(
            "result with undefined metrics",
            &Entry::Result(result(Some(undefined))),
            &joined(&[
                &json!([["u8", 12]]),
                &result_fields(),
                &json!([
                    ["u8", 1],
                    ["u64", 0],
                    [
                        "list",
                        [
                            [["u8", 1], ["f64", "nan"]],
                            [["u8", 2], ["f64", "nan"]],
                            [["u8", 3], ["f64", "nan"]],
                            [["u8", 4], ["f64", "nan"]],
                            [["u8", 5], ["f64", "nan"]],
                            [["u8", 6], ["f64", "nan"]],
                            [["u8", 7], ["f64", "nan"]]
                        ]
                    ]
                ]),
            ]),
        ),
        good(
            "acknowledgement",
            &Entry::Ack {
                round: ROUND,
                bank: bank(1),
                state: digest(2),
                signature: SIGNATURE,
            },
            &json!([
                ["u8", 13],
                ["u64", 8],
                ["bank", 1],
                ["repeat", 2, 32],
                ["repeat", 9, 64]
            ]),
        ),
    ];
    let one_bank = json!([
        "list",
        [[
            ["bank", 1],
            ["text", "bank-1"],
            ["repeat", 20, 32],
            ["repeat", 22, 32],
            ["repeat", 21, 32]
        ]]
    ]);
    all.extend([
        good(
            "roster proposal",
            &Entry::RosterProposal {
                sequence: 3,
                previous: digest(6),
                banks: vec![line(1, 20)],
            },
            &json!([["u8", 15], ["u64", 3], ["repeat", 6, 32], one_bank]),
        ),
        good(
            "roster approval",
            &Entry::RosterApproval {
                proposal: digest(7),
                bank: bank(2),
                signature: SIGNATURE,
            },
            &json!([["u8", 16], ["repeat", 7, 32], ["bank", 2], ["repeat", 9, 64]]),
        ),
        good(
            "roster withdrawal",
            &Entry::RosterWithdrawal { proposal: digest(7) },
            &json!([["u8", 17], ["repeat", 7, 32]]),
        ),
    ]);
    for number in 1..=9u8 {
        let reason = AbortReason::try_from(number).unwrap();
        let after_release = number % 2 == 0;
        all.push(good(
            &format!("abort: {}", reason.words()),
            &Entry::Abort {
                round: ROUND,
                reason,
                after_release,
            },
            &json!([
                ["u8", 14],
                ["u64", 8],
                ["u8", number],
                ["u8", u8::from(after_release)]
            ]),
        ));
    }
    all
}

/// What entries name by its hash.
fn named() -> Vec<Value> {
    let segment = |name: &str, kind, values| Segment {
        name: name.to_owned(),
        kind,
        values,
    };
    vec![
        good("round open, as the context names it", &open(), &open_fields()),
        good(
            "layout",
            &Layout {
                digit_bits: 16,
                range: 1.5,
                segments: vec![
                    segment("parameters", SegmentKind::Reals, 4),
                    segment("weight", SegmentKind::Integers { limbs: 2 }, 1),
                ],
            },
            &json!([
                ["u8", 16],
                ["f32", 1.5],
                [
                    "list",
                    [
                        [["text", "parameters"], ["u8", 0], ["u8", 1], ["u32", 4]],
                        [["text", "weight"], ["u8", 1], ["u8", 2], ["u32", 1]]
                    ]
                ]
            ]),
        ),
        good(
            "task state",
            &TaskState {
                control: Vec::new(),
                stopping: None,
                task: digest(1),
                step: 2,
                preparation: None,
                vocabularies: None,
                moments: Some(Moments {
                    mean: vec![0.25, 0.5],
                    std: vec![0.125, 1.0],
                }),
                parameters: vec![-1.5, 0.0, 2.0],
                optimiser: OptimiserState {
                    momentum: vec![0.5, -0.5, 0.0],
                    variance: vec![],
                },
            },
            &json!([
                ["repeat", 1, 32],
                ["u32", 2],
                [
                    "list",
                    [[
                        ["list", [[["f32", 0.25]], [["f32", 0.5]]]],
                        ["list", [[["f32", 0.125]], [["f32", 1.0]]]]
                    ]]
                ],
                ["list", [[["f32", -1.5]], [["f32", 0.0]], [["f32", 2.0]]]],
                ["list", [[["f32", 0.5]], [["f32", -0.5]], [["f32", 0.0]]]],
                ["list", []]
            ]),
        ),
    ]
}

fn bad_entries() -> Vec<Value> {
    let entry = |name: &str, bytes: &[u8], fails: &str| bad::<Entry>(name, bytes, fails);
    let cohort = cohort().to_bytes();
    let opened = Entry::RoundOpen(open()).to_bytes();
    let [_, undefined] = metrics();
    let undefined = Entry::Result(result(Some(undefined))).to_bytes();
    let abort = Entry::Abort {
        round: ROUND,
        reason: AbortReason::Stopped,
        after_release: false,
    }
    .to_bytes();
    let task = Entry::Task {
        name: "credit".to_owned(),
        task: digest(1),
    }
    .to_bytes();
    let survivors = Entry::Survivors {
        round: ROUND,
        list: pairs(),
    }
    .to_bytes();
    let bomb = u32::MAX.to_be_bytes();
    let thresholds_at = (open().to_bytes().len() - 26) as isize - "veilsum/v1/round-open\0".len() as isize;
    vec![
        entry(
            "a trailing byte",
            &[&cohort[..], &[0]].concat(),
            "not canonical, 1 left over",
        ),
        entry(
            "the last byte is missing",
            &cohort[..cohort.len() - 1],
            "short: cohort",
        ),
        entry("empty", &[], "domain"),
        entry("another version", &with(&cohort, 9, b"2"), "domain"),
        entry("the form that the context names", &open().to_bytes(), "domain"),
        entry("type 0", &with(&cohort, TYPE_AT, &[0]), "value: entry type"),
        entry("type 18", &with(&cohort, TYPE_AT, &[18]), "value: entry type"),
        entry(
            "a list of 2^32 - 1 banks",
            &with(&cohort, TYPE_AT + 9, &bomb),
            "short: cohort",
        ),
        entry(
            "a name of 2^32 - 1 bytes",
            &with(&task, TYPE_AT + 1, &bomb),
            "short: name",
        ),
        entry(
            "a name that is not UTF-8",
            &with(&task, TYPE_AT + 5, &[0xff]),
            "value: name",
        ),
        entry("bank 0", &with(&cohort, -6, &[0, 0]), "value: bank"),
        entry("a bank twice", &with(&cohort, -4, &[0, 1]), "value: cohort"),
        entry("banks out of order", &with(&cohort, -6, &[0, 3]), "value: cohort"),
        entry(
            "survivors out of order",
            &with(&survivors, -34, &[0, 1]),
            "value: survivors",
        ),
        entry(
            "round kind 6",
            &with(&opened, TYPE_AT + 49, &[6]),
            "value: round kind",
        ),
        entry(
            "a threshold that the roster does not give",
            &with(&opened, TYPE_AT + 1 + thresholds_at + 5, &[3]),
            "value: thresholds",
        ),
        entry("metrics 2", &with(&undefined, -76, &[2]), "value: metrics"),
        entry("figure 0", &with(&undefined, -9, &[0]), "value: figure"),
        entry("figure 17", &with(&undefined, -9, &[17]), "value: figure"),
        entry("a figure twice", &with(&undefined, -9, &[6]), "value: figures"),
        entry(
            "another NaN",
            &with(&undefined, -1, &[1]),
            "not canonical, 0 left over",
        ),
        entry("abort reason 0", &with(&abort, -2, &[0]), "value: reason"),
        entry("abort reason 10", &with(&abort, -2, &[10]), "value: reason"),
        entry(
            "neither true nor false",
            &with(&abort, -1, &[2]),
            "value: after release",
        ),
        bad::<Layout>(
            "digits of one bit",
            &[b"veilsum/v1/layout\0".as_slice(), &[1; 9]].concat(),
            "value: digit bits",
        ),
        bad::<Layout>(
            "reals in two limbs",
            &[
                b"veilsum/v1/layout\0".as_slice(),
                &[16, 0x3f, 0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1],
            ]
            .concat(),
            "value: segment kind",
        ),
        bad::<TaskState>(
            "moments twice",
            &[
                b"veilsum/v1/task-state\0".as_slice(),
                &[1; 32],
                &[0, 0, 0, 2, 0, 0, 0, 2],
                &[0; 28],
            ]
            .concat(),
            "not canonical, 0 left over",
        ),
    ]
}

#[test]
fn log_entries() {
    let good = [entries(), named()].concat();
    frozen::check("entries", &json!({ "good": good, "bad": bad_entries() }));
}
