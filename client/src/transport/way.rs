//! The way that the link goes, why, and what is remembered of it.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use veilsum_link::Transport;

use crate::peer_text;

/// How long TCP goes first after QUIC did not answer, in seconds. Long enough that a bank whose network has no UDP does not wait for
/// QUIC again at each break; short enough that a firewall that was opened is found out within the hour of the next break.
const TCP_FIRST: u64 = 3600;

/// Largest file that is read.
const FILE_LIMIT: u64 = 4096;

/// How the coordinator was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Over which transport.
    pub transport: Transport,
    /// Why not over the other, where there is something to say.
    pub why: Option<String>,
}

impl fmt::Display for Way {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(form, "over {}", self.transport)?;
        match &self.why {
            Some(why) => write!(form, ": {why}"),
            None => Ok(()),
        }
    }
}

/// QUIC did not answer, so TCP goes first for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    /// When, Unix seconds.
    since: u64,
    /// What was said of it then.
    why: String,
}

/// A small file beside the bank's state. Without it, or if it cannot be read, QUIC goes first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory<'a>(pub(super) Option<&'a PathBuf>);

impl Memory<'_> {
    /// Why TCP goes first, if it does.
    pub(super) fn tcp_first(self, now: u64) -> Option<String> {
        let mut text = String::new();
        let file = fs::File::open(self.0?).ok()?;
        file.take(FILE_LIMIT).read_to_string(&mut text).ok()?;
        let noted: Noted = serde_json::from_str(&text).ok()?;
        let age = now.checked_sub(noted.since)?;
        (age < TCP_FIRST).then(|| {
            format!(
                "{} ({} min ago; QUIC goes first again when {} min have passed)",
                peer_text::shown(&noted.why),
                age / 60,
                TCP_FIRST / 60
            )
        })
    }

    /// QUIC worked.
    pub(super) fn quic_works(self) {
        let Some(path) = self.0 else { return };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::debug!(%error, "{}", path.display());
            }
            _ => {}
        }
    }

    /// TCP worked and QUIC did not.
    pub(super) fn tcp_works(self, why: &str, now: u64) {
        let Some(path) = self.0 else { return };
        let noted = Noted {
            since: now,
            why: why.to_owned(),
        };
        if let Err(error) = write(path, &noted) {
            tracing::debug!(%error, "{}: which way worked is not remembered", path.display());
        }
    }
}

fn write(path: &Path, noted: &Noted) -> io::Result<()> {
    let staged = path.with_extension("new");
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&staged)?
        .write_all(&serde_json::to_vec(noted)?)?;
    fs::rename(&staged, path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn tcp_goes_first_for_an_hour_and_then_quic_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("way.json");
        let memory = Memory(Some(&path));
        assert_eq!(memory.tcp_first(5000), None);
        memory.tcp_works("UDP got no answer", 5000);
        let why = memory.tcp_first(5000 + 3599).unwrap();
        assert!(why.contains("UDP got no answer (59 min ago"), "{why}");
        assert_eq!(memory.tcp_first(5000 + 3600), None);
        // A clock that was set back is no reason to trust it.
        assert_eq!(memory.tcp_first(4999), None);
        memory.quic_works();
        assert_eq!(memory.tcp_first(5000), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("way.json");
        for content in [
            &b"\xff\xfe"[..],
            b"{}",
            b"{\"since\":-1,\"why\":\"\"}",
            &[b'['; 9000],
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(Memory(Some(&path)).tcp_first(1), None);
        }
        // A place that cannot be written is no fault either.
        Memory(Some(&folder.path().join("no/such/folder"))).tcp_works("x", 1);
    }
}
