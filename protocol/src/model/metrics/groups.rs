//! How a model treats groups of people, from their histograms of scores.

use super::binary::{BinarySums, concordant_twice};
use super::{Figure, MetricsError, total};

/// A share of fewer rows than this is undefined: chance alone would decide it.
pub const LEAST_GROUP_ROWS: u64 = 30;

/// Scores of the rows of one group, in the bins of [`BinarySums`].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct GroupSums {
    /// Rows with label 0 by score.
    pub negatives: Vec<u64>,
    /// Rows with label 1 by score.
    pub positives: Vec<u64>,
}

/// What a score decides about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The first bin whose rows are taken for label 1, above 0.
    pub edge: u32,
    /// The label that is the good outcome for the person, 0 or 1.
    pub favourable: u8,
}

/// So many rows of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Rows that are counted.
    pub part: u64,
    /// Rows among which they are.
    pub of: u64,
}

/// How a group fares under a decision. "Favoured" are the rows that are taken for the favourable label.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct GroupFigures {
    /// Favoured rows of all.
    pub selected: Share,
    /// Favoured rows of those whose label is the favourable one: equal opportunity compares these (Hardt et al. 2016).
    pub rightly: Share,
    /// Favoured rows of those with the other label.
    pub wrongly: Share,
    /// AUC within the group; `None` below [`LEAST_GROUP_ROWS`] or when a label is missing.
    pub auc: Option<f64>,
}

impl Share {
    /// As a number; `None` below [`LEAST_GROUP_ROWS`].
    pub fn told(self) -> Option<f64> {
        (self.of >= LEAST_GROUP_ROWS).then(|| self.part as f64 / self.of as f64)
    }

    /// Wilson's score interval (1927) for the rate that the share is drawn from; `z` is the quantile of the normal distribution, 1.96 for 95 %. It is
    /// from 0 to 1 where there are no rows.
    pub fn interval(self, z: f64) -> (f64, f64) {
        if self.of == 0 {
            return (0.0, 1.0);
        }
        let (rows, rate) = (self.of as f64, self.part as f64 / self.of as f64);
        let square = z * z / rows;
        let middle = (rate + square / 2.0) / (1.0 + square);
        let half = z * (rate * (1.0 - rate) / rows + square / (4.0 * rows)).sqrt() / (1.0 + square);
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }

    /// Both over one denominator: this numerator, the other one, and that denominator.
    fn beside(self, other: Self) -> (u128, u128, u128) {
        let wide = |a: u64, b: u64| u128::from(a) * u128::from(b);
        (
            wide(self.part, other.of),
            wide(other.part, self.of),
            wide(self.of, other.of),
        )
    }
}

/// The least and the greatest of the shares that are defined; `None` with fewer than two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The least.
    pub least: Share,
    /// The greatest.
    pub most: Share,
}

impl Spread {
    /// Over the groups whose share is defined; `None` with fewer than two of them.
    pub fn of(shares: impl IntoIterator<Item = Share>) -> Option<Self> {
        let mut told = shares.into_iter().filter(|share| share.of >= LEAST_GROUP_ROWS);
        let (first, second) = (told.next()?, told.next()?);
        let below = |one: Share, other: Share| {
            let (one, other, _) = one.beside(other);
            one < other
        };
        let spread = Self {
            least: first,
            most: first,
        };
        Some(
            [second]
                .into_iter()
                .chain(told)
                .fold(spread, |spread, share| Self {
                    least: if below(share, spread.least) {
                        share
                    } else {
                        spread.least
                    },
                    most: if below(spread.most, share) {
                        share
                    } else {
                        spread.most
                    },
                }),
        )
    }

    /// The greatest minus the least.
    pub fn difference(self) -> f64 {
        let (least, most, of) = self.least.beside(self.most);
        (most - least) as f64 / of as f64
    }

    /// The least by the greatest; `None` if all are 0.
    pub fn ratio(self) -> Option<f64> {
        let (least, most, _) = self.least.beside(self.most);
        (most > 0).then(|| least as f64 / most as f64)
    }

