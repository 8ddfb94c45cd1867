//! Shamir's secret sharing (1979) over the scalar field of Curve25519.
//!
//! The evaluation point of a bank is its roster position. Coefficients are uniform, zero included.

use curve25519_dalek::Scalar;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::crypto::entropy::Entropy;
use crate::crypto::secret::Secret;
use crate::ids::BankIndex;

/// A secret element of the field: a secret that is shared, or a share of one.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretScalar(Scalar);

impl SecretScalar {
    /// Uniform in the field (512 random bits, reduced).
    pub fn random<E: Entropy + ?Sized>(entropy: &mut E) -> Self {
        let mut wide = [0; 64];
        entropy.fill(&mut wide);
        let scalar = Scalar::from_bytes_mod_order_wide(&wide);
        wide.zeroize();
        Self(scalar)
    }

    /// From 32 little-endian bytes; `None` if they are not reduced (a second form of the same value).
    pub fn from_canonical(bytes: [u8; 32]) -> Option<Self> {
        Scalar::from_canonical_bytes(bytes).into_option().map(Self)
    }

    /// The 32 little-endian bytes, as a secret of their own.
    pub fn to_secret(&self) -> Secret {
        Secret::from_bytes(self.0.to_bytes())
    }

    /// A second owner of the same value, said aloud.
    pub fn duplicate(&self) -> Self {
        Self(self.0)
    }
}

impl std::fmt::Debug for SecretScalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretScalar(..)")
    }
}

/// A random polynomial whose value at 0 is the secret.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Polynomial(Vec<Scalar>);

impl Polynomial {
    /// Of degree `threshold - 1`: any `threshold` shares give the secret back, fewer say nothing about it.
    pub fn sharing<E: Entropy + ?Sized>(secret: &SecretScalar, threshold: u16, entropy: &mut E) -> Self {
        let mut coefficients = Vec::with_capacity(usize::from(threshold));
        coefficients.push(secret.0);
        for _ in 1..threshold {
            coefficients.push(SecretScalar::random(entropy).0);
        }
        Self(coefficients)
    }

    /// The share of `bank`.
    pub fn share(&self, bank: BankIndex) -> SecretScalar {
        let x = Scalar::from(bank.get());
        SecretScalar(
            self.0
                .iter()
                .rev()
                .fold(Scalar::ZERO, |sum, coefficient| sum * x + coefficient),
        )
    }
}

/// Lagrange coefficients at 0 for one set of banks, used again for every secret that the same banks help to recover.
pub struct Interpolation(Vec<Scalar>);

impl Interpolation {
    /// For shares of `banks`; `None` if one is named twice.
    pub fn at_zero(banks: &[BankIndex]) -> Option<Self> {
        let points: Vec<Scalar> = banks.iter().map(|bank| Scalar::from(bank.get())).collect();
        let mut distinct = banks.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() != banks.len() {
            return None;
        }
        let mut denominators: Vec<Scalar> = points
            .iter()
            .map(|own| {
                points
                    .iter()
                    .filter(|other| *other != own)
                    .map(|other| other - own)
                    .product()
            })
            .collect();
        Scalar::invert_batch_alloc(&mut denominators);
        let coefficients = points
            .iter()
            .zip(&denominators)
            .map(|(own, inverse)| inverse * points.iter().filter(|other| *other != own).product::<Scalar>())
            .collect();
        Some(Self(coefficients))
    }

    /// The secret of `shares`, in the order of the banks; `None` if there are more or fewer.
    pub fn combine<'a>(
        &self,
        shares: impl ExactSizeIterator<Item = &'a SecretScalar>,
    ) -> Option<SecretScalar> {
        if shares.len() != self.0.len() {
            return None;
        }
        Some(SecretScalar(
            self.0
                .iter()
                .zip(shares)
                .map(|(coefficient, share)| coefficient * share.0)
                .sum(),
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::entropy::SeededEntropy;

    fn bank(position: u16) -> BankIndex {
        BankIndex::new(position).unwrap()
    }

    fn scalar(text: &str) -> SecretScalar {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).unwrap();
        SecretScalar::from_canonical(bytes).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_threshold_shares_give_the_secret_and_one_fewer_another_value(seed: u64, n in 3u16..20, pick: u64) {
            let mut entropy = SeededEntropy::new(seed);
            let t = 2 + (pick % u64::from(n - 1)) as u16;
            let secret = SecretScalar::random(&mut entropy);
            let polynomial = Polynomial::sharing(&secret, t, &mut entropy);
            let mut banks: Vec<BankIndex> = (1..=n).map(bank).collect();
            banks.rotate_left((pick % u64::from(n)) as usize);
            let recover = |banks: &[BankIndex]| {
                let shares: Vec<_> = banks.iter().map(|b| polynomial.share(*b)).collect();
                Interpolation::at_zero(banks).unwrap().combine(shares.iter()).unwrap().to_secret()
            };
            prop_assert_eq!(recover(&banks[..usize::from(t)]), secret.to_secret());
            prop_assert_eq!(recover(&banks), secret.to_secret());
            prop_assert_ne!(recover(&banks[..usize::from(t) - 1]), secret.to_secret());
        }
    }

    #[test]
    fn agrees_with_rfc_9591_appendix_e_1() {
        // FROST(Ed25519, SHA-512): group secret, MAX_PARTICIPANTS 3, MIN_PARTICIPANTS 2, and the three signer shares.
        let secret = scalar("7b1c33d3f5291d85de664833beb1ad469f7fb6025a0ec78b3a790c6e13a98304");
        let shares = [
            scalar("929dcc590407aae7d388761cddb0c0db6f5627aea8e217f4a033f2ec83d93509"),
            scalar("a91e66e012e4364ac9aaa405fcafd370402d9859f7b6685c07eed76bf409e80d"),
            scalar("d3cb090a075eb154e82fdb4b3cb507f110040905468bb9c46da8bdea643a9a02"),
        ];
        for pair in [[0usize, 1], [0, 2], [1, 2]] {
            let banks: Vec<_> = pair
                .iter()
                .map(|at| bank(u16::try_from(*at).unwrap() + 1))
                .collect();
            let combined = Interpolation::at_zero(&banks)
                .unwrap()
                .combine(pair.iter().map(|at| &shares[*at]))
                .unwrap();
            assert_eq!(combined.to_secret(), secret.to_secret());
        }
    }

    #[test]
    fn repeated_banks_and_unreduced_scalars_are_refused() {
        assert!(Interpolation::at_zero(&[bank(1), bank(1)]).is_none());
        assert!(SecretScalar::from_canonical([0xff; 32]).is_none());
        // The field's order itself (RFC 8032: 2^252 + 27742317777372353535851937790883648493), little-endian.
        let mut order = [0; 32];
        hex::decode_to_slice(
            "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010",
            &mut order,
        )
        .unwrap();
        assert!(SecretScalar::from_canonical(order).is_none());
    }
}
