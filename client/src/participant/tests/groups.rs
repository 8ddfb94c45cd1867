//! The last model judged by groups of people, from banks' files to figures over all of them.

use std::fs;

use veilsum_protocol::crypto::entropy::SystemEntropy;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::{Outcome, TaskState};
use veilsum_protocol::model::{Figure, ScoreSums};
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::task::Task;

use super::scene::source;
use crate::participant::contribution::{Source, Step, Workbench};

const SCHEMA: &str = "version = 1\nlabel = \"y\"\nleave_out = [\"sex\"]\n[[column]]\nname = \"a\"\ntype = \"number\"\nmin = 0\nmax = 10\n";

fn task(other: &str) -> Task {
    let schema = SCHEMA.replace("[[column]]", "[[schema.column]]");
    Task::parse(&format!(
        "name = \"groups\"\nrounds = 3\nseed = 3\n[schema]\n{schema}[model]\nfamily = \"logistic\"\n[training]\noptimiser = \"adam\"\n\
         learning_rate = 0.1\nbatch_size = 16\nlocal_epochs = 4\n[evaluation]\nbins = 32\n\
         groups = {{ column = \"sex\", values = [\"f\", \"m\"], {other}favourable = 0 }}\n"
    ))
    .unwrap()
}

/// The risk follows the number, which is higher among the men and differs from row to row, so that rows are held out one by one. Every 50th row is of neither group.
fn table(rows: u32) -> String {
    let row = |row: u32| {
        let sex = ["f", "m"][(row % 2) as usize];
        let number = (row * 37 % 60) + if sex == "m" { 25 } else { 0 };
        let default = u8::from(number + row / 60 * 7 % 30 > 60);
        let sex = if row % 50 == 9 { "" } else { sex };
        format!(
            "{sex},{},{default}\n",
            f64::from(number) / 10.0 + f64::from(row) * 1e-5
        )
    };
    "sex,a,y\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

fn bank(folder: &std::path::Path, rows: u32) -> Source {
    let source = source(folder, 0);
    fs::write(&source.schema, SCHEMA).unwrap();
    fs::write(&source.files.file, table(rows)).unwrap();
    source
}

/// The state after a step of these banks, and what the sum says.
pub(super) fn advance(benches: &mut [Workbench], task: &Task, state: &TaskState) -> (TaskState, Outcome) {
    let plan = Plan::new(task);
    let kind = plan.kind(state.step).unwrap();
    let step = Step {
        task,
        plan: &plan,
        kind,
        state,
    };
    let mut sum = vec![0; plan.layout(kind).lanes()];
    for bench in benches.iter_mut() {
        let digits: Digits = bench
            .contribute(&step, &mut SystemEntropy::new(), &mut |_| {})
            .unwrap();
        sum.iter_mut()
            .zip(digits.lanes())
            .for_each(|(sum, digit)| *sum += digit);
    }
    state.advance(task, &plan, &sum, 3).unwrap()
}

#[test]
fn the_last_model_is_judged_by_the_groups_of_held_out_rows() {
    let task = task("other = \"bucket\", ");
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let sources: Vec<_> = folders
        .iter()
        .zip([600, 1000, 1800])
        .map(|(folder, rows)| bank(folder.path(), rows))
        .collect();
    // How many rows of each group are held out, by the table's own texts.
    let mut held_out = [0_u64; 3];
    for source in &sources {
        let rows = source.read(&task).unwrap();
        let text = fs::read_to_string(&source.files.file).unwrap();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        for row in rows.held_out_rows() {
            let line = lines[row as usize];
            let group = if line.starts_with('f') {
                0
            } else if line.starts_with('m') {
                1
            } else {
                2
            };
            held_out[group] += 1;
        }
    }
    let mut benches: Vec<_> = sources.into_iter().map(Workbench::new).collect();
    let mut state = TaskState::initial(&task);
    let mut last = None;
    while let Some(kind) = Plan::new(&task).kind(state.step) {
        let (next, outcome) = advance(&mut benches, &task, &state);
        if kind == RoundKind::Train {
            let metrics = outcome.metrics.as_ref().unwrap();
            assert!(
                metrics
                    .figures
                    .iter()
                    .all(|(figure, _)| !figure.compares_groups())
            );
        }
        (state, last) = (next, Some(outcome));
    }
    let outcome = last.unwrap();
    let metrics = outcome.metrics.unwrap();
    let Some(ScoreSums::Binary(sums)) = outcome.judgement.map(|judgement| judgement.scores) else {
        panic!("the last round judges a label of 0 or 1");
    };
    let counted: Vec<u64> = sums
        .groups
        .iter()
        .map(|group| group.negatives.iter().chain(&group.positives).sum())
        .collect();
    assert_eq!(counted, held_out);
    assert_eq!(counted.iter().sum::<u64>(), metrics.rows);
    // Men default more, the model has learned it, and they are favoured less.
    let ratio = metrics.figure(Figure::ImpactRatio).unwrap();
    assert!(ratio < 0.8, "{metrics:?}");
    let decision = task.evaluation.groups.as_ref().unwrap().decision(32).unwrap();
    let share = |group: usize| sums.groups[group].figures(decision).selected.told();
    assert!(share(0) > share(1), "{:?} {:?}", share(0), share(1));
    assert!(metrics.figure(Figure::OpportunityDifference).is_some());
}

#[test]
fn a_row_of_no_group_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let message = bank(folder.path(), 100)
        .read(&task(""))
        .err()
        .unwrap()
        .to_string();
    assert!(
        message.contains("data.csv: line 11, column \"sex\": found")
            && message.contains("expected one of f, m; the task judges"),
        "{message}"
    );
    let rows = bank(folder.path(), 100)
        .read(&task("other = \"bucket\", "))
        .unwrap();
    assert_eq!(
        (
            rows.groups()[0],
            rows.groups()[1],
            rows.groups()[9],
            rows.groups().len()
        ),
        (0, 1, 2, 100)
    );
}

#[test]
fn the_column_must_be_there_and_is_read_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let source = bank(folder.path(), 100);
    let task = task("other = \"bucket\", ");
    fs::write(&source.files.file, table(100).replace("sex,a,y", "gender,a,y")).unwrap();
    let message = source.read(&task).err().unwrap().to_string();
    assert!(message.contains("no column \"sex\" in the header"), "{message}");
    fs::write(&source.files.file, table(100)).unwrap();
    fs::write(
        &source.policy.policy,
        "[[column]]\nname = \"sex\"\nrule = \"drop\"\n",
    )
    .unwrap();
    let message = source.read(&task).err().unwrap().to_string();
    assert!(
        message.contains("found rule \"drop\" for column \"sex\", expected it to be read, as the task says"),
        "{message}"
    );
    // A column of card numbers is refused as any that is read.
    fs::remove_file(&source.policy.policy).unwrap();
    let cards = table(100)
        .replace("f,", "4111111111111111,")
        .replace("m,", "5500005555555559,");
    fs::write(&source.files.file, cards).unwrap();
    let message = source.read(&task).err().unwrap().to_string();
    assert!(
        message.contains("column \"sex\": found payment card numbers"),
        "{message}"
    );
}
