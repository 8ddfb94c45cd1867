//! What cannot be explained is told in words, and nothing panics.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::fmt::Display;

use veilsum_explain::{
    Background, Coalitions, Error, Expected, Gradients, Groups, Integrated, Invalid, Kernel, Lime, Linear,
    Masked, Permutation, Rows, Scorer,
};

/// Scores that are whatever it was told to give.
struct Gives(fn(&Rows) -> Result<Vec<f64>, &'static str>);

impl Scorer for Gives {
    type Error = &'static str;

    fn scores(&self, rows: &Rows) -> Result<Vec<f64>, &'static str> {
        self.0(rows)
    }
}

impl Gradients for Gives {
    fn gradients(&self, rows: &Rows) -> Result<Vec<f32>, &'static str> {
        Ok(vec![f32::INFINITY; rows.values().len()])
    }
}

const SUM: Gives = Gives(|rows| {
    Ok(rows
        .iter()
        .map(|row| row.iter().copied().map(f64::from).sum())
        .collect())
});

fn groups(width: usize) -> Groups {
    Groups::single((0..width).map(|at| format!("f{at}")).collect()).unwrap()
}

fn rows(width: usize, values: &[f32]) -> Rows {
    Rows::new(width, values.to_vec()).unwrap()
}

#[track_caller]
fn says<T>(result: Result<T, impl Display>, words: &[&str]) {
    let Err(error) = result else {
        panic!("no error; expected one with {words:?}")
    };
    let text = error.to_string();
    words
        .iter()
        .for_each(|word| assert!(text.contains(word), "{text:?} has not {word:?}"));
}

#[test]
fn rows_and_groups() {
    says(Rows::new(0, vec![]), &["width is 0"]);
    says(Rows::new(2, vec![0.0; 3]), &["3 values", "width 2"]);
    says(
        Rows::new(2, vec![0.0, 1.0, f32::NAN, 0.0]),
        &["input 0 of row 1 is NaN", "finite"],
    );
    let named = |features: &[(&str, &[usize])]| {
        Groups::new(
            3,
            features
                .iter()
                .map(|(name, inputs)| ((*name).to_owned(), inputs.to_vec()))
                .collect(),
        )
    };
    says(named(&[]), &["groups: found none"]);
    says(named(&[("a", &[0, 1])]), &["input 2 belongs to no feature"]);
    says(named(&[("a", &[0, 1, 2]), ("b", &[])]), &["\"b\" has no inputs"]);
    says(
        named(&[("a", &[0, 1]), ("b", &[1, 2])]),
        &["input 1", "\"a\"", "\"b\""],
    );
    says(
        named(&[("a", &[0, 1]), ("b", &[3])]),
        &["\"b\" names input 3", "width 3"],
    );
    says(
        named(&[("a", &[0, 1]), ("a", &[2])]),
        &["two features are called \"a\""],
    );
    assert_eq!(rows(2, &[1.0, 2.0]).get(usize::MAX), None);
    assert!(groups(2).inputs(usize::MAX).is_empty());
}

#[test]
fn backgrounds_and_widths() {
    let (two, three) = (groups(2), groups(3));
    let (none, one) = (rows(2, &[]), rows(2, &[0.0, 1.0]));
    says(
        Background::new(SUM, &[1.0, 2.0], &none, &two),
        &["background", "no rows", "at least one"],
    );
    says(
        Background::new(SUM, &[1.0], &one, &two),
        &["row: found 1", "expected 2"],
    );
    says(
        Background::new(SUM, &[1.0, 2.0, 3.0], &one, &three),
        &["background: found 2", "expected 3"],
    );
    says(
        Background::new(SUM, &[1.0, f32::INFINITY], &one, &two),
        &["input 1", "inf"],
    );
    let lime = Lime {
        samples: 10,
        features: 2,
        seed: 0,
    };
    says(lime.table(&SUM, &[1.0, 2.0], &none, &two), &["background"]);
    says(lime.table(&SUM, &[1.0], &one, &two), &["row: found 1"]);
    says(
        Lime { samples: 1, ..lime }.table(&SUM, &[1.0, 2.0], &one, &two),
        &["samples: found 1"],
    );
    says(
        Lime { features: 0, ..lime }.table(&SUM, &[1.0, 2.0], &one, &two),
        &["features: found 0"],
    );
    says(
        lime.parts(&Masked::new(0, |_: &Coalitions| Ok::<_, Infallible>(vec![]))),
        &["parts"],
    );
    let linear = Linear {
        intercept: 0.0,
        coefficients: vec![1.0, f64::NAN],
    };
    says(linear.explain(&[1.0, 2.0], &[0.0, 0.0], &two), &["finite"]);
    says(linear.explain(&[1.0, 2.0], &[0.0], &two), &["means: found 1"]);
    says(
        linear.explain(&[1.0; 3], &[0.0; 3], &three),
        &["coefficients: found 2"],
    );
    says(
        Integrated { steps: 0 }.explain(&SUM, &[1.0, 2.0], &one, &two),
        &["steps"],
    );
    says(
        Integrated { steps: 3 }.explain(&SUM, &[1.0, 2.0], &none, &two),
        &["background"],
    );
    says(
        Expected { samples: 3, seed: 0 }.explain(&SUM, &[1.0, 2.0], &one, &two),
        &["gradients", "inf"],
    );
}

