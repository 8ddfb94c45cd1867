//! Good bytes of whole rounds: everything that was sent, logged, kept and published.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::LazyLock;

use veilsum_protocol::ids::Epoch;
use veilsum_protocol::log::{ConsistencyProof, InclusionProof, leaf_hash, root_of};
use veilsum_protocol::round::record::Record;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::frame;
use veilsum_protocol::wire::message::{Leaf, MESSAGE_LIMIT, ToBank, ToCoordinator};
use veilsum_protocol::wire::refusal::RefusalReason;

use crate::stage::consortium::bank;
use crate::stage::world::World;

pub const BANKS: u16 = 4;
const SEED: u64 = 3;

pub struct Played {
    /// Each once.
    pub bytes: BTreeSet<Vec<u8>>,
    /// Canonical forms of the task's state before every step, and after the last.
    pub states: Vec<Vec<u8>>,
}

pub static PLAYED: LazyLock<Played> = LazyLock::new(play);

/// A whole task. A bank drops out of its second round; a second epoch is set up in the middle. At the end the banks change places.
fn play() -> Played {
    let mut played = Played {
        bytes: BTreeSet::new(),
        states: Vec::new(),
    };
    let mut world = World::unarmed(BANKS, SEED, Default::default());
    let told = Rc::new(RefCell::new(Vec::new()));
    let hears = told.clone();
    world.tamper_down = Some(Box::new(move |_, message| {
        hears.borrow_mut().push(message.clone())
    }));
    world.start_epoch(Epoch(1));
    played.run(&mut world, |world| world.office.armed.is_some());
    let task = world.office.task.clone();
    world.office.offer(&task);
    world.office_out(Vec::new());
    played.run(&mut world, |world| {
        let approved = world.office.approved.get(&world.office.task.hash());
        approved.is_some_and(|banks| banks.len() == usize::from(BANKS))
    });
    while world.office.plan().is_some() {
        played.states.push(world.office.state.to_bytes());
        let attempt = played.states.len();
        if attempt == 2 {
            world.node(4).fails = true;
        }
        if attempt == 3 {
            world.node(4).fails = false;
            world.start_epoch(Epoch(2));
            played.run(&mut world, |world| {
                world.office.armed.is_some_and(|(epoch, _)| epoch == Epoch(2))
            });
        }
        world.start_round();
        played.run(&mut world, |world| world.office.outcome.is_some());
        assert!(world.office.outcome.as_ref().unwrap().end.is_ok());
        played.note_journal(&world);
        world.settle();
    }
    played.states.push(world.office.state.to_bytes());
    // A bank says no, and thinks again.
    world.decide(3, Some(RefusalReason::Resources));
    world.decide(3, None);
    played.change_roster(&mut world);
    let states = played.states.clone();
    played.bytes.extend(states);
    for message in told.take() {
        played.note_told(&message);
    }
    for (_, message) in std::mem::take(&mut world.sent) {
        played.note_sent(&message);
    }
    played.note_rest(&world);
    played
}

impl Played {
    fn note(&mut self, bytes: Vec<u8>) {
        self.bytes.insert(bytes);
    }

    fn framed<T: serde::Serialize>(&mut self, message: &T) {
        self.note(frame::encode(message, MESSAGE_LIMIT).unwrap());
    }

    /// Takes events until `done`, with a snapshot of the first bank after each.
    fn run(&mut self, world: &mut World, done: impl Fn(&World) -> bool) {
        while !done(world) {
            assert!(world.step(), "nothing is under way and the end was not reached");
            self.note_snapshot(world);
        }
    }

    /// The banks approve a roster in which each has another position, and pin it.
    fn change_roster(&mut self, world: &mut World) {
        let members: Vec<u16> = (1..=BANKS).rev().collect();
        let proposal = world.propose(&members);
        self.note_snapshot(world);
        for position in 1..=BANKS {
            world.approve_roster(proposal, &[position]);
            self.note_snapshot(world);
        }
        world.log_roster(&members);
        self.note_snapshot(world);
        assert_eq!(world.node(1).followed, Some(members));
    }

    fn note_snapshot(&mut self, world: &World) {
        let machine = world.banks[&bank(1)].machine.as_ref().unwrap();
        self.note(machine.snapshot().to_vec());
    }

    fn note_journal(&mut self, world: &World) {
        let journal = world.office.journal();
        for record in journal {
            self.note(record.clone());
            match frame::decode(record, MESSAGE_LIMIT).unwrap() {
                Record::Started { plan, .. } => self.framed(&plan),
                Record::Opened { open, .. } => self.note(open.0.to_bytes()),
                Record::Masked(trailer) => self.note_both(trailer.claim(), trailer.to_bytes()),
                Record::Published { result, .. } => self.note(result.0.to_bytes()),
                _ => {}
            }
        }
        for length in 1..=journal.len() {
            let framed = journal.iter().take(length);
            self.note(
                framed
                    .flat_map(|record| frame::frame_bytes(record, MESSAGE_LIMIT).unwrap())
                    .collect(),
            );
        }
    }

