//! Receipts (C2SP `tlog-proof`): what proves, without the coordinator and without the log, that what this bank said is logged, and which
//! results were published.
//!
//! Public inside the consortium, and trusted no further than they verify. Lost: a mirror of the log gives the same proofs.

use std::path::PathBuf;

use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::receipt::{RECEIPT_EXTENSION, Receipt};
use veilsum_protocol::wire::canonical::Canonical as _;

use super::durable::{FileError, PUBLIC, make_folder, replace};

/// The folder of receipts.
#[derive(Clone, Debug)]
pub struct ReceiptFiles {
    folder: PathBuf,
}

impl ReceiptFiles {
    /// In `folder`, which is made.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn open(folder: PathBuf) -> Result<Self, FileError> {
        make_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Keeps a receipt under a name that says what it is of: `round-000012-masked.tlog-proof`. One that is there stays: a later head
    /// proves nothing more.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn keep(&self, receipt: &Receipt) -> Result<(), FileError> {
        let Ok(entry) = Entry::from_bytes(receipt.entry_bytes()) else {
            return Ok(());
        };
        let path = self
            .folder
            .join(format!("{}.{RECEIPT_EXTENSION}", name(&entry, receipt.index())));
        if path.try_exists().map_err(FileError::at(&path))? {
            return Ok(());
        }
        replace(&path, PUBLIC, receipt.to_text().as_bytes())
    }
}

fn name(entry: &Entry, index: u64) -> String {
    match entry {
        Entry::TaskApproval { task, .. } => format!("approval-{}", &task.to_hex()[..16]),
        Entry::RosterApproval { proposal, .. } => format!("roster-approval-{}", &proposal.to_hex()[..16]),
        Entry::Masked { round, .. } => format!("round-{:06}-masked", round.0),
        Entry::Release { round, .. } => format!("round-{:06}-release", round.0),
        Entry::Ack { round, .. } => format!("round-{:06}-ack", round.0),
        Entry::Result(result) => format!("round-{:06}-result", result.round.0),
        _ => format!("entry-{index}"),
    }
}
