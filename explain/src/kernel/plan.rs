//! Which coalitions are asked about, and what each weighs.

use std::collections::HashMap;

use crate::coalition::Coalitions;
use crate::draws::Draws;
use crate::error::Invalid;

/// More players than this have more coalitions than anybody asks about.
const COUNTABLE: usize = 40;
/// Rounds of drawing for each coalition that is still wanted: what was drawn before only gains weight.
const PATIENCE: usize = 4;
/// Rounding of shares.
const ROUNDING: f64 = 1e-8;

/// Coalitions, neither empty nor full, and their weights.
pub(super) struct Plan {
    pub(super) coalitions: Coalitions,
    pub(super) weights: Vec<f64>,
    pub(super) exact: bool,
}

impl Plan {
    /// Sizes are taken from both ends, one member and all but one first, for they weigh most: whole while the budget's share of a size covers it. What
    /// is left of the budget is drawn from the other sizes, each with its complement, as the authors' implementation does. Unlike there the first size
    /// is whole in any case, since without it the fit may have no single answer.
    pub(super) fn new(players: usize, budget: usize, seed: u64) -> Result<Self, Invalid> {
        let mut plan = Self {
            coalitions: Coalitions::new(players),
            weights: Vec::new(),
            exact: true,
        };
        if players < 2 {
            return Ok(plan);
        }
        let all = (players < COUNTABLE).then(|| (1_usize << players) - 2);
        let least = all.unwrap_or(usize::MAX).min(2 * players);
        if budget < least {
            return Err(Invalid::BudgetTooSmall {
                found: budget,
                features: players,
                least,
            });
        }
        let sizes = Size::all(players);
        if all.is_some_and(|all| all <= budget) {
            sizes.iter().for_each(|size| plan.take(size));
            return Ok(plan);
        }
        plan.exact = false;
        let mut left = budget;
        let mut rest = sizes.as_slice();
        while let Some((size, others)) = rest.split_first() {
            let weight: f64 = rest.iter().map(|size| size.weight).sum();
            let share = left as f64 * size.weight / weight;
            let whole = share >= size.count * (1.0 - ROUNDING);
            if !whole && size.members > 1 {
                break;
            }
            plan.take(size);
            left = budget.saturating_sub(plan.weights.len());
            rest = others;
        }
        plan.draw(rest, left, seed);
        Ok(plan)
    }

    /// All coalitions of a size.
    fn take(&mut self, size: &Size) {
        let players = self.coalitions.players();
        let weight = size.weight / size.count;
        let mut members: Vec<usize> = (0..size.members).collect();
        loop {
            self.coalitions.push(members.iter().copied());
            self.weights.push(weight);
            if !size.is_middle(players) {
                self.coalitions.push(complement(&members, players));
                self.weights.push(weight);
            }
            if !advance(&mut members, players) {
                return;
            }
        }
    }

    /// Coalitions of the sizes that are left, in pairs, which together weigh what those sizes do.
    fn draw(&mut self, sizes: &[Size], budget: usize, seed: u64) {
        let players = self.coalitions.players();
        let first = self.weights.len();
        let mut draws = Draws::new(seed);
        let by_size: Vec<f64> = sizes.iter().map(|size| size.weight).collect();
        let mut order: Vec<usize> = (0..players).collect();
        let mut places: HashMap<Vec<usize>, usize> = HashMap::new();
        let mut drawn = 0.0;
        for _ in 0..budget.saturating_mul(PATIENCE) {
            if self.weights.len() - first + 2 > budget {
                break;
            }
            let Some(size) = sizes.get(draws.by_weight(&by_size)) else {
                break;
            };
            draws.choose(&mut order, size.members);
            let mut members = order[..size.members].to_vec();
            members.sort_unstable();
            let others = complement(&members, players);
            drawn += 2.0;
            for set in [members, others] {
                let new = self.weights.len();
                let place = *places.entry(set).or_insert_with_key(|set| {
                    self.coalitions.push(set.iter().copied());
                    new
                });
                match self.weights.get_mut(place) {
                    Some(weight) => *weight += 1.0,
                    None => self.weights.push(1.0),
                }
            }
        }
        let weight = by_size.iter().sum::<f64>() / f64::max(drawn, 1.0);
        self.weights
            .iter_mut()
            .skip(first)
            .for_each(|drawn| *drawn *= weight);
    }
}

