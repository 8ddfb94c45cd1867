//! Whatever finite inputs, scores of any kind and limits: a result or an error, never a panic.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;

use proptest::prelude::*;
use veilsum_explain::report::{ExplainedRow, ManyRows, Report};
use veilsum_explain::{
    Adverse, Attribution, Background, Counterfactual, Dependence, Direction, Distribution, Expected, Feature,
    Goal, Gradients, Groups, Integrated, Kernel, Lime, Moves, Notice, Permutation, Rows, Scorer, Value, draw,
    importance,
};

/// Gives listed scores in turn, whatever the rows are, and the inputs themselves as gradients.
struct Listed(Vec<f64>);

impl Scorer for Listed {
    type Error = Infallible;

    fn scores(&self, rows: &Rows) -> Result<Vec<f64>, Infallible> {
        Ok((0..rows.len()).map(|at| self.0[at % self.0.len()]).collect())
    }
}

impl Gradients for Listed {
    fn gradients(&self, rows: &Rows) -> Result<Vec<f32>, Infallible> {
        Ok(rows.values().to_vec())
    }
}

fn any_score() -> impl Strategy<Value = f64> {
    prop_oneof![4 => any::<f64>(), 4 => -1.0_f64..1.0, 1 => Just(f64::MAX), 1 => Just(-f64::MAX), 1 => Just(5e-324)]
}

fn any_input() -> impl Strategy<Value = f32> {
    prop_oneof![3 => -3.0_f32..3.0, 1 => Just(f32::MAX), 1 => Just(f32::MIN), 1 => Just(1e-45_f32), 1 => Just(-0.0_f32)]
}

fn finite() -> impl Strategy<Value = f64> {
    any_score().prop_map(|score| if score.is_finite() { score } else { 1.5 })
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("f{at}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn explanations(
        width in 1_usize..7, scores in prop::collection::vec(any_score(), 1..9), inputs in prop::collection::vec(any_input(), 24),
        budget in 0_usize..70, limits in 0_usize..5, seed in any::<u64>(),
    ) {
        let model = Listed(scores);
        let groups = Groups::single(names(width)).unwrap();
        let row = &inputs[..width];
        let background = Rows::new(width, inputs[width..width * 3].to_vec()).unwrap();
        let game = Background::new(&model, row, &background, &groups).unwrap().batch(limits);
        if let Ok(found) = (Kernel { coalitions: budget, seed }).explain(&game) {
            prop_assert_eq!(found.attribution.values.len(), width);
        }
        let _ = Permutation { pairs: limits, seed }.explain(&game);
        let _ = Integrated { steps: limits }.explain(&model, row, &background, &groups);
        let _ = Expected { samples: limits, seed }.explain(&model, row, &background, &groups);
        let lime = Lime { samples: budget, features: limits, seed };
        let _ = lime.table(&model, row, &background, &groups);
        let _ = lime.parts(&game);

        let features: Vec<Feature> = names(width).iter().map(|name| Feature::number(name, "", 200)).collect();
        let values: Vec<Value> = row.iter().map(|input| Value::Number(f64::from(*input))).collect();
        let column = |at: usize| Distribution::new(background.iter().map(|row| f64::from(row[at])).collect()).ok();
        let columns: Vec<Option<Distribution>> = (0..width).map(column).collect();
        let moves: Vec<Moves> = columns.iter().flatten().map(|column| Moves::quantiles(column, 3, Direction::Either)).collect();
        let search = Counterfactual {
            features: &features, groups: &groups, row, values: &values, background: &columns, moves: &moves,
            goal: Goal::AtLeast(model.0[0]), most_changes: limits, most_pairs: budget,
        };
        let _ = search.search(&model, |_, value| Ok(match value {
            Value::Number(number) => vec![*number as f32],
            _ => vec![0.0],
        }));
    }

    #[test]
    fn what_is_told_of_them(
        width in 1_usize..6, rows in 1_usize..4, amounts in prop::collection::vec(any_score(), 24), raw in prop::collection::vec(finite(), 24), most in 0_usize..9,
    ) {
        let features: Vec<Feature> = names(width).iter().map(|name| Feature::number(name, "%", 1)).collect();
        let attributions: Vec<Attribution> = (0..rows)
            .map(|row| Attribution { base: amounts[20 + row], score: amounts[19 + row], values: amounts[row * width..(row + 1) * width].to_vec() })
            .collect();
        let values: Vec<Vec<Value>> = (0..rows)
            .map(|row| raw[row * width..(row + 1) * width].iter().map(|number| Value::Number(*number)).collect())
            .collect();
        let columns: Vec<Option<Distribution>> = (0..width).map(|at| Distribution::new(raw[at..at + 9].to_vec()).ok()).collect();
        let _ = importance(&attributions);
        let numbers: Vec<Option<f64>> = raw[..rows].iter().copied().map(Some).collect();
        if let Ok(found) = Dependence::of(&attributions, 0, &numbers)
            && let Ok(picture) = draw::dependence(&found, &features[0], "score")
        {
            prop_assert!(!picture.svg.contains("NaN"), "{}", picture.svg);
        }
        for (row, attribution) in values.iter().zip(&attributions) {
            let notice = Notice { features: &features, values: row, background: &columns, protected: &[], adverse: Adverse::Higher, most };
            let _ = notice.reasons(attribution);
            if let Ok(picture) = draw::waterfall(attribution, &features, row, "score", most) {
                prop_assert!(!picture.svg.contains("NaN") && !picture.svg.contains("inf"), "{}", picture.svg);
            }
        }
        let row = ExplainedRow { name: "row", features: &features, values: &values[0], attribution: &attributions[0], reasons: None, counterfactual: None };
        let many = ManyRows { features: &features, attributions: &attributions, values: &values, dependence: &[0] };
        let _ = Report { title: "t", score: "score", method: "m", rows: &[row], many: Some(many) }.html();
    }
}
