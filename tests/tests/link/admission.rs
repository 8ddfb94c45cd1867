//! Who is let in, and what the others are told.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use veilsum_client::config::LinkTransport;
use veilsum_client::transport::{DownReason, Event, LinkOptions, Positions};
use veilsum_coordinator::transport::{Inbound, NotDelivered, SessionHandle};
use veilsum_link::{Connection, End};
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::wire::frame::encode_frame;
use veilsum_protocol::wire::stream::{ALPN, CloseCode, STREAM_FRAME_LIMIT, StreamOpen};

use crate::peer::{dial, dial_with, refusal};
use crate::scene::{Bank, Scene, Server, bank, over_both, soon, up};

over_both! {
    messages_go_both_ways_and_each_bank_is_known_by_its_key,
    a_link_comes_back_when_the_coordinator_does,
    a_newer_connection_replaces_the_older,
    connections_that_open_no_control_stream_push_out_each_other_and_nobody_else,
    a_key_that_is_not_in_the_roster_is_refused_with_the_reason,
    a_coordinator_of_another_authority_is_refused,
    a_certificate_of_another_authority_is_refused_by_both_sides,
    an_expired_certificate_is_refused_by_both_sides,
    a_peer_without_a_certificate_is_refused,
    a_coordinator_that_does_not_answer_is_told_from_a_name_that_does_not_resolve,
    the_roster_position_must_be_the_one_that_the_bank_pinned,
    an_oversize_or_malformed_frame_ends_its_connection_and_no_other,
    a_silent_or_stalling_peer_is_dropped,
    a_bank_that_takes_no_messages_fills_its_own_queue_only,
}

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

