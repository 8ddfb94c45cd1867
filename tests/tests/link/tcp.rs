//! What holds of TCP alone: each stream is a connection, and the format of its records as it is documented.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use veilsum_client::config::LinkTransport;
use veilsum_client::transport::LinkOptions;
use veilsum_coordinator::transport::Inbound;
use veilsum_link::{End, RecvHalf, SendHalf};
use veilsum_protocol::ids::Round;
use veilsum_protocol::wire::stream::{CloseCode, ControlReply, StreamOpen, UploadReply};

use crate::peer::{Peer, call, dial, read, write};
use crate::scene::{Scene, bank, soon};

/// A record with the frame that opens the messages.
const CONTROL: [u8; 12] = [0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0, 0];

async fn tls(options: &LinkOptions) -> TlsStream<TcpStream> {
    call(options).tls().await.unwrap()
}

/// The next record that is no sign of life: its kind and content.
async fn record(stream: &mut TlsStream<TcpStream>) -> (u8, Vec<u8>) {
    loop {
        let mut header = [0; 4];
        soon(stream.read_exact(&mut header)).await.unwrap();
        let length = u32::from_be_bytes([0, header[1], header[2], header[3]]);
        let mut content = vec![0; usize::try_from(length).unwrap()];
        soon(stream.read_exact(&mut content)).await.unwrap();
        if header[0] != 2 {
            return (header[0], content);
        }
    }
}

#[tokio::test]
async fn the_records_are_those_that_are_documented() {
    let scene = Scene::over(LinkTransport::Tcp);
    let mut server = scene.listen();
    let options = scene.options(2, server.address);
    let mut peer = tls(&options).await;
    peer.write_all(&CONTROL).await.unwrap();
    assert!(matches!(server.next().await, Inbound::Connected { bank: of, .. } if of == bank(2)));
    // Admitted at position 2, with four streams.
    assert_eq!(
        record(&mut peer).await,
        (0, vec![0, 0, 0, 8, 0, 0, 0, 0, 0, 2, 0, 4])
    );
    let mut newer = tls(&options).await;
    newer.write_all(&CONTROL).await.unwrap();
    let (kind, content) = record(&mut peer).await;
    assert_eq!((kind, &content[..4]), (3, &[0, 0, 0, 2][..]));
    assert_eq!(
        &content[4..],
        b"a newer connection with this bank's key took its place"
    );
    // And then it hangs up.
    assert_eq!(soon(peer.read(&mut [0; 9])).await.unwrap(), 0);
}

#[tokio::test]
async fn a_bank_that_falls_silent_is_dropped() {
    let mut scene = Scene::over(LinkTransport::Tcp);
    scene.limits().idle_s = 2;
    let mut server = scene.listen();
    let mut frozen = tls(&scene.options(1, server.address)).await;
    frozen.write_all(&CONTROL).await.unwrap();
    // A bank that has nothing to say but is there stays.
    let mut quiet = dial(&scene.options(3, server.address)).await.unwrap();
    let (mut send, _recv) = quiet.stream().await;
    write(&mut send, &StreamOpen::Control).await;
    loop {
        match server.next().await {
            Inbound::Disconnected { bank: of, .. } => {
                assert_eq!(of, bank(1));
                break;
            }
            Inbound::Connected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(quiet.connection.end(), None);
}

async fn upload(options: &LinkOptions, round: u64) -> (Peer, SendHalf, RecvHalf) {
    let mut peer = dial(options).await.unwrap();
    let (mut send, recv) = peer.stream().await;
    let open = StreamOpen::Upload {
        round: Round(round),
        length: 100_000,
    };
    write(&mut send, &open).await;
    (peer, send, recv)
}

#[tokio::test]
async fn a_bank_has_its_places_for_streams_and_as_many_that_wait() {
    let mut scene = Scene::over(LinkTransport::Tcp);
    scene.limits().streams = 1;
    let server = scene.listen();
    for round in 1..=4 {
        server.gate.0.lock().unwrap().insert(Round(round), 100_000);
    }
    let options = scene.options(1, server.address);
    let mut session = dial(&options).await.unwrap();
    let (mut send, mut recv) = session.stream().await;
    write(&mut send, &StreamOpen::Control).await;
    let admitted = ControlReply::Admitted {
        bank: bank(1),
        streams: 1,
    };
    assert_eq!(read::<ControlReply>(&mut recv).await, admitted);

    let (served, _send, mut first) = upload(&options, 1).await;
    assert_eq!(
        read::<UploadReply>(&mut first).await,
        UploadReply::From { offset: 0 }
    );
    let (earliest, _send2, _recv2) = upload(&options, 2).await;
    let (next, _send3, mut third) = upload(&options, 3).await;
    let (last, _send4, mut fourth) = upload(&options, 4).await;
    assert_eq!(earliest.close_code().await, Some(CloseCode::Replaced));
    // A place becomes free, and one that waits gets it: which of them asked first is the network's affair.
    served.connection.close(CloseCode::Goodbye, "");
    let reply: UploadReply = tokio::select! {
        reply = read(&mut third) => reply,
        reply = read(&mut fourth) => reply,
    };
    assert_eq!(reply, UploadReply::From { offset: 0 });
    assert_eq!(session.connection.end(), None);
    // With the session its streams end.
    session.connection.close(CloseCode::Goodbye, "");
    for stream in [next, last] {
        assert!(matches!(stream.closed().await, End::Closed { .. }));
    }
}
