//! The key directories in the archive.

use veilsum_protocol::epoch::directory::KeyDirectory;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::MESSAGE_LIMIT;

use super::archive::Archive;
use super::history::History;
use super::report::{Check, Ledger, Place};

/// Key directories are no part of the sum; where the archive has them, they are checked like a bank does.
pub(crate) fn check(archive: &Archive, history: &History, ledger: &mut Ledger) {
    let mut absent = 0usize;
    for logged in &history.directories {
        let place = Place::entry(logged.index);
        let Some(roster) = history.roster_at(logged.index) else {
            continue;
        };
        let directory = match archive.blob_if_there(&logged.value.directory, MESSAGE_LIMIT as u64) {
            Ok(None) => {
                absent += 1;
                continue;
            }
            Ok(Some(bytes)) => KeyDirectory::from_bytes(&bytes).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let verified = directory.and_then(|directory| {
            let fits =
                directory.epoch == logged.value.epoch && directory.first_round == logged.value.first_round;
            if !fits {
                return Err(format!(
                    "a directory of epoch {} from round {} on",
                    directory.epoch, directory.first_round
                ));
            }
            directory
                .verify(&roster.value, &roster.hash)
                .map_err(|rejection| rejection.to_string())
        });
        match verified {
            Ok(()) => ledger.pass(Check::ArchivedDirectory),
            Err(found) => ledger.fail(
                Check::ArchivedDirectory,
                place,
                found,
                "every bank's keys once, signed for this epoch and roster",
            ),
        }
    }
    if absent > 0 {
        ledger.notes.push(format!(
            "{absent} key directories are not in the archive: their signatures were checked by the banks alone"
        ));
    }
}
