//! How a reader breaks the demo's own log, and sees it caught.

use std::fs;
use std::path::{Path, PathBuf};

use veilsum_auditor::source::MirrorSource;
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::wire::canonical::Canonical as _;

use super::DemoError;

/// One thing to break.
pub(super) struct Tampering {
    /// What is broken.
    pub(super) what: &'static str,
    /// The command for a shell that breaks it. Given again it does no more: it writes one byte that is another than the one there now.
    pub(super) command: String,
}

/// A byte of the last masked update in the archive, and a byte of an entry in the log.
pub(super) fn ways(log: &Path, archive: &Path, key: &VerifierKey) -> Result<Vec<Tampering>, DemoError> {
    let read = MirrorSource::open(log, key).map_err(|error| DemoError::content(log, error))?;
    let masked = read
        .entries()
        .iter()
        .rev()
        .find_map(|bytes| match Entry::from_bytes(bytes) {
            Ok(Entry::Masked { hash, .. }) => Some(hash.to_hex()),
            _ => None,
        });
    let mut ways = Vec::new();
    if let Some(hash) = masked {
        let folder = hash.get(..2).unwrap_or_default();
        ways.push(Tampering {
            what: "one byte of one bank's masked update",
            command: another_byte(&archive.join("blobs").join(folder).join(&hash))?,
        });
    }
    ways.push(Tampering {
        what: "one byte of an entry of the log",
        command: another_byte(&entries(log, read.entries().len()))?,
    });
    Ok(ways)
}

/// The first tile of entries: a whole one, or the part that a short log has of it.
fn entries(log: &Path, count: usize) -> PathBuf {
    const WHOLE: usize = 256;
    let tiles = log.join("tile/entries");
    if count < WHOLE {
        tiles.join(format!("000.p/{count}"))
    } else {
        tiles.join("000")
    }
}

/// Changes the byte in the middle of a file.
fn another_byte(path: &PathBuf) -> Result<String, DemoError> {
    let bytes = fs::read(path).map_err(DemoError::file(path))?;
    let at = bytes.len() / 2;
    let other = bytes.get(at).map_or(0, |byte| byte ^ 1);
    Ok(format!(
        "printf '\\{other:03o}' | dd of='{}' bs=1 seek={at} conv=notrunc status=none",
        path.display()
    ))
}
