//! Mirrors of a log and its archive, from a web server that behaves and one that does not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;

use crate::program::{out, with_key};
use crate::rounds::story;
use crate::served::{Fault, Server};
use crate::world::World;

/// A log of so many entries that say nothing: a mirror looks at hashes alone.
fn log_of(entries: usize) -> World {
    let mut world = World::new();
    world.entries = (0..entries).map(|n| format!("entry {n}").into_bytes()).collect();
    world
}

/// What the operator has, what it serves, and the auditor's folder.
struct Scene {
    world: World,
    served: TempDir,
    here: TempDir,
    server: Server,
}

impl Scene {
    fn new(world: World) -> Self {
        let (served, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        world.write(served.path());
        Self {
            server: Server::start(served.path(), None),
            world,
            served,
            here,
        }
    }

    fn mirror(&self, more: &[&str]) -> Output {
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

    fn verify(&self) -> Output {
        with_key(&self.world, self.here.path(), &["verify", "copy"])
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

fn read(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
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
fn is(output: &Output, code: i32, words: &str) {
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
            "checkpoint",
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

#[test]
fn an_archive_is_mirrored_and_verifies() {
    let scene = Scene::new(story());
    let archive = scene.server.url("archive");
    let mirror =
        |more: &[&str]| scene.mirror(&[&["--archive", &archive, "--archive-to", "archive"], more].concat());
    let masked = scene
        .world
        .find(|entry| matches!(entry, veilsum_protocol::log::entry::Entry::Masked { .. }));
    let veilsum_protocol::log::entry::Entry::Masked { hash, .. } = masked[0].1 else {
        panic!("no update");
    };
    let blob = crate::world::blob_path(&hash);
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
    is(&scene.verify(), 0, "");
}

/// An authority with a server and a reader.
struct Authority {
    pem: String,
    config: Arc<ServerConfig>,
    reader: (String, String),
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let (pem, root) = (certificate.pem(), certificate.der().clone());
        let issuer = Issuer::new(params, key);
        let issue = |name: &str, usage| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            (params.signed_by(&key, &issuer).unwrap(), key)
        };
        let (server, server_key) = issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
        let (reader, reader_key) = issue("auditor", ExtendedKeyUsagePurpose::ClientAuth);
        let mut roots = RootCertStore::empty();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![server.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der())),
            )
            .unwrap();
        Self {
            pem,
            config: Arc::new(config),
            reader: (reader.pem(), reader_key.serialize_pem()),
        }
    }
}

#[test]
fn a_server_and_a_reader_of_one_authority_know_each_other() {
    let (ours, other) = (Authority::new(), Authority::new());
    let world = log_of(300);
    let (served, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    world.write(served.path());
    let server = Server::start(served.path(), Some(Arc::clone(&ours.config)));
    let url = server.url("log/");
    for (name, contents) in [
        ("ca.pem", &ours.pem),
        ("cert.pem", &ours.reader.0),
        ("key.pem", &ours.reader.1),
        ("other-ca.pem", &other.pem),
        ("other-cert.pem", &other.reader.0),
        ("other-key.pem", &other.reader.1),
    ] {
        fs::write(here.path().join(name), contents).unwrap();
    }
    let mirror = |ca: &str, cert: &str, key: &str| {
        let tls = ["--tls-ca", ca, "--tls-cert", cert, "--tls-key", key];
        let arguments = [&["mirror", &url, "copy", "--tries", "1"], &tls[..]].concat();
        with_key(&world, here.path(), &arguments)
    };
    is(
        &mirror("other-ca.pem", "cert.pem", "key.pem"),
        2,
        "no TLS connection: invalid peer certificate",
    );
    is(
        &mirror("ca.pem", "other-cert.pem", "other-key.pem"),
        2,
        "no TLS connection",
    );
    is(
        &mirror("ca.pem", "cert.pem", "other-key.pem"),
        2,
        "expected the certificate that was issued for the key",
    );
    is(
        &mirror("key.pem", "cert.pem", "key.pem"),
        2,
        "found no certificate",
    );
    is(
        &mirror("ca.pem", "cert.pem", "nowhere.pem"),
        2,
        "nowhere.pem: cannot read",
    );
    let alone = ["mirror", &url, "copy", "--tls-ca", "ca.pem", "--tries", "1"];
    is(&with_key(&world, here.path(), &alone), 2, "no TLS connection");
    assert!(!here.path().join("copy/checkpoint").exists());
    is(
        &mirror("ca.pem", "cert.pem", "key.pem"),
        0,
        "the log is copied: 300 entries",
    );
}
