//! The task files of this folder are read as any other.
#![allow(clippy::unwrap_used)]

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
