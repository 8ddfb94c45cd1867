//! Ranges that hold a column's numbers and tell no exact end of it.

/// A range of round numbers, with the decimals that they need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rounded {
    pub(super) min: f64,
    pub(super) max: f64,
    decimals: usize,
}

impl Rounded {
    pub(super) fn text(&self, end: f64) -> String {
        // Minus zero is what rounding may leave of a small negative end.
        let end = if end == 0.0 { 0.0 } else { end };
        format!("{end:.*}", self.decimals)
    }
}

/// Outwards to a multiple of a step of 1, 2 or 5 that is at least a tenth of the range: many ends give the same range.
pub(super) fn outwards(least: f64, most: f64, whole: bool) -> Rounded {
    let span = most - least;
    // Of a constant, a tenth of itself.
    let wanted = if span > 0.0 { span } else { most.abs().max(1.0) } / 10.0;
    let (step, decimals) = step(if whole { wanted.max(1.0) } else { wanted });
    let min = (least / step).floor() * step;
    let max = (most / step).ceil() * step;
    let max = if max > min { max } else { min + step };
    Rounded { min, max, decimals }
}

/// As [`outwards`], for a scale on which only the order of magnitude counts: to 1, 2 or 5 times a power of ten.
pub(super) fn magnitudes(least: f64, most: f64) -> Rounded {
    let reach = |x: f64| step(x.abs().max(1.0)).0;
    Rounded {
        min: if least < 0.0 { -reach(least) } else { 0.0 },
        max: if most > 0.0 { reach(most) } else { 0.0 },
        decimals: 0,
    }
}

/// The least of 1, 2 and 5 times a power of ten that is not below `x`, and the decimals that it has.
fn step(x: f64) -> (f64, usize) {
    let exponent = x.log10().floor() as i32;
    let power = 10_f64.powi(exponent);
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= x);
    // Ten times is a digit less.
    let (factor, decimals) = factor.map_or((10.0, -exponent - 1), |factor| (factor, -exponent));
    (factor * power, usize::try_from(decimals).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_rounded_outwards() {
        let texts = |range: Rounded| (range.text(range.min), range.text(range.max));
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(texts(outwards(18.0, 87.0, true)), pair("10", "90"));
        assert_eq!(texts(outwards(0.0, 1.0, true)), pair("0", "1"));
        assert_eq!(texts(outwards(-0.9734, 0.99, false)), pair("-1.0", "1.0"));
        assert_eq!(texts(outwards(0.0123, 0.0456, false)), pair("0.010", "0.050"));
        assert_eq!(texts(outwards(5.0, 5.0, true)), pair("5", "6"));
        assert_eq!(
            texts(outwards(1_234_567.0, 7_654_321.0, true)),
            pair("1000000", "8000000")
        );
        assert_eq!(texts(outwards(-1.0, -0.01, false)), pair("-1.0", "0.0"));
        assert_eq!(texts(magnitudes(3.0, 123_456.0)), pair("0", "200000"));
        assert_eq!(texts(magnitudes(-70.0, 600.0)), pair("-100", "1000"));
        // Two files with other ends have one range.
        assert_eq!(outwards(11.0, 88.0, true), outwards(18.0, 83.0, true));
    }
}
