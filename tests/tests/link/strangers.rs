//! Those who ask to be enrolled and are strangers: what they can take of the door is bounded, and none of it is a bank's.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use veilsum_client::config::LinkTransport;
use veilsum_protocol::enrolment::{ASK_LIMIT, ENROL_ALPN, GREETING_LIMIT, Greeting};
use veilsum_protocol::wire::frame::{HEADER, body_length, decode};

use crate::scene::{Bank, Scene, Server, soon, up};

/// Questions of one address that are dealt with at once, and of all.
const EACH: usize = 4;
const ALL: usize = 16;
/// Questions of one address in quick succession.
const IN_HAND: usize = 8;

/// Somebody at the door, greeted and silent; `None` where the coordinator hung up before the handshake.
async fn stranger(scene: &Scene, server: &Server, from: &str) -> Option<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(scene.consortium.ca_pem.as_bytes()).unwrap())
        .unwrap();
    let mut tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ENROL_ALPN.to_vec()];
    let socket = TcpSocket::new_v4().unwrap();
    let from: IpAddr = from.parse().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    let stream = soon(socket.connect(server.address)).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = soon(TlsConnector::from(Arc::new(tls)).connect(name, stream))
        .await
        .ok()?;
    let mut header = [0; HEADER];
    soon(stream.read_exact(&mut header)).await.ok()?;
    let mut body = vec![0; body_length(header, GREETING_LIMIT).unwrap()];
    soon(stream.read_exact(&mut body)).await.ok()?;
    let _: Greeting = decode(&body, GREETING_LIMIT).unwrap();
    Some(stream)
}

/// Waits until the coordinator has hung up; what it said before.
async fn hung_up(mut stream: TlsStream<TcpStream>) -> usize {
    let mut said = Vec::new();
    let _ = soon(stream.read_to_end(&mut said)).await;
    said.len()
}

#[tokio::test]
async fn one_address_has_four_places_and_all_have_sixteen_and_banks_have_their_own() {
    let scene = Scene::over(LinkTransport::Tcp);
    let server = scene.listen();
    let mut held = Vec::new();
    for number in 0..EACH {
        let one = stranger(&scene, &server, "127.0.0.2").await;
        held.push(one.unwrap_or_else(|| panic!("place {number} was refused")));
    }
    assert!(
        stranger(&scene, &server, "127.0.0.2").await.is_none(),
        "a fifth of one address was heard"
    );
    // Others are heard all the same, until all places are taken.
    for address in ["127.0.0.3", "127.0.0.4", "127.0.0.5"] {
        for _ in 0..EACH {
            held.push(stranger(&scene, &server, address).await.unwrap());
        }
    }
    assert_eq!(held.len(), ALL);
    assert!(
        stranger(&scene, &server, "127.0.0.6").await.is_none(),
        "one more than all was heard"
    );
    // A bank is admitted while every place of strangers is taken.
    up(&mut Bank::start(scene.options(1, server.address))).await;
    // Who leaves makes room, for itself and for others.
    drop(held.split_off(EACH));
    let until = tokio::time::Instant::now() + veilsum_tests::peer::PATIENCE;
    while stranger(&scene, &server, "127.0.0.6").await.is_none() {
        assert!(tokio::time::Instant::now() < until, "no place became free");
    }
}

#[tokio::test]
async fn who_comes_again_and_again_is_not_heard_and_holds_up_nobody() {
    let scene = Scene::over(LinkTransport::Tcp);
    let server = scene.listen();
    // Without a pause: eight in hand, and one more each half second.
    let mut heard = 0;
    let began = tokio::time::Instant::now();
    for _ in 0..3 * IN_HAND {
        heard += usize::from(stranger(&scene, &server, "127.0.0.2").await.is_some());
    }
    let grown = usize::try_from(began.elapsed().as_millis() / 500).unwrap() + 1;
    assert!(
        heard <= IN_HAND + grown,
        "{heard} were heard, expected at most {IN_HAND} and {grown}"
    );
    assert!(heard < 3 * IN_HAND, "nobody was refused");
    assert!(stranger(&scene, &server, "127.0.0.3").await.is_some());
}

#[tokio::test]
async fn a_question_that_is_too_long_or_none_ends_its_connection_without_an_answer() {
    let scene = Scene::over(LinkTransport::Tcp);
    let server = scene.listen();
    let length = u32::try_from(ASK_LIMIT + 1).unwrap();
    for said in [
        length.to_be_bytes().to_vec(),
        u32::MAX.to_be_bytes().to_vec(),
        vec![0, 0, 0, 4, 9, 9, 9, 9],
    ] {
        let mut stream = stranger(&scene, &server, "127.0.0.2").await.unwrap();
        stream.write_all(&said).await.unwrap();
        assert_eq!(hung_up(stream).await, 0, "{said:?} was answered");
    }
    // And the door is open as before.
    assert!(stranger(&scene, &server, "127.0.0.2").await.is_some());
}

#[tokio::test]
async fn who_says_nothing_loses_its_place_by_itself() {
    let scene = Scene::over(LinkTransport::Tcp);
    let server = scene.listen();
    let silent = stranger(&scene, &server, "127.0.0.2").await.unwrap();
    assert_eq!(hung_up(silent).await, 0);
}
