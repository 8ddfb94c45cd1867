//! Changes of the roster that banks approve: the rounds go on, nobody starts again, and no bank goes by a roster that was not approved.

use veilsum_protocol::crypto::signing::Signature;
use veilsum_protocol::ids::{BankIndex, Digest, Epoch};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::participant::{Event, Notice};
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::statement::RosterApproval;

use crate::consortium::{bank, roster_of, signing_key};
use crate::decoys::summed_once;
use crate::node::{Kill, Step};
use crate::refusals::{nobody, recovers};
use crate::world::{Faults, World};

fn stayers(world: &World, members: &[u16]) -> Vec<u16> {
    let now = (1..).zip(&world.office.members);
    now.filter(|(_, member)| members.contains(member))
        .map(|(position, _)| position)
        .collect()
}

/// A change from its proposal to new keys.
fn change(world: &mut World, members: &[u16], epoch: u64) {
    let proposal = world.propose(members);
    let stayers = stayers(world, members);
    world.approve_roster(proposal, &stayers);
    assert!(world.office.chain().is_approved(), "{members:?}");
    world.log_roster(members);
    finish(world, members, &stayers, epoch);
}

/// Everybody that stays has pinned it: the coordinator goes by it, and new keys are set up.
fn finish(world: &mut World, members: &[u16], stayers: &[u16], epoch: u64) {
    let hash = roster_of(members).hash();
    for position in stayers {
        assert_eq!(
            world.office.pinned.get(&bank(*position)),
            Some(&hash),
            "bank {position}"
        );
    }
    world.seat(members);
    world.arm(Epoch(epoch));
    world.settle();
    let approved = &world.office.approved[&world.office.task.hash()];
    assert_eq!(approved.len(), members.len());
}

fn own_notices(world: &mut World, position: u16, wanted: impl Fn(&Notice) -> bool) -> usize {
    let notices = &world.node(position).notices;
    notices.iter().filter(|notice| wanted(notice)).count()
}

fn starts(world: &World) -> u64 {
    world.banks.values().map(|node| node.starts).sum()
}

#[test]
fn banks_join_leave_and_swap_and_nobody_starts_again() {
    let mut world = World::new(4, 20);
    assert!(world.round().end.is_ok());
    let changes: [&[u16]; 4] = [
        &[1, 2, 3, 4, 5],
        // The first leaves: all others have another position.
        &[2, 3, 4, 5],
        // One leaves and another joins.
        &[2, 4, 5, 6],
        // The same banks in another order.
        &[6, 5, 4, 2],
    ];
    for (epoch, members) in (2..).zip(changes) {
        let joins = members
            .iter()
            .filter(|member| !world.office.members.contains(member))
            .count();
        let before = starts(&world);
        change(&mut world, members, epoch);
        // A bank that leaves takes its starts with it.
        assert!(starts(&world) <= before + joins as u64, "{members:?}");
        let outcome = world.round();
        assert!(outcome.end.is_ok(), "{members:?}: {outcome:?}");
        assert_eq!(outcome.survivors.len(), members.len());
        world.assert_same_state();
    }
    world.assert_no_complaints();
}

#[test]
fn rounds_go_on_while_a_change_is_proposed() {
    let mut world = World::new(4, 20);
    let members = [1, 2, 3, 4, 5];
    let proposal = world.propose(&members);
    assert!(world.round().end.is_ok());
    world.approve_roster(proposal, &[1, 2, 3]);
    assert!(!world.office.chain().is_approved());
    assert_eq!(world.office.chain().missing(), [bank(4)]);
    assert!(world.round().end.is_ok());
    // The last approval comes in the middle of a round.
    world.start_round();
    world.run(|world| {
        world
            .office
            .log
            .entries
            .iter()
            .rev()
            .any(|entry| matches!(entry, Entry::RoundOpen(_)))
    });
    world.tell(4, Event::RosterApproved(proposal));
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    assert!(world.office.outcome.as_ref().unwrap().end.is_ok());
    assert!(world.office.chain().is_approved());
    world.log_roster(&members);
    finish(&mut world, &members, &[1, 2, 3, 4], 2);
    recovers(&mut world);
    world.assert_no_complaints();
}

