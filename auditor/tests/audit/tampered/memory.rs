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
