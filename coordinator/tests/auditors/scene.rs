//! A consortium of three banks with a log and an archive, and its server.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};
use tokio::sync::oneshot;
use veilsum_admission::keyfile;
use veilsum_coordinator::config::{Auditors, Config};
use veilsum_coordinator::engine::ports::{Blobs as _, Ledger as _};
use veilsum_coordinator::enrol::ca::Authority;
use veilsum_coordinator::enrol::init::{InitOptions, init};
use veilsum_coordinator::enrol::revoked::RevokedList;
use veilsum_coordinator::enrol::roster::enrol;
use veilsum_coordinator::https::{Folders, Running, Server};
use veilsum_coordinator::ledger::{Archive, StoredLedger};
use veilsum_coordinator::store::sled::SledStore;
use veilsum_coordinator::transport::{Seats, ServerIdentity};
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::crypto::signing::{Signature, SigningKey};
use veilsum_protocol::enrolment::{EnrolmentRequest, REQUEST_VERSION, ReaderRequest, Role, proof_message};
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round};
use veilsum_protocol::log::entry::{Entry, RoundResult};
use veilsum_protocol::roster::Roster;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::wire::canonical::Canonical as _;

/// Bytes of a masked vector: more than all sockets between server and reader hold.
const VECTOR: usize = 12 << 20;

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
    /// For curl.
    pub(crate) files: (PathBuf, PathBuf),
}

impl Identity {
    fn new(folder: &Path, name: &str, certificate_pem: &str, key: &KeyPair) -> Self {
        let files = (
            folder.join(format!("{name}.crt.pem")),
            folder.join(format!("{name}.key.pem")),
        );
        fs::write(&files.0, certificate_pem).unwrap();
        fs::write(&files.1, key.serialize_pem()).unwrap();
        Self {
            certificate: CertificateDer::from_pem_slice(certificate_pem.as_bytes()).unwrap(),
            key: key.serialize_der().into(),
            files,
        }
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key().into()
    }
}

