//! The coordinator lies about fifty rounds, and has every bank's witness key as well: it writes the log anew, signs its head and cosigns it, so
//! that tree and signatures hold. It has no bank's signing key. What it does to the entries must be found where it was done.

use std::collections::BTreeSet;

use veilsum_auditor::verify::report::{Check, Report};
use veilsum_auditor::verify::{HeldCheckpoint, verify_against};
use veilsum_protocol::crypto::signing::Signature;
use veilsum_protocol::ids::{BankIndex, Digest, Round, Timestamp};
use veilsum_protocol::log::entry::{Entry, RoundOpen, RoundResult};
use veilsum_protocol::log::{Cosignature, VerifiedCheckpoint, Witnesses};
use veilsum_protocol::wire::canonical::Canonical;

use crate::fifty::{ROUNDS, Story, fifty};
use crate::rounds::End;
use crate::world::{World, bank, witness_key};

/// A round with four survivors, as many as it takes: no entry of it is spare.
const ROUND: u64 = 25;
/// An older one with the same banks.
const OLDER: u64 = 20;

const ROUND_KINDS: [&str; 9] = [
    "PrepareManifest",
    "RoundOpen",
    "Cohort",
    "Masked",
    "Survivors",
    "Certificate",
    "Release",
    "Result",
    "Ack",
];

fn kind(entry: &Entry) -> &'static str {
    match entry {
        Entry::Roster { .. } => "Roster",
        Entry::Task { .. } => "Task",
        Entry::TaskApproval { .. } => "TaskApproval",
        Entry::KeyDirectory { .. } => "KeyDirectory",
        Entry::PrepareManifest { .. } => "PrepareManifest",
        Entry::RoundOpen(_) => "RoundOpen",
        Entry::Cohort { .. } => "Cohort",
        Entry::Masked { .. } => "Masked",
        Entry::Survivors { .. } => "Survivors",
        Entry::Certificate { .. } => "Certificate",
        Entry::Release { .. } => "Release",
        Entry::Result(_) => "Result",
        Entry::Ack { .. } => "Ack",
        Entry::Abort { .. } => "Abort",
    }
}

fn of_round(entry: &Entry, round: u64) -> bool {
    entry.round() == Some(Round(round))
}

/// The places of the round's entries of a kind.
fn places(world: &World, round: u64, wanted: &str) -> Vec<usize> {
    let found = world.find(|entry| of_round(entry, round) && kind(entry) == wanted);
    found.into_iter().map(|(at, _)| at).collect()
}

fn first(world: &World, wanted: &str) -> usize {
    world.find(|entry| kind(entry) == wanted)[0].0
}

/// The log alone; the replay costs more and comes last.
fn audit(world: &World) -> Report {
    let mut world = world.clone();
    world.files.clear();
    world.on_disk(|_, mut audit| {
        audit.archive = None;
        verify_against(&audit, &world.known, |_| ()).unwrap().report
    })
}

fn told(report: &Report) -> String {
    let findings = report.checks.iter().flat_map(|check| {
        let told = move |finding: &_| format!("  {}: {finding}\n", check.check.name());
        check.findings.iter().map(told)
    });
    findings.take(12).collect()
}

/// The check has a finding in this round, or outside the rounds where none is given.
fn found(report: &Report, check: Check, round: Option<u64>) -> bool {
    let mut checks = report.checks.iter().filter(|report| report.check == check);
    checks.any(|report| report.findings.iter().any(|finding| finding.place.round == round))
}

#[track_caller]
fn must_be_found(what: &str, report: &Report, check: Check, round: Option<u64>) {
    assert!(
        found(report, check, round),
        "{what}: no finding of {check:?}\n{}",
        told(report)
    );
    // The coordinator did sign this, and the witnesses did cosign it.
    assert!(!report.failed().contains(&Check::Log), "{what}\n{}", told(report));
    let without_roster = what.contains("Roster");
    assert!(
        without_roster || !report.failed().contains(&Check::Witnesses),
        "{what}\n{}",
        told(report)
    );
}

