//! A mirror that any download tool makes.

use std::fs;
use std::path::Path;
use std::process::Command;

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::{VerifiedCheckpoint, tiles_between};

use crate::scene::{Scene, Serving};

/// Downloads paths into a folder, each under its own name, over one connection.
fn curl(scene: &Scene, serving: &Serving, options: &[&str], paths: &[String], to: &Path) -> bool {
    let (certificate, key) = &scene.firm.files;
    let mut command = Command::new("curl");
    command
        .args([
            "--silent",
            "--show-error",
            "--fail",
            "--create-dirs",
            "--max-time",
            "60",
        ])
        .args(options)
        .arg("--cacert")
        .arg(scene.dir().join("admissions/auditors/firm/ca.crt.pem"))
        .arg("--cert")
        .arg(certificate)
        .arg("--key")
        .arg(key);
    for path in paths {
        command.arg("--output").arg(to.join(path));
        command.arg(format!("https://localhost:{}/{path}", serving.address.port()));
    }
    command
        .status()
        .expect("curl is needed: apt install curl")
        .success()
}

#[test]
fn curl_mirrors_log_and_archive_and_goes_on_where_it_was_cut_off() {
    let scene = Scene::new();
    let serving = scene.serve(|_| {});
    let mirror = scene.scratch().join("mirror");
    assert!(curl(
        &scene,
        &serving,
        &[],
        &["log/checkpoint".to_owned()],
        &mirror
    ));
    let note = fs::read(mirror.join("log/checkpoint")).unwrap();
    let head = VerifiedCheckpoint::parse(&note, &scene.consortium.log_key).unwrap();
    let tiles = tiles_between(0, head.checkpoint().size).map(|tile| format!("log/{}", tile.path()));
    let blobs = scene.contents.named.iter().map(|(_, bytes)| {
        let hex = Digest::of(bytes).to_hex();
        format!("archive/blobs/{}/{hex}", &hex[..2])
    });
    let mut paths: Vec<String> = tiles.chain(blobs).collect();
    paths.push("archive/rounds/1.json".to_owned());
    assert!(curl(&scene, &serving, &[], &paths, &mirror));
    let same = |path: &String| {
        let source = match path.strip_prefix("log/") {
            Some(log) => scene.config.folders.log.join(log),
            None => scene
                .config
                .folders
                .data
                .join(path.strip_prefix("archive/").unwrap()),
        };
        assert!(
            fs::read(mirror.join(path)).unwrap() == fs::read(source).unwrap(),
            "{path}"
        );
    };
    paths.iter().for_each(same);

    let (_, vector) = &scene.contents.named[3];
    let path = paths
        .iter()
        .find(|path| path.ends_with(&Digest::of(vector).to_hex()))
        .unwrap();
    fs::write(mirror.join(path), &vector[..vector.len() / 2]).unwrap();
    let only = [path.clone()];
    assert!(curl(&scene, &serving, &["--continue-at", "-"], &only, &mirror));
    same(path);
    assert!(!curl(
        &scene,
        &serving,
        &[],
        &["archive/rounds/2.json".to_owned()],
        &mirror
    ));
}