/// What stands in the archive.
pub(crate) struct Contents {
    /// What auditors may read: each by what it is.
    pub(crate) named: Vec<(&'static str, Vec<u8>)>,
    /// What is among the blobs and no business of theirs, or not yet.
    pub(crate) unnamed: Vec<(&'static str, Vec<u8>)>,
}

pub(crate) struct Scene {
    scratch: tempfile::TempDir,
    pub(crate) config: Config,
    pub(crate) consortium: Consortium,
    pub(crate) roster: Arc<Roster>,
    pub(crate) bank: Identity,
    pub(crate) firm: Identity,
    pub(crate) contents: Contents,
    ledger: StoredLedger<SledStore>,
    archive: Archive,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let dir = scratch.path().join("consortium");
        let options = InitOptions {
            name: "demo".to_owned(),
            listen: "127.0.0.1:7443".parse().unwrap(),
            hosts: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            dir: dir.clone(),
            days: 90,
        };
        init(&options, now).unwrap();
        let keys: Vec<KeyPair> = (0..4).map(|_| KeyPair::generate().unwrap()).collect();
        let mut requests = vec![auditor_request(scratch.path(), "firm", &keys[0])];
        for (seed, key) in (1u8..).zip(&keys[1..]) {
            requests.push(bank_request(scratch.path(), &format!("bank-{seed}"), key, seed));
        }
        enrol(&dir, &requests, 30, now).unwrap();
        let config = Config::load(&dir.join("coordinator.toml"), []).unwrap();
        let text = fs::read_to_string(dir.join("consortium.toml")).unwrap();
        let (consortium, roster) = Consortium::from_toml(&text).unwrap();
        let identity = |name: &str, file: &str, key: &KeyPair| {
            let pem = fs::read_to_string(dir.join("admissions").join(file)).unwrap();
            Identity::new(scratch.path(), name, &pem, key)
        };
        let firm = identity("firm", "auditors/firm/auditor.crt.pem", &keys[0]);
        let bank = identity("bank", "bank-1/bank.crt.pem", &keys[1]);

        let store = SledStore::open(&config.folders.data.join("store")).unwrap();
        let log_key = keyfile::read_pkcs8(&config.identity.log_key).unwrap();
        let log_key = SigningKey::from_pkcs8(&log_key).unwrap();
        let ledger = StoredLedger::open(store, &config.folders.log, &consortium.log_key, log_key).unwrap();
        let archive = Archive::open(&config.folders.data).unwrap();
        let mut scene = Self {
            scratch,
            config,
            consortium,
            roster: Arc::new(roster),
            bank,
            firm,
            contents: Contents {
                named: Vec::new(),
                unnamed: Vec::new(),
            },
            ledger,
            archive,
        };
        scene.play();
        scene
    }

    /// What a task with one round leaves, and what a second round has left so far, which nothing in the log names yet.
    fn play(&mut self) {
        let text = b"the text of a task".to_vec();
        let directory = b"the keys of an epoch".to_vec();
        let bundle = b"sealed shares".to_vec();
        let masked: Vec<u8> = (0..VECTOR)
            .map(|byte| u8::try_from(byte % 251).unwrap())
            .collect();
        let release = b"released shares".to_vec();
        let sum = b"a packed sum".to_vec();
        let signature = Signature([7; 64]);
        let bank = BankIndex::new(1).unwrap();
        let round = Round(1);
        let state = b"a state that whoever has the sum derives".to_vec();
        let result = RoundResult {
            round,
            open: Digest::of(b"opening"),
            kind: RoundKind::Train,
            step: 0,
            sum: Digest::of(&sum),
            survivors: 3,
            weight: 3,
            next_state: Digest::of(&state),
            metrics: None,
        };
        let mut entries = vec![
            Entry::from(&*self.roster),
            Entry::Task {
                name: "credit".to_owned(),
                task: Digest::of(&text),
            },
            Entry::KeyDirectory {
                epoch: Epoch(1),
                roster: Digest::of(b"roster"),
                directory: Digest::of(&directory),
                first_round: round,
            },
            Entry::Cohort {
                round,
                banks: vec![bank],
            },
            Entry::Masked {
                round,
                bank,
                hash: Digest::of(&masked),
                length: masked.len() as u64,
                signature,
            },
            Entry::Release {
                round,
                bank,
                body: Digest::of(&release),
            },
            Entry::Result(result),
        ];
        // More than one full bundle of entries.
        entries.extend((0..600).map(|number| Entry::Ack {
            round,
            bank,
            state: Digest::of(&[u8::try_from(number % 256).unwrap()]),
            signature,
        }));
        let named = vec![
            ("task text", text),
            ("directory", directory),
            ("bundle", bundle),
            ("masked vector", masked),
            ("release", release),
            ("sum", sum),
        ];
        let unnamed = vec![
            ("state", state),
            (
                "bundle of a round without a cohort",
                b"the next sealed shares".to_vec(),
            ),
            (
                "masked vector that is not logged",
                b"the next masked vector".to_vec(),
            ),
        ];
        for (_, bytes) in named.iter().chain(&unnamed) {
            self.archive.put(bytes).unwrap();
        }
        let index = |bytes: &[u8]| BTreeMap::from([(bank, Digest::of(bytes))]);
        self.archive
            .index_bundles(round, &index(b"sealed shares"))
            .unwrap();
        self.archive
            .index_bundles(Round(2), &index(b"the next sealed shares"))
            .unwrap();
        self.append(&entries);
        self.contents = Contents { named, unnamed };
    }

    /// Logs entries and publishes the head, as the engine does when banks have cosigned it.
    pub(crate) fn append(&mut self, entries: &[Entry]) {
        let entries = entries.iter().map(|entry| entry.to_bytes()).collect();
        self.ledger.commit(Vec::new(), Vec::new(), entries).unwrap();
        let head = self.ledger.head().unwrap().clone();
        self.ledger.publish(head).unwrap();
    }

    pub(crate) fn log_size(&self) -> u64 {
        self.ledger.log_size()
    }

    /// A place for what a test makes.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.scratch.path().join("consortium")
    }

