//! Uploads that survive a cut, and blobs that are what they should be.

use std::fs;
use std::path::{Path, PathBuf};

use quinn::{Endpoint, RecvStream, SendStream};
use veilsum_client::config::LinkTransport;
use veilsum_client::transport::{FetchError, UploadError};
use veilsum_coordinator::transport::{Inbound, Uploaded, server_config};
use veilsum_link::{RecvHalf, SendHalf};
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::wire::frame::HEADER;
use veilsum_protocol::wire::stream::{
    CloseCode, ControlReply, Rejected, StreamOpen, TRAILER_LIMIT, UploadReply,
};

use crate::peer::{dial, read, write};
use crate::scene::{Bank, Scene, Server, bank, over_both, soon, up};

over_both! {
    an_upload_is_stored_when_the_engine_says_so,
    refusals_reach_the_bank_with_their_codes,
    the_coordinator_takes_up_an_upload_where_it_was_cut,
    a_blob_is_taken_only_under_its_own_hash_and_within_its_limit,
}

fn halves((send, recv): (SendStream, RecvStream)) -> (SendHalf, RecvHalf) {
    (send.into(), recv.into())
}

const LENGTH: usize = 1_000_003;

fn content() -> Vec<u8> {
    (0..LENGTH)
        .map(|at| u8::try_from(at * 31 % 251).unwrap())
        .collect()
}

