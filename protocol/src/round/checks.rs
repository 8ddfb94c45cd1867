//! The numbered checks. A number stands at the check, in its test's name and in `docs/protocol.md`, and never changes its meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! checks {
    ($($(#[$doc:meta])* $name:ident = $number:literal $words:literal;)*) => {
        /// A check that can fail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u16", into = "u16")]
        pub enum Check {
            $(#[doc = $words] $name),*
        }

        impl Check {
            /// Every check, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its number.
            pub fn number(self) -> u16 {
                match self { $(Self::$name => $number),* }
            }

            /// What went wrong, in words.
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $words),* }
            }
        }
    };
}

checks! {
    Roster = 101 "the roster is not the one that the bank pinned";
    Directory = 102 "the key directory does not hold every bank's signed keys exactly once";
    OwnKeys = 103 "the bank's own keys in the directory are not the ones that it made";
    PeerKeys = 104 "a peer's key is of low order, malformed or used twice";
    PairConfirmation = 105 "a peer's confirmation of the pair key does not hold";
    EpochNotNew = 106 "the epoch is not newer than the last one";
    RosterUnapproved = 107 "the roster was changed without the approvals that it takes";
    RoundNotNew = 201 "the round is not newer than the last one";
    TaskNotApproved = 202 "the bank's operator has not approved the task";
    OtherState = 203 "the state is not the one that the bank derived itself";
    RoundRules = 204 "the round's rules are not those of the task and the roster";
    OwnBundle = 205 "the manifest lacks the bank's own bundle or holds another one";
    ParcelOrigin = 206 "a parcel is not the one that its sender signed";
    ParcelContent = 207 "a parcel does not open, or its shares are not canonical or not those that were committed to";
    PairBase = 208 "a peer committed to another mask base than the bank's own";
    EpochKeysMissing = 209 "the bank has no armed keys for the epoch";
    Cohort = 301 "the cohort is too small, not of prepared banks, or holds a peer that the bank complained about";
    SecondCohort = 302 "a second cohort for the same round";
    SecondSurvivors = 401 "a second list of survivors for the same round";
    OwnUpdate = 402 "the bank's own update is missing from the survivors or has another hash";
    SurvivorsOutside = 403 "a survivor is not in the cohort";
    TooFewSurvivors = 404 "fewer survivors than the rules allow";
    Certificate = 405 "too few valid signatures under the list of survivors";
    SecondRelease = 406 "shares were released for this round already";
    StepReleased = 407 "shares were released for another set of survivors of the same step";
    DerivedState = 501 "the published sum does not lead to the published state";
    Uncertified = 502 "a result was published that no certified list of survivors stands behind";
    LogFork = 601 "the log was rolled back, forked or does not match its checkpoint";
    Witnesses = 602 "too few banks have cosigned the head of the log that this bank was shown";
    Phase = 701 "the message does not belong to the round's phase";
    Signature = 702 "the signature is not the bank's";
    SecondMessage = 703 "another message of the same kind came first";
    Upload = 704 "the upload's length or hash is not the one that was signed";
    Malformed = 705 "the message is malformed";
    Commitment = 706 "a released share, a secret or a recovery blob is not what the bundle commits to";
    Version = 708 "the peer speaks another version";
}

impl TryFrom<u16> for Check {
    type Error = String;

    fn try_from(number: u16) -> Result<Self, Self::Error> {
        Self::ALL
            .iter()
            .find(|check| check.number() == number)
            .copied()
            .ok_or_else(|| format!("check C-{number} is unknown; is the peer's version newer?"))
    }
}

impl From<Check> for u16 {
    fn from(check: Check) -> u16 {
        check.number()
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "C-{}: {}", self.number(), self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_grow() {
        assert!(Check::ALL.is_sorted_by(|a, b| a.number() < b.number()));
    }
}
