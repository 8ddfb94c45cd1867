//! What was found, each with the smallest bytes that show it.

use veilsum_protocol::ids::Digest;
use veilsum_protocol::wire::frame;
use veilsum_protocol::wire::message::{Extension, Leaf, MESSAGE_LIMIT};
use veilsum_tests::hostile::{Decoder, Outcome, corpus, group};

use crate::{CORPUS, tried};

fn decoder(group_name: &str, name: &str) -> &'static Decoder {
    let decoders = group(group_name).decoders;
    decoders.iter().find(|decoder| decoder.name == name).unwrap()
}

/// A list of 2^20 epochs, of which none is there.
#[test]
fn a_length_reserves_no_memory() {
    let hello = [
        [0; 4].as_slice(),           // Hello
        &[0, 1],                     // wire
        &[0; 8],                     // software
        &[0; 8],                     // log_size
        &(1u64 << 20).to_be_bytes(), // armed
    ];
    let decoder = decoder("frames", "ToCoordinator");
    assert_eq!(tried(decoder, &hello.concat()), Ok(Outcome::Refused));
}

/// Found by the fuzzer: the positions behind the last one were counted before anything else was looked at.
#[test]
fn an_extension_may_claim_to_start_at_the_end_of_all_numbers() {
    for checkpoint in ["", "example.org"] {
        let extension = Extension {
            from: u64::MAX,
            leaves: vec![Leaf::Entry(Vec::new()), Leaf::Hash(Digest([0; 32]))],
            checkpoint: checkpoint.to_owned(),
        };
        let bytes = frame::encode(&extension, MESSAGE_LIMIT).unwrap();
        tried(decoder("log", "extension"), &bytes).unwrap();
    }
}

#[test]
fn a_checkpoint_is_not_cut_into_more_lines_than_it_may_have() {
    let lines = [b'\n'; 2_000];
    assert_eq!(tried(decoder("log", "checkpoint"), &lines), Ok(Outcome::Refused));
}

/// A flag in it is 0 or 1: 2 was read as 0.
#[test]
fn a_snapshot_has_one_form() {
    let decoder = decoder("state", "snapshot of a bank");
    let opened = b"veilsum/v1/round-open\0";
    let is_open = |bytes: &&&[u8]| bytes.windows(opened.len()).any(|window| window == opened);
    let read = corpus::read_by(decoder, &CORPUS);
    let good = read.iter().find(is_open).unwrap();
    let (body, _) = good.split_last_chunk::<32>().unwrap();
    let mut refused = 0;
    for at in (0..body.len()).filter(|at| body[*at] < 2) {
        let mut changed = body.to_vec();
        changed[at] = 2;
        let checksum = Digest::of(&changed).0;
        let outcome = tried(decoder, &[changed, checksum.to_vec()].concat());
        refused += usize::from(outcome.unwrap() == Outcome::Refused);
    }
    assert!(refused > 0);
}
