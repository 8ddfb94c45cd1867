//! A long log, every signature in it real: for the test beside it and for measurements.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use veilsum_protocol::crypto::entropy::SeededEntropy;
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round, Timestamp};
use veilsum_protocol::log::entry::{Entry, RoundOpen, RoundResult};
use veilsum_protocol::log::tile::{encode_hash_tile, next_level, push_entry};
use veilsum_protocol::log::{
    Checkpoint, Cosignature, TileKind, VerifiedCheckpoint, VerifierKey, Witnesses, leaf_hash, root_of,
    tiles_between,
};
use veilsum_protocol::roster::{Roster, RosterEntry};
use veilsum_protocol::round::context::Context;
use veilsum_protocol::round::params::{RoundKind, Thresholds};
use veilsum_protocol::secagg::ring::Ring;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::statement::{Approval, Derived, SurvivorList, Trailer};

const NAME: &str = "example.org/long";
const DIGIT_BITS: u8 = 16;

fn digest(of: &str, round: u64, bank: u16) -> Digest {
    Digest::of(format!("{of} {round} {bank}").as_bytes())
}

fn witness_key(bank: BankIndex) -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(100 + u64::from(bank.get())))
}

/// The log's own key.
pub(crate) fn log_key() -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(2))
}

/// A log that grows by whole rounds in which everybody survives.
pub(crate) struct Log {
    keys: BTreeMap<BankIndex, SigningKey>,
    key: SigningKey,
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) witnesses: Witnesses,
    banks: u16,
    task: Digest,
    directory: Digest,
    state: Digest,
    last_result: Digest,
}

impl Log {
    pub(crate) fn new(banks: u16) -> Self {
        let mut entropy = SeededEntropy::new(1);
        let keys: BTreeMap<BankIndex, SigningKey> = (1..=banks)
            .map(|bank| (BankIndex::new(bank).unwrap(), SigningKey::generate(&mut entropy)))
            .collect();
        let entries = keys.iter().map(|(index, key)| RosterEntry {
            index: *index,
            name: format!("bank-{index}"),
            signing_key: key.verifying_key().0,
            witness_key: witness_key(*index).verifying_key().0,
            tls_key: digest("tls", 0, index.get()),
        });
        let roster = Roster::new(NAME, entries.collect()).unwrap();
        let mut log = Self {
            banks,
            key: log_key(),
            keys,
            entries: Vec::new(),
            witnesses: Witnesses::of(&roster),
            task: digest("task", 0, 0),
            directory: digest("directory", 0, 0),
            state: digest("state", 0, 0),
            last_result: Digest([0; 32]),
        };
        let task = log.task;
        log.log(&Entry::from(&roster));
        log.log(&Entry::Task {
            name: "long".to_owned(),
            task,
        });
        let approvals: Vec<Entry> = log
            .keys
            .iter()
            .map(|(bank, key)| Entry::TaskApproval {
                task,
                bank: *bank,
                signature: key.sign(&Approval { task, bank: *bank }),
            })
            .collect();
        approvals.iter().for_each(|approval| log.log(approval));
        log.log(&Entry::KeyDirectory {
            epoch: Epoch(1),
            roster: roster.hash(),
            directory: log.directory,
            first_round: Round(1),
        });
        log
    }

    fn log(&mut self, entry: &Entry) {
        self.entries.push(entry.to_bytes());
    }

