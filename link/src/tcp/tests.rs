#![allow(clippy::unwrap_used)]

use tokio::io::{DuplexStream, duplex};
use tokio::time::Instant;

use super::*;

const IDLE: Duration = Duration::from_secs(5);

fn side(stream: DuplexStream) -> (Tcp, TcpSend, TcpRecv) {
    let (tcp, send, recv, work) = open(stream, "127.0.0.1:1".parse().unwrap(), IDLE);
    tokio::spawn(work);
    (tcp, send, recv)
}

fn pair(buffer: usize) -> ((Tcp, TcpSend, TcpRecv), (Tcp, TcpSend, TcpRecv)) {
    let (here, there) = duplex(buffer);
    (side(here), side(there))
}

async fn all(recv: &mut TcpRecv) -> Result<Vec<u8>, StreamError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = recv.read_chunk(1000).await? {
        assert!((1..=1000).contains(&chunk.len()));
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[tokio::test(start_paused = true)]
async fn bytes_and_their_end_arrive_and_both_sides_part_in_peace() {
    let ((here, mut send, recv), (there, back, mut arriving)) = pair(100);
    let bytes: Vec<u8> = (0..100_000u32)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    let sent = bytes.clone();
    let sender = tokio::spawn(async move {
        send.write_all(&sent).await.unwrap();
        send.finish().await.unwrap();
        send.stopped().await.unwrap();
    });
    assert_eq!(all(&mut arriving).await.unwrap(), bytes);
    // The end is the end, however often it is asked for.
    assert_eq!(arriving.read_chunk(1).await, Ok(None));
    drop((arriving, back));
    sender.await.unwrap();
    drop(recv);
    assert!(matches!(here.closed().await, End::Closed { code: 0, .. }));
    assert_eq!(there.closed().await, End::Here);
}

#[tokio::test(start_paused = true)]
async fn what_has_come_is_taken_together_and_never_more_than_is_asked_for() {
    let ((_here, mut send, _recv), (_there, _back, mut arriving)) = pair(1 << 20);
    send.write_all(&[1; 3 * PAYLOAD]).await.unwrap();
    // Nothing is ready but what has come: all tasks rest before time goes on.
    sleep(ALIVE / 2).await;
    let mut bytes = vec![9];
    assert_eq!(
        arriving.read_more(&mut bytes, 2 * PAYLOAD + 5).await,
        Ok(2 * PAYLOAD + 5)
    );
    assert_eq!(bytes.len(), 2 * PAYLOAD + 6);
    assert!(bytes[0] == 9 && bytes[1..].iter().all(|byte| *byte == 1));
    send.write_all(&[2; 7]).await.unwrap();
    send.finish().await.unwrap();
    sleep(ALIVE / 2).await;
    bytes.clear();
    assert_eq!(arriving.read_more(&mut bytes, 1 << 20).await, Ok(PAYLOAD - 5 + 7));
    assert!(bytes.ends_with(&[1, 2, 2, 2, 2, 2, 2, 2]));
    // The end was heard with the rest, and is the end however often it is asked for.
    assert_eq!(arriving.read_more(&mut bytes, 1).await, Ok(0));
    assert_eq!(arriving.read_more(&mut bytes, 1).await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn a_close_is_heard_by_a_peer_that_is_writing_and_reads_nothing() {
    let ((here, _send, _recv), (there, mut flood, _unread)) = pair(64 << 10);
    let flooding = tokio::spawn(async move {
        loop {
            if let Err(error) = flood.write_all(&[7; 30_000]).await {
                return error;
            }
        }
    });
    here.close(CloseCode::TooSlow, "too slow by far");
    here.close(CloseCode::Goodbye, "a second thought");
    let told = End::Closed {
        code: 4,
        reason: "too slow by far".to_owned(),
    };
    assert_eq!(there.closed().await, told);
    assert!(flooding.await.unwrap().to_string().contains("too slow by far"));
    assert_eq!(here.end(), Some(End::Here));
}

#[tokio::test(start_paused = true)]
async fn silence_is_noticed_and_a_quiet_peer_is_not_silent() {
    let ((here, _send, _recv), (there, _back, _arriving)) = pair(1000);
    sleep(20 * IDLE).await;
    assert_eq!((here.end(), there.end()), (None, None));

    let (stream, _silent) = duplex(1000);
    let began = Instant::now();
    let (here, _send, mut recv) = side(stream);
    let end = here.closed().await;
    assert_eq!(end, End::Lost("nothing came for 5 s".to_owned()));
    assert_eq!(began.elapsed(), IDLE);
    assert!(recv.read_chunk(1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_cut_is_no_end_of_the_stream() {
    let (stream, mut peer) = duplex(1000);
    let (_here, _send, mut recv) = side(stream);
    peer.write_all(&record(Kind::Data, b"half")).await.unwrap();
    drop(peer);
    assert_eq!(recv.read_chunk(9).await.unwrap().unwrap(), "half");
    assert!(recv.read_chunk(9).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_record_ends_the_connection() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[9, 0, 0, 0],
        &[0, 0xff, 0xff, 0xff],
        &[1, 0, 0, 0, 1, 0, 0, 0],
        &[1, 0, 0, 0, 0, 0, 0, 1, 7],
    ] {
        let (stream, mut peer) = duplex(1000);
        let (here, _send, _recv) = side(stream);
        peer.write_all(bytes).await.unwrap();
        let end = here.closed().await;
        assert!(matches!(end, End::Violation(_)), "{bytes:?}: {end}");
    }
}

/// What a peer can make this side hold: the records that wait, and one on its way.
#[tokio::test(start_paused = true)]
async fn a_side_that_reads_nothing_lets_its_peer_wait() {
    let (stream, mut peer) = duplex(1);
    let (_here, _send, _unread) = side(stream);
    let mut taken = 0;
    let full = record(Kind::Data, &[0; PAYLOAD]);
    let flood = async {
        loop {
            peer.write_all(&full).await.unwrap();
            taken += 1;
        }
    };
    assert!(timeout(IDLE * 2, flood).await.is_err());
    assert_eq!(taken, ARRIVED + 1);
}
