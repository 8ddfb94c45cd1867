//! Shamir shares over the scalar field of Curve25519: RFC 9591, appendix E.1, FROST(Ed25519, SHA-512).

use veilsum_protocol::secagg::shamir::{Interpolation, Polynomial, SecretScalar};

use crate::{Given, array, bank};

const SECRET: &str = "7b1c33d3f5291d85de664833beb1ad469f7fb6025a0ec78b3a790c6e13a98304";
const COEFFICIENT: &str = "178199860edd8c62f5212ee91eff1295d0d670ab4ed4506866bae57e7030b204";
const SHARES: [&str; 3] = [
    "929dcc590407aae7d388761cddb0c0db6f5627aea8e217f4a033f2ec83d93509",
    "a91e66e012e4364ac9aaa405fcafd370402d9859f7b6685c07eed76bf409e80d",
    "d3cb090a075eb154e82fdb4b3cb507f110040905468bb9c46da8bdea643a9a02",
];

fn scalar(text: &str) -> SecretScalar {
    SecretScalar::from_canonical(array(text)).unwrap()
}

#[test]
fn the_polynomial_gives_the_shares() {
    // A coefficient is drawn as 64 bytes and reduced; one that is reduced already comes out as it is.
    let drawn = [array::<32>(COEFFICIENT), [0; 32]].concat();
    let polynomial = Polynomial::sharing(&scalar(SECRET), 2, &mut Given(&drawn));
    for (position, share) in (1..).zip(SHARES) {
        assert_eq!(
            polynomial.share(bank(position)).to_secret().expose(),
            &array(share),
            "bank {position}"
        );
    }
}

#[test]
fn the_shares_give_the_secret() {
    for of in [&[1u16, 2][..], &[1, 3], &[2, 3], &[3, 1], &[1, 2, 3]] {
        let banks: Vec<_> = of.iter().map(|position| bank(*position)).collect();
        let shares: Vec<_> = of
            .iter()
            .map(|position| scalar(SHARES[usize::from(*position) - 1]))
            .collect();
        let secret = Interpolation::at_zero(&banks)
            .unwrap()
            .combine(shares.iter())
            .unwrap();
        assert_eq!(secret.to_secret().expose(), &array(SECRET), "banks {of:?}");
    }
}
