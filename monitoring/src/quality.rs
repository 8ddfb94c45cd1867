//! Whether what the model foretold came true.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;
use veilsum_protocol::model::{BinarySums, ClassSums, Figure, NumberSums, ScoreSums, Share};

use crate::SCORE_BINS;
use crate::level::{Level, Limits};
use crate::sample::{Invalid, NumberRange, Predictions, Sample};

/// Quantile of the normal distribution for an interval that holds 95 of 100.
const USUAL: f64 = 1.959_964;
/// For one that holds 999 of 1000.
const WIDE: f64 = 3.290_527;

/// Foretold beside seen, over the rows whose outcome is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Rows whose outcome is known.
    pub rows: u64,
    /// The mean of what the model said: of the probability of label 1, of the probability of the class that it chose, or of the number.
    pub expected: f64,
    /// What came: the share of label 1, the share of rows whose class was right, or the mean of the number.
    pub observed: f64,
    /// An interval for what came, at 95 %: Wilson's for shares; for numbers, that of the mean error around what was foretold.
    pub interval: (f64, f64),
    /// The figures of the consortium's own rounds, by their names there: AUC, Brier score and so on. One that is not defined is none.
    pub figures: BTreeMap<&'static str, Option<f64>>,
    /// None of fewer rows than the limits ask for.
    pub level: Option<Level>,
    /// The histograms of scores, for pictures.
    #[serde(skip)]
    pub scores: Option<BinarySums>,
}

impl Quality {
    /// Over some rows; `None` where no outcome is known.
    ///
    /// The level is that of a traffic light (Tasche, A traffic lights approach to PD validation, 2003): steady while the interval of 95 % holds what was
    /// foretold, act if not even that of 99.9 % does. A distance below `limits.gap` is steady in any case: of many rows every distance is more than
    /// chance.
    ///
    /// # Errors
    /// Figures that contradict each other, which would be a mistake of this crate.
    pub fn of(sample: &Sample, rows: Range<usize>, limits: &Limits) -> Result<Option<Self>, Invalid> {
        let known = rows.filter_map(|row| Some((row, sample.outcomes.get(row).copied().flatten()?)));
        let known: Vec<(usize, f64)> = known.collect();
        if known.is_empty() {
            return Ok(None);
        }
        match &sample.predictions {
            Predictions::Binary(scores) => of_shares(&paired(&known, scores), None, limits),
            Predictions::Classes {
                names,
                chosen,
                probability,
            } => {
                let classes = names.len();
                let mut confusion = vec![0_u64; classes * classes];
                let mut certain = Vec::with_capacity(known.len());
                for (row, outcome) in &known {
                    let (Some(chosen), Some(probability)) = (chosen.get(*row), probability.get(*row)) else {
                        continue;
                    };
                    let (truth, chosen) = (*outcome as usize, usize::from(*chosen));
                    if let Some(count) = confusion.get_mut(truth * classes + chosen) {
                        *count += 1;
                        certain.push((*probability, truth == chosen));
                    }
                }
                let sums = ClassSums::new(certain.len() as u64, 0.0, confusion);
                of_shares(&certain, Some(sums), limits)
            }
            Predictions::Number { values, range } => Ok(Some(of_numbers(&known, values, *range, limits)?)),
        }
    }
}

fn paired(known: &[(usize, f64)], scores: &[f64]) -> Vec<(f64, bool)> {
    let pair = |(row, outcome): &(usize, f64)| Some((*scores.get(*row)?, *outcome >= 0.5));
    known.iter().filter_map(pair).collect()
}

/// The bin of a score.
pub(crate) fn bin(score: f64) -> usize {
    let at = (score * SCORE_BINS as f64).floor();
    // NaN becomes 0, as what is below.
    (at.max(0.0) as usize).min(SCORE_BINS - 1)
}