#[test]
fn a_refused_or_withdrawn_change_comes_to_nothing() {
    let mut world = World::new(4, 20);
    let members = [1, 2, 3, 4, 5];
    let proposal = world.propose(&members);
    world.approve_roster(proposal, &[1, 2, 3]);
    world.tell(4, Event::RosterRefused(proposal));
    world.settle();
    assert!(!world.office.chain().is_approved());
    world.office.log.append(Entry::RosterWithdrawal { proposal });
    world.catch_up();
    for position in 1..=4 {
        let told = own_notices(&mut world, position, |it| {
            *it == Notice::RosterWithdrawn(proposal)
        });
        assert_eq!(told, 1, "bank {position}");
    }
    // What was withdrawn is approved by nobody any more.
    world.tell(4, Event::RosterApproved(proposal));
    world.settle();
    assert_eq!(
        own_notices(&mut world, 4, |it| *it == Notice::RosterNotProposed(proposal)),
        1
    );
    assert!(world.office.chain().proposal().is_none());
    recovers(&mut world);
}

/// The coordinator logs `members` after `prepare`, which leaves an approval out or forges one. Every bank refuses, and goes on refusing.
fn unapproved(members: &[u16], refusals: usize, prepare: impl FnOnce(&mut World)) {
    let mut world = World::new(4, 20);
    assert!(world.round().end.is_ok());
    prepare(&mut world);
    for position in 1..=4 {
        assert_eq!(world.refused(position).len(), refusals, "bank {position}");
    }
    world.log_roster(members);
    for position in 1..=4 {
        let refused = world.refused(position);
        assert_eq!(
            refused,
            vec![Check::RosterUnapproved; refusals + 1],
            "bank {position}"
        );
        assert_eq!(world.node(position).followed, None, "bank {position}");
        assert_eq!(
            world.node(position).machine.as_ref().unwrap().roster(),
            &roster_of(&[1, 2, 3, 4])
        );
    }
    assert!(world.office.pinned.is_empty());
    // No keys for it either, and no round.
    let sybils = world.office.members.len();
    assert_eq!(sybils, 4);
    world.start_round();
    world.settle();
    nobody(&world, world.office.outcome.as_ref().unwrap().round, Step::Upload);
}

fn forged(world: &World, proposal: Digest, of: u16, by: u16) -> Entry {
    let statement = RosterApproval {
        proposal,
        bank: bank(of),
    };
    assert!(world.office.chain().proposal().is_some());
    Entry::RosterApproval {
        proposal,
        bank: bank(of),
        signature: signing_key(bank(by)).sign(&statement),
    }
}

#[test]
fn c_107_a_roster_without_approvals() {
    unapproved(&[1, 2, 3, 4, 5], 0, |_| {});
    unapproved(&[1, 2, 3], 0, |_| {});
}

#[test]
fn c_107_a_roster_that_lacks_one_approval() {
    unapproved(&[1, 2, 3, 4, 5], 0, |world| {
        let proposal = world.propose(&[1, 2, 3, 4, 5]);
        world.approve_roster(proposal, &[1, 2, 3]);
    });
}

#[test]
fn c_107_a_forged_approval_and_one_for_another_bank() {
    unapproved(&[1, 2, 3, 4, 5], 1, |world| {
        let proposal = world.propose(&[1, 2, 3, 4, 5]);
        world.approve_roster(proposal, &[1, 2, 3]);
        let entry = forged(world, proposal, 4, 3);
        world.office.log.append(entry);
        world.catch_up();
    });
    unapproved(&[1, 2, 3, 4, 5], 1, |world| {
        let proposal = world.propose(&[1, 2, 3, 4, 5]);
        world.approve_roster(proposal, &[1, 2, 3]);
        world.office.log.append(Entry::RosterApproval {
            proposal,
            bank: bank(4),
            signature: Signature([7; 64]),
        });
        world.catch_up();
    });
}

