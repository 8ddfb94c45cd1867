//! What a bank has on its own disk and nobody else may see: read from its files by their documented forms.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use veilsum_admission::keyfile::read_pkcs8;
use veilsum_client::app;
use veilsum_client::enrol::init::{read_desensitise_key, read_hold_out_salt};

use crate::needles::Needles;

/// Bytes of a key, a scalar or a salt.
const SECRET: usize = 32;

/// The private keys in the bank's `identity/`, its salt and its key for pseudonyms.
pub fn of_identity(needles: &mut Needles, folder: &Path) {
    let files = app::config(folder).unwrap().identity;
    for (name, path) in [("TLS key", &files.key), ("signing key", &files.signing_key)] {
        let pkcs8 = read_pkcs8(path).unwrap();
        // The octet string with the private key: P-256 (RFC 5915) and Ed25519 (RFC 8410) both have 32 bytes of it.
        let at = pkcs8.windows(2).position(|pair| pair == [0x04, 0x20]).unwrap() + 2;
        needles.secret(name, &pkcs8[at..at + SECRET]);
    }
    needles.secret(
        "hold-out salt",
        &read_hold_out_salt(&files.hold_out_salt).unwrap(),
    );
    needles.secret(
        "desensitise key",
        read_desensitise_key(&files.desensitise_key).unwrap().expose(),
    );
}

/// Secrets that were seen on the disk while rounds ran.
#[derive(Default, Debug)]
pub struct Seen {
    /// Keys that two banks share, with the confirmations of them, by the peer.
    pub pair_keys: BTreeSet<(usize, Vec<u8>)>,
    /// Of each round: the self-mask secret, which has no peer; the pair bases and the keys that open parcels, by the peer.
    pub round_keys: BTreeSet<(Option<usize>, Vec<u8>)>,
    /// Runs of eight lanes of a contribution before it was masked, as in the file.
    pub digits: BTreeSet<Vec<u8>>,
}

impl Seen {
    pub fn put_into(&self, needles: &mut Needles) {
        for (peer, secret) in &self.pair_keys {
            needles.secret(&with(*peer), secret);
        }
        for (peer, secret) in &self.round_keys {
            needles.secret(&peer.map_or("self-mask secret".to_owned(), with), secret);
        }
        for run in &self.digits {
            needles.whole("digits", run);
            // As lanes of four bytes each, in the other order, and as text.
            let lanes: Vec<u16> = run
                .as_chunks::<2>()
                .0
                .iter()
                .map(|lane| u16::from_le_bytes(*lane))
                .collect();
            let wide = |bytes: fn(u32) -> [u8; 4]| -> Vec<u8> {
                lanes.iter().flat_map(|lane| bytes(u32::from(*lane))).collect()
            };
            needles.whole("digits", &wide(u32::to_be_bytes));
            needles.whole("digits", &wide(u32::to_le_bytes));
            let other: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_be_bytes()).collect();
            needles.whole("digits", &other);
            let text: Vec<String> = lanes.iter().map(u16::to_string).collect();
            needles.text("digits", &text.join(", "));
        }
    }

    /// Looks at what the bank has on its disk now.
    fn look(&mut self, state: &Path) {
        if let Ok(snapshot) = fs::read(state.join("participant.state")) {
            self.pair_keys.extend(pair_keys(&snapshot));
            self.round_keys.extend(round_keys(&snapshot));
        }
        let rounds = fs::read_dir(state.join("rounds")).into_iter().flatten().flatten();
        for file in rounds.filter(|file| file.path().extension().is_some_and(|it| it == "digits")) {
            if let Ok(content) = fs::read(file.path()) {
                self.digits.extend(runs(&content));
            }
        }
    }
}

/// The bank's list for its four peers, whose items have this many bytes after the peer's position: what stands behind the list's length.
fn list(bytes: &[u8], item: usize) -> Option<usize> {
    let peers = [1_u16, 2, 3, 4];
    let is_list = |at: &usize| {
        let place = |number: usize| at + 4 + number * (2 + item);
        bytes[*at..].starts_with(&4_u32.to_be_bytes())
            && peers.iter().enumerate().all(|(number, peer)| {
                let head = bytes.get(place(number)..place(number) + 2);
                head == Some(&peer.to_be_bytes()[..])
            })
            && bytes.len() >= place(peers.len())
    };
    (0..bytes.len().saturating_sub(4)).find(is_list)
}

/// The items with their peers.
fn items(bytes: &[u8], at: usize, item: usize) -> impl Iterator<Item = (usize, &[u8])> {
    (0..4).map(move |number| {
        let start = at + 4 + number * (2 + item) + 2;
        (number + 1, &bytes[start..start + item])
    })
}

/// The name of what a bank shares with a peer.
pub fn with(peer: usize) -> String {
    format!("secret with bank-{peer}")
}

/// The armed keyring: a chain and a confirmation for each peer.
fn pair_keys(snapshot: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let Some(at) = list(snapshot, 2 * SECRET) else {
        return Vec::new();
    };
    items(snapshot, at, 2 * SECRET)
        .flat_map(|(peer, pair)| pair.chunks_exact(SECRET).map(move |key| (peer, key.to_vec())))
        .collect()
}

/// The open round: the self-mask secret, then the bases, then the openers.
fn round_keys(snapshot: &[u8]) -> Vec<(Option<usize>, Vec<u8>)> {
    let Some(at) = list(snapshot, SECRET) else {
        return Vec::new();
    };
    let next = at + 4 + 4 * (2 + SECRET);
    if list(&snapshot[next..], SECRET) != Some(0) {
        return Vec::new();
    }
    let shared = items(snapshot, at, SECRET).chain(items(snapshot, next, SECRET));
    shared
        .map(|(peer, key)| (Some(peer), key.to_vec()))
        .chain([(None, snapshot[at - SECRET..at].to_vec())])
        .collect()
}

/// Runs of eight lanes of an update of which six differ: what is the same in many updates says nothing.
fn runs(file: &[u8]) -> Vec<Vec<u8>> {
    let head = b"veilsum/v1/digits\0".len() + 8 + 1 + 4;
    let hash = 32;
    let lanes = file
        .get(head..file.len().saturating_sub(hash))
        .unwrap_or_default();
    // Digits of 16 bits, packed: two bytes each.
    let (lanes, _) = lanes.as_chunks::<2>();
    lanes
        .windows(8)
        .filter(|run| {
            let differing: BTreeSet<&[u8; 2]> = run.iter().collect();
            // Those of counts are small, or fill the limbs of larger numbers.
            differing.len() >= 6 && run.iter().all(|lane| lane[1] != 0)
        })
        .map(<[[u8; 2]]>::concat)
        .collect()
}

/// Looks at a bank's disk again and again, from another thread.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Watch {
    pub fn start(state: PathBuf) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                seen.look(&state);
                thread::park_timeout(Duration::from_millis(2));
            }
            seen
        });
        Self { stop, thread }
    }

    pub fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
