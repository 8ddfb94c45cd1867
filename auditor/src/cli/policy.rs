//! `policy`: the pinned keys in the form that other tools take.

use std::fmt::Write as _;

use clap::Args;
use veilsum_protocol::log::{Witnesses, cosignatures_needed};

use super::{Outcome, Problem, Trust};

#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(flatten)]
    trust: Trust,
}

impl Policy {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let (key, rosters) = self.trust.pins()?;
        let [roster] = rosters.as_slice() else {
            return Err(Problem::Usage(format!(
                "found {} rosters, expected one --consortium FILE: the banks' keys stand there",
                rosters.len()
            )));
        };
        let needed = cosignatures_needed(roster)
            .ok_or_else(|| Problem::Usage("the roster's size allows no threshold".to_owned()))?;
        let mut text = format!("log {key}\n");
        let mut names = String::new();
        for (bank, witness) in Witnesses::of(roster).keys() {
            let Some(entry) = roster.bank(bank) else {
                continue;
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "witness {} {witness}", entry.name);
            let _ = write!(names, " {}", entry.name);
        }
        // A bank's name has no dot, so the group's is no bank's.
        let _ = write!(text, "group all.banks {needed}{names}\nquorum all.banks\n");
        Ok(Outcome { holds: true, text })
    }
}
