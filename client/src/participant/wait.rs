//! Until when the daemon waits, and what comes then.

use serde::{Deserialize, Serialize};

/// The end of a wait. What is waited for stands in the words before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Until when at most, in Unix milliseconds by this machine's clock; none without a time limit.
    pub until: Option<u64>,
    /// What happens then; without a time limit, what ends the wait.
    pub then: String,
}

impl Wait {
    /// Until then at most.
    pub(super) fn until(milliseconds: u64, then: &str) -> Self {
        Self {
            until: Some(milliseconds),
            then: then.to_owned(),
        }
    }

    /// Without a time limit.
    pub(super) fn endless(ends_when: &str) -> Self {
        Self {
            until: None,
            then: ends_when.to_owned(),
        }
    }

    /// In words, at a time in Unix milliseconds.
    pub fn words(&self, now: u64) -> String {
        match self.until {
            None => format!("without a time limit; it ends when {}", self.then),
            Some(until) if until > now => {
                format!("{} s left, then {}", (until - now).div_ceil(1000), self.then)
            }
            Some(_) => format!("its time is over, so {}", self.then),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_says_when_it_ends_and_what_then() {
        let timed = Wait::until(10_500, "the round goes on");
        assert_eq!(timed.words(500), "10 s left, then the round goes on");
        assert_eq!(timed.words(10_499), "1 s left, then the round goes on");
        assert_eq!(timed.words(10_500), "its time is over, so the round goes on");
        assert_eq!(
            Wait::endless("a bank comes").words(0),
            "without a time limit; it ends when a bank comes"
        );
    }
}
