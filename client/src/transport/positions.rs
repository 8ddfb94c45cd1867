//! Where in the roster the coordinator may have this bank.

use std::sync::{Arc, Mutex, PoisonError};

use veilsum_protocol::ids::BankIndex;

/// The position in the pinned roster and, while another one comes into force, that in the one before. The daemon changes it, the link compares.
#[derive(Debug, Clone)]
pub struct Positions(Arc<Mutex<Vec<BankIndex>>>);

impl Positions {
    /// These, the pinned one first.
    pub fn of(positions: impl Into<Vec<BankIndex>>) -> Self {
        Self(Arc::new(Mutex::new(positions.into())))
    }

    /// From now on these.
    pub fn replace(&self, positions: Vec<BankIndex>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = positions;
    }

    /// The position in the pinned roster, if the coordinator has the bank at none of them.
    pub(super) fn instead_of(&self, found: BankIndex) -> Option<BankIndex> {
        let positions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pinned = positions.first().copied();
        pinned.filter(|_| !positions.contains(&found))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn any_of_them_will_do_and_for_others_the_pinned_one_is_told() {
        let bank = |position| BankIndex::new(position).unwrap();
        let positions = Positions::of([bank(3)]);
        let link = positions.clone();
        assert_eq!(link.instead_of(bank(3)), None);
        assert_eq!(link.instead_of(bank(2)), Some(bank(3)));
        positions.replace(vec![bank(2), bank(3)]);
        assert_eq!((link.instead_of(bank(2)), link.instead_of(bank(3))), (None, None));
        assert_eq!(link.instead_of(bank(4)), Some(bank(2)));
    }
}
