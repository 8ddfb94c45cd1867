//! Everything that is to be said of some decisions.

use serde::Serialize;
use veilsum_protocol::model::Decision;

use crate::baseline::{Baseline, Drift, histogram};
use crate::fairness::Fairness;
use crate::level::{Alert, Level, Limits};
use crate::quality::Quality;
use crate::sample::{Invalid, Named, Predictions, Sample, Values};
use crate::window::{Span, Window};

/// Bins of equal width of a histogram for people: few rows would leave many of them empty.
const LEAST_BINS: usize = 8;
const MOST_BINS: usize = 40;
/// Named in the words of an alert.
const CALIBRATION: &str = "calibration";

/// How decisions are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Monitor {
    /// How time is parted.
    pub window: Window,
    /// From where on something is no longer as it was.
    pub limits: Limits,
    /// What a score decides about a person.
    pub decision: Decision,
}

/// The rows that decisions are compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// What the same version of the model says of them.
    pub predictions: Predictions,
    /// The columns that a [`Sample`] has, in the same order.
    pub columns: Vec<Named>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Rows of the reference.
    pub reference_rows: u64,
    /// Decisions that were looked at.
    pub rows: u64,
    /// Each window, in the order of time.
    pub windows: Vec<WindowReport>,
    /// How what the model says has moved.
    pub scores: Vec<Moved>,
    /// How what it is told has moved, by column.
    pub columns: Vec<Moved>,
    /// Foretold beside seen, over all windows.
    pub quality: Option<Quality>,
    /// How groups fare, by the columns that tell them apart.
    pub groups: Vec<GroupReport>,
    /// What is no longer as it was, in the order of time.
    pub alerts: Vec<Alert>,
}

/// A window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowReport {
    /// What it is called.
    pub name: String,
    /// Its beginning, in milliseconds since 1970 UTC.
    pub from_ms: i64,
    /// The first millisecond behind it.
    pub until_ms: i64,
    /// Decisions in it.
    pub rows: u64,
    /// The highest of its levels; none if it has too few rows for any.
    pub level: Option<Level>,
    /// Foretold beside seen.
    pub quality: Option<Quality>,
}

/// How a column, or what the model says, has moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// Its name.
    pub name: String,
    /// Over all windows.
    pub whole: Drift,
    /// In each window.
    pub windows: Vec<Drift>,
    /// What it is compared with.
    #[serde(skip)]
    pub baseline: Baseline,
    /// For pictures; none of categories.
    #[serde(skip)]
    pub histogram: Option<Histogram>,
}

/// Rows by value, in bins of equal width.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// The lower edge of the first bin.
    pub from: f64,
    /// The upper edge of the last.
    pub to: f64,
    /// Rows of the reference.
    pub reference: Vec<u64>,
    /// Decisions.
    pub current: Vec<u64>,
}

/// How the groups of a column fare.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupReport {
    /// The column.
    pub column: String,
    /// Over all windows.
    pub whole: Fairness,
    /// In each window.
    pub windows: Vec<Fairness>,
}

impl Monitor {
    /// Looks at decisions beside the reference.
    ///
    /// # Errors
    /// Samples that do not fit each other, limits out of their range, an empty reference.
    pub fn look(&self, reference: &Reference, sample: &Sample) -> Result<Report, Invalid> {
        self.limits.check()?;
        sample.check()?;
        let spans = self.window.spans(&sample.times_ms)?;
        let scores = self.moved(
            &reference.predictions.columns(),
            &sample.predictions.columns(),
            &spans,
        )?;
        let columns = self.moved(&reference.columns, &sample.columns, &spans)?;
        let all = 0..sample.times_ms.len();
        let quality = Quality::of(sample, all.clone(), &self.limits)?;
        let mut of_windows = Vec::with_capacity(spans.len());
        for span in &spans {
            of_windows.push(Quality::of(sample, span.rows.clone(), &self.limits)?);
        }
        let mut groups = Vec::new();
        for grouping in &sample.groupings {
            let of = |rows| Fairness::of(sample, grouping, rows, self.decision, &self.limits);
            let windows: Option<Vec<Fairness>> = spans.iter().map(|span| of(span.rows.clone())).collect();
            if let Some((whole, windows)) = of(all.clone()).zip(windows) {
                groups.push(GroupReport {
                    column: grouping.name.clone(),
                    whole,
                    windows,
                });
            }
        }
        let mut report = Report {
            reference_rows: count(reference.predictions.len()),
            rows: count(all.len()),
            windows: Vec::with_capacity(spans.len()),
            scores,
            columns,
            quality,
            groups,
            alerts: Vec::new(),
        };
        for ((at, span), quality) in spans.iter().enumerate().zip(of_windows) {
            let level = report.alerts_of(at, &span.name, quality.as_ref());
            report.windows.push(WindowReport {
                name: span.name.clone(),
                from_ms: span.from_ms,
                until_ms: span.until_ms,
                rows: count(span.rows.len()),
                level,
                quality,
            });
        }
        Ok(report)
    }

