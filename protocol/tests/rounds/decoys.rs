//! A coordinator that shows something first and means what comes second, and one that names numbers out of all reach.

use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round};
use veilsum_protocol::log::entry::{AbortReason, Entry, RoundResult};
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::round::participant::Event;
use veilsum_protocol::wire::message::ToBank;

use crate::consortium::bank;
use crate::node::{Kill, Step};
use crate::refusals::{lied, nobody, recovers};
use crate::world::World;

/// Five banks whose shares left for the first step, all five in its sum; two of the messages came to nothing.
pub fn summed_once() -> World {
    let mut world = World::new(5, 20);
    world.down_ms = None;
    for position in [4, 5] {
        world.node(position).kill = Some(Kill::Before(Step::Release));
    }
    assert_eq!(world.round().end, Err(AbortReason::TooFewShares));
    for position in [4, 5] {
        world.restart(bank(position));
    }
    world.settle();
    world
}

#[test]
fn c_401_a_decoy_before_the_cohort_does_not_hide_that_a_step_is_summed_over_other_banks() {
    for kill in [
        None,
        Some(Kill::After(Step::Ready)),
        Some(Kill::Before(Step::Upload)),
    ] {
        let mut world = summed_once();
        // Right behind the opening stands the list of the first sum, in which the hashes are anybody's guess.
        let all: Vec<_> = world
            .all()
            .into_iter()
            .map(|bank| (bank, Digest([7; 32])))
            .collect();
        world.lie(move |entry| match entry {
            Entry::RoundOpen(open) => {
                let (round, list) = (open.round, all.clone());
                Some(vec![entry.clone(), Entry::Survivors { round, list }])
            }
            _ => None,
        });
        world.node(5).kill = Some(Kill::Before(Step::Upload));
        let summed = world.office.released_for.take();
        world.start_round();
        if let Some(kill) = kill {
            // It comes back from what was durable, the decoy among it.
            world.node(2).kill = Some(kill);
            world.run(|world| !world.banks[&bank(2)].is_up());
            world.restart(bank(2));
        }
        world.run(|world| world.office.outcome.is_some());
        world.settle();
        let outcome = world.office.outcome.clone().unwrap();
        assert_eq!(outcome.end, Err(AbortReason::TooFewConfirmations), "{kill:?}");
        for position in 1..=4 {
            assert_eq!(
                world.refused(position),
                [Check::SecondSurvivors],
                "bank {position}"
            );
        }
        nobody(&world, outcome.round, Step::Confirm);
        nobody(&world, outcome.round, Step::Release);
        world.office.log.rewrite = None;
        world.office.released_for = summed;
        world.restart(bank(5));
        recovers(&mut world);
    }
}

#[test]
fn c_302_a_decoy_before_anybody_is_ready_makes_the_real_cohort_a_second_one() {
    let (mut world, round, end) = lied(5, |entry| match entry {
        Entry::RoundOpen(open) => {
            let (round, banks) = (open.round, (1..=4).map(bank).collect());
            Some(vec![entry.clone(), Entry::Cohort { round, banks }])
        }
        _ => None,
    });
    assert_eq!(end, Err(AbortReason::TooFewUpdates));
    for position in 1..=5 {
        assert_eq!(world.refused(position), [Check::SecondCohort]);
    }
    nobody(&world, round, Step::Upload);
    recovers(&mut world);
}

/// What a lying coordinator logs before the entry itself, which is as it should be.
fn then_the_truth(
    lie: impl Fn(&Entry) -> Option<Entry> + 'static,
) -> impl FnMut(&Entry) -> Option<Vec<Entry>> {
    move |entry| lie(entry).map(|lie| vec![lie, entry.clone()])
}

#[test]
fn a_bank_that_refused_a_step_stays_out_of_the_round_whatever_comes_next() {
    let no_signatures = |entry: &Entry| match entry {
        Entry::Certificate { round, .. } => Some(Entry::Certificate {
            round: *round,
            signatures: Vec::new(),
        }),
        _ => None,
    };
    let strange_bundles = |entry: &Entry| match entry {
        Entry::PrepareManifest { epoch, round, .. } => Some(Entry::PrepareManifest {
            epoch: *epoch,
            round: *round,
            bundles: Vec::new(),
        }),
        _ => None,
    };
    type Lie = fn(&Entry) -> Option<Entry>;
    let cases: [(Lie, Check, Step, AbortReason); 2] = [
        (
            no_signatures,
            Check::Certificate,
            Step::Release,
            AbortReason::TooFewShares,
        ),
        (
            strange_bundles,
            Check::OwnBundle,
            Step::Ready,
            AbortReason::TooFewReady,
        ),
    ];
    for (lie, check, step, reason) in cases {
        // Bank 2 crashes right after it refused, and remembers.
        for kill in [
            None,
            Some(Kill::Before(Step::Other)),
            Some(Kill::After(Step::Other)),
        ] {
            let mut world = World::new(5, 20);
            world.lie(then_the_truth(lie));
            world.node(2).kill = kill;
            let outcome = world.round();
            assert_eq!(outcome.end, Err(reason), "{check:?}");
            for position in 1..=5 {
                let told = usize::from(position != 2 || kill.is_none());
                assert_eq!(
                    world.refused(position),
                    vec![check; told],
                    "bank {position}, {kill:?}"
                );
            }
            nobody(&world, outcome.round, step);
            world.office.log.rewrite = None;
            recovers(&mut world);
        }
    }
}

