//! A coordinator that lies in the log. The real participants must refuse, with the number of the check that failed, and must not
//! give the answer that the lie was after.

use veilsum_protocol::crypto::signing::Signature;
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round};
use veilsum_protocol::log::entry::{AbortReason, Entry, RoundOpen};
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::round::participant::Notice;
use veilsum_protocol::wire::canonical::Canonical as _;
use veilsum_protocol::wire::message::ToCoordinator;

use crate::consortium::{bank, roster, task};
use crate::node::Step;
use crate::world::World;
use veilsum_tests::stage::witnesses::SEEN_AT;

/// A world whose coordinator changes entries of the first round, which is run to its end.
pub fn lied(
    banks: u16,
    rewrite: impl FnMut(&Entry) -> Option<Vec<Entry>> + 'static,
) -> (World, Round, Result<Digest, AbortReason>) {
    let mut world = World::new(banks, 20);
    world.lie(rewrite);
    let outcome = world.round();
    world.office.log.rewrite = None;
    (world, outcome.round, outcome.end)
}

/// No bank gave this answer in the round.
pub fn nobody(world: &World, round: Round, step: Step) {
    for bank in world.all() {
        assert!(!world.answered(bank.get(), round, step), "bank {bank}: {step:?}");
    }
}

/// The lie is over: everybody goes on.
pub fn recovers(world: &mut World) {
    let outcome = world.round();
    assert!(outcome.end.is_ok(), "{outcome:?}");
    assert_eq!(outcome.survivors, world.all());
    world.assert_same_state();
}

fn opened(change: impl Fn(&mut RoundOpen) + 'static) -> impl FnMut(&Entry) -> Option<Vec<Entry>> {
    move |entry| match entry {
        Entry::RoundOpen(open) => {
            let mut open = open.clone();
            change(&mut open);
            Some(vec![Entry::RoundOpen(open)])
        }
        _ => None,
    }
}

#[test]
fn c_202_c_203_c_204_c_205_and_c_209_an_open_round_that_is_not_what_the_bank_expects() {
    let other = Digest([9; 32]);
    type Change = Box<dyn Fn(&mut RoundOpen)>;
    let cases: Vec<(Change, Check)> = vec![
        (Box::new(move |open| open.task = other), Check::TaskNotApproved),
        (Box::new(move |open| open.state = other), Check::OtherState),
        (Box::new(move |open| open.last_result = other), Check::OtherState),
        (Box::new(|open| open.step += 1), Check::OtherState),
        (
            Box::new(|open| open.thresholds = Thresholds::new(5, 0).unwrap()),
            Check::RoundRules,
        ),
        (
            Box::new(|open| open.thresholds = Thresholds::new(4, 1).unwrap()),
            Check::RoundRules,
        ),
        (Box::new(|open| open.ring_bits += 1), Check::RoundRules),
        (Box::new(|open| open.digit_bits = 8), Check::RoundRules),
        (Box::new(move |open| open.layout = other), Check::RoundRules),
        (
            Box::new(|open| open.kind = veilsum_protocol::round::params::RoundKind::Train),
            Check::RoundRules,
        ),
        (Box::new(move |open| open.manifest = other), Check::OwnBundle),
        (
            Box::new(move |open| open.directory = other),
            Check::EpochKeysMissing,
        ),
    ];
    let mut world = World::new(5, 20);
    for (change, check) in cases {
        for node in world.banks.values_mut() {
            node.notices.clear();
        }
        world.lie(opened(change));
        let outcome = world.round();
        assert_eq!(outcome.end, Err(AbortReason::TooFewReady), "{check:?}");
        for position in 1..=5 {
            assert_eq!(world.refused(position), [check]);
        }
        nobody(&world, outcome.round, Step::Ready);
    }
    world.office.log.rewrite = None;
    recovers(&mut world);
}