#[test]
fn c_107_approvals_of_another_proposal() {
    // All approved that bank 5 joins; bank 6 comes in its place.
    unapproved(&[1, 2, 3, 4, 6], 0, |world| {
        let proposal = world.propose(&[1, 2, 3, 4, 5]);
        world.approve_roster(proposal, &[1, 2, 3, 4]);
    });
    // The same, with a proposal of its own that takes the place of the approved one.
    unapproved(&[1, 2, 3, 4, 6], 0, |world| {
        let proposal = world.propose(&[1, 2, 3, 4, 5]);
        world.approve_roster(proposal, &[1, 2, 3, 4]);
        world.propose(&[1, 2, 3, 4, 6]);
    });
    // An approved change that was withdrawn.
    unapproved(&[1, 2, 3, 4, 5], 0, |world| {
        let proposal = world.propose(&[1, 2, 3, 4, 5]);
        world.approve_roster(proposal, &[1, 2, 3, 4]);
        world.office.log.append(Entry::RosterWithdrawal { proposal });
        world.catch_up();
    });
}

#[test]
fn c_107_a_proposal_of_before_that_is_logged_again() {
    let (mut world, five, four) = (World::new(4, 20), [1, 2, 3, 4, 5], [1, 2, 3, 4]);
    let first = world.office.proposal_of(&five);
    let approvals: Vec<Entry> = (1..=4)
        .map(|position| RosterApproval {
            proposal: first.hash(),
            bank: bank(position),
        })
        .map(|statement| Entry::RosterApproval {
            proposal: statement.proposal,
            bank: statement.bank,
            signature: signing_key(statement.bank).sign(&statement),
        })
        .collect();
    change(&mut world, &five, 2);
    // Bank 5 leaves again; its entry and all that approved it are put into the log a second time.
    change(&mut world, &four, 3);
    world.office.log.append(first);
    approvals
        .into_iter()
        .for_each(|entry| world.office.log.append(entry));
    world.log_roster(&five);
    for position in 1..=4 {
        let refused = world.refused(position);
        assert!(
            refused.iter().all(|check| *check == Check::RosterUnapproved),
            "{refused:?}"
        );
        assert_eq!(refused.len(), 6, "bank {position}");
        assert_eq!(
            world.node(position).machine.as_ref().unwrap().bank(),
            bank(position)
        );
    }
    assert!(world.office.pinned.is_empty());
}

#[test]
fn few_banks_cannot_throw_the_others_out() {
    // With ten banks three may collude. They and the coordinator propose three of themselves, and all that stay approve.
    let mut world = World::unarmed(10, 20, Default::default());
    world.settle();
    let proposal = world.propose(&[1, 2, 3]);
    world.approve_roster(proposal, &[1, 2, 3]);
    let chain = world.office.chain();
    assert_eq!(
        (chain.missing(), chain.missing_of_leavers()),
        (Vec::<BankIndex>::new(), 4)
    );
    assert!(!chain.is_approved());
    world.approve_roster(proposal, &[4, 5, 6]);
    assert_eq!(world.office.chain().missing_of_leavers(), 1);
    world.log_roster(&[1, 2, 3]);
    assert_eq!(world.refused(1), [Check::RosterUnapproved]);
    assert_eq!(world.refused(9), [Check::RosterUnapproved]);
}

#[test]
fn a_bank_that_leaves_need_not_approve_and_is_told() {
    let mut world = World::new(4, 20);
    let members = [1, 2, 3];
    let proposal = world.propose(&members);
    // At least t banks of the present roster: these are three of four.
    world.approve_roster(proposal, &[1, 2, 3]);
    world.log_roster(&members);
    assert_eq!(own_notices(&mut world, 4, |it| *it == Notice::RosterLeft), 1);
    assert_eq!(world.node(4).followed, None);
    finish(&mut world, &members, &[1, 2, 3], 2);
    recovers(&mut world);
}

