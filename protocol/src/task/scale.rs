use serde::Deserialize;

/// How a number is bent before it is put on the unit interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// As it is.
    #[default]
    Linear,
    /// `sign(x) ln(1 + |x|)`: for amounts, whose tails are heavy and which may be negative.
    Log,
}

impl Scale {
    /// The scaled value. The logarithm is the platform's: what comes of it stays in the bank, save as part of
    /// a sum, so two machines may differ in the last bit.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Self::Linear => x,
            Self::Log => x.abs().ln_1p().copysign(x),
        }
    }

    /// Where `x` lies between `min` and `max` on this scale: 0 at `min`, 1 at `max`.
    ///
    /// `x` is in `min..=max`, and `min < max`, both finite; rounding cannot leave `[0, 1]`.
    pub fn unit(self, x: f64, min: f64, max: f64) -> f64 {
        let (low, high) = (self.apply(min), self.apply(max));
        ((self.apply(x) - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// The value that lies at `u` between `min` and `max` on this scale, for those who read: the exponential is the platform's.
    pub fn value(self, u: f64, min: f64, max: f64) -> f64 {
        let (low, high) = (self.apply(min), self.apply(max));
        let scaled = low + u * (high - low);
        match self {
            Self::Linear => scaled,
            Self::Log => scaled.abs().exp_m1().copysign(scaled),
        }
        .clamp(min, max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_range_are_0_and_1_and_the_middle_is_by_scale() {
        assert_eq!(Scale::Linear.unit(-5.0, -5.0, 15.0), 0.0);
        assert_eq!(Scale::Linear.unit(15.0, -5.0, 15.0), 1.0);
        assert_eq!(Scale::Linear.unit(0.0, -5.0, 15.0), 0.25);
        // ln(1 + 9) / ln(1 + 99) = 1/2
        assert!((Scale::Log.unit(9.0, 0.0, 99.0) - 0.5).abs() < 1e-15);
        assert!((Scale::Log.unit(-9.0, -99.0, 99.0) - 0.25).abs() < 1e-15);
        assert_eq!(Scale::Log.apply(0.0), 0.0);
    }

    #[test]
    fn a_value_is_where_it_came_from() {
        assert_eq!(Scale::Linear.value(0.25, -5.0, 15.0), 0.0);
        assert!((Scale::Log.value(0.5, 0.0, 99.0) - 9.0).abs() < 1e-12);
        assert!((Scale::Log.value(0.25, -99.0, 99.0) + 9.0).abs() < 1e-12);
        for scale in [Scale::Linear, Scale::Log] {
            let ends = [0.0, 1.0].map(|u| scale.value(u, -3.0, 1e7));
            assert!(
                (ends[0] + 3.0).abs() < 1e-12 && (ends[1] - 1e7).abs() < 1e-6,
                "{ends:?}"
            );
        }
    }
}