#[test]
fn c_209_a_round_under_another_epoch_than_it_was_prepared_under() {
    let mut world = World::new(5, 20);
    // All have the keys of epoch 2, but the coordinator never hears it of bank 5.
    world.tamper_up_with(|from, message| {
        if let (5, ToCoordinator::Armed { epoch }) = (from.get(), message) {
            epoch.0 += 1_000;
        }
    });
    world.start_epoch(Epoch(2));
    world.settle();
    world.tamper_up = None;
    let second = world.office.log.entries.iter().find_map(|entry| match entry {
        Entry::KeyDirectory {
            epoch: Epoch(2),
            directory,
            ..
        } => Some(*directory),
        _ => None,
    });
    let mut logged = None;
    world.lie(move |entry| match entry {
        Entry::PrepareManifest { round, bundles, .. } => {
            let manifest = Entry::PrepareManifest {
                epoch: Epoch(2),
                round: *round,
                bundles: bundles.clone(),
            };
            logged = Some(manifest.hash());
            Some(vec![manifest])
        }
        Entry::RoundOpen(open) => Some(vec![Entry::RoundOpen(RoundOpen {
            epoch: Epoch(2),
            directory: second.unwrap(),
            manifest: logged.unwrap(),
            ..open.clone()
        })]),
        _ => None,
    });
    let outcome = world.round();
    assert_eq!(outcome.end, Err(AbortReason::TooFewReady));
    for position in 1..=5 {
        assert_eq!(world.refused(position), [Check::EpochKeysMissing]);
    }
    nobody(&world, outcome.round, Step::Ready);
    world.office.log.rewrite = None;
    world.arm(Epoch(3));
    recovers(&mut world);
}

#[test]
fn c_202_a_task_that_the_operator_did_not_approve() {
    let mut world = World::new(5, 20);
    let other = task("another");
    for node in world.banks.values_mut() {
        node.approves = node.bank != bank(2);
    }
    world.office.offer(&other);
    world.connect(bank(1));
    world.settle();
    world
        .office
        .approved
        .insert(other.hash(), world.all().into_iter().collect());
    world.office.state = veilsum_protocol::model::state::TaskState::initial(&other);
    world.office.task = other.clone();
    let outcome = world.round();
    assert!(outcome.end.is_ok(), "four approved: {outcome:?}");
    assert_eq!(world.refused(2), [Check::TaskNotApproved]);
    assert!(world.node(2).notices.contains(&Notice::NotApproved(other.hash())));
    assert!(!world.answered(2, outcome.round, Step::Ready));
    // It did not take part, but it follows.
    world.assert_same_state();
}

#[test]
fn c_201_a_round_is_opened_once() {
    let (mut world, round, end) = lied(5, |entry| match entry {
        Entry::RoundOpen(open) => {
            let mut second = open.clone();
            second.ready_until.0 += 1;
            Some(vec![entry.clone(), Entry::RoundOpen(second)])
        }
        _ => None,
    });
    assert!(end.is_ok());
    for position in 1..=5 {
        assert_eq!(world.refused(position), [Check::RoundNotNew]);
    }
    // And never again once it is over.
    let again = world
        .office
        .log
        .entries
        .iter()
        .find(|entry| matches!(entry, Entry::RoundOpen(_)))
        .cloned();
    world.office.log.append(again.unwrap());
    recovers(&mut world);
    assert_eq!(world.refused(1), [Check::RoundNotNew; 2]);
    // Nor is it prepared for again.
    let ask = veilsum_protocol::wire::message::ToBank::PrepareAsk {
        epoch: Epoch(1),
        round,
    };
    world.tell(1, veilsum_protocol::round::participant::Event::Message(ask));
    assert_eq!(world.refused(1), [Check::RoundNotNew; 3]);
}

