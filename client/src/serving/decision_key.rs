//! The key of the decision log, `identity/decisions.key`: 32 bytes in hex, mode 0600. Lost, what was written cannot be read by anybody.

use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom as _, SystemRandom};
use veilsum_admission::keyfile;
use veilsum_serving::decisions::Key;
use zeroize::Zeroizing;

use super::ServeError;

/// Where it lies in a bank's folder.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("identity/decisions.key")
}

/// Makes a key if there is none.
///
/// # Errors
/// If the disk does not take it, or the system gives no randomness.
pub(super) fn make(dir: &Path) -> Result<(), ServeError> {
    let path = path(dir);
    if path.exists() {
        return Ok(());
    }
    let mut bytes = Zeroizing::new([0; 32]);
    let random = SystemRandom::new().fill(bytes.as_mut());
    random
        .map_err(|_| ServeError::System(std::io::Error::other("the operating system gave no randomness")))?;
    let text = Zeroizing::new(hex::encode(*bytes) + "\n");
    Ok(keyfile::write_private(&path, text.as_bytes())?)
}

/// Reads it.
///
/// # Errors
/// If it is not there, others may read it, or it is none.
pub(crate) fn read(dir: &Path) -> Result<Key, ServeError> {
    let path = path(dir);
    let text = keyfile::read_private(&path)?;
    let bytes = std::str::from_utf8(&text).ok().and_then(|text| {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut())
            .ok()
            .map(|()| bytes)
    });
    let bytes = bytes.ok_or_else(|| ServeError::Content {
        path: path.clone(),
        problem: "found no 32 bytes in hex, expected the key of the decision log; without it what was written cannot be read. Put it back, or move the log and this file away to begin another".to_owned(),
    })?;
    Ok(Key::new(&bytes))
}
