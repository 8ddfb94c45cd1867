//! What a coordinator can do to a log that was seen before or is seen elsewhere. Every such log is a good one by itself.

use veilsum_auditor::verify::HeldCheckpoint;
use veilsum_protocol::log::entry::Entry;

use crate::world::World;

pub(super) fn hold(world: &mut World, note: Vec<u8>) {
    world.known.held.push(HeldCheckpoint {
        name: "bank-2".to_owned(),
        note,
    });
}

/// Two acknowledgements change their places.
pub(crate) fn rewrite(world: &mut World) {
    let acks = world.find(|entry| matches!(entry, Entry::Ack { round, .. } if round.0 == 3));
    let [(one, _), (other, _), ..] = acks.as_slice() else {
        panic!("no two acknowledgements");
    };
    world.entries.swap(*one, *other);
}

pub(super) fn rolled_back(world: &mut World) {
    world.known.last = Some(world.head());
    world.entries.pop();
}

pub(super) fn other_than_at_the_last_visit(world: &mut World) {
    let mut before = world.clone();
    before.entries.pop();
    world.known.last = Some(before.head());
    rewrite(world);
}

pub(super) fn other_than_a_bank_saw(world: &mut World) {
    let mut before = world.clone();
    before.entries.pop();
    // One bank saw what everybody sees, another did not.
    hold(world, before.head().note().as_str().as_bytes().to_vec());
    rewrite(&mut before);
    hold(world, before.head().note().as_str().as_bytes().to_vec());
}

pub(super) fn fewer_than_a_bank_saw(world: &mut World) {
    let note = world.head().note().as_str().as_bytes().to_vec();
    hold(world, note);
    world.entries.pop();
}

pub(super) fn receipt_of_more(world: &mut World) {
    let last = world.entries.len() - 1;
    world.known.receipts = vec![world.receipt(3), world.receipt(last)];
    world.entries.pop();
}

pub(super) fn receipt_of_another_log(world: &mut World) {
    let mut other = world.clone();
    rewrite(&mut other);
    other.entries.pop();
    world.known.receipts = vec![world.receipt(3), other.receipt(3)];
}

pub(super) fn receipt_that_too_few_have_cosigned(world: &mut World) {
    let mut early = world.clone();
    early.cosigners = 3;
    world.known.receipts = vec![early.receipt(3)];
}

pub(super) fn receipt_that_is_none(world: &mut World) {
    let mut receipt = world.receipt(3);
    receipt.file[40] ^= 1;
    world.known.receipts = vec![receipt];
}