#[test]
fn c_205_a_manifest_without_the_own_bundle() {
    let (mut world, round, end) = lied(5, |entry| match entry {
        Entry::PrepareManifest {
            epoch,
            round,
            bundles,
        } => {
            let mut bundles = bundles.clone();
            bundles[2].1 = Digest([1; 32]);
            bundles.remove(4);
            Some(vec![Entry::PrepareManifest {
                epoch: *epoch,
                round: *round,
                bundles,
            }])
        }
        _ => None,
    });
    assert_eq!(end, Err(AbortReason::TooFewReady));
    for position in [3, 5] {
        assert_eq!(world.refused(position), [Check::OwnBundle], "bank {position}");
    }
    nobody(&world, round, Step::Ready);
    recovers(&mut world);
}

fn cohort(change: impl Fn(&mut Vec<BankIndex>) + 'static) -> impl FnMut(&Entry) -> Option<Vec<Entry>> {
    move |entry| match entry {
        Entry::Cohort { round, banks } => {
            let mut banks = banks.clone();
            change(&mut banks);
            Some(vec![Entry::Cohort { round: *round, banks }])
        }
        _ => None,
    }
}

#[test]
fn c_301_and_c_302_cohorts() {
    // Three of five are too few.
    let (mut world, round, end) = lied(5, cohort(|banks| banks.truncate(3)));
    assert_eq!(end, Err(AbortReason::TooFewUpdates));
    assert_eq!(world.refused(1), [Check::Cohort]);
    assert_eq!(
        world.refused(5),
        [],
        "a bank outside the cohort has nothing to say"
    );
    nobody(&world, round, Step::Upload);
    recovers(&mut world);

    // A bank that nobody knows.
    let (mut world, round, _) = lied(5, cohort(|banks| banks.push(bank(9))));
    assert_eq!(world.refused(1), [Check::Cohort]);
    nobody(&world, round, Step::Upload);
    recovers(&mut world);

    // A second, smaller one, as if to see two differently masked sums.
    let (mut world, _, end) = lied(5, |entry| match entry {
        Entry::Cohort { round, banks } => {
            let smaller = Entry::Cohort {
                round: *round,
                banks: banks[..4].to_vec(),
            };
            Some(vec![entry.clone(), smaller])
        }
        _ => None,
    });
    assert!(end.is_ok());
    for position in 1..=5 {
        assert_eq!(world.refused(position), [Check::SecondCohort]);
    }
    recovers(&mut world);
}

#[test]
fn other_cohorts_give_other_masks_so_their_uploads_do_not_fit() {
    // All see a cohort of four; the coordinator goes on with five. The contexts differ, so no trailer is accepted.
    let (mut world, _, end) = lied(5, cohort(|banks| banks.truncate(4)));
    assert_eq!(end, Err(AbortReason::TooFewUpdates));
    assert_eq!(world.office.rejections.len(), 4);
    assert!(
        world
            .office
            .rejections
            .iter()
            .all(|(_, rejection)| rejection.check == Check::Upload)
    );
    recovers(&mut world);
}

pub fn survivors(
    change: impl Fn(&mut Vec<(BankIndex, Digest)>) + 'static,
) -> impl FnMut(&Entry) -> Option<Vec<Entry>> {
    move |entry| match entry {
        Entry::Survivors { round, list } => {
            let mut list = list.clone();
            change(&mut list);
            Some(vec![Entry::Survivors { round: *round, list }])
        }
        _ => None,
    }
}

#[test]
fn c_401_a_second_list_of_survivors_is_not_signed() {
    let (mut world, _, end) = lied(5, |entry| match entry {
        Entry::Survivors { round, list } => {
            let smaller = Entry::Survivors {
                round: *round,
                list: list[..4].to_vec(),
            };
            Some(vec![entry.clone(), smaller])
        }
        _ => None,
    });
    assert!(end.is_ok(), "the first list counts");
    for position in 1..=5 {
        assert_eq!(world.refused(position), [Check::SecondSurvivors]);
    }
    recovers(&mut world);
}

