//! The decision log of a bank, read: which requests were scored, by which version, with their rows and answers. Nothing of it leaves the bank.

mod ledger;
mod span;
mod verify;

pub use ledger::{Ledger, LedgerError, Place, Wanted};
pub use span::{SpanError, TimeSpan, time_text};
pub use verify::{FileState, FileVerdict, Verdict};
