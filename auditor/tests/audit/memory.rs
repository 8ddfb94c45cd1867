//! The checkpoint of the last visit, and those that others hold, by the program.

use std::fs;
use std::path::Path;

use crate::program::{out, with_key};
use crate::rounds::story;
use crate::tampered::memory::rewrite;
use crate::world::World;

fn shorter(world: &World) -> World {
    let mut shorter = world.clone();
    shorter.entries.pop();
    shorter
}

fn note(world: &World) -> String {
    world.head().note().as_str().to_owned()
}

fn evidence(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).map(|files| files.map(|file| file.unwrap().path()));
    let mut notes: Vec<String> = files
        .into_iter()
        .flatten()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    notes.sort();
    notes
}

#[test]
fn the_last_checkpoint_follows_the_log_and_stays_on_a_finding() {
    let world = story();
    let before = shorter(&world);
    let mut forked = world.clone();
    rewrite(&mut forked);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let verify = |more: &[&str]| {
        let arguments = [
            &["verify", "log", "--last", "state/last", "--evidence", "evidence"],
            more,
        ]
        .concat();
        with_key(&world, folder, &arguments)
    };
    let last = || fs::read_to_string(folder.join("state/last")).unwrap();

    before.write(folder);
    assert_eq!(verify(&[]).status.code(), Some(0));
    assert_eq!(last(), note(&before));
    world.write(folder);
    let output = verify(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        out(&output).contains("ok      grew-only                1"),
        "{}",
        out(&output)
    );
    assert_eq!(last(), note(&world));

    // Rolled back, then rewritten.
    before.write(folder);
    let output = verify(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(&output).contains("the log: found a log of 59 entries, expected at least the 60 entries of the checkpoint that was verified last"),
        "{}",
        out(&output)
    );
    assert_eq!(last(), note(&world));
    forked.write(folder);
    let output = verify(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("FAILED  grew-only"), "{}", out(&output));
    assert!(
        out(&output).contains("the signed notes are kept in evidence/checkpoint-60-"),
        "{}",
        out(&output)
    );
    assert_eq!(last(), note(&world));
    let mut kept = vec![note(&world), note(&before), note(&forked)];
    kept.sort();
    assert_eq!(evidence(&folder.join("evidence")), kept);

    // Entries that cannot be read do not hide that the signed head is another one.
    fs::remove_file(folder.join("log/tile/0/000.p/60")).unwrap();
    let output = verify(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("FAILED  log "), "{}", out(&output));
    assert!(out(&output).contains("FAILED  grew-only"), "{}", out(&output));
    assert_eq!(last(), note(&world));

    // A file that is no checkpoint is never written over.
    world.write(folder);
    fs::write(folder.join("state/last"), "my diary").unwrap();
    assert_eq!(verify(&[]).status.code(), Some(2));
    assert_eq!(last(), "my diary");
}

#[test]
fn checkpoints_of_banks_are_compared() {
    let world = story();
    let before = shorter(&world);
    let mut forked = before.clone();
    rewrite(&mut forked);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    world.write(folder);
    fs::write(folder.join("bank-a"), note(&before)).unwrap();
    fs::write(folder.join("bank-b"), note(&forked)).unwrap();
    let verify = |more: &[&str]| {
        with_key(
            &world,
            folder,
            &[&["verify", "log", "--checkpoint", "bank-a"], more].concat(),
        )
    };
    let output = verify(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        out(&output).contains("ok      held-checkpoints         1"),
        "{}",
        out(&output)
    );

    let output = verify(&["--checkpoint", "bank-b"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("of bank-b"), "{}", out(&output));
    assert!(
        out(&output).contains("--evidence FOLDER keeps them"),
        "{}",
        out(&output)
    );
    let output = verify(&["--checkpoint", "bank-b", "--evidence", "evidence", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["verifies"], false);
    let mut kept = vec![note(&world), note(&forked)];
    kept.sort();
    assert_eq!(evidence(&folder.join("evidence")), kept);
    assert_eq!(verify(&["--checkpoint", "nowhere"]).status.code(), Some(2));
}
