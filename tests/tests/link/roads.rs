//! Which way a link goes when the network blocks one of them, and what it says of it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use veilsum_client::config::LinkTransport;
use veilsum_client::transport::{DownReason, Event, LinkOptions, Proxy};
use veilsum_coordinator::transport::Inbound;
use veilsum_link::Transport;
use veilsum_protocol::ids::{Digest, Round};

use crate::scene::{Bank, Scene, Server, over_both, soon, up};
use veilsum_tests::relay::{FAIR, Fate, PASS, Relay, Weather};

over_both! {
    an_upload_arrives_over_a_slow_and_bad_network,
}

fn by(weather: Weather, udp: Fate, tcp: Fate) -> Weather {
    Weather { udp, tcp, ..weather }
}

fn remembering(scene: &Scene, address: SocketAddr) -> (LinkOptions, PathBuf) {
    let path = scene.scratch.path().join("way.json");
    let mut options = scene.options(1, address);
    options.memory = Some(path.clone());
    (options, path)
}

async fn down(bank: &mut Bank) -> DownReason {
    match bank.next().await {
        Event::Down { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn quic_is_taken_where_it_gets_through_and_tcp_is_left_alone() {
    let scene = Scene::over(LinkTransport::Auto);
    let server = scene.listen();
    let relay = Relay::start(server.address, FAIR).await;
    let (options, memory) = remembering(&scene, relay.address);
    let way = up(&mut Bank::start(options)).await;
    assert_eq!(way.to_string(), "over QUIC");
    assert_eq!(relay.tcp_connections.load(Ordering::Relaxed), 0);
    assert!(!memory.exists());
}

#[tokio::test]
async fn a_network_that_drops_udp_ends_on_tcp_and_the_link_says_so_and_remembers_it() {
    let scene = Scene::over(LinkTransport::Auto);
    let server = scene.listen();
    let relay = Relay::start(server.address, by(FAIR, Fate::Vanish, PASS)).await;
    let (options, memory) = remembering(&scene, relay.address);
    let way = up(&mut Bank::start(options)).await;
    let said = way.to_string();
    let begin = format!("over TCP: UDP to {} got no answer in 0.", relay.address);
    assert!(said.starts_with(&begin), "{said}");
    let noted = fs::read_to_string(&memory).unwrap();
    assert!(noted.contains("got no answer"), "{noted}");

    // The next connection starts with TCP, although UDP passes now, and says why.
    let open = Relay::start(server.address, FAIR).await;
    let (options, _) = remembering(&scene, open.address);
    let said = up(&mut Bank::start(options)).await.to_string();
    assert!(
        said.contains("got no answer in 0.") && said.contains("QUIC goes first again"),
        "{said}"
    );

    // After a while QUIC goes first again.
    let old = two_hours_older(&noted);
    fs::write(&memory, old).unwrap();
    let (options, _) = remembering(&scene, open.address);
    assert_eq!(up(&mut Bank::start(options)).await.transport, Transport::Quic);
    assert!(!memory.exists());
}

/// The same note, two hours older.
fn two_hours_older(noted: &str) -> String {
    let (before, after) = noted.split_once("\"since\":").unwrap();
    let (since, rest) = after.split_once(',').unwrap();
    format!(
        "{before}\"since\":{},{rest}",
        since.parse::<u64>().unwrap() - 7200
    )
}

#[tokio::test]
async fn a_network_that_blocks_tcp_ends_on_quic_whatever_is_remembered() {
    let scene = Scene::over(LinkTransport::Auto);
    let server = scene.listen();
    for blocked in [Fate::Vanish, Fate::Refuse] {
        let relay = Relay::start(server.address, by(FAIR, PASS, blocked)).await;
        let (options, memory) = remembering(&scene, relay.address);
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let note = format!("{{\"since\":{},\"why\":\"UDP was blocked\"}}", now.as_secs());
        fs::write(&memory, note).unwrap();
        assert_eq!(up(&mut Bank::start(options)).await.transport, Transport::Quic);
        assert!(!memory.exists());
    }
}

#[tokio::test]
async fn a_network_that_blocks_both_is_told_for_both() {
    let scene = Scene::over(LinkTransport::Auto);
    let server = scene.listen();
    let relay = Relay::start(server.address, by(FAIR, Fate::Vanish, Fate::Refuse)).await;
    let mut options = scene.options(1, relay.address);
    options.limits.connect_s = 1;
    let said = down(&mut Bank::start(options)).await.to_string();
    for part in [
        "QUIC: no answer from",
        "over UDP for 1 s",
        "a firewall on the way drops UDP",
        "TCP: cannot reach",
        "Connection refused",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    let relay = Relay::start(server.address, by(FAIR, Fate::Vanish, Fate::Vanish)).await;
    let mut options = scene.options(1, relay.address);
    options.limits.connect_s = 1;
    let said = down(&mut Bank::start(options)).await.to_string();
    assert!(
        said.contains("drops UDP to it") && said.contains("drops TCP to it"),
        "{said}"
    );
}

fn content(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from(at * 31 % 251).unwrap())
        .collect()
}

/// Uploads, and checks what the coordinator has.
async fn upload(bank: &Bank, server: &mut Server, scene: &Scene, length: usize) {
    let path = scene.scratch.path().join("update");
    fs::write(&path, content(length)).unwrap();
    let length = u64::try_from(length).unwrap();
    server.gate.0.lock().unwrap().insert(Round(1), length);
    let expected = Digest::of(&fs::read(&path).unwrap());
    let engine = async {
        loop {
            if let Inbound::Uploaded(upload) = server.next().await {
                assert_eq!(upload.sha256, expected);
                upload.answer.send(Ok(())).unwrap();
                return;
            }
        }
    };
    let (stored, ()) = soon(async { tokio::join!(bank.link.upload(Round(1), &path, b"t"), engine) }).await;
    stored.unwrap();
}

#[tokio::test]
async fn an_upload_over_tcp_goes_on_after_a_cut() {
    let scene = Scene::over(LinkTransport::Tcp);
    let mut server = scene.listen();
    // Slow enough that the cut comes in its middle.
    let relay = Relay::start(
        server.address,
        Weather {
            rate: 500_000,
            ..FAIR
        },
    )
    .await;
    let bank = Bank::start(scene.options(1, relay.address));
    let length = 1_000_000;
    let mut upward = relay.tcp_upward.clone();
    let cut = async {
        soon(upward.wait_for(|bytes| *bytes > 600_000)).await.unwrap();
        relay.cut();
    };
    tokio::join!(upload(&bank, &mut server, &scene, length), cut);
    // All of it twice would be the whole length more than the cut came at.
    let sent = *relay.tcp_upward.borrow();
    assert!(sent < 1_450_000, "{sent} bytes for an upload of {length}");
}

/// 4 Mbit/s, a round trip of 200 ms, and 3 of 100 datagrams lost.
async fn an_upload_arrives_over_a_slow_and_bad_network(way: LinkTransport) {
    let scene = Scene::over(way);
    let mut server = scene.listen();
    let late = Fate::Pass {
        delay: Duration::from_millis(100),
    };
    let weather = Weather {
        udp: late,
        tcp: late,
        rate: 500_000,
        loss: 3,
    };
    let relay = Relay::start(server.address, weather).await;
    let bank = Bank::start(scene.options(1, relay.address));
    upload(&bank, &mut server, &scene, 300_000).await;
}

/// An HTTP proxy that wants this line, or refuses with a status.
async fn proxy(wants: Option<&'static str>, refuses: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bank = BufReader::new(stream);
                let (mut target, mut let_in) = (None, wants.is_none());
                loop {
                    let mut line = String::new();
                    bank.read_line(&mut line).await.unwrap();
                    let line = line.trim_end();
                    if let Some(rest) = line.strip_prefix("CONNECT ") {
                        target = rest.strip_suffix(" HTTP/1.1").map(str::to_owned);
                    }
                    let_in |= Some(line) == wants;
                    if line.is_empty() {
                        break;
                    }
                }
                let refused = refuses.or((!let_in).then_some("407 Proxy Authentication Required"));
                if let Some(status) = refused {
                    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                    bank.write_all(answer.as_bytes()).await.unwrap();
                    return;
                }
                let mut there = TcpStream::connect(target.unwrap()).await.unwrap();
                bank.write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
                    .await
                    .unwrap();
                let _ = copy_bidirectional(&mut bank, &mut there).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_proxy_carries_messages_and_uploads_with_and_without_credentials() {
    let scene = Scene::over(LinkTransport::Auto);
    let mut server = scene.listen();
    // RFC 7617, section 2.
    let line = "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    for (wants, user) in [(None, None), (Some(line), Some(("Aladdin", "open sesame")))] {
        let address = proxy(wants, None).await;
        let mut options = scene.options(1, server.address);
        options.proxy = Some(Proxy::new(address.to_string(), user));
        let mut bank = Bank::start(options);
        let said = up(&mut bank).await.to_string();
        assert_eq!(
            said,
            format!("over TCP: through the proxy {address} of link.proxy")
        );
        upload(&bank, &mut server, &scene, 300_000).await;
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_with_what_to_do() {
    let scene = Scene::over(LinkTransport::Auto);
    let server = scene.listen();
    let wants = Some("Proxy-Authorization: Basic c29tZTpib2R5");
    for (wants, refuses, user, part) in [
        (
            wants,
            None,
            None,
            "407 Proxy Authentication Required; it wants credentials: set link.proxy_user".to_owned(),
        ),
        (
            wants,
            None,
            Some(("some", "one")),
            "it refuses the credentials".to_owned(),
        ),
        (
            None,
            Some("403 Forbidden"),
            None,
            format!(
                "403 Forbidden; its administrator must allow CONNECT to {}",
                server.address
            ),
        ),
    ] {
        let address = proxy(wants, refuses).await;
        let mut options = scene.options(1, server.address);
        options.proxy = Some(Proxy::new(address.to_string(), user));
        let said = down(&mut Bank::start(options)).await.to_string();
        assert!(said.starts_with(&format!("the proxy {address}: ")), "{said}");
        assert!(said.contains(&part), "{said}");
    }
}
