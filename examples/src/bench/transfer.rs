//! Uploads and downloads of a large vector over loopback, against the bare transport in the same run: a QUIC stream, or TLS on TCP, that
//! carries bytes from memory to nowhere.
//!
//! An upload here is what a bank's daemon and the coordinator do with it: read from a file, hashed, written and made durable in the spool,
//! and answered. A download is read from a file, held in memory and hashed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use veilsum_client::app;
use veilsum_client::config::{Config, LinkTransport};
use veilsum_client::transport::{self, Event, Link};
use veilsum_coordinator::config::Config as CoordinatorConfig;
use veilsum_coordinator::enrol::desk::Desk;
use veilsum_coordinator::transport::{
    Inbound, Listener, PublicBlobs, Seats, ServerIdentity, Services, UploadGate,
};
use veilsum_protocol::consortium::Consortium as ConsortiumFile;
use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::wire::message::ToCoordinator;
use veilsum_protocol::wire::stream::Rejected;

use super::bare::{self, Way};
use super::{MARKER, network};
use crate::demo::consortium::Consortium;
use crate::demo::{DemoError, Keeper, Narrator, Programs, folder};
use crate::load;

/// What is measured.
#[derive(Clone, Debug)]
pub struct TransferOptions {
    /// The folder; what an earlier run left there is replaced.
    pub dir: PathBuf,
    /// Banks at once.
    pub banks: u16,
    /// Bytes of one vector.
    pub bytes: u64,
    /// How often each is done; the median counts.
    pub times: usize,
}

/// Seconds for one vector of one bank, and for one of every bank at once.
#[derive(Clone, Copy, Debug)]
struct Took {
    one: f64,
    all: f64,
}

/// Measures both ways and gives lines of a Markdown table.
///
/// # Errors
/// What kept it from its end.
pub fn measure(options: &TransferOptions) -> Result<String, DemoError> {
    let narrator = Narrator::new();
    folder::make_anew(&options.dir, MARKER)?;
    let consortium = load::enrol(
        &options.dir,
        options.banks,
        Programs::beside_this_one()?,
        Keeper::default(),
        &narrator,
    )?;
    let runtime = Runtime::new().map_err(DemoError::file(Path::new("the runtime")))?;
    let mut table = format!(
        "| vector of {:.1} MB, MB/s in all | one bank | of the bare transport | {} banks at once | of one bank |\n| --- | --- | --- | --- | --- |\n",
        options.bytes as f64 / 1e6,
        options.banks
    );
    for (way, name) in [(Way::Quic, "QUIC"), (Way::Tcp, "TCP")] {
        let found = runtime.block_on(one_way(options, &consortium, way))?;
        let rate = |seconds: f64, banks: u16| options.bytes as f64 * f64::from(banks) / seconds / 1e6;
        let (bare, rest) = found;
        table += &format!("| {name}, bare | {:.0} | 1 | | |\n", rate(bare, 1));
        for (what, took) in rest {
            let (one, all) = (rate(took.one, 1), rate(took.all, options.banks));
            table += &format!(
                "| {name}, {what} | {one:.0} | {:.2} | {all:.0} | {:.2} |\n",
                one / rate(bare, 1),
                all / one
            );
        }
    }
    Ok(table)
}

