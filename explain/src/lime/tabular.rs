//! Neighbours of a table's row: features are replaced by those of background rows.

use super::{Lime, Local, Neighbours, near};
use crate::coalition::Coalitions;
use crate::distribution::Distribution;
use crate::draws::Draws;
use crate::error::{Error, Invalid};
use crate::rows::{Groups, Rows};
use crate::scorer::{self, Scorer};

/// Neighbours that the model is asked about at once.
const BATCH: usize = 8_192;
/// The kernel's width by the root of the number of features.
const WIDTH: f64 = 0.75;

/// When a feature counts as it is in the row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition {
    /// A number in the same quarter of the background's: above the one and up to the other, as the model reads it; without an end in an outer quarter.
    Within {
        /// The quarter's lower end, not in it.
        above: Option<f64>,
        /// Its upper end.
        to: Option<f64>,
    },
    /// All of its inputs are the row's: a category, a feature of several inputs, or a number with at most four values.
    Same,
}

/// A local model of a table's row.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalTable {
    /// The local model.
    pub local: Local,
    /// What its weights are of, by feature.
    pub conditions: Vec<Condition>,
}

impl Lime {
    /// A local model of `row`. Neighbours take each feature, with all its inputs, from a background row of its own, as often as the background has it; a
    /// feature counts as unchanged while its [`Condition`] holds; the nearness of a neighbour with c changed of d features is the exponential kernel of
    /// width 0.75 times the root of d at the root of c.
    ///
    /// # Errors
    /// No background; widths that differ; fewer than two samples or no features; the model's; scores that are no numbers.
    pub fn table<S: Scorer + ?Sized>(
        &self,
        scorer: &S,
        row: &[f32],
        background: &Rows,
        groups: &Groups,
    ) -> Result<LocalTable, Error<S::Error>> {
        self.check(groups.len())?;
        groups.fits("row", row.len())?;
        groups.fits("background", background.width())?;
        if background.is_empty() {
            return Err(Invalid::NoBackground.into());
        }
        // Refuses a row that is not finite.
        let mut batch = Rows::new(row.len(), row.to_vec())?;
        let conditions = groups
            .iter()
            .map(|inputs| condition(inputs, row, background))
            .collect::<Result<Vec<_>, _>>()?;
        let mut sets = Coalitions::new(groups.len());
        sets.push_all();
        let mut scores = Vec::new();
        let mut draws = Draws::new(self.seed);
        for sample in 1..self.samples {
            let inputs = batch.push(row);
            let mut same = Vec::with_capacity(groups.len());
            for ((feature, group), condition) in groups.iter().enumerate().zip(&conditions) {
                let other = background.get(draws.below(background.len())).unwrap_or(row);
                group.iter().for_each(|input| inputs[*input] = other[*input]);
                if condition.holds(group, row, inputs) {
                    same.push(feature);
                }
            }
            sets.push(same);
            if batch.len() == BATCH || sample + 1 == self.samples {
                scores.extend(scorer::scores(scorer, &batch)?);
                batch.clear();
            }
        }
        let features = groups.len() as f64;
        let width = WIDTH * features.sqrt();
        let nearness = sets
            .iter()
            .map(|set| near((features - set.size() as f64).sqrt(), width));
        let nearness = nearness.collect();
        Ok(LocalTable {
            local: self.fit(&Neighbours {
                sets,
                scores,
                nearness,
            })?,
            conditions,
        })
    }
}

impl Condition {
    fn holds(self, inputs: &[usize], row: &[f32], other: &[f32]) -> bool {
        match self {
            Self::Within { above, to } => inputs.iter().all(|input| {
                let value = f64::from(other[*input]);
                above.is_none_or(|edge| value > edge) && to.is_none_or(|edge| value <= edge)
            }),
            Self::Same => inputs.iter().all(|input| row[*input] == other[*input]),
        }
    }
}

fn condition(inputs: &[usize], row: &[f32], background: &Rows) -> Result<Condition, Invalid> {
    let [input] = inputs else {
        return Ok(Condition::Same);
    };
    let values = background.iter().map(|other| f64::from(other[*input]));
    let distribution = Distribution::new(values.collect())?;
    if distribution.distinct() <= 4 {
        return Ok(Condition::Same);
    }
    let edges = [0.25, 0.5, 0.75].map(|share| distribution.quantile(share));
    let value = f64::from(row[*input]);
    Ok(Condition::Within {
        above: edges.into_iter().rfind(|edge| *edge < value),
        to: edges.into_iter().find(|edge| value <= *edge),
    })
}