#[test]
fn models_that_give_no_scores() {
    let (two, background) = (groups(2), rows(2, &[0.0, 1.0, 3.0, 4.0]));
    let explain = |give: fn(&Rows) -> Result<Vec<f64>, &'static str>| {
        let model = Gives(give);
        let game = Background::new(&model, &[7.0, 7.0], &background, &two).unwrap();
        let kernel = Kernel {
            coalitions: 2,
            seed: 0,
        }
        .explain(&game)
        .map(|_| ());
        let ordered = Permutation { pairs: 1, seed: 0 }.explain(&game).map(|_| ());
        let lime = Lime {
            samples: 9,
            features: 2,
            seed: 0,
        }
        .table(&model, &[7.0, 7.0], &background, &two);
        assert!(lime.is_err());
        assert_eq!(
            kernel.clone().unwrap_err().to_string(),
            ordered.unwrap_err().to_string()
        );
        kernel
    };
    assert_eq!(
        explain(|_| Err("out of memory")),
        Err(Error::Model("out of memory"))
    );
    says(
        explain(|rows| Ok(vec![f64::NAN; rows.len()])),
        &["NaN for row 0", "finite"],
    );
    says(
        explain(|rows| Ok(vec![f64::INFINITY; rows.len()])),
        &["inf for row 0"],
    );
    says(explain(|_| Ok(vec![1.0])), &["scores: found 1", "expected"]);
    // Finite scores whose sum is not.
    let huge = explain(|rows| Ok(vec![f64::MAX; rows.len()]));
    says(huge, &["inf"]);
}

#[test]
fn games_that_give_what_they_must_not() {
    let kernel = Kernel {
        coalitions: 100,
        seed: 0,
    };
    let short = Masked::new(3, |_: &Coalitions| Ok::<_, Infallible>(vec![0.0]));
    says(kernel.explain(&short), &["scores: found 1"]);
    let none = Masked::new(0, |sets: &Coalitions| Ok::<_, Infallible>(vec![4.0; sets.len()]));
    let found = kernel.explain(&none).unwrap();
    assert_eq!((found.attribution.base, found.attribution.values.len()), (4.0, 0));
    let one = Masked::new(1, |sets: &Coalitions| {
        Ok::<_, Infallible>(sets.iter().map(|set| set.size() as f64).collect())
    });
    assert_eq!(kernel.explain(&one).unwrap().attribution.values, [1.0]);
    assert_eq!(
        Permutation { pairs: 3, seed: 0 }
            .explain(&one)
            .unwrap()
            .attribution
            .values,
        [1.0]
    );
    assert_eq!(
        Permutation { pairs: 3, seed: 0 }
            .explain(&none)
            .unwrap()
            .attribution
            .values,
        [0.0; 0]
    );
    says(
        Permutation { pairs: 0, seed: 0 }.explain(&one),
        &["pairs of orders: found 0"],
    );
    let many = Masked::new(300, |sets: &Coalitions| {
        Ok::<_, Infallible>(vec![0.0; sets.len()])
    });
    let small = kernel.explain(&many).unwrap_err();
    assert!(matches!(
        small,
        Error::Invalid(Invalid::BudgetTooSmall {
            found: 100,
            features: 300,
            least: 600
        })
    ));
}
