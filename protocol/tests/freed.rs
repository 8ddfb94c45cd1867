//! What a bank's machine gives back to the allocator holds no key.

#![allow(unsafe_code, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use veilsum_protocol::crypto::entropy::{Entropy, SeededEntropy};
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::ids::{BankIndex, Digest, Epoch};
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::roster::{Roster, RosterEntry};
use veilsum_protocol::round::participant::{Event, Participant, Pinned};
use veilsum_protocol::wire::message::ToBank;

/// The agreement keys of the epoch below.
const KEY: [u8; 32] = [0x5a; 32];

static IS_WATCHING: AtomicBool = AtomicBool::new(false);
static FOUND: AtomicUsize = AtomicUsize::new(0);

struct Watchful;

// SAFETY: everything is the system's; a block is read, whole and while it is still allocated, before it is given back. `realloc` is the
// default, which allocates, copies and comes back here.
unsafe impl GlobalAlloc for Watchful {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that reading a block that was not filled is defined.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if IS_WATCHING.load(Ordering::SeqCst) {
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            if bytes.windows(KEY.len()).any(|window| window == KEY) {
                FOUND.fetch_add(1, Ordering::SeqCst);
            }
        }
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watchful = Watchful;

/// Draws nothing but `KEY`.
struct Constant;

impl Entropy for Constant {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(KEY[0]);
    }
}

#[test]
fn a_snapshot_leaves_no_key_in_freed_memory() {
    let key = |seed| SigningKey::generate(&mut SeededEntropy::new(seed));
    let entry = |position: u16| RosterEntry {
        index: BankIndex::new(position).unwrap(),
        name: format!("bank-{position}"),
        signing_key: key(position.into()).verifying_key().0,
        witness_key: key(u64::from(position) + 100).verifying_key().0,
        tls_key: Digest::of(&position.to_be_bytes()),
    };
    let mut machine = Participant::new(Pinned {
        bank: BankIndex::new(1).unwrap(),
        roster: Roster::new("demo", (1..=3).map(entry).collect()).unwrap(),
        log_key: VerifierKey::new("demo", key(9).verifying_key().0).unwrap(),
        key: key(1),
        witness_key: key(101),
    })
    .unwrap();
    let ask = ToBank::EpochAsk { epoch: Epoch(1) };
    drop(machine.handle(Event::Message(ask), &mut Constant));
    // Enough behind the keys that the snapshot grows while they are in it.
    for task in 0..200 {
        drop(machine.handle(Event::Approved(Digest([task; 32])), &mut Constant));
    }
    IS_WATCHING.store(true, Ordering::SeqCst);
    let snapshot = machine.snapshot();
    let holds_it = snapshot.windows(KEY.len()).any(|window| window == KEY);
    drop(snapshot);
    let clean = FOUND.load(Ordering::SeqCst);
    // The watch works: this is what it looks for.
    drop(KEY.to_vec());
    let seen = FOUND.load(Ordering::SeqCst);
    IS_WATCHING.store(false, Ordering::SeqCst);
    assert!(holds_it);
    assert_eq!((clean, seen), (0, 1));
}
