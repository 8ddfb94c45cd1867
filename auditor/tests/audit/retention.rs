//! Rounds whose files the archive keeps no longer, because the task says so.

use std::collections::BTreeMap;
use std::fs;

use veilsum_auditor::verify::report::{Check, Report};
use veilsum_auditor::verify::{Progress, verify_against};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::entry::Entry;

use crate::fifty::Story;
use crate::mirror::{Scene, is};
use crate::page::page;
use crate::program::{out, with_key};
use crate::rounds::End;
use crate::served::Fault;
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
    let bundles: BTreeMap<String, String> = serde_json::from_slice(&index).unwrap();
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
        report.verdict().starts_with(
            "the log verifies, with 2 of its sums replayed; replay is no longer possible for 4, as their tasks say: 6 rounds"
        ),
        "{}",
        report.verdict()
    );
    let told = "replay is no longer possible for 4 rounds from 1 to 4 of task \"defaults\": the task keeps the files of its last 2 (archive_rounds)";
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
    assert_eq!(
        report.failed(),
        [
            Check::ArchivedBundle,
            Check::ArchivedMasked,
            Check::ArchivedRelease
        ]
    );
    let findings: Vec<_> = report.checks.iter().flat_map(|check| &check.findings).collect();
    assert!(findings.iter().all(|finding| finding.place.round == Some(5)));
    assert!(findings[0].found.contains("rounds/5.json"), "{}", findings[0]);
    assert_eq!(report.let_go.len(), 1);
    assert_eq!(report.let_go[0].rounds, [1, 2, 3, 4]);
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

/// The blobs of a round: its masked updates, its released shares and its bundles.
fn parts(world: &World, round: u64) -> [Vec<String>; 3] {
    let named = |wanted: fn(Entry) -> Option<(u64, Digest)>| {
        let entries = world.find(|_| true).into_iter();
        let named = entries.filter_map(|(_, entry)| wanted(entry));
        named
            .filter(|(of, _)| *of == round)
            .map(|(_, hash)| blob_path(&hash))
            .collect::<Vec<_>>()
    };
    let index = &world.files[&format!("rounds/{round}.json")];
    let bundles: BTreeMap<String, String> = serde_json::from_slice(index).unwrap();
    [
        named(|entry| match entry {
            Entry::Masked { round, hash, .. } => Some((round.0, hash)),
            _ => None,
        }),
        named(|entry| match entry {
            Entry::Release { round, body, .. } => Some((round.0, body)),
            _ => None,
        }),
        bundles
            .values()
            .map(|hex| format!("blobs/{}/{hex}", &hex[..2]))
            .collect(),
    ]
}

#[test]
fn a_deletion_that_broke_off_anywhere_is_no_finding_and_what_is_left_is_looked_at() {
    let whole = six();
    let checks = [
        Check::ArchivedMasked,
        Check::ArchivedRelease,
        Check::ArchivedBundle,
    ];
    for (gone, _) in checks.iter().enumerate() {
        let mut world = whole.clone();
        let path = parts(&world, 1)[gone][0].clone();
        world.files.remove(&path).unwrap();
        let report = world.audit();
        assert_eq!(report.failed(), [], "{path}");
        assert_eq!(report.replayed, Some(5));
        assert_eq!(report.let_go[0].rounds, [1]);
        assert_eq!(checked(&report, Check::DerivedState), 6);
        for (left, check) in checks.iter().enumerate() {
            let mut world = world.clone();
            let path = parts(&whole, 1)[left][1].clone();
            let contents = world.files.get_mut(&path).unwrap();
            let middle = contents.len() / 2;
            contents[middle] ^= 1;
            assert_eq!(world.audit().failed(), [*check], "{path}");
        }
        // One round further the same is missing.
        let mut world = whole.clone();
        let path = parts(&world, 5)[gone][0].clone();
        world.files.remove(&path).unwrap();
        assert!(world.audit().failed().contains(&checks[gone]), "{path}");
    }
}

#[test]
fn a_sum_is_kept_for_good_and_the_states_follow_from_it() {
    let mut world = thinned();
    let sum = |world: &World, round: u64| {
        let results = world.find(|entry| matches!(entry, Entry::Result(result) if result.round.0 == round));
        match &results[0].1 {
            Entry::Result(result) => result.sum,
            _ => panic!("no result"),
        }
    };
    let path = blob_path(&sum(&world, 2));
    world.files.remove(&path).unwrap();
    assert_eq!(world.audit().failed(), [Check::ArchivedSum]);

    // A state that does not follow from the published sum is found where no sum is replayed any more.
    let mut world = thinned();
    world.change(|entry| match entry {
        Entry::Result(result) if result.round.0 == 3 => {
            result.next_state = Digest([9; 32]);
            true
        }
        _ => false,
    });
    assert!(world.audit().failed().contains(&Check::DerivedState));
}

