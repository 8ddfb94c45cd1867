//! Tasks whose training stops before its rounds are used up.

use veilsum_auditor::account::{ModelAccount, tell_model};
use veilsum_auditor::verify;
use veilsum_auditor::verify::report::Check;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::wire::canonical::Canonical;

use crate::rounds::{End, Script};
use crate::world::{TASK, World};

const ALL: &[u16] = &[1, 2, 3, 4, 5];

pub(crate) fn play(world: &mut World, rounds: std::ops::RangeInclusive<u64>, last: End) {
    let end = *rounds.end();
    for round in rounds {
        world.play(&Script {
            round,
            attempt: 0,
            prepared: ALL,
            cohort: ALL,
            survivors: ALL,
            end: if round == end { last } else { End::Published },
        });
    }
}

/// No gain is enough: model 0 is the best, and training stops after two of nine rounds.
fn stopped() -> World {
    let rules = "[early_stopping]\nfigure = \"auc\"\npatience = 1\nleast_gain = 1.0\n\n[deadlines]";
    let mut world = World::of_task(
        &TASK
            .replace("rounds = 2", "rounds = 9")
            .replace("[deadlines]", rules),
    );
    play(&mut world, 1..=4, End::Published);
    assert_eq!(world.state.step, 11);
    world
}

#[test]
fn a_task_that_stopped_early_verifies_and_is_told_with_the_steps_that_it_took() {
    let world = stopped();
    let report = world.audit();
    assert!(report.holds() && report.failed().is_empty(), "{report:?}");
    let hash = world.consortium.task.hash().to_hex();
    let ModelAccount::Task(task) = world.on_disk(|_, audit| tell_model(&audit, &hash).unwrap()) else {
        panic!("a state");
    };
    assert_eq!((task.steps, task.rounds), (4, vec![1, 2, 3, 4]));
}

/// The last opening is of the task's evaluation, with training rounds left out.
fn leaves_rounds_out(world: &mut World) {
    let layout = world.consortium.plan.layout(RoundKind::Evaluate).digest();
    let (at, open) = world
        .find(|entry| matches!(entry, Entry::RoundOpen(_)))
        .pop()
        .unwrap();
    let Entry::RoundOpen(mut open) = open else {
        panic!("no opening");
    };
    (open.kind, open.step, open.layout) = (RoundKind::Evaluate, 10, layout);
    world.entries[at] = Entry::RoundOpen(open).to_bytes();
}

#[test]
fn a_task_without_the_rule_that_ends_early_is_found() {
    let mut world = World::of_rounds(9);
    play(&mut world, 1..=3, End::Opened);
    leaves_rounds_out(&mut world);
    assert_eq!(world.audit().failed(), [Check::StateChain, Check::RoundPlan]);
    // Without the archive the task's text is not known, so that it may have the rule.
    let report = world.on_disk(|_, mut audit| {
        audit.archive = None;
        verify(&audit, |_| ()).unwrap()
    });
    assert_eq!(report.failed(), []);
}

#[test]
fn a_task_with_the_rule_that_ends_too_early_is_found_by_the_replay() {
    let mut world = stopped();
    // Behind the first training round: the state of the second stands there.
    world
        .entries
        .truncate(world.find(|entry| matches!(entry, Entry::RoundOpen(_)))[2].0 + 1);
    leaves_rounds_out(&mut world);
    assert_eq!(world.audit().failed(), [Check::RoundPlan]);
}
