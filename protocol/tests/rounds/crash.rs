//! Banks and coordinators that crash and come back from what they had made durable.

use veilsum_protocol::ids::{Digest, Epoch, Round};
use veilsum_protocol::log::entry::{AbortReason, Entry};
use veilsum_protocol::round::RestoreError;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::coordinator::{Event as CoordinatorEvent, Phase};
use veilsum_protocol::round::participant::{Event, Notice, Participant};
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};

use crate::consortium::{bank, pinned, task};
use crate::node::{Kill, Out, Step};
use crate::world::{Faults, World};

/// With three banks every one is needed, so the round ends well only if the crashed bank goes on.
fn rounds_with(kills: impl IntoIterator<Item = Kill>) {
    let mut world = World::new(3, 4);
    for (at, kill) in kills.into_iter().enumerate() {
        if world.office.plan().is_none() {
            world = World::new(3, 4 + at as u64);
        }
        world.node(2).kill = Some(kill);
        let outcome = world.round();
        assert!(outcome.end.is_ok(), "{kill:?}: {outcome:?}");
        assert_eq!(world.node(2).kill, None, "{kill:?} was never reached");
        assert_eq!(outcome.acknowledged.len(), 3, "{kill:?}");
        world.assert_same_state();
    }
}

#[test]
fn a_bank_that_crashes_around_a_message_gives_the_same_answer() {
    let steps = [
        Step::Bundle,
        Step::Ready,
        Step::Upload,
        Step::Confirm,
        Step::Release,
        Step::Derived,
    ];
    rounds_with(
        steps
            .into_iter()
            .flat_map(|step| [Kill::Before(step), Kill::After(step)]),
    );
}

#[test]
fn a_bank_that_crashes_around_any_snapshot_goes_on() {
    // How many there are in a round hangs on how many heads of the log the bank is shown.
    let mut world = World::new(3, 4);
    let mut fewest = usize::MAX;
    while world.office.plan().is_some() {
        let before = world.node(2).snapshots;
        world.round();
        fewest = fewest.min(world.node(2).snapshots - before);
    }
    assert!(fewest >= 12, "{fewest}");
    rounds_with((1..=fewest).flat_map(|at| [Kill::Persisted(at), Kill::BeforePersist(at)]));
}

#[test]
fn every_bank_crashes_in_another_phase_of_one_round() {
    let mut world = World::new(5, 5);
    let steps = [
        Step::Bundle,
        Step::Ready,
        Step::Upload,
        Step::Confirm,
        Step::Release,
    ];
    for round in 0..5u16 {
        for (position, step) in (0u16..).zip(steps) {
            world.node((position + round) % 5 + 1).kill = Some(Kill::After(step));
        }
        let outcome = world.round();
        assert!(outcome.end.is_ok(), "{outcome:?}");
        assert_eq!(outcome.survivors.len(), 5);
        world.assert_same_state();
    }
}

#[test]
fn an_epoch_is_armed_whatever_snapshot_a_bank_crashes_around() {
    for at in 1..=4 {
        for kill in [Kill::Persisted(at), Kill::BeforePersist(at)] {
            let mut world = World::unarmed(3, 6, Faults::default());
            world.node(2).kill = Some(kill);
            world.arm(Epoch(1));
            world.settle();
            assert_eq!(world.node(2).kill, None, "{kill:?} was never reached");
            for node in world.banks.values() {
                assert_eq!(node.machine.as_ref().unwrap().armed(), Some(Epoch(1)), "{kill:?}");
            }
        }
    }
}

#[test]
fn c_104_a_refused_message_leaves_nothing_that_a_crash_forgets() {
    let mut world = World::unarmed(5, 6, Faults::default());
    // Bank 3 goes when all keys are there, so nobody has a peer's ciphertext yet.
    world.down_ms = None;
    world.node(3).kill = Some(Kill::After(Step::Keys));
    let out = world.office.start_epoch(Epoch(1));
    world.office_out(out);
    world.settle();
    // Banks 2 and 4 encapsulate for bank 1. Any ciphertext of the right length gives a key; there is no bank 8.
    let ciphertexts = [(2, 1088), (4, 1088), (8, 0)].map(|(from, length)| (bank(from), vec![1; length]));
    let message = ToBank::PairCiphertexts {
        epoch: Epoch(1),
        ciphertexts: ciphertexts.to_vec(),
    };
    world.tell(1, Event::Message(message));
    assert_eq!(world.refused(1), [Check::PeerKeys]);
    // What it says on a new connection it still says after a crash.
    let said = |world: &mut World| {
        let out = world.node(1).handle(Event::Connected);
        let bytes = out.into_iter().map(|out| match out {
            Out::Message(_, bytes) => bytes,
            _ => panic!("nothing but messages"),
        });
        bytes.collect::<Vec<_>>()
    };
    let before = said(&mut world);
    assert!(!before.is_empty());
    world.node(1).die();
    world.node(1).start();
    assert_eq!(said(&mut world), before);
}