#[test]
fn a_second_list_or_certificate_is_not_answered_after_a_crash_either() {
    let doubled = |entry: &Entry| match entry {
        Entry::Survivors { round, list } => {
            let smaller = Entry::Survivors {
                round: *round,
                list: list[..4].to_vec(),
            };
            Some(vec![entry.clone(), smaller])
        }
        Entry::Certificate { .. } => Some(vec![entry.clone(), entry.clone()]),
        _ => None,
    };
    for kill in [
        Kill::Before(Step::Confirm),
        Kill::After(Step::Confirm),
        Kill::Before(Step::Release),
        Kill::After(Step::Release),
    ] {
        let mut world = World::new(5, 20);
        world.lie(doubled);
        world.node(2).kill = Some(kill);
        // The world notices a second, different answer.
        let outcome = world.round();
        assert!(outcome.end.is_ok(), "{kill:?}: {outcome:?}");
        assert_eq!(world.node(2).kill, None);
        let both = [Check::SecondSurvivors, Check::SecondRelease];
        for position in 1..=5 {
            assert_eq!(world.refused(position), both, "bank {position}, {kill:?}");
        }
        world.assert_same_state();
    }
}

/// A result of a round that nobody opened.
fn result_of(round: Round) -> Entry {
    Entry::Result(RoundResult {
        round,
        open: Digest([1; 32]),
        kind: RoundKind::Statistics,
        step: 0,
        sum: Digest([2; 32]),
        survivors: 4,
        weight: 0,
        next_state: Digest([3; 32]),
        metrics: None,
    })
}

#[test]
fn c_201_and_c_106_numbers_out_of_reach_do_not_use_up_those_that_follow() {
    let mut world = World::new(5, 20);
    let last = Round(u64::MAX);
    world.round();
    let open = world.office.log.entries.iter().find_map(|entry| match entry {
        Entry::RoundOpen(open) => Some(open.clone()),
        _ => None,
    });
    let mut open = open.unwrap();
    open.round = last;
    world.office.log.append(Entry::Abort {
        round: last,
        reason: AbortReason::Stopped,
        after_release: false,
    });
    world.office.log.append(result_of(last));
    world.office.log.append(Entry::RoundOpen(open.clone()));
    open.round = Round(1 + 1_000_000 + 1);
    world.office.log.append(Entry::RoundOpen(open));
    world.catch_up();
    recovers(&mut world);
    for position in 1..=5 {
        assert_eq!(
            world.refused(position),
            [Check::RoundNotNew; 2],
            "bank {position}"
        );
    }

    let ask = |round| {
        Event::Message(ToBank::PrepareAsk {
            epoch: Epoch(1),
            round,
        })
    };
    world.tell(1, ask(last));
    world.tell(1, ask(Round(2 + 1_000_000 + 1)));
    assert_eq!(world.refused(1)[2..], [Check::RoundNotNew; 2]);
    for epoch in [Epoch(u64::MAX), Epoch(1 + 1_000_000 + 1)] {
        world.tell(2, Event::Message(ToBank::EpochAsk { epoch }));
    }
    assert_eq!(world.refused(2)[2..], [Check::EpochNotNew; 2]);
    world.arm(Epoch(1 + 1_000_000));
    recovers(&mut world);
}

/// Banks whose share of `of` is in the message that `from` released, by kind: of its self-mask, of its recovery secret.
fn released(world: &World, from: u16, round: Round, of: BankIndex) -> (usize, usize) {
    use veilsum_protocol::wire::message::ToCoordinator;
    use veilsum_protocol::wire::statement::ReleasedShare;
    let Some(ToCoordinator::Release { release, .. }) = world.answer(from, round, Step::Release) else {
        panic!("bank {from} released nothing");
    };
    let shares = release.claim().shares.iter().filter(|(bank, _)| *bank == of);
    shares.fold((0, 0), |(own, recovery), (_, share)| match share {
        ReleasedShare::SelfMask(_) => (own + 1, recovery),
        ReleasedShare::Recovery(_) => (own, recovery + 1),
    })
}

#[test]
fn the_vector_of_a_late_bank_stays_masked_once_its_recovery_secret_is_known() {
    let mut world = World::new(5, 20);
    // The list with bank 4 comes when the one without it is certified, and again behind its certificate.
    world.lie(|entry| match entry {
        Entry::Certificate { round, .. } => {
            let list = (1..=5).map(|position| (bank(position), Digest([position as u8; 32])));
            let with_all = Entry::Survivors {
                round: *round,
                list: list.collect(),
            };
            Some(vec![with_all.clone(), entry.clone(), with_all, entry.clone()])
        }
        _ => None,
    });
    world.start_round();
    world.run(|world| world.answered(4, world.office.machine.as_ref().unwrap().round(), Step::Ready));
    world.work_ms.insert(bank(4), 100_000);
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    let outcome = world.office.outcome.clone().unwrap();
    assert_eq!(outcome.survivors, [1, 2, 3, 5].map(bank));
    assert!(world.answered(4, outcome.round, Step::Upload), "late, but here");
    for from in [1, 2, 3, 5] {
        for of in world.all() {
            let expected = if of == bank(4) { (0, 1) } else { (1, 0) };
            assert_eq!(
                released(&world, from, outcome.round, of),
                expected,
                "{from} of {of}"
            );
        }
        let refused = [
            Check::SecondSurvivors,
            Check::SecondSurvivors,
            Check::SecondRelease,
        ];
        assert_eq!(world.refused(from), refused, "bank {from}");
    }
    assert!(!world.answered(4, outcome.round, Step::Release));
    world.assert_same_state();
}