async fn messages_go_both_ways_and_each_bank_is_known_by_its_key(way: LinkTransport) {
    let scene = Scene::over(way);
    let mut server = scene.listen();
    let mut second = Bank::start(scene.options(2, server.address));
    let (index, session) = connected(&mut server).await;
    assert_eq!(index, bank(2));
    up(&mut second).await;
    second.link.send("from the bank".to_owned()).await.unwrap();
    match server.next().await {
        Inbound::Message {
            bank: from,
            session: over,
            message,
            ..
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

async fn a_link_comes_back_when_the_coordinator_does(way: LinkTransport) {
    let scene = Scene::over(way);
    let mut server = scene.listen();
    let address = server.address;
    let mut first = Bank::start(scene.options(1, address));
    let (_, session) = connected(&mut server).await;
    up(&mut first).await;
    server.stop().await;
    down(&mut first).await;
    assert_eq!(session.send(String::new()), Err(NotDelivered::Ended));
    let mut server = scene.listen_on(address);
    connected(&mut server).await;
    loop {
        match first.next().await {
            Event::Up(_) => break,
            Event::Down { .. } => {}
            Event::Message(text) => panic!("{text}"),
        }
    }
}

async fn a_newer_connection_replaces_the_older(way: LinkTransport) {
    let scene = Scene::over(way);
    let mut server = scene.listen();
    let mut older = Bank::start(scene.options(1, server.address));
    let (_, first) = connected(&mut server).await;
    up(&mut older).await;
    let mut newer = Bank::start(scene.options(1, server.address));
    assert_eq!(down(&mut older).await, DownReason::Replaced);
    up(&mut newer).await;
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
async fn connections_that_open_no_control_stream_push_out_each_other_and_nobody_else(way: LinkTransport) {
    let scene = Scene::over(way);
    let mut server = scene.listen();
    let mut good = Bank::start(scene.options(1, server.address));
    let (_, session) = connected(&mut server).await;
    up(&mut good).await;

    let options = scene.options(2, server.address);
    let mut waiting = dial(&options).await.unwrap();
    for _ in 0..8 {
        let next = dial(&options).await.unwrap();
        assert_eq!(waiting.close_code().await, Some(CloseCode::Replaced));
        waiting = next;
    }
    if way == LinkTransport::Quic {
        let Connection::Quic(quic) = &waiting.connection else {
            panic!()
        };
        let (mut send, _recv) = quic.open_bi().await.unwrap();
        let taken = soon(send.write(&vec![0; 1 << 20])).await.unwrap();
        assert!(
            taken <= 4096,
            "the coordinator lets a stranger at the door pin {taken} bytes"
        );
    }

    session.send("still here?".to_owned()).unwrap();
    assert_eq!(good.next().await, Event::Message("still here?".to_owned()));
}

async fn a_key_that_is_not_in_the_roster_is_refused_with_the_reason(way: LinkTransport) {
    let scene = Scene::over(way);
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

async fn a_coordinator_of_another_authority_is_refused(way: LinkTransport) {
    let (ours, theirs) = (Scene::over(way), Scene::over(way));
    let mut server = theirs.listen();
    let mut link = Bank::start(ours.options(1, server.address));
    let reason = down(&mut link).await;
    assert!(
        matches!(&reason, DownReason::WrongAuthority(text) if text.contains("invalid peer certificate")),
        "{reason}"
    );
    assert!(server.events.try_recv().is_err());
}

async fn a_certificate_of_another_authority_is_refused_by_both_sides(way: LinkTransport) {
    let (ours, theirs) = (Scene::over(way), Scene::over(way));
    let mut server = ours.listen();
    let foreign = LinkOptions {
        ca_pem: ours.consortium.ca_pem.clone().into_bytes(),
        ..theirs.options(1, server.address)
    };
    // decrypt_error (RFC 8446, section 6.2): an authority of the same name, whose key did not sign it.
    assert_eq!(refusal(&foreign).await, End::Alert(51));
    let reason = down(&mut Bank::start(foreign)).await;
    let part = "not this consortium's authority";
    assert!(
        matches!(&reason, DownReason::OwnCertificate(text) if text.contains(part)),
        "{reason}"
    );
    assert!(server.events.try_recv().is_err());
}

async fn an_expired_certificate_is_refused_by_both_sides(way: LinkTransport) {
    let scene = Scene::over(way);
    let mut server = scene.listen();
    let from = OffsetDateTime::now_utc() - time::Duration::days(20);
    let expired = scene.stranger(server.address, from, 10);
    // certificate_expired.
    assert_eq!(refusal(&expired).await, End::Alert(45));
    let reason = down(&mut Bank::start(expired)).await;
    assert!(
        matches!(&reason, DownReason::OwnCertificate(text) if text.contains("expired on")),
        "{reason}"
    );
    assert!(server.events.try_recv().is_err());
}

async fn a_peer_without_a_certificate_is_refused(way: LinkTransport) {
    let scene = Scene::over(way);
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
    let end = match dial_with(&scene.options(1, server.address), crypto).await {
        Ok(peer) => peer.closed().await,
        Err(end) => end,
    };
    // certificate_required.
    assert_eq!(end, End::Alert(116));
    assert!(server.events.try_recv().is_err());
}

async fn a_coordinator_that_does_not_answer_is_told_from_a_name_that_does_not_resolve(way: LinkTransport) {
    let scene = Scene::over(way);
    // Both take what comes and say nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let _silent = std::net::UdpSocket::bind(silent.local_addr().unwrap()).unwrap();
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

async fn the_roster_position_must_be_the_one_that_the_bank_pinned(way: LinkTransport) {
    let scene = Scene::over(way);
    let server = scene.listen();
    let options = LinkOptions {
        positions: Positions::of([bank(2)]),
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

async fn an_oversize_or_malformed_frame_ends_its_connection_and_no_other(way: LinkTransport) {
    let scene = Scene::over(way);
    let mut server = scene.listen();
    let mut good = Bank::start(scene.options(1, server.address));
    let (_, session) = connected(&mut server).await;
    up(&mut good).await;

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
        let mut peer = dial(&scene.options(2, server.address)).await.unwrap();
        let (mut send, _recv) = peer.stream().await;
        send.write_all(&offence).await.unwrap();
        assert_eq!(
            peer.close_code().await,
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

async fn a_silent_or_stalling_peer_is_dropped(way: LinkTransport) {
    let mut scene = Scene::over(way);
    scene.limits().handshake_s = 1;
    scene.limits().stall_s = 1;
    let server = scene.listen();
    let options = scene.options(1, server.address);
    let silent = dial(&options).await.unwrap();
    assert_eq!(silent.close_code().await, Some(CloseCode::TooSlow));
    let mut stalling = dial(&options).await.unwrap();
    let (mut send, _recv) = stalling.stream().await;
    let mut begun = encode_frame(&StreamOpen::Control, STREAM_FRAME_LIMIT).unwrap();
    begun.extend_from_slice(&[0, 0, 1]);
    send.write_all(&begun).await.unwrap();
    assert_eq!(stalling.close_code().await, Some(CloseCode::TooSlow));
}

async fn a_bank_that_takes_no_messages_fills_its_own_queue_only(way: LinkTransport) {
    let mut scene = Scene::over(way);
    scene.limits().outbound_messages = 2;
    scene.limits().send_window_bytes = 65_536;
    let mut server = scene.listen();
    let mut peer = dial(&scene.options(1, server.address)).await.unwrap();
    let (mut send, _unread) = peer.stream().await;
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
    peer.connection.close(CloseCode::Goodbye, "");
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(60), ended)
            .await
            .unwrap(),
        bank(1)
    );
}
