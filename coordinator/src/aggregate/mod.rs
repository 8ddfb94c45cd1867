//! Adding up a round: stored vectors in, sum and next state out.

mod sum;

pub use sum::{SumError, Summation, Summed, sum};
