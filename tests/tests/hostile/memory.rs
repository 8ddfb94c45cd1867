//! What a process has had in memory at most, and what peers may pin of it.

use std::fs;

use veilsum_coordinator::config::Limits;

const KIB: u64 = 1 << 10;

/// What the coordinator of these tests takes by itself: code, store, runtime, and the allocator's slack.
const BASE: u64 = 28 << 20;

/// Most bytes that a byte of a message takes once it is decoded: a list of peers with an empty text each, in a vector that is being moved
/// to twice its place.
const DECODED: u64 = 10;

/// The most that the coordinator may take while `banks` banks and any number of strangers do their worst: see `docs/configuration.md`.
pub fn bound(limits: &Limits, banks: u64) -> u64 {
    let size = |bytes: usize| u64::try_from(bytes).unwrap();
    let (message, streams) = (size(limits.message_bytes), u64::from(limits.streams));
    let windows = u64::from(limits.connection_window_bytes) + u64::from(limits.send_window_bytes);
    // Those that are served or wait at the door, and as many on their way out.
    let connections = 2 * 2 * (streams + 1);
    // One message is read, one is written, and the engine has one before it.
    let bank = windows + (2 + DECODED) * message + streams * 320 * KIB + connections * 100 * KIB;
    // By UDP and by TCP.
    let door = size(limits.max_handshakes) * 2 * 64 * KIB;
    BASE + banks * bank + door
}

/// The most that a process has had in memory, in bytes.
pub fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap();
    kib * KIB
}

/// Its open files.
pub fn files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}
