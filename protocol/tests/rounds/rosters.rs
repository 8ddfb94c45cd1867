//! A consortium whose roster changes: banks keep what they must remember, and follow what happened under other rosters.

use std::collections::BTreeMap;

use veilsum_protocol::ids::{Digest, Epoch, Round};
use veilsum_protocol::log::entry::{AbortReason, Entry};
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::context::Context;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::round::participant::Event;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::ToBank;
use veilsum_protocol::wire::statement::SurvivorList;

use crate::consortium::{bank, roster_of, signing_key};
use crate::decoys::summed_once;
use crate::ledger::Log;
use crate::node::{Kill, Node, Step};
use crate::refusals::{nobody, recovers};
use crate::world::World;

/// A consortium whose members change.
trait Membership {
    /// The consortium goes on with these members, by position. Who stays keeps its disk and starts again; who is new has none.
    fn reform(&mut self, members: &[u16]);
    /// New keys, and everybody's approval is there.
    fn arm_anew(&mut self, epoch: u64);
    fn lose_state_of(&mut self, position: u16);
    /// The next round ends because these banks do not sign its list, and they release nothing.
    fn is_refused_by(&mut self, banks: impl IntoIterator<Item = u16>);
}

impl Membership for World {
    fn reform(&mut self, members: &[u16]) {
        self.settle();
        let old = std::mem::take(&mut self.banks);
        let mut old: BTreeMap<u16, Node> = old
            .into_iter()
            .map(|(position, node)| (self.office.members[usize::from(position.get()) - 1], node))
            .collect();
        self.office.members = members.to_vec();
        self.office.log.append(Entry::from(&roster_of(members)));
        self.office.connected.clear();
        self.office.approved.clear();
        (self.office.epoch, self.office.armed, self.office.machine) = (None, None, None);
        // The position is part of what a bank says about a round that it derives again.
        self.answers.retain(|(_, _, step), _| *step != Step::Derived);
        let count = members.len() as u16;
        for (position, member) in (1..).map(bank).zip(members) {
            let fresh = || Node::new(position, count, self.office.blobs.clone());
            let mut node = old.remove(member).unwrap_or_else(fresh);
            node.die();
            node.bank = position;
            node.members = members.to_vec();
            self.banks.insert(position, node);
        }
        for bank in self.all() {
            self.restart(bank);
        }
        self.settle();
    }

    fn arm_anew(&mut self, epoch: u64) {
        self.arm(Epoch(epoch));
        self.settle();
        let approved = &self.office.approved[&self.office.task.hash()];
        assert_eq!(approved.len(), self.banks.len());
    }

    fn lose_state_of(&mut self, position: u16) {
        self.node(position).die();
        self.node(position).lose_disk();
        self.office.epoch = None;
        self.restart(bank(position));
        self.settle();
    }

    fn is_refused_by(&mut self, banks: impl IntoIterator<Item = u16>) {
        // An honest coordinator would not even begin without all of those that it summed over.
        self.office.released_for = None;
        let outcome = self.round();
        assert_eq!(outcome.end, Err(AbortReason::TooFewConfirmations));
        for position in banks {
            assert_eq!(self.refused(position), [Check::StepReleased], "bank {position}");
            assert!(!self.answered(position, outcome.round, Step::Confirm));
        }
        nobody(self, outcome.round, Step::Release);
    }
}

#[test]
fn c_407_another_bank_at_the_same_position_is_another_bank() {
    let mut world = summed_once();
    // Bank 5 goes, and the operator enrols one of its own there: the sums would differ by bank 5 alone.
    world.reform(&[1, 2, 3, 4, 55]);
    world.arm_anew(2);
    world.is_refused_by(1..=4);
}

#[test]
fn c_407_the_same_banks_at_other_positions_are_the_same_banks() {
    let mut world = summed_once();
    world.reform(&[5, 1, 2, 3, 4]);
    world.arm_anew(2);
    recovers(&mut world);
    for position in 1..=5 {
        assert_eq!(world.refused(position), [], "bank {position}");
    }
}

#[test]
fn c_407_is_remembered_by_the_log_when_the_state_is_lost() {
    let mut world = summed_once();
    for position in 1..=4 {
        world.lose_state_of(position);
    }
    world.arm_anew(2);
    world.node(5).kill = Some(Kill::Before(Step::Upload));
    world.is_refused_by(1..=4);
    world.restart(bank(5));
    recovers(&mut world);
}

