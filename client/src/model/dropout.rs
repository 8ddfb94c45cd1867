use tch::{TchError, Tensor};

use super::to_i64;

/// Leaves out values at random in training (Srivastava et al. 2014): each becomes 0 with the given probability, and the
/// others are scaled up so that the mean stays.
///
/// The numbers come from a seed of its own (SplitMix64), on the CPU: libtorch's generator is one for the whole process, so
/// what else computes beside the training would change them.
pub(crate) struct Dropout {
    /// `None`: nothing is left out.
    state: Option<u64>,
}

impl Dropout {
    /// For scoring.
    pub(crate) fn none() -> Self {
        Self { state: None }
    }

    /// For training.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { state: Some(seed) }
    }

    /// Where the generator stands: [`Dropout::seeded`] with it goes on from there.
    pub(crate) fn state(&self) -> u64 {
        self.state.unwrap_or_default()
    }

    /// `values` without a `share` of them.
    pub(super) fn apply(&mut self, values: Tensor, share: f64) -> Result<Tensor, TchError> {
        let Some(state) = &mut self.state else {
            return Ok(values);
        };
        if share == 0.0 {
            return Ok(values);
        }
        let (least, kept) = ((share * 4_294_967_296.0) as u32, (1.0 / (1.0 - share)) as f32);
        let mut mask = Vec::with_capacity(values.numel() + 1);
        while mask.len() < values.numel() {
            let word = next(state);
            for half in [word as u32, (word >> 32) as u32] {
                mask.push(if half < least { 0.0 } else { kept });
            }
        }
        mask.truncate(values.numel());
        let shape: Vec<i64> = values.size();
        debug_assert_eq!(shape.iter().product::<i64>(), to_i64(mask.len()));
        let mask = Tensor::f_from_slice(&mask)?.f_view(shape.as_slice())?;
        values.f_mul(&mask.f_to_device(values.device())?)
    }
}

/// SplitMix64 (Steele et al. 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tch::{Device, Kind};

    use super::*;

    /// The first numbers of the reference implementation from the seed 1234567.
    #[test]
    fn known_answers() {
        let mut state = 1_234_567;
        let found = [(); 3].map(|()| next(&mut state));
        assert_eq!(
            found,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn a_share_is_left_out_the_mean_stays_and_the_seed_gives_which() {
        let ones = || Tensor::ones([100, 101], (Kind::Float, Device::Cpu));
        let mut dropout = Dropout::seeded(5);
        let first = dropout.apply(ones(), 0.25).unwrap();
        let zeros = first.eq(0.0).to_kind(Kind::Float).mean(None).double_value(&[]);
        // Of 10,100 draws: standard error 0.0043.
        assert!((zeros - 0.25).abs() < 0.02, "{zeros}");
        assert!((first.mean(None).double_value(&[]) - 1.0).abs() < 0.03);
        assert!((first.max().double_value(&[]) - 1.0 / 0.75).abs() < 1e-6);
        assert_ne!(first, dropout.apply(ones(), 0.25).unwrap());
        assert_eq!(first, Dropout::seeded(5).apply(ones(), 0.25).unwrap());
        assert_ne!(first, Dropout::seeded(6).apply(ones(), 0.25).unwrap());
        assert_eq!(ones(), Dropout::none().apply(ones(), 0.25).unwrap());
    }
}
