//! What a process and the kernel's sockets use, as Linux tells it (proc_pid_status(5), proc_pid_stat(5), sockstat of proc_net(5)).

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::demo::DemoError;

/// Most resident memory that a process has had, in bytes.
///
/// # Errors
/// If there is no such process.
pub fn peak_memory(pid: u32) -> Result<u64, DemoError> {
    let path = format!("/proc/{pid}/status");
    let text = read(&path)?;
    text.lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or_else(|| DemoError::content(Path::new(&path), "found no VmHWM in kB"))
}

/// Resident memory of a process now, in bytes.
///
/// # Errors
/// If there is no such process.
pub fn memory(pid: u32) -> Result<u64, DemoError> {
    let path = format!("/proc/{pid}/statm");
    let text = read(&path)?;
    text.split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .map(bytes)
        .ok_or_else(|| DemoError::content(Path::new(&path), "found no second number"))
}

/// CPU time of all threads of a process so far, in user and kernel mode.
///
/// # Errors
/// If there is no such process.
pub fn cpu(pid: u32) -> Result<Duration, DemoError> {
    cpu_of(Path::new(&format!("/proc/{pid}/stat")))
}

/// The same from the file `stat` of a process or of a thread.
pub(crate) fn cpu_of(path: &Path) -> Result<Duration, DemoError> {
    let text = fs::read_to_string(path).map_err(DemoError::file(path))?;
    let wrong = || DemoError::content(path, "found no fields 14 and 15");
    // The name, in brackets, may hold anything.
    let (_, fields) = text.rsplit_once(')').ok_or_else(wrong)?;
    let ticks = |at: usize| {
        fields
            .split_whitespace()
            .nth(at)
            .and_then(|field| field.parse::<u64>().ok())
    };
    // Field 3 is the first behind the name.
    let (user, kernel) = ticks(11).zip(ticks(12)).ok_or_else(wrong)?;
    let second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_millis((user + kernel) * 1000 / second))
}

/// Memory that the kernel holds for the buffers of all sockets of this machine now, in bytes, for TCP and for UDP.
///
/// # Errors
/// If the kernel does not tell.
pub fn sockets() -> Result<(u64, u64), DemoError> {
    let path = "/proc/net/sockstat";
    let text = read(path)?;
    let pages = |protocol: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(protocol))?;
        let mut words = line.split_whitespace();
        words.find(|word| *word == "mem")?;
        words.next()?.parse::<u64>().ok()
    };
    match pages("TCP:").zip(pages("UDP:")) {
        Some((tcp, udp)) => Ok((bytes(tcp), bytes(udp))),
        None => Err(DemoError::content(Path::new(path), "found no mem of TCP and UDP")),
    }
}

fn bytes(pages: u64) -> u64 {
    pages.saturating_mul(rustix::param::page_size() as u64)
}

fn read(path: &str) -> Result<String, DemoError> {
    fs::read_to_string(path).map_err(DemoError::file(Path::new(path)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Instant;

    use super::*;

    #[test]
    fn this_process_is_gauged() {
        let pid = std::process::id();
        let before = memory(pid).unwrap();
        let filled = vec![1u8; 64 << 20];
        let now = memory(pid).unwrap();
        assert!(now >= before + (60 << 20), "{before} {now} {}", filled.len());
        drop(filled);
        assert!(peak_memory(pid).unwrap() + (1 << 20) >= now);

        let (begun, spent) = (Instant::now(), cpu(pid).unwrap());
        while cpu(pid).unwrap() < spent + Duration::from_millis(50) {
            assert!(begun.elapsed() < Duration::from_secs(60), "no CPU time counts");
        }
        sockets().unwrap();
    }
}
