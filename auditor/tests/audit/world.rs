//! A consortium of five banks, a log and an archive, made by hand from the protocol's pieces: no coordinator and no bank daemon
//! takes part, so what the auditor accepts is not what a daemon happens to write.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use veilsum_auditor::verify::report::Report;
use veilsum_auditor::verify::{HeldReceipt, Known, verify_against};
use veilsum_auditor::{Audit, Told, tell_round};
use veilsum_protocol::crypto::agreement::AgreementKeys;
use veilsum_protocol::crypto::entropy::{Entropy, SeededEntropy};
use veilsum_protocol::crypto::secret::Secret;
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::epoch::directory::KeyDirectory;
use veilsum_protocol::epoch::keyring::{Keyring, PairKeys};
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round, Timestamp};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::tile::{encode_hash_tile, next_level, push_entry};
use veilsum_protocol::log::{
    Checkpoint, Cosignature, InclusionProof, Receipt, TileKind, VerifiedCheckpoint, VerifierKey, Witnesses,
    leaf_hash, root_of, tiles_between,
};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::roster::{Roster, RosterEntry};
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::{Approval, EpochKeys};

pub(crate) const NAME: &str = "example.org/loans";
pub(crate) const BANKS: u16 = 5;
pub(crate) const EPOCH: Epoch = Epoch(1);

pub(crate) const TASK: &str = r#"
name = "defaults"
rounds = 2
seed = 7

[schema]
version = 1
label = "default"
leave_out = []
missing = [""]

[[schema.column]]
name = "income"
type = "number"
min = 0.0
max = 10.0

[model]
family = "logistic"

[training]
optimiser = "sgd"
learning_rate = 0.1
weight_decay = 0.0
batch_size = 4
local_epochs = 1
fedprox_mu = 0.0
class_weights = [1.0, 1.0]

[aggregation]
optimiser = "fedavg"
learning_rate = 1.0
weighting = "examples"
max_weight = 100

[encoding]
bits = 16
range = 1.0
clip_norm = 1.0

[evaluation]
hold_out = 0.2
bins = 4

[deadlines]
prepare_s = 30
ready_s = 60
collect_s = 30
confirm_s = 30
unmask_s = 30
ack_s = 30
attempts = 3
"#;

pub(crate) fn bank(position: u16) -> BankIndex {
    BankIndex::new(position).unwrap()
}

/// The key with which a bank cosigns.
pub(crate) fn witness_key(bank: BankIndex) -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(100 + u64::from(bank.get())))
}

/// What never changes: keys and the task.
pub(crate) struct Consortium {
    pub(crate) keys: BTreeMap<BankIndex, SigningKey>,
    pub(crate) log_key: SigningKey,
    pub(crate) roster: Roster,
    pub(crate) directory: KeyDirectory,
    pub(crate) thresholds: Thresholds,
    pub(crate) task: Task,
    pub(crate) plan: Plan,
}

impl Consortium {
    fn new(task: &str) -> Self {
        let mut entropy = SeededEntropy::new(11);
        let keys: BTreeMap<BankIndex, SigningKey> = (1..=BANKS)
            .map(|position| (bank(position), SigningKey::generate(&mut entropy)))
            .collect();
        let entries = keys.iter().map(|(index, key)| RosterEntry {
            index: *index,
            name: format!("bank-{index}"),
            signing_key: key.verifying_key().0,
            witness_key: witness_key(*index).verifying_key().0,
            tls_key: Digest::of(&index.get().to_be_bytes()),
        });
        let roster = Roster::new(NAME, entries.collect()).unwrap();
        let signed = keys.iter().map(|(index, key)| {
            let body = EpochKeys {
                epoch: EPOCH,
                roster: roster.hash(),
                bank: *index,
                public: AgreementKeys::generate(&mut entropy).public(),
            };
            Signed::sign(key, body)
        });
        let directory = KeyDirectory {
            epoch: EPOCH,
            first_round: Round(1),
            keys: signed.collect(),
        };
        let task = Task::parse(task).unwrap();
        Self {
            log_key: SigningKey::generate(&mut SeededEntropy::new(12)),
            thresholds: Thresholds::with_most_colluders(BANKS).unwrap(),
            plan: Plan::new(&task),
            keys,
            roster,
            directory,
            task,
        }
    }