    /// The four-fifths rule of the US Uniform Guidelines on Employee Selection Procedures (1978): the least is at least four fifths of the greatest.
    pub fn keeps_four_fifths(self) -> bool {
        let (least, most, _) = self.least.beside(self.most);
        5 * least >= 4 * most
    }
}

impl GroupSums {
    /// How the group fares.
    pub fn figures(&self, decision: Decision) -> GroupFigures {
        let edge = decision.edge as usize;
        let count = |histogram: &[u64], above: bool| -> u64 {
            let (below, from) = histogram.split_at(edge.min(histogram.len()));
            if above { from } else { below }.iter().sum()
        };
        let above = decision.favourable == 1;
        let (good, bad) = if above {
            (&self.positives, &self.negatives)
        } else {
            (&self.negatives, &self.positives)
        };
        let share = |histogram: &[u64]| Share {
            part: count(histogram, above),
            of: histogram.iter().sum(),
        };
        let (rightly, wrongly) = (share(good), share(bad));
        let selected = Share {
            part: rightly.part + wrongly.part,
            of: rightly.of + wrongly.of,
        };
        let pairs = 2 * u128::from(rightly.of) * u128::from(wrongly.of);
        let auc = || concordant_twice(&self.negatives, &self.positives) as f64 / pairs as f64;
        GroupFigures {
            selected,
            rightly,
            wrongly,
            auc: (selected.of >= LEAST_GROUP_ROWS && pairs > 0).then(auc),
        }
    }
}

impl BinarySums {
    /// Each row is of one group: together they are the whole, bin by bin. Sums without groups are fine.
    pub(super) fn check_groups(&self) -> Result<(), MetricsError> {
        let bins = self.negatives.len();
        let of_whole = |group: &GroupSums| group.negatives.len() == bins && group.positives.len() == bins;
        if let Some(group) = self.groups.iter().find(|group| !of_whole(group)) {
            return Err(MetricsError::Shape {
                found: format!(
                    "a group's histograms of {} and {} bins",
                    group.negatives.len(),
                    group.positives.len()
                ),
                expected: "as many as the whole has",
            });
        }
        if self.groups.is_empty() {
            return Ok(());
        }
        let of = |histogram: fn(&GroupSums) -> &Vec<u64>| self.groups.iter().map(histogram).collect();
        whole(0, &self.negatives, of(|group| &group.negatives))?;
        whole(1, &self.positives, of(|group| &group.positives))
    }

    /// The figures over the groups.
    pub(super) fn fairness(&self, decision: Decision) -> Vec<(Figure, Option<f64>)> {
        let groups: Vec<GroupFigures> = self.groups.iter().map(|group| group.figures(decision)).collect();
        let spread = |share: fn(&GroupFigures) -> Share| Spread::of(groups.iter().map(share));
        let selected = spread(|group| group.selected);
        let rightly = spread(|group| group.rightly).map(Spread::difference);
        let wrongly = spread(|group| group.wrongly).map(Spread::difference);
        vec![
            (Figure::ParityDifference, selected.map(Spread::difference)),
            (Figure::ImpactRatio, selected.and_then(Spread::ratio)),
            (Figure::OpportunityDifference, rightly),
            (
                Figure::OddsDifference,
                rightly
                    .zip(wrongly)
                    .map(|(rightly, wrongly)| rightly.max(wrongly)),
            ),
        ]
    }
}

/// The parts of a histogram add up to it, bin by bin.
fn whole(label: u8, all: &[u64], parts: Vec<&Vec<u64>>) -> Result<(), MetricsError> {
    for (bin, &all) in all.iter().enumerate() {
        let counts: Vec<u64> = parts.iter().filter_map(|part| part.get(bin).copied()).collect();
        let counted = total(&counts);
        if counted != u128::from(all) {
            return Err(MetricsError::Groups {
                label,
                bin,
                counted,
                all,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
