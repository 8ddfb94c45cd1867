//! What becomes of a roster when another follows it, for the operators who decide on it.

use std::fmt::Write as _;

use crate::enrolment::Fingerprint;
use crate::log::roster_chain::stays;
use crate::roster::{Roster, RosterEntry};
use crate::round::params::Thresholds;

impl RosterEntry {
    /// What people compare by another channel, the same that both sides saw when the bank was enrolled: see [`Fingerprint`].
    pub fn fingerprint(&self) -> String {
        Fingerprint::of_bank(&self.name, &self.tls_key, &self.signing_key, &self.witness_key).to_string()
    }
}

/// One roster after another.
#[derive(Clone, Copy, Debug)]
pub struct RosterChange<'a> {
    before: &'a Roster,
    after: &'a Roster,
}

impl<'a> RosterChange<'a> {
    /// From the first to the second.
    pub fn new(before: &'a Roster, after: &'a Roster) -> Self {
        Self { before, after }
    }

    /// Who is in the second alone.
    pub fn joins(&self) -> impl Iterator<Item = &'a RosterEntry> {
        let before = self.before;
        self.after.banks().iter().filter(move |bank| !stays(bank, before))
    }

    /// Who is in the first alone.
    pub fn leaves(&self) -> impl Iterator<Item = &'a RosterEntry> {
        let after = self.after;
        self.before.banks().iter().filter(move |bank| !stays(bank, after))
    }

    /// Several lines: who joins, with what to compare, who leaves, and what becomes of the numbers on which the rounds' promises rest.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        let mut line = |words: String| {
            let _ = writeln!(text, "{words}");
        };
        for bank in self.joins() {
            line(format!(
                "joins:  {}, fingerprint {}",
                bank.name,
                bank.fingerprint()
            ));
        }
        for bank in self.leaves() {
            line(format!("leaves: {}", bank.name));
        }
        let names: Vec<&str> = self.after.banks().iter().map(|bank| bank.name.as_str()).collect();
        line(format!("banks then: {}", names.join(", ")));
        if let (Some(before), Some(after)) = (thresholds(self.before), thresholds(self.after)) {
            line(format!(
                "banks:                                      {:>3}, now {:>3}",
                after.banks, before.banks
            ));
            line(format!(
                "banks that may join the coordinator in vain: {:>2}, now {:>3}",
                after.colluders, before.colluders
            ));
            line(format!(
                "signatures that certify a sum:              {:>3}, now {:>3}",
                after.threshold, before.threshold
            ));
            line(format!(
                "fewest banks in a sum:                      {:>3}, now {:>3}",
                after.min_survivors, before.min_survivors
            ));
        }
        line(format!("roster: {}", self.after.hash()));
        text
    }
}

/// The numbers of a roster's rounds.
pub fn thresholds(roster: &Roster) -> Option<Thresholds> {
    let banks = u16::try_from(roster.banks().len()).ok()?;
    Thresholds::with_most_colluders(banks).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::ids::Digest;

    use super::*;
    use crate::ids::BankIndex;

    fn roster(members: &[u16]) -> Roster {
        let entry = |(position, member): (u16, &u16)| RosterEntry {
            index: BankIndex::new(position).unwrap(),
            name: format!("bank-{member}"),
            signing_key: Digest::of(&[1, *member as u8]).0,
            witness_key: Digest::of(&[2, *member as u8]).0,
            tls_key: Digest::of(&[3, *member as u8]),
        };
        Roster::new("demo", (1..).zip(members).map(entry).collect()).unwrap()
    }

    #[test]
    fn a_change_is_told_with_what_there_is_to_compare() {
        let (before, after) = (roster(&[1, 2, 3, 4]), roster(&[2, 3, 4, 5, 6]));
        let change = RosterChange::new(&before, &after);
        let names = |banks: Vec<&RosterEntry>| banks.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(change.joins().collect()), ["bank-5", "bank-6"]);
        assert_eq!(names(change.leaves().collect()), ["bank-1"]);
        let text = change.describe();
        let five = after.named("bank-5").unwrap();
        for expected in [
            format!("joins:  bank-5, fingerprint {}", five.fingerprint()),
            "leaves: bank-1\n".to_owned(),
            "banks then: bank-2, bank-3, bank-4, bank-5, bank-6\n".to_owned(),
            format!("roster: {}", after.hash()),
        ] {
            assert!(text.contains(&expected), "{expected:?} in {text}");
        }
        assert_eq!(text.lines().filter(|line| line.contains("now")).count(), 4);
    }

    #[test]
    fn a_fingerprint_hangs_on_the_name_and_every_key_and_not_on_the_position() {
        let bank = roster(&[1, 2, 3]).banks().first().cloned().unwrap();
        let mut other = bank.clone();
        other.index = BankIndex::new(7).unwrap();
        assert_eq!(other.fingerprint(), bank.fingerprint());
        assert_eq!(bank.fingerprint().len(), 6 * 4 + 5);
        for change in [
            (|bank| bank.name.push('x')) as fn(&mut RosterEntry),
            |bank| bank.signing_key[0] ^= 1,
            |bank| bank.witness_key[0] ^= 1,
            |bank| bank.tls_key.0[0] ^= 1,
        ] {
            let mut other = bank.clone();
            change(&mut other);
            assert_ne!(other.fingerprint(), bank.fingerprint());
        }
    }
}
