//! Which paths are served, and how.

use std::fs;

use veilsum_protocol::crypto::signing::Signature;
use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::tiles_between;

use crate::reader::{Reader, Reply, ask, request};
use crate::scene::{Scene, Serving};

fn blob_path(hash: &Digest) -> String {
    let hex = hash.to_hex();
    format!("/archive/blobs/{}/{hex}", &hex[..2])
}

fn get(scene: &Scene, serving: &Serving, path: &str) -> Reply {
    ask(
        scene,
        serving.address,
        Some(&scene.firm),
        &request("GET", path, &[]),
    )
    .unwrap()
}

#[test]
fn log_and_archive_are_served_as_they_are_on_the_disk() {
    let scene = Scene::new();
    let serving = scene.serve(|_| {});
    let mut reader = Reader::connect(&scene, serving.address, Some(&scene.firm));
    let mut paths = vec![("checkpoint".to_owned(), "text/plain; charset=utf-8", "no-cache")];
    let (mut full, mut partial) = (0, 0);
    for tile in tiles_between(0, scene.log_size()) {
        *if tile.is_full() { &mut full } else { &mut partial } += 1;
        let cache = if tile.is_full() {
            "max-age=31536000, immutable"
        } else {
            "max-age=60"
        };
        paths.push((tile.path(), "application/octet-stream", cache));
    }
    assert!(
        full >= 4 && partial >= 2,
        "{full} full and {partial} partial tiles"
    );
    for (path, kind, cache) in paths {
        let reply = reader.get(&format!("/log/{path}")).unwrap();
        assert_eq!(reply.status, 200, "{path}");
        assert!(
            reply.body == fs::read(scene.config.folders.log.join(&path)).unwrap(),
            "{path}"
        );
        assert_eq!(reply.header("content-type"), Some(kind));
        assert_eq!(reply.header("cache-control"), Some(cache));
    }
    for (what, bytes) in &scene.contents.named {
        let reply = reader.get(&blob_path(&Digest::of(bytes))).unwrap();
        assert_eq!(reply.status, 200, "{what}");
        assert!(reply.body == *bytes, "{what}");
        assert_eq!(
            reply.header("etag"),
            Some(format!("\"{}\"", Digest::of(bytes)).as_str())
        );
        assert_eq!(reply.header("cache-control"), Some("max-age=31536000, immutable"));
    }
    let index = reader.get("/archive/rounds/1.json").unwrap();
    assert_eq!(
        (index.status, index.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(
        index.body,
        fs::read(scene.config.folders.data.join("rounds/1.json")).unwrap()
    );
}

#[test]
fn what_the_log_does_not_name_is_not_served_until_it_does() {
    let mut scene = Scene::new();
    let serving = scene.serve(|_| {});
    let mut reader = Reader::connect(&scene, serving.address, Some(&scene.firm));
    let unnamed: Vec<_> = scene
        .contents
        .unnamed
        .iter()
        .map(|(_, bytes)| Digest::of(bytes))
        .collect();
    let [state, bundle, vector] = unnamed.as_slice() else {
        panic!("three blobs")
    };
    let status = |reader: &mut Reader, path: &str| reader.get(path).unwrap().status;
    // They are there, under their names.
    for hash in &unnamed {
        let hex = hash.to_hex();
        assert!(
            scene
                .config
                .folders
                .data
                .join("blobs")
                .join(&hex[..2])
                .join(&hex)
                .is_file()
        );
        assert_eq!(status(&mut reader, &blob_path(hash)), 404);
    }
    assert_eq!(status(&mut reader, "/archive/rounds/2.json"), 404);

    let bank = BankIndex::new(1).unwrap();
    scene.append(&[Entry::Cohort {
        round: Round(2),
        banks: vec![bank],
    }]);
    assert_eq!(status(&mut reader, "/archive/rounds/2.json"), 200);
    assert_eq!(status(&mut reader, &blob_path(bundle)), 200);
    assert_eq!(status(&mut reader, &blob_path(vector)), 404);
    scene.append(&[Entry::Masked {
        round: Round(2),
        bank,
        hash: *vector,
        length: 22,
        signature: Signature([7; 64]),
    }]);
    assert_eq!(status(&mut reader, &blob_path(vector)), 200);
    // A state never: it is named, and derived from what is served.
    assert_eq!(status(&mut reader, &blob_path(state)), 404);
}

#[test]
fn no_path_leads_anywhere_else() {
    let scene = Scene::new();
    let serving = scene.serve(|_| {});
    let secret = "a canary that no answer may hold";
    fs::write(scene.config.folders.data.join("store/secret"), secret).unwrap();
    fs::write(scene.config.folders.data.join("spool-secret"), secret).unwrap();
    fs::write(scene.dir().join("identity/secret"), secret).unwrap();
    let blob = Digest::of(&scene.contents.named[0].1).to_hex();
    let paths = [
        "/".to_owned(),
        "/log".to_owned(),
        "/log/".to_owned(),
        "/data/store/secret".to_owned(),
        "/identity/secret".to_owned(),
        "/coordinator.toml".to_owned(),
        "/log/../data/store/secret".to_owned(),
        "/log/../../consortium/data/store/secret".to_owned(),
        "/log/tile/../../data/store/secret".to_owned(),
        "/log/%2e%2e/data/store/secret".to_owned(),
        "/log/%2E%2E%2Fdata%2Fstore%2Fsecret".to_owned(),
        "/log/..%5cdata%5cstore%5csecret".to_owned(),
        "/log/..\\data\\store\\secret".to_owned(),
        "/archive/store/secret".to_owned(),
        "/archive/spool-secret".to_owned(),
        "/archive/blobs/../store/secret".to_owned(),
        "/archive/blobs/../../identity/secret".to_owned(),
        "/archive/rounds/../store/secret".to_owned(),
        "/archive/rounds/../../identity/secret.json".to_owned(),
        "/archive/identity/ca.key.pem".to_owned(),
        format!("/{}/identity/secret", scene.dir().display()),
        format!("//{}/identity/secret", scene.dir().display()),
        format!("/log/{}/identity/secret", scene.dir().display()),
        format!("/archive/blobs/{}/{blob}/../../../store/secret", &blob[..2]),
        "/log/checkpoint%00".to_owned(),
        "/log/checkpoint?x=1".to_owned(),
        "/log/checkpoint/".to_owned(),
        format!("/log/{}", "a/".repeat(3000)),
        "/log/tile/0/999".to_owned(),
        "/archive/rounds/99.json".to_owned(),
    ];
    for path in &paths {
        let reply = get(&scene, &serving, path);
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.text(), "nothing is served at this path\n");
    }
    // A client of its own kind writes the target in another way; it means the same.
    let target = |target: &str| {
        let text = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        ask(&scene, serving.address, Some(&scene.firm), &text)
    };
    assert_eq!(target("http://localhost/log/checkpoint").unwrap().status, 200);
    // What is no HTTP is answered as such, or cut off.
    let long = format!("/log/{}", "a".repeat(70_000));
    for bad in [
        "/log/\0checkpoint",
        "/log/check point",
        "log/checkpoint",
        "../log/checkpoint",
        "file:///log/checkpoint",
        &long,
    ] {
        if let Ok(reply) = target(bad) {
            assert!((400..=431).contains(&reply.status), "{bad:.20}: {reply:?}");
            assert!(!reply.text().contains("canary"));
        }
    }
    let headers: String = (0..100).map(|number| format!("X-{number}: x\r\n")).collect();
    let crowded = format!("GET /log/checkpoint HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    assert_eq!(
        ask(&scene, serving.address, Some(&scene.firm), &crowded)
            .unwrap()
            .status,
        431
    );
    // The server is there for the next.
    assert_eq!(get(&scene, &serving, "/log/checkpoint").status, 200);
}

#[test]
fn only_reading_is_answered() {
    let scene = Scene::new();
    let serving = scene.serve(|_| {});
    let before = fs::read(scene.config.folders.log.join("checkpoint")).unwrap();
    let ask = |text: &str| ask(&scene, serving.address, Some(&scene.firm), text).unwrap();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] {
        let reply = ask(&request(method, "/log/checkpoint", &[]));
        assert_eq!(reply.status, 405, "{method}");
        assert_eq!(reply.header("allow"), Some("GET, HEAD"));
    }
    let with_body = ask(&(request("GET", "/log/checkpoint", &[("Content-Length", "4")]) + "body"));
    assert_eq!(with_body.status, 400, "{with_body:?}");
    let head = ask(&request("HEAD", "/log/checkpoint", &[]));
    assert_eq!(head.status, 200);
    assert_eq!(
        head.header("content-length"),
        Some(before.len().to_string().as_str())
    );
    let missing = ask(&request("HEAD", "/log/tile/0/999", &[]));
    assert_eq!(missing.status, 404);
    assert_eq!(
        fs::read(scene.config.folders.log.join("checkpoint")).unwrap(),
        before
    );
}

