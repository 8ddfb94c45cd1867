//! A consortium of three banks that were enrolled as an operator does it, and a coordinator that listens.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rcgen::KeyPair;
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use veilsum_admission::keyfile::read_pkcs8;
use veilsum_client::config::{Config as BankConfig, Link as LinkConfig, LinkTransport};
use veilsum_client::egress::Ledger;
use veilsum_client::transport::{Event, Link, LinkOptions, Positions, Way, start};
use veilsum_coordinator::config::{Config, Limits};
use veilsum_coordinator::enrol::ca::Authority;
use veilsum_coordinator::enrol::desk::Desk;
use veilsum_coordinator::enrol::init::{Folder, InitOptions, init};
use veilsum_coordinator::enrol::roster::enrol;
use veilsum_coordinator::transport::{
    Inbound, Listener, PublicBlobs, Seats, ServerIdentity, Services, SessionHandle, TransportError,
    UploadGate,
};
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::roster::Roster;
use veilsum_protocol::wire::outbound::{Departure, OutboundKind};
use veilsum_protocol::wire::stream::Rejected;
pub(crate) use veilsum_tests::peer::soon;

pub(crate) type FromBank = Inbound<String, String>;

pub(crate) fn bank(position: u16) -> BankIndex {
    BankIndex::new(position).unwrap()
}

/// Files and keys of a consortium with `bank-1` to `bank-3`.
pub(crate) struct Scene {
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) roster: Arc<Roster>,
    pub(crate) consortium: Consortium,
    folder: Folder,
    limits: Limits,
    way: LinkTransport,
}

impl Scene {
    /// Its banks' links go one way only, or choose.
    pub(crate) fn over(way: LinkTransport) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("coordinator");
        let now = OffsetDateTime::now_utc();
        let options = InitOptions {
            name: "demo".to_owned(),
            listen: "127.0.0.1:7443".parse().unwrap(),
            hosts: vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
            dir: dir.clone(),
            days: 90,
        };
        init(&options, now).unwrap();
        let requests: Vec<_> = (1..=3)
            .map(|position| {
                let name = format!("bank-{position}");
                veilsum_client::enrol::init::init(&name, &scratch.path().join(&name))
                    .unwrap()
                    .request
            })
            .collect();
        for admission in enrol(&dir, &requests, 30, now).unwrap().admitted {
            for file in ["bank.crt.pem", "consortium.toml"] {
                fs::copy(
                    admission.folder.join(file),
                    scratch.path().join(&admission.name).join(file),
                )
                .unwrap();
            }
        }
        let folder = Folder::at(&dir);
        let limits = Config::load(&folder.config(), []).unwrap().limits;
        let (consortium, roster) =
            Consortium::from_toml(&fs::read_to_string(folder.consortium()).unwrap()).unwrap();
        Self {
            scratch,
            roster: Arc::new(roster),
            consortium,
            folder,
            limits,
            way,
        }
    }

    pub(crate) fn limits(&mut self) -> &mut Limits {
        &mut self.limits
    }

    pub(crate) fn identity(&self) -> ServerIdentity {
        let (certificate, key) = (
            self.folder.identity("server.crt.pem"),
            self.folder.identity("server.key.pem"),
        );
        ServerIdentity::load(&certificate, &key, &self.consortium.ca_pem).unwrap()
    }

    /// What the link of a bank needs to reach `address`.
    pub(crate) fn options(&self, position: u16, address: SocketAddr) -> LinkOptions {
        let name = format!("bank-{position}");
        let config = BankConfig::load(&self.scratch.path().join(&name).join("bank.toml"), []).unwrap();
        LinkOptions {
            address: address.to_string(),
            server_name: self.consortium.server_name.clone(),
            ca_pem: self.consortium.ca_pem.clone().into_bytes(),
            certificate: fs::read(&config.identity.certificate).unwrap().into(),
            key_pkcs8: read_pkcs8(&config.identity.key).unwrap(),
            positions: Positions::of([bank(position)]),
            limits: LinkConfig {
                transport: self.way,
                ..config.link
            },
            proxy: None,
            memory: None,
            seed: position.into(),
            ledger: Ledger::in_memory(),
        }
    }

    /// A certificate of this consortium for a new key that no roster has, valid for `days` from `from`.
    pub(crate) fn stranger(&self, address: SocketAddr, from: OffsetDateTime, days: u32) -> LinkOptions {
        let ca = Authority::load(
            &self.folder.identity("ca.crt.pem"),
            &self.folder.identity("ca.key.pem"),
        )
        .unwrap();
        let key = KeyPair::generate().unwrap();
        let mut options = self.options(1, address);
        let issued = ca.issue_bank("stranger", &key, days, from).unwrap();
        options.certificate = issued.into_bytes().into();
        options.key_pkcs8 = key.serialize_der().into();
        options
    }

    pub(crate) fn desk(&self) -> Desk {
        Desk::new(&self.scratch.path().join("coordinator"))
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.scratch.path().join("spool")
    }

    pub(crate) fn listen(&self) -> Server {
        self.listen_on("127.0.0.1:0".parse().unwrap())
    }

    pub(crate) fn listen_on(&self, address: SocketAddr) -> Server {
        let listener = Listener::bind(address, &self.identity(), &self.limits, self.desk()).unwrap();
        let address = listener.local_addr().unwrap();
        let seats = Seats::of((*self.roster).clone());
        let gate = Arc::new(Gate::default());
        let blobs = Arc::new(Shelf::default());
        let (inbound, events) = mpsc::channel(16);
        let (stop, stopped) = oneshot::channel::<()>();
        let services = Services {
            seats: Arc::clone(&seats),
            gate: Arc::clone(&gate) as _,
            blobs: Arc::clone(&blobs) as _,
            spool: self.spool(),
        };
        let task = tokio::spawn(listener.serve::<String, String>(services, inbound, async {
            let _ = stopped.await;
        }));
        Server {
            address,
            events,
            seats,
            gate,
            blobs,
            sessions: Vec::new(),
            stop: Some(stop),
            task,
        }
    }
}

