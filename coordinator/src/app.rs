//! The daemon put together: the one place that names concrete backends.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use veilsum_admission::keyfile;
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::enrolment::Role;
use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::wire::message::{Rejection, ToBank, ToCoordinator};
use veilsum_protocol::wire::stream::Rejected;

use crate::admin;
use crate::config::Config;
use crate::engine::driver::{Engine, Input, Parts, SOFTWARE, Upload};
use crate::engine::gate::Gate;
use crate::enrol::desk::Desk;
use crate::enrol::readers::Readers;
use crate::enrol::revoked::RevokedList;
use crate::enrol::{EnrolError, inspect};
use crate::formation;
use crate::history::History;
use crate::https;
use crate::ledger::{Archive, StoredLedger};
use crate::membership::Members;
use crate::metrics::Meters;
use crate::own_certificate::OwnCertificate;
use crate::page::{self, Office};
use crate::store::sled::SledStore;
use crate::store_copy;
use crate::transport::{
    Inbound, Listener, PublicBlobs, Seats, ServerIdentity, Services, SessionHandle, TransportError,
    UploadGate, Uploaded,
};

/// Inputs that may wait for the engine; when there are more, banks wait.
const INPUTS: usize = 1024;

/// How long the banks may take to agree on the keys of an epoch, in seconds: a few messages back and forth.
const SET_UP_LIMIT_S: u32 = 60;

/// Why the daemon did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Something in its configuration or identity is wrong.
    #[error("{0}")]
    Configuration(String),
    /// Its disk or its network failed.
    #[error("{0}")]
    Failure(String),
}

pub(crate) fn configuration(error: impl ToString) -> RunError {
    RunError::Configuration(error.to_string())
}

fn failure(error: impl ToString) -> RunError {
    RunError::Failure(error.to_string())
}

impl From<TransportError> for RunError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Identity(_) | TransportError::Tls(_) => configuration(error),
            TransportError::Bind { .. } | TransportError::Spool { .. } => failure(error),
        }
    }
}

/// Runs the coordinator until SIGTERM or SIGINT. Before there is a roster it serves enrolment alone, and goes on when there is one.
///
/// # Errors
/// [`RunError`], in words for the operator.
pub fn run(dir: &Path, config: &Config) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failure)?;
    let result = runtime.block_on(async {
        match formation::wait(dir, config, signal()).await? {
            formation::Ended::Stopped => Ok(()),
            formation::Ended::Formed => serve(dir, config).await,
        }
    });
    // A summation that is still running is done again at the next start.
    runtime.shutdown_background();
    result
}

/// The text of the consortium file.
pub(crate) fn consortium_text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| {
        format!(
            "{}: {error}; every bank has the same file: copy it back from one, or set identity.consortium",
            path.display()
        )
    })
}

/// Reads the consortium file.
///
/// # Errors
/// What is wrong with it, in words, with its path.
pub fn read_consortium(config: &Config) -> Result<(Consortium, Roster), String> {
    let path = &config.identity.consortium;
    let text = consortium_text(path)?;
    Consortium::from_toml(&text).map_err(|error| format!("{}: {error}", path.display()))
}

pub(crate) fn read_log_key(config: &Config, verifier: &VerifierKey) -> Result<SigningKey, String> {
    let path = &config.identity.log_key;
    let key = keyfile::read_pkcs8(path).map_err(|error| EnrolError::from(error).to_string())?;
    let key = SigningKey::from_pkcs8(&key).map_err(|error| format!("{}: {error}", path.display()))?;
    if key.verifying_key().0 != *verifier.public_key() {
        return Err(format!(
            "{}: it is not the key of {verifier}, which every bank has in consortium.toml; put that key back",
            path.display()
        ));
    }
    Ok(key)
}

fn read_identity(config: &Config, consortium: &Consortium) -> Result<ServerIdentity, EnrolError> {
    let identity = &config.identity;
    ServerIdentity::load(&identity.certificate, &identity.key, &consortium.ca_pem)
}

