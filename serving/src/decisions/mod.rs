//! What was decided, written down: each request that was scored, with its rows and its answer, in files that only who has the key can read.
//!
//! A file begins with a header in the clear ([`HEADER_BYTES`]): 16 bytes of magic, the file's number (8 bytes, big-endian), a random prefix (8
//! bytes). Then come records: 4 bytes of length (big-endian), whose highest bit marks the closing record, and so many bytes of ciphertext and tag
//! of AES-256-GCM (NIST SP 800-38D). The nonce is the file's prefix and the record's index in 4 bytes, so it never comes twice under a prefix, and
//! a file is never gone on with after a restart. As additional data each record binds the whole header, its index, its offset and its length
//! field: a record that was moved, left out or put into another file is not read. A file that was closed ends with a closing record that holds the
//! number of records before; without it the file may have lost its end.

mod reader;
mod record;
mod sealing;
mod writer;

pub use reader::{NOT_OURS, Reader, Tail, date_of, files};
pub use record::{Record, Written};
pub use sealing::{HEADER_BYTES, Key};
pub use writer::DecisionLog;
