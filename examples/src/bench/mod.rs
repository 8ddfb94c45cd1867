//! What whole rounds cost: a coordinator and its banks as real processes, with a table so small that training is next to nothing.
//!
//! * [`play`] runs rounds, directly over loopback or through a network that delays and counts.
//! * [`masks`] plays rounds with masks and without in turns.
//! * [`trace`] reads from the coordinator's trace when each phase began.
//! * [`transfer`] measures uploads and downloads against the bare transport.
//! * [`usage`] tells what the processes used.

mod bare;
pub mod masks;
mod network;
mod preparation;
mod report;
pub mod trace;
pub mod transfer;
pub mod usage;

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::secagg::ring::Ring;

use crate::demo::consortium::{COORDINATOR, Consortium};
use crate::demo::{DemoError, Keeper, Narrator, Programs, folder};
use crate::load::{self, gauge};

use network::Network;
pub use report::{Report, Traffic};
use usage::Usage;

/// Lies in every folder that this made, so that no other folder is ever replaced.
const MARKER: &str = ".veilsum-bench";

/// Between two looks at the status.
const PAUSE: Duration = Duration::from_millis(20);

/// Longest wait for the next result.
const STALL: Duration = Duration::from_secs(120);

/// Steps before measuring begins: the statistics and one round of training.
const WARM_UP: u32 = 2;

/// By which way banks go to the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Way {
    /// QUIC on UDP.
    Quic,
    /// TLS on TCP.
    Tcp,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Quic => "QUIC",
            Self::Tcp => "TCP",
        }
    }
}

/// What is played.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder; what an earlier run left there is replaced.
    pub dir: PathBuf,
    /// Who plays.
    pub programs: Programs,
    /// Banks, each a process of its own.
    pub banks: u16,
    /// Parameters of the model, about.
    pub parameters: u64,
    /// Rounds of training that are measured.
    pub rounds: u32,
    /// By which way.
    pub way: Way,
    /// Through a network that counts bytes and delays each by so much in each direction. None: banks and coordinator meet directly.
    pub delay: Option<Duration>,
}

/// Runs it, with daemons that `keeper` keeps.
///
/// # Errors
/// What kept it from its end.
pub fn play(options: &Options, keeper: Keeper) -> Result<Report, DemoError> {
    let narrator = Narrator::new();
    let (text, task) = load::task(options.parameters, options.rounds.saturating_add(WARM_UP))?;
    folder::make_anew(&options.dir, MARKER)?;
    let consortium = load::enrol(
        &options.dir,
        options.banks,
        options.programs.clone(),
        keeper,
        &narrator,
    )?;
    for bank in &consortium.setup().banks {
        let path = consortium.bank_folder(&bank.name).join("bank.toml");
        let way = options.way.name().to_lowercase();
        network::replace_once(&path, "transport = \"auto\"", &format!("transport = \"{way}\""))?;
    }
    let network = options
        .delay
        .map(|delay| Network::before(&consortium, delay))
        .transpose()?;
    consortium.start_coordinator()?;
    load::start_banks(&consortium, &narrator)?;
    let file = options.dir.join("task.toml");
    fs::write(&file, &text).map_err(DemoError::file(&file))?;
    let hash = consortium.create_task("task.toml")?;
    consortium.approve_everywhere(&task.name, &hash, Duration::from_secs(300))?;

    let layout = Plan::new(&task).layout(RoundKind::Train).clone();
    let packed =
        Ring::for_sum(options.banks, layout.digit_bits).map_or(0, |ring| ring.packed_bytes(layout.lanes()));
    let processes = processes(&consortium);
    let look = |until: u32| -> Result<Seen, DemoError> {
        let step = reach(&consortium, until)?;
        Ok(Seen {
            step,
            at: Instant::now(),
            usage: usage::of(&processes)?,
            carried: network.as_ref().map_or((0, 0), Network::carried),
        })
    };
    let prepared = preparation::preparation(options.banks).map_err(DemoError::trial)?;
    let first = look(WARM_UP)?;
    let last = look(WARM_UP + options.rounds)?;
    if last.step == first.step {
        // Many banks take long to approve a task, and it begins with the first that have.
        return Err(DemoError::Usage(
            "--rounds: the task was over before measuring began, expected more rounds".to_owned(),
        ));
    }
    let coordinator = consortium
        .pid(COORDINATOR)
        .ok_or_else(|| DemoError::Usage("the coordinator is not running".to_owned()))?;
    let peak = gauge::peak_memory(coordinator)?;
    reach(&consortium, u32::MAX)?;
    consortium.stop();
    let phases = trace::rounds(&consortium.trace(COORDINATOR))?;
    let rounds = f64::from(last.step.saturating_sub(first.step).max(1));
    let each = |bytes: fn((u64, u64)) -> u64| {
        (bytes(last.carried) - bytes(first.carried)) as f64 / rounds / f64::from(options.banks)
    };
    Ok(Report {
        options: options.clone(),
        lanes: layout.lanes(),
        packed: packed as u64,
        seconds: last.at.duration_since(first.at).as_secs_f64() / rounds,
        usage: last.usage.since(&first.usage).per(rounds),
        traffic: network.is_some().then(|| Traffic {
            up: each(|carried| carried.0),
            down: each(|carried| carried.1),
            vector: packed as u64,
            prepared,
        }),
        phases: phases
            .into_iter()
            .filter(|round| round.is_training && round.step > WARM_UP)
            .collect(),
        peak,
    })
}

/// A look in between.
struct Seen {
    step: u32,
    at: Instant,
    usage: Usage,
    carried: (u64, u64),
}

fn processes(consortium: &Consortium) -> Vec<u32> {
    let banks = consortium.setup().banks.iter().map(|bank| bank.name.as_str());
    std::iter::once(COORDINATOR)
        .chain(banks)
        .filter_map(|name| consortium.pid(name))
        .collect()
}

/// Waits until so many steps have a result, or the task is at its end, and gives the number of those that have.
fn reach(consortium: &Consortium, until: u32) -> Result<u32, DemoError> {
    let (mut step, mut since) = (0, Instant::now());
    loop {
        let status: Option<Status> = consortium.status()?;
        if let Some(task) = status.as_ref().and_then(|status| status.tasks.first()) {
            if let TaskStatus::Stopped(why) = &task.status {
                return Err(DemoError::Trial(format!(
                    "the coordinator stopped the task: {why}"
                )));
            }
            if task.step != step {
                (step, since) = (task.step, Instant::now());
            }
            if step >= until || task.status == TaskStatus::Finished {
                return Ok(step);
            }
        }
        if since.elapsed() > STALL {
            return Err(DemoError::TooLong {
                what: "the next result".to_owned(),
                seconds: STALL.as_secs(),
                said: status.map(|status| status.waiting_for).unwrap_or_default(),
            });
        }
        thread::sleep(PAUSE);
    }
}