/// Everything in the files that the configuration names with which the daemon would not start.
pub fn problems(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    // Before the first roster there is nothing wrong with a file without banks.
    let text = consortium_text(&config.identity.consortium).ok();
    let consortium = match text.as_deref().and_then(formation::without_banks) {
        Some(consortium) => Ok(consortium),
        None => read_consortium(config).map(|(consortium, _)| consortium),
    };
    match consortium {
        Err(problem) => problems.push(problem),
        Ok(consortium) => {
            problems.extend(read_log_key(config, &consortium.log_key).err());
            problems.extend(
                check_certificate(config, &consortium)
                    .err()
                    .map(|error| error.to_string()),
            );
            problems.extend(
                read_identity(config, &consortium)
                    .err()
                    .map(|error| error.to_string()),
            );
        }
    }
    if config.auditors.listen.is_some() {
        problems.extend(
            Readers::load(Role::Auditor, &config.auditors.admitted)
                .err()
                .map(|error| error.to_string()),
        );
    }
    // A certificate that cannot be read is told by both that read it.
    problems.dedup();
    problems
}

async fn serve(dir: &Path, config: &Config) -> Result<(), RunError> {
    let (consortium, roster) = read_consortium(config).map_err(RunError::Configuration)?;
    let verifier = consortium.log_key.clone();
    let key = read_log_key(config, &verifier).map_err(RunError::Configuration)?;
    let certificate = check_certificate(config, &consortium)?;
    let expires = certificate.not_after;
    let identity = read_identity(config, &consortium).map_err(configuration)?;
    let (stopped, stop) = tokio::sync::watch::channel(false);
    // Before the store is read, which takes a while where the log is long: whoever asks hears that the daemon starts.
    let meters = Meters::new(
        config.folders.data.clone(),
        config.folders.log.clone(),
        expires,
        time::OffsetDateTime::now_utc().unix_timestamp(),
    );
    let office = open_office(dir, config, &identity, &meters, &verifier, expires, &stop)?;

    let store = SledStore::open(&config.folders.data.join("store")).map_err(failure)?;
    store_copy::forget_in(&config.folders.data).map_err(failure)?;
    let ledger = StoredLedger::open(store, &config.folders.log, &verifier, key).map_err(failure)?;
    let archive = Arc::new(Archive::open(&config.folders.data).map_err(failure)?);
    let gate = Arc::new(Gate::default());
    let (inputs, engine_inputs) = mpsc::channel(INPUTS);
    // The engine knows from the log whether the file is behind it.
    let seats = Seats::of(roster.clone());
    let file = config.identity.consortium.clone();
    let members = Members::new(Arc::clone(&seats), file, consortium.clone());
    let mut engine = Engine::recover(Parts {
        ledger,
        blobs: Arc::clone(&archive) as Arc<_>,
        roster,
        membership: Arc::new(members),
        gate: Arc::clone(&gate),
        reconnect_grace_s: config.reconnect_grace_s,
        set_up_limit_s: SET_UP_LIMIT_S,
        inputs: inputs.clone(),
    })
    .map_err(failure)?;
    engine.observed_by(Box::new(meters.clone()));

    let enrolment = Desk::new(dir).renewing(config.enrolment.renewal);
    let listener = Listener::bind(config.listen, &identity, &config.limits, enrolment)?;
    let address = listener.local_addr().map_err(failure)?;
    let desk = admin::Desk {
        inputs: inputs.clone(),
        feed: engine.feed(),
        login: login(office.as_ref()),
        data: config.folders.data.clone(),
    };
    let admin = admin::serve(&config.folders.data, desk).map_err(|error| {
        failure(format!(
            "{}: {error}; the operator's socket needs a folder that has sockets, and a path of at most 107 bytes: set folders.data",
            config.folders.data.join(admin::SOCKET).display()
        ))
    })?;
    // Whoever reads that it serves may stop it.
    let signalled = signal();
    tracing::info!(
        "{SOFTWARE} serves {} banks of {} on {address}, UDP and TCP",
        seats.roster().banks().len(),
        consortium.name
    );

    let reading = bind_for_auditors(dir, config, &identity, &seats, verifier)?;
    let services = Services {
        seats,
        gate: Arc::new(Door(gate)),
        blobs: Arc::new(Shelf(archive, meters.clone())),
        spool: config.folders.data.join("spool"),
    };
    let (inbound, network) = mpsc::channel(INPUTS);
    tokio::spawn(admin);
    let told = office.as_ref().map(|(office, _)| Arc::clone(office));
    let own = OwnCertificate {
        dir: dir.to_owned(),
        files: config.identity.clone(),
        policy: config.enrolment.renewal,
        server_name: consortium.server_name.clone(),
        expires: Arc::new(move |at| {
            meters.certificate_expires(at);
            if let Some(office) = &told {
                office.certificate_expires(at);
            }
        }),
    };
    tokio::spawn(own.keep(identity, certificate));
    if let Some((office, _)) = &office {
        office.opens(inputs.clone(), engine.feed());
    }
    tokio::spawn(forward(network, inputs));
    let reading = reading
        .map(|server| server.start(until(stop.clone())))
        .transpose()
        .map_err(failure)?;
    let network =
        tokio::spawn(listener.serve::<ToCoordinator, ToBank>(services, inbound, until(stop.clone())));
    let mut engine = tokio::spawn(engine.run(engine_inputs, until(stop)));
    let ended = tokio::select! {
        ended = &mut engine => Some(ended),
        () = signalled => None,
    };
    tracing::info!("stopping; an open round stays in the journal and goes on at the next start");
    if let Some((office, _)) = &office {
        office.closes();
    }
    let _ = stopped.send(true);
    let engine = match ended {
        Some(ended) => ended,
        None => engine.await,
    };
    let network = network.await.map_err(failure)?;
    if let Some(reading) = reading {
        reading.ended().await;
    }
    engine.map_err(failure)?.map_err(failure)?;
    Ok(network?)
}