#[test]
fn c_402_c_403_c_404_lists_of_survivors() {
    type Change = Box<dyn Fn(&mut Vec<(BankIndex, Digest)>)>;
    let cases: Vec<(Change, u16, Check)> = vec![
        (
            Box::new(|list| {
                list.remove(2);
            }),
            3,
            Check::OwnUpdate,
        ),
        (Box::new(|list| list[2].1 = Digest([1; 32])), 3, Check::OwnUpdate),
        (
            Box::new(|list| list.push((bank(9), Digest([1; 32])))),
            3,
            Check::SurvivorsOutside,
        ),
        (Box::new(|list| list.truncate(3)), 3, Check::TooFewSurvivors),
    ];
    for (change, position, check) in cases {
        let (mut world, round, end) = lied(5, survivors(change));
        assert_eq!(end, Err(AbortReason::TooFewConfirmations), "{check:?}");
        assert_eq!(world.refused(position), [check]);
        assert!(!world.answered(position, round, Step::Confirm), "{check:?}");
        nobody(&world, round, Step::Release);
        recovers(&mut world);
    }
}

pub fn certificate(
    change: impl Fn(&mut Vec<(BankIndex, Signature)>) + 'static,
) -> impl FnMut(&Entry) -> Option<Vec<Entry>> {
    move |entry| match entry {
        Entry::Certificate { round, signatures } => {
            let mut signatures = signatures.clone();
            change(&mut signatures);
            Some(vec![Entry::Certificate {
                round: *round,
                signatures,
            }])
        }
        _ => None,
    }
}

#[test]
fn c_405_certificates() {
    type Change = Box<dyn Fn(&mut Vec<(BankIndex, Signature)>)>;
    let cases: Vec<(&str, Change)> = vec![
        (
            "one signature too few",
            Box::new(|signatures| {
                signatures.pop();
            }),
        ),
        (
            "a repeated signature",
            Box::new(|signatures| signatures[3].1 = signatures[0].1),
        ),
        (
            "a changed signature",
            Box::new(|signatures| signatures[1].1.0[5] ^= 1),
        ),
        (
            "a bank that is not a survivor",
            Box::new(|signatures| signatures[3].0 = bank(9)),
        ),
        ("no signature", Box::new(Vec::clear)),
    ];
    for (what, change) in cases {
        let (mut world, round, end) = lied(5, certificate(change));
        assert_eq!(end, Err(AbortReason::TooFewShares), "{what}");
        for position in 1..=5 {
            assert_eq!(world.refused(position), [Check::Certificate], "{what}");
        }
        nobody(&world, round, Step::Release);
        recovers(&mut world);
    }
}

#[test]
fn c_405_a_certificate_of_another_round_and_c_406_a_second_one() {
    let mut world = World::new(5, 20);
    world.round();
    let old = world.office.log.entries.iter().find_map(|entry| match entry {
        Entry::Certificate { signatures, .. } => Some(signatures.clone()),
        _ => None,
    });
    let old = old.unwrap();
    world.lie(certificate(move |signatures| *signatures = old.clone()));
    let outcome = world.round();
    assert_eq!(outcome.end, Err(AbortReason::TooFewShares));
    assert_eq!(world.refused(1), [Check::Certificate]);
    nobody(&world, outcome.round, Step::Release);

    world.lie(|entry| match entry {
        Entry::Certificate { .. } => Some(vec![entry.clone(), entry.clone()]),
        _ => None,
    });
    assert!(world.round().end.is_ok());
    assert_eq!(world.refused(1), [Check::Certificate, Check::SecondRelease]);
}

#[test]
fn c_501_a_sum_that_does_not_lead_to_the_published_state() {
    let (world, round, end) = lied(5, |entry| match entry {
        Entry::Result(result) => {
            let mut other = result.clone();
            other.next_state = Digest([3; 32]);
            Some(vec![Entry::Result(other)])
        }
        _ => None,
    });
    // The coordinator waits in vain for acknowledgements of its result.
    assert!(end.is_ok());
    for position in 1..=5 {
        assert_eq!(world.refused(position), [Check::DerivedState]);
    }
    nobody(&world, round, Step::Derived);
}

