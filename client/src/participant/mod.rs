//! The bank's part in the rounds: the loop that drives the protocol's participant, and the files that it keeps.

mod channel;
mod checkpoint_file;
mod checkpoints;
mod consortium_file;
pub mod contribution;
mod digits_file;
mod driver;
mod durable;
mod error;
mod evidence;
mod home;
mod jobs;
mod lock;
mod masking;
mod model_files;
mod own;
mod own_files;
mod receipts;
mod recovery;
mod roster_files;
mod round_files;
mod scribe;
mod state_file;
mod states;
mod status;
mod tasks;
mod trainer;
mod voice;
mod wiper;

pub use channel::Channel;
pub use checkpoints::Keeping;
pub use consortium_file::{ConsortiumFile, ConsortiumFileError};
pub use digits_file::DigitsFileError;
pub use driver::{Driver, Parts};
pub use durable::FileError;
pub use error::DriverError;
pub use evidence::EvidenceFiles;
pub use home::Home;
pub use lock::{FolderLock, LockError};
pub use model_files::{ModelFileError, ModelFiles};
pub use own_files::OwnFiles;
pub use receipts::ReceiptFiles;
pub use recovery::{RecoveryError, restore, unfinished};
pub use roster_files::{Decision, Proposed, RosterFiles};
pub use round_files::{MaskedFile, RoundFiles};
pub use state_file::{StateFile, StateFileError};
pub use states::{StateError, States};
pub use status::{Status, TaskStatus};
pub use tasks::{Tasks, TasksError};
pub use trainer::{News, Order, Trainer, TrainerGone};
pub use voice::{Say, Voice};

#[cfg(test)]
mod tests;