/// The operator's page, and its address on this machine, if it has one.
type Opened = (Arc<Office>, Option<SocketAddr>);

/// The operator's page, where one is wanted. It is served until `stop` is true.
fn open_office(
    dir: &Path,
    config: &Config,
    identity: &ServerIdentity,
    meters: &Meters,
    log_key: &VerifierKey,
    expires: i64,
    stop: &tokio::sync::watch::Receiver<bool>,
) -> Result<Option<Opened>, RunError> {
    let wanted = &config.operator;
    let taken = |key: &str, address: SocketAddr, error: &dyn std::fmt::Display| {
        failure(format!(
            "cannot listen on TCP {address}: {error}; stop the program that has the port, or set another {key} in coordinator.toml"
        ))
    };
    let server = match wanted.listen {
        None => None,
        Some(address) => Some(
            page::Server::bind(address, wanted.max_connections)
                .map_err(|error| taken("operator.listen", address, &error))?,
        ),
    };
    let door = match wanted.secure_listen {
        None => None,
        Some(address) => {
            let operators = page::Operators {
                admitted: wanted.admitted.clone(),
                revoked: RevokedList::at(dir),
            };
            Readers::load(Role::Operator, &wanted.admitted).map_err(configuration)?;
            let door = page::Door::bind(address, identity, operators, wanted.max_connections);
            Some(door.map_err(|error| match error {
                TransportError::Bind { error, .. } => taken("operator.secure_listen", address, &error),
                other => other.into(),
            })?)
        }
    };
    let local = |address: std::io::Result<SocketAddr>| address.map_err(failure);
    let here = server
        .as_ref()
        .map(|server| local(server.local_addr()))
        .transpose()?;
    let there = door.as_ref().map(|door| local(door.local_addr())).transpose()?;
    let Some(first) = here.or(there) else {
        return Ok(None);
    };
    let history = History::new(config.folders.log.clone(), log_key.clone());
    let office = Office::new(wanted.session_s, first.port(), meters.clone(), history, expires);
    if let (Some(server), Some(address)) = (server, here) {
        let (served, stop) = (Arc::clone(&office), until(stop.clone()));
        tokio::spawn(async move {
            if let Err(error) = server.serve(served, stop).await {
                tracing::error!(%error, "the operator's page is not served any more");
            }
        });
        tracing::info!(
            "the operator's page is at http://{address}; `veilsum-coordinator page` lets a browser in. Metrics are at http://{address}/metrics"
        );
    }
    if let (Some(door), Some(address)) = (door, there) {
        let (served, stop) = (Arc::clone(&office), until(stop.clone()));
        tokio::spawn(async move {
            if let Err(error) = door.serve(served, stop).await {
                tracing::error!(%error, "operators on other machines are not served any more");
            }
        });
        tracing::info!(
            "operators on other machines have the page at {address} (TLS) with `veilsum-coordinator operator page`"
        );
    }
    Ok(Some((office, here)))
}

/// What the operator's socket answers who wants to come in.
fn login(office: Option<&Opened>) -> admin::Login {
    let here = office.and_then(|(office, here)| Some((Arc::clone(office), (*here)?)));
    Arc::new(move || {
        let (office, address) = here.as_ref().ok_or(
            "this coordinator serves no page on this machine; set operator.listen in coordinator.toml, such as \"127.0.0.1:7480\", and start it again",
        )?;
        Ok(format!("http://{address}/login?word={}", office.link()?))
    })
}

