//! What is still in the sum of the survivors' vectors, and how it comes off.
//!
//! Each survivor's self-mask is in the sum once. The masks of a pair of survivors have cancelled; the mask of a survivor's
//! pair with a bank that dropped out has not.

use super::mask::{Masks, Sign};
use super::ring::Ring;
use crate::crypto::secret::Secret;
use crate::ids::BankIndex;

/// Collects the seeds that take the rest of the masks off a sum.
pub struct Unmask(Masks);

impl Unmask {
    /// Nothing yet.
    pub fn new(ring: Ring) -> Self {
        Self(Masks::new(ring))
    }

    /// The self-mask of a survivor, by its seed `s_i`.
    pub fn survivor(&mut self, seed: &Secret) {
        self.0.push(seed, Sign::Minus);
    }

    /// The mask that `survivor` applied for its pair with `dropout`, by the pair's seed `s_ij`.
    pub fn dropped_pair(&mut self, survivor: BankIndex, dropout: BankIndex, seed: &Secret) {
        self.0.push(seed, Sign::of_pair(survivor, dropout).opposite());
    }

    /// The keystreams, ready to be applied to the accumulator.
    pub fn into_masks(self) -> Masks {
        self.0
    }
}