/// A coordinator's listener with a test for its engine.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) events: mpsc::Receiver<FromBank>,
    pub(crate) seats: Arc<Seats>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) blobs: Arc<Shelf>,
    /// Kept, because a session ends when nobody holds its handle.
    sessions: Vec<SessionHandle<String>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), TransportError>>,
}

impl Server {
    pub(crate) async fn next(&mut self) -> FromBank {
        let event = soon(self.events.recv()).await.expect("the listener has stopped");
        if let Inbound::Connected { session, .. } = &event {
            self.sessions.push(session.clone());
        }
        event
    }

    pub(crate) async fn stop(mut self) {
        self.stop.take();
        soon(self.task).await.unwrap().unwrap();
    }
}

/// Expects the length that was set for a round, of any bank.
#[derive(Default)]
pub(crate) struct Gate(pub(crate) Mutex<HashMap<Round, u64>>);

impl UploadGate for Gate {
    fn expected(&self, _: BankIndex, round: Round) -> Result<u64, Rejected> {
        self.0
            .lock()
            .unwrap()
            .get(&round)
            .copied()
            .ok_or_else(|| Rejected::new(100, "no such round"))
    }
}

/// Serves whatever file was put under a hash, right or wrong.
#[derive(Default)]
pub(crate) struct Shelf(pub(crate) Mutex<HashMap<Digest, PathBuf>>);

impl PublicBlobs for Shelf {
    fn open(&self, hash: Digest) -> Option<(fs::File, u64)> {
        let path = self.0.lock().unwrap().get(&hash)?.clone();
        let file = fs::File::open(path).unwrap();
        let length = file.metadata().unwrap().len();
        Some((file, length))
    }
}

/// A bank's link with a test for its engine.
pub(crate) struct Bank {
    pub(crate) link: Link<String>,
    pub(crate) events: mpsc::Receiver<Event<String>>,
}

impl Bank {
    pub(crate) fn start(options: LinkOptions) -> Self {
        // What the test says stands for the first message of a bank.
        let (link, events) = start(options, |_| Departure::of(OutboundKind::Hello)).unwrap();
        Self { link, events }
    }

    pub(crate) async fn next(&mut self) -> Event<String> {
        soon(self.events.recv()).await.expect("the link has ended")
    }
}

pub(crate) async fn up(bank: &mut Bank) -> Way {
    match bank.next().await {
        Event::Up(way) => way,
        other => panic!("{other:?}"),
    }
}

/// Runs tests that take a way, over QUIC and over TCP.
macro_rules! over_both {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            use veilsum_client::config::LinkTransport;

            #[tokio::test]
            async fn quic() {
                super::$name(LinkTransport::Quic).await;
            }

            #[tokio::test]
            async fn tcp() {
                super::$name(LinkTransport::Tcp).await;
            }
        })+
    };
}
pub(crate) use over_both;