    /// The pair keys of a bank. The secrets of a pair stand in for the outcome of the key agreement.
    pub(crate) fn keyring(&self, me: BankIndex) -> Keyring {
        let mut keyring = Keyring::new(EPOCH, self.directory.hash(), self.directory.first_round);
        for peer in self.keys.keys().copied().filter(|peer| *peer != me) {
            let pair = u64::from(me.get().min(peer.get())) << 16 | u64::from(me.get().max(peer.get()));
            let mut entropy = SeededEntropy::new(pair);
            let (mlkem, x25519): (Secret, Secret) = (entropy.secret(), entropy.secret());
            let (own, theirs) = (self.directory.of(me).unwrap(), self.directory.of(peer).unwrap());
            let keys = PairKeys::derive(
                &self.directory.hash(),
                own,
                theirs,
                &mlkem,
                &x25519,
                b"ciphertext",
            );
            keyring.insert(peer, keys);
        }
        keyring
    }

    pub(crate) fn verifier_key(&self) -> VerifierKey {
        VerifierKey::new(NAME, self.log_key.verifying_key().0).unwrap()
    }
}

/// The log and the archive, before they are written: whoever holds one of these is the coordinator.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) consortium: Rc<Consortium>,
    pub(crate) entries: Vec<Vec<u8>>,
    /// The archive's files.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// What the auditor pins.
    pub(crate) pinned: Vec<Roster>,
    /// What it knows of the log beforehand.
    pub(crate) known: Known,
    /// How many banks cosign the head.
    pub(crate) cosigners: u16,
    /// Banks whose line under the head is a cosignature of an earlier head.
    pub(crate) forged: Vec<BankIndex>,
    pub(crate) state: TaskState,
    pub(crate) last_result: Digest,
}

impl World {
    /// Roster, task, approvals and key directory; no round yet.
    pub(crate) fn new() -> Self {
        Self::of_task(TASK)
    }

    /// The same with a task of `rounds` training rounds.
    pub(crate) fn of_rounds(rounds: u32) -> Self {
        Self::of_task(&TASK.replace("rounds = 2", &format!("rounds = {rounds}")))
    }

    /// The same, whose archive keeps the files of the last `kept` rounds.
    pub(crate) fn keeping(rounds: u32, kept: u32) -> Self {
        Self::of_task(&TASK.replace(
            "rounds = 2",
            &format!("archive_rounds = {kept}\nrounds = {rounds}"),
        ))
    }

    pub(crate) fn of_task(task: &str) -> Self {
        let consortium = Rc::new(Consortium::new(task));
        let (task, directory) = (consortium.task.hash(), consortium.directory.clone());
        let mut world = Self {
            state: TaskState::initial(&consortium.task),
            entries: Vec::new(),
            files: BTreeMap::new(),
            pinned: vec![consortium.roster.clone()],
            known: Known::default(),
            cosigners: BANKS,
            forged: Vec::new(),
            last_result: Digest([0; 32]),
            consortium: Rc::clone(&consortium),
        };
        world.log(&Entry::from(&consortium.roster));
        world.log(&Entry::Task {
            name: consortium.task.name.clone(),
            task,
        });
        for (bank, key) in &consortium.keys {
            let signature = key.sign(&Approval { task, bank: *bank });
            world.log(&Entry::TaskApproval {
                task,
                bank: *bank,
                signature,
            });
        }
        world.log(&Entry::KeyDirectory {
            epoch: EPOCH,
            roster: consortium.roster.hash(),
            directory: directory.hash(),
            first_round: directory.first_round,
        });
        world.blob(&directory.to_bytes());
        world.blob(consortium.task.canonical_text().as_bytes());
        world
    }

    pub(crate) fn log(&mut self, entry: &Entry) {
        self.entries.push(entry.to_bytes());
    }

    pub(crate) fn blob(&mut self, bytes: &[u8]) -> Digest {
        let hash = Digest::of(bytes);
        self.files.insert(blob_path(&hash), bytes.to_vec());
        hash
    }

