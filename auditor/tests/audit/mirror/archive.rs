//! The blobs that a log names.

use std::fs;

use veilsum_protocol::log::entry::Entry;

use super::{Scene, is};
use crate::program::with_key;
use crate::rounds::story;
use crate::served::Fault;
use crate::world::blob_path;

#[test]
fn an_archive_is_mirrored_and_verifies() {
    let scene = Scene::new(story());
    let archive = scene.server.url("archive");
    let mirror =
        |more: &[&str]| scene.mirror(&[&["--archive", &archive, "--archive-to", "archive"], more].concat());
    let masked = scene.world.find(|entry| matches!(entry, Entry::Masked { .. }));
    let Entry::Masked { hash, .. } = masked[0].1 else {
        panic!("no update");
    };
    let blob = blob_path(&hash);
    let path = format!("archive/{blob}");
    let here = |path: &str| scene.here.path().join("archive").join(path);

    // A broken line, then the rest of the file; then a server that has no ranges, and one that lies.
    scene.server.spoil(&path, Fault::CutAfter(10), 1);
    is(&mirror(&[]), 75, "not reachable");
    assert_eq!(fs::read(here(&format!("{blob}.tmp"))).unwrap().len(), 10);
    scene.server.asked();
    scene.server.spoil(&path, Fault::Body(vec![7; 10_000_000]), 1);
    is(&mirror(&[]), 1, "found more than");
    scene.server.spoil(&path, Fault::Body(vec![7; 10]), 1);
    is(&mirror(&[]), 1, "expected those of its name");
    assert!(!here(&format!("{blob}.tmp")).exists());
    scene.server.spoil(&path, Fault::CutAfter(10), 1);
    is(&mirror(&[]), 75, "not reachable");
    scene.server.spoil(&path, Fault::WholeFile, 1);
    scene.server.asked();
    is(&mirror(&[]), 0, "files of the archive fetched");
    let asked = scene.server.asked();
    assert!(asked.contains(&format!("{path} bytes=10-")), "{asked:?}");
    let output = with_key(
        &scene.world,
        scene.here.path(),
        &["verify", "copy", "--archive", "archive"],
    );
    is(&output, 0, "the log and the replay of every masked sum verify");

    // What is here is not fetched again, and what an earlier run left wrong is.
    is(&mirror(&[]), 0, "; 0 files of the archive fetched");
    fs::remove_file(here(&blob)).unwrap();
    fs::write(here(&format!("{blob}.tmp")), b"wrong").unwrap();
    is(&mirror(&[]), 0, "; 1 files of the archive fetched");
    fs::remove_file(here(&blob)).unwrap();
    let begun = scene.world.files[&blob][..20].to_vec();
    fs::write(here(&format!("{blob}.tmp")), begun).unwrap();
    is(&mirror(&[]), 0, "; 1 files of the archive fetched");
    assert_eq!(fs::read(here(&blob)).unwrap(), scene.world.files[&blob]);

    // What the operator lost is told.
    fs::remove_file(here(&blob)).unwrap();
    fs::remove_file(here("rounds/3.json")).unwrap();
    scene.server.spoil(&path, Fault::Status(404), 1);
    scene.server.spoil("archive/rounds/3.json", Fault::Status(404), 1);
    is(&mirror(&[]), 1, "2 that the log names are MISSING");
    scene
        .server
        .spoil("archive/rounds/3.json", Fault::Body(b"[]".to_vec()), 1);
    is(&mirror(&[]), 1, "expected an index of the round's bundles");
    is(&mirror(&[]), 0, "");
}
