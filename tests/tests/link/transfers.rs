//! Uploads that survive a cut, and blobs that are what they should be.

use std::fs;
use std::path::{Path, PathBuf};

use quinn::{Endpoint, RecvStream, SendStream};
use veilsum_client::transport::{Event, FetchError, UploadError, client_config};
use veilsum_coordinator::transport::{Inbound, Uploaded, server_config};
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::wire::frame::{HEADER, body_length, decode, encode_frame};
use veilsum_protocol::wire::stream::{
    ControlReply, Rejected, STREAM_FRAME_LIMIT, StreamOpen, TRAILER_LIMIT, UploadReply,
};

use crate::scene::{Bank, Scene, Server, bank, soon};

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

async fn read<T: serde::de::DeserializeOwned>(recv: &mut RecvStream) -> T {
    let mut header = [0; HEADER];
    soon(recv.read_exact(&mut header)).await.unwrap();
    let mut body = vec![0; body_length(header, STREAM_FRAME_LIMIT).unwrap()];
    soon(recv.read_exact(&mut body)).await.unwrap();
    decode(&body, STREAM_FRAME_LIMIT).unwrap()
}

async fn write<T: serde::Serialize>(send: &mut SendStream, message: &T) {
    soon(send.write_all(&encode_frame(message, STREAM_FRAME_LIMIT).unwrap()))
        .await
        .unwrap();
}

async fn up(bank: &mut Bank) {
    assert_eq!(bank.next().await, Event::Up);
}

#[tokio::test]
async fn an_upload_is_stored_when_the_engine_says_so() {
    let scene = Scene::new();
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

#[tokio::test]
async fn refusals_reach_the_bank_with_their_codes() {
    let scene = Scene::new();
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
#[tokio::test]
async fn the_coordinator_takes_up_an_upload_where_it_was_cut() {
    let scene = Scene::new();
    let mut server = scene.listen();
    let length = u64::try_from(LENGTH).unwrap();
    server.gate.0.lock().unwrap().insert(Round(1), length);
    let options = scene.options(1, server.address);
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = client_config(&options).unwrap();
    let connection = soon(
        endpoint
            .connect_with(config, server.address, "localhost")
            .unwrap(),
    )
    .await
    .unwrap();
    let (mut control, mut replies) = connection.open_bi().await.unwrap();
    write(&mut control, &StreamOpen::Control).await;
    let ControlReply::Admitted { bank: known } = read(&mut replies).await;
    assert_eq!(known, bank(1));
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
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
    send.finish().unwrap();
    // The coordinator ends the stream when it has stored what came and found it too short.
    assert!(
        soon(recv.read_to_end(STREAM_FRAME_LIMIT))
            .await
            .is_ok_and(|rest| rest.is_empty())
    );
    connection.close(0u32.into(), b"cut");
    endpoint.wait_idle().await;

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
    let scene = Scene::new();
    let config = server_config(&scene.identity(), &veilsum_coordinator::config::Limits::default()).unwrap();
    let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let path = file(&scene, "update", &content());
    let first = Bank::start(scene.options(1, endpoint.local_addr().unwrap()));
    let coordinator = async {
        let mut stored: Vec<u8> = Vec::new();
        for part in [300_000, 400_000, LENGTH] {
            let connection = soon(endpoint.accept()).await.unwrap().await.unwrap();
            let (mut control, mut opened) = soon(connection.accept_bi()).await.unwrap();
            assert_eq!(read::<StreamOpen>(&mut opened).await, StreamOpen::Control);
            write(&mut control, &ControlReply::Admitted { bank: bank(1) }).await;
            let (mut send, mut recv) = soon(connection.accept_bi()).await.unwrap();
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
            send.finish().unwrap();
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

#[tokio::test]
async fn a_blob_is_taken_only_under_its_own_hash_and_within_its_limit() {
    let scene = Scene::new();
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
