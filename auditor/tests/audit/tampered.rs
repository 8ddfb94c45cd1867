//! For every check a log or an archive that only it refuses. The one who tampers is the coordinator: it signs any head that it
//! likes, and has no bank's key.

use std::rc::Rc;

use veilsum_auditor::verify::report::Check;
use veilsum_protocol::crypto::signing::Signature;
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round};
use veilsum_protocol::log::entry::{AbortReason, Entry, RoundOpen, RoundResult};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::secagg::pack;
use veilsum_protocol::wire::canonical::Canonical;

use crate::rounds::{End, Script, story};
use crate::world::{World, bank, blob_path};

type Tamper = fn(&mut World);

/// What is done, with what, and every check that must fail; no other may.
const CASES: &[(&str, Tamper, &[Check])] = &[
    (
        "an entry that is none",
        |world| world.entries.push(b"veilsum/v1/log-entry\0\x0f".to_vec()),
        &[Check::EntryForm],
    ),
    (
        "an entry with a byte left over",
        a_byte_left_over,
        &[Check::EntryForm],
    ),
    (
        "a roster with another key",
        another_roster,
        &[Check::Roster, Check::KeyDirectory],
    ),
    ("a roster of two banks", roster_of_two, &[Check::Roster]),
    ("an epoch used twice", epoch_used_twice, &[Check::KeyDirectory]),
    (
        "keys from a used round on",
        keys_from_a_used_round,
        &[Check::KeyDirectory],
    ),
    ("an unsigned approval", unsigned_approval, &[Check::TaskApproval]),
    (
        "an approval of a task that nobody offered",
        approval_without_task,
        &[Check::TaskApproval],
    ),
    ("a missing approval", missing_approval, &[Check::Cohort]),
    (
        "a result without shares",
        result_without_shares,
        &[Check::RoundOrder, Check::Releases, Check::MaskedSum],
    ),
    (
        "an update after an abort",
        update_after_abort,
        &[Check::RoundOrder],
    ),
    (
        "a round while another is open",
        round_while_open,
        &[Check::RoundOrder],
    ),
    ("a round run again", round_run_again, &[Check::RoundNumbers]),
    (
        "a round run again with another bank left out",
        both_kinds_across_rounds,
        &[Check::RoundNumbers, Check::OneKindOfShare],
    ),
    ("another manifest", another_manifest, &[Check::Manifest]),
    (
        "thresholds for no colluder",
        lower_thresholds,
        &[Check::RoundRules],
    ),
    (
        "another epoch's directory",
        another_directory,
        &[Check::RoundRules],
    ),
    ("narrow lanes", narrow_lanes, &[Check::RoundRules]),
    (
        "a small cohort",
        |world| add_cohort(world, &[1, 2, 3]),
        &[Check::Cohort],
    ),
    (
        "a cohort with a bank that did not prepare",
        |world| add_cohort(world, &[1, 2, 3, 5]),
        &[Check::Cohort],
    ),
    (
        "an update of another round",
        update_of_another_round,
        &[Check::MaskedSignature],
    ),
    ("an update twice", update_twice, &[Check::MaskedSignature]),
    (
        "a survivor outside the cohort",
        survivor_outside,
        &[Check::Survivors, Check::Certificate, Check::Result],
    ),
    (
        "a survivor left out",
        survivor_left_out,
        &[
            Check::Survivors,
            Check::Certificate,
            Check::Releases,
            Check::Result,
            Check::ArchivedRelease,
            Check::MaskedSum,
            Check::DerivedState,
        ],
    ),
    (
        "a certificate with a signature missing",
        missing_signature,
        &[Check::Certificate],
    ),
    (
        "a certificate with a forged signature",
        forged_signature,
        &[Check::Certificate],
    ),
    (
        "a certificate with the signature of a bank that dropped out",
        foreign_signature,
        &[Check::Certificate],
    ),
    (
        "shares of a bank that dropped out",
        foreign_release,
        &[Check::Releases, Check::ArchivedRelease],
    ),
    (
        "swapped releases",
        swapped_releases,
        &[Check::ArchivedRelease, Check::MaskedSum],
    ),
    ("a result of another opening", another_opening, &[Check::Result]),
    ("another number of survivors", another_count, &[Check::Result]),
    (
        "a step left out",
        step_left_out,
        &[Check::StateChain, Check::RoundPlan],
    ),
    ("a crafted state", crafted_state, &[Check::StateChain]),
    ("another last result", another_last_result, &[Check::StateChain]),
    (
        "a wrong next state",
        wrong_next_state,
        &[Check::Acks, Check::DerivedState],
    ),
    ("a forged acknowledgement", forged_ack, &[Check::Acks]),
    ("an acknowledgement twice", ack_twice, &[Check::Acks]),
    (
        "an abort that hides released shares",
        hiding_abort,
        &[Check::Abort],
    ),
    (
        "a key directory with the keys of another epoch",
        keys_of_another_epoch,
        &[Check::ArchivedDirectory],
    ),
    ("another task text", another_text, &[Check::TaskText]),
    ("another task name", another_name, &[Check::TaskText]),
    ("another layout", another_layout, &[Check::RoundPlan]),
    (
        "no index of bundles",
        |world| drop(world.files.remove("rounds/3.json")),
        &[Check::ArchivedBundle],
    ),
    ("swapped bundles", swapped_bundles, &[Check::ArchivedBundle]),
    (
        "a bundle with a flipped bit",
        flipped_bundle,
        &[Check::ArchivedBundle],
    ),
    (
        "a masked update with a flipped bit",
        flipped_update,
        &[Check::ArchivedMasked],
    ),
    (
        "a missing masked update",
        missing_update,
        &[Check::ArchivedMasked],
    ),
    (
        "shares with a flipped bit",
        flipped_shares,
        &[Check::ArchivedRelease, Check::MaskedSum],
    ),
    ("a sum altered by one", sum_altered_by_one, &[Check::MaskedSum]),
    ("another weight", another_weight, &[Check::DerivedState]),
    ("polished metrics", polished_metrics, &[Check::DerivedState]),
];