    fn moved(&self, reference: &[Named], now: &[Named], spans: &[Span]) -> Result<Vec<Moved>, Invalid> {
        if reference.len() != now.len() {
            return Err(Invalid::Size {
                what: "columns".to_owned(),
                found: now.len(),
                expected: reference.len(),
            });
        }
        let pairs = reference.iter().zip(now);
        let moved = pairs.map(|(before, now)| {
            if before.name != now.name {
                return Err(Invalid::Kind {
                    what: now.name.clone(),
                });
            }
            let baseline = Baseline::of(before, &self.limits)?;
            let windows = spans
                .iter()
                .map(|span| baseline.drift(&now.values, span.rows.clone(), &self.limits));
            let windows = windows.collect::<Result<Vec<_>, _>>()?;
            Ok(Moved {
                name: now.name.clone(),
                whole: baseline.drift(&now.values, 0..now.values.len(), &self.limits)?,
                windows,
                histogram: drawn(&baseline, now),
                baseline,
            })
        });
        moved.collect()
    }
}

/// The bins go from the reference's quantile 1 to its 99 of 100, and as far as the decisions' own: single rows far out would leave no room for the others.
fn drawn(baseline: &Baseline, now: &Named) -> Option<Histogram> {
    let Values::Numbers(values) = &now.values else {
        return None;
    };
    let of = Named {
        name: String::new(),
        values: now.values.clone(),
    };
    let (mut from, mut to) = baseline.middle()?;
    if let Some((low, high)) = Baseline::of(&of, &Limits::default()).ok()?.middle() {
        (from, to) = (from.min(low), to.max(high));
    }
    if to <= from {
        to = from + 1.0;
    }
    let fewer = baseline
        .counts()
        .iter()
        .sum::<u64>()
        .min(u64::try_from(values.len()).unwrap_or(u64::MAX));
    let bins = usize::try_from(2 * fewer.isqrt()).unwrap_or(MOST_BINS);
    let bins = bins.clamp(LEAST_BINS, MOST_BINS);
    Some(Histogram {
        from,
        to,
        reference: baseline.histogram((from, to), bins),
        current: histogram(values, (from, to), bins),
    })
}

impl Report {
    /// The highest level of the latest windows, or of all.
    pub fn level(&self, latest: Option<usize>) -> Level {
        let skipped = latest.map_or(0, |latest| self.windows.len().saturating_sub(latest));
        let levels = self
            .windows
            .iter()
            .skip(skipped)
            .filter_map(|window| window.level);
        levels.max().unwrap_or(Level::Steady)
    }

    /// Adds what is to be told of a window, and gives the highest of its levels.
    fn alerts_of(&mut self, at: usize, window: &str, quality: Option<&Quality>) -> Option<Level> {
        let mut highest = None;
        let mut found: Vec<(Option<Level>, String, String)> = Vec::new();
        for moved in self.scores.iter().chain(&self.columns) {
            if let Some(drift) = moved.windows.get(at) {
                found.push((drift.level, moved.name.clone(), drift.words()));
            }
        }
        if let Some(quality) = quality {
            found.push((quality.level, CALIBRATION.to_owned(), quality.words()));
        }
        for group in &self.groups {
            if let Some(fairness) = group.windows.get(at) {
                found.push((
                    fairness.level,
                    format!("groups of {}", group.column),
                    fairness.words(),
                ));
            }
        }
        for (level, about, words) in found {
            highest = highest.max(level);
            if let Some(level) = level.filter(|level| *level > Level::Steady) {
                self.alerts.push(Alert {
                    level,
                    window: window.to_owned(),
                    about,
                    words,
                });
            }
        }
        highest
    }
}

impl Drift {
    /// In one line.
    pub fn words(&self) -> String {
        let ks = self.ks.as_ref().map_or_else(String::new, |ks| {
            format!(", KS {:.3} with p {}", ks.distance, chance_in_words(ks.p))
        });
        format!("PSI {:.3}{ks}, over {} rows", self.psi, self.rows)
    }
}

impl Quality {
    /// In one line.
    pub fn words(&self) -> String {
        let (low, high) = self.interval;
        format!(
            "{:.4} was foretold and {:.4} came, interval {low:.4} to {high:.4}, over {} rows",
            self.expected, self.observed, self.rows
        )
    }
}

