//! What a coordinator can do to the entries.

use veilsum_protocol::crypto::signing::Signature;
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round};
use veilsum_protocol::log::entry::{AbortReason, Entry, RoundOpen, RoundResult};
use veilsum_protocol::model::Figure;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::statement::RosterApproval;

use crate::rounds::{End, Script};
use crate::world::{World, bank};

pub(super) fn last_open(world: &mut World, change: impl Fn(&mut RoundOpen)) {
    let opens = world.find(|entry| matches!(entry, Entry::RoundOpen(_)));
    let Some((at, Entry::RoundOpen(open))) = opens.last() else {
        panic!("no opening");
    };
    let mut open = open.clone();
    change(&mut open);
    world.entries[*at] = Entry::RoundOpen(open).to_bytes();
}

pub(super) fn last_result(world: &mut World, change: impl Fn(&mut RoundResult)) {
    let results = world.find(|entry| matches!(entry, Entry::Result(_)));
    let Some((at, Entry::Result(result))) = results.last() else {
        panic!("no result");
    };
    let mut result = result.clone();
    change(&mut result);
    world.entries[*at] = Entry::Result(result).to_bytes();
    world.relink();
}

pub(super) fn a_byte_left_over(world: &mut World) {
    let last = world
        .find(|entry| matches!(entry, Entry::Ack { .. }))
        .pop()
        .unwrap()
        .0;
    world.entries[last].push(0);
}

pub(super) fn another_roster(world: &mut World) {
    let mut other = Entry::from(&world.consortium.roster);
    if let Entry::Roster { banks, .. } = &mut other {
        banks[4].signing_key = [9; 32];
    }
    // Behind everything that was signed under the first one, with keys that it would be for.
    world.log(&other);
    world.log(&Entry::KeyDirectory {
        epoch: Epoch(2),
        roster: Digest([1; 32]),
        directory: Digest([2; 32]),
        first_round: Round(5),
    });
}

/// Proposes the roster without the last bank; the banks of `by` approve it. Gives the proposal and the roster.
fn propose(world: &mut World, by: &[u16]) -> (Entry, Entry) {
    let mut banks = world.consortium.roster.banks().to_vec();
    banks.pop();
    let before = world.find(|entry| matches!(entry, Entry::RosterProposal { .. }));
    let proposal = Entry::RosterProposal {
        sequence: before.len() as u64 + 1,
        previous: world.consortium.roster.hash(),
        banks: banks.clone(),
    };
    world.log(&proposal);
    for position in by {
        approve_roster(world, &proposal, *position, *position);
    }
    let consortium = crate::world::NAME.to_owned();
    (proposal, Entry::Roster { consortium, banks })
}

fn approve_roster(world: &mut World, proposal: &Entry, of: u16, by: u16) {
    let statement = RosterApproval {
        proposal: proposal.hash(),
        bank: bank(of),
    };
    let signature = world.consortium.keys[&bank(by)].sign(&statement);
    world.log(&Entry::RosterApproval {
        proposal: statement.proposal,
        bank: statement.bank,
        signature,
    });
}

/// A change that is in order: the auditor that pinned the first roster follows it.
pub(super) fn approved_roster(world: &mut World) {
    let (_, roster) = propose(world, &[1, 2, 3, 4]);
    world.log(&roster);
}

/// Logs the roster without the last bank. The auditor knows that one, too: that it was not approved is a finding all the same.
fn log_known(world: &mut World, roster: &Entry) {
    let banks = world.consortium.roster.banks()[..4].to_vec();
    let known = Roster::new(crate::world::NAME, banks).unwrap();
    world.pinned.push(known);
    world.log(roster);
}

pub(super) fn unapproved_roster(world: &mut World) {
    let (_, roster) = propose(world, &[]);
    log_known(world, &roster);
}

pub(super) fn roster_without_one_approval(world: &mut World) {
    let (_, roster) = propose(world, &[1, 2, 4, 5]);
    log_known(world, &roster);
}

pub(super) fn forged_roster_approval(world: &mut World) {
    let (proposal, _) = propose(world, &[1, 2, 3]);
    approve_roster(world, &proposal, 4, 3);
}

pub(super) fn withdrawn_roster(world: &mut World) {
    let (proposal, roster) = propose(world, &[1, 2, 3, 4]);
    world.log(&Entry::RosterWithdrawal {
        proposal: proposal.hash(),
    });
    log_known(world, &roster);
}

/// The same banks are proposed again, and an approval of before is shown in the place of a new one.
pub(super) fn approvals_of_another_proposal(world: &mut World) {
    let (first, _) = propose(world, &[1, 2, 3, 4]);
    propose(world, &[2, 3, 4]);
    approve_roster(world, &first, 1, 1);
}

