//! What processes have used so far, as Linux tells it (proc_pid_stat(5), proc_pid_io(5)).

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::demo::DemoError;
use crate::load::gauge;

/// The name of the thread in which a bank trains.
const TRAINING: &str = "training";

/// What a set of processes has used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU time of all threads, in seconds. The first process is the coordinator.
    pub coordinator: f64,
    /// The same of the other processes together.
    pub banks: f64,
    /// Of that, the threads that train, encode and write digits.
    pub training: f64,
}

impl Usage {
    /// All processes together.
    pub fn all(&self) -> f64 {
        self.coordinator + self.banks
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            coordinator: self.coordinator - before.coordinator,
            banks: self.banks - before.banks,
            training: self.training - before.training,
        }
    }

    pub(super) fn per(&self, rounds: f64) -> Self {
        Self {
            coordinator: self.coordinator / rounds,
            banks: self.banks / rounds,
            training: self.training / rounds,
        }
    }
}

/// What these processes have used, the coordinator first.
///
/// # Errors
/// If one of them is gone.
pub fn of(processes: &[u32]) -> Result<Usage, DemoError> {
    let mut usage = Usage::default();
    for (at, pid) in processes.iter().enumerate() {
        let cpu = gauge::cpu(*pid)?.as_secs_f64();
        if at == 0 {
            usage.coordinator += cpu;
        } else {
            usage.banks += cpu;
            usage.training += training(*pid)?.as_secs_f64();
        }
    }
    Ok(usage)
}

/// CPU time of a bank's training thread.
fn training(pid: u32) -> Result<Duration, DemoError> {
    let path = format!("/proc/{pid}/task");
    let path = Path::new(&path);
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(path).map_err(DemoError::file(path))?.flatten() {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        if name.trim() == TRAINING {
            sum += gauge::cpu_of(&thread.path().join("stat"))?;
        }
    }
    Ok(sum)
}
