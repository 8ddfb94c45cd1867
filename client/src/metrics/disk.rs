//! Room on a disk.

use std::io;
use std::path::Path;

/// Of the file system of a folder, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Space {
    /// What this process can still write.
    pub(super) free: u64,
    /// All of it.
    pub(super) size: u64,
}

/// Asks the system.
///
/// # Errors
/// What the system says.
pub(super) fn space(folder: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(Space {
        free: found.f_bavail.saturating_mul(found.f_frsize),
        size: found.f_blocks.saturating_mul(found.f_frsize),
    })
}