fn file(scene: &Scene, name: &str, content: &[u8]) -> PathBuf {
    let path = scene.scratch.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

async fn uploaded(server: &mut Server) -> Uploaded {
    loop {
        if let Inbound::Uploaded(uploaded) = server.next().await {
            return uploaded;
        }
    }
}

async fn an_upload_is_stored_when_the_engine_says_so(way: LinkTransport) {
    let scene = Scene::over(way);
    let mut server = scene.listen();
    server
        .gate
        .0
        .lock()
        .unwrap()
        .insert(Round(4), u64::try_from(LENGTH).unwrap());
    let path = file(&scene, "update", &content());
    let mut third = Bank::start(scene.options(3, server.address));
    up(&mut third).await;
    let trailer = vec![9; TRAILER_LIMIT];
    let engine = async {
        let upload = uploaded(&mut server).await;
        assert_eq!(
            (upload.bank, upload.round, &upload.trailer),
            (bank(3), Round(4), &trailer)
        );
        assert_eq!(upload.length, u64::try_from(LENGTH).unwrap());
        assert_eq!(upload.sha256, Digest::of(&content()));
        assert_eq!(fs::read(&upload.path).unwrap(), content());
        upload.answer.send(Ok(())).unwrap();
    };
    let (stored, ()) =
        soon(async { tokio::join!(third.link.upload(Round(4), &path, &trailer), engine) }).await;
    stored.unwrap();
    // The answer may be lost: the same again costs no bytes and gets the same question.
    let engine = async { uploaded(&mut server).await.answer.send(Ok(())).unwrap() };
    let (again, ()) =
        soon(async { tokio::join!(third.link.upload(Round(4), &path, &trailer), engine) }).await;
    again.unwrap();
}

async fn refusals_reach_the_bank_with_their_codes(way: LinkTransport) {
    let scene = Scene::over(way);
    let mut server = scene.listen();
    let length = u64::try_from(LENGTH).unwrap();
    server
        .gate
        .0
        .lock()
        .unwrap()
        .extend([(Round(1), length), (Round(2), length + 1)]);
    let path = file(&scene, "update", &content());
    let mut first = Bank::start(scene.options(1, server.address));
    up(&mut first).await;
    let code = |done: Result<(), UploadError>| match done.unwrap_err() {
        UploadError::Rejected(rejected) => rejected.code,
        other => panic!("{other}"),
    };
    assert_eq!(
        code(soon(first.link.upload(Round(2), &path, b"")).await),
        Rejected::WRONG_LENGTH
    );
    assert_eq!(code(soon(first.link.upload(Round(3), &path, b"")).await), 100);
    let long = soon(first.link.upload(Round(1), &path, &[0; TRAILER_LIMIT + 1])).await;
    assert!(matches!(long, Err(UploadError::Trailer { found: 1025 })));
    let engine = async {
        let upload = uploaded(&mut server).await;
        let path = upload.path.clone();
        upload
            .answer
            .send(Err(Rejected::new(204, "another signature")))
            .unwrap();
        path
    };
    let (refused, stored) =
        soon(async { tokio::join!(first.link.upload(Round(1), &path, b"t"), engine) }).await;
    assert_eq!(code(refused), 204);
    assert!(!stored.exists());
    // An engine that goes away without an answer is no verdict.
    let engine = async { drop(uploaded(&mut server).await) };
    let (later, ()) = soon(async { tokio::join!(first.link.upload(Round(1), &path, b"t"), engine) }).await;
    assert_eq!(code(later), Rejected::TRY_AGAIN);
}

/// The first part comes over a connection that is cut. The link then sends a file whose first part differs, so the whole has the
/// right hash only if the coordinator took up where it was.
async fn the_coordinator_takes_up_an_upload_where_it_was_cut(way: LinkTransport) {
    let scene = Scene::over(way);
    let mut server = scene.listen();
    let length = u64::try_from(LENGTH).unwrap();
    server.gate.0.lock().unwrap().insert(Round(1), length);
    let options = scene.options(1, server.address);
    let mut peer = dial(&options).await.unwrap();
    let (mut control, mut replies) = peer.stream().await;
    write(&mut control, &StreamOpen::Control).await;
    let ControlReply::Admitted { bank: known, .. } = read(&mut replies).await;
    assert_eq!(known, bank(1));
    let mut beside = match way {
        LinkTransport::Tcp => Some(dial(&options).await.unwrap()),
        _ => None,
    };
    let (mut send, mut recv) = beside.as_mut().unwrap_or(&mut peer).stream().await;
    write(
        &mut send,
        &StreamOpen::Upload {
            round: Round(1),
            length,
        },
    )
    .await;
    assert_eq!(
        read::<UploadReply>(&mut recv).await,
        UploadReply::From { offset: 0 }
    );
    let half = 600_000;
    soon(send.write_all(&content()[..half])).await.unwrap();
    send.finish().await.unwrap();
    // The coordinator ends the stream when it has stored what came and found it too short.
    assert!(!matches!(soon(recv.read_chunk(1)).await, Ok(Some(_))));
    peer.connection.close(CloseCode::Goodbye, "cut");

    let mut other_start = content();
    other_start[..half].fill(0);
    let path = file(&scene, "update", &other_start);
    let first = Bank::start(options);
    let engine = async {
        let upload = uploaded(&mut server).await;
        assert_eq!(upload.sha256, Digest::of(&content()));
        upload.answer.send(Ok(())).unwrap();
    };
    let (stored, ()) = soon(async { tokio::join!(first.link.upload(Round(1), &path, b""), engine) }).await;
    stored.unwrap();
}

/// A coordinator that dies in the middle, and comes back with what it had.
#[tokio::test]
async fn the_bank_goes_on_with_an_upload_after_a_cut() {
    let scene = Scene::over(LinkTransport::Quic);
    let config = server_config(&scene.identity(), &veilsum_coordinator::config::Limits::default()).unwrap();
    let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let path = file(&scene, "update", &content());
    let first = Bank::start(scene.options(1, endpoint.local_addr().unwrap()));
    let coordinator = async {
        let mut stored: Vec<u8> = Vec::new();
        for part in [300_000, 400_000, LENGTH] {
            let connection = soon(endpoint.accept()).await.unwrap().await.unwrap();
            let (mut control, mut opened) = halves(soon(connection.accept_bi()).await.unwrap());
            assert_eq!(read::<StreamOpen>(&mut opened).await, StreamOpen::Control);
            write(
                &mut control,
                &ControlReply::Admitted {
                    bank: bank(1),
                    streams: 4,
                },
            )
            .await;
            let (mut send, mut recv) = halves(soon(connection.accept_bi()).await.unwrap());
            let open = StreamOpen::Upload {
                round: Round(8),
                length: u64::try_from(LENGTH).unwrap(),
            };
            assert_eq!(read::<StreamOpen>(&mut recv).await, open);
            write(
                &mut send,
                &UploadReply::From {
                    offset: u64::try_from(stored.len()).unwrap(),
                },
            )
            .await;
            let mut bytes = vec![0; part.min(LENGTH - stored.len())];
            soon(recv.read_exact(&mut bytes)).await.unwrap();
            stored.extend_from_slice(&bytes);
            if stored.len() < LENGTH {
                connection.close(0u32.into(), b"cut");
                continue;
            }
            let mut trailer = vec![0; HEADER + 7];
            soon(recv.read_exact(&mut trailer)).await.unwrap();
            assert_eq!(&trailer[HEADER..], b"trailer");
            write(&mut send, &UploadReply::Stored).await;
            send.finish().await.unwrap();
            soon(send.stopped()).await.unwrap();
        }
        stored
    };
    let (done, stored) =
        soon(async { tokio::join!(first.link.upload(Round(8), &path, b"trailer"), coordinator) }).await;
    done.unwrap();
    assert_eq!(Digest::of(&stored), Digest::of(&content()));
}

fn shelve(server: &Server, hash: Digest, path: &Path) {
    server.blobs.0.lock().unwrap().insert(hash, path.to_owned());
}

async fn a_blob_is_taken_only_under_its_own_hash_and_within_its_limit(way: LinkTransport) {
    let scene = Scene::over(way);
    let server = scene.listen();
    let mut first = Bank::start(scene.options(1, server.address));
    up(&mut first).await;
    let hash = Digest::of(&content());
    let right = file(&scene, "right", &content());
    let mut flipped = content();
    flipped[LENGTH / 2] ^= 1;
    let wrong = file(&scene, "wrong", &flipped);

    assert_eq!(
        soon(first.link.fetch(hash, LENGTH)).await,
        Err(FetchError::NoSuchBlob(hash))
    );
    shelve(&server, hash, &wrong);
    let found = Digest::of(&flipped);
    assert_eq!(
        soon(first.link.fetch(hash, LENGTH)).await,
        Err(FetchError::WrongHash {
            found,
            expected: hash
        })
    );
    shelve(&server, hash, &right);
    assert_eq!(soon(first.link.fetch(hash, LENGTH)).await.unwrap(), content());
    let limit = LENGTH - 1;
    let length = u64::try_from(LENGTH).unwrap();
    assert_eq!(
        soon(first.link.fetch(hash, limit)).await,
        Err(FetchError::TooLarge { hash, length, limit })
    );
    let empty = file(&scene, "empty", b"");
    shelve(&server, Digest::of(b""), &empty);
    assert_eq!(soon(first.link.fetch(Digest::of(b""), 0)).await.unwrap(), b"");
}
