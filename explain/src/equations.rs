//! Symmetric positive definite equations, of as many unknowns as there are features.

/// The upper part of a symmetric matrix and a right side, to which observations are added one by one.
pub(crate) struct Equations {
    unknowns: usize,
    matrix: Vec<f64>,
    right: Vec<f64>,
}

/// A pivot that is smaller than this share of its column's diagonal is rounding.
const ROUNDING: f64 = 1e-11;

impl Equations {
    pub(crate) fn new(unknowns: usize) -> Self {
        Self {
            unknowns,
            matrix: vec![0.0; unknowns * unknowns],
            right: vec![0.0; unknowns],
        }
    }

    /// An observation that has `sign`, 1 or -1, at each of `places`, ascending, and 0 elsewhere.
    pub(crate) fn observe_signs(&mut self, places: &[usize], sign: f64, target: f64, weight: f64) {
        for (at, place) in places.iter().enumerate() {
            let start = place * self.unknowns;
            let line = &mut self.matrix[start..start + self.unknowns];
            for other in &places[at..] {
                // The square of the sign is 1.
                line[*other] += weight;
            }
            self.right[*place] += weight * sign * target;
        }
    }

    /// Adds to the diagonal, as ridge regression does, at all unknowns from `first` on.
    pub(crate) fn ridge(&mut self, penalty: f64, first: usize) {
        for at in first..self.unknowns {
            self.matrix[at * self.unknowns + at] += penalty;
        }
    }

    /// The one solution, by Cholesky's decomposition; nothing where there is none.
    pub(crate) fn solve(mut self) -> Option<Vec<f64>> {
        let n = self.unknowns;
        let matrix = &mut self.matrix;
        // U with U'U = A, row by row over A's upper part.
        for row in 0..n {
            let before = matrix[row * n + row];
            for above in 0..row {
                let factor = matrix[above * n + row];
                for column in row..n {
                    matrix[row * n + column] -= factor * matrix[above * n + column];
                }
            }
            let pivot = matrix[row * n + row];
            if pivot.is_nan() || pivot <= ROUNDING * before {
                return None;
            }
            let root = pivot.sqrt();
            matrix[row * n..(row + 1) * n][row..]
                .iter_mut()
                .for_each(|value| *value /= root);
        }
        let mut solution = self.right;
        for row in 0..n {
            let known: f64 = (0..row)
                .map(|above| matrix[above * n + row] * solution[above])
                .sum();
            solution[row] = (solution[row] - known) / matrix[row * n + row];
        }
        for row in (0..n).rev() {
            let known: f64 = (row + 1..n)
                .map(|column| matrix[row * n + column] * solution[column])
                .sum();
            solution[row] = (solution[row] - known) / matrix[row * n + row];
        }
        solution.iter().all(|value| value.is_finite()).then_some(solution)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn solves_by_hand() {
        // Observations x + y = 3 of weight 2 and y = 1: the solution meets both, x = 2 and y = 1.
        let mut equations = Equations::new(2);
        equations.observe_signs(&[0, 1], 1.0, 3.0, 2.0);
        equations.observe_signs(&[1], 1.0, 1.0, 1.0);
        let solution = equations.solve().unwrap();
        assert!((solution[0] - 2.0).abs() < 1e-12 && (solution[1] - 1.0).abs() < 1e-12);
        // One observation does not tell two unknowns apart; a penalty does, and shares them evenly.
        let of_one = || {
            let mut equations = Equations::new(2);
            equations.observe_signs(&[0, 1], -1.0, 3.0, 1.0);
            equations
        };
        assert_eq!(of_one().solve(), None);
        let mut shrunk = of_one();
        shrunk.ridge(1.0, 0);
        // (2 + 1) s = -3 for both.
        assert!(
            shrunk
                .solve()
                .unwrap()
                .iter()
                .all(|value| (value + 1.0).abs() < 1e-12)
        );
    }
}
