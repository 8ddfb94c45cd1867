//! The consortium file and the door for banks, which follow the roster that the engine goes by.

use std::path::PathBuf;
use std::sync::Arc;

use veilsum_protocol::consortium::{Consortium, ConsortiumBank};
use veilsum_protocol::roster::{Roster, RosterEntry};

use crate::atomic_file::durable_write;
use crate::engine::ports::{Fault, Membership, Met};
use crate::transport::{Seats, SeenBank};

/// The consortium file with another roster: everything else in it stays.
fn consortium_with(consortium: &Consortium, roster: &Roster) -> Consortium {
    Consortium {
        banks: roster.banks().iter().map(ConsortiumBank::from).collect(),
        ..consortium.clone()
    }
}

/// The consortium file and the seats.
pub struct Members {
    seats: Arc<Seats>,
    path: PathBuf,
    consortium: Consortium,
}

impl Members {
    /// Of the file that was read from `path`.
    pub fn new(seats: Arc<Seats>, path: PathBuf, consortium: Consortium) -> Self {
        Self {
            seats,
            path,
            consortium,
        }
    }
}

impl Membership for Members {
    fn seat(&self, roster: &Roster) -> Result<(), Fault> {
        let named = std::fs::read_to_string(&self.path).ok();
        let named = named.and_then(|text| Some(Consortium::from_toml(&text).ok()?.1));
        if named.as_ref() != Some(roster) {
            let next = consortium_with(&self.consortium, roster);
            let text = next.to_toml().map_err(Fault::new)?;
            durable_write(&self.path, text.as_bytes()).map_err(Fault::new)?;
            tracing::info!(
                "{} names the {} banks of the roster that is in force",
                self.path.display(),
                roster.banks().len()
            );
        }
        if *self.seats.roster() != *roster {
            self.seats.seat(roster.clone());
        }
        Ok(())
    }

    fn expect(&self, joining: &[RosterEntry], waits_for: &str) {
        self.seats.expect(joining, waits_for);
    }

    fn is_here(&self, bank: &RosterEntry) -> bool {
        self.seats.is_here(bank)
    }

    fn met(&self, bank: &RosterEntry) -> Met {
        let SeenBank {
            certificate_until,
            replaced,
            two_places,
        } = self.seats.met(bank.tls_key);
        Met {
            certificate_until,
            replaced,
            two_places,
        }
    }
}