#[test]
fn a_state_that_lost_a_bit_is_not_restored() {
    let mut world = World::new(3, 4);
    world.start_round();
    world.run(|world| !world.banks[&bank(2)].contributed.is_empty());
    let members = world.node(2).members.clone();
    let restore = |bytes: &[u8]| Participant::restore(pinned(bank(2), &members), bytes);
    let bytes = world.node(2).machine.as_ref().unwrap().snapshot();
    assert!(restore(&bytes).is_ok());
    for at in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1 << (at % 8);
        assert!(
            matches!(restore(&damaged), Err(RestoreError::Damaged(_))),
            "byte {at}"
        );
    }
    for length in [0, 31, 32, bytes.len() - 1] {
        assert!(matches!(restore(&bytes[..length]), Err(RestoreError::Damaged(_))));
    }
    assert!(matches!(
        Participant::restore(pinned(bank(1), &members), &bytes),
        Err(RestoreError::Other { .. })
    ));
}

#[test]
fn a_new_epoch_takes_over_between_rounds() {
    let mut world = World::new(3, 7);
    world.round();
    world.arm(Epoch(2));
    let outcome = world.round();
    assert!(outcome.end.is_ok(), "{outcome:?}");
    world.assert_same_state();
    world.assert_no_complaints();
}

#[test]
fn rounds_go_on_under_the_last_epoch_when_a_new_one_comes_to_nothing() {
    let mut world = World::new(5, 12);
    world.round();
    // Whatever bank 5 has, the coordinator never hears that it is armed.
    world.tamper_up_with(|from, message| {
        if let (5, ToCoordinator::Armed { epoch }) = (from.get(), message) {
            epoch.0 += 1_000;
        }
    });
    world.start_epoch(Epoch(2));
    world.settle();
    world.tamper_up = None;
    assert_eq!(world.office.armed.unwrap().0, Epoch(1));
    for node in world.banks.values() {
        assert_eq!(node.machine.as_ref().unwrap().armed(), Some(Epoch(2)));
    }
    // A crash changes nothing about it.
    world.kill(3);
    world.settle();
    let outcome = world.round();
    assert!(outcome.end.is_ok(), "{outcome:?}");
    assert_eq!(outcome.survivors.len(), 5);

    world.arm(Epoch(3));
    assert_eq!(world.round().survivors.len(), 5);
    world.assert_same_state();
    world.assert_no_complaints();
    // The last one is gone for good.
    let ask = ToBank::PrepareAsk {
        epoch: Epoch(1),
        round: Round(99),
    };
    world.tell(4, Event::Message(ask));
    let refused = |notice: &Notice| matches!(notice, Notice::Refused(rejection) if rejection.check == Check::EpochKeysMissing);
    assert!(world.node(4).notices.iter().any(refused));
}

#[test]
fn a_bank_that_sits_out_says_so_again_after_a_restart_of_the_coordinator() {
    let mut world = World::new(5, 13);
    world.node(2).fails = true;
    for position in [1, 3, 4, 5] {
        world.work_ms.insert(bank(position), 2_000);
    }
    world.start_round();
    world.run(|world| {
        world.office.machine.as_ref().is_some_and(|machine| {
            machine.phase() == Phase::Ready && !machine.waiting_for().contains(&bank(2))
        })
    });
    world.office.kill_after_commits = Some(1);
    let before = world.now;
    world.run(|world| {
        let machine = world.office.machine.as_ref();
        machine.is_some_and(|machine| machine.phase() > Phase::Ready)
    });
    assert_eq!(world.office.kill_after_commits, None, "it crashed");
    let waited = world.now.0 - before.0;
    assert!(waited < 10_000, "{waited} ms, and the phase lasts 60 s at most");
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    let outcome = world.office.outcome.clone().unwrap();
    assert!(outcome.end.is_ok(), "{outcome:?}");
    assert_eq!(outcome.cohort, [1, 3, 4, 5].map(bank));
    world.assert_same_state();
}

