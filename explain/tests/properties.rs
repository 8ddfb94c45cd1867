//! What Shapley values promise, of random models, rows and backgrounds.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;

use proptest::prelude::*;
use veilsum_explain::{
    Attribution, Background, Coalitions, Expected, Game, Gradients, Groups, Integrated, Kernel, Linear,
    Permutation, Rows, Scorer,
};

/// tanh(a x) summed, and products of neighbours: nothing is additive, and the gradient is known.
#[derive(Clone, Debug)]
struct Bent {
    slopes: Vec<f64>,
    products: Vec<f64>,
}

impl Scorer for Bent {
    type Error = Infallible;

    fn scores(&self, rows: &Rows) -> Result<Vec<f64>, Infallible> {
        let score = |row: &[f32]| {
            let of = |at: usize| f64::from(row[at]);
            let bent: f64 = self
                .slopes
                .iter()
                .enumerate()
                .map(|(at, slope)| (slope * of(at)).tanh())
                .sum();
            let products = self.products.iter().enumerate();
            bent + products
                .map(|(at, factor)| factor * of(at) * of(at + 1))
                .sum::<f64>()
        };
        Ok(rows.iter().map(score).collect())
    }
}

impl Gradients for Bent {
    fn gradients(&self, rows: &Rows) -> Result<Vec<f32>, Infallible> {
        let mut all = Vec::new();
        for row in rows.iter() {
            let of = |at: usize| f64::from(row[at]);
            let slopes = self.slopes.iter().enumerate();
            let mut own: Vec<f64> = slopes
                .map(|(at, slope)| slope / (slope * of(at)).cosh().powi(2))
                .collect();
            for (at, factor) in self.products.iter().enumerate() {
                own[at] += factor * of(at + 1);
                own[at + 1] += factor * of(at);
            }
            all.extend(own.into_iter().map(|value| value as f32));
        }
        Ok(all)
    }
}

/// Rows of a table, model and row, of `width` inputs.
#[derive(Clone, Debug)]
struct Case {
    model: Bent,
    row: Vec<f32>,
    background: Rows,
}

fn input() -> impl Strategy<Value = f32> {
    -2.0_f32..2.0
}

fn case(widths: std::ops::Range<usize>) -> impl Strategy<Value = Case> {
    (widths, 1_usize..5).prop_flat_map(|(width, rows)| {
        let numbers = |count| prop::collection::vec(-1.5_f64..1.5, count);
        let inputs = |count| prop::collection::vec(input(), count);
        (
            numbers(width),
            numbers(width - 1),
            inputs(width),
            inputs(width * rows),
        )
            .prop_map(move |(slopes, products, row, background)| Case {
                model: Bent { slopes, products },
                row,
                background: Rows::new(width, background).unwrap(),
            })
    })
}

fn single(width: usize) -> Groups {
    Groups::single((0..width).map(|at| at.to_string()).collect()).unwrap()
}

fn kernel(
    scorer: &impl Scorer<Error = Infallible>,
    row: &[f32],
    background: &Rows,
    groups: &Groups,
    coalitions: usize,
) -> Attribution {
    let game = Background::new(scorer, row, background, groups).unwrap();
    Kernel { coalitions, seed: 3 }.explain(&game).unwrap().attribution
}

fn near(one: &[f64], two: &[f64], tolerance: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(one.len(), two.len());
    for (one_value, two_value) in one.iter().zip(two) {
        prop_assert!(
            (one_value - two_value).abs() <= tolerance,
            "{:?} beside {:?}",
            one,
            two
        );
    }
    Ok(())
}

