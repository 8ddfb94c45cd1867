//! Local models beside those of lime, which draws its neighbours otherwise.

use std::convert::Infallible;

use serde::Deserialize;
use veilsum_explain::{Coalitions, Kernel, Lime, Local, Masked, Words};

use crate::network::Network;
use crate::{answers, groups, rank_correlation, rows};

#[derive(Deserialize)]
pub(crate) struct Tabular {
    network: Network,
    background: Vec<Vec<f32>>,
    rows: Vec<Vec<f32>>,
    weights: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
pub(crate) struct Text {
    words: Vec<String>,
    effects: Vec<f64>,
    weights: Vec<f64>,
}

/// The weights in the features' order.
fn by_feature(local: &Local) -> Vec<f64> {
    let mut weights = local.weights.clone();
    weights.sort_by_key(|(feature, _)| *feature);
    weights.into_iter().map(|(_, weight)| weight).collect()
}

#[test]
fn rows_of_a_table_as_lime_s_tabular_explainer() {
    let case = answers().tabular;
    let background = rows(&case.background);
    let groups = groups(6, &(0..6).map(|at| vec![at]).collect::<Vec<_>>());
    let lime = Lime {
        samples: 20_000,
        features: 6,
        seed: 1,
    };
    for (row, theirs) in case.rows.iter().zip(&case.weights) {
        let found = lime.table(&case.network, row, &background, &groups).unwrap();
        let ours = by_feature(&found.local);
        assert!(
            rank_correlation(&ours, theirs) >= 0.95,
            "{ours:?} beside {theirs:?}"
        );
        // Theirs draws from a normal distribution inside a quarter, and this from the background's rows there.
        for (our, their) in ours.iter().zip(theirs) {
            assert!((our - their).abs() < 0.02, "{ours:?} beside {theirs:?}");
        }
        let few = Lime { features: 2, ..lime };
        let few = few.table(&case.network, row, &background, &groups).unwrap().local;
        let chosen = |local: &Local| {
            local
                .weights
                .iter()
                .take(2)
                .map(|(feature, _)| *feature)
                .collect::<Vec<_>>()
        };
        assert_eq!(few.weights.len(), 2);
        assert_eq!(chosen(&few), chosen(&found.local));
        assert!(few.r_squared < found.local.r_squared && found.local.r_squared <= 1.0);
    }
}

#[test]
fn words_of_a_text_as_lime_s_text_explainer() {
    let case = answers().text;
    let words = Words::of(&case.words.join(" "));
    assert_eq!(words.names(), case.words);
    let score = |text: &str| {
        let effect = |word: &str| {
            let place = case.words.iter().position(|other| other == word).unwrap();
            case.effects[place]
        };
        1.0 / (1.0 + (-text.split_whitespace().map(effect).sum::<f64>()).exp())
    };
    let game = Masked::new(case.words.len(), |sets: &Coalitions| {
        Ok::<_, Infallible>(sets.iter().map(|set| score(&words.with(set))).collect())
    });
    let lime = Lime {
        samples: 10_000,
        features: case.words.len(),
        seed: 1,
    };
    let found = lime.parts(&game).unwrap();
    let ours = by_feature(&found);
    assert!(
        rank_correlation(&ours, &case.weights) >= 0.95,
        "{ours:?} beside {:?}",
        case.weights
    );
    for (our, their) in ours.iter().zip(&case.weights) {
        assert!((our - their).abs() < 0.02, "{ours:?} beside {:?}", case.weights);
    }
    assert!((found.score - score(&case.words.join(" "))).abs() < 1e-12);
}

#[test]
fn steps_of_a_sequence_that_matter_come_first() {
    // Steps two and five raise the score, the second only where the fifth is there; the other ten do nothing.
    let game = Masked::new(12, |sets: &Coalitions| {
        let score = |two, five| match (two, five) {
            (true, true) => 0.9,
            (false, true) => 0.5,
            _ => 0.1,
        };
        Ok::<_, Infallible>(
            sets.iter()
                .map(|set| score(set.contains(2), set.contains(5)))
                .collect(),
        )
    });
    let lime = Lime {
        samples: 2_000,
        features: 2,
        seed: 4,
    };
    let found = lime.parts(&game).unwrap();
    let order: Vec<usize> = found.weights.iter().map(|(step, _)| *step).collect();
    assert_eq!(order, [5, 2]);
    assert_eq!(found, lime.parts(&game).unwrap(), "by the seed");
    assert!(lime.parts(&game).unwrap() != Lime { seed: 5, ..lime }.parts(&game).unwrap());
    // The same game by its Shapley values: the first 0.4 belong to the fifth step, the second 0.4 to both.
    let kernel = Kernel {
        coalitions: 4_096,
        seed: 0,
    };
    let shapley = kernel.explain(&game).unwrap().attribution;
    assert!((shapley.values[5] - 0.6).abs() < 1e-9 && (shapley.values[2] - 0.2).abs() < 1e-9);
}