#[test]
fn a_snapshot_taken_while_a_result_is_derived_does_not_lose_it() {
    let mut world = World::new(3, 8);
    // Bank 2 takes an hour to derive; meanwhile its operator approves another task, which makes a snapshot, and it crashes.
    world.start_round();
    world.run(|world| world.banks[&bank(2)].uploaded.len() == 1);
    world.work_ms.insert(bank(2), 3_600_000);
    world.run(|world| world.office.outcome.is_some());
    let log_size = world.node(2).machine.as_ref().unwrap().log_size();
    world.tell(2, Event::Approved(Digest([7; 32])));
    world.work_ms.clear();
    world.kill(2);
    world.settle();
    assert!(world.node(2).machine.as_ref().unwrap().log_size() > log_size);
    world.assert_same_state();
}

#[test]
fn a_snapshot_taken_while_a_task_is_fetched_does_not_lose_it() {
    let mut world = World::new(3, 8);
    let other = task("another");
    world.work_ms.insert(bank(2), 3_600_000);
    world.office.offer(&other);
    let hash = other.hash();
    world.connect(bank(2));
    world.run(|world| {
        world
            .office
            .approved
            .get(&hash)
            .is_some_and(|banks| banks.len() == 2)
    });
    assert!(world.node(2).machine.as_ref().unwrap().progress(&hash).is_none());
    world.tell(2, Event::Approved(Digest([7; 32])));
    world.work_ms.clear();
    world.kill(2);
    world.settle();
    assert!(world.node(2).machine.as_ref().unwrap().progress(&hash).is_some());
}

#[test]
fn the_coordinator_goes_on_from_every_commit() {
    for banks in [3u16, 5] {
        let mut world = World::new(banks, 9);
        // The first round alone is not prepared ahead, and has more commits.
        world.round();
        let before = world.office.commits;
        world.round();
        let count = world.office.commits - before;
        assert!(count > 4 * usize::from(banks), "{count}");
        for at in 1..=count {
            if world.office.plan().is_none() {
                world = World::new(banks, 9 + at as u64);
            }
            world.office.kill_after_commits = Some(at);
            let outcome = world.round();
            assert_eq!(
                world.office.kill_after_commits, None,
                "commit {at} was never reached"
            );
            assert!(outcome.end.is_ok(), "{banks} banks, commit {at}: {outcome:?}");
            assert_eq!(outcome.survivors.len(), usize::from(banks), "commit {at}");
            world.assert_same_state();
        }
    }
}

#[test]
fn everything_at_once() {
    for seed in 0..4 {
        let faults = Faults {
            double: true,
            delay_ms: 400,
            lose_one_in: 40,
            ..Faults::default()
        };
        let mut world = World::with(5, seed, faults);
        for round in 0..5 {
            world.node(1 + (seed + round) as u16 % 5).kill =
                Some(Kill::Persisted(1 + (seed * 3 + round) as usize % 7));
            world.office.kill_after_commits = Some(1 + (seed * 5 + round * 7) as usize % 25);
            let outcome = world.round();
            assert!(outcome.end.is_ok(), "seed {seed}, round {round}: {outcome:?}");
            world.assert_same_state();
        }
    }
}

#[test]
fn a_task_that_is_stopped_while_its_sum_is_made_stays_stopped() {
    let mut world = World::new(3, 10);
    world.start_round();
    world.run(|world| world.office.machine.as_ref().unwrap().phase() == Phase::Sum);
    let now = world.now;
    world.office.handle(now, None, CoordinatorEvent::Stop);
    world.settle();
    assert_eq!(
        world.office.outcome.as_ref().unwrap().end,
        Err(AbortReason::Stopped)
    );
    let stopped = |entry: &Entry| {
        matches!(
            entry,
            Entry::Abort {
                after_release: true,
                ..
            }
        )
    };
    assert!(world.office.log.entries.last().is_some_and(stopped));
    assert!(world.round().end.is_ok());
    world.assert_same_state();
}