pub(super) fn roster_of_two(world: &mut World) {
    let mut other = Entry::from(&world.consortium.roster);
    if let Entry::Roster { banks, .. } = &mut other {
        banks.truncate(2);
    }
    world.log(&other);
}

pub(super) fn add_directory(world: &mut World, epoch: u64, first_round: u64) {
    let roster = world.consortium.roster.hash();
    world.log(&Entry::KeyDirectory {
        epoch: Epoch(epoch),
        roster,
        directory: Digest([2; 32]),
        first_round: Round(first_round),
    });
}

pub(super) fn epoch_used_twice(world: &mut World) {
    add_directory(world, 1, 5);
}

pub(super) fn keys_from_a_used_round(world: &mut World) {
    add_directory(world, 2, 4);
}

pub(super) fn unsigned_approval(world: &mut World) {
    world.change(|entry| match entry {
        Entry::TaskApproval { signature, .. } => {
            *signature = Signature([0; 64]);
            true
        }
        _ => false,
    });
}

pub(super) fn approval_without_task(world: &mut World) {
    let task = Digest([3; 32]);
    let statement = veilsum_protocol::wire::statement::Approval { task, bank: bank(1) };
    let signature = world.consortium.keys[&bank(1)].sign(&statement);
    world.log(&Entry::TaskApproval {
        task,
        bank: bank(1),
        signature,
    });
}

pub(super) fn missing_approval(world: &mut World) {
    world.remove(|entry| matches!(entry, Entry::TaskApproval { bank, .. } if bank.get() == 2));
}

/// Bank 2's place goes to another bank, which has approved nothing.
pub(super) fn approval_of_the_predecessor(world: &mut World) {
    end_the_open_round(world);
    world.pinned.clear();
    let mut other = Entry::from(&world.consortium.roster);
    if let Entry::Roster { banks, .. } = &mut other {
        banks[1].signing_key = [9; 32];
    }
    world.log(&other);
    world.play(&Script {
        round: 5,
        attempt: 1,
        prepared: &[1, 2, 3, 4],
        cohort: &[],
        survivors: &[],
        end: End::Opened,
    });
    let banks = [1, 2, 3, 4].map(bank).to_vec();
    world.log(&Entry::Cohort {
        round: Round(5),
        banks,
    });
}

pub(super) fn result_without_shares(world: &mut World) {
    world.remove(|entry| matches!(entry, Entry::Release { round, .. } if round.0 == 3));
}

pub(super) fn update_after_abort(world: &mut World) {
    let masked = world.find(|entry| matches!(entry, Entry::Masked { round, .. } if round.0 == 2));
    let (at, _) = masked[0];
    let update = world.entries.remove(at);
    let abort = world.find(|entry| matches!(entry, Entry::Abort { .. }))[0].0;
    world.entries.insert(abort + 1, update);
}

pub(super) fn round_while_open(world: &mut World) {
    world.log(&Entry::Abort {
        round: Round(9),
        reason: AbortReason::TooFewPrepared,
        after_release: false,
    });
}

pub(super) fn end_the_open_round(world: &mut World) {
    world.log(&Entry::Abort {
        round: Round(4),
        reason: AbortReason::TooFewReady,
        after_release: false,
    });
}

pub(super) fn round_run_again(world: &mut World) {
    end_the_open_round(world);
    world.play(&Script {
        round: 3,
        attempt: 2,
        prepared: &[1, 2, 3, 4, 5],
        cohort: &[],
        survivors: &[],
        end: End::Opened,
    });
}

/// Bank 3 dropped out of round 3 the first time, bank 5 the second.
pub(super) fn both_kinds_across_rounds(world: &mut World) {
    end_the_open_round(world);
    world.play(&Script {
        round: 3,
        attempt: 2,
        prepared: &[1, 2, 3, 4, 5],
        cohort: &[1, 2, 3, 4, 5],
        survivors: &[1, 2, 3, 4],
        end: End::AbortedAfter(1),
    });
}

pub(super) fn another_manifest(world: &mut World) {
    last_open(world, |open| open.manifest = Digest([4; 32]));
}

pub(super) fn lower_thresholds(world: &mut World) {
    last_open(world, |open| open.thresholds = Thresholds::new(5, 0).unwrap());
}

pub(super) fn another_directory(world: &mut World) {
    last_open(world, |open| open.directory = Digest([4; 32]));
}

pub(super) fn narrow_lanes(world: &mut World) {
    last_open(world, |open| open.ring_bits = 17);
}

pub(super) fn add_cohort(world: &mut World, positions: &[u16]) {
    let banks = positions.iter().map(|position| bank(*position)).collect();
    world.log(&Entry::Cohort {
        round: Round(4),
        banks,
    });
}

