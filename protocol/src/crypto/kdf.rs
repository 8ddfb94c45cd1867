//! HKDF-SHA-256 (RFC 5869).

use ring::hkdf;

use super::secret::Secret;

/// Extract and expand in one: 32 bytes bound to `salt`, `ikm` and `info`.
pub fn derive(salt: &[u8], ikm: &[u8], info: &[u8]) -> Secret {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(ikm);
    fill(&prk, info)
}

/// Expand alone, from a key that is already uniform.
pub fn expand(key: &Secret, info: &[u8]) -> Secret {
    fill(&hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, key.expose()), info)
}

fn fill(prk: &hkdf::Prk, info: &[u8]) -> Secret {
    let mut out = Secret::zero();
    prk.expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(out.expose_mut()))
        .expect("32 bytes are one block of HKDF-SHA-256, far below its limit");
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rfc_5869_cases_1_2_and_3_agree_in_their_first_32_bytes() {
        let hex = |text: &str| hex::decode(text).unwrap();
        let counting = |from: u8, to: u8| (from..=to).collect::<Vec<_>>();
        let cases = [
            (
                vec![0x0b; 22],
                counting(0, 0x0c),
                counting(0xf0, 0xf9),
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
            ),
            (
                counting(0, 0x4f),
                counting(0x60, 0xaf),
                counting(0xb0, 0xff),
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
            ),
            (
                vec![0x0b; 22],
                vec![],
                vec![],
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
            ),
        ];
        for (ikm, salt, info, okm) in cases {
            assert_eq!(derive(&salt, &ikm, &info).expose().as_slice(), hex(okm));
        }
    }

    #[test]
    fn expand_alone_is_the_second_half_of_derive() {
        // RFC 5869, case 1: PRK.
        let mut prk = [0; 32];
        hex::decode_to_slice(
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            &mut prk,
        )
        .unwrap();
        let okm = expand(&Secret::from_bytes(prk), &(0xf0..=0xf9).collect::<Vec<u8>>());
        assert_eq!(
            hex::encode(okm.expose()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
        );
    }
}
