//! Desensitisation: before anything reads the bank's table, identifiers are found, the rules of the bank's own `policy.toml` are applied, and a
//! column that still looks like an identifier is refused unless the policy says why it may be read.
//!
//! [`Guard`] stands in the one place where rows are read for a task; [`Surveyor`] tells the bank's administrator what it finds and does. No task
//! or message reaches the policy: it is a file of the bank's folder, read again for every order of work.

mod anonymity;
mod column;
mod dates;
mod detect;
mod guard;
mod hint;
mod key;
mod kind;
mod policy;
mod rules;
mod source;
mod survey;

pub use anonymity::AnonymityReport;
pub use detect::{Found, find, masked};
pub use guard::Guard;
pub(crate) use guard::Watched;
pub use key::DesensitiseKey;
pub use kind::{Kind, Kinds};
pub use policy::{Policy, template};
pub use rules::{Applied, Rules, Unfit};
pub use source::PolicySource;
pub use survey::{ColumnReport, FoundReport, Survey, Surveyor, Verdict};