    /// The entries that `wanted` picks, with their places.
    pub(crate) fn find(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<(usize, Entry)> {
        let read = |(at, bytes): (usize, &Vec<u8>)| Some((at, Entry::from_bytes(bytes).ok()?));
        let all = self.entries.iter().enumerate().filter_map(read);
        all.filter(|(_, entry)| wanted(entry)).collect()
    }

    /// Changes the first entry that `change` answers for with true.
    pub(crate) fn change(&mut self, change: impl Fn(&mut Entry) -> bool) {
        for (at, mut entry) in self.find(|_| true) {
            if change(&mut entry) {
                self.entries[at] = entry.to_bytes();
                return;
            }
        }
        panic!("no entry was changed");
    }

    /// Removes every entry that `unwanted` picks.
    pub(crate) fn remove(&mut self, unwanted: impl Fn(&Entry) -> bool) {
        let found = self.find(unwanted);
        assert!(!found.is_empty(), "no entry was removed");
        for (at, _) in found.into_iter().rev() {
            self.entries.remove(at);
        }
    }

    /// Lets the last opening follow the last result again, as a coordinator would that lies consistently.
    pub(crate) fn relink(&mut self) {
        let results = self.find(|entry| matches!(entry, Entry::Result(_)));
        let Some((_, Entry::Result(result))) = results.last() else {
            panic!("no result");
        };
        let opens = self.find(|entry| matches!(entry, Entry::RoundOpen(_)));
        let Some((at, Entry::RoundOpen(open))) = opens.last() else {
            panic!("no opening");
        };
        let mut open = open.clone();
        open.state = result.next_state;
        open.last_result = Entry::Result(result.clone()).hash();
        self.entries[*at] = Entry::RoundOpen(open).to_bytes();
    }

    /// Writes the log into `log` and the archive into `archive`, over what is there.
    pub(crate) fn write(&self, folder: &Path) {
        let put = |path: String, contents: &[u8]| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        };
        let leaves: Vec<Digest> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let mut levels = vec![leaves];
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
            put(format!("log/{}", tile.path()), &contents);
        }
        put(
            "log/checkpoint".to_owned(),
            self.head().note().as_str().as_bytes(),
        );
        fs::create_dir_all(folder.join("archive/blobs")).unwrap();
        for (path, contents) in &self.files {
            put(format!("archive/{path}"), contents);
        }
    }

    /// The head of the log, cosigned by all banks.
    pub(crate) fn head(&self) -> VerifiedCheckpoint {
        let head = self.signed_head();
        let cosign = |bank| {
            let text = head.note().text();
            let text = if self.forged.contains(&bank) {
                "earlier\n"
            } else {
                text
            };
            let cosignature = Cosignature::sign(&witness_key(bank), text, Timestamp(1_700_000_000));
            (bank, cosignature)
        };
        let cosignatures: Vec<_> = (1..=self.cosigners).map(bank).map(cosign).collect();
        Witnesses::of(&self.consortium.roster).add(&head, &cosignatures)
    }

    /// The head that the log alone has signed.
    pub(crate) fn signed_head(&self) -> VerifiedCheckpoint {
        let leaves: Vec<Digest> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let head = Checkpoint {
            origin: NAME.to_owned(),
            size: leaves.len() as u64,
            root: root_of(&leaves),
        };
        let key = &self.consortium.log_key;
        let signed = head.sign(&self.consortium.verifier_key(), |bytes| key.sign_bytes(bytes).0);
        signed.unwrap()
    }

    /// A receipt for entry `index` under the head.
    pub(crate) fn receipt(&self, index: usize) -> HeldReceipt {
        let leaves: Vec<Digest> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let proof = InclusionProof::build(&leaves, index as u64).unwrap();
        let receipt = Receipt::new(self.entries[index].clone(), proof, self.head().note().clone());
        HeldReceipt {
            name: "bank-2's".to_owned(),
            file: receipt.to_text().into_bytes(),
        }
    }

    /// Writes everything and hands the folder and the audit of it to `then`.
    pub(crate) fn on_disk<T>(&self, then: impl FnOnce(&Path, Audit) -> T) -> T {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path());
        let audit = Audit {
            log: folder.path().join("log"),
            key: self.consortium.verifier_key(),
            rosters: self.pinned.clone(),
            archive: Some(folder.path().join("archive")),
        };
        then(folder.path(), audit)
    }

    pub(crate) fn audit(&self) -> Report {
        self.on_disk(|_, audit| verify_against(&audit, &self.known, |_| ()).unwrap().report)
    }

    pub(crate) fn tell(&self, round: u64) -> Told {
        self.on_disk(|_, audit| tell_round(&audit, round).unwrap())
    }
}

pub(crate) fn blob_path(hash: &Digest) -> String {
    let hex = hash.to_hex();
    format!("blobs/{}/{hex}", &hex[..2])
}
