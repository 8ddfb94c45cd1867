//! A bank put together from its folder: configuration, consortium, identity, data; and the daemon that runs on it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use veilsum_admission::keyfile::{self, KeyFileError};
use veilsum_protocol::consortium::{Consortium, ConsortiumError};
use veilsum_protocol::crypto::entropy::{Entropy as _, SystemEntropy};
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::ids::{BankIndex, Timestamp};
use veilsum_protocol::roster::Roster;
use veilsum_protocol::round::participant::Pinned;
use veilsum_protocol::task::Schema;
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};
use veilsum_settings::ConfigError;
use zeroize::Zeroizing;

use crate::config::{self, Config};
use crate::data::{DataError, DataFiles, Dataset, HoldOut, Room};
use crate::desensitise::PolicySource;
use crate::egress::Ledger;
use crate::enrol::inspect::{self, CertificateFacts};
use crate::enrol::{EnrolError, init};
use crate::page;
use crate::participant::contribution::Source;
use crate::participant::{
    ConsortiumFile, Driver, DriverError, FileError, FolderLock, Home, LockError, Parts, RecoveryError, Say,
    StateFileError, Status, TasksError, Trainer, Voice, restore, unfinished,
};
use crate::renewal::Renewal;
use crate::train::{DeviceChoice, Runtime, RuntimeError};
use crate::transport::{self, DownReason, LinkOptions, Positions, Proxy};

/// Name and version of this program.
pub const SOFTWARE: &str = concat!("veilsum-client ", env!("CARGO_PKG_VERSION"));

/// Which way to the coordinator worked, in the state's folder.
const WAY_FILE: &str = "way.json";

/// The variable with the password for `link.proxy_user`.
const PROXY_PASSWORD: &str = "VEILSUM_PROXY_PASSWORD";