#[test]
fn an_entry_that_is_dropped_is_missed() {
    let honest = fifty();
    let dropped = |at: usize| {
        let mut world = honest.clone();
        world.entries.remove(at);
        world
    };
    let outside: [(&str, Check, Option<u64>); 4] = [
        ("Roster", Check::Roster, Some(1)),
        ("Task", Check::TaskApproval, None),
        ("TaskApproval", Check::Cohort, Some(1)),
        ("KeyDirectory", Check::RoundRules, Some(1)),
    ];
    for (kind, check, round) in outside {
        let report = audit(&dropped(first(&honest, kind)));
        must_be_found(&format!("without {kind}"), &report, check, round);
    }
    for kind in ROUND_KINDS {
        let (check, round) = match kind {
            "Masked" => (Check::Survivors, ROUND),
            "Release" => (Check::Releases, ROUND),
            // The next round begins while this one is open.
            "Result" => (Check::StateChain, ROUND + 1),
            // A bank may acknowledge or not; see below.
            "Ack" => continue,
            _ => (Check::RoundOrder, ROUND),
        };
        let report = audit(&dropped(places(&honest, ROUND, kind)[0]));
        must_be_found(&format!("without {kind}"), &report, check, Some(round));
    }
    let report = audit(&dropped(places(&honest, 8, "Abort")[0]));
    must_be_found("without Abort", &report, Check::RoundOrder, Some(9));
}

/// A log without these is one that an honest coordinator could have written, so nothing in it can tell. Who holds a receipt can.
#[test]
fn an_entry_that_might_never_have_been_there_is_missed_by_its_receipt() {
    let honest = fifty();
    let spare = [
        ("an Ack", places(&honest, ROUND, "Ack")[2]),
        // The fifth of four that it takes.
        ("a Release", places(&honest, 23, "Release")[4]),
        // The only entry of its round, and round numbers may have gaps.
        ("an Abort", places(&honest, 16, "Abort")[0]),
    ];
    for (what, at) in spare {
        let mut world = honest.clone();
        world.entries.remove(at);
        assert_eq!(audit(&world).failed(), [], "{what}");
        world.known.receipts.push(honest.receipt(at));
        assert_eq!(audit(&world).failed(), [Check::Receipts], "{what}");
    }
}

#[test]
fn an_entry_that_stands_there_twice_is_found() {
    let honest = fifty();
    let twice = |at: usize| {
        let mut world = honest.clone();
        world.entries.insert(at + 1, world.entries[at].clone());
        world
    };
    let report = audit(&twice(first(&honest, "KeyDirectory")));
    must_be_found("two directories", &report, Check::KeyDirectory, None);
    for kind in ROUND_KINDS {
        let check = match kind {
            "PrepareManifest" => Check::RoundNumbers,
            "Masked" => Check::MaskedSignature,
            "Release" => Check::Releases,
            "Ack" => Check::Acks,
            _ => Check::RoundOrder,
        };
        let report = audit(&twice(places(&honest, ROUND, kind)[0]));
        must_be_found(&format!("two of {kind}"), &report, check, Some(ROUND));
    }
    let report = audit(&twice(places(&honest, 8, "Abort")[0]));
    must_be_found("two aborts", &report, Check::RoundOrder, Some(8));
    // A roster, an offer or an approval that is repeated says nothing new, and changes no round.
    for kind in ["Roster", "Task", "TaskApproval"] {
        let mut world = twice(first(&honest, kind));
        assert_eq!(audit(&world).failed(), [], "{kind}");
        world
            .known
            .receipts
            .push(honest.receipt(places(&honest, ROUND, "Ack")[0]));
        assert_eq!(audit(&world).failed(), [Check::Receipts], "{kind}");
    }
}

/// Behind so many other entries that the auditor has let go of the round.
#[test]
fn a_late_acknowledgement_is_checked_like_any_other() {
    let honest = fifty();
    let at = places(&honest, ROUND, "Ack")[2];
    let late = |acks: &[Vec<u8>]| {
        let mut world = honest.clone();
        world.entries.remove(at);
        let approval = honest.entries[first(&honest, "TaskApproval")].clone();
        world.entries.extend(vec![approval; 5000]);
        world.entries.extend_from_slice(acks);
        world
    };
    let good = honest.entries[at].clone();
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let world = late(std::slice::from_ref(&good));
    assert_eq!(audit(&world).failed(), []);
    assert!(world.tell(ROUND).text.contains("derived by    5 banks"));
    assert!(late(&[]).tell(ROUND).text.contains("derived by    4 banks"));
    for (what, acks) in [("twice", vec![good.clone(), good]), ("forged", vec![forged])] {
        let report = audit(&late(&acks));
        assert_eq!(report.failed(), [Check::Acks], "{what}");
        must_be_found(what, &report, Check::Acks, Some(ROUND));
    }
}

