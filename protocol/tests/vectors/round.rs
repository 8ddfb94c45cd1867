//! `v1/round.json`: a consortium of three banks, from their keys to two results, in the world of the `rounds` tests.

use std::cell::RefCell;

use serde::Serialize;
use serde_json::{Value, json};
use veilsum_protocol::ids::{BankIndex, Digest, Epoch};
use veilsum_protocol::log::{CompactRange, leaf_hash};
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::frame;
use veilsum_protocol::wire::message::{MESSAGE_LIMIT, ToBank, ToCoordinator};

use crate::frozen;
use crate::office::Outcome;
use crate::world::{Faults, World};

const BANKS: u16 = 3;
const SEED: u64 = 0;

/// A message as it arrived.
#[derive(Clone)]
pub struct Heard {
    /// `to bank 2`, `from bank 2`.
    way: String,
    /// The name of its variant.
    pub name: String,
    /// True from a bank to the coordinator.
    pub up: bool,
    pub body: Vec<u8>,
}

thread_local! {
    /// The world lends its messages to plain functions, which have nowhere else to put them.
    static HEARD: RefCell<Vec<Heard>> = const { RefCell::new(Vec::new()) };
}

fn hear<T: Serialize + std::fmt::Debug>(bank: BankIndex, up: bool, message: &T) {
    let way = format!("{} bank {bank}", if up { "from" } else { "to" });
    let body = frame::encode(message, MESSAGE_LIMIT).unwrap();
    let name = variant(message);
    HEARD.with_borrow_mut(|heard| heard.push(Heard { way, name, up, body }));
}

/// The name of an enum's variant, as `Debug` prints it.
pub fn variant(message: &impl std::fmt::Debug) -> String {
    let text = format!("{message:?}");
    text.split(|letter: char| !letter.is_alphanumeric())
        .next()
        .unwrap()
        .to_owned()
}

fn hear_up(bank: BankIndex, message: &mut ToCoordinator) {
    hear(bank, true, message);
}

fn hear_down(bank: BankIndex, message: &mut ToBank) {
    hear(bank, false, message);
}

/// Epoch, task, a statistics round and a train round; and every message on the way.
pub fn play() -> (World, [Outcome; 2], Vec<Heard>) {
    HEARD.take();
    let mut world = World::unarmed(BANKS, SEED, Faults::default());
    // The numbers that banks draw come in the order in which they draw them: for one round after the other.
    world.office.asks_ahead = false;
    world.tamper_up = Some(Box::new(hear_up));
    world.tamper_down = Some(Box::new(hear_down));
    let task = world.office.task.clone();
    world.office.offer(&task);
    world.arm(Epoch(1));
    world.run(|world| {
        let approved = world.office.approved.get(&world.office.task.hash());
        approved.is_some_and(|banks| banks.len() == usize::from(BANKS))
    });
    let outcomes = [world.round(), world.round()];
    world.assert_same_state();
    world.assert_no_complaints();
    (world, outcomes, HEARD.take())
}

fn outcome(outcome: &Outcome) -> Value {
    let banks = |banks: &[BankIndex]| banks.iter().map(|bank| bank.get()).collect::<Vec<_>>();
    json!({
        "round": outcome.round.0,
        "cohort": banks(&outcome.cohort),
        "survivors": banks(&outcome.survivors),
        "sum": outcome.sum,
        "next_state": outcome.end.unwrap().to_hex(),
    })
}

#[test]
fn two_rounds_of_three_banks() {
    let (world, outcomes, heard) = play();
    let mut range = CompactRange::new();
    let mut leaves = Vec::new();
    for entry in &world.office.log.entries {
        let leaf = leaf_hash(&entry.to_bytes());
        range.append_leaf_hash(leaf);
        leaves.push(json!([variant(entry), leaf.to_hex()]));
    }
    let messages: Vec<Value> = heard
        .iter()
        .map(|heard| json!([heard.way, heard.name, Digest::of(&heard.body).to_hex()]))
        .collect();
    let state = hex::encode(world.office.state.to_bytes());
    let found = json!({
        "banks": BANKS,
        "seed": SEED,
        "task": world.office.task.hash().to_hex(),
        "rounds": outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "last_state": state,
        "leaves": leaves,
        "root": range.root().to_hex(),
        "messages": messages,
    });
    frozen::check("round", &found);
}
