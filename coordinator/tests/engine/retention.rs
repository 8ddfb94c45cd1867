//! Rounds whose files the task keeps no longer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::entry::Entry;

use crate::world::{Death, Moment, TASK, World, back, create, finished, wait_for};

/// Files below `folder`, with their contents.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found
}

/// The numbers of the rounds that have an index.
fn indexed(world: &World) -> BTreeSet<u64> {
    let files = fs::read_dir(world.path().join("rounds")).unwrap();
    let number = |path: PathBuf| path.file_stem()?.to_str()?.parse().ok();
    files.filter_map(|file| number(file.unwrap().path())).collect()
}

fn blob(world: &World, hash: &Digest) -> bool {
    let hex = hash.to_hex();
    world.path().join("blobs").join(&hex[..2]).join(&hex).exists()
}

/// The files that the log names for a round: those that go, and those that stay.
fn named(world: &World, wanted: u64) -> (Vec<Digest>, Vec<Digest>) {
    let (mut go, mut stay) = (Vec::new(), Vec::new());
    for entry in world.log() {
        match entry {
            Entry::Masked { round, hash, .. } if round.0 == wanted => go.push(hash),
            Entry::Release { round, body, .. } if round.0 == wanted => go.push(body),
            Entry::Result(result) if result.round.0 == wanted => stay.push(result.sum),
            Entry::Task { task, .. } => stay.push(task),
            _ => {}
        }
    }
    (go, stay)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_keeps_as_many_rounds_as_it_says_also_when_a_crash_came_in_between() {
    let world = World::new(3);
    let office = world.start();
    create(&office, &format!("archive_rounds = 2\n{TASK}"))
        .await
        .unwrap();
    let joined = world.join_all(&office, world.banks()).await;
    wait_for(&office, |status| {
        status.tasks.first().is_some_and(|task| task.step >= 1)
    })
    .await;
    // The engine works beside its deletions, so these are looked at while all is still there.
    let early: Vec<_> = ["blobs", "rounds"]
        .map(|part| files(&world.path().join(part)))
        .concat();
    let end = wait_for(&office, finished).await;
    let last = end.last_result.unwrap().round;
    wait_for(&office, |_| indexed(&world).len() <= 2).await;
    office.stop().await;
    back(joined).await;
    assert_eq!(indexed(&world), BTreeSet::from([last - 1, last]));
    let assert_kept_as_the_task_says = || {
        for round in 1..=last {
            let (go, stay) = named(&world, round);
            assert!(go.len() >= 4 && stay.len() == 2, "round {round}");
            assert!(stay.iter().all(|hash| blob(&world, hash)), "round {round}");
            let kept = go.iter().filter(|hash| blob(&world, hash)).count();
            assert_eq!(
                kept,
                if round + 1 >= last { go.len() } else { 0 },
                "round {round}"
            );
        }
    };
    assert_kept_as_the_task_says();

    // As after a crash before the deletion: the files of round 1 are there again.
    for (path, contents) in early {
        if !path.exists() {
            fs::write(path, contents).unwrap();
        }
    }
    assert!(indexed(&world).contains(&1));
    world.start().stop().await;
    assert_eq!(indexed(&world), BTreeSet::from([last - 1, last]));
    assert_kept_as_the_task_says();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_says_nothing_keeps_every_round() {
    let world = World::new(3);
    let office = world.start();
    create(&office, TASK).await.unwrap();
    let joined = world.join_all(&office, world.banks()).await;
    let end = wait_for(&office, finished).await;
    office.stop().await;
    back(joined).await;
    assert_eq!(indexed(&world), (1..=end.last_result.unwrap().round).collect());
}

/// Entries under the published head.
fn published(world: &World) -> usize {
    let note = fs::read_to_string(world.path().join("log/checkpoint")).unwrap();
    note.lines().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_is_deleted_when_it_is_old_by_the_published_head_and_not_before() {
    let world = World::new(3);
    let office = world.start();
    create(&office, &format!("archive_rounds = 1\n{TASK}"))
        .await
        .unwrap();
    office.stop().await;
    // Dies with the commit that makes a round old, before anybody has seen it.
    let death = Death {
        at: Moment::Result(2),
        lands: true,
    };
    let office = world.start_with(Some(death), 60);
    let joined = world.join_all(&office, world.banks()).await;
    office.death().await;
    let banks = back(joined).await;
    let is_result = |entry: &Entry| matches!(entry, Entry::Result(_));
    let second = world.log().iter().rposition(is_result).unwrap();
    assert!(second >= published(&world));
    assert_eq!(indexed(&world), BTreeSet::from([1, 2]));
    // No bank comes, so nothing new is published.
    world.start().stop().await;
    assert_eq!(indexed(&world), BTreeSet::from([1, 2]));

    let office = world.start();
    let joined = world.join_all(&office, banks).await;
    let end = wait_for(&office, finished).await;
    let last = end.last_result.unwrap().round;
    wait_for(&office, |_| indexed(&world) == BTreeSet::from([last])).await;
    office.stop().await;
    back(joined).await;
    for round in 1..last {
        let (go, _) = named(&world, round);
        assert!(go.iter().all(|hash| !blob(&world, hash)), "round {round}");
    }
}
