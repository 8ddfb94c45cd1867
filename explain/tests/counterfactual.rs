//! Smallest changes, beside a search of everything.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;

use proptest::prelude::*;
use veilsum_explain::{
    Counterfactual, Direction, Distribution, Error, Feature, Goal, Groups, Moves, Outcome, Rows, Scorer,
    Value,
};

/// A sum of weights, and a product of the first two inputs.
struct Bent(Vec<f64>, f64);

impl Bent {
    fn score(&self, row: &[f32]) -> f64 {
        let sum: f64 = self
            .0
            .iter()
            .zip(row)
            .map(|(weight, input)| weight * f64::from(*input))
            .sum();
        sum + self.1 * f64::from(row[0]) * f64::from(row[1])
    }
}

impl Scorer for Bent {
    type Error = Infallible;

    fn scores(&self, rows: &Rows) -> Result<Vec<f64>, Infallible> {
        Ok(rows.iter().map(|row| self.score(row)).collect())
    }
}

/// Three numbers from 0 to 4, and a category "a" or "b" in two columns.
struct Table {
    features: Vec<Feature>,
    groups: Groups,
    background: Vec<Option<Distribution>>,
    moves: Vec<Moves>,
    values: Vec<Value>,
    row: Vec<f32>,
}

fn encode(feature: usize, value: &Value) -> Result<Vec<f32>, Infallible> {
    Ok(match value {
        Value::Number(number) => vec![*number as f32],
        Value::Category(name) if feature == 3 => {
            vec![f32::from(u8::from(name == "a")), f32::from(u8::from(name == "b"))]
        }
        _ => vec![0.0],
    })
}

fn table(numbers: [u8; 3]) -> Table {
    let steps = |direction| Moves::Steps {
        low: 0.0,
        high: 4.0,
        step: 1.0,
        direction,
    };
    let known = || Distribution::new(vec![0.0, 1.0, 2.0, 3.0, 4.0]).ok();
    let numbers = numbers.map(f64::from);
    let mut row: Vec<f32> = numbers.iter().map(|number| *number as f32).collect();
    row.extend([1.0, 0.0]);
    let mut values: Vec<Value> = numbers.map(Value::Number).to_vec();
    values.push(Value::Category("a".to_owned()));
    let mut features: Vec<Feature> = ["one", "two", "three"]
        .map(|name| Feature::number(name, "", 0))
        .to_vec();
    features.push(Feature::category("four"));
    let inputs = [
        ("one", vec![0]),
        ("two", vec![1]),
        ("three", vec![2]),
        ("four", vec![3, 4]),
    ];
    Table {
        features,
        groups: Groups::new(5, inputs.map(|(name, inputs)| (name.to_owned(), inputs)).to_vec()).unwrap(),
        background: vec![known(), known(), known(), None],
        moves: vec![
            steps(Direction::Either),
            steps(Direction::Up),
            steps(Direction::Down),
            Moves::Categories(vec!["a".to_owned(), "b".to_owned()]),
        ],
        values,
        row,
    }
}

impl Table {
    fn task(&self, goal: Goal, most_changes: usize) -> Counterfactual<'_> {
        Counterfactual {
            features: &self.features,
            groups: &self.groups,
            row: &self.row,
            values: &self.values,
            background: &self.background,
            moves: &self.moves,
            goal,
            most_changes,
            most_pairs: 10_000,
        }
    }

    /// The smallest distance of all allowed changes, each rank of a number a fifth and the category a third.
    fn by_trying_all(&self, model: &Bent, goal: Goal, most: usize) -> Option<f64> {
        let own: Vec<f32> = self.row.clone();
        let mut best: Option<f64> = None;
        for plan in 0..250_u16 {
            let to = [plan % 5, plan / 5 % 5, plan / 25 % 5].map(f32::from);
            let other = plan / 125 == 1;
            if to[1] < own[1] || to[2] > own[2] {
                continue;
            }
            let changed = (0..3).filter(|at| to[*at] != own[*at]).count() + usize::from(other);
            let row = [
                to[0],
                to[1],
                to[2],
                f32::from(u8::from(!other)),
                f32::from(u8::from(other)),
            ];
            let ranks: f64 = (0..3).map(|at| f64::from((to[at] - own[at]).abs()) / 5.0).sum();
            let distance = ranks + if other { 1.0 / 3.0 } else { 0.0 };
            if changed <= most && goal.is_met(model.score(&row)) && best.is_none_or(|best| distance < best) {
                best = Some(distance);
            }
        }
        best
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn as_good_as_trying_everything(
        numbers in [0_u8..5, 0_u8..5, 0_u8..5], weights in prop::collection::vec(-1.0_f64..1.0, 5), product in -0.5_f64..0.5,
        way in 0.1_f64..4.0, most in 1_usize..5, up in any::<bool>(),
    ) {
        let table = table(numbers);
        let model = Bent(weights, product);
        let score = model.score(&table.row);
        let goal = if up { Goal::AtLeast(score + way) } else { Goal::AtMost(score - way) };
        let outcome = table.task(goal, most).search(&model, encode).unwrap();
        let best = table.by_trying_all(&model, goal, most);
        match (outcome, best) {
            (Outcome::Found(found), Some(best)) => {
                prop_assert!(found.changes.len() <= most && goal.is_met(found.score));
                prop_assert!(found.distance >= best - 1e-9);
                if most <= 2 {
                    prop_assert!(found.is_smallest && (found.distance - best).abs() < 1e-9, "{} beside {best}", found.distance);
                }
                // The changes give the score that is told.
                let mut row = table.row.clone();
                for change in &found.changes {
                    let inputs = encode(change.feature, &change.to).unwrap();
                    for (input, value) in table.groups.inputs(change.feature).iter().zip(inputs) {
                        row[*input] = value;
                    }
                }
                prop_assert!((model.score(&row) - found.score).abs() < 1e-12);
            }
            (Outcome::NotFound { nearest, is_certain, .. }, best) => {
                prop_assert!(!goal.is_met(nearest));
                prop_assert!(best.is_none() || !is_certain, "{best:?} was missed");
                prop_assert!(is_certain || most > 2);
            }
            (outcome, best) => prop_assert!(false, "{outcome:?} beside {best:?}"),
        }
    }
}