/// All coalitions with so many members, and those with all but so many.
struct Size {
    members: usize,
    /// How many coalitions.
    count: f64,
    /// What they weigh together: the Shapley kernel (M - 1) / (C(M, s) s (M - s)), times their number.
    weight: f64,
}

impl Size {
    /// From both ends to the middle.
    fn all(players: usize) -> Vec<Self> {
        let total = players as f64;
        let mut choose = 1.0;
        let mut sizes = Vec::with_capacity(players / 2);
        for members in 1..=players / 2 {
            let size = members as f64;
            choose *= (total - size + 1.0) / size;
            let sides = if 2 * members == players { 1.0 } else { 2.0 };
            sizes.push(Self {
                members,
                count: sides * choose,
                weight: sides * (total - 1.0) / (size * (total - size)),
            });
        }
        sizes
    }

    /// Whether complements are of this size too.
    fn is_middle(&self, players: usize) -> bool {
        2 * self.members == players
    }
}

/// Those that are not among `members`, which are ascending.
fn complement(members: &[usize], players: usize) -> Vec<usize> {
    let mut members = members.iter().peekable();
    (0..players)
        .filter(|player| members.next_if(|member| *member == player).is_none())
        .collect()
}

/// The next combination in lexicographic order; false after the last.
fn advance(members: &mut [usize], players: usize) -> bool {
    let size = members.len();
    let Some(at) = (0..size).rev().find(|at| members[*at] < players - size + at) else {
        return false;
    };
    let start = members[at] + 1;
    for (member, value) in members[at..].iter_mut().zip(start..) {
        *member = value;
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    fn sets(plan: &Plan) -> BTreeSet<Vec<usize>> {
        plan.coalitions
            .iter()
            .map(|set| set.members().collect())
            .collect()
    }

    #[test]
    fn all_coalitions_once_where_they_fit() {
        for players in 2..9 {
            let plan = Plan::new(players, (1 << players) - 2, 0).unwrap();
            assert!(plan.exact);
            assert_eq!(plan.weights.len(), (1 << players) - 2, "{players} players");
            assert_eq!(sets(&plan).len(), plan.weights.len(), "{players} players");
        }
    }

    #[test]
    fn drawn_in_pairs_within_the_budget_and_with_the_kernel_s_whole_weight() {
        for (players, budget) in [(12, 500), (13, 40), (22, 2_048), (70, 300), (22, 44)] {
            let plan = Plan::new(players, budget, 7).unwrap();
            assert!(!plan.exact && plan.weights.len() <= budget);
            assert!(
                plan.weights.len() + 2 > budget,
                "{players} players: {}",
                plan.weights.len()
            );
            let sets = sets(&plan);
            assert_eq!(sets.len(), plan.weights.len(), "each once");
            for set in &sets {
                assert!(!set.is_empty() && set.len() < players);
                assert!(sets.contains(&complement(set, players)));
            }
            let singles = sets.iter().filter(|set| set.len() == 1).count();
            assert_eq!(singles, players, "the first size is whole");
            if budget > 2 * players {
                let kernel: f64 = Size::all(players).iter().map(|size| size.weight).sum();
                assert!((plan.weights.iter().sum::<f64>() / kernel - 1.0).abs() < 1e-9);
            }
            assert_eq!(
                sets,
                self::sets(&Plan::new(players, budget, 7).unwrap()),
                "by the seed"
            );
        }
        let of_seed = |seed| sets(&Plan::new(22, 500, seed).unwrap());
        assert_ne!(of_seed(1), of_seed(2));
    }

    #[test]
    fn too_small_a_budget_is_told() {
        let error = Plan::new(22, 43, 0).err().unwrap();
        assert!(
            error.to_string().contains("43 coalitions") && error.to_string().contains("at least 44"),
            "{error}"
        );
        assert!(Plan::new(2, 2, 0).unwrap().exact);
        assert!(Plan::new(2, 1, 0).is_err());
    }
}
