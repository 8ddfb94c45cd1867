//! A disk that fails, or that can no longer be written.

use crate::scene::{COORDINATOR, STRUCK, Scene};

/// The daemon stops, says which file and what to do, and goes on where it stopped when the disk is whole again.
fn fails_with(name: &str, calls: &str, error: &str, words: &str, numbers: &[usize]) {
    let mut scene = Scene::start();
    let mut ended = 0;
    for number in numbers {
        let what = format!("{name}, {error} at {calls} {number}");
        let said = scene.printed_by(name).len();
        let outcome = scene.start_struck(name, calls, &format!("error={error}:when={number}"));
        let printed = scene.printed_by(name).split_off(said);
        scene.log_only_grew(&what);
        if let Some(outcome) = outcome {
            ended += 1;
            assert_eq!(outcome, "exit code 1", "{what}:\n{printed}");
            let last = printed.lines().last().unwrap_or_default();
            assert!(
                last.starts_with("error: ") && last.contains(words),
                "{what}: {last}"
            );
            assert!(last.contains('/'), "{what}: it names no file: {last}");
            assert!(
                last.contains("; "),
                "{what}: it does not say what to do:\n{printed}"
            );
        }
        scene.start_again(name, &what);
    }
    assert!(
        ended >= 2,
        "only {ended} of {} faults were reached",
        numbers.len()
    );
    scene.finish(0);
}

const SYNC: &str = "fsync,fdatasync";
const RENAME: &str = "rename,renameat,renameat2";

#[test]
fn a_coordinator_whose_disk_fails_to_sync_stops_and_loses_nothing() {
    fails_with(COORDINATOR, SYNC, "EIO", "Input/output error", &[1, 2, 4, 7, 12]);
}

#[test]
fn a_coordinator_whose_disk_became_read_only_stops_and_loses_nothing() {
    fails_with(COORDINATOR, RENAME, "EROFS", "Read-only file system", &[1, 2, 4]);
}

#[test]
fn a_bank_whose_disk_fails_to_sync_stops_and_loses_nothing() {
    fails_with(STRUCK, SYNC, "EIO", "Input/output error", &[1, 2, 4, 7, 12]);
}

#[test]
fn a_bank_whose_disk_is_full_stops_and_loses_nothing() {
    fails_with(STRUCK, RENAME, "ENOSPC", "No space left on device", &[1, 2, 4]);
}
