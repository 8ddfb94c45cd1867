//! The coordinator lies about fifty rounds, and has every bank's witness key as well: it writes the log anew, signs its head and cosigns it, so
//! that tree and signatures hold. It has no bank's signing key. What it does to the entries must be found where it was done.

mod signed;

use std::collections::BTreeSet;

use veilsum_auditor::verify::report::{Check, Report};
use veilsum_auditor::verify::verify_against;
use veilsum_protocol::ids::Round;
use veilsum_protocol::log::entry::{Entry, RoundOpen, RoundResult};
use veilsum_protocol::wire::canonical::Canonical;

use crate::fifty::fifty;
use crate::world::{World, bank};

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
        Entry::RosterProposal { .. } => "RosterProposal",
        Entry::RosterApproval { .. } => "RosterApproval",
        Entry::RosterWithdrawal { .. } => "RosterWithdrawal",
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