#[test]
fn a_part_of_a_file_and_a_file_that_is_known_already() {
    let mut scene = Scene::new();
    let serving = scene.serve(|_| {});
    let (_, vector) = &scene.contents.named[3];
    let (path, length) = (blob_path(&Digest::of(vector)), vector.len());
    let mut reader = Reader::connect(&scene, serving.address, Some(&scene.firm));
    let mut ask = |path: &str, headers: &[(&str, &str)]| {
        reader.send(request("GET", path, headers).as_bytes()).unwrap();
        reader.reply(false).unwrap()
    };
    let tag = ask(&path, &[("Range", "bytes=0-0")])
        .header("etag")
        .unwrap()
        .to_owned();
    let rest = length - 1000;
    let from = format!("bytes={rest}-");
    for headers in [
        &[("Range", from.as_str())][..],
        &[("Range", &from), ("If-Range", &tag)],
    ] {
        let reply = ask(&path, headers);
        assert_eq!(reply.status, 206);
        assert_eq!(
            reply.header("content-range"),
            Some(format!("bytes {rest}-{}/{length}", length - 1).as_str())
        );
        assert!(reply.body == vector[rest..]);
    }
    let middle = ask(&path, &[("Range", "bytes=70000-199999")]);
    assert!(middle.status == 206 && middle.body == vector[70_000..200_000]);
    let changed = ask(&path, &[("Range", &from), ("If-Range", "\"other\"")]);
    assert!(changed.status == 200 && changed.body == *vector);
    let beyond = ask(&path, &[("Range", &format!("bytes={length}-"))]);
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, Some(format!("bytes */{length}").as_str()))
    );
    let two = ask("/log/checkpoint", &[("Range", "bytes=0-1,3-4")]);
    assert_eq!(two.status, 200);

    let known = ask(&path, &[("If-None-Match", &tag)]);
    assert_eq!((known.status, known.body.len()), (304, 0));
    let checkpoint = ask("/log/checkpoint", &[]).header("etag").unwrap().to_owned();
    assert_eq!(
        ask("/log/checkpoint", &[("If-None-Match", &checkpoint)]).status,
        304
    );
    let approval = Entry::TaskApproval {
        task: Digest::of(b"task"),
        bank: BankIndex::new(1).unwrap(),
        signature: Signature([7; 64]),
    };
    scene.append(&[approval]);
    assert_eq!(
        ask("/log/checkpoint", &[("If-None-Match", &checkpoint)]).status,
        200
    );
}
