//! Rounds whose files the archive keeps no longer, because the task says so.

use std::process::Command;

use veilsum_auditor::verify::report::{Check, Report};
use veilsum_protocol::log::entry::Entry;

use crate::fifty::Story;
use crate::world::{World, blob_path};

const ROUNDS: u64 = 6;
const KEPT: u64 = 2;

/// Six rounds of a task that keeps two.
fn six() -> World {
    let mut story = Story::of(World::keeping(10, u32::try_from(KEPT).unwrap()));
    (1..=ROUNDS).for_each(|round| story.play(round));
    story.world
}

/// Deletes what the coordinator deletes of a round.
fn let_go(world: &mut World, round: u64) {
    let index = world.files.remove(&format!("rounds/{round}.json")).unwrap();
    let bundles: std::collections::BTreeMap<String, String> = serde_json::from_slice(&index).unwrap();
    let hashes = world.find(|entry| match entry {
        Entry::Masked { round: of, .. } | Entry::Release { round: of, .. } => of.0 == round,
        _ => false,
    });
    let named = hashes.into_iter().map(|(_, entry)| match entry {
        Entry::Masked { hash, .. } => blob_path(&hash),
        Entry::Release { body, .. } => blob_path(&body),
        _ => unreachable!("only these were looked for"),
    });
    let bundles = bundles.values().map(|hex| format!("blobs/{}/{hex}", &hex[..2]));
    for path in named.chain(bundles) {
        assert!(world.files.remove(&path).is_some(), "{path}");
    }
}

fn thinned() -> World {
    let mut world = six();
    (1..=ROUNDS - KEPT).for_each(|round| let_go(&mut world, round));
    world
}

fn checked(report: &Report, check: Check) -> u64 {
    let found = report.checks.iter().find(|report| report.check == check);
    found.unwrap().checked
}

#[test]
fn a_round_that_is_gone_by_the_rule_is_no_finding_and_its_state_is_derived_all_the_same() {
    let whole = six().audit();
    assert_eq!((whole.failed(), whole.replayed), (vec![], Some(6)));
    let report = thinned().audit();
    assert_eq!(report.failed(), []);
    assert_eq!((report.rounds, report.replayed), (6, Some(2)));
    assert_eq!(checked(&report, Check::MaskedSum), 2);
    assert_eq!(checked(&report, Check::DerivedState), 6);
    assert!(
        report.verdict().contains("with 2 of its sums replayed"),
        "{}",
        report.verdict()
    );
    let told = "replay is no longer possible for 4 rounds of task \"defaults\", from 1 to 4: the task keeps the files of its last 2 rounds";
    assert!(
        report.notes.iter().any(|note| note.contains(told)),
        "{:?}",
        report.notes
    );
}

#[test]
fn a_round_that_should_be_there_is_missing() {
    let mut world = thinned();
    let_go(&mut world, ROUNDS - KEPT + 1);
    let report = world.audit();
    assert_eq!(report.failed(), [Check::ArchivedBundle]);
    let findings: Vec<_> = report.checks.iter().flat_map(|check| &check.findings).collect();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].place.round, Some(5));
    assert!(findings[0].found.contains("rounds/5.json"), "{}", findings[0]);
}

#[test]
fn a_deletion_that_a_crash_broke_off_is_no_finding_and_a_changed_file_is_one() {
    let mut world = six();
    let updates = world.find(|entry| matches!(entry, Entry::Masked { round, .. } if round.0 == 1));
    let [
        (_, Entry::Masked { hash, .. }),
        (_, Entry::Masked { hash: other, .. }),
        ..,
    ] = updates.as_slice()
    else {
        panic!("no two updates");
    };
    world.files.remove(&blob_path(hash)).unwrap();
    assert_eq!(world.audit().failed(), []);
    // Another update of the same round is still there, and another than it was.
    world.files.get_mut(&blob_path(other)).unwrap()[3] ^= 1;
    assert_eq!(world.audit().failed(), [Check::ArchivedMasked]);
}

#[test]
fn a_mirror_does_not_miss_what_need_not_be_there() {
    let mirror = |world: &World| {
        world.on_disk(|folder, audit| {
            let output = Command::new(env!("CARGO_BIN_EXE_veilsum-auditor"))
                .current_dir(folder)
                .args([
                    "mirror",
                    "log",
                    "copy",
                    "--archive",
                    "archive",
                    "--archive-to",
                    "copied",
                    "--key",
                ])
                .arg(audit.key.to_string())
                .output()
                .unwrap();
            (output.status.code(), String::from_utf8(output.stdout).unwrap())
        })
    };
    let mut world = thinned();
    let (code, text) = mirror(&world);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("are of rounds that their tasks keep no longer"),
        "{text}"
    );
    let_go(&mut world, ROUNDS);
    let (code, text) = mirror(&world);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("rounds/6.json") && !text.contains("rounds/4.json"),
        "{text}"
    );
}
