//! Decisions that were written down.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use veilsum_serving::decisions::{HEADER_BYTES, Key, Reader, Record, Tail, files};
use veilsum_serving::{Callers, Data, DecisionLog, Decisions, OnFailure};

use crate::toy::{Linear, one_row, request};
use crate::wire::{Running, metric, settings};

fn set(folder: &Path) -> Decisions {
    Decisions {
        folder: folder.to_owned(),
        file_bytes: 1 << 20,
        keep_days: 30,
        on_failure: OnFailure::Refuse,
    }
}

fn key() -> Key {
    Key::new(&[7; 32])
}

fn served(decisions: &Decisions) -> Running {
    let log = DecisionLog::open(decisions, key()).expect("a folder");
    let running = Running::start(settings(), Callers::new(None, None), Some(log), None);
    running
        .serving
        .registry()
        .publish(Arc::new(Linear::version("1", 1.0)))
        .unwrap();
    running
}

fn read(path: &Path, key: &Key) -> (Vec<Record>, Tail) {
    let mut reader = Reader::open(path, key).expect("a file of decisions");
    let records = reader.by_ref().map(|record| record.expect("a record")).collect();
    (records, reader.tail().expect("the end").clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_can_be_read_back_with_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let running = served(&set(folder.path()));
    let mut body = request(&[(40.0, Some(30_000.0), "north"), (21.5, None, "south")]);
    body["id"] = "r-1".into();
    // What is written down is all of it, whichever output was asked for.
    body["outputs"] = serde_json::json!([{ "name": "label" }]);
    assert_eq!(running.infer(&body).await.status, 200);
    running.infer(&request(&[(1.0, None, "west")])).await.refusal(400);
    assert_eq!(running.infer(&one_row()).await.status, 200);
    running.end().await;

    let there = files(folder.path()).unwrap();
    assert_eq!(there.len(), 1);
    let bytes = fs::read(&there[0].1).unwrap();
    assert!(
        !bytes
            .windows(5)
            .any(|five| five == b"north" || five == b"r-1\",\"")
    );
    let (records, tail) = read(&there[0].1, &key());
    assert_eq!((records.len(), tail), (2, Tail::Closed));
    let record = &records[0];
    assert_eq!(
        (
            record.id.as_str(),
            record.caller.as_str(),
            record.model.as_str(),
            record.version.as_str()
        ),
        ("r-1", "anyone", "credit", "1")
    );
    assert_eq!(record.model_hash.as_deref(), Some("5f2c0a1"));
    // From 2020 to 2100.
    assert!((1_577_836_800_000..4_102_444_800_000).contains(&record.time_ms));
    assert_eq!(
        record.inputs[0].tensor().unwrap().data,
        Data::Fp32(vec![40.0, 21.5])
    );
    assert_eq!(
        record.inputs[1].tensor().unwrap().missing,
        Some(vec![false, true])
    );
    assert_eq!(
        record.inputs[2].tensor().unwrap().data,
        Data::Bytes(vec!["north".to_owned(), "south".to_owned()])
    );
    assert_eq!(
        record.outputs[0].tensor().unwrap().data,
        Data::Fp64(vec![51.0, 12.75])
    );
    // Under another key nothing is read.
    let (none, tail) = read(&there[0].1, &Key::new(&[8; 32]));
    assert!(
        none.is_empty() && matches!(tail, Tail::Torn { at: 32, .. }),
        "{tail:?}"
    );
}

/// A closed file of three records.
async fn three(folder: &Path) -> Vec<u8> {
    let running = served(&set(folder));
    for _ in 0..3 {
        assert_eq!(running.infer(&one_row()).await.status, 200);
    }
    running.end().await;
    fs::read(&files(folder).unwrap()[0].1).unwrap()
}

/// Where each record begins, and where the file ends.
fn places(bytes: &[u8]) -> Vec<usize> {
    let mut at = HEADER_BYTES;
    let mut places = vec![at];
    while at < bytes.len() {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) & (u32::MAX >> 1);
        at += 4 + usize::try_from(length).unwrap();
        places.push(at);
    }
    places
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_moved_or_cut_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = three(folder.path()).await;
    let places = places(&bytes);
    assert_eq!(places.len(), 5, "three records, a closing one, and the end");
    let path = folder.path().join("changed");
    let look = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let (records, tail) = read(&path, &key());
        (records.len(), tail)
    };
    assert_eq!(look(&bytes), (3, Tail::Closed));
    // Cut at every byte: all that is whole before it is read, and the end is told.
    for end in HEADER_BYTES..bytes.len() {
        let whole = places.iter().filter(|&&place| place <= end).count() - 1;
        let (records, tail) = look(&bytes[..end]);
        assert_eq!(records, whole, "cut at {end}");
        match tail {
            Tail::Open => assert!(places.contains(&end), "cut at {end}"),
            Tail::Torn { at, .. } => assert_eq!(at, places[whole] as u64, "cut at {end}"),
            Tail::Closed => panic!("cut at {end}"),
        }
    }
    // A bit of every byte behind the magic.
    for at in 16..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let (records, tail) = look(&changed);
        let before = places
            .iter()
            .filter(|&&place| place <= at)
            .count()
            .saturating_sub(1);
        assert!(
            records <= before && matches!(tail, Tail::Torn { .. }),
            "byte {at}: {records} {tail:?}"
        );
    }
    // The second record left out, or in the place of the first.
    let without = [&bytes[..places[1]], &bytes[places[2]..]].concat();
    assert!(matches!(look(&without), (1, Tail::Torn { .. })));
    let moved = [&bytes[..places[0]], &bytes[places[1]..places[2]]].concat();
    assert!(matches!(look(&moved), (0, Tail::Torn { .. })));
    // Records of another file under the same key.
    let other = tempfile::tempdir().unwrap();
    let others = three(other.path()).await;
    let mixed = [&bytes[..places[0]], &others[HEADER_BYTES..]].concat();
    assert!(matches!(look(&mixed), (0, Tail::Torn { at: 32, .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_begun_anew_and_deleted_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("decisions-0000000041-2020-01-31.log");
    fs::write(&old, "old").unwrap();
    let kept = folder.path().join("notes.txt");
    fs::write(&kept, "not ours").unwrap();
    let mut decisions = set(folder.path());
    decisions.file_bytes = 4096;
    let running = served(&decisions);
    assert!(!old.exists() && kept.exists());
    for _ in 0..20 {
        assert_eq!(running.infer(&one_row()).await.status, 200);
    }
    running.end().await;
    let there = files(folder.path()).unwrap();
    assert!(there.len() > 1, "{there:?}");
    let numbers: Vec<u64> = there.iter().map(|(number, _)| *number).collect();
    // Numbers go on, so that a file that is missing between others is seen.
    assert_eq!(
        numbers,
        (42..42 + u64::try_from(there.len()).unwrap()).collect::<Vec<_>>()
    );
    let mut records = 0;
    for (number, path) in &there {
        let (read, tail) = read(path, &key());
        assert_eq!(tail, Tail::Closed);
        assert_eq!(Reader::open(path, &key()).unwrap().number(), *number);
        records += read.len();
    }
    assert_eq!(records, 20);
    // A restart never goes on with a file.
    served(&decisions).end().await;
    assert_eq!(files(folder.path()).unwrap().len(), there.len() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_takes_nothing_stops_answers_or_is_counted() {
    for (on_failure, status) in [(OnFailure::Refuse, 503), (OnFailure::GoOn, 200)] {
        let folder = tempfile::tempdir().unwrap();
        let mut decisions = set(&folder.path().join("log"));
        // Every record begins a file, and the folder for it is gone.
        decisions.file_bytes = 1;
        decisions.on_failure = on_failure;
        let running = served(&decisions);
        fs::remove_dir_all(&decisions.folder).unwrap();
        let answer = running.infer(&one_row()).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        if status == 503 {
            assert!(answer.header("retry-after").is_some());
            assert!(!answer.text().contains("51"), "no score is given");
        }
        assert_eq!(
            metric(&running, "veilsum_serving_lost_decisions_total").await,
            Some(1.0)
        );
        running.end().await;
    }
}