/// By the definition: the mean of what a player adds over all orders in which players join.
fn by_definition(game: &impl Game<Error = Infallible>) -> Vec<f64> {
    let players = game.players();
    let mut all = Coalitions::new(players);
    (0..1_usize << players).for_each(|set| all.push((0..players).filter(|player| set >> player & 1 == 1)));
    let worth = game.values(&all).unwrap();
    let factorial = |n: usize| (1..=n).map(|at| at as f64).product::<f64>();
    (0..players)
        .map(|player| {
            let without = (0..1_usize << players).filter(|set| set >> player & 1 == 0);
            without
                .map(|set| {
                    let size = set.count_ones() as usize;
                    let share = factorial(size) * factorial(players - size - 1) / factorial(players);
                    share * (worth[set | 1 << player] - worth[set])
                })
                .sum()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn exact_enumeration_is_the_definition(case in case(2..9)) {
        let groups = single(case.row.len());
        let game = Background::new(&case.model, &case.row, &case.background, &groups).unwrap();
        let found = Kernel { coalitions: 254, seed: 0 }.explain(&game).unwrap();
        prop_assert!(found.exact);
        near(&found.attribution.values, &by_definition(&game), 1e-9)?;
    }

    #[test]
    fn every_method_s_sum_is_the_score(case in case(9..24), seed in any::<u64>()) {
        let groups = single(case.row.len());
        let game = Background::new(&case.model, &case.row, &case.background, &groups).unwrap().batch(37);
        let drawn = Kernel { coalitions: 120, seed }.explain(&game).unwrap();
        prop_assert!(!drawn.exact);
        prop_assert!(drawn.attribution.residual().abs() < 1e-9);
        let ordered = Permutation { pairs: 2, seed }.explain(&game).unwrap();
        prop_assert!(ordered.attribution.residual().abs() < 1e-9);
        let own = case.model.scores(&Rows::new(case.row.len(), case.row.clone()).unwrap()).unwrap()[0];
        prop_assert!((drawn.attribution.score - own).abs() < 1e-12);
        let others = case.model.scores(&case.background).unwrap();
        prop_assert!((drawn.attribution.base - others.iter().sum::<f64>() / others.len() as f64).abs() < 1e-9);
        let along = Integrated { steps: 400 }.explain(&case.model, &case.row, &case.background, &groups).unwrap();
        prop_assert!(along.residual().abs() < 1e-3, "{}", along.residual());
        let expected = Expected { samples: 4_000, seed }.explain(&case.model, &case.row, &case.background, &groups).unwrap();
        let errors = expected.standard_errors.unwrap();
        for ((one, two), error) in along.values.iter().zip(&expected.attribution.values).zip(&errors) {
            prop_assert!((one - two).abs() <= 7.0 * error + 1e-3, "{one} beside {two}, error {error}");
        }
    }

    #[test]
    fn how_many_rows_are_asked_at_once_changes_nothing(case in case(2..7), batch in 1_usize..50) {
        let groups = single(case.row.len());
        let one = Background::new(&case.model, &case.row, &case.background, &groups).unwrap();
        let kernel = Kernel { coalitions: 64, seed: 0 };
        prop_assert_eq!(kernel.explain(&one.clone().batch(batch)).unwrap(), kernel.explain(&one).unwrap());
    }

    #[test]
    fn who_adds_nothing_gets_nothing(case in case(3..9), dummy in 0_usize..8) {
        let dummy = dummy % case.row.len();
        let mut model = case.model;
        model.slopes[dummy] = 0.0;
        model.products.iter_mut().enumerate().filter(|(at, _)| *at == dummy || at + 1 == dummy).for_each(|(_, factor)| *factor = 0.0);
        let groups = single(case.row.len());
        let found = kernel(&model, &case.row, &case.background, &groups, 254);
        prop_assert!(found.values[dummy].abs() < 1e-9);
        let game = Background::new(&model, &case.row, &case.background, &groups).unwrap();
        let ordered = Permutation { pairs: 1, seed: 0 }.explain(&game).unwrap();
        prop_assert!(ordered.attribution.values[dummy].abs() < 1e-12);
    }

    #[test]
    fn who_does_not_vary_gets_exactly_nothing(case in case(3..9), fixed in 0_usize..8) {
        let width = case.row.len();
        let fixed = fixed % width;
        let mut values = case.background.values().to_vec();
        values.iter_mut().skip(fixed).step_by(width).for_each(|value| *value = case.row[fixed]);
        let background = Rows::new(width, values).unwrap();
        let found = kernel(&case.model, &case.row, &background, &single(width), 254);
        prop_assert_eq!(found.values[fixed], 0.0);
        prop_assert!(found.residual().abs() < 1e-9);
    }

    #[test]
    fn who_adds_the_same_gets_the_same(case in case(4..9), budget in 16_usize..254) {
        // The first two inputs are alike to the model, in the row and in the background.
        let width = case.row.len();
        let mut model = case.model;
        model.slopes[1] = model.slopes[0];
        model.products[1] = 0.0;
        let mut row = case.row;
        row[1] = row[0];
        let mut values = case.background.values().to_vec();
        values.chunks_exact_mut(width).for_each(|row| row[1] = row[0]);
        let background = Rows::new(width, values).unwrap();
        let found = kernel(&model, &row, &background, &single(width), (1 << width) - 2);
        prop_assert!((found.values[0] - found.values[1]).abs() < 1e-9);
        // However few coalitions: the sum holds.
        let drawn = kernel(&model, &row, &background, &single(width), budget);
        prop_assert!(drawn.residual().abs() < 1e-9);
    }

    #[test]
    fn attributions_of_a_sum_are_the_sum_of_attributions(case in case(2..8), slopes in prop::collection::vec(-1.0_f64..1.0, 8)) {
        let width = case.row.len();
        let groups = single(width);
        let other = Bent { slopes: slopes[..width].to_vec(), products: vec![0.3; width - 1] };
        struct Both<'a>(&'a Bent, &'a Bent);
        impl Scorer for Both<'_> {
            type Error = Infallible;
            fn scores(&self, rows: &Rows) -> Result<Vec<f64>, Infallible> {
                let (one, two) = (self.0.scores(rows)?, self.1.scores(rows)?);
                Ok(one.iter().zip(&two).map(|(one, two)| 2.0 * one - two).collect())
            }
        }
        // Also where coalitions are drawn, for the same seed draws the same.
        for budget in [254, 16] {
            let of = |model: &dyn Scorer<Error = Infallible>| {
                let game = Background::new(model, &case.row, &case.background, &groups).unwrap();
                Kernel { coalitions: budget, seed: 9 }.explain(&game).unwrap().attribution.values
            };
            let together = of(&Both(&case.model, &other));
            let apart: Vec<f64> = of(&case.model).iter().zip(of(&other)).map(|(one, two)| 2.0 * one - two).collect();
            near(&together, &apart, 1e-9)?;
        }
    }

    #[test]
    fn the_order_of_features_does_not_matter(case in case(2..8), turn in 0_usize..8) {
        let width = case.row.len();
        let turned: Vec<(String, Vec<usize>)> = (0..width).map(|at| (at + turn) % width).map(|at| (at.to_string(), vec![at])).collect();
        let order: Vec<usize> = turned.iter().map(|(_, inputs)| inputs[0]).collect();
        let plain = kernel(&case.model, &case.row, &case.background, &single(width), 254);
        let other = kernel(&case.model, &case.row, &case.background, &Groups::new(width, turned).unwrap(), 254);
        let back: Vec<f64> = order.iter().map(|at| plain.values[*at]).collect();
        near(&other.values, &back, 1e-9)?;
    }

    #[test]
    fn paths_through_products_give_shapley_values(case in case(2..8)) {
        // By hand for x y from (a, b): both give x the amount (x - a)(y + b) / 2. Its gradient is straight along a path, so one midpoint is exact.
        let model = Bent { slopes: vec![0.0; case.row.len()], products: case.model.products };
        let groups = single(case.row.len());
        let along = Integrated { steps: 1 }.explain(&model, &case.row, &case.background, &groups).unwrap();
        let exact = kernel(&model, &case.row, &case.background, &groups, 254);
        near(&along.values, &exact.values, 1e-4)?;
        // And so does one order with its reverse.
        let game = Background::new(&model, &case.row, &case.background, &groups).unwrap();
        let ordered = Permutation { pairs: 1, seed: 8 }.explain(&game).unwrap();
        near(&ordered.attribution.values, &exact.values, 1e-9)?;
    }

    #[test]
    fn linear_models_agree_with_all_coalitions(case in case(2..8)) {
        struct Plain(Linear);
        impl Scorer for Plain {
            type Error = Infallible;
            fn scores(&self, rows: &Rows) -> Result<Vec<f64>, Infallible> {
                let score = |row: &[f32]| row.iter().zip(&self.0.coefficients).map(|(value, factor)| f64::from(*value) * factor).sum::<f64>();
                Ok(rows.iter().map(|row| self.0.intercept + score(row)).collect())
            }
        }
        // The first two inputs are one feature.
        let width = case.row.len();
        let mut features = vec![("pair".to_owned(), vec![0, 1])];
        features.extend((2..width).map(|at| (at.to_string(), vec![at])));
        let groups = Groups::new(width, features).unwrap();
        let model = Linear { intercept: 0.7, coefficients: case.model.slopes };
        let known = model.explain(&case.row, &case.background.means().unwrap(), &groups).unwrap();
        let asked = kernel(&Plain(model), &case.row, &case.background, &groups, 254);
        near(&known.values, &asked.values, 1e-9)?;
        prop_assert!((known.base - asked.base).abs() < 1e-9 && (known.score - asked.score).abs() < 1e-9);
    }
}