    fn note_told(&mut self, message: &ToBank) {
        self.framed(message);
        match message {
            ToBank::Log(extension) => {
                self.framed(extension);
                let checkpoint = &extension.checkpoint;
                self.note(checkpoint.clone().into_bytes());
                let text = checkpoint.split_inclusive('\n').take(3);
                self.note(text.collect::<String>().into_bytes());
                for leaf in &extension.leaves {
                    if let Leaf::Entry(entry) = leaf {
                        self.note(entry.clone());
                    }
                }
            }
            ToBank::Directory(directory) => {
                self.note(directory.to_bytes());
                for keys in &directory.keys {
                    let public = &keys.claim().public;
                    self.note([&public.x25519, public.mlkem.as_slice()].concat());
                }
            }
            ToBank::PairCiphertexts { ciphertexts, .. } => {
                let ciphertexts = ciphertexts.iter().map(|(_, ciphertext)| ciphertext.clone());
                self.bytes.extend(ciphertexts);
            }
            ToBank::Deliveries { deliveries, .. } => {
                for delivery in deliveries {
                    self.framed(delivery);
                    self.note(delivery.parcel.sealed.clone());
                }
            }
            _ => {}
        }
    }

    fn note_sent(&mut self, message: &ToCoordinator) {
        self.framed(message);
        match message {
            ToCoordinator::EpochKeys(signed) => self.note_both(signed.claim(), signed.to_bytes()),
            ToCoordinator::Approval(signed) => self.note_both(signed.claim(), signed.to_bytes()),
            ToCoordinator::Refusal(signed) => self.note_both(signed.claim(), signed.to_bytes()),
            ToCoordinator::RosterApproval(signed) => self.note_both(signed.claim(), signed.to_bytes()),
            ToCoordinator::Bundle(bundle) => {
                self.framed(bundle);
                self.note_both(bundle.header.claim(), bundle.header.to_bytes());
                self.note(bundle.recovery_blob.clone());
            }
            ToCoordinator::Ready { statement, .. } => {
                self.note_both(statement.claim(), statement.to_bytes());
            }
            ToCoordinator::Release { release, .. } => {
                self.note_both(release.claim(), release.to_bytes());
            }
            ToCoordinator::Derived(signed) => self.note_both(signed.claim(), signed.to_bytes()),
            _ => {}
        }
    }

    fn note_both<T: Canonical>(&mut self, body: &T, signed: Vec<u8>) {
        self.note(body.to_bytes());
        self.note(signed);
    }

    fn note_rest(&mut self, world: &World) {
        self.bytes.extend(world.office.blobs.borrow().values().cloned());
        let uploads = world.banks.values().flat_map(|node| node.uploaded.values());
        self.bytes.extend(uploads.cloned());
        self.framed(&world.office.log.extension(0, world.office.log.size()));
        let receipts = world.banks.values().flat_map(|node| &node.receipts);
        for receipt in receipts {
            self.note(receipt.to_text().into_bytes());
            self.note(receipt.note().as_str().as_bytes().to_vec());
        }
        let entries = &world.office.log.entries;
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(&entry.to_bytes())).collect();
        self.note(leaves.iter().flat_map(|leaf| leaf.0).collect());
        for width in [1, 2, 7] {
            let mut bundle = vec![width];
            for entry in entries.iter().take(usize::from(width)) {
                veilsum_protocol::log::tile::push_entry(&mut bundle, &entry.to_bytes()).unwrap();
            }
            self.note(bundle);
        }
        let mut range = veilsum_protocol::log::CompactRange::new();
        for (at, leaf) in leaves.iter().enumerate() {
            range.append_leaf_hash(*leaf);
            self.note(range.to_bytes());
            let (index, size) = (at as u64, leaves.len() as u64);
            let path = InclusionProof::build(&leaves, index).unwrap().path;
            let hashes = [*leaf, root_of(&leaves)].into_iter().chain(path);
            self.note_proof([index, size], hashes.flat_map(|hash| hash.0));
            let path = ConsistencyProof::build(&leaves, index).unwrap().path;
            let hashes = [root_of(&leaves[..at]), root_of(&leaves)].into_iter().chain(path);
            self.note_proof([index, size], hashes.flat_map(|hash| hash.0));
        }
    }

    fn note_proof(&mut self, numbers: [u64; 2], hashes: impl Iterator<Item = u8>) {
        let numbers = numbers.into_iter().flat_map(u64::to_be_bytes);
        self.note(numbers.chain(hashes).collect());
    }
}
