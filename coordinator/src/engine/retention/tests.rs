#![allow(clippy::unwrap_used)]
use veilsum_protocol::crypto::signing::Signature;
use veilsum_protocol::ids::{BankIndex, Epoch, Timestamp};
use veilsum_protocol::log::entry::{AbortReason, RoundOpen, RoundResult};
use veilsum_protocol::round::params::{RoundKind, Thresholds};

use super::*;
use crate::ledger::Archive;

const TASK: Digest = Digest([1; 32]);
const ZEROS: Digest = Digest([0; 32]);

/// A log that is told to a retention, and the archive that it names.
struct Scene {
    folder: tempfile::TempDir,
    archive: Archive,
    retention: Retention,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            archive: Archive::open(folder.path()).unwrap(),
            folder,
            retention: Retention::default(),
        }
    }

    fn log(&mut self, entry: Entry) {
        self.retention.entry(entry, &self.archive);
        self.retention.read += 1;
    }

    fn put(&self, text: &str) -> Digest {
        self.archive.put(text.as_bytes()).unwrap()
    }

    fn is_there(&self, text: &str) -> bool {
        self.archive.open(&Digest::of(text.as_bytes())).unwrap().is_some()
    }

    fn open(&mut self, round: u64) {
        self.log(Entry::RoundOpen(RoundOpen {
            epoch: Epoch(1),
            round: Round(round),
            task: TASK,
            kind: RoundKind::Train,
            step: 1,
            attempt: 0,
            state: ZEROS,
            last_result: ZEROS,
            layout: ZEROS,
            directory: ZEROS,
            manifest: ZEROS,
            thresholds: Thresholds::with_most_colluders(5).unwrap(),
            digit_bits: 16,
            ring_bits: 19,
            opened_at: Timestamp(1),
            ready_until: Timestamp(2),
        }));
    }

    fn index(&self, round: u64, bundles: &[&str]) {
        let bundles = (1..).zip(bundles);
        let named = bundles.map(|(bank, text)| (BankIndex::new(bank).unwrap(), self.put(text)));
        self.archive
            .index_bundles(Round(round), &named.collect())
            .unwrap();
    }

    fn masked(&mut self, round: u64, bank: u16, text: &str) {
        let hash = self.put(text);
        self.log(Entry::Masked {
            round: Round(round),
            bank: BankIndex::new(bank).unwrap(),
            hash,
            length: 1,
            signature: Signature([0; 64]),
        });
    }

    /// A round with a result, whose masked vectors are `masked`.
    fn round(&mut self, round: u64, masked: &[&str]) {
        self.open(round);
        self.index(round, &[&format!("bundle of {round}")]);
        self.log(Entry::Cohort {
            round: Round(round),
            banks: Vec::new(),
        });
        for (bank, text) in (1..).zip(masked) {
            self.masked(round, bank, text);
        }
        let body = self.put(&format!("shares of {round}"));
        self.log(Entry::Release {
            round: Round(round),
            bank: BankIndex::new(1).unwrap(),
            body,
        });
        self.result(round);
    }

    fn result(&mut self, round: u64) {
        let sum = self.put(&format!("sum of {round}"));
        self.log(Entry::Result(RoundResult {
            round: Round(round),
            open: ZEROS,
            kind: RoundKind::Train,
            step: 1,
            sum,
            survivors: 4,
            weight: 1,
            next_state: ZEROS,
            metrics: None,
        }));
    }

    fn abort(&mut self, round: u64) {
        self.log(Entry::Abort {
            round: Round(round),
            reason: AbortReason::Restarted,
            after_release: false,
        });
    }

    /// The rounds that are let go of when a task keeps `keeps`, and the published head covers the first `published` entries.
    fn forget(&mut self, keeps: usize, published: u64) -> Vec<u64> {
        while let Some((_, end)) = self.retention.unpublished.pop_front_if(|(at, _)| *at < published) {
            self.retention.ages.follow(&end);
        }
        let expired = self.retention.expired(|ages, round| ages.of(round) >= keeps);
        let rounds = expired.iter().map(|expired| expired.round.0).collect();
        expired
            .iter()
            .for_each(|expired| self.archive.doom(&expired.files));
        forget(expired, &self.archive);
        rounds
    }

    fn has_index(&self, round: u64) -> bool {
        self.folder.path().join(format!("rounds/{round}.json")).exists()
    }
}

#[test]
fn what_another_round_or_the_log_needs_too_stays() {
    let mut scene = Scene::new();
    let directory = scene.put("directory");
    scene.log(Entry::KeyDirectory {
        epoch: Epoch(1),
        roster: ZEROS,
        directory,
        first_round: Round(1),
    });
    scene.round(1, &["a", "b"]);
    // A bank may send what it likes: what it sent before, and the bytes of whatever it knows.
    scene.round(2, &["c", "again", "sum of 1", "directory", "bundle of 3", "b"]);
    scene.round(3, &["d", "again"]);
    assert_eq!(scene.forget(1, u64::MAX), [1, 2]);
    for gone in [
        "a",
        "b",
        "c",
        "shares of 1",
        "shares of 2",
        "bundle of 1",
        "bundle of 2",
    ] {
        assert!(!scene.is_there(gone), "{gone}");
    }
    for kept in [
        "again",
        "sum of 1",
        "sum of 2",
        "sum of 3",
        "directory",
        "bundle of 3",
        "shares of 3",
        "d",
    ] {
        assert!(scene.is_there(kept), "{kept}");
    }
    assert_eq!(
        [1, 2, 3].map(|round| scene.has_index(round)),
        [false, false, true]
    );
    // The last round that has it takes it along.
    scene.round(4, &["e"]);
    assert_eq!(scene.forget(1, u64::MAX), [3]);
    assert!(!scene.is_there("again") && !scene.is_there("bundle of 3") && scene.is_there("sum of 3"));
}