    /// Plays a round; the numbers run from 1.
    pub(crate) fn round(&mut self, number: u64) {
        let round = Round(number);
        let banks: Vec<BankIndex> = self.keys.keys().copied().collect();
        let each = |of: &str| {
            banks
                .iter()
                .map(|bank| (*bank, digest(of, number, bank.get())))
                .collect::<Vec<_>>()
        };
        let manifest = Entry::PrepareManifest {
            epoch: Epoch(1),
            round,
            bundles: each("bundle"),
        };
        let open = RoundOpen {
            epoch: Epoch(1),
            round,
            task: self.task,
            kind: RoundKind::Statistics,
            step: u32::try_from(number - 1).unwrap(),
            attempt: 0,
            state: self.state,
            last_result: self.last_result,
            layout: digest("layout", 0, 0),
            directory: self.directory,
            manifest: manifest.hash(),
            thresholds: Thresholds::with_most_colluders(self.banks).unwrap(),
            digit_bits: DIGIT_BITS,
            ring_bits: Ring::for_sum(self.banks, DIGIT_BITS).unwrap().bits(),
            opened_at: Timestamp(number),
            ready_until: Timestamp(number),
        };
        self.log(&manifest);
        self.log(&Entry::RoundOpen(open.clone()));
        self.log(&Entry::Cohort {
            round,
            banks: banks.clone(),
        });
        let context = Context::of(&open, &banks).digest();
        for (bank, hash) in each("update") {
            let trailer = Trailer {
                context,
                bank,
                length: 1 << 20,
                hash,
            };
            let signature = self.keys[&bank].sign(&trailer);
            self.log(&Entry::Masked {
                round,
                bank,
                hash,
                length: 1 << 20,
                signature,
            });
        }
        let survivors = Entry::Survivors {
            round,
            list: each("update"),
        };
        self.log(&survivors);
        let statement = SurvivorList {
            context,
            survivors: survivors.hash(),
        };
        let signatures = self.keys.iter().map(|(bank, key)| (*bank, key.sign(&statement)));
        let signatures = signatures.collect();
        self.log(&Entry::Certificate { round, signatures });
        for (bank, body) in each("release") {
            self.log(&Entry::Release { round, bank, body });
        }
        self.state = digest("state", number, 0);
        let result = Entry::Result(RoundResult {
            round,
            open: open.hash(),
            kind: open.kind,
            step: open.step,
            sum: digest("sum", number, 0),
            survivors: self.banks,
            weight: 0,
            next_state: self.state,
            metrics: None,
        });
        self.last_result = result.hash();
        self.log(&result);
        for bank in banks {
            let state = self.state;
            let signature = self.keys[&bank].sign(&Derived { round, bank, state });
            self.log(&Entry::Ack {
                round,
                bank,
                state,
                signature,
            });
        }
    }

    /// What verifies the log's heads.
    pub(crate) fn verifier_key(&self) -> VerifierKey {
        VerifierKey::new(NAME, self.key.verifying_key().0).unwrap()
    }

    /// The head as all banks have cosigned it.
    pub(crate) fn cosigned(&self, head: &VerifiedCheckpoint) -> VerifiedCheckpoint {
        let cosign = |bank: &BankIndex| {
            let cosignature = Cosignature::sign(&witness_key(*bank), head.note().text(), Timestamp(1));
            (*bank, cosignature)
        };
        let cosignatures: Vec<_> = self.keys.keys().map(cosign).collect();
        self.witnesses.add(head, &cosignatures)
    }

    /// Writes the log, and gives its key.
    pub(crate) fn write(&self, folder: &Path) -> VerifierKey {
        let mut levels: Vec<Vec<Digest>> = vec![self.entries.iter().map(|entry| leaf_hash(entry)).collect()];
        while levels.last().unwrap().len() >= 256 {
            levels.push(next_level(levels.last().unwrap()));
        }
        for tile in tiles_between(0, self.entries.len() as u64) {
            let first = usize::try_from(tile.first_item()).unwrap();
            let items = first..first + usize::from(tile.width());
            let contents = match tile.kind() {
                TileKind::Hashes(level) => encode_hash_tile(&levels[usize::from(level)][items]),
                TileKind::Entries => {
                    let mut bundle = Vec::new();
                    self.entries[items]
                        .iter()
                        .for_each(|entry| push_entry(&mut bundle, entry).unwrap());
                    bundle
                }
            };
            let path = folder.join(tile.path());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        let key = self.verifier_key();
        let head = Checkpoint {
            origin: NAME.to_owned(),
            size: self.entries.len() as u64,
            root: root_of(&levels[0]),
        };
        let signed = head.sign(&key, |bytes| self.key.sign_bytes(bytes).0).unwrap();
        fs::write(folder.join("checkpoint"), self.cosigned(&signed).note().as_str()).unwrap();
        key
    }
}
