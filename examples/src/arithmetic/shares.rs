//! Shamir's sharing at the largest roster.

use std::hint::black_box;

use veilsum_protocol::crypto::entropy::SystemEntropy;
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::secagg::shamir::{Interpolation, Polynomial, SecretScalar};

use super::pace::{Row, middle, seconds, spread};

const BANKS: u16 = 500;
const THRESHOLD: u16 = 334;
const SECRETS: usize = 500;

pub(super) fn rows(show: &mut dyn FnMut(Row)) {
    let mut entropy = SystemEntropy::new();
    let banks: Vec<BankIndex> = (1..=BANKS).filter_map(BankIndex::new).collect();
    let mut row = |what: String, mut times: Vec<f64>, goal| {
        let median = middle(&mut times);
        show(Row {
            what,
            found: spread([median, times[0], times[times.len() - 1]]),
            ratio: None,
            limit: String::new(),
            goal,
        });
    };
    let times = (0..9).map(|_| {
        seconds(&mut || {
            let secret = SecretScalar::random(&mut entropy);
            let polynomial = Polynomial::sharing(&secret, THRESHOLD, &mut entropy);
            for bank in &banks {
                black_box(polynomial.share(*bank));
            }
        })
    });
    let times = times.collect();
    row(
        format!("share one secret among {BANKS} banks, threshold {THRESHOLD}"),
        times,
        "40 ms",
    );
    let helpers = &banks[..usize::from(THRESHOLD)];
    let polynomial = Polynomial::sharing(&SecretScalar::random(&mut entropy), THRESHOLD, &mut entropy);
    let shares: Vec<SecretScalar> = helpers.iter().map(|bank| polynomial.share(*bank)).collect();
    let times = (0..9).map(|_| {
        seconds(&mut || {
            let interpolation = Interpolation::at_zero(helpers);
            for _ in 0..SECRETS {
                black_box(
                    interpolation
                        .as_ref()
                        .and_then(|all| all.combine(black_box(&shares).iter())),
                );
            }
        })
    });
    let times = times.collect();
    row(
        format!("combine {SECRETS} secrets of {THRESHOLD} shares each"),
        times,
        "100 ms",
    );
}
