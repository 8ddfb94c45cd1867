//! Who is let in, and what the others are told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use veilsum_client::transport::{DownReason, Event, LinkOptions, client_config};
use veilsum_coordinator::transport::{Inbound, NotDelivered, SessionHandle};
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::wire::frame::encode_frame;
use veilsum_protocol::wire::stream::{ALPN, CloseCode, STREAM_FRAME_LIMIT, StreamOpen};

use crate::scene::{Bank, Scene, Server, bank, soon};

async fn connected(server: &mut Server) -> (BankIndex, SessionHandle<String>) {
    match server.next().await {
        Inbound::Connected { bank, session } => (bank, session),
        other => panic!("{other:?}"),
    }
}

async fn down(bank: &mut Bank) -> DownReason {
    match bank.next().await {
        Event::Down { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

/// A peer that does only what the test says.
async fn raw(config: ClientConfig, address: SocketAddr) -> (Endpoint, Result<Connection, ConnectionError>) {
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let connection = soon(endpoint.connect_with(config, address, "localhost").unwrap()).await;
    (endpoint, connection)
}

/// Why the coordinator closed a connection, wherever in the handshake it did.
async fn refusal(options: &LinkOptions, server: &Server) -> String {
    let (_endpoint, connection) = raw(client_config(options).unwrap(), server.address).await;
    match connection {
        Ok(connection) => soon(connection.closed()).await.to_string(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn messages_go_both_ways_and_each_bank_is_known_by_its_key() {
    let scene = Scene::new();
    let mut server = scene.listen();
    let mut second = Bank::start(scene.options(2, server.address));
    let (index, session) = connected(&mut server).await;
    assert_eq!(index, bank(2));
    assert_eq!(second.next().await, Event::Up);
    second.link.send("from the bank".to_owned()).await.unwrap();
    match server.next().await {
        Inbound::Message {
            bank: from,
            session: over,
            message,
        } => {
            assert_eq!(
                (from, over, message.as_str()),
                (bank(2), session.id, "from the bank")
            );
        }
        other => panic!("{other:?}"),
    }
    session.send("from the coordinator".to_owned()).unwrap();
    assert_eq!(
        second.next().await,
        Event::Message("from the coordinator".to_owned())
    );
    server.stop().await;
    assert!(matches!(down(&mut second).await, DownReason::Closed(text) if text.contains("stopping")));
}

#[tokio::test]
async fn a_link_comes_back_when_the_coordinator_does() {
    let scene = Scene::new();
    let mut server = scene.listen();
    let address = server.address;
    let mut first = Bank::start(scene.options(1, address));
    let (_, session) = connected(&mut server).await;
    assert_eq!(first.next().await, Event::Up);
    server.stop().await;
    down(&mut first).await;
    assert_eq!(session.send(String::new()), Err(NotDelivered::Ended));
    let mut server = scene.listen_on(address);
    connected(&mut server).await;
    loop {
        match first.next().await {
            Event::Up => break,
            Event::Down { .. } => {}
            Event::Message(text) => panic!("{text}"),
        }
    }
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older() {
    let scene = Scene::new();
    let mut server = scene.listen();
    let mut older = Bank::start(scene.options(1, server.address));
    let (_, first) = connected(&mut server).await;
    assert_eq!(older.next().await, Event::Up);
    let mut newer = Bank::start(scene.options(1, server.address));
    assert_eq!(down(&mut older).await, DownReason::Replaced);
    assert_eq!(newer.next().await, Event::Up);
    let mut ended = None;
    let mut began = None;
    while ended.is_none() || began.is_none() {
        match server.next().await {
            Inbound::Connected { session, .. } => began = Some(session.id),
            Inbound::Disconnected { session, .. } => ended = Some(session),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ended, Some(first.id));
    assert!(began > ended);
}

/// Nobody but a connection that opens its control stream is admitted, and one key holds one place at the door.
#[tokio::test]
async fn connections_that_open_no_control_stream_push_out_each_other_and_nobody_else() {
    let scene = Scene::new();
    let mut server = scene.listen();
    let mut good = Bank::start(scene.options(1, server.address));
    let (_, session) = connected(&mut server).await;
    assert_eq!(good.next().await, Event::Up);

    let config = client_config(&scene.options(1, server.address)).unwrap();
    let (_waiting, connection) = raw(config.clone(), server.address).await;
    let mut waiting = connection.unwrap();
    let mut endpoints = Vec::new();
    for _ in 0..8 {
        let (endpoint, connection) = raw(config.clone(), server.address).await;
        endpoints.push(endpoint);
        assert_eq!(close_code(&waiting).await, Some(CloseCode::Replaced));
        waiting = connection.unwrap();
    }
    let (mut send, _recv) = waiting.open_bi().await.unwrap();
    let taken = soon(send.write(&vec![0; 1 << 20])).await.unwrap();
    assert!(
        taken <= 4096,
        "the coordinator lets a stranger at the door pin {taken} bytes"
    );

    session.send("still here?".to_owned()).unwrap();
    assert_eq!(good.next().await, Event::Message("still here?".to_owned()));
}

#[tokio::test]
async fn a_key_that_is_not_in_the_roster_is_refused_with_the_reason() {
    let scene = Scene::new();
    let mut server = scene.listen();
    let stranger = scene.stranger(server.address, OffsetDateTime::now_utc(), 5);
    let mut link = Bank::start(stranger);
    let reason = down(&mut link).await;
    assert!(
        matches!(&reason, DownReason::NotInRoster(text) if text.contains("not in the roster of demo")),
        "{reason}"
    );
    assert!(server.events.try_recv().is_err());
}

#[tokio::test]
async fn a_coordinator_of_another_authority_is_refused() {
    let (ours, theirs) = (Scene::new(), Scene::new());
    let mut server = theirs.listen();
    let mut link = Bank::start(ours.options(1, server.address));
    let reason = down(&mut link).await;
    assert!(
        matches!(&reason, DownReason::WrongAuthority(text) if text.contains("invalid peer certificate")),
        "{reason}"
    );
    assert!(server.events.try_recv().is_err());
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_by_both_sides() {
    let (ours, theirs) = (Scene::new(), Scene::new());
    let mut server = ours.listen();
    let foreign = LinkOptions {
        ca_pem: ours.consortium.ca_pem.clone().into_bytes(),
        ..theirs.options(1, server.address)
    };
    let refused = refusal(&foreign, &server).await;
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    let reason = down(&mut Bank::start(foreign)).await;
    let part = "not this consortium's authority";
    assert!(
        matches!(&reason, DownReason::OwnCertificate(text) if text.contains(part)),
        "{reason}"
    );
    assert!(server.events.try_recv().is_err());
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_both_sides() {
    let scene = Scene::new();
    let mut server = scene.listen();
    let from = OffsetDateTime::now_utc() - time::Duration::days(20);
    let expired = scene.stranger(server.address, from, 10);
    let refused = refusal(&expired, &server).await.to_lowercase();
    assert!(refused.contains("expired"), "{refused}");
    let reason = down(&mut Bank::start(expired)).await;
    assert!(
        matches!(&reason, DownReason::OwnCertificate(text) if text.contains("expired on")),
        "{reason}"
    );
    assert!(server.events.try_recv().is_err());
}

#[tokio::test]
async fn a_peer_without_a_certificate_is_refused() {
    let scene = Scene::new();
    let mut server = scene.listen();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(scene.consortium.ca_pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut crypto = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    crypto.alpn_protocols = vec![ALPN.to_vec()];
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(crypto).unwrap()));
    let (_endpoint, connection) = raw(config, server.address).await;
    let error = match connection {
        Ok(connection) => soon(connection.closed()).await,
        Err(error) => error,
    };
    assert!(matches!(&error, ConnectionError::ConnectionClosed(_)), "{error}");
    assert!(server.events.try_recv().is_err());
}

#[tokio::test]
async fn a_coordinator_that_does_not_answer_is_told_from_a_name_that_does_not_resolve() {
    let scene = Scene::new();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut options = scene.options(1, silent.local_addr().unwrap());
    options.limits.connect_s = 1;
    let reason = down(&mut Bank::start(options)).await;
    assert!(
        matches!(reason, DownReason::NoAnswer { seconds: 1, .. }),
        "{reason}"
    );
    let mut options = scene.options(1, silent.local_addr().unwrap());
    options.address = "coordinator.invalid:7443".to_owned();
    let reason = down(&mut Bank::start(options)).await;
    assert!(matches!(reason, DownReason::CannotResolve { .. }), "{reason}");
}

#[tokio::test]
async fn the_roster_position_must_be_the_one_that_the_bank_pinned() {
    let scene = Scene::new();
    let server = scene.listen();
    let options = LinkOptions {
        bank: bank(2),
        ..scene.options(1, server.address)
    };
    let reason = down(&mut Bank::start(options)).await;
    assert_eq!(
        reason,
        DownReason::WrongPosition {
            found: bank(1),
            expected: bank(2)
        }
    );
}

async fn close_code(connection: &Connection) -> Option<CloseCode> {
    match soon(connection.closed()).await {
        ConnectionError::ApplicationClosed(close) => CloseCode::from_number(close.error_code.into_inner()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_oversize_or_malformed_frame_ends_its_connection_and_no_other() {
    let scene = Scene::new();
    let mut server = scene.listen();
    let mut good = Bank::start(scene.options(1, server.address));
    let (_, session) = connected(&mut server).await;
    assert_eq!(good.next().await, Event::Up);

    let control = encode_frame(&StreamOpen::Control, STREAM_FRAME_LIMIT).unwrap();
    let too_long = encode_frame(&StreamOpen::Control, STREAM_FRAME_LIMIT).unwrap();
    let oversize = [control.clone(), u32::MAX.to_be_bytes().to_vec()].concat();
    let not_text = [control.clone(), vec![0, 0, 0, 9], vec![0xff; 9]].concat();
    let no_control = encode_frame(
        &StreamOpen::Fetch {
            hash: veilsum_protocol::ids::Digest([0; 32]),
        },
        64,
    )
    .unwrap();
    let left_over = [vec![0, 0, 0, 5], too_long[4..].to_vec(), vec![0]].concat();
    for offence in [
        oversize,
        not_text,
        no_control,
        left_over,
        u32::MAX.to_be_bytes().to_vec(),
    ] {
        let (_endpoint, connection) = raw(
            client_config(&scene.options(2, server.address)).unwrap(),
            server.address,
        )
        .await;
        let connection = connection.unwrap();
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        send.write_all(&offence).await.unwrap();
        assert_eq!(
            close_code(&connection).await,
            Some(CloseCode::ProtocolViolation),
            "{offence:x?}"
        );
    }

    session.send("still here?".to_owned()).unwrap();
    assert_eq!(good.next().await, Event::Message("still here?".to_owned()));
    good.link.send("still here".to_owned()).await.unwrap();
    loop {
        match server.next().await {
            Inbound::Message {
                bank: from, message, ..
            } => {
                assert_eq!((from, message.as_str()), (bank(1), "still here"));
                break;
            }
            Inbound::Connected { bank: from, .. } | Inbound::Disconnected { bank: from, .. } => {
                assert_eq!(from, bank(2));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_silent_or_stalling_peer_is_dropped() {
    let mut scene = Scene::new();
    scene.limits().handshake_s = 1;
    scene.limits().stall_s = 1;
    let server = scene.listen();
    let config = client_config(&scene.options(1, server.address)).unwrap();
    let (_silent, connection) = raw(config.clone(), server.address).await;
    assert_eq!(close_code(&connection.unwrap()).await, Some(CloseCode::TooSlow));
    let (_stalling, connection) = raw(config, server.address).await;
    let connection = connection.unwrap();
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    let mut begun = encode_frame(&StreamOpen::Control, STREAM_FRAME_LIMIT).unwrap();
    begun.extend_from_slice(&[0, 0, 1]);
    send.write_all(&begun).await.unwrap();
    assert_eq!(close_code(&connection).await, Some(CloseCode::TooSlow));
}

#[tokio::test]
async fn a_bank_that_takes_no_messages_fills_its_own_queue_only() {
    let mut scene = Scene::new();
    scene.limits().outbound_messages = 2;
    scene.limits().send_window_bytes = 65_536;
    let mut server = scene.listen();
    let config = client_config(&scene.options(1, server.address)).unwrap();
    let (_endpoint, connection) = raw(config, server.address).await;
    let connection = connection.unwrap();
    let (mut send, _unread) = connection.open_bi().await.unwrap();
    send.write_all(&encode_frame(&StreamOpen::Control, STREAM_FRAME_LIMIT).unwrap())
        .await
        .unwrap();
    let (_, session) = connected(&mut server).await;
    let full = async {
        loop {
            match session.send("x".repeat(1 << 20)) {
                Ok(()) => tokio::task::yield_now().await,
                Err(refused) => return refused,
            }
        }
    };
    assert_eq!(soon(full).await, NotDelivered::Full);
    let ended = soon(async {
        loop {
            if let Inbound::Disconnected { bank, .. } = server.next().await {
                return bank;
            }
        }
    });
    connection.close(0u32.into(), b"");
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(60), ended)
            .await
            .unwrap(),
        bank(1)
    );
}
