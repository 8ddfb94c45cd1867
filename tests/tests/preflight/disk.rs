//! A disk that is full, read-only or fails: `strace` answers in the place of the kernel.

use std::process::{Command, Stdio};

use veilsum_client::config::LinkTransport;

use crate::bank::{Told, folder, programs};
use crate::scene::Scene;

/// The client, whose every call of this name fails.
fn struck(program: &std::path::Path, call: &str, error: &str, words: &[&str]) -> Told {
    let mut command = Command::new("strace");
    command.args(["-f", "-qqq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    command.args(["-e", &format!("inject={call}:error={error}"), "--"]);
    let output = command
        .arg(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("found no strace; install it (Debian: apt install strace)");
    Told::of(output)
}

#[test]
fn a_bank_is_told_what_its_disk_does_wrong() {
    let scene = Scene::over(LinkTransport::Auto);
    let dir = folder(&scene, "127.0.0.1:1");
    let words = [
        "preflight",
        "--json",
        "--no-network",
        "--dir",
        dir.to_str().unwrap(),
    ];
    let client = programs().client;
    for (error, cause, part) in [
        ("ENOSPC", "disk-full", "free space on this disk"),
        ("EROFS", "disk-read-only", "a folder that it may write to"),
        ("EIO", "disk", "the disk fails: look at the system's log"),
        (
            "EACCES",
            "disk-permission",
            "give the user of the daemon access to it",
        ),
    ] {
        let told = struck(&client, "fsync", error, &words);
        told.finds(
            "disk",
            "failed",
            cause,
            &["a file cannot be made durable (fsync)", part],
        )
        .ends(2);
    }
    // Nothing of the trial is left.
    let left: Vec<_> = std::fs::read_dir(&dir).unwrap().flatten().collect();
    assert!(
        !left
            .iter()
            .any(|file| file.file_name().to_string_lossy().contains("preflight")),
        "{left:?}"
    );
    assert!(!dir.join("state").exists());
}

#[test]
fn an_operator_is_told_what_the_disk_does_wrong() {
    let scene = Scene::over(LinkTransport::Auto);
    let dir = scene.scratch.path().join("coordinator");
    let words = ["preflight", "--json", "--dir", dir.to_str().unwrap()];
    for (error, cause, part) in [
        ("ENOSPC", "disk-full", "free space on this disk"),
        ("EROFS", "disk-read-only", "a folder that it may write to"),
    ] {
        let told = struck(&programs().coordinator, "fsync", error, &words);
        told.finds(
            "disk",
            "failed",
            cause,
            &["a file cannot be made durable (fsync)", part],
        )
        .ends(2);
    }
}
