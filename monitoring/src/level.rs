//! When somebody has to look.

use serde::{Deserialize, Serialize};

use crate::sample::Invalid;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it was.
    Steady,
    /// Worth a look.
    Watch,
    /// Somebody has to do something.
    Act,
}

impl Level {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Watch => "watch",
            Self::Act => "act",
        }
    }
}

/// From where on a figure is worth a look, and from where on something has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// [`Level::Watch`] from here on.
    pub watch: f64,
    /// [`Level::Act`] from here on.
    pub act: f64,
}

impl Steps {
    /// Of a figure that is worse the larger it is.
    pub(crate) fn rising(self, value: f64) -> Level {
        match value {
            value if value >= self.act => Level::Act,
            value if value >= self.watch => Level::Watch,
            _ => Level::Steady,
        }
    }

    /// Of a figure that is worse the smaller it is.
    pub(crate) fn falling(self, value: f64) -> Level {
        match value {
            value if value < self.act => Level::Act,
            value if value < self.watch => Level::Watch,
            _ => Level::Steady,
        }
    }

    fn check(self, key: &'static str, rising: bool) -> Result<(), Invalid> {
        let inside = [self.watch, self.act]
            .iter()
            .all(|value| (0.0..=100.0).contains(value));
        if inside && (self.watch == self.act || (self.watch < self.act) == rising) {
            return Ok(());
        }
        Err(Invalid::Limit {
            key,
            found: format!("watch = {}, act = {}", self.watch, self.act),
            expected: if rising {
                "0 to 100, with act not below watch"
            } else {
                "0 to 100, with act not above watch"
            },
        })
    }
}

/// From where on the test of Kolmogorov and Smirnov is worth a look. It leads to no [`Level::Act`]: of many rows it finds what matters to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KsLimits {
    /// At least so far apart.
    pub distance: f64,
    /// And by chance less often than this.
    pub p: f64,
}

impl Default for KsLimits {
    fn default() -> Self {
        Self {
            distance: 0.1,
            p: 0.001,
        }
    }
}

/// All limits. Those of the stability index are the custom of credit risk, the last of the impact ratio is the four-fifths rule; the others are this
/// project's choice.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bins of a column of numbers.
    pub bins: usize,
    /// A window of fewer rows has no level.
    pub least_rows: u64,
    /// Of the stability index. It counts only where it is more than chance, see [`chance`](crate::chance).
    pub psi: Steps,
    /// Of the test of Kolmogorov and Smirnov.
    pub ks: KsLimits,
    /// How far the seen rate may be from the foretold one, before it is asked whether that is chance: as a share of 1, or of the label's range.
    pub gap: f64,
    /// Of the impact ratio, the least share of favourable decisions by the greatest.
    pub impact: Steps,
    /// Of the difference in equal opportunity.
    pub opportunity: Steps,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bins: 10,
            least_rows: 100,
            psi: Steps {
                watch: 0.1,
                act: 0.25,
            },
            ks: KsLimits::default(),
            gap: 0.01,
            impact: Steps { watch: 0.9, act: 0.8 },
            opportunity: Steps { watch: 0.1, act: 0.2 },
        }
    }
}

impl Limits {
    /// Whether every limit is in its range.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), Invalid> {
        let refuse = |key, found: String, expected| Err(Invalid::Limit { key, found, expected });
        if !(2..=100).contains(&self.bins) {
            return refuse("bins", self.bins.to_string(), "2 to 100");
        }
        if self.least_rows == 0 {
            return refuse("least_rows", "0".to_owned(), "at least 1");
        }
        for (key, value) in [
            ("ks.distance", self.ks.distance),
            ("ks.p", self.ks.p),
            ("gap", self.gap),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return refuse(key, value.to_string(), "0 to 1");
            }
        }
        self.psi.check("psi", true)?;
        self.impact.check("impact", false)?;
        self.opportunity.check("opportunity", true)
    }
}

/// Something that is no longer as it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    /// How much it matters.
    pub level: Level,
    /// In which window.
    pub window: String,
    /// Of what: a column, the score, `calibration`, or a column of groups.
    pub about: String,
    /// What was found.
    pub words: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn levels_begin_at_their_step() {
        let steps = Limits::default().psi;
        assert_eq!(
            [0.0, 0.0999, 0.1, 0.2499, 0.25, 9.0].map(|value| steps.rising(value)),
            [
                Level::Steady,
                Level::Steady,
                Level::Watch,
                Level::Watch,
                Level::Act,
                Level::Act
            ]
        );
        let steps = Limits::default().impact;
        assert_eq!(
            [1.0, 0.9, 0.8999, 0.8, 0.7999].map(|value| steps.falling(value)),
            [
                Level::Steady,
                Level::Steady,
                Level::Watch,
                Level::Watch,
                Level::Act
            ]
        );
        assert!(Level::Steady < Level::Watch && Level::Watch < Level::Act);
    }

    #[test]
    fn limits_out_of_their_range_are_told() {
        let wrong = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            limits.check().unwrap_err().to_string()
        };
        Limits::default().check().unwrap();
        assert!(wrong(|limits| limits.bins = 1).contains("bins: found 1, expected 2 to 100"));
        assert!(wrong(|limits| limits.psi.act = 0.05).contains("act not below watch"));
        assert!(wrong(|limits| limits.impact.act = 0.95).contains("act not above watch"));
        assert!(wrong(|limits| limits.gap = f64::NAN).contains("gap"));
        assert!(wrong(|limits| limits.least_rows = 0).contains("least_rows"));
        assert!(wrong(|limits| limits.ks.p = 2.0).contains("ks.p"));
    }
}