#[test]
fn entries_in_another_order_are_found() {
    let honest = fifty();
    // The last of a kind changes places with the first of the next.
    for pair in ROUND_KINDS.windows(2) {
        let mut world = honest.clone();
        let last = *places(&honest, ROUND, pair[0]).last().unwrap();
        world.entries.swap(last, last + 1);
        let check = match pair[0] {
            // A manifest begins a round.
            "PrepareManifest" => Check::RoundNumbers,
            _ => Check::RoundOrder,
        };
        must_be_found(&format!("{pair:?}"), &audit(&world), check, Some(ROUND));
    }
    let mut world = honest.clone();
    let (task, approval) = (first(&honest, "Task"), first(&honest, "TaskApproval"));
    world.entries.swap(task, approval);
    must_be_found("approval first", &audit(&world), Check::TaskApproval, None);
    // Two whole rounds.
    let block = |round: u64| -> BTreeSet<usize> {
        honest
            .find(|entry| of_round(entry, round))
            .into_iter()
            .map(|(at, _)| at)
            .collect()
    };
    let (one, two) = (block(ROUND), block(ROUND + 1));
    let mut world = honest.clone();
    let moved: Vec<usize> = two.iter().chain(&one).copied().collect();
    for (to, from) in one.iter().chain(&two).zip(moved) {
        world.entries[*to] = honest.entries[from].clone();
    }
    let report = audit(&world);
    must_be_found("two rounds", &report, Check::RoundNumbers, Some(ROUND));
    must_be_found("two rounds", &report, Check::StateChain, Some(ROUND + 1));
}

/// The older round's entry of the same kind with the number of the later round, where it is not signed.
fn renumbered(entry: &Entry) -> Entry {
    let now = Round(ROUND);
    match entry.clone() {
        Entry::PrepareManifest { epoch, bundles, .. } => Entry::PrepareManifest {
            epoch,
            round: now,
            bundles,
        },
        Entry::RoundOpen(open) => Entry::RoundOpen(RoundOpen { round: now, ..open }),
        Entry::Cohort { banks, .. } => Entry::Cohort { round: now, banks },
        Entry::Masked {
            bank,
            hash,
            length,
            signature,
            ..
        } => Entry::Masked {
            round: now,
            bank,
            hash,
            length,
            signature,
        },
        Entry::Survivors { list, .. } => Entry::Survivors { round: now, list },
        Entry::Certificate { signatures, .. } => Entry::Certificate {
            round: now,
            signatures,
        },
        Entry::Release { bank, body, .. } => Entry::Release {
            round: now,
            bank,
            body,
        },
        Entry::Result(result) => Entry::Result(RoundResult { round: now, ..result }),
        Entry::Ack {
            bank,
            state,
            signature,
            ..
        } => Entry::Ack {
            round: now,
            bank,
            state,
            signature,
        },
        other => other,
    }
}

