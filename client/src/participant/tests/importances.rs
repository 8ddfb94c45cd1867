//! How much each column moves the last model, from banks' files to one figure over all of them.

use std::fs;

use veilsum_protocol::model::ImportanceSums;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::task::Task;

use super::groups::advance;
use super::scene::source;
use crate::desensitise::Rules;
use crate::explaining::importance;
use crate::participant::contribution::{Source, Workbench};
use crate::scoring::Scorer;

const SCHEMA: &str = "version = 1\nlabel = \"y\"\n[[column]]\nname = \"a\"\ntype = \"number\"\nmin = 0\nmax = 10\n\
    [[column]]\nname = \"b\"\ntype = \"number\"\nmin = 0\nmax = 10\n";

fn task(personal: &str) -> Task {
    let schema = SCHEMA.replace("[[column]]", "[[schema.column]]");
    Task::parse(&format!(
        "name = \"importance\"\nrounds = 2\nseed = 3\n[schema]\n{schema}[model]\nfamily = \"mlp\"\nhidden = [4]\n[training]\n\
         optimiser = \"adam\"\nlearning_rate = 0.05\nbatch_size = 16\nlocal_epochs = 6\n{personal}[evaluation]\nbins = 32\n\
         importance = {{ rows = 40, background = 8 }}\n"
    ))
    .unwrap()
}

/// The label follows `a` alone.
fn table(rows: u32) -> String {
    let row = |row: u32| {
        let (a, b) = (row * 37 % 100, row * 61 % 89);
        let label = u8::from(a > 50);
        format!(
            "{},{},{label}\n",
            f64::from(a) / 10.0 + f64::from(row) * 1e-5,
            f64::from(b) / 10.0
        )
    };
    "a,b,y\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

fn bank(folder: &std::path::Path, rows: u32) -> Source {
    let source = source(folder, 0);
    fs::write(&source.schema, SCHEMA).unwrap();
    fs::write(&source.files.file, table(rows)).unwrap();
    source
}

/// The whole task with three banks; gives the state before the last round, and what that says.
fn played(task: &Task, sources: &[Source]) -> (TaskState, ImportanceSums) {
    let plan = Plan::new(task);
    let mut benches: Vec<_> = sources.iter().cloned().map(Workbench::new).collect();
    let mut state = TaskState::initial(task);
    loop {
        let (next, outcome) = advance(&mut benches, task, &state);
        if state.step == plan.last_step() {
            return (state, outcome.judgement.unwrap().importance.unwrap());
        }
        assert!(
            outcome
                .judgement
                .is_none_or(|judgement| judgement.importance.is_none())
        );
        state = next;
    }
}

#[test]
fn the_sum_is_of_what_each_bank_finds_in_its_own_rows() {
    let task = task("");
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    // The first bank holds fewer rows out than are explained at most.
    let sources: Vec<_> = folders
        .iter()
        .zip([60, 400, 700])
        .map(|(folder, rows)| bank(folder.path(), rows))
        .collect();
    let (state, sums) = played(&task, &sources);
    let spec = task.evaluation.importance.unwrap();
    let mut expected = ImportanceSums::new(2);
    let mut least = u64::MAX;
    for source in &sources {
        let rows = source.read(&task).unwrap();
        let scorer = Scorer::new(&task, &state, None, Rules::none(), source.runtime).unwrap();
        let (training, held_out): (Vec<u32>, Vec<u32>) =
            (rows.training_rows().collect(), rows.held_out_rows().collect());
        let own = importance(&scorer, &rows, &training, &held_out, &spec).unwrap();
        assert_eq!(own.rows, 40.min(held_out.len() as u64));
        least = least.min(own.rows);
        expected.rows += own.rows;
        for (sum, amount) in expected.amounts.iter_mut().zip(&own.amounts) {
            *sum += amount;
        }
    }
    assert_eq!(sums, expected);
    assert!(least < 40, "{least}");
    let means = sums.means().unwrap().unwrap();
    assert!(means[0] > 5.0 * means[1] && means[0] > 0.1, "{means:?}");
}

#[test]
fn a_bank_explains_the_model_with_its_own_parameters() {
    let task = task("personal = [\"output\"]\n");
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let sources: Vec<_> = folders.iter().map(|folder| bank(folder.path(), 300)).collect();
    let (_, sums) = played(&task, &sources);
    assert_eq!(sums.rows, 120);
    assert!(sums.means().unwrap().is_some());
}
