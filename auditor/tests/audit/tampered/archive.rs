//! What a coordinator can do to the archive, and to the entries that name what is in it.

use std::collections::BTreeMap;
use std::rc::Rc;

use veilsum_protocol::ids::{Digest, Epoch, Round};
use veilsum_protocol::log::entry::{Entry, RoundResult};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::secagg::pack;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::Release;

use super::log::{last_open, last_result, release_of};
use crate::world::{World, bank, blob_path};

/// The keys of the first epoch offered for a second one: their signatures name the first.
pub(super) fn keys_of_another_epoch(world: &mut World) {
    let mut second = world.consortium.directory.clone();
    second.epoch = Epoch(2);
    second.first_round = Round(5);
    let directory = world.blob(&second.to_bytes());
    let roster = world.consortium.roster.hash();
    world.log(&Entry::KeyDirectory {
        epoch: second.epoch,
        roster,
        directory,
        first_round: second.first_round,
    });
}

pub(super) fn another_text(world: &mut World) {
    flip(world, &world.consortium.task.hash());
}

pub(super) fn another_name(world: &mut World) {
    world.change(|entry| match entry {
        Entry::Task { name, .. } => {
            name.push('2');
            true
        }
        _ => false,
    });
}

pub(super) fn another_layout(world: &mut World) {
    last_open(world, |open| open.layout = Digest([9; 32]));
}

pub(super) fn bundle_blobs(world: &World) -> Vec<String> {
    let index: BTreeMap<String, String> = serde_json::from_slice(&world.files["rounds/3.json"]).unwrap();
    index.into_values().collect()
}

pub(super) fn in_index(world: &mut World, change: impl Fn(String) -> String) {
    let index = world.files.get_mut("rounds/3.json").unwrap();
    let text = String::from_utf8(std::mem::take(index)).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text);
    *index = changed.into_bytes();
}

pub(super) fn swapped_bundles(world: &mut World) {
    let blobs = bundle_blobs(world);
    let index = [
        (1, &blobs[1]),
        (2, &blobs[0]),
        (3, &blobs[2]),
        (4, &blobs[3]),
        (5, &blobs[4]),
    ];
    let index: BTreeMap<u16, &String> = index.into();
    world
        .files
        .insert("rounds/3.json".to_owned(), serde_json::to_vec(&index).unwrap());
}

pub(super) fn flipped_bundle(world: &mut World) {
    let blob = Digest::from_hex(&bundle_blobs(world)[0]).unwrap();
    flip(world, &blob);
}

pub(super) fn update_blob(world: &World) -> Digest {
    let masked = world.find(|entry| matches!(entry, Entry::Masked { round, .. } if round.0 == 3));
    match &masked[1].1 {
        Entry::Masked { hash, .. } => *hash,
        _ => panic!("no update"),
    }
}

pub(super) fn flipped_update(world: &mut World) {
    flip(world, &update_blob(world));
}

pub(super) fn missing_update(world: &mut World) {
    let path = blob_path(&update_blob(world));
    world.files.remove(&path).unwrap();
}

pub(super) fn flipped_shares(world: &mut World) {
    flip(world, &release_of(world, 3, 4).1);
}

pub(super) fn flipped_sum(world: &mut World) {
    let results = world.find(|entry| matches!(entry, Entry::Result(_)));
    match &results[1].1 {
        Entry::Result(result) => flip(world, &result.sum),
        _ => panic!("no result"),
    }
}

/// Bank 1 swaps its shares of banks 1 and 2 and signs that; the coordinator logs it instead of refusing it.
pub(super) fn undealt_shares(world: &mut World, round: u64) {
    let (at, body) = release_of(world, round, 1);
    let signed = Signed::<Release>::from_bytes(&world.files[&blob_path(&body)]).unwrap();
    let mut release = signed.claim().clone();
    let [(_, first), (_, second), ..] = release.shares.as_mut_slice() else {
        panic!("no two shares");
    };
    std::mem::swap(first, second);
    let signed = Signed::sign(&world.consortium.keys[&bank(1)], release);
    let body = world.blob(&signed.to_bytes());
    let entry = Entry::Release {
        round: Round(round),
        bank: bank(1),
        body,
    };
    world.entries[at] = entry.to_bytes();
}

/// The banks would derive another state and acknowledge nothing; everything else is as consistent as a coordinator can make it.
pub(super) fn sum_altered_by_one(world: &mut World) {
    let consortium = Rc::clone(&world.consortium);
    let plan: &Plan = &consortium.plan;
    let published =
        |world: &World, which: usize| match &world.find(|entry| matches!(entry, Entry::Result(_)))[which].1 {
            Entry::Result(result) => result.clone(),
            _ => panic!("no result"),
        };
    let lanes = |world: &World, result: &RoundResult| {
        let layout = plan.layout(result.kind);
        let mut lanes = Vec::new();
        let packed = &world.files[&blob_path(&result.sum)];
        pack::unpack(layout.ring(5).unwrap(), packed, layout.lanes(), |lane| {
            lanes.push(lane)
        })
        .unwrap();
        lanes
    };
    let (first, second) = (published(world, 0), published(world, 1));
    let state = TaskState::initial(&consortium.task);
    let (state, _) = state
        .advance(&consortium.task, plan, &lanes(world, &first), first.survivors)
        .unwrap();
    let mut altered = lanes(world, &second);
    altered[0] += 1;
    let (next, _) = state
        .advance(&consortium.task, plan, &altered, second.survivors)
        .unwrap();
    let mut packed = Vec::new();
    pack::pack(plan.layout(second.kind).ring(5).unwrap(), &altered, &mut packed);
    let sum = world.blob(&packed);
    world.remove(|entry| matches!(entry, Entry::Ack { round, .. } if round.0 == 3));
    last_result(world, |result| {
        result.sum = sum;
        result.next_state = next.hash();
    });
}

fn flip(world: &mut World, hash: &Digest) {
    let contents = world.files.get_mut(&blob_path(hash)).unwrap();
    let middle = contents.len() / 2;
    contents[middle] ^= 1;
}
