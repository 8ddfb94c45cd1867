//! Every cause on the way to the coordinator, brought about with real sockets.

use std::net::SocketAddr;

use rcgen::KeyPair;
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use veilsum_client::config::LinkTransport;
use veilsum_protocol::ids::Digest;
use veilsum_tests::relay::{FAIR, Fate, PASS, Relay, Weather};

use crate::bank::{client, folder, preflight, preflight_to, set, told};
use crate::clocks::authority;
use crate::scene::Scene;

fn scene() -> Scene {
    Scene::over(LinkTransport::Auto)
}

fn weather(udp: Fate, tcp: Fate) -> Weather {
    Weather { udp, tcp, ..FAIR }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_is_open_is_in_order_and_the_bank_is_admitted() {
    let scene = scene();
    let server = scene.listen();
    // Issued five days and an hour ago for 30.
    let (authority, _) = authority(&scene.scratch.path().join("coordinator"));
    let bank = scene.scratch.path().join("bank-1");
    let key =
        KeyPair::from_pem(&std::fs::read_to_string(bank.join("identity/tls.key.pem")).unwrap()).unwrap();
    let then = OffsetDateTime::now_utc() - Duration::hours(121);
    let pem = authority.issue_bank("bank-1", &key, 30, then).unwrap();
    std::fs::write(bank.join("bank.crt.pem"), pem).unwrap();
    let told = preflight_to(&scene, server.address).await;
    let port = server.address.port().to_string();
    for (what, part) in [
        ("dns", "127.0.0.1 is 127.0.0.1"),
        ("tcp", "takes connections"),
        (
            "tls",
            "proves to be 127.0.0.1 of the consortium's authority (SHA-256 ",
        ),
        ("clock", " s from the coordinator's"),
        ("udp", "gets an answer"),
        ("connection", "admits this bank at position 1"),
    ] {
        told.finds(what, "ok", "", &[part]);
    }
    told.finds(
        "identity",
        "warning",
        "certificate-expires",
        &[
            "position 1 in the roster",
            "for 24 more days",
            "`veilsum-client renew` does it now",
        ],
    );
    told.ends(0);
    // What firewalls must let out, for the machine and for people.
    assert!(
        told.stdout
            .contains("\"protocol\":\"UDP\",\"host\":\"127.0.0.1\""),
        "{}",
        told.stdout
    );
    let dir = scene.scratch.path().join("bank-1");
    let text = crate::bank::told(client(&["preflight", "--dir", dir.to_str().unwrap()])).await;
    assert!(text.stdout.contains("For the firewall team"), "{}", text.stdout);
    assert!(
        text.stdout
            .contains(&format!("outgoing   UDP       127.0.0.1  {port}")),
        "{}",
        text.stdout
    );
    // A line for what is looked at, with the longest time it takes.
    for line in [
        "looking at dns: 127.0.0.1, at most 2 s",
        "looking at udp: QUIC to ",
        "looking at data: ",
    ] {
        assert!(text.stderr.contains(line), "{line}: {}", text.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn udp_that_is_blocked_while_tcp_works_is_named_and_the_daemon_uses_tcp() {
    let scene = scene();
    let server = scene.listen();
    let relay = Relay::start(server.address, weather(Fate::Vanish, PASS)).await;
    let told = preflight_to(&scene, relay.address).await;
    let port = relay.address.port();
    let blocked =
        format!("UDP port {port} to 127.0.0.1 is blocked: QUIC got no answer in 2 s; TLS over TCP answers");
    let ask = format!("ask your firewall team for outgoing UDP to 127.0.0.1 port {port}");
    told.finds(
        "udp",
        "warning",
        "udp-blocked",
        &[&blocked, "the daemon uses TCP", &ask],
    );
    told.finds("connection", "ok", "", &["over TCP"]).ends(0);
    // Where nothing but QUIC is allowed, it is in the way.
    let dir = folder(&scene, &relay.address.to_string());
    set(&dir, "transport = \"auto\"", "transport = \"quic\"");
    let told = preflight(&dir).await;
    told.finds("udp", "failed", "udp-blocked", &["set link.transport = \"auto\""])
        .ends(1);
    assert_eq!(told.finding("connection").0, "not-looked-at");
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_that_is_blocked_or_refused_while_udp_works_is_named_and_the_daemon_uses_quic() {
    let scene = scene();
    let server = scene.listen();
    let relay = Relay::start(server.address, weather(PASS, Fate::Refuse)).await;
    let told = preflight_to(&scene, relay.address).await;
    told.finds(
        "tcp",
        "warning",
        "tcp-refused",
        &["is refused (127.0.0.1:", "the daemon uses QUIC"],
    );
    told.finds("udp", "ok", "", &[])
        .finds("connection", "ok", "", &["over QUIC"])
        .ends(0);
    // The handshake of TCP comes to pass, and nothing after it.
    let relay = Relay::start(server.address, weather(PASS, Fate::Vanish)).await;
    let told = preflight_to(&scene, relay.address).await;
    told.finds(
        "tls",
        "warning",
        "silent",
        &[
            "takes the connection and says nothing for 2 s",
            "QUIC gets there",
            "load balancer",
        ],
    );
    told.finds("connection", "ok", "", &["over QUIC"]).ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_told_for_both_ways() {
    let scene = scene();
    let free = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let told = preflight_to(&scene, free).await;
    told.finds(
        "tcp",
        "failed",
        "tcp-refused",
        &["nobody listens there, or a firewall refuses in its place"],
    );
    told.finds(
        "udp",
        "failed",
        "udp-refused",
        &["says that nobody listens", "ask your firewall team"],
    );
    told.ends(1);
    // An address that is nobody's (RFC 5737): it depends on the network what becomes of it.
    let told = preflight_to(&scene, "192.0.2.1:7443".parse().unwrap()).await;
    let (verdict, cause, words) = told.finding("tcp");
    assert_eq!(verdict, "failed");
    assert!(
        ["no-route", "tcp-blocked", "tcp-refused"].contains(&cause.as_str()),
        "{cause}: {words}"
    );
    assert!(words.contains("192.0.2.1:7443"), "{words}");
    told.ends(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_resolve_is_named() {
    let scene = scene();
    // RFC 6761: no resolver has it.
    let told = preflight(&folder(&scene, "coordinator.invalid:7443")).await;
    told.finds(
        "dns",
        "failed",
        "dns",
        &[
            "coordinator.invalid does not resolve",
            "check the name in consortium.toml",
            "/etc/resolv.conf",
        ],
    );
    assert_eq!(told.finding("tcp").0, "not-looked-at");
    assert_eq!(told.finding("connection").0, "not-looked-at");
    told.ends(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_authority_is_named_with_both_fingerprints_and_the_usual_cause() {
    let (scene, other) = (scene(), scene());
    let server = other.listen();
    let told = preflight_to(&scene, server.address).await;
    let sha256 = |scene: &Scene| {
        use rustls_pki_types::pem::PemObject as _;
        let der =
            rustls_pki_types::CertificateDer::from_pem_slice(scene.consortium.ca_pem.as_bytes()).unwrap();
        Digest::of(&der).to_hex()
    };
    told.finds(
        "tls",
        "failed",
        "wrong-authority",
        &[
            "is not the coordinator: it shows a certificate of ",
            "issued by \"CN=",
            &format!("authority of SHA-256 {}", sha256(&other)),
            &format!("expected {}", sha256(&scene)),
            "an intercepting proxy or firewall that opens TLS is the usual cause",
        ],
    );
    assert_eq!(told.finding("clock").0, "not-looked-at");
    told.ends(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_no_tls_never_answers_or_hangs_up_is_told_apart() {
    let scene = scene();
    // An HTTP server.
    let (address, _serving) = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let mut scrap = [0; 1024];
        while stream.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    })
    .await;
    preflight_to(&scene, address)
        .await
        .finds(
            "tls",
            "failed",
            "not-tls",
            &["does not speak TLS 1.3", "another service has this port"],
        )
        .ends(1);
    let (address, _serving) = serve(|mut stream| async move {
        let mut scrap = [0; 1024];
        while stream.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    })
    .await;
    preflight_to(&scene, address)
        .await
        .finds("tls", "failed", "silent", &["says nothing for 2 s"])
        .ends(1);
    let (address, _serving) = serve(|mut stream| async move {
        let mut scrap = [0; 1024];
        let _ = stream.read(&mut scrap).await;
    })
    .await;
    preflight_to(&scene, address)
        .await
        .finds("tls", "failed", "hung-up", &["hung up before it said anything"])
        .ends(1);
}

/// A server whose connections go one way.
async fn serve<F>(each: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, tokio::task::JoinHandle<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(each(stream));
        }
    });
    (address, serving)
}

/// A proxy that answers with a status, or opens the tunnel.
async fn proxy(status: Option<&'static str>) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    serve(move |stream| async move {
        let mut bank = BufReader::new(stream);
        let mut target = None;
        loop {
            let mut line = String::new();
            bank.read_line(&mut line).await.unwrap();
            if let Some(rest) = line.strip_prefix("CONNECT ") {
                target = rest.split(' ').next().map(str::to_owned);
            }
            if line.trim_end().is_empty() {
                break;
            }
        }
        if let Some(status) = status {
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            bank.write_all(answer.as_bytes()).await.unwrap();
            return;
        }
        let mut there = TcpStream::connect(target.unwrap()).await.unwrap();
        bank.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let _ = copy_bidirectional(&mut bank, &mut there).await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_used_and_what_it_does_wrong_is_named() {
    let scene = scene();
    let server = scene.listen();
    let dir = folder(&scene, &server.address.to_string());
    let through = |address: &str| {
        let path = dir.join("bank.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let changed: Vec<String> = text
            .lines()
            .map(|line| match line.starts_with("proxy = ") {
                true => format!("proxy = \"http://{address}\""),
                false => line.to_owned(),
            })
            .collect();
        std::fs::write(&path, changed.join("\n")).unwrap();
    };
    let (open, _serving) = proxy(None).await;
    through(&open.to_string());
    let told = preflight(&dir).await;
    told.finds("proxy", "ok", "", &["opens a tunnel to 127.0.0.1:"]);
    told.finds("tls", "ok", "", &[])
        .finds("connection", "ok", "", &["through the proxy"])
        .ends(0);
    assert_eq!(told.finding("udp").0, "not-looked-at");
    assert!(
        told.stdout
            .contains("\"direction\":\"at the proxy\",\"protocol\":\"CONNECT\""),
        "{}",
        told.stdout
    );
    for (status, cause, part, code) in [
        (
            "403 Forbidden",
            "proxy-refuses",
            "403 Forbidden; its administrator must allow CONNECT to 127.0.0.1:",
            1,
        ),
        (
            "407 Proxy Authentication Required",
            "proxy-wants-password",
            "407 Proxy Authentication Required; it wants credentials: set link.proxy_user",
            2,
        ),
        (
            "503 Service Unavailable",
            "proxy-cannot-reach",
            "503 Service Unavailable; it cannot reach 127.0.0.1:",
            1,
        ),
    ] {
        let (refusing, _serving) = proxy(Some(status)).await;
        through(&refusing.to_string());
        preflight(&dir)
            .await
            .finds("proxy", "failed", cause, &[part])
            .ends(code);
    }
    set(&dir, "proxy_user = \"\"", "proxy_user = \"bank\"");
    let (refusing, _serving) = proxy(Some("407 No")).await;
    through(&refusing.to_string());
    preflight(&dir)
        .await
        .finds(
            "proxy",
            "failed",
            "proxy-refuses-password",
            &["it refuses the credentials"],
        )
        .ends(2);
    let (silent, _serving) = serve(|mut stream| async move {
        let mut scrap = [0; 1024];
        while stream.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    })
    .await;
    through(&silent.to_string());
    preflight(&dir)
        .await
        .finds(
            "proxy",
            "failed",
            "proxy-silent",
            &["says nothing to CONNECT", "in 2 s"],
        )
        .ends(1);
    through("proxy.invalid:3128");
    preflight(&dir)
        .await
        .finds(
            "proxy",
            "failed",
            "proxy-dns",
            &["proxy.invalid:3128 does not resolve"],
        )
        .ends(2);
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    through(&free.to_string());
    preflight(&dir)
        .await
        .finds(
            "proxy",
            "failed",
            "proxy-unreachable",
            &["cannot be reached: refused"],
        )
        .ends(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_enrolment_the_way_alone_is_looked_at() {
    let scene = scene();
    let server = scene.listen();
    let address = server.address.to_string();
    let told = told(client(&["preflight", "--json", "--coordinator", &address])).await;
    told.finds(
        "tls",
        "ok",
        "",
        &[
            "is a coordinator, of the authority with SHA-256 ",
            "nothing is pinned yet",
        ],
    );
    told.finds("udp", "ok", "", &[])
        .finds("clock", "ok", "", &[])
        .ends(0);
    assert!(!told.stdout.contains("\"what\":\"data\""), "{}", told.stdout);
    // Enrolment goes by TCP: without it UDP is no help.
    let relay = Relay::start(server.address, weather(PASS, Fate::Refuse)).await;
    let address = relay.address.to_string();
    let told = crate::bank::told(client(&["preflight", "--json", "--coordinator", &address])).await;
    told.finds("tcp", "failed", "tcp-refused", &[])
        .finds("udp", "ok", "", &[])
        .ends(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_behind_a_proxy_is_told_to_name_it() {
    let scene = scene();
    let dir = folder(&scene, "192.0.2.1:7443");
    let mut command = client(&["preflight", "--json", "--dir", dir.to_str().unwrap()]);
    command.env("HTTPS_PROXY", "http://user:geheim@proxy:3128");
    let told = told(command).await;
    told.finds(
        "tcp",
        "failed",
        &told.finding("tcp").1,
        &["HTTPS_PROXY is set", "name it in link.proxy"],
    );
    assert!(!told.stdout.contains("geheim"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_enrols_through_a_proxy_and_hears_what_it_does_wrong() {
    let scene = crate::office::Scene::new();
    let _daemon = scene.daemon();
    let invitation = scene.invite("firm", &["--role", "auditor"]);
    let enrol = |proxy: &str, more: &[&str]| {
        let words = [
            "enrol",
            &invitation,
            "--dir",
            "firm",
            "--no-wait",
            "--proxy",
            proxy,
        ];
        scene.auditor(&[&words, more].concat())
    };
    let (open, _serving) = proxy(None).await;
    enrol(&format!("http://{open}"), &[]).says(75, &["waiting for the operator's approval"]);
    let (refusing, _serving) = proxy(Some("403 Forbidden")).await;
    enrol(&format!("http://{refusing}/"), &[]).says(
        75,
        &[&format!(
            "the proxy {refusing}: 403 Forbidden; its administrator must allow CONNECT to 127.0.0.1:"
        )],
    );
    let (asking, _serving) = proxy(Some("407 No")).await;
    let asking = format!("http://{asking}");
    enrol(&asking, &[]).says(
        75,
        &["407 No; it wants credentials: set --proxy-user, and the password in the variable VEILSUM_PROXY_PASSWORD"],
    );
    enrol(&asking, &["--proxy-user", "firm"]).says(75, &["it refuses the credentials: correct --proxy-user"]);
    // Whatever else goes out takes the same way.
    let pinned = std::fs::read_to_string(scene.path("coordinator/consortium.toml")).unwrap();
    let key = pinned.lines().find_map(|line| line.strip_prefix("log_key = "));
    let mirror = [
        "mirror",
        &format!("https://127.0.0.1:{}/log", scene.port),
        "mirror",
        "--key",
        key.unwrap().trim_matches('"'),
        "--tls-ca",
        "coordinator/identity/ca.crt.pem",
        "--tries",
        "1",
        "--proxy",
        &format!("http://{refusing}"),
    ];
    scene
        .auditor(&mirror)
        .says(75, &["not reachable after 1 tries", "403"]);
    let invitation = scene.invite("anna", &["--role", "operator", "--approved"]);
    let operator = |words: &[&str], proxy: String| {
        let words = [&["operator"], words, &["--dir", "anna", "--proxy", &proxy]].concat();
        scene.run(&scene.programs.coordinator, &words)
    };
    operator(&["enrol", &invitation, "--no-wait"], format!("http://{refusing}")).says(75, &["403 Forbidden"]);
    operator(&["enrol", &invitation, "--no-wait"], format!("http://{open}"))
        .says(75, &["waiting for the roster"]);
    let address = format!("127.0.0.1:{}", scene.port);
    operator(&["page", &address], "proxy:3128".to_owned()).says(2, &["--proxy: expected http://host:port"]);
    for wrong in [
        "proxy:3128",
        "http://user:geheim@proxy:3128",
        "https://proxy:3128",
    ] {
        let told = enrol(wrong, &[]).says(2, &["--proxy: expected http://host:port"]);
        assert!(!told.stderr.contains("geheim"), "{}", told.stderr);
    }
}