impl Fairness {
    /// In one line.
    pub fn words(&self) -> String {
        let word = |value: Option<f64>| value.map_or("undefined".to_owned(), |value| format!("{value:.3}"));
        format!(
            "impact ratio {}, equal opportunity difference {}",
            word(self.impact_ratio),
            word(self.opportunity_difference)
        )
    }
}

/// A chance as people read it.
pub(crate) fn chance_in_words(p: f64) -> String {
    if p < 1e-4 {
        "below 0.0001".to_owned()
    } else {
        format!("{p:.4}")
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MONITOR: Monitor = Monitor {
        window: Window::Rows(200),
        limits: Limits {
            bins: 10,
            least_rows: 100,
            psi: crate::Steps {
                watch: 0.1,
                act: 0.25,
            },
            ks: crate::KsLimits {
                distance: 0.1,
                p: 0.001,
            },
            gap: 0.01,
            impact: crate::Steps { watch: 0.9, act: 0.8 },
            opportunity: crate::Steps { watch: 0.1, act: 0.2 },
        },
        decision: Decision {
            edge: 500,
            favourable: 0,
        },
    };

    fn spread(rows: usize, from: f64, to: f64) -> Vec<f64> {
        // Every value once, out of order.
        (0..rows)
            .map(|row| from + (to - from) * (row * 7 % rows) as f64 / rows as f64)
            .collect()
    }

    fn named(name: &str, values: Vec<f64>) -> Vec<Named> {
        vec![Named {
            name: name.to_owned(),
            values: Values::Numbers(values),
        }]
    }

    fn looked(second: (f64, f64)) -> Report {
        let reference = Reference {
            predictions: Predictions::Binary(spread(1000, 0.0, 1.0)),
            columns: named("income", spread(1000, 0.0, 1000.0)),
        };
        let moving = |by: f64| {
            let mut all = spread(200, 0.0, by);
            all.extend(spread(200, second.0 * by, second.1 * by));
            all.extend(spread(50, 0.0, by));
            all
        };
        let sample = Sample {
            times_ms: (0..450).collect(),
            predictions: Predictions::Binary(moving(1.0)),
            columns: named("income", moving(1000.0)),
            outcomes: Vec::new(),
            groupings: Vec::new(),
        };
        MONITOR.look(&reference, &sample).unwrap()
    }

    #[test]
    fn a_window_that_moves_is_told_and_the_others_are_steady() {
        let report = looked((0.5, 1.0));
        let levels: Vec<_> = report.windows.iter().map(|window| window.level).collect();
        assert_eq!(levels, [Some(Level::Steady), Some(Level::Act), None]);
        let told: Vec<_> = report
            .alerts
            .iter()
            .map(|alert| (alert.window.as_str(), alert.about.as_str()))
            .collect();
        assert_eq!(told, [("rows 201-400", "score"), ("rows 201-400", "income")]);
        assert_eq!(
            (report.level(None), report.level(Some(2))),
            (Level::Act, Level::Act)
        );
        assert_eq!(report.level(Some(1)), Level::Steady);
        assert_eq!((report.rows, report.reference_rows), (450, 1000));
        assert_eq!(looked((0.0, 1.0)).level(None), Level::Steady);
    }

    #[test]
    fn samples_that_do_not_fit_are_refused() {
        let reference = Reference {
            predictions: Predictions::Binary(vec![0.5]),
            columns: named("income", vec![1.0]),
        };
        let sample = |name: &str, times: Vec<i64>| Sample {
            times_ms: times,
            predictions: Predictions::Binary(vec![0.5, 0.5]),
            columns: named(name, vec![1.0, 2.0]),
            outcomes: Vec::new(),
            groupings: Vec::new(),
        };
        let refused = |sample: &Sample| MONITOR.look(&reference, sample).unwrap_err();
        assert!(matches!(
            refused(&sample("age", vec![0, 1])),
            Invalid::Kind { .. }
        ));
        assert_eq!(refused(&sample("income", vec![1, 0])), Invalid::Order { row: 1 });
        assert!(matches!(
            refused(&sample("income", vec![1])),
            Invalid::Size { .. }
        ));
        // No decision is no window.
        let none = Sample {
            times_ms: Vec::new(),
            predictions: Predictions::Binary(Vec::new()),
            columns: named("income", Vec::new()),
            outcomes: Vec::new(),
            groupings: Vec::new(),
        };
        let report = MONITOR.look(&reference, &none).unwrap();
        assert_eq!((report.windows.len(), report.level(None)), (0, Level::Steady));
    }
}
