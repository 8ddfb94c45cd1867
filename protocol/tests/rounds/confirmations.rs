//! A list of survivors is confirmed when it is shown, and nothing is released for it before `t` banks have seen it and its certificate.

use std::cell::Cell;
use std::rc::Rc;

use veilsum_protocol::ids::{BankIndex, Round};
use veilsum_protocol::log::entry::{AbortReason, Entry};
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::context::Context;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::{Leaf, ToBank, ToCoordinator};
use veilsum_protocol::wire::statement::SurvivorList;

use crate::consortium::{bank, signing_key};
use crate::ledger::Rewrite;
use crate::node::{Kill, Step};
use crate::refusals::{nobody, recovers};
use crate::world::World;

/// From the head on that shows what `is_it` finds, every bank is told of one cosignature less than it takes.
fn too_few_from(world: &mut World, is_it: fn(&Entry) -> bool) {
    let needed = Thresholds::with_most_colluders(world.office.banks())
        .unwrap()
        .threshold;
    let since = Rc::new(Cell::new(u64::MAX));
    world.tamper_down = Some(Box::new(move |_, message| match message {
        ToBank::Log(extension) => {
            let found = |leaf: &Leaf| match leaf {
                Leaf::Entry(bytes) => is_it(&Entry::from_bytes(bytes).unwrap()),
                Leaf::Hash(_) => false,
            };
            if let Some(at) = extension.leaves.iter().position(found) {
                since.set(since.get().min(extension.from + at as u64));
            }
        }
        ToBank::Witnessed { size, cosignatures } if *size > since.get() => {
            cosignatures.truncate(usize::from(needed) - 1);
        }
        _ => {}
    }));
}

fn is_list(entry: &Entry) -> bool {
    matches!(entry, Entry::Survivors { .. })
}

fn is_certificate(entry: &Entry) -> bool {
    matches!(entry, Entry::Certificate { .. })
}

#[test]
fn a_list_is_confirmed_when_it_is_shown_and_nothing_is_released_for_it() {
    for shown in [is_list, is_certificate] {
        let mut world = World::new(5, 40);
        too_few_from(&mut world, shown);
        let outcome = world.round();
        assert_eq!(outcome.end, Err(AbortReason::TooFewShares));
        for position in 1..=5 {
            assert!(
                world.answered(position, outcome.round, Step::Confirm),
                "bank {position}"
            );
            let refused = world.refused(position);
            assert!(
                !refused.is_empty() && refused.iter().all(|check| *check == Check::Witnesses),
                "{refused:?}"
            );
        }
        assert!(world.office.log.entries.iter().any(is_certificate));
        nobody(&world, outcome.round, Step::Release);
        world.tamper_down = None;
        world.office.released_for = None;
        recovers(&mut world);
    }
}

#[test]
fn a_list_behind_something_that_is_not_acted_on_waits() {
    let mut world = World::new(5, 41);
    world.lie(|entry| match entry {
        Entry::Survivors { .. } => {
            let earlier = Entry::Abort {
                round: Round(0),
                reason: AbortReason::Stopped,
                after_release: false,
            };
            Some(vec![earlier, entry.clone()])
        }
        _ => None,
    });
    too_few_from(&mut world, is_list);
    let outcome = world.round();
    assert_eq!(outcome.end, Err(AbortReason::TooFewConfirmations));
    nobody(&world, outcome.round, Step::Confirm);
    world.office.log.rewrite = None;
    world.tamper_down = None;
    // Once enough have seen it, it is confirmed as ever.
    world.lie(|entry| match entry {
        Entry::Survivors { round, .. } => {
            let earlier = Entry::Abort {
                round: Round(round.0 - 1),
                reason: AbortReason::Stopped,
                after_release: false,
            };
            Some(vec![earlier, entry.clone()])
        }
        _ => None,
    });
    recovers(&mut world);
}

/// Lists of survivors lack bank 4.
fn without_bank_4() -> Rewrite {
    Box::new(|entry| match entry {
        Entry::Survivors { round, list } => {
            let list = list.iter().filter(|(listed, _)| *listed != bank(4));
            Some(vec![Entry::Survivors {
                round: *round,
                list: list.copied().collect(),
            }])
        }
        _ => None,
    })
}

/// Banks whose confirmation holds for this list.
fn signers(world: &World, round: Round, list: &Entry) -> Vec<BankIndex> {
    let entries = &world.office.log.entries;
    let context = entries.iter().find_map(|entry| match entry {
        Entry::RoundOpen(open) if open.round == round => {
            let cohort = entries.iter().find_map(|entry| match entry {
                Entry::Cohort { round: of, banks } if *of == round => Some(banks),
                _ => None,
            });
            Some(Context::of(open, cohort?))
        }
        _ => None,
    });
    let statement = SurvivorList {
        context: context.unwrap().digest(),
        survivors: list.hash(),
    };
    let signed = |who: &BankIndex| match world.answer(who.get(), round, Step::Confirm) {
        Some(ToCoordinator::Confirm { signature, .. }) => {
            signing_key(*who).verifying_key().verifies(&statement, &signature)
        }
        _ => false,
    };
    world.all().into_iter().filter(signed).collect()
}

