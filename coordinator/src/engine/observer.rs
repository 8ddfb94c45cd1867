//! What the engine tells of its work while it does it, for those who count.

use veilsum_protocol::log::entry::AbortReason;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::coordinator::Phase;

/// Is told what happens, on the engine's own thread: it must return at once, and never fail.
pub trait Observer: Send {
    /// A phase of a round has ended after so many seconds.
    fn phase_ended(&self, phase: Phase, seconds: f64) {
        let _ = (phase, seconds);
    }

    /// A round has ended, with a result or for a reason.
    fn round_ended(&self, outcome: Result<(), AbortReason>) {
        let _ = outcome;
    }

    /// The update of a bank, of so many bytes, counts.
    fn uploaded(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Something that a bank sent was refused by this check.
    fn rejected(&self, check: Check) {
        let _ = check;
    }

    /// A bank cosigned the head that it was shown.
    fn cosigned(&self) {}

    /// A durable step of the store took so many seconds.
    fn committed(&self, seconds: f64) {
        let _ = seconds;
    }
}

/// Nobody counts.
impl Observer for () {}
