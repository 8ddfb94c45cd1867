#![allow(clippy::unwrap_used)]

use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::ScoreSums;

use super::*;
use crate::history::StepResult;

/// Results whose models were not judged, judged on rows of one class, and judged on rows of which three of four pairs are in order.
fn task(name: &str, hash: u8) -> TaskHistory {
    let result = |round: u64, step: u32, positives: Option<[u64; 2]>| StepResult {
        round,
        step,
        kind: "train",
        opened_at: 1_700_000_000 + round,
        survivors: 4,
        metrics: positives.map(|positives| {
            let rows = 2 + positives.iter().sum::<u64>();
            let sums = ScoreSums::binary(rows, 1.0, vec![2, 0], positives.to_vec());
            sums.metrics().unwrap()
        }),
    };
    TaskHistory {
        name: name.to_owned(),
        task: Digest([hash; 32]),
        results: vec![
            result(1, 0, None),
            result(2, 1, Some([0, 0])),
            result(3, 2, Some([1, 1])),
        ],
    }
}

/// Reads the frames back and gives each record's bytes.
fn records(file: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(file).unwrap();
    let mut rest = &bytes[..];
    let mut records = Vec::new();
    while !rest.is_empty() {
        let length = usize::try_from(u64::from_le_bytes(rest[..8].try_into().unwrap())).unwrap();
        records.push(rest[12..12 + length].to_vec());
        rest = &rest[12 + length + 4..];
    }
    records
}

#[test]
fn each_task_has_a_file_with_an_event_for_each_result() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("curves");
    let mut empty = task("none yet", 9);
    empty.results.clear();
    let tasks = [task("credit", 1), empty, task("again", 2), task("again", 3)];
    let written = write(&tasks, &out).unwrap();
    let names: Vec<_> = written
        .iter()
        .map(|one| one.file.strip_prefix(&out).unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "credit/events.out.tfevents.1700000001.veilsum",
            "again-02020202/events.out.tfevents.1700000001.veilsum",
            "again-03030303/events.out.tfevents.1700000001.veilsum",
        ]
    );
    assert_eq!(written[0].steps, 2);
    let defined = tasks[0].results.iter().flat_map(|result| &result.metrics);
    let defined = defined.flat_map(|metrics| metrics.figures.iter().filter(|(_, value)| value.is_some()));
    assert_eq!(written[0].values, 3 + defined.count(), "every step has its banks");
    let records = records(&written[0].file);
    assert_eq!(records.len(), 4, "the version and three results");
    let has = |at: usize, part: &[u8]| records[at].windows(part.len()).any(|found| found == part);
    assert!(has(0, b"brain.Event:2"));
    assert!(has(1, b"banks_in_sum") && !has(1, b"log_loss"));
    assert!(
        has(2, b"log_loss") && !has(2, b"auc"),
        "no figure that is not defined"
    );
    assert!(has(3, b"auc") && has(3, &0.75_f32.to_le_bytes()));
    // A second time the same bytes stand in the same place.
    let before = std::fs::read(&written[0].file).unwrap();
    assert_eq!(write(&tasks, &out).unwrap(), written);
    assert_eq!(std::fs::read(&written[0].file).unwrap(), before);
    assert_eq!(std::fs::read_dir(out.join("credit")).unwrap().count(), 1);
}