/// The server for auditors, where one is wanted.
fn bind_for_auditors(
    dir: &Path,
    config: &Config,
    identity: &ServerIdentity,
    seats: &Arc<Seats>,
    log_key: VerifierKey,
) -> Result<Option<https::Server>, RunError> {
    let Some(address) = config.auditors.listen else {
        return Ok(None);
    };
    let list = Readers::load(Role::Auditor, &config.auditors.admitted).map_err(configuration)?;
    let folders = https::Folders {
        log: config.folders.log.clone(),
        data: config.folders.data.clone(),
    };
    let server = https::Server::bind(
        address,
        &config.auditors,
        identity,
        Arc::clone(seats),
        log_key,
        folders,
        RevokedList::at(dir),
    )?;
    tracing::info!(
        "log and archive are at https://{}, for {} auditors and the banks",
        server.local_addr().map_err(failure)?,
        list.list().len()
    );
    Ok(Some(server))
}

/// Finds out before the first bank does whether banks accept the coordinator's certificate, and tells what it says.
pub(crate) fn check_certificate(
    config: &Config,
    consortium: &Consortium,
) -> Result<inspect::CertificateFacts, RunError> {
    let path = &config.identity.certificate;
    let named = |problem: String| {
        configuration(format!(
            "{}: {problem}; `veilsum-coordinator renew` issues one",
            path.display()
        ))
    };
    let pem = std::fs::read(path).map_err(|error| named(error.to_string()))?;
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let ca = consortium.ca_pem.as_bytes();
    inspect::verify_server(&pem, ca, &consortium.server_name, now).map_err(named)
}

async fn until(mut stop: tokio::sync::watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits for SIGTERM or SIGINT; they are caught from the call on.
fn signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let caught = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async {
        let (Ok(mut terminate), Ok(mut interrupt)) = caught else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// Hands what the transport tells to the engine, in its own words.
async fn forward(mut network: mpsc::Receiver<Inbound<ToCoordinator, ToBank>>, inputs: mpsc::Sender<Input>) {
    while let Some(inbound) = network.recv().await {
        let input = match inbound {
            Inbound::Connected { bank, session } => {
                Input::Connected(bank, session.id, Box::new(Outlet(session)))
            }
            Inbound::Message {
                bank,
                session,
                message,
                room,
            } => Input::Message(bank, session, Box::new(message), Box::new(room)),
            Inbound::Disconnected { bank, session } => Input::Disconnected(bank, session),
            Inbound::Uploaded(uploaded) => Input::Uploaded(upload(uploaded)),
        };
        if inputs.send(input).await.is_err() {
            return;
        }
    }
}

fn upload(uploaded: Uploaded) -> Upload {
    let (answer, decided) = tokio::sync::oneshot::channel::<Result<(), Rejection>>();
    tokio::spawn(async move {
        let answered = match decided.await {
            Ok(result) => result.map_err(|rejection| rejected(&rejection)),
            Err(_) => Err(Rejected::new(Rejected::TRY_AGAIN, "the coordinator is stopping")),
        };
        // The bank may have gone; it asks again.
        let _ = uploaded.answer.send(answered);
    });
    Upload {
        bank: uploaded.bank,
        round: uploaded.round,
        path: uploaded.path,
        length: uploaded.length,
        hash: uploaded.sha256,
        trailer: uploaded.trailer,
        answer,
    }
}

fn rejected(rejection: &Rejection) -> Rejected {
    Rejected::new(rejection.check.number(), rejection.to_string())
}

struct Outlet(SessionHandle<ToBank>);

impl crate::engine::sessions::Outlet for Outlet {
    fn goes_by(&self, roster: &Digest) -> bool {
        self.0.roster == *roster
    }

    fn send(&self, message: ToBank) -> bool {
        self.0.send(message).is_ok()
    }
}

struct Door(Arc<Gate>);

impl UploadGate for Door {
    fn expected(&self, bank: BankIndex, round: Round) -> Result<u64, Rejected> {
        self.0
            .expected(bank, round)
            .map_err(|rejection| rejected(&rejection))
    }
}

struct Shelf(Arc<Archive>, Meters);

impl PublicBlobs for Shelf {
    fn open(&self, hash: Digest) -> Option<(std::fs::File, u64)> {
        let (file, length) = self.0.open_published(&hash)?;
        self.1.fetched(length);
        Some((file, length))
    }
}
