#![allow(clippy::unwrap_used)]
use super::*;
use crate::crypto::entropy::SeededEntropy;

/// One number column, so two parameters; W = 10.
fn plan() -> Plan {
    let text = "name = \"t\"\nrounds = 1\nseed = 7\n[schema]\nversion = 1\nlabel = \"y\"\n\
         [[schema.column]]\nname = \"x\"\ntype = \"number\"\nmin = 0.0\nmax = 1.0\n\
         [model]\nfamily = \"logistic\"\n[training]\noptimiser = \"sgd\"\nlearning_rate = 0.1\n\
         batch_size = 8\nlocal_epochs = 1\n[aggregation]\nmax_weight = 10\n[evaluation]\nbins = 2\n";
    Plan::new(&Task::parse(text).unwrap())
}

fn train(update: [f32; 2], weight: u32) -> Result<usize, QuantiseError> {
    let scores = ScoreSums::binary(0, 0.0, vec![0, 0], vec![0, 0]);
    let digits = plan().train(&mut update.clone(), weight, &scores, &mut SeededEntropy::new(1))?;
    Ok(digits.lanes().len())
}

#[test]
fn a_weight_lies_in_1_to_w() {
    let lanes = plan().layout(RoundKind::Train).lanes();
    for weight in [1, 10] {
        assert_eq!(train([0.5, -0.5], weight), Ok(lanes));
    }
    for weight in [0, 11, u32::MAX] {
        let refused = QuantiseError::Weight { weight, max: 10 };
        assert_eq!(train([0.5, -0.5], weight), Err(refused));
    }
}

#[test]
fn an_update_that_is_not_finite_is_refused_with_its_place() {
    for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for at in [0, 1] {
            let mut update = [0.25; 2];
            update[at] = value;
            match train(update, 1) {
                Err(QuantiseError::NotFinite {
                    at: found,
                    value: bad,
                }) => {
                    assert_eq!((found, bad.to_bits()), (at, value.to_bits()));
                }
                other => panic!("{value} at {at}: {other:?}"),
            }
        }
    }
    // As large as a number can be is none of these: it is clipped.
    assert!(train([f32::MAX, f32::MIN], 1).is_ok());
}