#[test]
fn a_round_grows_old_by_what_is_published() {
    let mut scene = Scene::new();
    scene.round(1, &["a"]);
    let first = scene.retention.read;
    scene.round(2, &["b"]);
    let second = scene.retention.read;
    assert_eq!(scene.forget(1, first), [0; 0]);
    // The result of round 2 is its last entry: a head before it does not cover it.
    assert_eq!(scene.forget(1, second - 1), [0; 0]);
    assert!(scene.is_there("a"));
    assert_eq!(scene.forget(1, second), [1]);
    assert!(!scene.is_there("a") && scene.is_there("b"));
}

#[test]
fn an_aborted_round_goes_like_any_other_also_when_a_crash_kept_its_cohort_from_the_log() {
    let mut scene = Scene::new();
    scene.open(1);
    scene.index(1, &["bundle of 1"]);
    scene.abort(1);
    // Aborted before its bundles were kept: it has left nothing.
    scene.open(2);
    scene.abort(2);
    assert_eq!(scene.forget(1, u64::MAX), [0; 0]);
    scene.round(3, &["a"]);
    assert_eq!(scene.forget(1, u64::MAX), [1]);
    assert!(!scene.is_there("bundle of 1") && !scene.has_index(1) && scene.is_there("a"));
}

#[test]
fn what_the_disk_does_not_delete_is_found_by_the_next_start() {
    let mut scene = Scene::new();
    scene.round(1, &["a"]);
    scene.round(2, &["b"]);
    // A folder in the place of a blob cannot be removed as a file.
    let hex = Digest::of(b"a").to_hex();
    let path = scene.folder.path().join("blobs").join(&hex[..2]).join(&hex);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(scene.forget(1, u64::MAX), [1]);
    assert!(scene.has_index(1));
    std::fs::remove_dir(&path).unwrap();

    let again = |scene: &mut Scene| {
        let mut next = Scene {
            folder: tempfile::tempdir().unwrap(),
            archive: Archive::open(scene.folder.path()).unwrap(),
            retention: Retention::default(),
        };
        std::mem::swap(&mut next.folder, &mut scene.folder);
        for round in 1..=2 {
            next.open(round);
            let round = Round(round);
            next.log(Entry::Cohort {
                round,
                banks: Vec::new(),
            });
            next.log(Entry::Release {
                round,
                bank: BankIndex::new(1).unwrap(),
                body: Digest::of(format!("shares of {round}").as_bytes()),
            });
            next.result(round.0);
        }
        next
    };
    let mut next = again(&mut scene);
    assert_eq!(next.forget(1, u64::MAX), [1]);
    assert!(!next.has_index(1) && !next.is_there("shares of 1") && next.is_there("shares of 2"));
    // And then there is nothing to do for round 1, however often it is looked at.
    let mut last = again(&mut next);
    assert_eq!(last.forget(1, u64::MAX), [0; 0]);
}

#[test]
fn an_index_that_cannot_be_read_keeps_its_bundles_and_nothing_else() {
    let mut scene = Scene::new();
    scene.open(1);
    scene.index(1, &["bundle of 1"]);
    std::fs::write(scene.folder.path().join("rounds/1.json"), b"{").unwrap();
    scene.log(Entry::Cohort {
        round: Round(1),
        banks: Vec::new(),
    });
    scene.masked(1, 1, "a");
    scene.abort(1);
    scene.round(2, &["b"]);
    assert_eq!(scene.forget(1, u64::MAX), [1]);
    assert!(!scene.is_there("a") && scene.is_there("bundle of 1") && !scene.has_index(1));
}

#[test]
fn what_is_stored_again_before_it_is_deleted_stays() {
    let mut scene = Scene::new();
    scene.round(1, &["a", "b", "c"]);
    scene.round(2, &["d"]);
    let expired = {
        scene
            .retention
            .unpublished
            .drain(..)
            .for_each(|(_, end)| scene.retention.ages.follow(&end));
        scene.retention.expired(|ages, round| ages.of(round) >= 1)
    };
    expired
        .iter()
        .for_each(|expired| scene.archive.doom(&expired.files));
    // The engine goes on beside the deletion.
    scene.put("a");
    let upload = scene.folder.path().join("upload");
    std::fs::write(&upload, b"b").unwrap();
    scene.archive.adopt_all(&[(upload, Digest::of(b"b"))]).unwrap();
    forget(expired, &scene.archive);
    assert!(scene.is_there("a") && scene.is_there("b") && !scene.is_there("c"));
    assert!(!scene.has_index(1));
}
