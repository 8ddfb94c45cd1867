//! Connections that do nothing: as many banks as a roster can have, and strangers at the door.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::timeout;
use veilsum_client::app;
use veilsum_client::config::{Config, LinkTransport};
use veilsum_client::transport::{self, Event, Link};
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};

use super::{MARKER, assemble, gauge};
use crate::demo::consortium::{COORDINATOR, Consortium};
use crate::demo::{DemoError, Keeper, Narrator, Programs, folder};

/// Longest wait until every bank is admitted.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is held.
#[derive(Clone, Debug)]
pub struct IdleOptions {
    /// The folder; what an earlier run left there is replaced.
    pub dir: PathBuf,
    /// Banks, half of them by QUIC and half by TCP.
    pub banks: u16,
    /// Connections by TCP that never say a word.
    pub strangers: usize,
    /// For how long, once all are there.
    pub hold: Duration,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct IdleReport {
    /// Banks that were admitted.
    pub banks: usize,
    /// Times that a bank's connection went down while it was held.
    pub lost: usize,
    /// Strangers that were let in to the door.
    pub strangers: usize,
    /// Strangers whose connections the coordinator had closed in the end.
    pub turned_away: usize,
    /// For how long they were held, in seconds.
    pub seconds: f64,
    /// Resident memory of the coordinator for one bank, in bytes.
    pub memory_each: u64,
    /// Peak of the coordinator's resident memory, in bytes.
    pub peak: u64,
    /// Kernel memory of all sockets, both ends, at most, in bytes.
    pub sockets: u64,
    /// CPU time of the coordinator while it held them, in seconds.
    pub cpu: f64,
}

impl IdleReport {
    /// Nobody was lost, and no stranger kept a place.
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.turned_away == self.strangers
    }
}

struct Held {
    events: mpsc::Receiver<Event<ToBank>>,
    _link: Link<ToCoordinator>,
}

/// Holds them.
///
/// # Errors
/// What kept it from its end.
pub fn hold(options: &IdleOptions) -> Result<IdleReport, DemoError> {
    let narrator = Narrator::new();
    let keeper = Keeper::default();
    keeper.kill_all_when_interrupted()?;
    folder::make_anew(&options.dir, MARKER)?;
    let consortium = assemble(
        &options.dir,
        options.banks,
        Programs::beside_this_one()?,
        keeper,
        &narrator,
    )?;
    let runtime = tokio::runtime::Runtime::new().map_err(DemoError::file(Path::new("the runtime")))?;
    let report = runtime.block_on(watch(options, &consortium, &narrator))?;
    consortium.stop();
    Ok(report)
}

async fn watch(
    options: &IdleOptions,
    consortium: &Consortium,
    narrator: &Narrator,
) -> Result<IdleReport, DemoError> {
    let pid = consortium
        .pid(COORDINATOR)
        .ok_or_else(|| DemoError::Usage("the coordinator is not running".to_owned()))?;
    let alone = gauge::memory(pid)?;
    let mut address = None;
    let mut held = Vec::new();
    for (at, bank) in consortium.setup().banks.iter().enumerate() {
        let way = if at % 2 == 0 {
            LinkTransport::Quic
        } else {
            LinkTransport::Tcp
        };
        let idle_s = consortium.setup().idle_s;
        let (one, at) = connect(&consortium.bank_folder(&bank.name), way, idle_s)?;
        address = Some(at);
        held.push(one);
    }
    for one in &mut held {
        up(one).await?;
    }
    narrator.say(&format!(
        "{} banks are connected, half of them by QUIC and half by TCP",
        held.len()
    ));
    let memory_each = gauge::memory(pid)?.saturating_sub(alone) / (held.len().max(1) as u64);

    let address = address.ok_or_else(|| DemoError::Usage("--banks: expected at least 3".to_owned()))?;
    let strangers: Vec<TcpStream> = (0..options.strangers)
        .map_while(|_| TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok())
        .collect();
    narrator.say(&format!(
        "{} strangers have connected by TCP and say nothing; all are held for {} s",
        strangers.len(),
        options.hold.as_secs()
    ));
    let (begun, cpu) = (Instant::now(), gauge::cpu(pid)?);
    let (mut lost, mut sockets) = (0, 0);
    while begun.elapsed() < options.hold {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (tcp, udp) = gauge::sockets()?;
        sockets = sockets.max(tcp + udp);
        for one in &mut held {
            while let Ok(event) = one.events.try_recv() {
                lost += usize::from(matches!(event, Event::Down { .. }));
            }
        }
        consortium.status()?;
    }
    let cpu = gauge::cpu(pid)?.saturating_sub(cpu);
    let seconds = begun.elapsed().as_secs_f64();
    let count = strangers.len();
    let turned_away = strangers.into_iter().filter(is_closed).count();
    Ok(IdleReport {
        banks: held.len(),
        lost,
        strangers: count,
        turned_away,
        seconds,
        memory_each,
        peak: gauge::peak_memory(pid)?,
        sockets,
        cpu: cpu.as_secs_f64(),
    })
}

fn connect(folder: &Path, way: LinkTransport, idle_s: u32) -> Result<(Held, SocketAddr), DemoError> {
    let wrong = |error: &dyn std::fmt::Display| DemoError::content(folder, error);
    let config = Config::load(&folder.join("bank.toml"), []).map_err(|error| wrong(&error))?;
    let (file, roster) = app::consortium(&config).map_err(|error| wrong(&error))?;
    let identity = app::identity(&config, &file, &roster).map_err(|error| wrong(&error))?;
    let mut options = app::link_options(&config, &file, &identity).map_err(|error| wrong(&error))?;
    options.limits.transport = way;
    options.limits.idle_s = idle_s;
    options.memory = None;
    let address = options.address.parse().map_err(|error| wrong(&error))?;
    let (link, events) =
        transport::start(options, |message: &ToCoordinator| message.into()).map_err(|error| wrong(&error))?;
    Ok((Held { events, _link: link }, address))
}

async fn up(one: &mut Held) -> Result<(), DemoError> {
    let admitted = async {
        while let Some(event) = one.events.recv().await {
            if matches!(event, Event::Up(_)) {
                return true;
            }
        }
        false
    };
    match timeout(PATIENCE, admitted).await {
        Ok(true) => Ok(()),
        _ => Err(DemoError::TooLong {
            what: "every bank to be admitted".to_owned(),
            seconds: PATIENCE.as_secs(),
            said: "nothing".to_owned(),
        }),
    }
}

/// Whether the other side has closed the connection.
fn is_closed(stream: &TcpStream) -> bool {
    let mut stream = stream;
    stream.set_nonblocking(true).is_ok()
        && match stream.read(&mut [0; 1]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
}