/// Of probabilities, each with whether what it is of came true. `classes`: their confusion, where it is classes that were foretold.
fn of_shares(
    pairs: &[(f64, bool)],
    classes: Option<ClassSums>,
    limits: &Limits,
) -> Result<Option<Quality>, Invalid> {
    if pairs.is_empty() {
        return Ok(None);
    }
    let (mut negatives, mut positives) = (vec![0_u64; SCORE_BINS], vec![0_u64; SCORE_BINS]);
    let (mut sum, mut loss) = (0.0, 0.0);
    for (score, came) in pairs {
        let histogram = if *came { &mut positives } else { &mut negatives };
        histogram[bin(*score)] += 1;
        sum += score;
        let of_what_came = if *came { *score } else { 1.0 - score };
        // A score is an f32: one of 0 or 1 was rounded.
        loss -= of_what_came.max(f64::from(f32::EPSILON)).ln();
    }
    let rows = pairs.len() as u64;
    let came = Share {
        part: positives.iter().sum(),
        of: rows,
    };
    let sums = BinarySums::new(rows, loss, negatives, positives);
    let mut figures = figures(&ScoreSums::Binary(sums.clone()))?;
    if let Some(classes) = classes {
        // How well the chosen class's probability ranks right choices says nothing of the model.
        figures.retain(|key, _| [Figure::Brier.key(), Figure::CalibrationError.key()].contains(key));
        let mut of_classes = self::figures(&ScoreSums::Classes(classes))?;
        // The truth's own probability is not looked at.
        of_classes.remove(Figure::LogLoss.key());
        figures.append(&mut of_classes);
    }
    let (expected, observed) = (sum / rows as f64, came.part as f64 / rows as f64);
    let level = || light(expected, observed, limits.gap, |z| came.interval(z));
    Ok(Some(Quality {
        rows,
        expected,
        observed,
        interval: came.interval(USUAL),
        figures,
        level: (rows >= limits.least_rows).then(level),
        scores: Some(sums),
    }))
}

fn of_numbers(
    known: &[(usize, f64)],
    values: &[f64],
    range: NumberRange,
    limits: &Limits,
) -> Result<Quality, Invalid> {
    let mut sums = NumberSums::default();
    let (mut foretold, mut seen, mut squares) = (0.0, 0.0, 0.0);
    for (row, outcome) in known {
        let value = values.get(*row).copied().unwrap_or(f64::NAN);
        sums.add(range.unit(*outcome), range.unit(value));
        foretold += value;
        seen += outcome;
        squares += (outcome - value) * (outcome - value);
    }
    let rows = known.len() as f64;
    let (expected, observed) = (foretold / rows, seen / rows);
    let off = observed - expected;
    // Of the mean error, from the errors' own variance.
    let variance = (squares / rows - off * off).max(0.0) * rows / (rows - 1.0).max(1.0);
    let error = (variance / rows).sqrt();
    let interval = |z: f64| (observed - z * error, observed + z * error);
    let level = || light(expected, observed, limits.gap * (range.max - range.min), interval);
    Ok(Quality {
        rows: known.len() as u64,
        expected,
        observed,
        interval: interval(USUAL),
        figures: figures(&ScoreSums::Number(sums))?,
        level: (known.len() as u64 >= limits.least_rows).then(level),
        scores: None,
    })
}

fn light(expected: f64, observed: f64, gap: f64, interval: impl Fn(f64) -> (f64, f64)) -> Level {
    let holds = |z: f64| {
        let (low, high) = interval(z);
        (low..=high).contains(&expected)
    };
    if (expected - observed).abs() < gap || holds(USUAL) {
        Level::Steady
    } else if holds(WIDE) {
        Level::Watch
    } else {
        Level::Act
    }
}