/// Why a bank cannot be put together or its daemon not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of the bank's folder that cannot be read.
    #[error("{}: {error}; {advice}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// The consortium file.
    #[error("{}: {error}; it comes with the admission: take it from there again and compare its SHA-256 with the other banks", path.display())]
    Consortium {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ConsortiumError,
    },
    /// Certificate, key or roster do not go together.
    #[error("{}: {problem}", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// What was found, expected and what to do.
        problem: String,
    },
    /// A private key or the salt.
    #[error(transparent)]
    Key(#[from] EnrolError),
    /// The bank's table or schema, for `preflight`; the daemon goes on without.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The device.
    #[error("[compute] {0}")]
    Runtime(#[from] RuntimeError),
    /// Another daemon.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The daemon's files.
    #[error(transparent)]
    Home(#[from] StateFileError),
    /// A file of the daemon.
    #[error(transparent)]
    Own(#[from] FileError),
    /// The tasks.
    #[error(transparent)]
    Tasks(#[from] TasksError),
    /// The saved state.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The link cannot begin.
    #[error(transparent)]
    Link(#[from] DownReason),
    /// The coordinator was not reached, or did not admit the bank.
    #[error("{0}")]
    Unreachable(DownReason),
    /// The daemon stopped.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The address of the bank's page.
    #[error(
        "cannot listen on TCP {address}: {error}; stop the program that has the port, or set another page.listen in bank.toml"
    )]
    Page {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The system gives no thread, signal or socket.
    #[error("{0}")]
    System(std::io::Error),
}

impl From<KeyFileError> for AppError {
    fn from(error: KeyFileError) -> Self {
        EnrolError::from(error).into()
    }
}

impl AppError {
    /// True if the bank's operator has to correct configuration, identity or data: exit code 2 rather than 1.
    pub fn is_usage(&self) -> bool {
        !matches!(
            self,
            Self::Own(_)
                | Self::Home(StateFileError::File(_))
                | Self::Lock(_)
                | Self::Recovery(_)
                | Self::Tasks(_)
                | Self::Driver(_)
                | Self::Unreachable(_)
                | Self::System(_)
        )
    }
}

/// What `preflight` and the first lines of `run` say of the bank's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFacts {
    /// Rows below the header.
    pub rows: usize,
    /// The rows' labels, in words.
    pub labels: String,
    /// Columns that the model reads.
    pub columns: usize,
}

/// The bank's identity, checked against the consortium.
pub struct BankIdentity {
    /// Position in the roster.
    pub position: BankIndex,
    /// What the certificate says.
    pub certificate: CertificateFacts,
    certificate_pem: Vec<u8>,
    tls_key: Zeroizing<Vec<u8>>,
    signing_key: SigningKey,
    witness_key: SigningKey,
}

/// The configuration of the folder, under the environment.
///
/// # Errors
/// [`AppError::Config`].
pub fn config(dir: &Path) -> Result<Config, AppError> {
    Ok(Config::load(&dir.join(init::CONFIG_FILE), std::env::vars_os())?)
}

/// The pinned consortium with its roster.
///
/// # Errors
/// [`AppError::File`] or [`AppError::Consortium`].
pub fn consortium(config: &Config) -> Result<(Consortium, Roster), AppError> {
    let path = &config.consortium;
    let text = read(
        path,
        "put the consortium file of the admission there, or set `consortium`",
    )?;
    let text = String::from_utf8_lossy(&text);
    Consortium::from_toml(&text).map_err(|error| AppError::Consortium {
        path: path.clone(),
        error,
    })
}

/// The same of a bank that may be in no roster yet: `None` where there is no file, and no daemon has ever run, for which there was one.
///
/// # Errors
/// As [`consortium`]: a file that was there is missed.
pub fn consortium_if_any(config: &Config) -> Result<Option<(Consortium, Roster)>, AppError> {
    let state = Home::state_file(&config.state);
    match consortium(config) {
        Err(AppError::File { error, .. })
            if error.kind() == std::io::ErrorKind::NotFound && matches!(state.try_exists(), Ok(false)) =>
        {
            Ok(None)
        }
        found => found.map(Some),
    }
}

/// What a bank without a consortium file waits for, in words.
pub fn no_consortium(config: &Config) -> String {
    format!(
        "{}: there is no consortium file yet. `veilsum-client enrol INVITATION` writes it once this bank is in a roster; by files, put the consortium.toml of the admission there. `run` needs it, and so do `task show`, `task approve` and `roster`",
        config.consortium.display()
    )
}

/// The bank's keys and certificate: valid now, of this consortium's authority, and those of its place in the roster.
///
/// # Errors
/// [`AppError::File`], [`AppError::Key`] or [`AppError::Identity`].
pub fn identity(config: &Config, consortium: &Consortium, roster: &Roster) -> Result<BankIdentity, AppError> {
    let files = &config.identity;
    let certificate_pem = read(
        &files.certificate,
        "put the certificate of the admission there, or set identity.certificate",
    )?;
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |problem: String| AppError::Identity { path, problem }
    };
    let certificate = inspect::verify(&certificate_pem, consortium.ca_pem.as_bytes(), now())
        .map_err(wrong(&files.certificate))?;
    let tls_key = keyfile::read_pkcs8(&files.key)?;
    let (signing_key, witness_key) = (ed25519(&files.signing_key)?, ed25519(&files.witness_key)?);
    let [signing, witness] = [&signing_key, &witness_key].map(|key| key.verifying_key().0);
    let entry = inspect::own_entry(roster, &config.name, &certificate, &signing, &witness)
        .map_err(wrong(&config.consortium))?;
    Ok(BankIdentity {
        position: entry.index,
        certificate,
        certificate_pem,
        tls_key,
        signing_key,
        witness_key,
    })
}

/// A signing key of the bank.
///
/// # Errors
/// [`AppError::Key`], or [`AppError::Identity`] for a key of another kind.
pub fn ed25519(path: &Path) -> Result<SigningKey, AppError> {
    let document = keyfile::read_pkcs8(path)?;
    SigningKey::from_pkcs8(&document).map_err(|error| AppError::Identity {
        path: path.to_owned(),
        problem: format!("{error}; `init` makes one"),
    })
}

/// libtorch on the configured device.
///
/// # Errors
/// [`AppError::Runtime`].
pub fn runtime(config: &Config) -> Result<Runtime, AppError> {
    let device: DeviceChoice = config.compute.device.parse()?;
    Ok(Runtime::start(device, config.compute.threads)?)
}

/// Where the bank's policy and its key are.
pub fn policy(config: &Config) -> PolicySource {
    PolicySource {
        policy: config.data.policy.clone(),
        is_named: config.data.policy_is_named,
        key: config.identity.desensitise_key.clone(),
    }
}

/// The bank's own schema file.
///
/// # Errors
/// A file that cannot be read, or has a mistake.
pub fn schema(config: &Config) -> Result<Schema, DataError> {
    let path = &config.data.schema;
    let text = std::fs::read_to_string(path).map_err(|source| DataError::Unreadable {
        file: path.clone(),
        source,
        advice: "put the agreed schema there, or set data.schema in bank.toml and start the daemon again",
    })?;
    Schema::parse(&text).map_err(|source| DataError::Schema {
        file: path.clone(),
        source,
    })
}

/// Where the rows are.
pub fn files(config: &Config) -> DataFiles {
    let labels = &config.data.labels;
    DataFiles {
        file: config.data.file.clone(),
        labels: (labels != Path::new("")).then(|| labels.clone()),
    }
}

/// Where the rows are kept once they are read.
pub fn room(config: &Config) -> Room {
    Room {
        memory_bytes: config.data.memory_bytes,
        folder: config.state.clone(),
    }
}

/// Reads the whole table by the bank's own schema file, under its policy.
///
/// # Errors
/// The first thing that does not fit, with file, line and column.
pub fn data(config: &Config) -> Result<DataFacts, DataError> {
    let schema = schema(config)?;
    let rules = policy(config).rules()?;
    // No task says yet how many rows are held out; every row is checked all the same.
    let hold_out = HoldOut::new([0; 32], 0.0);
    let rows = Dataset::read_files(&files(config), &schema, &hold_out, None, &rules, &room(config))?;
    Ok(DataFacts {
        rows: rows.len(),
        labels: rows.labels_in_words(),
        columns: schema.columns.len(),
    })
}

/// Where the rows are and what computes on them.
///
/// # Errors
/// [`AppError::Key`] if the hold-out salt cannot be read.
pub fn source(config: &Config, runtime: Runtime) -> Result<Source, AppError> {
    Ok(Source {
        files: files(config),
        schema: config.data.schema.clone(),
        policy: policy(config),
        salt: init::read_hold_out_salt(&config.identity.hold_out_salt)?,
        room: room(config),
        runtime,
    })
}

/// What the link needs.
///
/// # Errors
/// [`AppError::Key`] if the proxy's password cannot be read, or others may read it.
pub fn link_options(
    config: &Config,
    consortium: &Consortium,
    identity: &BankIdentity,
) -> Result<LinkOptions, AppError> {
    let mut seed = [0; 8];
    SystemEntropy::new().fill(&mut seed);
    Ok(LinkOptions {
        address: consortium.address.clone(),
        server_name: consortium.server_name.clone(),
        ca_pem: consortium.ca_pem.clone().into_bytes(),
        certificate: identity.certificate_pem.clone().into(),
        key_pkcs8: identity.tls_key.clone(),
        positions: Positions::of([identity.position]),
        limits: config.link.clone(),
        proxy: proxy(&config.link)?,
        memory: Some(config.state.join(WAY_FILE)),
        seed: u64::from_le_bytes(seed),
        ledger: Ledger::in_memory(),
    })
}

/// How the bank's certificate is renewed.
pub fn renewal(config: &Config, consortium: &Consortium, options: &LinkOptions) -> Renewal {
    Renewal::new(
        consortium,
        config.identity.certificate.clone(),
        options.certificate.clone(),
        options.key_pkcs8.clone(),
        options.limits.clone(),
        options.proxy.clone(),
    )
}

/// The proxy of `link.proxy`, with what lets the bank through.
///
/// # Errors
/// [`AppError::Key`] if its password cannot be read, or others may read it.
pub fn proxy(link: &config::Link) -> Result<Option<Proxy>, AppError> {
    let Some(address) = link.proxy_address() else {
        return Ok(None);
    };
    if link.proxy_user.is_empty() {
        return Ok(Some(Proxy::new(address.to_owned(), None)));
    }
    let password = match std::env::var(PROXY_PASSWORD) {
        Ok(password) => Zeroizing::new(password),
        Err(_) if link.proxy_password_file == Path::new("") => Zeroizing::default(),
        Err(_) => {
            let bytes = keyfile::read_private(&link.proxy_password_file)?;
            Zeroizing::new(
                String::from_utf8_lossy(&bytes)
                    .trim_end_matches(['\r', '\n'])
                    .to_owned(),
            )
        }
    };
    Ok(Some(Proxy::new(
        address.to_owned(),
        Some((&link.proxy_user, &password)),
    )))
}

/// Runs the daemon until it is told to stop. What is wrong with configuration and identity is found before anything is sent. A table or
/// schema that cannot be used stops nobody: the bank says so to its own operator, takes part in key epochs, which need every bank,
/// and sits rounds out until the table is in order.
///
/// # Errors
/// [`AppError`].
pub fn run(dir: &Path, mut say: Say) -> Result<(), AppError> {
    let config = config(dir)?;
    let (consortium, roster) = consortium(&config)?;
    let identity = identity(&config, &consortium, &roster)?;
    let log_key = consortium.log_key.clone();
    let runtime = runtime(&config)?;
    let source = source(&config, runtime)?;
    let policy = source.policy.clone();
    let facts = data(&config);

    std::fs::create_dir_all(&config.state).map_err(|error| AppError::File {
        path: config.state.clone(),
        error,
        advice: "the daemon keeps its state there; set `state` to a folder that it may write to",
    })?;
    let _lock = FolderLock::take(&config.state)?;
    let home = Home::open(&config.state, dir.join("models"))?;
    let mut options = link_options(&config, &consortium, &identity)?;
    let ledger = Ledger::open(&Home::egress(&config.state))?;
    options.ledger = ledger.clone();
    let renewal = renewal(&config, &consortium, &options);
    let address = options.address.clone();
    let pinned = Pinned {
        bank: identity.position,
        roster,
        log_key,
        key: identity.signing_key,
        witness_key: identity.witness_key,
    };
    let participant = restore(&home, pinned)?;
    // After an approved change the record may be ahead of the file.
    options.positions.replace(participant.positions());
    let (position, banks) = (participant.bank(), participant.roster().banks().len());
    let tasks = unfinished(&home, &participant)?;
    let checked = facts.and_then(|facts| {
        tasks.iter().try_for_each(|task| source.read(task).map(drop))?;
        Ok(facts)
    });
    let name = format!(
        "bank {} ({position} of {banks} in {})",
        config.name, consortium.name
    );
    match &checked {
        Ok(facts) => say(&format!(
            "{name}: {} rows, {}; training on {runtime}",
            facts.rows, facts.labels
        )),
        Err(problem) => say(&format!(
            "{name}: ITS DATA CANNOT BE USED: {problem}\nthe bank connects and takes part in key epochs, and sits rounds out. Correct what stands above: it is read again at each round, and nothing has to be started again"
        )),
    }
    say(&format!("connecting to {address}"));
    let status = Status {
        process: std::process::id(),
        bank: config.name.clone(),
        position: position.get(),
        started_at: now().0,
        link: format!("connecting to {address}"),
        data: checked.err().map(|problem| problem.to_string()),
        certificate_not_after: Some(identity.certificate.not_after),
        ..Status::default()
    };
    let mut voice = Voice::new(say, home.status.clone(), status);
    let trainer = Trainer::start(source, home.rounds.clone(), home.own.clone()).map_err(AppError::System)?;
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(AppError::System)?;
    let server = match config.page.listen {
        Some(address) => Some(bind_page(&config, address)?),
        None => None,
    };
    let served = tokio.block_on(async {
        let stop = stop_signal().map_err(AppError::System)?;
        let positions = options.positions.clone();
        if let Some(server) = server {
            serve_page(server, &config, &home, &mut voice, &ledger)?;
        }
        let (remarks, certificate) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(renewal.keep(remarks));
        let (channel, events) = transport::start::<ToCoordinator, ToBank>(options, |message| message.into())?;
        let driver = Driver::start(Parts {
            participant,
            entropy: SystemEntropy::new(),
            channel,
            home,
            policy,
            trainer,
            voice,
            consortium: ConsortiumFile::new(config.consortium.clone()),
            positions,
            ledger,
            address,
            certificate,
        })?;
        Ok(driver.run(events, stop).await?)
    });
    // Gives the farewell to the coordinator time to go out; work that is left is taken up at the next start.
    tokio.shutdown_timeout(std::time::Duration::from_millis(500));
    served
}

fn bind_page(config: &Config, address: SocketAddr) -> Result<page::Server, AppError> {
    let bound = page::Server::bind(address, config.page.max_connections);
    bound.map_err(|error| AppError::Page { address, error })
}

/// The bank's page, until the runtime ends.
fn serve_page(
    server: page::Server,
    config: &Config,
    home: &Home,
    voice: &mut Voice,
    ledger: &Ledger,
) -> Result<(), AppError> {
    let address = server.local_addr().map_err(AppError::System)?;
    let office = page::Office::new(page::Parts {
        config: config.clone(),
        latest: voice.watch(),
        pulse: voice.pulse(),
        ledger: ledger.clone(),
        history: home.history.clone(),
        tasks: home.tasks.clone(),
        port: address.port(),
    });
    voice.serves(address);
    let doors = std::sync::Arc::clone(&office);
    let link = move || Ok(format!("http://{address}/login?word={}", doors.link()?));
    let socket = page::socket::serve(&config.state, std::sync::Arc::new(link)).map_err(|error| AppError::File {
        path: config.state.join(page::socket::SOCKET),
        error,
        advice: "`veilsum-client page` asks there; its path may have 107 bytes, so give `state` a shorter one, or leave page.listen empty",
    })?;
    tokio::spawn(socket);
    tokio::spawn(async move {
        if let Err(error) = server.serve(office, std::future::pending()).await {
            tracing::error!(%error, "the bank's page is not served any more");
        }
    });
    Ok(())
}

/// Done when the operator stops the daemon.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The time by this machine's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| since.as_secs()))
}

/// A day for people, of Unix seconds.
pub fn date(at: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(at)
        .map_or(format!("Unix time {at}"), |at| at.date().to_string())
}

fn read(path: &Path, advice: &'static str) -> Result<Vec<u8>, AppError> {
    std::fs::read(path).map_err(|error| AppError::File {
        path: path.to_owned(),
        error,
        advice,
    })
}
