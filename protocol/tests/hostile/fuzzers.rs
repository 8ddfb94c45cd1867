//! The fuzzers in `fuzz/` start from a few good bytes of every decoder, which are kept in `fuzz/corpus/`.
//! `VEILSUM_FREEZE=1 cargo test -p veilsum-protocol --test hostile fuzzers` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use veilsum_protocol::ids::Digest;
use veilsum_tests::hostile::{GROUPS, Group, corpus};

use crate::CORPUS;

/// Beside the shortest good bytes of a decoder, the longest up to this are kept.
const KEPT_BYTES: usize = 1_500;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// By file name.
fn chosen(group: &Group) -> BTreeMap<String, Vec<u8>> {
    let mut chosen = BTreeMap::new();
    for decoder in group.decoders {
        let read = corpus::read_by(decoder, &CORPUS);
        let long = read.iter().rfind(|bytes| bytes.len() <= KEPT_BYTES);
        for bytes in read.first().into_iter().chain(long) {
            let mut name = Digest::of(bytes).to_hex();
            name.truncate(16);
            chosen.insert(name, bytes.to_vec());
        }
    }
    chosen
}

fn stored(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|file| file.unwrap());
    files
        .map(|file| {
            (
                file.file_name().into_string().unwrap(),
                fs::read(file.path()).unwrap(),
            )
        })
        .collect()
}

#[test]
fn fuzzers_start_from_good_bytes_of_every_decoder() {
    for group in GROUPS {
        let folder = fuzz().join("corpus").join(group.name);
        let chosen = chosen(group);
        if std::env::var_os("VEILSUM_FREEZE").is_some_and(|value| value == "1") {
            drop(fs::remove_dir_all(&folder));
            fs::create_dir_all(&folder).unwrap();
            for (name, bytes) in &chosen {
                fs::write(folder.join(name), bytes).unwrap();
            }
        }
        let (stored, chosen): (Vec<_>, Vec<_>) = (
            stored(&folder).into_iter().collect(),
            chosen.into_iter().collect(),
        );
        assert!(
            stored == chosen,
            "fuzz/corpus/{}: it is not what the decoders read; the head of fuzzers.rs says how to write it anew",
            group.name
        );
    }
}

#[test]
fn every_group_has_a_fuzzer_and_every_fuzzer_a_group() {
    let mut targets: Vec<String> = stored(&fuzz().join("fuzz_targets")).into_keys().collect();
    targets.sort();
    let mut expected: Vec<String> = GROUPS.iter().map(|group| format!("{}.rs", group.name)).collect();
    // The client's and serving's, of no value of the protocol.
    expected.extend(["idx.rs", "requests.rs"].map(str::to_owned));
    expected.sort();
    assert_eq!(targets, expected);
}