#[test]
fn c_502_a_result_that_no_certificate_stands_behind() {
    let (world, round, end) = lied(5, |entry| match entry {
        Entry::Result(result) => {
            let mut other = result.clone();
            other.survivors -= 1;
            Some(vec![Entry::Result(other)])
        }
        _ => None,
    });
    assert!(end.is_ok());
    for position in 1..=5 {
        assert_eq!(world.refused(position), [Check::Uncertified]);
    }
    nobody(&world, round, Step::Derived);
}

#[test]
fn c_101_and_c_107_another_roster_in_the_log() {
    let mut world = World::new(5, 20);
    let pinned = world.office.log.entries[0].clone();
    world.office.log.append(Entry::from(&roster(4)));
    world.catch_up();
    let outcome = world.round();
    assert_eq!(outcome.end, Err(AbortReason::TooFewReady));
    for position in 1..=5 {
        assert_eq!(world.refused(position), [Check::RosterUnapproved, Check::Roster]);
    }
    nobody(&world, outcome.round, Step::Ready);
    // A roster that is none changes nothing.
    world.office.log.append(pinned);
    let Entry::Roster {
        consortium,
        mut banks,
    } = Entry::from(&roster(5))
    else {
        panic!("a roster");
    };
    banks.swap(0, 1);
    world.office.log.append(Entry::Roster { consortium, banks });
    world.catch_up();
    recovers(&mut world);
    for position in 1..=5 {
        assert_eq!(world.refused(position), [Check::RosterUnapproved, Check::Roster]);
    }
}

#[test]
fn c_107_another_roster_ends_the_open_round() {
    let (mut world, round, end) = lied(5, |entry| {
        let cohort = matches!(entry, Entry::Cohort { .. });
        cohort.then(|| vec![Entry::from(&roster(4)), Entry::from(&roster(5)), entry.clone()])
    });
    assert_eq!(end, Err(AbortReason::TooFewUpdates));
    for position in 1..=5 {
        assert_eq!(world.refused(position), [Check::RosterUnapproved]);
    }
    nobody(&world, round, Step::Upload);
    recovers(&mut world);
}

#[test]
fn entries_that_name_a_bank_twice_are_not_even_read() {
    let mut world = World::new(3, 20);
    world.start_round();
    world.run(|world| {
        world
            .office
            .log
            .entries
            .iter()
            .any(|entry| matches!(entry, Entry::Certificate { .. }))
    });
    let Some(Entry::Certificate { round, signatures }) = world.office.log.entries.last().cloned() else {
        panic!("just logged");
    };
    let doubled = vec![signatures[0], signatures[0]];
    world.office.log.entries.pop();
    let mut lying = crate::ledger::Log::default();
    for entry in world.office.log.entries.clone() {
        lying.append(entry);
    }
    lying.append(Entry::Certificate {
        round,
        signatures: doubled,
    });
    let machine = world.node(1).machine.as_mut().unwrap();
    let error = machine
        .verify_log(&lying.extension(0, lying.size()), SEEN_AT)
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(error.contains("named twice"), "{error}");
}

#[test]
fn an_opening_closes_every_earlier_round_also_for_banks_that_stay_away() {
    // Round 1 stops after Ready, and nobody is told of its end.
    let (mut world, first, end) = lied(5, |entry| {
        matches!(entry, Entry::Cohort { .. } | Entry::Abort { .. }).then(Vec::new)
    });
    assert_eq!(end, Err(AbortReason::TooFewUpdates));
    // Bank 5 is not asked for the next one.
    let task = world.office.task.hash();
    world.office.approved.get_mut(&task).unwrap().remove(&bank(5));
    // The cohort of round 1 comes after all, right behind the opening: nobody masks for it.
    let banks = world.all();
    world.lie(move |entry| match entry {
        Entry::RoundOpen(_) => {
            let late = Entry::Cohort {
                round: first,
                banks: banks.clone(),
            };
            Some(vec![entry.clone(), late])
        }
        _ => None,
    });
    assert_eq!(world.round().survivors.len(), 4);
    nobody(&world, first, Step::Upload);
    world.assert_same_state();
}