#[test]
fn rounds_are_counted_that_have_a_result_and_are_of_the_task() {
    // Round 7 is open: it makes none older.
    let mut story = Story::of(World::keeping(10, 2));
    (1..=6).for_each(|round| story.play(round));
    story.play_to(7, Some(End::Opened));
    let mut world = story.world;
    (1..=5).for_each(|round| let_go(&mut world, round));
    let report = world.audit();
    assert!(report.failed().contains(&Check::ArchivedBundle));
    assert_eq!(report.let_go[0].rounds, [1, 2, 3, 4]);

    // Round 8 is aborted after it was opened: it makes none older, and goes as others do.
    let mut story = Story::of(World::keeping(10, 2));
    (1..=8).for_each(|round| story.play(round));
    let mut world = story.world.clone();
    (1..=5).for_each(|round| let_go(&mut world, round));
    let report = world.audit();
    assert_eq!(report.failed(), []);
    assert_eq!(
        (report.rounds, report.replayed, report.sums_let_go()),
        (7, Some(2), 5)
    );
    let_go(&mut world, 6);
    assert!(world.audit().failed().contains(&Check::ArchivedBundle));
    (9..=10).for_each(|round| story.play(round));
    let mut world = story.world;
    (1..=8).for_each(|round| let_go(&mut world, round));
    let report = world.audit();
    assert_eq!(report.failed(), []);
    assert_eq!(report.let_go[0].rounds, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((report.replayed, report.sums_let_go()), (Some(2), 7));

    // A task that says nothing keeps everything.
    let mut story = Story::new();
    (1..=6).for_each(|round| story.play(round));
    let mut world = story.world;
    let_go(&mut world, 1);
    let report = world.audit();
    assert!(report.failed().contains(&Check::ArchivedBundle));
    assert_eq!(report.let_go, []);
}

#[test]
fn page_and_json_and_a_round_in_words_say_it_too() {
    let mut world = thinned();
    let page = page(&world, true);
    for words in [
        "replay is no longer possible for 4, as their tasks say",
        "Whether 4 published sums are what the masked updates add up to: replay is no longer possible",
        "Sums no longer replayable",
        "for 4 rounds from 1 to 4 of task",
    ] {
        assert!(page.contains(words), "{words:?} is not on the page");
    }
    world.on_disk(|folder, _| {
        let output = with_key(&world, folder, &["verify", "log", "--archive", "archive", "--json"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let hash = world.consortium.task.hash().to_hex();
        let expected = serde_json::json!([
            {"task": "defaults", "hash": hash, "archive_rounds": 2, "rounds": [1, 2, 3, 4], "sums": 4}
        ]);
        assert_eq!(json["let_go"], expected);
        assert_eq!((&json["verifies"], &json["replayed"]), (&true.into(), &2.into()));

        let show = |round: &str, more: &[&str]| {
            with_key(&world, folder, &[&["show", "round", round, "log"], more].concat())
        };
        let archive = ["--archive", "archive"];
        let gone = "replay is no longer possible: 4 later rounds of its task have a result, and the task keeps the files of the last 2";
        is(&show("2", &archive), 0, gone);
        is(&show("5", &archive), 0, "files are there, so it can be replayed");
        assert!(!out(&show("2", &[])).contains("replay"));
        let output = show("2", &["--archive", "archive", "--json"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["rounds"][0]["archive"]["replay"], "no_longer_possible");
        assert_eq!(json["rounds"][0]["archive"]["later_rounds"], 4);
    });
    let missing = parts(&world, 6)[0][0].clone();
    world.files.remove(&missing).unwrap();
    world.on_disk(|folder, _| {
        let output = with_key(
            &world,
            folder,
            &["show", "round", "6", "log", "--archive", "archive"],
        );
        is(&output, 1, "1 files are MISSING");
    });
}

#[test]
fn a_mirror_does_not_ask_for_what_need_not_be_there() {
    let mut scene = Scene::new(thinned());
    let archive = scene.server.url("archive");
    let mirror = |scene: &Scene| scene.mirror(&["--archive", &archive, "--archive-to", "archive"]);
    is(
        &mirror(&scene),
        0,
        "4 rounds are not in it any more, as their tasks say: no replay is possible for them",
    );
    let asked = scene.server.asked();
    let old = parts(&six(), 1).concat();
    assert!(
        !asked.iter().any(|path| path.ends_with("rounds/1.json")),
        "{asked:?}"
    );
    assert!(!asked.iter().any(|path| old.iter().any(|old| path.ends_with(old))));
    assert!(
        asked.iter().any(|path| path.ends_with("rounds/5.json")),
        "{asked:?}"
    );
    let verify = ["verify", "copy", "--archive", "archive"];
    is(
        &with_key(&scene.world, scene.here.path(), &verify),
        0,
        "with 2 of its sums replayed",
    );

    // A copy in which the task's text says something else decides nothing.
    let text = blob_path(&scene.world.consortium.task.hash());
    let path = scene.here.path().join("archive").join(&text);
    let one = fs::read_to_string(&path)
        .unwrap()
        .replace("archive_rounds = 2", "archive_rounds = 1");
    fs::write(&path, one).unwrap();
    let index = "archive/rounds/5.json";
    fs::remove_file(scene.here.path().join(index)).unwrap();
    fs::remove_file(scene.served.path().join(index)).unwrap();
    is(&mirror(&scene), 1, "that the log names are MISSING");
    scene.world.write(scene.served.path());
    fs::remove_file(&path).unwrap();
    is(&mirror(&scene), 0, "");
    // What the source lacks and should have is missing.
    fs::remove_file(scene.here.path().join("archive/rounds/6.json")).unwrap();
    fs::remove_file(scene.served.path().join("archive/rounds/6.json")).unwrap();
    is(&mirror(&scene), 1, "1 that the log names are MISSING");
    scene.world.files.clear();
}

#[test]
fn what_is_deleted_while_it_is_mirrored_is_told_by_the_log_as_it_is_then() {
    let mut story = Story::of(World::keeping(10, 2));
    (1..=5).for_each(|round| story.play(round));
    let mut scene = Scene::new(story.world.clone());
    let before = story.world.head();
    story.play(6);
    // The head is read before round 6 is published, and the archive when rounds 4 and earlier are gone.
    let mut world = story.world;
    (1..=4).for_each(|round| let_go(&mut world, round));
    fs::remove_dir_all(scene.served.path().join("archive")).unwrap();
    world.write(scene.served.path());
    scene.world = world;
    let old = before.note().as_str().as_bytes().to_vec();
    scene.server.spoil("log/checkpoint", Fault::Body(old), 1);
    let archive = scene.server.url("archive");
    let output = scene.mirror(&["--archive", &archive, "--archive-to", "archive"]);
    is(&output, 0, "4 rounds are not in it any more");
    let asked = scene.server.asked();
    assert!(
        asked.iter().any(|path| path.ends_with("rounds/4.json")),
        "{asked:?}"
    );
}

#[test]
fn what_is_deleted_while_it_is_audited_is_told_by_the_log_as_it_is_then() {
    let mut story = Story::of(World::keeping(10, 2));
    (1..=5).for_each(|round| story.play(round));
    let mut before = story.world.clone();
    (1..=3).for_each(|round| let_go(&mut before, round));
    story.play(6);
    let gone: Vec<String> = [parts(&before, 4).concat(), vec!["rounds/4.json".to_owned()]].concat();
    let mut after = story.world;
    (1..=4).for_each(|round| let_go(&mut after, round));
    let audited = |grows: bool| {
        before.on_disk(|folder, audit| {
            let mut deleted = false;
            let coordinator = |progress: Progress| {
                if progress.rounds == 1 && !std::mem::replace(&mut deleted, true) {
                    if grows {
                        after.write(folder);
                    }
                    for path in &gone {
                        fs::remove_file(folder.join("archive").join(path)).unwrap();
                    }
                }
            };
            verify_against(&audit, &before.known, coordinator).unwrap().report
        })
    };
    let report = audited(true);
    assert_eq!(report.failed(), []);
    assert_eq!((report.rounds, report.replayed), (6, Some(2)));
    assert_eq!(report.let_go[0].rounds, [1, 2, 3, 4]);
    // Without an entry that says so it is missing.
    assert!(audited(false).failed().contains(&Check::ArchivedBundle));
}