#[test]
fn entries_of_an_older_round_are_found() {
    let honest = fifty();
    for kind in ROUND_KINDS {
        let old = honest.find(|entry| of_round(entry, OLDER) && self::kind(entry) == kind)[0]
            .1
            .clone();
        let at = places(&honest, ROUND, kind)[0];
        // As it is, in front of the later round's.
        let mut world = honest.clone();
        world.entries.insert(at, old.to_bytes());
        let check = match kind {
            "PrepareManifest" => Check::RoundNumbers,
            // It is a late one, and the bank's second.
            "Ack" => Check::Acks,
            _ => Check::RoundOrder,
        };
        must_be_found(&format!("{kind} again"), &audit(&world), check, Some(OLDER));
        // In the place of the later round's.
        let new = renumbered(&old);
        world = honest.clone();
        world.entries[at] = new.to_bytes();
        let check = match kind {
            "PrepareManifest" => Check::Manifest,
            "RoundOpen" => Check::StateChain,
            // The same banks, so the same entry; a cohort of others follows.
            "Cohort" => {
                assert_eq!(new.to_bytes(), honest.entries[at]);
                continue;
            }
            "Masked" => Check::MaskedSignature,
            "Survivors" => Check::Survivors,
            "Certificate" => Check::Certificate,
            "Result" => Check::Result,
            "Ack" => Check::Acks,
            // The body stands in the archive.
            "Release" => {
                let report = world.audit();
                must_be_found("an old release", &report, Check::ArchivedRelease, Some(ROUND));
                continue;
            }
            other => panic!("{other}"),
        };
        must_be_found(&format!("an old {kind}"), &audit(&world), check, Some(ROUND));
    }
    let mut world = honest.clone();
    let round = Round(ROUND);
    let banks = [1, 2, 3, 4].map(bank).to_vec();
    world.entries[places(&honest, ROUND, "Cohort")[0]] = Entry::Cohort { round, banks }.to_bytes();
    must_be_found(
        "a cohort of others",
        &audit(&world),
        Check::MaskedSignature,
        Some(ROUND),
    );
    // A whole round once more, behind the last.
    let mut world = honest.clone();
    let old: Vec<Vec<u8>> = honest
        .find(|entry| of_round(entry, OLDER))
        .iter()
        .map(|(_, it)| it.to_bytes())
        .collect();
    world.entries.extend(old);
    let report = audit(&world);
    must_be_found("a round again", &report, Check::RoundNumbers, Some(OLDER));
    must_be_found("a round again", &report, Check::StateChain, Some(OLDER));
}

type Signatures = Vec<(BankIndex, Signature)>;

fn certificate(world: &mut World, change: impl Fn(&mut Signatures)) {
    let at = places(world, ROUND, "Certificate")[0];
    let Ok(Entry::Certificate {
        round,
        mut signatures,
    }) = Entry::from_bytes(&world.entries[at])
    else {
        panic!("no certificate");
    };
    assert_eq!(signatures.len(), 4);
    change(&mut signatures);
    world.entries[at] = Entry::Certificate { round, signatures }.to_bytes();
}

/// Three banks signed, one fewer than it takes.
#[test]
fn a_certificate_that_one_bank_too_few_has_signed_is_found() {
    let honest = fifty();
    let older = {
        let at = places(&honest, OLDER, "Certificate")[0];
        match Entry::from_bytes(&honest.entries[at]).unwrap() {
            Entry::Certificate { signatures, .. } => signatures[0].1,
            _ => panic!("no certificate"),
        }
    };
    let by_the_coordinator = honest.consortium.log_key.sign_bytes(b"survivors");
    let forgeries: [(&str, &dyn Fn(&mut Signatures)); 5] = [
        ("three", &|signatures| signatures.truncate(3)),
        ("the coordinator's", &|signatures| {
            signatures[0].1 = by_the_coordinator
        }),
        ("an older round's", &|signatures| signatures[0].1 = older),
        ("another bank's", &|signatures| signatures[0].1 = signatures[1].1),
        ("no survivor's", &|signatures| {
            let last = signatures[3].1;
            signatures.remove(0);
            signatures.insert(1, (bank(3), last));
        }),
    ];
    for (what, change) in forgeries {
        let mut world = honest.clone();
        certificate(&mut world, change);
        must_be_found(what, &audit(&world), Check::Certificate, Some(ROUND));
        assert_eq!(audit(&world).failed(), [Check::Certificate], "{what}");
    }
}

/// The sum stays what it was, and the list of survivors follows the swap; only what the banks signed does not.
#[test]
fn masked_updates_of_two_banks_that_are_swapped_are_found() {
    for with_signatures in [false, true] {
        let mut world = fifty();
        let places = places(&world, ROUND, "Masked");
        let update =
            |world: &World, which: usize| match Entry::from_bytes(&world.entries[places[which]]).unwrap() {
                Entry::Masked {
                    bank,
                    hash,
                    length,
                    signature,
                    ..
                } => (bank, hash, length, signature),
                _ => panic!("no update"),
            };
        let (one, two) = (update(&world, 0), update(&world, 1));
        let round = Round(ROUND);
        for (at, own, other) in [(places[0], one, two), (places[1], two, one)] {
            let signature = if with_signatures { other.3 } else { own.3 };
            let (bank, hash, length) = (own.0, other.1, other.2);
            world.entries[at] = Entry::Masked {
                round,
                bank,
                hash,
                length,
                signature,
            }
            .to_bytes();
        }
        world.change(|entry| match entry {
            Entry::Survivors { list, .. } if list.iter().any(|(_, hash)| *hash == one.1) => {
                let hashes: (Digest, Digest) = (list[0].1, list[1].1);
                (list[0].1, list[1].1) = (hashes.1, hashes.0);
                true
            }
            _ => false,
        });
        let report = world.audit();
        assert_eq!(
            report.failed(),
            [Check::MaskedSignature, Check::Certificate],
            "{}",
            told(&report)
        );
        must_be_found("swapped", &report, Check::MaskedSignature, Some(ROUND));
    }
}