fn figures(sums: &ScoreSums) -> Result<BTreeMap<&'static str, Option<f64>>, Invalid> {
    let metrics = sums
        .metrics()
        .map_err(|error| Invalid::Figures(error.to_string()))?;
    let named = metrics
        .figures
        .iter()
        .map(|(figure, value)| (figure.key(), *value));
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use veilsum_protocol::task::Scale;

    fn sample(predictions: Predictions, outcomes: Vec<Option<f64>>) -> Sample {
        Sample {
            times_ms: vec![0; outcomes.len()],
            predictions,
            columns: Vec::new(),
            outcomes,
            groupings: Vec::new(),
        }
    }

    fn looked(sample: &Sample) -> Quality {
        let rows = 0..sample.times_ms.len();
        Quality::of(sample, rows, &Limits::default()).unwrap().unwrap()
    }

    /// 200 rows at 0.25, of which so many came true, and one whose outcome is not known.
    fn at_a_quarter(came: usize) -> Quality {
        let outcomes = (0..200).map(|row| Some(if row < came { 1.0 } else { 0.0 }));
        looked(&sample(
            Predictions::Binary(vec![0.25; 201]),
            outcomes.chain([None]).collect(),
        ))
    }

    #[test]
    fn as_many_as_foretold_are_steady_and_far_more_are_not() {
        let found = at_a_quarter(50);
        assert_eq!((found.rows, found.expected, found.observed), (200, 0.25, 0.25));
        assert_eq!(found.level, Some(Level::Steady));
        // A standard error of 0.03: 31 % is two of them away, 45 % more than six.
        assert_eq!(at_a_quarter(60).level, Some(Level::Steady));
        assert_eq!(at_a_quarter(66).level, Some(Level::Watch));
        assert_eq!(at_a_quarter(90).level, Some(Level::Act));
        // (0.75² 50 + 0.25² 150) / 200, from bins of a thousandth.
        assert!((found.figures["brier"].unwrap() - 0.1875).abs() < 1e-3);
        assert!(found.figures["calibration_error"].unwrap() < 1e-3);
        assert_eq!(found.figures["auc"], Some(0.5));
    }

    #[test]
    fn no_outcome_is_no_quality() {
        let none = sample(Predictions::Binary(vec![0.5]), vec![None]);
        assert_eq!(Quality::of(&none, 0..1, &Limits::default()), Ok(None));
        let none = sample(Predictions::Binary(Vec::new()), Vec::new());
        assert_eq!(Quality::of(&none, 0..0, &Limits::default()), Ok(None));
    }

    #[test]
    fn classes_are_right_as_often_as_their_probability_says() {
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let predictions = Predictions::Classes {
            names,
            chosen: vec![0, 1, 2, 2],
            probability: vec![0.9, 0.8, 0.7, 0.6],
        };
        let found = looked(&sample(
            predictions,
            vec![Some(0.0), Some(1.0), Some(0.0), Some(2.0)],
        ));
        assert_eq!((found.rows, found.observed), (4, 0.75));
        assert!((found.expected - 0.75).abs() < 1e-12);
        assert_eq!(found.figures["accuracy"], Some(0.75));
        assert!(!found.figures.contains_key("auc") && !found.figures.contains_key("log_loss"));
        assert_eq!(found.level, None, "four rows say nothing");
    }

    #[test]
    fn numbers_have_errors_and_a_bias() {
        let range = NumberRange {
            min: 0.0,
            max: 100.0,
            scale: Scale::Linear,
        };
        let found = |by: f64| {
            let values = (0..200).map(|row| f64::from(row % 50)).collect();
            // Off by one to either side, and by the bias.
            let outcome = |row: i32| Some(f64::from(row % 50) + by + if row % 2 == 0 { 1.0 } else { -1.0 });
            looked(&sample(
                Predictions::Number { values, range },
                (0..200).map(outcome).collect(),
            ))
        };
        let plain = found(1.0);
        assert_eq!((plain.expected, plain.observed), (24.5, 25.5));
        assert_eq!(
            plain.level,
            Some(Level::Act),
            "a bias of 1 with an error of 0.07: {plain:?}"
        );
        assert_eq!(
            found(0.9).level,
            Some(Level::Steady),
            "less than a hundredth of the range"
        );
        let mean = found(1.0).figures["mae"].unwrap();
        // Errors of 2 and 0 by turns, of 100.
        assert!((mean - 0.01).abs() < 1e-9, "{mean}");
    }
}
