//! A coordinator that lies in the log, and what banks say to it.

use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::participant::Notice;

use crate::stage::consortium::bank;
use crate::stage::ledger::Rewrite;
use crate::stage::world::World;

impl World {
    pub fn lie(&mut self, rewrite: impl FnMut(&Entry) -> Option<Vec<Entry>> + 'static) {
        let rewrite: Rewrite = Box::new(rewrite);
        self.office.log.rewrite = Some(rewrite);
    }

    /// The checks with which a bank refused, in order.
    pub fn refused(&self, position: u16) -> Vec<Check> {
        let check = |notice: &Notice| match notice {
            Notice::Refused(rejection) => Some(rejection.check),
            _ => None,
        };
        self.banks[&bank(position)]
            .notices
            .iter()
            .filter_map(check)
            .collect()
    }
}
