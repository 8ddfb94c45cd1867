//! The bank's word on tasks: what its policy allows, what its operator decided, and what either is decided on.
//!
//! [`Consent`] is what commands and pages ask; [`Limits`] stand in the bank's `policy.toml`, and [`Verdict`] is what they say of a task. The daemon
//! keeps to the same by [`PolicyWatch`]: it takes part in nothing that the policy forbids, whatever was approved before.
//!
//! What stands in the policy is told to the bank's own operator alone. The coordinator hears a [`RefusalReason`], from a closed list.
//!
//! [`RefusalReason`]: veilsum_protocol::wire::refusal::RefusalReason

mod desk;
mod hours;
mod limits;
mod shown;
mod verdict;
mod watch;

pub use desk::{Consent, ConsentError, Decided};
pub use hours::Hours;
pub(crate) use hours::moment;
pub use limits::Limits;
pub(crate) use limits::LimitsFile;
pub use shown::{Earlier, Offered, Shown};
pub use verdict::{Breach, Verdict};
pub use watch::PolicyWatch;
