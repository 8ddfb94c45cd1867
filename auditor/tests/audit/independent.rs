//! `auditor/tests/independent.py` and `independent_states.py`, which know log and states by `docs/` alone, read the logs of these tests.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::wire::canonical::Canonical;

use crate::prepared::{prepared, tells_another_count, tells_another_value};
use crate::rounds::story;
use crate::world::{World, blob_path};

fn read(world: &World, log: &Path, receipts: &[&Path]) -> Output {
    Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/independent.py"))
        .arg(log)
        .arg(world.consortium.verifier_key().to_string())
        .args(receipts)
        .output()
        .expect("python3 is a prerequisite of the tests")
}

/// What the reader of states says of a world, and whether it agrees.
fn read_states(world: &World) -> (Option<i32>, String) {
    let output = world.on_disk(|folder, _| {
        Command::new("python3")
            .arg("-B")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/independent_states.py"
            ))
            .args([folder.join("log"), folder.join("archive")])
            .output()
            .expect("python3 is a prerequisite of the tests")
    });
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// Tile levels 0 and 1, a late roster, and entries of every kind but one.
fn world() -> World {
    let mut world = story();
    let ack = world
        .find(|entry| matches!(entry, Entry::Ack { .. }))
        .pop()
        .unwrap()
        .0;
    // Acknowledgements that say nothing new, for full tiles. Whether they may be there is not this reader's to say.
    for _ in 0..500 {
        world.entries.push(world.entries[ack].clone());
    }
    world
}

#[test]
fn another_reader_comes_to_the_same_root_and_the_same_receipts() {
    let world = story();
    let head = world.head();
    world.on_disk(|folder, _| {
        let receipts = [3, 59].map(|index| {
            let path = folder.join(format!("{index}.tlog-proof"));
            fs::write(&path, world.receipt(index).file).unwrap();
            path
        });
        let output = read(
            &world,
            &folder.join("log"),
            &receipts.each_ref().map(|path| path.as_path()),
        );
        let (said, complaint) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert_eq!(
            (output.status.code(), complaint.as_str()),
            (Some(0), ""),
            "{said}"
        );
        for line in [
            format!("60 entries, root {}", head.checkpoint().root),
            "5 cosignatures, 39 signatures of banks".to_owned(),
            "receipt: entry 3 of 60 is a TaskApproval".to_owned(),
            "receipt: entry 59 of 60 is a RoundOpen".to_owned(),
        ] {
            assert!(said.contains(&line), "{line:?} is not in\n{said}");
        }
    });
}

#[test]
fn another_reader_reads_full_tiles_of_two_levels() {
    let mut world = world();
    world.cosigners = world.consortium.thresholds.threshold;
    world.on_disk(|folder, _| {
        assert!(folder.join("log/tile/1").is_dir());
        let output = read(&world, &folder.join("log"), &[]);
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), complaint.as_str()), (Some(0), ""));
    });
}

#[test]
fn another_reader_refuses_what_is_not_true() {
    let world = story();
    world.on_disk(|folder, _| {
        let log = folder.join("log");
        let receipt = folder.join("3.tlog-proof");
        fs::write(&receipt, world.receipt(3).file).unwrap();
        let refused = |what: &str| {
            let output = read(&world, &log, &[&receipt]);
            let complaint = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{what}: {complaint}");
            assert!(
                complaint.starts_with("independent: ") && complaint.contains(what),
                "{what}: {complaint}"
            );
        };
        for (file, what) in [
            ("tile/entries/000.p/60", "another root"),
            ("tile/0/000.p/60", "other hashes"),
        ] {
            let path = log.join(file);
            let good = fs::read(&path).unwrap();
            let mut bad = good.clone();
            *bad.last_mut().unwrap() ^= 1;
            fs::write(&path, &bad).unwrap();
            refused(what);
            fs::write(&path, &good).unwrap();
        }
        let checkpoint = log.join("checkpoint");
        for (cosigners, forged, what) in [
            (3, None, "3 banks have cosigned"),
            (5, Some(2), "bank-2's cosignature"),
        ] {
            let mut other = world.clone();
            other.cosigners = cosigners;
            other.forged.extend(forged.map(crate::world::bank));
            fs::write(&checkpoint, other.head().note().as_str()).unwrap();
            refused(what);
        }
        fs::write(
            &checkpoint,
            world.head().note().as_str().replacen("\n60\n", "\n59\n", 1),
        )
        .unwrap();
        refused("the log's signature does not verify");
        fs::write(&checkpoint, world.head().note().as_str()).unwrap();
        let text = fs::read_to_string(&receipt).unwrap();
        fs::write(&receipt, text.replacen("index 3\n", "index 4\n", 1)).unwrap();
        refused("another root");
    });
}

#[test]
fn another_reader_works_out_what_states_know_of_columns() {
    let world = prepared();
    let output = world.on_disk(|folder, _| read(&world, &folder.join("log"), &[]));
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let rounds = "rounds: 1 evaluate, 1 statistics, 1 support, 2 train, 1 vocabulary\n";
    assert!(said.contains(rounds), "{said}");

    let (code, said) = read_states(&world);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        said,
        "states behind 1 evaluate, 1 statistics, 1 support, 2 train, 1 vocabulary\nvalues found: clerk, nurse\n30 rows counted in 3 columns\n"
    );
}

#[test]
fn another_reader_refuses_states_that_no_sum_gives() {
    for (world, what) in [
        (
            tells_another_count(),
            "the state behind step 5 has other counts than its sum gives",
        ),
        (
            tells_another_value(),
            "the state behind step 5 has other vocabularies than its sum gives",
        ),
    ] {
        let (code, said) = read_states(&world);
        assert_eq!((code, said), (Some(1), format!("independent: {what}\n")));
    }
    // A sum with one more row: what is behind it no longer follows.
    let mut world = prepared();
    let results = world.find(|entry| matches!(entry, Entry::Result(_)));
    let Entry::Result(statistics) = &results[2].1 else {
        panic!("a result");
    };
    let path = blob_path(&statistics.sum);
    let mut packed = world.files[&path].clone();
    packed[0] ^= 1;
    let mut changed = statistics.clone();
    changed.sum = world.blob(&packed);
    world.entries[results[2].0] = Entry::Result(changed).to_bytes();
    let (code, said) = read_states(&world);
    assert_eq!(
        (code, said.as_str()),
        (
            Some(1),
            "independent: the state behind step 2 has other means and deviations than its sum gives\n"
        )
    );
    // Another kind of round than there is.
    let mut world = prepared();
    let (at, open) = world.find(|entry| matches!(entry, Entry::RoundOpen(_))).remove(0);
    let bytes = open.to_bytes();
    // Behind the domain: the type, epoch, round and the task's digest.
    let place = b"veilsum/v1/log-entry\0".len() + 1 + 8 + 8 + 32;
    assert_eq!(bytes[place], 4);
    world.entries[at][place] = 6;
    let output = world.on_disk(|folder, _| read(&world, &folder.join("log"), &[]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stderr, b"independent: a round of kind 6\n");
}
