//! Which upload is welcome right now. The transport asks from its own tasks; the engine changes the answer after every step.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use veilsum_protocol::ids::{BankIndex, Round};
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::coordinator::CoordinatorRound;
use veilsum_protocol::wire::message::Rejection;

/// The open collection, if there is one.
#[derive(Default)]
pub struct Gate(RwLock<Option<Collection>>);

struct Collection {
    round: Round,
    length: u64,
    welcome: BTreeSet<BankIndex>,
}

impl Gate {
    /// Opens for the banks whose updates `round` still waits for, and closes for all others.
    pub(super) fn follow(&self, round: Option<&CoordinatorRound>) {
        let collection = round.and_then(|machine| {
            let welcome: BTreeSet<_> = machine
                .cohort()
                .iter()
                .copied()
                .filter(|bank| machine.expected_upload(*bank).is_ok())
                .collect();
            let length = machine.expected_upload(*welcome.first()?).ok()?;
            Some(Collection {
                round: machine.round(),
                length,
                welcome,
            })
        });
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = collection;
    }

    /// The length of the update that `bank` may upload for `round`.
    ///
    /// # Errors
    /// C-701 when the round takes no update of this bank (any more).
    pub fn expected(&self, bank: BankIndex, round: Round) -> Result<u64, Rejection> {
        let collection = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match collection.as_ref() {
            Some(open) if open.round == round && open.welcome.contains(&bank) => Ok(open.length),
            _ => {
                let detail = format!(
                    "round {round} takes no update of bank {bank} now; it is stored, or came too late"
                );
                Err(Rejection::new(Check::Phase, detail))
            }
        }
    }
}