#[test]
fn c_407_holds_over_an_approved_change() {
    let mut world = summed_once();
    // Bank 5 goes, and one of the operator's own comes in its place: the sums would differ by bank 5 alone.
    change(&mut world, &[1, 2, 3, 4, 55], 2);
    world.office.released_for = None;
    let outcome = world.round();
    assert!(outcome.end.is_err());
    for position in 1..=4 {
        assert_eq!(world.refused(position), [Check::StepReleased], "bank {position}");
    }
    nobody(&world, outcome.round, Step::Release);
}

/// A change during which bank 1, which gets another position, dies at one moment and starts again.
fn dies(kill: Kill) -> bool {
    let mut world = World::new(4, 20);
    assert!(world.round().end.is_ok());
    let members = [2, 1, 3, 4, 5];
    world.node(1).kill = Some(kill);
    let proposal = world.propose(&members);
    // Its operator's word is in a file, which the daemon reads again.
    world.approve_roster(proposal, &[1, 2, 3, 4]);
    let approved = |world: &World| world.office.chain().is_approved();
    if !approved(&world) {
        world.tell(1, Event::RosterApproved(proposal));
        world.settle();
    }
    assert!(approved(&world), "{kill:?}");
    world.log_roster(&members);
    let died = world.node(1).kill.is_none();
    world.node(1).kill = None;
    finish(&mut world, &members, &[1, 2, 3, 4], 2);
    recovers(&mut world);
    world.assert_no_complaints();
    died
}

#[test]
fn a_bank_may_die_at_every_action_of_a_change() {
    for kill in [Kill::BeforeAction as fn(usize) -> Kill, Kill::AfterAction] {
        let died = (1..40).take_while(|count| dies(kill(*count))).count();
        assert!(died > 8, "{died}");
    }
    for kill in [Kill::Persisted as fn(usize) -> Kill, Kill::BeforePersist] {
        let died = (1..40).take_while(|count| dies(kill(*count))).count();
        assert!(died > 2, "{died}");
    }
    for step in [Step::RosterApproval, Step::RosterPinned] {
        assert!(dies(Kill::Before(step)) && dies(Kill::After(step)), "{step:?}");
    }
}

#[test]
fn a_change_gets_through_a_network_that_loses_doubles_and_delays() {
    for seed in 0..12 {
        let faults = Faults {
            double: seed % 2 == 0,
            delay_ms: 40,
            lose_one_in: 25,
            ..Faults::default()
        };
        let mut world = World::with(4, seed, faults);
        for (epoch, members) in (2..).zip([&[1, 2, 3, 4, 5][..], &[5, 2, 3, 4]]) {
            change(&mut world, members, epoch);
        }
        world.faults = Faults::default();
        recovers(&mut world);
    }
}

#[test]
fn an_approved_change_is_followed_by_a_bank_that_lost_its_state() {
    let mut world = World::new(4, 20);
    let members = [2, 3, 4, 1];
    let proposal = world.propose(&members);
    world.approve_roster(proposal, &[1, 2, 3, 4]);
    // It finds its own signature in the log.
    world.kill(1);
    world.node(1).lose_disk();
    world.settle();
    world.log_roster(&members);
    world.settle();
    finish(&mut world, &members, &[1, 2, 3, 4], 2);
    recovers(&mut world);
}

#[test]
fn the_coordinator_may_die_between_any_two_entries_of_a_change() {
    for at in 0..3 {
        let mut world = World::new(4, 20);
        let members = [1, 3, 4, 5];
        let proposal = world.propose(&members);
        let restart = |world: &mut World| {
            world.office.restart(world.now);
            for bank in world.all() {
                world.connect(bank);
            }
            world.settle();
        };
        if at == 0 {
            restart(&mut world);
        }
        world.approve_roster(proposal, &[1, 2]);
        if at == 1 {
            restart(&mut world);
        }
        world.approve_roster(proposal, &[3, 4]);
        world.log_roster(&members);
        if at == 2 {
            // Whoever has pinned it says so again.
            world.office.pinned.clear();
            restart(&mut world);
        }
        finish(&mut world, &members, &[1, 3, 4], 2);
        recovers(&mut world);
        world.assert_no_complaints();
    }
}