#[test]
fn every_tampering_is_found_by_its_check_and_by_no_other() {
    let honest = story();
    let mut wrong = Vec::new();
    for (what, tamper, expected) in CASES {
        let mut world = honest.clone();
        tamper(&mut world);
        let report = world.audit();
        assert!(
            !report.holds() && report.verdict().contains("does NOT verify"),
            "{what}"
        );
        if report.failed() != *expected {
            let findings = report.checks.iter().flat_map(|check| {
                let name = check.check.name();
                check
                    .findings
                    .iter()
                    .map(move |finding| format!("  {name}: {finding}\n"))
            });
            let findings: String = findings.collect();
            wrong.push(format!("{what}: {:?}\n{findings}", report.failed()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_check_has_a_case_in_which_it_fails() {
    // The log's own hashes and signature fail in the tests of the command line.
    for check in Check::ALL.iter().filter(|check| **check != Check::Log) {
        assert!(
            CASES.iter().any(|(_, _, failed)| failed.contains(check)),
            "{check:?}"
        );
    }
}

fn last_open(world: &mut World, change: impl Fn(&mut RoundOpen)) {
    let opens = world.find(|entry| matches!(entry, Entry::RoundOpen(_)));
    let Some((at, Entry::RoundOpen(open))) = opens.last() else {
        panic!("no opening");
    };
    let mut open = open.clone();
    change(&mut open);
    world.entries[*at] = Entry::RoundOpen(open).to_bytes();
}

fn last_result(world: &mut World, change: impl Fn(&mut RoundResult)) {
    let results = world.find(|entry| matches!(entry, Entry::Result(_)));
    let Some((at, Entry::Result(result))) = results.last() else {
        panic!("no result");
    };
    let mut result = result.clone();
    change(&mut result);
    world.entries[*at] = Entry::Result(result).to_bytes();
    world.relink();
}

fn flip(world: &mut World, hash: &Digest) {
    let contents = world.files.get_mut(&blob_path(hash)).unwrap();
    let middle = contents.len() / 2;
    contents[middle] ^= 1;
}

fn a_byte_left_over(world: &mut World) {
    let last = world
        .find(|entry| matches!(entry, Entry::Ack { .. }))
        .pop()
        .unwrap()
        .0;
    world.entries[last].push(0);
}

fn another_roster(world: &mut World) {
    let mut other = Entry::from(&world.consortium.roster);
    if let Entry::Roster { banks, .. } = &mut other {
        banks[4].signing_key = [9; 32];
    }
    // Behind everything that was signed under the first one, with keys that it would be for.
    world.log(&other);
    world.log(&Entry::KeyDirectory {
        epoch: Epoch(2),
        roster: Digest([1; 32]),
        directory: Digest([2; 32]),
        first_round: Round(5),
    });
}

fn roster_of_two(world: &mut World) {
    let mut other = Entry::from(&world.consortium.roster);
    if let Entry::Roster { banks, .. } = &mut other {
        banks.truncate(2);
    }
    world.log(&other);
}

fn add_directory(world: &mut World, epoch: u64, first_round: u64) {
    let roster = world.consortium.roster.hash();
    world.log(&Entry::KeyDirectory {
        epoch: Epoch(epoch),
        roster,
        directory: Digest([2; 32]),
        first_round: Round(first_round),
    });
}

fn epoch_used_twice(world: &mut World) {
    add_directory(world, 1, 5);
}

fn keys_from_a_used_round(world: &mut World) {
    add_directory(world, 2, 4);
}

fn unsigned_approval(world: &mut World) {
    world.change(|entry| match entry {
        Entry::TaskApproval { signature, .. } => {
            *signature = Signature([0; 64]);
            true
        }
        _ => false,
    });
}

fn approval_without_task(world: &mut World) {
    let task = Digest([3; 32]);
    let statement = veilsum_protocol::wire::statement::Approval { task, bank: bank(1) };
    let signature = world.consortium.keys[&bank(1)].sign(&statement);
    world.log(&Entry::TaskApproval {
        task,
        bank: bank(1),
        signature,
    });
}

fn missing_approval(world: &mut World) {
    world.remove(|entry| matches!(entry, Entry::TaskApproval { bank, .. } if bank.get() == 2));
}

fn result_without_shares(world: &mut World) {
    world.remove(|entry| matches!(entry, Entry::Release { round, .. } if round.0 == 3));
}

fn update_after_abort(world: &mut World) {
    let masked = world.find(|entry| matches!(entry, Entry::Masked { round, .. } if round.0 == 2));
    let (at, _) = masked[0];
    let update = world.entries.remove(at);
    let abort = world.find(|entry| matches!(entry, Entry::Abort { .. }))[0].0;
    world.entries.insert(abort + 1, update);
}

fn round_while_open(world: &mut World) {
    world.log(&Entry::Abort {
        round: Round(9),
        reason: AbortReason::TooFewPrepared,
        after_release: false,
    });
}

fn end_the_open_round(world: &mut World) {
    world.log(&Entry::Abort {
        round: Round(4),
        reason: AbortReason::TooFewReady,
        after_release: false,
    });
}

fn round_run_again(world: &mut World) {
    end_the_open_round(world);
    world.play(&Script {
        round: 3,
        attempt: 2,
        prepared: &[1, 2, 3, 4, 5],
        cohort: &[],
        survivors: &[],
        end: End::Opened,
    });
}

/// Bank 3 dropped out of round 3 the first time, bank 5 the second.
fn both_kinds_across_rounds(world: &mut World) {
    end_the_open_round(world);
    world.play(&Script {
        round: 3,
        attempt: 2,
        prepared: &[1, 2, 3, 4, 5],
        cohort: &[1, 2, 3, 4, 5],
        survivors: &[1, 2, 3, 4],
        end: End::AbortedAfter(1),
    });
}

fn another_manifest(world: &mut World) {
    last_open(world, |open| open.manifest = Digest([4; 32]));
}

fn lower_thresholds(world: &mut World) {
    last_open(world, |open| open.thresholds = Thresholds::new(5, 0).unwrap());
}

fn another_directory(world: &mut World) {
    last_open(world, |open| open.directory = Digest([4; 32]));
}

fn narrow_lanes(world: &mut World) {
    last_open(world, |open| open.ring_bits = 17);
}

fn add_cohort(world: &mut World, positions: &[u16]) {
    let banks = positions.iter().map(|position| bank(*position)).collect();
    world.log(&Entry::Cohort {
        round: Round(4),
        banks,
    });
}

fn update_of_another_round(world: &mut World) {
    let first = world.find(|entry| matches!(entry, Entry::Masked { bank, .. } if bank.get() == 1))[0]
        .1
        .clone();
    let Entry::Masked { signature: old, .. } = first else {
        panic!("no update");
    };
    world.change(|entry| match entry {
        Entry::Masked {
            round,
            bank,
            signature,
            ..
        } if round.0 == 3 && bank.get() == 1 => {
            *signature = old;
            true
        }
        _ => false,
    });
}

/// Of the aborted round, whose sum nobody adds.
fn update_twice(world: &mut World) {
    let at = world.find(|entry| matches!(entry, Entry::Masked { round, .. } if round.0 == 2))[0].0;
    let again = world.entries[at].clone();
    world.entries.insert(at, again);
}

fn survivor_outside(world: &mut World) {
    world.change(|entry| match entry {
        Entry::Survivors { round, list } if round.0 == 1 => {
            list.push((bank(5), Digest([5; 32])));
            true
        }
        _ => false,
    });
}

fn survivor_left_out(world: &mut World) {
    world.change(|entry| match entry {
        Entry::Survivors { round, list } if round.0 == 3 => list.pop().is_some(),
        _ => false,
    });
}

fn in_certificate(world: &mut World, change: impl Fn(&mut Vec<(BankIndex, Signature)>)) {
    world.change(|entry| match entry {
        Entry::Certificate { round, signatures } if round.0 == 3 => {
            change(signatures);
            true
        }
        _ => false,
    });
}

fn missing_signature(world: &mut World) {
    in_certificate(world, |signatures| signatures.truncate(3));
}

fn forged_signature(world: &mut World) {
    in_certificate(world, |signatures| signatures[1].1.0[7] ^= 1);
}

fn foreign_signature(world: &mut World) {
    in_certificate(world, |signatures| signatures[2].0 = bank(3));
}

fn release_of(world: &World, round: u64, bank: u16) -> (usize, Digest) {
    let found = world.find(|entry| {
        matches!(entry, Entry::Release { round: of, bank: by, .. } if of.0 == round && by.get() == bank)
    });
    match found.first() {
        Some((at, Entry::Release { body, .. })) => (*at, *body),
        _ => panic!("no release"),
    }
}

fn foreign_release(world: &mut World) {
    let (at, body) = release_of(world, 3, 5);
    let foreign = Entry::Release {
        round: Round(3),
        bank: bank(3),
        body,
    };
    world.entries.insert(at + 1, foreign.to_bytes());
}

fn swapped_releases(world: &mut World) {
    let ((first, one), (second, two)) = (release_of(world, 3, 1), release_of(world, 3, 2));
    for (at, by, body) in [(first, 1, two), (second, 2, one)] {
        let entry = Entry::Release {
            round: Round(3),
            bank: bank(by),
            body,
        };
        world.entries[at] = entry.to_bytes();
    }
}

fn another_opening(world: &mut World) {
    last_result(world, |result| result.open = Digest([6; 32]));
}

fn another_count(world: &mut World) {
    last_result(world, |result| result.survivors = 5);
}

fn step_left_out(world: &mut World) {
    last_open(world, |open| open.step += 1);
}

fn crafted_state(world: &mut World) {
    last_open(world, |open| open.state = Digest([7; 32]));
}

fn another_last_result(world: &mut World) {
    last_open(world, |open| open.last_result = Digest([0; 32]));
}

fn wrong_next_state(world: &mut World) {
    last_result(world, |result| result.next_state = Digest([8; 32]));
}

fn in_last_ack(world: &mut World, change: impl Fn(&mut World, usize)) {
    let at = world
        .find(|entry| matches!(entry, Entry::Ack { .. }))
        .pop()
        .unwrap()
        .0;
    change(world, at);
}

fn forged_ack(world: &mut World) {
    in_last_ack(world, |world, at| *world.entries[at].last_mut().unwrap() ^= 1);
}

fn ack_twice(world: &mut World) {
    in_last_ack(world, |world, at| world.entries.push(world.entries[at].clone()));
}

fn hiding_abort(world: &mut World) {
    world.change(|entry| match entry {
        Entry::Abort { after_release, .. } => std::mem::take(after_release),
        _ => false,
    });
}

/// The keys of the first epoch offered for a second one: their signatures name the first.
fn keys_of_another_epoch(world: &mut World) {
    let mut second = world.consortium.directory.clone();
    second.epoch = Epoch(2);
    second.first_round = Round(5);
    let directory = world.blob(&second.to_bytes());
    let roster = world.consortium.roster.hash();
    world.log(&Entry::KeyDirectory {
        epoch: second.epoch,
        roster,
        directory,
        first_round: second.first_round,
    });
}

fn another_text(world: &mut World) {
    flip(world, &world.consortium.task.hash());
}

fn another_name(world: &mut World) {
    world.change(|entry| match entry {
        Entry::Task { name, .. } => {
            name.push('2');
            true
        }
        _ => false,
    });
}

fn another_layout(world: &mut World) {
    last_open(world, |open| open.layout = Digest([9; 32]));
}

fn bundle_blobs(world: &World) -> Vec<String> {
    let index: std::collections::BTreeMap<String, String> =
        serde_json::from_slice(&world.files["rounds/3.json"]).unwrap();
    index.into_values().collect()
}

fn swapped_bundles(world: &mut World) {
    let blobs = bundle_blobs(world);
    let index = [
        (1, &blobs[1]),
        (2, &blobs[0]),
        (3, &blobs[2]),
        (4, &blobs[3]),
        (5, &blobs[4]),
    ];
    let index: std::collections::BTreeMap<u16, &String> = index.into();
    world
        .files
        .insert("rounds/3.json".to_owned(), serde_json::to_vec(&index).unwrap());
}

fn flipped_bundle(world: &mut World) {
    let blob = Digest::from_hex(&bundle_blobs(world)[0]).unwrap();
    flip(world, &blob);
}

fn update_blob(world: &World) -> Digest {
    let masked = world.find(|entry| matches!(entry, Entry::Masked { round, .. } if round.0 == 3));
    match &masked[1].1 {
        Entry::Masked { hash, .. } => *hash,
        _ => panic!("no update"),
    }
}

fn flipped_update(world: &mut World) {
    flip(world, &update_blob(world));
}

fn missing_update(world: &mut World) {
    let path = blob_path(&update_blob(world));
    world.files.remove(&path).unwrap();
}

fn flipped_shares(world: &mut World) {
    flip(world, &release_of(world, 3, 4).1);
}

/// The banks would derive another state and acknowledge nothing; everything else is as consistent as a coordinator can make it.
fn sum_altered_by_one(world: &mut World) {
    let consortium = Rc::clone(&world.consortium);
    let plan: &Plan = &consortium.plan;
    let published =
        |world: &World, which: usize| match &world.find(|entry| matches!(entry, Entry::Result(_)))[which].1 {
            Entry::Result(result) => result.clone(),
            _ => panic!("no result"),
        };
    let lanes = |world: &World, result: &RoundResult| {
        let layout = plan.layout(result.kind);
        let mut lanes = Vec::new();
        let packed = &world.files[&blob_path(&result.sum)];
        pack::unpack(layout.ring(5).unwrap(), packed, layout.lanes(), |lane| {
            lanes.push(lane)
        })
        .unwrap();
        lanes
    };
    let (first, second) = (published(world, 0), published(world, 1));
    let state = TaskState::initial(&consortium.task);
    let (state, _) = state
        .advance(&consortium.task, plan, &lanes(world, &first), first.survivors)
        .unwrap();
    let mut altered = lanes(world, &second);
    altered[0] += 1;
    let (next, _) = state
        .advance(&consortium.task, plan, &altered, second.survivors)
        .unwrap();
    let mut packed = Vec::new();
    pack::pack(plan.layout(second.kind).ring(5).unwrap(), &altered, &mut packed);
    let sum = world.blob(&packed);
    world.remove(|entry| matches!(entry, Entry::Ack { round, .. } if round.0 == 3));
    last_result(world, |result| {
        result.sum = sum;
        result.next_state = next.hash();
    });
}

fn another_weight(world: &mut World) {
    last_result(world, |result| result.weight += 1);
}

fn polished_metrics(world: &mut World) {
    last_result(world, |result| {
        if let Some(metrics) = &mut result.metrics {
            metrics.auc = Some(0.99);
        }
    });
}
