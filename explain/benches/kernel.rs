//! One row by kernel SHAP beside the bare evaluation of as many rows: `cargo bench -p veilsum-explain`.
//!
//! The network is 22-32-16-1 as a plain function, the background 10 rows, the coalitions 2,048: 20,480 synthetic rows. The fastest of many turns is told,
//! which other work on the machine disturbs least.
#![allow(missing_docs, clippy::unwrap_used)]

use std::convert::Infallible;
use std::hint::black_box;
use std::time::{Duration, Instant};

use veilsum_explain::{Background, Groups, Kernel, Rows, Scorer};

const WIDTHS: [usize; 4] = [22, 32, 16, 1];
const BACKGROUND: usize = 10;
const COALITIONS: usize = 2_048;
const TURNS: u32 = 40;

fn number(at: usize, salt: usize) -> f32 {
    ((at * 7_919 + salt * 104_729) as f64).sin() as f32
}

/// Weights by layer, those of one output beside each other.
struct Network(Vec<Vec<f32>>);

impl Network {
    fn new() -> Self {
        let layers = WIDTHS.windows(2).zip(0..);
        Self(
            layers
                .map(|(ends, salt)| (0..ends[0] * ends[1]).map(|at| 0.4 * number(at, salt)).collect())
                .collect(),
        )
    }

    fn score(&self, row: &[f32]) -> f64 {
        let mut values = [0.0_f32; 32];
        values[..WIDTHS[0]].copy_from_slice(row);
        for ((weights, inside), at) in self.0.iter().zip(WIDTHS).zip(1..) {
            let mut next = [0.0_f32; 32];
            for (sum, weights) in next.iter_mut().zip(weights.chunks_exact(inside)) {
                let product: f32 = weights
                    .iter()
                    .zip(&values)
                    .map(|(weight, value)| weight * value)
                    .sum();
                *sum = if at < self.0.len() {
                    product.max(0.0)
                } else {
                    product
                };
            }
            values = next;
        }
        1.0 / (1.0 + f64::from(-values[0]).exp())
    }
}

impl Scorer for Network {
    type Error = Infallible;

    fn scores(&self, rows: &Rows) -> Result<Vec<f64>, Infallible> {
        Ok(rows.iter().map(|row| self.score(row)).collect())
    }
}

fn fastest(mut operation: impl FnMut()) -> Duration {
    let turns = (0..TURNS).map(|_| {
        let start = Instant::now();
        operation();
        start.elapsed()
    });
    turns.min().unwrap()
}

fn main() {
    let network = Network::new();
    let width = WIDTHS[0];
    let table =
        |rows: usize, salt| Rows::new(width, (0..rows * width).map(|at| number(at, salt)).collect()).unwrap();
    let background = table(BACKGROUND, 7);
    let row: Vec<f32> = (0..width).map(|at| number(at, 9)).collect();
    let groups = Groups::single((0..width).map(|at| at.to_string()).collect()).unwrap();
    let game = Background::new(&network, &row, &background, &groups).unwrap();
    let kernel = Kernel {
        coalitions: COALITIONS,
        seed: 1,
    };
    let found = kernel.explain(&game).unwrap();
    let many = table(BACKGROUND * COALITIONS, 11);

    let explained = fastest(|| drop(black_box(kernel.explain(black_box(&game)))));
    let bare = fastest(|| drop(black_box(network.scores(black_box(&many)))));
    println!(
        "kernel SHAP, {} coalitions, {BACKGROUND} background rows: {:.2} ms a row",
        found.coalitions,
        1e3 * explained.as_secs_f64()
    );
    println!(
        "the network alone on {} rows: {:.2} ms",
        many.len(),
        1e3 * bare.as_secs_f64()
    );
    println!("ratio: {:.2}", explained.as_secs_f64() / bare.as_secs_f64());
}
