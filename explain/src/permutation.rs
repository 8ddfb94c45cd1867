//! Shapley values by sampled orders, for more features than kernel SHAP has coalitions for.

use crate::attribution::{Attribution, Means, Sampled};
use crate::coalition::Coalitions;
use crate::draws::Draws;
use crate::error::{Error, Invalid};
use crate::game::{self, Game};

/// Sets that are asked about at once, about.
const SETS: usize = 1_024;

/// Random orders in which features join, each with its reverse: the antithetic pairs of Mitchell and others 2022, over the estimator of Strumbelj and
/// Kononenko 2014. Where a game's worth is a sum over pairs of features at most, a single pair is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permutation {
    /// Orders with their reverses, at least 1. Each asks about two sets for each feature that varies.
    pub pairs: usize,
    /// The same seed draws the same orders everywhere.
    pub seed: u64,
}

impl Permutation {
    /// Attributes a game's whole worth to its players; the sum holds for every number of pairs. Idle players get 0 and cost nothing.
    ///
    /// # Errors
    /// No pairs; the model's; scores that are no numbers.
    pub fn explain<G: Game + ?Sized>(&self, game: &G) -> Result<Sampled, Error<G::Error>> {
        if self.pairs == 0 {
            return Err(Invalid::range("pairs of orders", 0.0, "at least 1").into());
        }
        let mut order = game::active(game);
        let ends = game::ends(game)?;
        let mut means = Means::new(game.players());
        let mut draws = Draws::new(self.seed);
        let at_once = (SETS / (2 * order.len()).max(1)).max(1);
        let mut left = self.pairs;
        let mut sample = vec![0.0; game.players()];
        while left > 0 {
            let orders: Vec<Vec<usize>> = (0..left.min(at_once))
                .map(|_| {
                    let all = order.len();
                    draws.choose(&mut order, all);
                    order.clone()
                })
                .collect();
            left -= orders.len();
            let mut asked = Coalitions::new(game.players());
            for order in &orders {
                for joined in 1..order.len() {
                    asked.push(order[..joined].iter().copied());
                    asked.push(order[joined..].iter().copied());
                }
            }
            let worth = if asked.is_empty() {
                Vec::new()
            } else {
                game::values(game, &asked)?
            };
            let mut worth = worth.as_slice();
            for order in &orders {
                let (own, others) = worth.split_at((2 * order.len().saturating_sub(1)).min(worth.len()));
                worth = others;
                sample.fill(0.0);
                add(order, own, ends, &mut sample);
                means.add(&sample);
            }
        }
        let (base, score) = ends;
        let standard_errors = means.standard_errors();
        Ok(Sampled {
            attribution: Attribution {
                base,
                score,
                values: means.means(),
            },
            standard_errors,
        })
    }
}

/// What each player adds when it joins in `order`, and when it joins in reverse, half each. `worth` has the heads of the order and, beside each, its tail.
fn add(order: &[usize], worth: &[f64], (base, score): (f64, f64), sample: &mut [f64]) {
    let (mut head, mut tail) = (base, score);
    let places = worth.as_chunks().0.iter().copied().chain([[score, base]]);
    for (player, [next_head, next_tail]) in order.iter().zip(places) {
        sample[*player] = f64::midpoint(next_head - head, tail - next_tail);
        (head, tail) = (next_head, next_tail);
    }
}
