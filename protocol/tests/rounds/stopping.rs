//! Training that stops early: coordinator and banks come to the same end, each from the sums.

use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::model::{ScoreSums, TrainingEnd};
use veilsum_protocol::task::Task;

use crate::consortium::{BINS, Contribution, contribution, task};
use crate::world::World;

/// Mean losses of the models 0, 1, ... that the banks judge.
const LOSSES: [f64; 6] = [0.7, 0.6, 0.5, 0.55, 0.5, 0.1];

fn stopping(rounds: u32) -> Task {
    let text = task("stopping").canonical_text();
    let text = text.replace("rounds = 3", &format!("rounds = {rounds}")).replace(
        "\n[deadlines]",
        "\n[early_stopping]\nfigure = \"log_loss\"\npatience = 2\n\n[deadlines]",
    );
    Task::parse(&text).unwrap()
}

fn world(task: Task) -> World {
    let mut world = World::of_task(3, 40, task);
    world.contribute = Box::new(|bank, kind, step| {
        let judged = |model: usize| {
            let rows = vec![4; BINS];
            ScoreSums::binary(
                8 * BINS as u64,
                8.0 * BINS as f64 * LOSSES[model],
                rows.clone(),
                rows,
            )
        };
        match contribution(bank, kind, step) {
            // Step 0 is that of the statistics.
            Contribution::Train { update, weight, .. } => Contribution::Train {
                update,
                weight,
                scores: judged(step as usize - 1),
            },
            Contribution::Evaluate(_) => Contribution::Evaluate(judged(2)),
            other => other,
        }
    });
    world
}

/// Runs the task to its end; gives the states that were the task's, from the first on.
fn run(world: &mut World) -> Vec<TaskState> {
    let mut states = vec![world.office.state.clone()];
    while world.office.plan().is_some() {
        assert!(world.round().end.is_ok());
        world.assert_same_state();
        states.push(world.office.state.clone());
    }
    world.assert_no_complaints();
    states
}

#[test]
fn training_stops_and_the_best_model_is_judged_last() {
    let mut world = world(stopping(20));
    let states = run(&mut world);
    // Statistics, models 0 to 4 judged by a train round each, and the end: model 2 is the best, 3 and 4 are no better.
    let steps: Vec<u32> = states.iter().map(|state| state.step).collect();
    assert_eq!(steps, [0, 1, 2, 3, 4, 5, 21, 22]);
    let end = states[6].stopping.as_ref().unwrap().end;
    assert_eq!(end, Some(TrainingEnd { rounds: 5, kept: 2 }));
    assert_eq!(states[6].parameters, states[3].parameters);
    assert_ne!(states[6].parameters, states[5].parameters);
    assert_eq!(states[7].parameters, states[3].parameters);
    // The banks go by the same step.
    let task = world.office.task.hash();
    assert!(world.banks.values().all(|bank| bank.progress(&task).step == 22));
}

#[test]
fn a_task_whose_rounds_are_used_up_ends_with_its_best_model() {
    let states = run(&mut world(stopping(4)));
    let end = states.last().unwrap().stopping.as_ref().unwrap().end;
    assert_eq!(end, Some(TrainingEnd { rounds: 4, kept: 2 }));
    assert_eq!(states.last().unwrap().parameters, states[3].parameters);
    assert_eq!(states.last().unwrap().step, 6);
}

#[test]
fn a_bank_that_died_goes_on_after_the_jump() {
    let mut world = world(stopping(20));
    for _ in 0..6 {
        assert!(world.round().end.is_ok());
    }
    assert_eq!(world.office.state.step, 21);
    (1..=3).for_each(|bank| world.kill(bank));
    run(&mut world);
    assert_eq!(world.office.state.step, 22);
}
