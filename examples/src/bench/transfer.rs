//! Uploads and downloads of a large vector over loopback, against the bare transport in the same run: a QUIC stream, or TLS on TCP, that
//! carries bytes from memory to nowhere, and the same with a plain program behind it that hashes and keeps them.
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

use super::bare::{self, Sink};
use super::{MARKER, Way, network};
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
struct Took {
    name: &'static str,
    /// What is done with the bytes, and with those that the bare transport carries beside.
    work: &'static str,
    /// Seconds of the bare transport with that.
    bare: f64,
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
        "| vector of {:.1} MB, MB/s in all | one bank | of the bare transport | of a plain program that hashes and keeps it | {} banks at once | of one bank |\n\
         | --- | --- | --- | --- | --- | --- |\n",
        options.bytes as f64 / 1e6,
        options.banks
    );
    for way in [Way::Quic, Way::Tcp] {
        let name = way.name();
        let found = runtime.block_on(one_way(options, &consortium, way))?;
        let rate = |seconds: f64, banks: u16| options.bytes as f64 * f64::from(banks) / seconds / 1e6;
        let bare = rate(found.bare, 1);
        table += &format!("| {name}, bare | {bare:.0} | 1 | | | |\n");
        for task in found.tasks {
            let (one, all) = (rate(task.one, 1), rate(task.all, options.banks));
            let same = rate(task.bare, 1);
            table += &format!(
                "| {name}, bare, {} | {same:.0} | {:.2} | 1 | | |\n| {name}, {} | {one:.0} | {:.2} | {:.2} | {all:.0} | {:.2} |\n",
                task.work,
                same / bare,
                task.name,
                one / bare,
                one / same,
                all / one
            );
        }
    }
    Ok(table)
}

/// What was measured of one way, as medians.
struct Found {
    /// Seconds of the bare transport.
    bare: f64,
    tasks: [Took; 2],
}

async fn one_way(options: &TransferOptions, consortium: &Consortium, way: Way) -> Result<Found, DemoError> {
    let hall = Hall::open(options, consortium, way).await?;
    let file = options.dir.join("vector");
    let vector: Vec<u8> = (0..options.bytes)
        .map(|at| (at.wrapping_mul(0x9e37_79b9) >> 13) as u8)
        .collect();
    fs::write(&file, &vector).map_err(DemoError::file(&file))?;
    let (hash, limit) = (Digest::of(&vector), vector.len());
    let sinks = [Sink::Nowhere, Sink::Stored(options.dir.join("bare")), Sink::Kept];
    let mut bare: [Vec<f64>; 3] = Default::default();
    let [mut up, mut down]: [[Vec<f64>; 2]; 2] = Default::default();
    let mut round = 0;
    // In turns, so that whatever else the machine does meets all of them.
    for _ in 0..options.times {
        for (times, sink) in bare.iter_mut().zip(&sinks) {
            times.push(bare::transfer(&hall.identity, &hall.ca, &hall.name, way, options.bytes, sink).await?);
        }
        for (times, banks) in up.iter_mut().zip([1, hall.links.len()]) {
            round += 1;
            let upload = |link: Link<ToCoordinator>| {
                let file = file.clone();
                async move { link.upload(Round(round), &file, b"trailer").await }
            };
            times.push(side_by_side(hall.first(banks), upload).await?);
            clear(&hall.spool)?;
        }
        for (times, banks) in down.iter_mut().zip([1, hall.links.len()]) {
            let fetch = |link: Link<ToCoordinator>| async move { link.fetch(hash, limit).await.map(drop) };
            times.push(side_by_side(hall.first(banks), fetch).await?);
        }
    }
    let [bare, stored, kept] = bare.map(median);
    let took = |name, work, bare, times: [Vec<f64>; 2]| {
        let [one, all] = times.map(median);
        Took {
            name,
            work,
            bare,
            one,
            all,
        }
    };
    Ok(Found {
        bare,
        tasks: [
            took("upload, durable", "hashed and made durable", stored, up),
            took("download, checked", "hashed and kept in memory", kept, down),
        ],
    })
}

/// Seconds until all of these have done it.
async fn side_by_side<F, E>(
    links: Vec<Link<ToCoordinator>>,
    work: impl Fn(Link<ToCoordinator>) -> F,
) -> Result<f64, DemoError>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: ToString + Send + 'static,
{
    let begun = Instant::now();
    let mut all: JoinSet<_> = links.into_iter().map(work).collect();
    while let Some(done) = all.join_next().await {
        done.map_err(|error| DemoError::Trial(error.to_string()))?
            .map_err(|error| DemoError::Trial(error.to_string()))?;
    }
    Ok(begun.elapsed().as_secs_f64())
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
