//! The transparency log: entries are sequenced, committed with the round that they belong to, and then published.
//!
//! The order is the law, because each step may be the last before a crash:
//!
//! 1. blobs that an entry names, durable under their hash;
//! 2. one commit of the store with the round's record, the entries and the signed head: **the commit point**. Before it
//!    nothing has happened, after it everything will be published;
//! 3. tiles and entry bundles, which can be written again to the same bytes;
//! 4. only then are banks shown the head, to cosign it;
//! 5. `checkpoint` with enough cosignatures, by rename;
//! 6. only then is anyone told that it may be acted on.
//!
//! ```text
//! let prepared = sequencer.prepare(entries, sign)?;
//! store.commit(&Commit { entries, checkpoint: Some(prepared.note()), .. })?;   // the commit point
//! publisher.publish_tiles(prepared.entries())?;
//! sequencer.advance(&prepared)?;
//! // ... when enough banks have cosigned it, or a later one
//! publisher.publish_checkpoint(&head)?;
//! ```
//!
//! After an error of any step the sequencer and the publisher are thrown away and made again by [`recover`].

mod frontier;
pub mod publish;
mod reader;
pub mod recovery;
pub mod sequencer;

pub use publish::{CHECKPOINT_FILE, PublishError, Publisher};
pub use reader::Reader;
pub use recovery::{Recovered, RecoveryError, recover};
pub use sequencer::{Prepared, SequenceError, Sequencer};
