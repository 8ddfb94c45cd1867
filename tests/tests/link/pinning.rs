//! What one bank can pin, beside what its connections may have in flight.

use std::fs;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use veilsum_client::config::LinkTransport;
use veilsum_coordinator::transport::Inbound;
use veilsum_protocol::wire::frame::encode_frame;
use veilsum_protocol::wire::stream::{ControlReply, STREAM_FRAME_LIMIT, StreamOpen};

use crate::peer::{call, dial, read, write};
use crate::scene::{FromBank, Scene, Server, bank, over_both, soon};

over_both! {
    a_bank_is_at_most_one_message_ahead_of_the_engine,
    a_bank_that_comes_again_and_again_waits_at_the_door,
}

/// What would come at once if nothing held it up.
const AT_ONCE: Duration = Duration::from_millis(500);

async fn message(server: &mut Server) -> FromBank {
    loop {
        match server.next().await {
            Inbound::Connected { .. } => {}
            message @ Inbound::Message { .. } => return message,
            other => panic!("{other:?}"),
        }
    }
}

async fn a_bank_is_at_most_one_message_ahead_of_the_engine(way: LinkTransport) {
    const LONGEST: usize = 256 << 10;
    let mut scene = Scene::over(way);
    scene.limits().message_bytes = LONGEST;
    let mut server = scene.listen();
    let mut peer = dial(&scene.options(1, server.address)).await.unwrap();
    let (mut send, _recv) = peer.stream().await;
    let frame = encode_frame(&"x".repeat(LONGEST - 8), LONGEST).unwrap();
    let open = encode_frame(&StreamOpen::Control, STREAM_FRAME_LIMIT).unwrap();
    let flood = tokio::spawn(async move {
        send.write_all(&open).await.unwrap();
        for _ in 0..4 {
            send.write_all(&frame).await.unwrap();
        }
        send
    });
    let held = message(&mut server).await;
    let early = timeout(AT_ONCE, server.events.recv()).await;
    assert!(
        early.is_err(),
        "the engine still has a message before it: {:?}",
        early.map(|it| it.is_some())
    );
    // Another bank is not held up by that.
    let mut other = dial(&scene.options(2, server.address)).await.unwrap();
    let (mut other_send, _other_recv) = other.stream().await;
    let both = [
        encode_frame(&StreamOpen::Control, STREAM_FRAME_LIMIT).unwrap(),
        encode_frame(&"here".to_owned(), LONGEST).unwrap(),
    ];
    other_send.write_all(&both.concat()).await.unwrap();
    assert!(matches!(message(&mut server).await, Inbound::Message { bank: from, .. } if from == bank(2)));
    drop(held);
    for _ in 0..3 {
        assert!(matches!(message(&mut server).await, Inbound::Message { bank: from, .. } if from == bank(1)));
    }
    soon(flood).await.unwrap();
}

/// Connections to a port that this process holds, by the system's own table: those that were given up have no inode.
fn held(port: u16) -> usize {
    const LISTENS: &str = "0A";
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let here = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|row| row[1].ends_with(&here) && row[3] != LISTENS && row[9] != "0")
        .count()
}

#[tokio::test]
async fn who_comes_again_and_again_by_tcp_pins_no_more_than_its_share() {
    let scene = Scene::over(LinkTransport::Tcp);
    let server = scene.listen();
    let call = call(&scene.options(1, server.address));
    let mut peers = Vec::new();
    for _ in 0..60 {
        // It does not read that the next takes its place at the door, and does not hang up.
        peers.push(call.tls().await.unwrap());
    }
    // One at the door; those that are on their way out; and one that may be about to become either.
    let most = 1 + 2 * (4 + 1) + 1;
    let until = Instant::now() + Duration::from_secs(1);
    while held(server.address.port()) > most {
        assert!(
            Instant::now() < until,
            "{} are held, at most {most} may be",
            held(server.address.port())
        );
        tokio::task::yield_now().await;
    }
    assert!(held(server.address.port()) > 0);
}

async fn a_bank_that_comes_again_and_again_waits_at_the_door(way: LinkTransport) {
    let scene = Scene::over(way);
    let mut server = scene.listen();
    let began = Instant::now();
    let mut peers = Vec::new();
    for _ in 0..10 {
        let mut peer = dial(&scene.options(1, server.address)).await.unwrap();
        let (mut send, recv) = peer.stream().await;
        write(&mut send, &StreamOpen::Control).await;
        while !matches!(server.next().await, Inbound::Connected { .. }) {}
        peers.push((peer, send, recv));
    }
    // Eight are free, and then it is two a second.
    assert!(
        began.elapsed() >= Duration::from_millis(1000),
        "{:?}",
        began.elapsed()
    );
    // Another bank does not wait.
    let mut other = dial(&scene.options(2, server.address)).await.unwrap();
    let (mut send, mut recv) = other.stream().await;
    write(&mut send, &StreamOpen::Control).await;
    let admitted: ControlReply = read(&mut recv).await;
    assert!(matches!(admitted, ControlReply::Admitted { bank: of, .. } if of == bank(2)));
}
