//! The task files of this folder are read as any other.
#![allow(clippy::unwrap_used)]

use veilsum_client::data::{Dataset, HoldOut};
use veilsum_client::desensitise::Rules;
use veilsum_examples::loans;
use veilsum_protocol::task::Task;

#[test]
fn every_task_file_parses() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tasks");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let task = Task::parse(&std::fs::read_to_string(&path).unwrap());
        let task = task.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(Task::parse(&task.canonical_text()).unwrap(), task);
        assert!(task.describe().contains(&task.name));
        count += 1;
    }
    assert!(count > 0, "no task file in {folder}");
}

/// No bank of the demo has a policy, so none of its columns may look like an identifier.
#[test]
fn the_demo_s_tables_are_read_without_a_policy() {
    let task = concat!(env!("CARGO_MANIFEST_DIR"), "/tasks/loans.toml");
    let task = Task::parse(&std::fs::read_to_string(task).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for bank in &loans::BANKS {
        let path = folder.path().join("bank.csv");
        loans::write_csv(&path, &loans::applications(7, bank)).unwrap();
        let rows = Dataset::read(&path, &task.schema, &HoldOut::new([1; 32], 0.2), &Rules::none());
        match rows {
            Ok(rows) => assert_eq!(rows.len(), bank.rows),
            Err(error) => panic!("{}: {error}", bank.name),
        }
    }
}
