//! The account of what left the bank: every byte that the transport handed to a connection to the coordinator, by kind, round, task and time.
//!
//! * [`Ledger`]: where the transport counts. It counts before it sends: what left is never more than what stands here, and where a connection
//!   breaks or the daemon is killed, it may be less.
//! * `record`: one line; `totals`: sums by day; `file`: both on disk.
//!
//! Bytes are those of frames and vectors, under TLS. What TLS, QUIC and the records of TCP add is counted by connection, as [`Ledger::framed`].
//! Nothing of the account is ever sent.

mod file;
mod ledger;
mod record;
mod totals;

pub use ledger::{Account, Ledger};
pub use record::Record;
pub use totals::{Count, Day, Totals};
