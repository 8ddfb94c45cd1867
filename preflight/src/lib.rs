//! What `preflight` of coordinator and client have in common: findings and how they are told, what firewalls must let through, and a look at the
//! machine: disk, memory, open files, ports. What is looked at beside that is each side's own.

mod firewall;
mod machine;
pub mod ports;
mod report;

pub use firewall::{Block, Place, Rule};
pub use machine::{Advice, Memory, disk, files, memory};
pub use report::{Finding, Report, Verdict, Whose, Wrong};
