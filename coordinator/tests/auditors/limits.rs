//! What one reader can take from others: nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use veilsum_protocol::ids::Digest;

use crate::reader::{PATIENCE, Reader, ask, request};
use crate::scene::{Scene, Serving};

const CHECKPOINT: &str = "/log/checkpoint";

fn vector_path(scene: &Scene) -> String {
    let hex = Digest::of(&scene.contents.named[3].1).to_hex();
    format!("/archive/blobs/{}/{hex}", &hex[..2])
}

/// Asks again until the server has room.
fn is_let_in(scene: &Scene, serving: &Serving, identity: &crate::scene::Identity) {
    let until = Instant::now() + PATIENCE;
    loop {
        let reply = ask(
            scene,
            serving.address,
            Some(identity),
            &request("GET", CHECKPOINT, &[]),
        );
        match reply {
            Ok(reply) if reply.status == 200 => return,
            other => assert!(Instant::now() < until, "{other:?}"),
        }
    }
}

#[test]
fn a_handshake_that_does_not_come_is_given_up_and_holds_up_nobody() {
    let scene = Scene::new();
    let serving = scene.serve(|limits| {
        limits.max_handshakes = 3;
        limits.handshake_s = 1;
    });
    let silent: Vec<TcpStream> = (0..40)
        .map(|_| TcpStream::connect(serving.address).unwrap())
        .collect();
    for mut stream in silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // At once for whom there is no place, and after a second for the others.
        let ended = stream.read(&mut [0; 16]);
        assert!(!ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    }
    is_let_in(&scene, &serving, &scene.firm);
}

#[test]
fn a_request_that_comes_by_drops_is_cut_off_in_time() {
    let scene = Scene::new();
    let serving = scene.serve(|limits| limits.idle_s = 1);
    let mut slow = Reader::connect(&scene, serving.address, Some(&scene.firm));
    let began = Instant::now();
    let cut = loop {
        if slow
            .send(b"G")
            .and_then(|()| slow.stream.sock.set_read_timeout(Some(Duration::from_millis(50))))
            .is_err()
        {
            break began.elapsed();
        }
        // Each letter comes in good time, the whole never does.
        match slow.stream.read(&mut [0; 64]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => break began.elapsed(),
        }
        assert!(began.elapsed() < PATIENCE, "it is never cut off");
    };
    assert!(cut >= Duration::from_millis(900), "{cut:?}");
    // A connection without any request ends as well, before its first and after it.
    let mut silent = Reader::connect(&scene, serving.address, Some(&scene.firm));
    silent.send(b"").unwrap();
    let mut idle = Reader::connect(&scene, serving.address, Some(&scene.firm));
    assert_eq!(idle.get(CHECKPOINT).unwrap().status, 200);
    silent.end();
    assert!(idle.end().is_empty());
}

#[test]
fn a_reader_that_takes_nothing_is_dropped_and_gives_its_place_back() {
    let scene = Scene::new();
    let serving = scene.serve(|limits| {
        limits.max_connections = 1;
        limits.max_connections_each = 1;
        limits.stall_s = 1;
    });
    let mut stalled = Reader::connect(&scene, serving.address, Some(&scene.firm));
    stalled
        .send(request("GET", &vector_path(&scene), &[]).as_bytes())
        .unwrap();
    // The answer has begun, so the place is taken.
    stalled.stream.read_exact(&mut [0; 16]).unwrap();
    is_let_in(&scene, &serving, &scene.bank);
    let got = stalled.end().len();
    assert!(
        got < scene.contents.named[3].1.len(),
        "{got} bytes came all the same"
    );
}

#[test]
fn a_reader_has_its_share_of_connections_and_others_theirs() {
    let scene = Scene::new();
    let other = scene.auditor("office");
    let serving = scene.serve(|limits| {
        limits.max_connections = 3;
        limits.max_connections_each = 2;
    });
    let open = |identity| {
        let mut reader = Reader::connect(&scene, serving.address, Some(identity));
        let reply = reader.get(CHECKPOINT).unwrap();
        (reader, reply)
    };
    let (first, reply) = open(&scene.firm);
    assert_eq!(reply.status, 200);
    let (_second, reply) = open(&scene.firm);
    assert_eq!(reply.status, 200);
    let (mut third, reply) = open(&scene.firm);
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")));
    assert!(reply.text().contains("expected at most 2"), "{}", reply.text());
    assert!(third.end().is_empty());
    let (_theirs, reply) = open(&other);
    assert_eq!(reply.status, 200);
    let (_, reply) = open(&scene.bank);
    assert_eq!(reply.status, 503, "all three places are taken");
    drop(first);
    is_let_in(&scene, &serving, &scene.bank);
}

#[test]
fn an_answer_under_way_is_finished_when_the_coordinator_stops() {
    let scene = Scene::new();
    let mut serving = scene.serve(|_| {});
    let mut idle = Reader::connect(&scene, serving.address, Some(&scene.bank));
    assert_eq!(idle.get(CHECKPOINT).unwrap().status, 200);
    let mut reader = Reader::connect(&scene, serving.address, Some(&scene.firm));
    reader
        .send(request("GET", &vector_path(&scene), &[]).as_bytes())
        .unwrap();
    let mut begun = vec![0; 1024];
    reader.stream.read_exact(&mut begun).unwrap();
    serving.begin_to_stop();
    assert!(idle.end().is_empty(), "who waits for nothing is let go");
    begun.extend(reader.end());
    let body = begun.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    assert!(
        begun[body..] == scene.contents.named[3].1,
        "{} bytes",
        begun.len()
    );
    serving.wait();
    let refused = TcpStream::connect(serving.address).and_then(|mut stream| {
        stream.write_all(b"x")?;
        stream.read(&mut [0; 1])
    });
    assert!(!matches!(refused, Ok(1..)), "{refused:?}");
}

#[test]
fn a_reader_that_takes_nothing_ends_with_the_coordinator_all_the_same() {
    let scene = Scene::new();
    let mut serving = scene.serve(|_| {});
    let mut stalled = Reader::connect(&scene, serving.address, Some(&scene.firm));
    stalled
        .send(request("GET", &vector_path(&scene), &[]).as_bytes())
        .unwrap();
    stalled.stream.read_exact(&mut [0; 16]).unwrap();
    let began = Instant::now();
    serving.begin_to_stop();
    serving.wait();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
