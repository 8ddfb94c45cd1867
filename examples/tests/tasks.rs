//! The task files of this folder are read as any other.
#![allow(clippy::unwrap_used)]

use veilsum_client::data::HoldOut;
use veilsum_examples::demo::trial::{TestFold, read_rows};
use veilsum_examples::example::{Example, Rival};
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

/// No bank of an example has a policy, so none of its columns may look like an identifier.
#[test]
fn the_examples_tables_are_read_without_a_policy() {
    for example in Example::ALL {
        let folder = tempfile::tempdir().unwrap();
        let files = example.write(folder.path(), 7).unwrap();
        let mut tasks = vec![example.task().0];
        let rivals = example.rivals(7);
        tasks.extend(rivals.iter().filter_map(|rival| match rival {
            Rival::Task { task, .. } => Some(*task),
            Rival::Rule { .. } => None,
        }));
        for text in tasks {
            let task = Task::parse(text).unwrap();
            for (bank, table) in example.banks().iter().zip(&files.banks) {
                let hold_out = HoldOut::of([1; 32], &task.evaluation.split);
                let rows = read_rows(&task, table, &hold_out, None)
                    .unwrap_or_else(|error| panic!("{}, {}: {error}", task.name, bank.name));
                let held_out = rows.held_out_rows().count();
                assert!(held_out > 0 && held_out < rows.len() / 2, "{}", task.name);
            }
            let test = TestFold::read(&task, &files.test, None).unwrap();
            for rival in &rivals {
                if let Rival::Rule { predictions, .. } = rival {
                    assert_eq!(predictions.len(), test.len());
                }
            }
        }
    }
}
