//! A signed folder with all that the log holds of some rounds, for who keeps records or supervises banks.
//!
//! * `write`: the folder.
//! * `derived`: what is made of the records alone, so that who checks the folder makes it again.
//! * `entry_json`: an entry for people and machines.
//! * `proof`: proofs that the records are in the log.
//! * `manifest`: the list of files and its signature.
//! * `texts`: what the folder says of itself, and which record-keeping duty each file may serve.
//! * `check`: whether a folder is what was signed, and stands under the log's signed head.

mod check;
mod derived;
mod manifest;
mod texts;
mod write;

pub use check::{Checked, ExportCheck, check};
pub use write::{ExportError, Exported, Selection, export};

use veilsum_protocol::log::entry::Entry;

/// An entry of the log that is part of an export.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Its index in the log, from 0.
    pub(crate) index: u64,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// What they say.
    pub(crate) entry: Entry,
}

impl Record {
    /// Its file below `records/`.
    pub(crate) fn path(&self) -> String {
        let kind = crate::entry_json::kind(&self.entry);
        match self.entry.round() {
            Some(round) => format!("records/round-{round}/{:08}-{kind}.bin", self.index),
            None => format!("records/members/{:08}-{kind}.bin", self.index),
        }
    }

    /// Its proof's file.
    pub(crate) fn proof_path(&self) -> String {
        format!("proofs/{:08}.tlog-proof", self.index)
    }
}