#[test]
fn c_407_is_remembered_by_the_log_over_a_change_of_the_roster() {
    let mut world = summed_once();
    world.reform(&[5, 1, 2, 3, 4]);
    for position in 2..=5 {
        world.lose_state_of(position);
    }
    world.arm_anew(2);
    // Bank 5 stands at position 1.
    world.node(1).kill = Some(Kill::Before(Step::Upload));
    world.is_refused_by(2..=5);
}

#[test]
fn old_results_are_certified_under_the_roster_of_their_time() {
    // The first leaves, so all others have another position; then a sixth comes.
    let mut world = World::new(5, 20);
    for (epoch, members) in (1..).zip([&[1, 2, 3, 4, 5][..], &[2, 3, 4, 5], &[2, 3, 4, 5, 6, 7]]) {
        if epoch > 1 {
            world.reform(members);
            world.lose_state_of(2);
            world.lose_state_of(4);
            world.assert_same_state();
            world.arm_anew(epoch);
        }
        let outcome = world.round();
        assert!(outcome.end.is_ok(), "{members:?}: {outcome:?}");
        assert_eq!(outcome.survivors.len(), members.len());
        world.assert_same_state();
    }
    // Nobody refused anything, and the rosters of old times were no news to those who follow from the start.
    world.assert_no_complaints();
}

/// The same log, but the first round was opened under other thresholds and certified by `signers` banks under them.
fn opened_under(log: &Log, thresholds: Thresholds, signers: u16) -> Log {
    let mut other = Log::default();
    let (mut opened, mut cohort, mut list) = (None, Vec::new(), Vec::new());
    for mut entry in log.entries.clone() {
        match &mut entry {
            Entry::RoundOpen(open) => {
                open.thresholds = thresholds;
                opened = Some(open.clone());
            }
            Entry::Cohort { banks, .. } => cohort.clone_from(banks),
            Entry::Survivors { list: logged, .. } => list.clone_from(logged),
            Entry::Certificate { round, signatures } => {
                let survivors = Entry::Survivors {
                    round: *round,
                    list: list.clone(),
                };
                let statement = SurvivorList {
                    context: Context::of(opened.as_ref().unwrap(), &cohort).digest(),
                    survivors: survivors.hash(),
                };
                let sign = |bank| (bank, signing_key(bank).sign(&statement));
                *signatures = (1..=signers).map(bank).map(sign).collect();
            }
            Entry::Result(result) => result.open = opened.as_ref().unwrap().hash(),
            _ => {}
        }
        other.append(entry);
    }
    other
}

#[test]
fn c_502_thresholds_that_are_not_those_of_the_roster_certify_nothing() {
    let rules = |colluders| Thresholds::new(5, colluders).unwrap();
    let cases = [(rules(1), 4, true), (rules(1), 3, false), (rules(0), 3, false)];
    for (thresholds, signers, is_derived) in cases {
        let mut world = World::new(5, 20);
        world.round();
        world.office.log = opened_under(&world.office.log, thresholds, signers);
        world.office.witnessing.stolen = true;
        // It was not there, and follows from the start.
        world.lose_state_of(2);
        let refused: &[Check] = if is_derived { &[] } else { &[Check::Uncertified] };
        assert_eq!(world.refused(2), refused, "{thresholds:?}, {signers} signatures");
        let task = world.office.task.hash();
        let progress = world.banks[&bank(2)].machine.as_ref().unwrap().progress(&task);
        assert_eq!(progress.unwrap().step, u32::from(is_derived));
    }
}

#[test]
fn c_106_an_old_epoch_is_old_under_a_new_roster_too() {
    let mut world = World::new(5, 20);
    world.arm(Epoch(7));
    world.reform(&[1, 2, 3, 4]);
    for epoch in [6, 7] {
        world.tell(1, Event::Message(ToBank::EpochAsk { epoch: Epoch(epoch) }));
    }
    assert_eq!(world.refused(1), [Check::EpochNotNew; 2]);
    world.arm_anew(8);
    recovers(&mut world);
}

#[test]
fn epochs_that_are_logged_backwards_take_no_room() {
    let mut world = World::new(3, 21);
    let mut sizes = Vec::new();
    for (count, first) in [(2, 1_000), (200, 900u64)] {
        for number in (first - count..first).rev() {
            let directory = Digest::of(&number.to_be_bytes());
            world.office.log.append(Entry::KeyDirectory {
                epoch: Epoch(number),
                directory,
                roster: roster_of(&[1, 2, 3]).hash(),
                first_round: Round(1),
            });
        }
        world.office_out(Vec::new());
        world.settle();
        sizes.push(world.node(1).machine.as_ref().unwrap().snapshot().len());
    }
    assert!(sizes[1] <= sizes[0] + 200, "{sizes:?}");
}
