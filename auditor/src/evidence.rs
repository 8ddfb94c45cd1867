//! Signed notes that contradict each other are the proof that a log lied, so they are kept.

use std::io;
use std::path::{Path, PathBuf};

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::VerifiedCheckpoint;

use crate::durable;

/// Writes signed notes into `folder`, each under a name that says its size and root, so that none ever replaces another. Gives their files.
///
/// # Errors
/// The system's reason why one cannot be written.
pub fn keep(folder: &Path, notes: &[VerifiedCheckpoint]) -> io::Result<Vec<PathBuf>> {
    let file = |note: &VerifiedCheckpoint| {
        let text = note.note().as_str().as_bytes();
        let hash: String = Digest::of(text).to_hex().chars().take(16).collect();
        let path = folder.join(format!("checkpoint-{}-{hash}", note.checkpoint().size));
        if !path.exists() {
            durable::write(&path, text)?;
        }
        Ok(path)
    };
    notes.iter().map(file).collect()
}

/// The same, told in words: where they are kept, or why they are not.
pub(crate) fn keep_told(folder: &Path, notes: &[VerifiedCheckpoint]) -> String {
    match keep(folder, notes) {
        Ok(files) => {
            let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            format!("the signed notes are kept in {}", files.join(" and "))
        }
        Err(error) => format!(
            "the signed notes could not be kept in {}: {error}",
            folder.display()
        ),
    }
}