/// All banks derive from the altered sum, and all later rounds start from what it gave: the log is as good as any.
#[test]
fn one_coordinate_of_one_sum_that_is_off_by_one_is_found() {
    for altered in [1, ROUND, ROUNDS] {
        let mut story = Story::new();
        for round in 1..=ROUNDS {
            let end = (round == altered).then_some(End::PublishedWithOneMore);
            story.play_to(round, end);
        }
        assert!(audit(&story.world).holds());
        let report = story.world.audit();
        assert_eq!(report.failed(), [Check::MaskedSum], "{}", told(&report));
        assert!(found(&report, Check::MaskedSum, Some(altered)));
        assert_eq!(report.replayed, Some(report.rounds - 1));
    }
}

#[test]
fn two_checkpoints_of_one_size_are_found_and_prove_it() {
    let mut world = fifty();
    world.files.clear();
    let mut other = world.clone();
    let acks = places(&world, ROUNDS, "Ack");
    other.entries.swap(acks[0], acks[1]);
    let shown = other.head();
    world.known.held.push(HeldCheckpoint {
        name: "bank-2".to_owned(),
        note: shown.note().as_str().as_bytes().to_vec(),
    });
    // Each is a good log.
    assert!(audit(&other).holds());
    world.on_disk(|_, mut audit| {
        audit.archive = None;
        let audited = verify_against(&audit, &world.known, |_| ()).unwrap();
        assert_eq!(audited.report.failed(), [Check::HeldCheckpoints]);
        let [contradiction] = audited.contradictions.as_slice() else {
            panic!("{:?}", audited.contradictions);
        };
        let [one, two] = &contradiction.notes;
        let (one, two) = (one.checkpoint(), two.checkpoint());
        assert_eq!(one.size, two.size);
        assert_ne!(one.root, two.root);
    });
}

#[test]
fn a_checkpoint_that_too_few_have_cosigned_is_found() {
    type Lines = Vec<(BankIndex, Cosignature)>;
    let mut world = fifty();
    world.files.clear();
    let signed = world.signed_head();
    let text = signed.note().text();
    let by =
        |key: u16, text: &str| Cosignature::sign(&witness_key(bank(key)), text, Timestamp(1_700_000_000));
    let three: Lines = [1, 2, 3]
        .map(|position| (bank(position), by(position, text)))
        .to_vec();
    let and = |more: (u16, Cosignature)| [three.clone(), vec![(bank(more.0), more.1)]].concat();
    let mut late = by(4, text);
    late.time = Timestamp(late.time.0 + 1);
    let cases: [(&str, Lines); 6] = [
        ("one too few", three.clone()),
        ("one of them twice", and((3, by(3, text)))),
        ("with another bank's key", and((4, by(5, text)))),
        ("of another head", and((4, by(4, "example.org/loans\n7\n")))),
        ("with another time", and((4, late))),
        (
            "by the log",
            and((
                4,
                Cosignature::sign(&world.consortium.log_key, text, Timestamp(1)),
            )),
        ),
    ];
    let with =
        |lines: &Lines| -> VerifiedCheckpoint { Witnesses::of(&world.consortium.roster).add(&signed, lines) };
    world.on_disk(|folder, mut audit| {
        audit.archive = None;
        let failed = |lines: &Lines| {
            std::fs::write(folder.join("log/checkpoint"), with(lines).note().as_str()).unwrap();
            verify_against(&audit, &world.known, |_| ())
                .unwrap()
                .report
                .failed()
        };
        assert_eq!(failed(&and((4, by(4, text)))), []);
        for (what, lines) in &cases {
            assert_eq!(failed(lines), [Check::Witnesses], "{what}");
        }
    });
}
