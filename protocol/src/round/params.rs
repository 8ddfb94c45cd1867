//! The numbers that a round's promises rest on.

use serde::{Deserialize, Serialize};

use crate::secagg::ring::MAX_BANKS;
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};

/// Fewest banks of a consortium: with fewer, a sum says too much about each.
pub const MIN_BANKS: u16 = 3;

/// Furthest that a round or an epoch may lie ahead of the last one. Numbers grow by one, with gaps where a round was given up; who could
/// name one near the end of `u64` would leave a bank no number to go on with.
pub const MAX_JUMP: u64 = 1_000_000;

/// How many banks may collude, how many must agree, how many must survive.
///
/// | quantity | value |
/// | --- | --- |
/// | colluders `c` | at most `(n - 1) / 3`, the default |
/// | threshold `t` | `(n + c) / 2 + 1`, rounded down |
/// | least survivors | `max(t, c + 2, 3)`: two survivors could each subtract themselves |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// `n`, banks in the roster.
    pub banks: u16,
    /// `c`, banks that may join the coordinator.
    pub colluders: u16,
    /// `t`, shares that give a secret back and signatures that certify a list of survivors.
    pub threshold: u16,
    /// `m_min`, fewest survivors of a sum.
    pub min_survivors: u16,
}

/// The numbers do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    /// Fewer than 3 or more than 500 banks.
    #[error("{0} banks: a consortium has {MIN_BANKS}..={MAX_BANKS}")]
    Banks(u16),
    /// More than a third.
    #[error("colluders: {found} is out of range, 0..={most} for {banks} banks")]
    Colluders {
        /// What was asked for.
        found: u16,
        /// What the number of banks allows.
        most: u16,
        /// Banks in the roster.
        banks: u16,
    },
}

impl Thresholds {
    /// For `banks` banks of which up to `colluders` may join the coordinator.
    ///
    /// # Errors
    /// If either is out of range.
    pub fn new(banks: u16, colluders: u16) -> Result<Self, ThresholdError> {
        let most = Self::most_colluders(banks)?;
        if colluders > most {
            return Err(ThresholdError::Colluders {
                found: colluders,
                most,
                banks,
            });
        }
        let threshold = (banks + colluders) / 2 + 1;
        Ok(Self {
            banks,
            colluders,
            threshold,
            min_survivors: threshold.max(colluders + 2).max(3),
        })
    }

    /// With the default, the most that are allowed.
    ///
    /// # Errors
    /// If the number of banks is out of range.
    pub fn with_most_colluders(banks: u16) -> Result<Self, ThresholdError> {
        Self::new(banks, Self::most_colluders(banks)?)
    }

    fn most_colluders(banks: u16) -> Result<u16, ThresholdError> {
        if !(MIN_BANKS..=MAX_BANKS).contains(&banks) {
            return Err(ThresholdError::Banks(banks));
        }
        Ok((banks - 1) / 3)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer
            .u16(self.banks)
            .u16(self.colluders)
            .u16(self.threshold)
            .u16(self.min_survivors);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let found = Self {
            banks: r.u16("banks")?,
            colluders: r.u16("colluders")?,
            threshold: r.u16("threshold")?,
            min_survivors: r.u16("least survivors")?,
        };
        let derived = Self::new(found.banks, found.colluders)
            .map_err(|error| DecodeError::value("thresholds", error.to_string()))?;
        if derived != found {
            return Err(DecodeError::value(
                "thresholds",
                format!("found {found:?}, expected {derived:?}"),
            ));
        }
        Ok(found)
    }
}

/// What a round computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoundKind {
    /// Moments of the inputs.
    Statistics,
    /// One step of the model, with the metrics of the model before it.
    Train,
    /// Metrics alone.
    Evaluate,
    /// How many banks have values in which cells of categories that have no agreed values yet.
    Support,
    /// The values of such categories that enough banks have.
    Vocabulary,
}

impl RoundKind {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Statistics => "statistics",
            Self::Train => "train",
            Self::Evaluate => "evaluate",
            Self::Support => "support",
            Self::Vocabulary => "vocabulary",
        }
    }

    /// Whether a round of this kind scores the model that it starts from.
    pub fn is_measured(self) -> bool {
        matches!(self, Self::Train | Self::Evaluate)
    }

    pub(crate) fn write(self, writer: &mut Writer) {
        writer.u8(match self {
            Self::Statistics => 1,
            Self::Train => 2,
            Self::Evaluate => 3,
            Self::Support => 4,
            Self::Vocabulary => 5,
        });
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.u8("round kind")? {
            1 => Ok(Self::Statistics),
            2 => Ok(Self::Train),
            3 => Ok(Self::Evaluate),
            4 => Ok(Self::Support),
            5 => Ok(Self::Vocabulary),
            other => Err(DecodeError::value("round kind", format!("{other} is unknown"))),
        }
    }
}

impl Canonical for Thresholds {
    const KIND: &'static str = "thresholds";

    fn write(&self, writer: &mut Writer) {
        Thresholds::write(self, writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Thresholds::read(reader)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn examples_of_the_specification() {
        for (n, c, t, m) in [
            (3, 0, 2, 3),
            (4, 1, 3, 3),
            (5, 1, 4, 4),
            (10, 3, 7, 7),
            (16, 5, 11, 11),
            (64, 21, 43, 43),
            (100, 33, 67, 67),
            (500, 166, 334, 334),
        ] {
            let thresholds = Thresholds::with_most_colluders(n).unwrap();
            assert_eq!(
                (
                    thresholds.colluders,
                    thresholds.threshold,
                    thresholds.min_survivors
                ),
                (c, t, m),
                "{n} banks"
            );
        }
        assert_eq!(Thresholds::new(2, 0), Err(ThresholdError::Banks(2)));
        assert_eq!(
            Thresholds::new(5, 2),
            Err(ThresholdError::Colluders {
                found: 2,
                most: 1,
                banks: 5
            })
        );
    }

    #[test]
    fn nobody_gets_both_kinds_of_share() {
        // Each honest bank answers for one list only. Two lists with t answers each need 2t <= n + c, as colluders answer both.
        for n in MIN_BANKS..=MAX_BANKS {
            for c in 0..=(n - 1) / 3 {
                assert!(2 * Thresholds::new(n, c).unwrap().threshold > n + c);
            }
        }
    }
}
