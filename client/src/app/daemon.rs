//! The daemon of a bank, from its files to its end.

use std::net::SocketAddr;
use std::path::Path;

use veilsum_protocol::crypto::entropy::SystemEntropy;
use veilsum_protocol::round::participant::Pinned;
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};

use super::{AppError, config, consortium, data, identity, link_options, now, renewal, runtime, source};
use crate::config::Config;
use crate::egress::Ledger;
use crate::page;
use crate::participant::{
    ConsortiumFile, Driver, FolderLock, Home, Parts, Say, Status, Trainer, Voice, restore, unfinished,
};
use crate::transport;

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
