//! How groups of people fare.

use std::ops::Range;

use serde::Serialize;
use veilsum_protocol::model::{Decision, GroupFigures, GroupSums, Share, Spread};

use crate::SCORE_BINS;
use crate::level::{Level, Limits};
use crate::quality::bin;
use crate::sample::{Grouping, Predictions, Sample};

/// Quantile of the normal distribution for an interval that holds 95 of 100.
const Z: f64 = 1.959_964;

/// A group's shares.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupShare {
    /// The group.
    pub group: String,
    /// Its rows.
    pub rows: u64,
    /// Share of them with a favourable decision; none of too few rows.
    pub favoured: Option<f64>,
    /// Of those whose outcome was the favourable one, the share with a favourable decision; none of too few.
    pub rightly: Option<f64>,
}

/// The groups of one column beside each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fairness {
    /// Each group.
    pub groups: Vec<GroupShare>,
    /// The disparate impact ratio: the least share of favourable decisions by the greatest.
    pub impact_ratio: Option<f64>,
    /// The difference between them.
    pub parity_difference: Option<f64>,
    /// The difference in equal opportunity, where outcomes are known.
    pub opportunity_difference: Option<f64>,
    /// None where fewer than two groups have rows enough.
    pub level: Option<Level>,
}

impl Fairness {
    /// Of some rows of a model that answers yes or no; `None` of another. A share of fewer rows than
    /// [`LEAST_GROUP_ROWS`](veilsum_protocol::model::LEAST_GROUP_ROWS) is not told.
    ///
    /// A ratio below `limits.impact.act` is [`Level::Act`] only where the intervals of both shares (Wilson, 95 %) lie apart: the Uniform Guidelines (1978)
    /// themselves want the four-fifths rule held against chance where groups are small.
    pub fn of(
        sample: &Sample,
        grouping: &Grouping,
        rows: Range<usize>,
        decision: Decision,
        limits: &Limits,
    ) -> Option<Self> {
        let Predictions::Binary(scores) = &sample.predictions else {
            return None;
        };
        let empty = || GroupSums {
            negatives: vec![0; SCORE_BINS],
            positives: vec![0; SCORE_BINS],
        };
        // All rows count for the decision; those with an outcome for whether it was right.
        let mut all = vec![empty(); grouping.groups.len()];
        let mut known = all.clone();
        for row in rows {
            let (Some(score), Some(group)) = (scores.get(row), grouping.of.get(row).copied().flatten())
            else {
                continue;
            };
            let at = bin(*score);
            if let Some(sums) = all.get_mut(usize::from(group)) {
                sums.negatives[at] += 1;
            }
            let outcome = sample.outcomes.get(row).copied().flatten();
            if let (Some(sums), Some(outcome)) = (known.get_mut(usize::from(group)), outcome) {
                let histogram = match outcome >= 0.5 {
                    true => &mut sums.positives,
                    false => &mut sums.negatives,
                };
                histogram[at] += 1;
            }
        }
        let figures = |sums: &[GroupSums]| -> Vec<GroupFigures> {
            sums.iter().map(|group| group.figures(decision)).collect()
        };
        let (all, known) = (figures(&all), figures(&known));
        let selected = Spread::of(all.iter().map(|group| group.selected));
        let rightly = Spread::of(known.iter().map(|group| group.rightly)).map(Spread::difference);
        let groups = grouping.groups.iter().zip(all.iter().zip(&known));
        let groups = groups.map(|(name, (all, known))| GroupShare {
            group: name.clone(),
            rows: all.selected.of,
            favoured: all.selected.told(),
            rightly: known.rightly.told(),
        });
        let by_ratio = selected.and_then(|spread| {
            let found = limits.impact.falling(spread.ratio()?);
            Some(if are_apart(spread.least, spread.most) {
                found
            } else {
                found.min(Level::Watch)
            })
        });
        let by_opportunity = rightly.map(|difference| limits.opportunity.rising(difference));
        Some(Self {
            groups: groups.collect(),
            impact_ratio: selected.and_then(Spread::ratio),
            parity_difference: selected.map(Spread::difference),
            opportunity_difference: rightly,
            level: by_ratio.max(by_opportunity),
        })
    }
}

/// Whether the shares' intervals have nothing in common.
fn are_apart(least: Share, most: Share) -> bool {
    least.interval(Z).1 < most.interval(Z).0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A score of 0.5 or more is against the person.
    const HIGHER_IS_WORSE: Decision = Decision {
        edge: 500,
        favourable: 0,
    };

    /// Two groups of so many rows, of which so many are favoured; the outcome of all was the favourable one.
    fn looked(many: usize, favoured: [usize; 2]) -> Fairness {
        let group = |favoured: usize| (0..many).map(move |row| if row < favoured { 0.2 } else { 0.5 });
        let scores: Vec<f64> = group(favoured[0]).chain(group(favoured[1])).collect();
        let grouping = Grouping {
            name: "home".to_owned(),
            groups: vec!["own".to_owned(), "rent".to_owned(), "none".to_owned()],
            of: (0..2 * many).map(|row| Some(u16::from(row >= many))).collect(),
        };
        let sample = Sample {
            times_ms: vec![0; 2 * many],
            outcomes: vec![Some(0.0); 2 * many],
            predictions: Predictions::Binary(scores),
            columns: Vec::new(),
            groupings: Vec::new(),
        };
        Fairness::of(
            &sample,
            &grouping,
            0..2 * many,
            HIGHER_IS_WORSE,
            &Limits::default(),
        )
        .unwrap()
    }

    #[test]
    fn four_fifths_are_kept_or_not() {
        let found = looked(1000, [800, 720]);
        assert_eq!(found.impact_ratio, Some(0.9));
        assert_eq!(found.level, Some(Level::Steady), "{found:?}");
        assert_eq!(found.groups[0].favoured, Some(0.8));
        assert_eq!((found.groups[2].rows, found.groups[2].favoured), (0, None));
        assert!((found.opportunity_difference.unwrap() - 0.08).abs() < 1e-12);
        let found = looked(1000, [800, 600]);
        assert_eq!((found.impact_ratio, found.level), (Some(0.75), Some(Level::Act)));
    }

    #[test]
    fn a_small_group_may_be_chance() {
        // 20 and 15 of 40: the ratio is 0.75, and the intervals overlap by far. A difference of 0.125 is worth a look.
        let found = looked(40, [20, 15]);
        assert_eq!(
            (found.impact_ratio, found.level),
            (Some(0.75), Some(Level::Watch))
        );
        let found = looked(29, [20, 10]);
        assert_eq!((found.impact_ratio, found.level), (None, None));
        // Nobody is favoured: nobody is treated unlike another.
        assert_eq!(looked(100, [0, 0]).level, Some(Level::Steady));
    }
}