/// Beyond pairs the search promises no smallest change; this is what it comes to.
#[test]
fn three_changes_are_seldom_larger_than_they_must_be() {
    let (mut there, mut found, mut smallest) = (0, 0, 0);
    for case in 0..150_usize {
        let drawn = |salt: usize| ((case * 7_919 + salt * 104_729) as f64).sin();
        let numbers = [1, 2, 3].map(|salt| ((drawn(salt) + 1.0) * 2.5) as u8);
        let table = table(numbers);
        let model = Bent((4..9).map(drawn).collect(), 0.5 * drawn(9));
        // The nearest goal that two changes do not reach and three do.
        let goals = (1..60).map(|way| Goal::AtLeast(model.score(&table.row) + 0.15 * f64::from(way)));
        let mut beyond = goals.skip_while(|goal| table.by_trying_all(&model, *goal, 2).is_some());
        let Some(goal) = beyond.next() else { continue };
        let Some(best) = table.by_trying_all(&model, goal, 3) else {
            continue;
        };
        there += 1;
        if let Outcome::Found(outcome) = table.task(goal, 3).search(&model, encode).unwrap() {
            found += 1;
            smallest += u32::from(outcome.distance < best + 1e-9);
        }
    }
    assert!(there >= 20, "{there}");
    assert!(found * 100 >= there * 95, "{found} of {there}");
    assert!(smallest * 100 >= there * 80, "{smallest} of {there}");
}

#[test]
fn by_hand() {
    let mut table = table([2, 2, 2]);
    let model = Bent(vec![1.0, 1.0, 1.0, 0.0, 2.0], 0.0);
    // 6 now. The category alone gives 8, for a third; a number would have to go two ranks, for two fifths.
    let Outcome::Found(found) = table.task(Goal::AtLeast(8.0), 2).search(&model, encode).unwrap() else {
        panic!()
    };
    assert_eq!(found.changes.len(), 1);
    assert_eq!(
        (found.changes[0].feature, &found.changes[0].to),
        (3, &Value::Category("b".to_owned()))
    );
    assert!(found.is_smallest && found.score == 8.0);
    table.moves[3] = Moves::Fixed;
    let Outcome::Found(found) = table.task(Goal::AtLeast(8.0), 2).search(&model, encode).unwrap() else {
        panic!()
    };
    assert_eq!(found.changes[0].to, Value::Number(4.0));
    assert_eq!(found.changes.len(), 1, "of equal distances the fewer changes");
    // Down by more than the first and the third can go: the second may only rise.
    let outcome = table.task(Goal::AtMost(1.0), 2).search(&model, encode).unwrap();
    assert_eq!(
        outcome,
        Outcome::NotFound {
            score: 6.0,
            nearest: 2.0,
            is_certain: true
        }
    );
    let outcome = table.task(Goal::AtMost(6.0), 2).search(&model, encode).unwrap();
    assert_eq!(outcome, Outcome::AlreadyMet { score: 6.0 });
    // With room for a few pairs only it finds something, and does not say that it is the smallest.
    let few = Counterfactual {
        most_pairs: 3,
        ..table.task(Goal::AtLeast(9.0), 2)
    };
    let Outcome::Found(found) = few.search(&model, encode).unwrap() else {
        panic!()
    };
    assert!(!found.is_smallest && found.score >= 9.0);
}

#[test]
fn what_cannot_be_searched_is_told() {
    let mut table = table([2, 2, 2]);
    let model = Bent(vec![1.0; 5], 0.0);
    let says = |table: &Table, words: &str| {
        let error = table
            .task(Goal::AtLeast(99.0), 2)
            .search(&model, encode)
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error:?} has not {words:?}");
    };
    let steps = |low, high, step| Moves::Steps {
        low,
        high,
        step,
        direction: Direction::Either,
    };
    table.moves[0] = steps(0.0, 1e9, 1e-3);
    says(&table, "at most 10,000");
    table.moves[0] = steps(0.0, 1.0, 0.0);
    says(&table, "step: found 0");
    table.moves[0] = steps(1.0, 0.0, 1.0);
    says(&table, "high: found 0");
    table.moves[0] = steps(f64::NAN, 0.0, 1.0);
    says(&table, "low: found NaN");
    table.moves[0] = Moves::Numbers {
        numbers: vec![f64::INFINITY],
        direction: Direction::Up,
    };
    says(&table, "numbers: found inf");
    table.moves[0] = Moves::Categories(vec!["a".to_owned()]);
    says(&table, "\"one\": found moves to categories");
    table.moves.pop();
    says(&table, "moves: found 3");
    let table = self::table([2, 2, 2]);
    assert!(matches!(
        table.task(Goal::AtLeast(f64::NAN), 2).search(&model, encode),
        Err(Error::Invalid(_))
    ));
    assert!(matches!(
        table.task(Goal::AtLeast(9.0), 0).search(&model, encode),
        Err(Error::Invalid(_))
    ));
    let wide = table
        .task(Goal::AtLeast(99.0), 2)
        .search(&model, |_, _| Ok(vec![0.0; 3]))
        .unwrap_err();
    assert!(wide.to_string().contains("encoded value: found 3"), "{wide}");
}
