//! Mirrors of a log and its archive, from a web server that behaves and one that does not.

mod archive;
mod tls;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::program::{out, with_key};
use crate::served::{Fault, Server};
use crate::world::World;

/// A log of so many entries that say nothing: a mirror looks at hashes alone.
pub(crate) fn log_of(entries: usize) -> World {
    let mut world = World::new();
    world.entries = (0..entries).map(|n| format!("entry {n}").into_bytes()).collect();
    world
}

/// What the operator has, what it serves, and the auditor's folder.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) served: TempDir,
    pub(crate) here: TempDir,
    pub(crate) server: Server,
}

impl Scene {
    pub(crate) fn new(world: World) -> Self {
        let (served, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        world.write(served.path());
        Self {
            server: Server::start(served.path(), None),
            world,
            served,
            here,
        }
    }

    pub(crate) fn mirror(&self, more: &[&str]) -> Output {
        let url = self.server.url("log");
        let once = if more.contains(&"--tries") {
            &[][..]
        } else {
            &["--tries", "1"]
        };
        let arguments = [&["mirror", &url, "copy"], once, more].concat();
        with_key(&self.world, self.here.path(), &arguments)
    }

    /// Puts the copy back into an earlier state.
    fn reset(&self, files: &BTreeMap<PathBuf, Vec<u8>>) {
        let copy = self.here.path().join("copy");
        fs::remove_dir_all(&copy).unwrap();
        for (path, contents) in files {
            let path = copy.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
    }

    fn copy(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = read(&self.here.path().join("copy"));
        files.remove(Path::new(".lock"));
        files
    }

    /// The operator publishes another log in the same place.
    fn publish(&mut self, entries: usize) {
        self.world = log_of(entries);
        self.world.write(self.served.path());
    }
}

pub(crate) fn read(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[track_caller]
pub(crate) fn is(output: &Output, code: i32, words: &str) {
    let text = out(output) + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(words), "{words:?} is not in\n{text}");
}

#[test]
fn a_mirror_is_the_served_log_and_follows_it() {
    for start in [0, 1, 255, 256, 300, 600] {
        let mut scene = Scene::new(log_of(start));
        is(
            &scene.mirror(&[]),
            0,
            &format!("the log is copied: {start} entries"),
        );
        assert_eq!(scene.copy(), read(&scene.served.path().join("log")));
        // Nothing is fetched again but the head.
        assert_eq!(
            scene.server.asked().first().map(String::as_str),
            Some("log/checkpoint")
        );
        is(&scene.mirror(&[]), 0, "the copy is up to date");
        assert_eq!(scene.server.asked(), ["log/checkpoint"]);

        let grown = start + 257;
        scene.publish(grown);
        is(
            &scene.mirror(&[]),
            0,
            &format!("the log continues the copy: {grown} entries after {start}"),
        );
        let asked = scene.server.asked();
        let full_before = start / 256;
        assert!(
            (0..full_before).all(|tile| !asked.contains(&format!("log/tile/entries/{tile:03}"))),
            "{asked:?}"
        );
        // The operator's partial tiles of the earlier size stay; the copy has those of its own size alone.
        let fresh = tempfile::tempdir().unwrap();
        scene.world.write(fresh.path());
        assert_eq!(scene.copy(), read(&fresh.path().join("log")));
    }
}

#[test]
fn a_folder_is_a_source_as_well() {
    let scene = Scene::new(log_of(300));
    let source = scene.served.path().join("log");
    let source = source.to_str().unwrap();
    let mirror = |to: &str| with_key(&scene.world, scene.here.path(), &["mirror", source, to]);
    is(&mirror("copy"), 0, "the log is copied: 300 entries");
    assert_eq!(scene.copy(), read(Path::new(source)));
    is(&mirror(source), 2, "found the source itself");
}

#[test]
fn an_interrupted_mirror_is_resumed() {
    let mut scene = Scene::new(log_of(300));
    is(&scene.mirror(&[]), 0, "");
    let before = scene.copy();
    scene.publish(1500);
    scene.server.asked();
    scene
        .server
        .spoil("log/tile/entries/004", Fault::CutAfter(100), 1);
    is(
        &scene.mirror(&[]),
        75,
        "log/tile/entries/004: not reachable after 1 tries",
    );
    // The head is the old one, and so is everything under it.
    let after = scene.copy();
    assert!(
        before
            .iter()
            .all(|(path, contents)| after.get(path) == Some(contents))
    );
    scene.server.asked();
    is(&scene.mirror(&[]), 0, "1500 entries after 300");
    let asked = scene.server.asked();
    assert!(!asked.contains(&"log/tile/entries/001".to_owned()), "{asked:?}");
    assert!(asked.contains(&"log/tile/entries/004".to_owned()), "{asked:?}");
    assert_eq!(
        scene.copy().get(Path::new("checkpoint")),
        Some(&scene.world.head().note().as_str().as_bytes().to_vec())
    );
    // What is tried more than once comes through a bad line.
    scene.publish(1800);
    scene
        .server
        .spoil("log/tile/entries/006", Fault::CutAfter(100), 1);
    scene.server.spoil("log/checkpoint", Fault::Status(503), 1);
    is(&scene.mirror(&["--tries", "2"]), 0, "1800 entries after 1500");
}

#[test]
fn a_mirror_that_is_killed_leaves_the_copy_and_is_resumed() {
    let mut scene = Scene::new(log_of(300));
    is(&scene.mirror(&[]), 0, "");
    let before = scene.copy();
    scene.publish(1500);
    scene.server.asked();
    // Three workers go on; the fourth waits for a bundle in the middle.
    scene.server.spoil("log/tile/entries/003", Fault::Silence, 1);
    let key = scene.world.consortium.verifier_key().to_string();
    let mut mirror = Command::new(env!("CARGO_BIN_EXE_veilsum-auditor"))
        .current_dir(scene.here.path())
        .env("NO_PROXY", "localhost")
        .args(["mirror", &scene.server.url("log"), "copy", "--key", &key])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    scene.server.wait_for("log/tile/entries/003");
    scene.server.wait_for("log/tile/entries/005.p/220");
    mirror.kill().unwrap();
    assert!(!mirror.wait().unwrap().success());
    let after = scene.copy();
    assert!(
        before
            .iter()
            .all(|(path, contents)| after.get(path) == Some(contents))
    );
    scene.server.asked();
    is(&scene.mirror(&[]), 0, "1500 entries after 300");
    let asked = scene.server.asked();
    let entries = Path::new("tile/entries");
    let full = |path: &&PathBuf| path.parent() == Some(entries) && path.extension().is_none();
    let there: Vec<&PathBuf> = after.keys().filter(full).collect();
    for path in there {
        assert!(!asked.contains(&format!("log/{}", path.display())), "{asked:?}");
    }
    let fresh = tempfile::tempdir().unwrap();
    scene.world.write(fresh.path());
    assert_eq!(scene.copy(), read(&fresh.path().join("log")));
}

#[test]
fn a_wrong_file_of_the_copy_is_fetched_again() {
    let scene = Scene::new(log_of(600));
    is(&scene.mirror(&[]), 0, "");
    let whole = scene.copy();
    scene.server.asked();
    for path in [
        "tile/entries/001",
        "tile/0/000",
        "tile/1/000.p/2",
        "tile/0/002.p/88",
        "tile/entries/002.p/88",
    ] {
        let file = scene.here.path().join("copy").join(path);
        fs::write(&file, b"wrong").unwrap();
        is(&scene.mirror(&[]), 0, "up to date");
        fs::remove_file(&file).unwrap();
        is(&scene.mirror(&[]), 0, "up to date");
        assert_eq!(scene.copy(), whole, "{path}");
        let asked = scene.server.asked();
        assert!(asked.contains(&format!("log/{path}")), "{asked:?}");
        assert!(asked.len() <= 8, "{asked:?}");
    }
}

#[test]
fn files_that_are_not_those_under_the_root_are_refused() {
    let mut scene = Scene::new(log_of(300));
    is(&scene.mirror(&[]), 0, "");
    let before = scene.copy();
    scene.publish(900);
    let good = |path: &str| fs::read(scene.served.path().join(path)).unwrap();
    let truncated = |path: &str| {
        let mut contents = good(path);
        contents.pop();
        Fault::Body(contents)
    };
    let changed = |path: &str| {
        let mut contents = good(path);
        *contents.last_mut().unwrap() ^= 1;
        Fault::Body(contents)
    };
    for (path, fault, words) in [
        (
            "log/tile/entries/001",
            truncated("log/tile/entries/001"),
            "is cut off",
        ),
        (
            "log/tile/entries/001",
            changed("log/tile/entries/001"),
            "entry 511 has hash",
        ),
        ("log/tile/0/002", truncated("log/tile/0/002"), "expected 8192"),
        (
            "log/tile/0/002",
            changed("log/tile/0/002"),
            "as the level above it says",
        ),
        (
            "log/tile/1/000.p/3",
            changed("log/tile/1/000.p/3"),
            "as signed in the checkpoint",
        ),
        (
            "log/tile/0/002",
            Fault::Body(vec![0; 8193]),
            "more than 8192 bytes",
        ),
        (
            "log/tile/entries/002",
            Fault::Body(vec![0; 256 * 65_537 + 1]),
            "more than 16777472 bytes",
        ),
        (
            "log/checkpoint",
            Fault::Body(vec![b'x'; 1_000_001]),
            "more than 1000000 bytes",
        ),
        (
            "log/checkpoint",
            Fault::Body(b"not a note".to_vec()),
            "log/checkpoint: ",
        ),
        (
            "log/tile/entries/002",
            Fault::Status(404),
            "as its signed checkpoint says",
        ),
    ] {
        scene.server.spoil(path, fault, 9);
        is(&scene.mirror(&[]), 1, words);
        scene.reset(&before);
        is(&scene.mirror(&["--json"]), 1, "\"verifies\":false");
        scene.server.spoil(path, Fault::Status(500), 0);
        let after = scene.copy();
        assert!(
            before
                .iter()
                .all(|(path, contents)| after.get(path) == Some(contents)),
            "{path}"
        );
        scene.reset(&before);
    }
    for (status, code) in [(403, 2), (302, 2), (500, 75), (429, 75)] {
        scene.server.spoil("log/tile/0/002", Fault::Status(status), 1);
        is(&scene.mirror(&[]), code, &format!("the server answered {status}"));
    }
    is(&scene.mirror(&[]), 0, "900 entries after 300");
    scene.server.spoil("log/checkpoint", Fault::Status(404), 1);
    is(&scene.mirror(&[]), 2, "expected the folder of a log");
}

#[test]
fn a_log_that_was_rolled_back_or_forked_leaves_the_copy_and_is_kept_as_evidence() {
    let mut scene = Scene::new(log_of(600));
    is(&scene.mirror(&[]), 0, "");
    let before = scene.copy();
    let note = |world: &World| world.head().note().as_str().as_bytes().to_vec();
    let good = note(&scene.world);
    let mut expected = vec![good];
    for (entries, changed) in [
        (300, None),
        (600, Some(599)),
        (600, Some(0)),
        (700, Some(599)),
        (1300, Some(3)),
    ] {
        scene.world = log_of(entries);
        if let Some(changed) = changed {
            scene.world.entries[changed] = b"another".to_vec();
        }
        scene.world.write(scene.served.path());
        is(&scene.mirror(&[]), 1, "the log contradicts the copy");
        expected.push(note(&scene.world));
        let mut after = scene.copy();
        let evidence: Vec<PathBuf> = after
            .keys()
            .filter(|path| path.starts_with("evidence"))
            .cloned()
            .collect();
        let mut kept: Vec<Vec<u8>> = evidence.iter().map(|path| after.remove(path).unwrap()).collect();
        kept.sort();
        expected.sort();
        assert_eq!(kept, expected, "{entries}");
        assert_eq!(after, before, "{entries}");
    }
    scene.publish(700);
    is(&scene.mirror(&[]), 0, "700 entries after 600");
}

#[test]
fn a_log_that_grows_while_it_is_read_is_copied_up_to_the_head_that_was_read() {
    let earlier = log_of(300);
    let mut scene = Scene::new(log_of(300));
    scene.publish(700);
    let note = earlier.head().note().as_str().as_bytes().to_vec();
    // These partial tiles gave way to full ones; the higher ones are still there.
    for gone in ["log/tile/0/001.p", "log/tile/entries/001.p"] {
        fs::remove_dir_all(scene.served.path().join(gone)).unwrap();
    }
    scene.server.spoil("log/checkpoint", Fault::Body(note), 1);
    is(&scene.mirror(&[]), 0, "the log is copied: 300 entries");
    let fresh = tempfile::tempdir().unwrap();
    earlier.write(fresh.path());
    assert_eq!(scene.copy(), read(&fresh.path().join("log")));
    is(&scene.mirror(&[]), 0, "700 entries after 300");
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let scene = Scene::new(log_of(300));
    scene.server.spoil("log/tile/0/000", Fault::Silence, 1);
    is(
        &scene.mirror(&["--timeout", "1"]),
        75,
        "log/tile/0/000: not reachable",
    );
    is(&scene.mirror(&["--timeout", "1"]), 0, "");
}

#[test]
fn two_mirrors_do_not_write_one_folder_and_a_strange_one_is_left_alone() {
    let scene = Scene::new(log_of(10));
    let copy = scene.here.path().join("copy");
    fs::create_dir(&copy).unwrap();
    let lock = fs::File::create(copy.join(".lock")).unwrap();
    lock.lock().unwrap();
    is(&scene.mirror(&[]), 75, "another process is at work here");
    drop(lock);
    fs::write(copy.join("checkpoint"), "the head of another log").unwrap();
    is(&scene.mirror(&[]), 2, "mirror into another folder");
    assert_eq!(
        fs::read(copy.join("checkpoint")).unwrap(),
        b"the head of another log"
    );
}

#[test]
fn nobody_there_gives_75_and_bad_addresses_2() {
    let world = log_of(3);
    let here = tempfile::tempdir().unwrap();
    let mirror = |source: &str| with_key(&world, here.path(), &["mirror", source, "copy", "--tries", "1"]);
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    is(
        &mirror(&format!("http://localhost:{free}/")),
        75,
        "not reachable after 1 tries",
    );
    is(&mirror("ftp://localhost/"), 2, "found the scheme \"ftp\"");
    is(&mirror("http:///log"), 2, "expected a folder, or an address");
    is(&mirror("https://localhost/"), 2, "found no authority for https");
    is(&mirror("nowhere"), 2, "expected the folder of a log");
}