pub(super) fn update_of_another_round(world: &mut World) {
    let first = world.find(|entry| matches!(entry, Entry::Masked { bank, .. } if bank.get() == 1))[0]
        .1
        .clone();
    let Entry::Masked { signature: old, .. } = first else {
        panic!("no update");
    };
    world.change(|entry| match entry {
        Entry::Masked {
            round,
            bank,
            signature,
            ..
        } if round.0 == 3 && bank.get() == 1 => {
            *signature = old;
            true
        }
        _ => false,
    });
}

/// Of the aborted round, whose sum nobody adds.
pub(super) fn update_twice(world: &mut World) {
    let at = world.find(|entry| matches!(entry, Entry::Masked { round, .. } if round.0 == 2))[0].0;
    let again = world.entries[at].clone();
    world.entries.insert(at, again);
}

pub(super) fn survivor_outside(world: &mut World) {
    world.change(|entry| match entry {
        Entry::Survivors { round, list } if round.0 == 1 => {
            list.push((bank(5), Digest([5; 32])));
            true
        }
        _ => false,
    });
}

pub(super) fn survivor_left_out(world: &mut World) {
    world.change(|entry| match entry {
        Entry::Survivors { round, list } if round.0 == 3 => list.pop().is_some(),
        _ => false,
    });
}

pub(super) fn in_certificate(world: &mut World, change: impl Fn(&mut Vec<(BankIndex, Signature)>)) {
    world.change(|entry| match entry {
        Entry::Certificate { round, signatures } if round.0 == 3 => {
            change(signatures);
            true
        }
        _ => false,
    });
}

pub(super) fn missing_signature(world: &mut World) {
    in_certificate(world, |signatures| signatures.truncate(3));
}

pub(super) fn forged_signature(world: &mut World) {
    in_certificate(world, |signatures| signatures[1].1.0[7] ^= 1);
}

pub(super) fn foreign_signature(world: &mut World) {
    in_certificate(world, |signatures| signatures[2].0 = bank(3));
}

pub(super) fn release_of(world: &World, round: u64, bank: u16) -> (usize, Digest) {
    let found = world.find(|entry| {
        matches!(entry, Entry::Release { round: of, bank: by, .. } if of.0 == round && by.get() == bank)
    });
    match found.first() {
        Some((at, Entry::Release { body, .. })) => (*at, *body),
        _ => panic!("no release"),
    }
}

pub(super) fn foreign_release(world: &mut World) {
    let (at, body) = release_of(world, 3, 5);
    let foreign = Entry::Release {
        round: Round(3),
        bank: bank(3),
        body,
    };
    world.entries.insert(at + 1, foreign.to_bytes());
}

pub(super) fn swapped_releases(world: &mut World) {
    let ((first, one), (second, two)) = (release_of(world, 3, 1), release_of(world, 3, 2));
    for (at, by, body) in [(first, 1, two), (second, 2, one)] {
        let entry = Entry::Release {
            round: Round(3),
            bank: bank(by),
            body,
        };
        world.entries[at] = entry.to_bytes();
    }
}

pub(super) fn another_opening(world: &mut World) {
    last_result(world, |result| result.open = Digest([6; 32]));
}

pub(super) fn another_count(world: &mut World) {
    last_result(world, |result| result.survivors = 5);
}

pub(super) fn step_left_out(world: &mut World) {
    last_open(world, |open| open.step += 1);
}

pub(super) fn crafted_state(world: &mut World) {
    last_open(world, |open| open.state = Digest([7; 32]));
}

pub(super) fn another_last_result(world: &mut World) {
    last_open(world, |open| open.last_result = Digest([0; 32]));
}

pub(super) fn wrong_next_state(world: &mut World) {
    last_result(world, |result| result.next_state = Digest([8; 32]));
}

pub(super) fn in_last_ack(world: &mut World, change: impl Fn(&mut World, usize)) {
    let at = world
        .find(|entry| matches!(entry, Entry::Ack { .. }))
        .pop()
        .unwrap()
        .0;
    change(world, at);
}

pub(super) fn forged_ack(world: &mut World) {
    in_last_ack(world, |world, at| *world.entries[at].last_mut().unwrap() ^= 1);
}

pub(super) fn ack_twice(world: &mut World) {
    in_last_ack(world, |world, at| world.entries.push(world.entries[at].clone()));
}

pub(super) fn hiding_abort(world: &mut World) {
    world.change(|entry| match entry {
        Entry::Abort { after_release, .. } => std::mem::take(after_release),
        _ => false,
    });
}

pub(super) fn another_weight(world: &mut World) {
    last_result(world, |result| result.weight += 1);
}

pub(super) fn polished_metrics(world: &mut World) {
    last_result(world, |result| {
        if let Some(metrics) = &mut result.metrics {
            for (figure, value) in &mut metrics.figures {
                if *figure == Figure::Auc {
                    *value = Some(0.99);
                }
            }
        }
    });
}
