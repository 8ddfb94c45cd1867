//! Kernel SHAP: Shapley values as the weighted least squares fit of a sum over features (Lundberg and Lee, A Unified Approach to Interpreting Model
//! Predictions, 2017, theorem 2).

mod plan;

use crate::attribution::Attribution;
use crate::coalition::Coalitions;
use crate::equations::Equations;
use crate::error::{Error, Invalid};
use crate::game::{self, Game};

/// How many coalitions the model is asked about, and which ones are drawn. The fit takes memory by the square of the number of features that vary, eight
/// bytes each, and time by its cube: for more than some hundreds of them take [`crate::Permutation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Coalitions beside the empty and the full one. If all of them fit the result is exact, whatever the seed.
    pub coalitions: usize,
    /// The same seed draws the same coalitions everywhere.
    pub seed: u64,
}

/// What the fit found.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// Sums to the score: the last feature's value is what the others leave.
    pub attribution: Attribution,
    /// Whether every coalition was asked about, so that these are the Shapley values themselves.
    pub exact: bool,
    /// Coalitions that the model was asked about, beside the empty and the full one.
    pub coalitions: usize,
}

impl Kernel {
    /// As many coalitions as the paper's authors take for so many features by default: 2,048 and two for each feature.
    pub fn of_features(features: usize, seed: u64) -> Self {
        Self {
            coalitions: features.saturating_mul(2).saturating_add(2_048),
            seed,
        }
    }

    /// Attributes a game's whole worth to its players. Idle ones get 0 and cost nothing.
    ///
    /// # Errors
    /// The model's; scores that are no numbers; fewer coalitions than two for each feature that varies, where all of them do not fit.
    pub fn explain<G: Game + ?Sized>(&self, game: &G) -> Result<Fitted, Error<G::Error>> {
        let active = game::active(game);
        let (base, score) = game::ends(game)?;
        let mut values = vec![0.0; game.players()];
        let plan = plan::Plan::new(active.len(), self.coalitions, self.seed)?;
        // The plan counts the active players alone.
        let mut asked = Coalitions::new(game.players());
        for coalition in plan.coalitions.iter() {
            asked.push(
                coalition
                    .members()
                    .filter_map(|member| active.get(member).copied()),
            );
        }
        let worth = if asked.is_empty() {
            Vec::new()
        } else {
            game::values(game, &asked)?
        };
        let solution = fit(&plan, &worth, base, score)?;
        for (player, value) in active.into_iter().zip(solution) {
            values[player] = value;
        }
        Ok(Fitted {
            attribution: Attribution { base, score, values },
            exact: plan.exact,
            coalitions: plan.coalitions.len(),
        })
    }
}

/// The values of the plan's players. The last one is not an unknown: it is what the others leave of `score - base`, so the sum holds whatever was drawn.
fn fit(plan: &plan::Plan, worth: &[f64], base: f64, score: f64) -> Result<Vec<f64>, Invalid> {
    let whole = score - base;
    let Some(last) = plan.coalitions.players().checked_sub(1) else {
        return Ok(Vec::new());
    };
    let mut equations = Equations::new(last);
    let mut places = Vec::with_capacity(last);
    for ((coalition, weight), worth) in plan.coalitions.iter().zip(&plan.weights).zip(worth) {
        // With the last player's value put in, a member's place has z - z_last: 1 for members if the last is none, -1 for the others if it is one.
        let has_last = coalition.contains(last);
        let (sign, target) = if has_last {
            (-1.0, worth - base - whole)
        } else {
            (1.0, worth - base)
        };
        places.clear();
        places.extend((0..last).filter(|player| coalition.contains(*player) != has_last));
        equations.observe_signs(&places, sign, target, *weight);
    }
    let mut values = equations
        .solve()
        .ok_or(Invalid::Singular { field: "kernel SHAP" })?;
    let others: f64 = values.iter().sum();
    values.push(whole - others);
    Ok(values)
}
