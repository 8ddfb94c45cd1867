//! Model 0 from the task's seed: the same bits on every machine, with nothing but SHA-256 and exactly rounded
//! arithmetic.
//!
//! The factors of norms are 1 and what norms add is 0 ([`Initial::Ones`], [`Initial::Zeros`]). Every other parameter
//! has a stream of its own. Its block `k` (from 0) is
//!
//! ```text
//! SHA-256("veilsum/v1/initialise\0" || u64be(seed) || u32be(length of name) || name || u64be(k))
//! ```
//!
//! read as eight big-endian u32. Element `e` of the parameter takes word `e mod 8` of block `e div 8`, and of it
//! the upper 24 bits, `x`. Its value is `bound * (2x + 1 - 2^24) / 2^24` with `bound = 1 / sqrt(fan_in)`,
//! computed in f64 and rounded once to f32: uniform between `-bound` and `bound`, as PyTorch's `Linear`, `Conv2d`,
//! `LSTM` and `GRU` are. `fan_in` is what a unit of the layer adds up, for LSTM and GRU the number of their units, and
//! for embeddings, of words, categories and places, the length of their vectors.

use crate::ids::Digest;

use super::{Initial, Manifest, Parameter};

const DOMAIN: &[u8] = b"veilsum/v1/initialise\0";
const WORDS: usize = 8;

/// The initial vector of a model, shape `[manifest.total()]`, in the order of `manifest`.
pub fn initialise(manifest: &Manifest, seed: u64) -> Vec<f32> {
    let mut values = Vec::with_capacity(manifest.total());
    for parameter in manifest.parameters() {
        let mut fill = |value| values.resize(parameter.range.end, value);
        match parameter.initial {
            Initial::Ones => fill(1.0),
            Initial::Zeros => fill(0.0),
            Initial::Uniform { fan_in } => append(&mut values, parameter, fan_in, seed),
        }
    }
    values
}

fn append(values: &mut Vec<f32>, parameter: &Parameter, fan_in: usize, seed: u64) {
    let name = parameter.name.as_bytes();
    let length = u32::try_from(name.len()).expect("a manifest's names are a few dozen bytes long");
    let mut input = Vec::with_capacity(DOMAIN.len() + 8 + 4 + name.len() + 8);
    input.extend_from_slice(DOMAIN);
    input.extend_from_slice(&seed.to_be_bytes());
    input.extend_from_slice(&length.to_be_bytes());
    input.extend_from_slice(name);
    let counter = input.len();
    let bound = 1.0 / (fan_in as f64).sqrt();
    let mut remaining = parameter.range.len();
    for block in 0_u64.. {
        if remaining == 0 {
            break;
        }
        input.truncate(counter);
        input.extend_from_slice(&block.to_be_bytes());
        let Digest(bytes) = Digest::of(&input);
        let words = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|word| u32::from_be_bytes(*word));
        values.extend(words.take(remaining).map(|word| uniform(word, bound)));
        remaining = remaining.saturating_sub(WORDS);
    }
}

/// An odd number of 25 bits and a power of two are exact in f64, so only the product with `bound` and the last
/// step to f32 round.
fn uniform(word: u32, bound: f64) -> f32 {
    const HALF: f64 = 16_777_216.0;
    let centred = f64::from(2 * (word >> 8) + 1) - HALF;
    (bound * (centred / HALF)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, Cnn, InputShape, Mlp, ModelSpec, Norm, Target};

    fn values(inputs: usize, hidden: &[u32], seed: u64) -> (Manifest, Vec<f32>) {
        let spec = ModelSpec::Mlp(Mlp::new(hidden.to_vec(), Activation::Relu));
        let manifest = spec.manifest(&InputShape::numbers(inputs), Target::Binary);
        let values = initialise(&manifest, seed);
        (manifest, values)
    }

    /// Expected bits, from Python 3 (its hashlib, and struct for the step to f32):
    ///
    /// ```python
    /// import hashlib, math, struct
    /// def stream(seed, name, n, fan_in):
    ///     out, k = [], 0
    ///     while len(out) < n:
    ///         head = b"veilsum/v1/initialise\0" + struct.pack(">QI", seed, len(name)) + name
    ///         for w in struct.unpack(">8I", hashlib.sha256(head + struct.pack(">Q", k)).digest()):
    ///             x = w >> 8
    ///             out.append((1 / math.sqrt(fan_in)) * ((2 * x + 1 - 2**24) / 2**24))
    ///         k += 1
    ///     return [struct.unpack(">I", struct.pack(">f", v))[0] for v in out[:n]]
    /// [hex(v) for v in stream(7, b"hidden.0.weight", 9, 3) + stream(7, b"hidden.0.bias", 3, 3)
    ///     + stream(7, b"output.weight", 3, 3) + stream(7, b"output.bias", 1, 3)]
    /// ```
    #[test]
    fn known_answer() {
        let (_, values) = values(3, &[3], 7);
        let bits: Vec<u32> = values.iter().map(|v| v.to_bits()).collect();
        let expected = [
            0x3d3e_d643,
            0xbe17_73f7,
            0xbee3_a795,
            0x3e69_2bee,
            0x3e02_70d4,
            0xbee2_6528,
            0xbe5f_e18d,
            0x3eba_31d6,
            0xbf0b_f553,
            0x3eb4_f77e,
            0x3e16_d294,
            0xbbce_cf4f,
            0xbeea_1cb7,
            0x3edc_f5c3,
            0xbf11_c191,
            0x3ea6_e6d2,
        ];
        assert_eq!(bits, expected);
    }

    #[test]
    fn values_fill_the_interval_evenly() {
        let (manifest, values) = values(100, &[200], 1);
        let weight = &values[manifest.parameters()[0].range.clone()];
        let bound = 0.1_f32;
        assert!(weight.iter().all(|v| v.abs() <= bound));
        let count = weight.len() as f32;
        let mean = weight.iter().sum::<f32>() / count;
        let variance = weight.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count;
        // Of 20,000 uniform draws: standard error of the mean 4e-4, variance bound^2 / 3.
        assert!(mean.abs() < 2e-3, "{mean}");
        assert!((variance - bound * bound / 3.0).abs() < 1e-4, "{variance}");
    }

    #[test]
    fn seed_and_name_each_give_another_stream() {
        let (manifest, one) = values(8, &[8, 8], 1);
        let (_, two) = values(8, &[8, 8], 2);
        assert_ne!(one, two);
        let [first, second] = [0, 2].map(|i| &one[manifest.parameters()[i].range.clone()]);
        assert_ne!(first, second);
    }

    #[test]
    fn norms_begin_without_effect_and_change_no_other_stream() {
        let shape = InputShape::Image {
            channels: 1,
            height: 8,
            width: 8,
        };
        let cnn = |norm| {
            let spec = ModelSpec::Cnn(Cnn {
                filters: vec![8],
                norm,
                ..Cnn::default()
            });
            let manifest = spec.manifest(&shape, Target::Binary);
            let values = initialise(&manifest, 3);
            assert_eq!(values.len(), manifest.total());
            (manifest, values)
        };
        let ((_, plain), (manifest, normed)) = (cnn(Norm::None), cnn(Norm::Group));
        let of = |at: usize| &normed[manifest.parameters()[at].range.clone()];
        assert_eq!((of(2), of(3)), (&[1.0; 8][..], &[0.0; 8][..]));
        let rest = [
            &normed[..of(0).len() + of(1).len()],
            &normed[manifest.parameters()[4].range.start..],
        ];
        assert_eq!(rest.concat(), plain);
    }
}
