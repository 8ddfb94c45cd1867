//! Attributions and local models beside those of the Python packages shap and lime: answers.py made answers.json.
#![allow(clippy::unwrap_used)]

mod local;
mod network;

use serde::Deserialize;
use veilsum_explain::{Background, Groups, Kernel, Linear, Permutation, Rows};

use network::Network;

#[derive(Deserialize)]
struct Answers {
    linear: LinearCase,
    exact: KernelCase,
    grouped: KernelCase,
    sampled: KernelCase,
    tabular: local::Tabular,
    text: local::Text,
}

#[derive(Deserialize)]
struct LinearCase {
    coefficients: Vec<f64>,
    intercept: f64,
    background: Vec<Vec<f32>>,
    rows: Vec<Vec<f32>>,
    base: f64,
    values: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct KernelCase {
    network: Network,
    background: Vec<Vec<f32>>,
    rows: Vec<Vec<f32>>,
    groups: Vec<Vec<usize>>,
    base: f64,
    values: Vec<Vec<f64>>,
}

fn answers() -> Answers {
    serde_json::from_str(include_str!("answers.json")).unwrap()
}

pub(crate) fn rows(rows: &[Vec<f32>]) -> Rows {
    Rows::new(rows[0].len(), rows.concat()).unwrap()
}

pub(crate) fn groups(width: usize, groups: &[Vec<usize>]) -> Groups {
    let named = groups
        .iter()
        .zip(0..)
        .map(|(inputs, at)| (format!("f{at}"), inputs.clone()));
    Groups::new(width, named.collect()).unwrap()
}

fn near(ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len());
    for (our, their) in ours.iter().zip(theirs) {
        assert!((our - their).abs() <= tolerance, "{ours:?} beside {theirs:?}");
    }
}

/// Spearman's, without ties.
pub(crate) fn rank_correlation(one: &[f64], two: &[f64]) -> f64 {
    let ranks = |values: &[f64]| -> Vec<f64> {
        let below = |value: &f64| values.iter().filter(|other| *other < value).count();
        values.iter().map(|value| below(value) as f64).collect()
    };
    let n = one.len() as f64;
    let (one, two) = (ranks(one), ranks(two));
    let squares: f64 = one.iter().zip(&two).map(|(one, two)| (one - two).powi(2)).sum();
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}

#[test]
fn linear_models_as_shap_s_linear_explainer() {
    let case = answers().linear;
    let model = Linear {
        intercept: case.intercept,
        coefficients: case.coefficients,
    };
    let background = rows(&case.background);
    let single = Groups::single((0..6).map(|at| at.to_string()).collect()).unwrap();
    for (row, values) in case.rows.iter().zip(&case.values) {
        let found = model.explain(row, &background.means().unwrap(), &single).unwrap();
        near(&found.values, values, 1e-9);
        near(&[found.base], &[case.base], 1e-9);
        assert!(found.residual().abs() < 1e-9);
    }
}

fn exact(case: &KernelCase) {
    let background = rows(&case.background);
    let groups = groups(background.width(), &case.groups);
    let kernel = Kernel::of_features(groups.len(), 0);
    for (row, values) in case.rows.iter().zip(&case.values) {
        let game = Background::new(&case.network, row, &background, &groups).unwrap();
        let found = kernel.explain(&game).unwrap();
        assert!(found.exact);
        near(&found.attribution.values, values, 1e-6);
        near(&[found.attribution.base], &[case.base], 1e-9);
        assert!(found.attribution.residual().abs() < 1e-9);
    }
}

#[test]
fn all_coalitions_as_shap_s_kernel_explainer() {
    exact(&answers().exact);
}

#[test]
fn groups_of_inputs_as_shap_s_kernel_explainer() {
    exact(&answers().grouped);
}

#[test]
fn drawn_coalitions_put_features_in_shap_s_order() {
    let case = answers().sampled;
    let background = rows(&case.background);
    let groups = groups(background.width(), &case.groups);
    let kernel = Kernel::of_features(groups.len(), 5);
    let permutation = Permutation { pairs: 40, seed: 5 };
    for (row, values) in case.rows.iter().zip(&case.values) {
        let game = Background::new(&case.network, row, &background, &groups).unwrap();
        let found = kernel.explain(&game).unwrap();
        assert!(!found.exact);
        assert!(rank_correlation(&found.attribution.values, values) >= 0.95);
        near(&found.attribution.values, values, 0.005);
        assert!(found.attribution.residual().abs() < 1e-9);

        let found = permutation.explain(&game).unwrap();
        assert!(rank_correlation(&found.attribution.values, values) >= 0.95);
        assert!(found.attribution.residual().abs() < 1e-9);
        // shap's own values are drawn too, so a sixth standard error and its noise are allowed.
        for ((our, their), error) in found
            .attribution
            .values
            .iter()
            .zip(values)
            .zip(found.standard_errors.unwrap())
        {
            assert!(
                (our - their).abs() <= 6.0 * error + 0.002,
                "{our} beside {their}, error {error}"
            );
        }
    }
}