async fn one_way(
    options: &TransferOptions,
    consortium: &Consortium,
    way: Way,
) -> Result<(f64, [(&'static str, Took); 2]), DemoError> {
    let hall = Hall::open(options, consortium, way).await?;
    let file = options.dir.join("vector");
    let vector: Vec<u8> = (0..options.bytes)
        .map(|at| (at.wrapping_mul(0x9e37_79b9) >> 13) as u8)
        .collect();
    fs::write(&file, &vector).map_err(DemoError::file(&file))?;
    let hash = Digest::of(&vector);
    let (mut bare, mut up, mut down) = (Vec::new(), [Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let mut round = 0;
    // In turns, so that whatever else the machine does meets all of them.
    for _ in 0..options.times {
        bare.push(bare::transfer(&hall.identity, &hall.ca, &hall.name, way, options.bytes).await?);
        for (at, banks) in [1, hall.links.len()].into_iter().enumerate() {
            round += 1;
            let begun = Instant::now();
            let mut work = JoinSet::new();
            for link in hall.first(banks) {
                let file = file.clone();
                work.spawn(async move { link.upload(Round(round), &file, b"trailer").await });
            }
            while let Some(done) = work.join_next().await {
                done.map_err(|error| DemoError::Trial(error.to_string()))?
                    .map_err(|error| DemoError::Trial(error.to_string()))?;
            }
            up[at].push(begun.elapsed().as_secs_f64());
            clear(&hall.spool)?;
        }
        for (at, banks) in [1, hall.links.len()].into_iter().enumerate() {
            let begun = Instant::now();
            let mut work = JoinSet::new();
            for link in hall.first(banks) {
                let limit = vector.len();
                work.spawn(async move { link.fetch(hash, limit).await.map(drop) });
            }
            while let Some(done) = work.join_next().await {
                done.map_err(|error| DemoError::Trial(error.to_string()))?
                    .map_err(|error| DemoError::Trial(error.to_string()))?;
            }
            down[at].push(begun.elapsed().as_secs_f64());
        }
    }
    let took = |[one, all]: [Vec<f64>; 2]| Took {
        one: median(one),
        all: median(all),
    };
    Ok((
        median(bare),
        [("upload, durable", took(up)), ("download, checked", took(down))],
    ))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn clear(spool: &Path) -> Result<(), DemoError> {
    for file in fs::read_dir(spool).map_err(DemoError::file(spool))?.flatten() {
        fs::remove_file(file.path()).map_err(DemoError::file(spool))?;
    }
    Ok(())
}

/// A coordinator's listener in this process, with an engine that takes everything, and the links of its banks.
struct Hall {
    identity: Arc<ServerIdentity>,
    ca: String,
    name: String,
    spool: PathBuf,
    links: Vec<Link<ToCoordinator>>,
    _events: Vec<mpsc::Receiver<Event<String>>>,
}

struct Open(u64);

impl UploadGate for Open {
    fn expected(&self, _: BankIndex, _: Round) -> Result<u64, Rejected> {
        Ok(self.0)
    }
}

struct Shelf(PathBuf);

impl PublicBlobs for Shelf {
    fn open(&self, _: Digest) -> Option<(File, u64)> {
        let file = File::open(&self.0).ok()?;
        let length = file.metadata().ok()?.len();
        Some((file, length))
    }
}

impl Hall {
    /// Handles of so many banks' links.
    fn first(&self, banks: usize) -> Vec<Link<ToCoordinator>> {
        self.links.iter().take(banks).cloned().collect()
    }

    async fn open(options: &TransferOptions, consortium: &Consortium, way: Way) -> Result<Self, DemoError> {
        let path = consortium.coordinator_config();
        let wrong = |error: &dyn std::fmt::Display| DemoError::content(&path, error);
        let config = CoordinatorConfig::load(&path, []).map_err(|error| wrong(&error))?;
        let text = fs::read_to_string(&config.identity.consortium)
            .map_err(DemoError::file(&config.identity.consortium))?;
        let (file, roster) = ConsortiumFile::from_toml(&text).map_err(|error| wrong(&error))?;
        let identity = ServerIdentity::load(&config.identity.certificate, &config.identity.key, &file.ca_pem)
            .map_err(|error| wrong(&error))?;
        let at = network::another_than(config.listen)?;
        let desk = Desk::new(path.parent().unwrap_or(Path::new(".")));
        let listener = Listener::bind(at, &identity, &config.limits, desk).map_err(|error| wrong(&error))?;
        let spool = options.dir.join("spool");
        let services = Services {
            seats: Seats::of(roster),
            gate: Arc::new(Open(options.bytes)),
            blobs: Arc::new(Shelf(options.dir.join("vector"))),
            spool: spool.clone(),
        };
        let (inbound, mut events) = mpsc::channel(64);
        tokio::spawn(listener.serve::<ToCoordinator, String>(services, inbound, std::future::pending()));
        tokio::spawn(async move {
            let mut sessions = Vec::new();
            while let Some(event) = events.recv().await {
                match event {
                    // A session ends when nobody holds its handle.
                    Inbound::Connected { session, .. } => sessions.push(session),
                    Inbound::Uploaded(upload) => drop(upload.answer.send(Ok(()))),
                    _ => {}
                }
            }
        });
        let (mut links, mut kept) = (Vec::new(), Vec::new());
        for bank in &consortium.setup().banks {
            let path = consortium.bank_folder(&bank.name).join("bank.toml");
            let wrong = |error: &dyn std::fmt::Display| DemoError::content(&path, error);
            let config = Config::load(&path, []).map_err(|error| wrong(&error))?;
            let (file, roster) = app::consortium(&config).map_err(|error| wrong(&error))?;
            let own = app::identity(&config, &file, &roster).map_err(|error| wrong(&error))?;
            let mut link = app::link_options(&config, &file, &own).map_err(|error| wrong(&error))?;
            link.address = at.to_string();
            link.limits.transport = match way {
                Way::Quic => LinkTransport::Quic,
                Way::Tcp => LinkTransport::Tcp,
            };
            link.memory = None;
            let (link, mut events) =
                transport::start::<ToCoordinator, String>(link, |message| message.into())
                    .map_err(|error| wrong(&error))?;
            if !matches!(events.recv().await, Some(Event::Up(_))) {
                return Err(DemoError::Trial(format!("{} was not admitted", bank.name)));
            }
            links.push(link);
            kept.push(events);
        }
        Ok(Self {
            identity: Arc::new(identity),
            ca: file.ca_pem,
            name: file.server_name,
            spool,
            links,
            _events: kept,
        })
    }
}