    /// Another auditor, who is on the list.
    pub(crate) fn auditor(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let request = auditor_request(self.scratch.path(), name, &key);
        enrol(&self.dir(), &[request], 30, OffsetDateTime::now_utc()).unwrap();
        let file = self
            .dir()
            .join(format!("admissions/auditors/{name}/auditor.crt.pem"));
        Identity::new(
            self.scratch.path(),
            name,
            &fs::read_to_string(file).unwrap(),
            &key,
        )
    }

    /// A certificate for `firm`'s place on the list, of this consortium's authority or of another of the same name, issued so many days ago
    /// for 30 days.
    pub(crate) fn issued(&self, foreign: bool, days_ago: i64) -> Identity {
        let then = OffsetDateTime::now_utc() - Duration::days(days_ago);
        let key = KeyPair::from_pem(&fs::read_to_string(&self.firm.files.1).unwrap()).unwrap();
        let authority = if foreign {
            let new = Authority::create("demo", then).unwrap();
            Authority::from_pem(&new.certificate_pem, new.key).unwrap()
        } else {
            let identity = self.dir().join("identity");
            Authority::load(&identity.join("ca.crt.pem"), &identity.join("ca.key.pem")).unwrap()
        };
        let pem = authority
            .issue_reader(Role::Auditor, "firm", &key, 30, then)
            .unwrap();
        Identity::new(self.scratch.path(), "issued", &pem, &key)
    }

    pub(crate) fn server_identity(&self) -> ServerIdentity {
        let files = &self.config.identity;
        ServerIdentity::load(&files.certificate, &files.key, &self.consortium.ca_pem).unwrap()
    }

    /// Starts the server, with these limits.
    pub(crate) fn serve(&self, change: impl FnOnce(&mut Auditors)) -> Serving {
        let mut limits = self.config.auditors.clone();
        change(&mut limits);
        let folders = Folders {
            log: self.config.folders.log.clone(),
            data: self.config.folders.data.clone(),
        };
        let server = Server::bind(
            "127.0.0.1:0".parse().unwrap(),
            &limits,
            &self.server_identity(),
            Seats::of((*self.roster).clone()),
            self.consortium.log_key.clone(),
            folders,
            RevokedList::at(&self.dir()),
        )
        .unwrap();
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = server
            .start(async {
                let _ = stopped.await;
            })
            .unwrap();
        Serving {
            address,
            stop: Some(stop),
            running: Some(running),
        }
    }
}

/// A server, until its test is over.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: Option<Running>,
}

impl Serving {
    pub(crate) fn begin_to_stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) fn wait(&mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.running.take().unwrap().ended());
    }
}

fn bank_request(folder: &Path, name: &str, key: &KeyPair, seed: u8) -> PathBuf {
    let csr = CertificateParams::default().serialize_request(key).unwrap();
    let [signing, witness] =
        [seed, seed + 128].map(|seed| Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap());
    let public = |key: &Ed25519KeyPair| key.public_key().as_ref().try_into().unwrap();
    let message = proof_message(name, &public(&signing), &public(&witness), csr.der());
    let request = EnrolmentRequest {
        version: REQUEST_VERSION,
        name: name.to_owned(),
        signing_public_key: hex::encode(signing.public_key()),
        witness_public_key: hex::encode(witness.public_key()),
        proof: hex::encode(signing.sign(&message)),
        witness_proof: hex::encode(witness.sign(&message)),
        csr: csr.pem().unwrap(),
    };
    let path = folder.join(format!("{name}.request.toml"));
    fs::write(&path, toml::to_string(&request).unwrap()).unwrap();
    path
}

fn auditor_request(folder: &Path, name: &str, key: &KeyPair) -> PathBuf {
    let params = CertificateParams::new([format!("{name}.{}", Role::Auditor.domain())]).unwrap();
    let request = ReaderRequest {
        version: REQUEST_VERSION,
        role: Role::Auditor,
        name: name.to_owned(),
        csr: params.serialize_request(key).unwrap().pem().unwrap(),
    };
    let path = folder.join(format!("{name}.request.toml"));
    fs::write(&path, toml::to_string(&request).unwrap()).unwrap();
    path
}