/// Seven banks, of which two may lie: 5 signatures certify, 5 banks must survive. Banks 6 and 7 lie and would sign whatever helps.
#[test]
fn a_fork_with_two_lists_certifies_at_most_one_of_them() {
    const LIARS: usize = 2;
    let rules = Thresholds::with_most_colluders(7).unwrap();
    let needed = usize::from(rules.threshold);
    assert_eq!(usize::from(rules.colluders), LIARS);
    for forked in 1..=5 {
        for stolen in [false, true] {
            let mut world = World::new(7, 42);
            for position in [1, 2, 3, 5, 4].into_iter().take(forked) {
                world.office.log.fork(bank(position), without_bank_4());
            }
            world.office.witnessing.stolen = stolen;
            world.start_round();
            world.run(|world| world.office.outcome.is_some());
            world.settle();
            let round = world.office.outcome.as_ref().unwrap().round;
            let find = |entries: &[Entry]| {
                let mut of_round = entries.iter().filter(|entry| entry.round() == Some(round));
                of_round.find(|entry| is_list(entry)).cloned().unwrap()
            };
            let all = find(&world.office.log.entries);
            let fewer = find(&world.office.log.shown_to(bank(1)).entries);
            let honest = |list| {
                let signed = signers(&world, round, list).into_iter();
                signed.filter(|who| who.get() <= 5).collect::<Vec<_>>()
            };
            let (all, fewer) = (honest(&all), honest(&fewer));
            assert!(all.iter().all(|who| !fewer.contains(who)), "{forked}");
            // Bank 4 signs no list without itself.
            assert_eq!(fewer.len(), forked.min(4), "{forked}");
            let certified = [&all, &fewer].map(|signed| signed.len() + LIARS >= needed);
            assert_ne!(certified, [true, true], "{forked}");
            // With every witness key a lying coordinator has all heads cosigned; what stands then is the certificate, for one list alone.
            let kinds: Vec<_> = (1..=5)
                .filter_map(|position| world.answer(position, round, Step::Release))
                .map(|release| match release {
                    ToCoordinator::Release { release, .. } => release
                        .claim()
                        .shares
                        .iter()
                        .map(|(of, share)| (*of, std::mem::discriminant(share)))
                        .collect::<Vec<_>>(),
                    _ => panic!("another answer"),
                })
                .collect();
            assert!(kinds.windows(2).all(|pair| pair[0] == pair[1]), "{forked}");
        }
    }
}

#[test]
fn a_bank_that_confirmed_on_a_fork_says_nothing_else_after_a_crash() {
    for kill in [
        None,
        Some(Kill::Before(Step::Confirm)),
        Some(Kill::After(Step::Confirm)),
    ] {
        let mut world = World::new(5, 43);
        world.start_round();
        let round = world.office.machine.as_ref().unwrap().round();
        world.run(|world| world.answered(1, round, Step::Upload));
        world.office.log.fork(bank(1), without_bank_4());
        world.run(|world| {
            let log = &world.office.log.shown_to(bank(1)).entries;
            log.iter()
                .any(|entry| entry.round() == Some(round) && is_list(entry))
        });
        world.down_ms = None;
        world.node(1).kill = kill;
        world.run(|world| world.office.outcome.is_some());
        let outcome = world.office.outcome.clone().unwrap();
        assert!(
            outcome.end.is_ok(),
            "four banks are enough: {outcome:?}, {kill:?}"
        );
        let fewer = {
            let log = &world.office.log.shown_to(bank(1)).entries;
            log.iter().find(|entry| is_list(entry)).cloned().unwrap()
        };
        // Its fork is gone, and with it what it has seen: it follows no other.
        world.office.log.forks.clear();
        if kill.is_some() {
            world.restart(bank(1));
        } else {
            world.disconnect(bank(1));
            world.connect(bank(1));
        }
        world.settle();
        assert_eq!(signers(&world, round, &fewer), [bank(1)], "{kill:?}");
        assert!(!world.node(1).follow_errors.is_empty(), "{kill:?}");
        assert!(!world.answered(1, round, Step::Release), "{kill:?}");
    }
}

#[test]
fn a_wrong_list_that_too_few_see_costs_no_round() {
    let mut world = World::new(5, 44);
    world.office.log.fork(bank(4), without_bank_4());
    let outcome = world.round();
    assert!(outcome.end.is_ok(), "{outcome:?}");
    assert!(!world.answered(4, outcome.round, Step::Confirm));
    // It says that too few have seen the head, and nothing of the list in it.
    let refused = world.refused(4);
    assert!(
        refused.iter().all(|check| *check == Check::Witnesses),
        "{refused:?}"
    );
}

#[test]
fn a_bank_that_dies_between_record_and_confirmation_gives_the_same_one() {
    for kill in [
        Kill::Before(Step::Cosignature),
        Kill::After(Step::Cosignature),
        Kill::Before(Step::Confirm),
        Kill::After(Step::Confirm),
    ] {
        // With three banks everyone is needed.
        let mut world = World::new(3, 45);
        world.start_round();
        let round = world.office.machine.as_ref().unwrap().round();
        world.run(|world| world.office.log.entries.iter().any(is_list));
        world.node(2).kill = Some(kill);
        world.run(|world| world.office.outcome.is_some());
        world.settle();
        assert_eq!(world.node(2).kill, None, "{kill:?}");
        assert!(world.office.outcome.as_ref().unwrap().end.is_ok(), "{kill:?}");
        assert!(world.answered(2, round, Step::Release), "{kill:?}");
        world.assert_no_complaints();
        world.assert_same_state();
    }
}
