//! Every endpoint of a running coordinator, and who gets in where.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::KeyPair;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use veilsum_coordinator::enrol::ca::Authority;
use veilsum_coordinator::page::{LINK_ALPN, PAGE_ALPN};
use veilsum_link::{Connection, End, RecvHalf, SendHalf, Transport, tcp};
use veilsum_protocol::crypto::secret::Secret;
use veilsum_protocol::enrolment::{
    ANSWER_LIMIT, ASK_LIMIT, Answer, Ask, ENROL_ALPN, GREETING_LIMIT, Greeting, Party, RefusalReason,
};
use veilsum_protocol::wire::frame::{HEADER, body_length, decode, encode_frame};
use veilsum_protocol::wire::stream::{ALPN, CloseCode, ControlReply, STREAM_FRAME_LIMIT, StreamOpen};
use veilsum_tests::peer::{Call, Peer, soon, try_read, write};

use crate::scene::Scene;

/// Who comes.
struct Role {
    name: &'static str,
    /// Certificate and key, PEM.
    shows: Option<(String, String)>,
}

/// Where auditors and operators come in.
struct Doors {
    readers: SocketAddr,
    operators: SocketAddr,
}

/// A coordinator with three banks and two auditors, which serves all that it can.
fn staffed(scene: &Scene) -> Doors {
    let mut enrol = vec!["enrol".to_owned()];
    for name in ["bank-1", "bank-2", "bank-3"] {
        scene
            .client(&["init", "--name", name, "--dir", name])
            .says(0, &[]);
        enrol.push(format!("{name}/{name}.request.toml"));
    }
    for name in ["firm", "office"] {
        scene
            .auditor(&["init", "--name", name, "--dir", name])
            .says(0, &[]);
        enrol.push(format!("{name}/{name}.request.toml"));
    }
    let enrol: Vec<&str> = enrol.iter().map(String::as_str).collect();
    scene.operator(&enrol).says(0, &["roster of 3 banks"]);
    let free = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let [readers, operators] = free.each_ref().map(|free| free.local_addr().unwrap());
    drop(free);
    scene.set("listen", &readers.to_string());
    scene.set("secure_listen", &operators.to_string());
    Doors { readers, operators }
}

/// Two operators, by invitation while the daemon runs.
fn operators(scene: &Scene) {
    for name in ["anna", "otto"] {
        let invitation = scene.invite(name, &["--role", "operator", "--approved"]);
        scene
            .run(
                &scene.programs.coordinator,
                &["operator", "enrol", &invitation, "--dir", name],
            )
            .says(0, &["is enrolled in test", "operator page"]);
    }
}

fn roles(scene: &Scene) -> Vec<Role> {
    let text = |path: &str| fs::read_to_string(scene.path(path)).unwrap();
    let ours = |certificate: &str, key: &str| {
        Some((text(&format!("coordinator/admissions/{certificate}")), text(key)))
    };
    let authority = |folder: &str| {
        let identity = scene.path(folder).join("identity");
        Authority::load(&identity.join("ca.crt.pem"), &identity.join("ca.key.pem")).unwrap()
    };
    let key_of = |path: &str| KeyPair::from_pem(&text(path)).unwrap();
    let now = OffsetDateTime::now_utc();
    let bank_2 = key_of("bank-2/identity/tls.key.pem");
    let issued = |folder: &str, at| {
        let certificate = authority(folder).issue_bank("bank-2", &bank_2, 30, at).unwrap();
        Some((certificate, bank_2.serialize_pem()))
    };
    let role = |name, shows| Role { name, shows };
    vec![
        role("none", None),
        role("bank", ours("bank-1/bank.crt.pem", "bank-1/identity/tls.key.pem")),
        role(
            "auditor",
            ours("auditors/firm/auditor.crt.pem", "firm/auditor.key.pem"),
        ),
        role("foreign", issued("other", now)),
        role("expired", issued("coordinator", now - Duration::days(40))),
        role("not yet valid", issued("coordinator", now + Duration::hours(1))),
        role(
            "revoked bank",
            ours("bank-3/bank.crt.pem", "bank-3/identity/tls.key.pem"),
        ),
        role(
            "revoked auditor",
            ours("auditors/office/auditor.crt.pem", "office/auditor.key.pem"),
        ),
    ]
}

fn operator_roles(scene: &Scene) -> Vec<Role> {
    let text = |path: String| fs::read_to_string(scene.path(&path)).unwrap();
    let role = |name, folder: &str| Role {
        name,
        shows: Some((
            text(format!("{folder}/operator.crt.pem")),
            text(format!("{folder}/operator.key.pem")),
        )),
    };
    vec![role("operator", "anna"), role("revoked operator", "otto")]
}

fn call(address: SocketAddr, ca: &Path, role: &Role, alpn: &[u8]) -> Call {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut tls = match &role.shows {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    tls.alpn_protocols = vec![alpn.to_vec()];
    Call {
        address,
        server_name: "127.0.0.1".to_owned(),
        tls,
    }
}

fn ended(end: &End) -> String {
    match end {
        End::Alert(alert) => format!("alert {alert}"),
        End::Closed { code, .. } => format!("{:?}", CloseCode::from_number(*code).unwrap()),
        other => format!("{other:?}"),
    }
}

/// At the banks' door.
async fn as_bank(way: Transport, call: &Call) -> String {
    let mut peer = match Peer::dial(way, call).await {
        Ok(peer) => peer,
        Err(end) => return ended(&end),
    };
    // A refusal may come before, between or after these steps.
    let connection = peer.connection.clone();
    let (mut send, mut recv): (SendHalf, RecvHalf) = match &connection {
        Connection::Quic(quic) => match quic.open_bi().await {
            Ok((send, recv)) => (send.into(), recv.into()),
            Err(_) => return ended(&peer.closed().await),
        },
        Connection::Tcp(_) => peer.stream().await,
    };
    let open = encode_frame(&StreamOpen::Control, STREAM_FRAME_LIMIT).unwrap();
    if send.write_all(&open).await.is_err() {
        return ended(&peer.closed().await);
    }
    match try_read::<ControlReply>(&mut recv).await {
        Ok(ControlReply::Admitted { .. }) => "admitted".to_owned(),
        Err(_) => ended(&peer.closed().await),
    }
}

/// At the desk, with the secret of no invitation.
async fn as_visitor(call: &Call) -> String {
    async fn frame<S: tokio::io::AsyncRead + Unpin>(stream: &mut S, limit: usize) -> Vec<u8> {
        let mut header = [0; HEADER];
        soon(stream.read_exact(&mut header)).await.unwrap();
        let mut body = vec![0; body_length(header, limit).unwrap()];
        soon(stream.read_exact(&mut body)).await.unwrap();
        body
    }
    // Of one address, two a second are dealt with in the long run; who is hung up on before the handshake tries again.
    let at_last = async {
        loop {
            match call.tls().await {
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    tokio::task::yield_now().await
                }
                other => break other,
            }
        }
    };
    let mut stream = soon(at_last).await.unwrap();
    let greeting: Greeting = decode(&frame(&mut stream, GREETING_LIMIT).await, GREETING_LIMIT).unwrap();
    assert!(greeting.time.0 > 1_700_000_000);
    let ask = Ask {
        party: Party::Bank,
        name: "bank-9".to_owned(),
        secret: Secret::from_bytes([9; 32]),
        request: String::new(),
    };
    stream
        .write_all(&encode_frame(&ask, ASK_LIMIT).unwrap())
        .await
        .unwrap();
    match decode(&frame(&mut stream, ANSWER_LIMIT).await, ANSWER_LIMIT).unwrap() {
        Answer::Refused(refusal) if refusal.reason == RefusalReason::Unknown => "unknown".to_owned(),
        other => format!("{other:?}"),
    }
}

/// At the readers' door. Nothing is published yet, so who is let in finds nothing (404), or nothing to look it up in (503).
async fn as_reader(call: &Call, path: &str) -> String {
    let talk = async {
        let mut stream = call.tls().await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&head[9..]).into_owned())
    };
    match soon(talk).await {
        Ok(status) if status == "404" || status == "503" => "let in".to_owned(),
        Ok(status) => status,
        Err(error) => ended(&tcp::of_io(&error)),
    }
}

/// At the operators' door, for a link; then for the page itself, where nobody is let in without one.
async fn as_operator(call: &Call) -> String {
    let talk = async {
        let mut stream = call.tls().await?;
        let mut line = String::new();
        stream.read_to_string(&mut line).await?;
        Ok::<_, std::io::Error>(line)
    };
    match soon(talk).await {
        Ok(line) => line.split(' ').next().unwrap_or_default().to_owned(),
        Err(error) => ended(&tcp::of_io(&error)),
    }
}

async fn at_the_page(call: &Call) -> String {
    let talk = async {
        let mut stream = call.tls().await?;
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&head[9..]).into_owned())
    };
    match soon(talk).await {
        Ok(status) => status,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => "hung up".to_owned(),
        Err(error) => ended(&tcp::of_io(&error)),
    }
}

#[tokio::test]
async fn every_role_at_every_endpoint() {
    let scene = Scene::new();
    let doors = staffed(&scene);
    scene.init("other");
    let daemon = scene.start(&scene.programs.coordinator, &["run", "--dir", "coordinator"]);
    daemon.says("serves 3 banks");
    scene
        .operator(&["revoke", "nobody"])
        .says(2, &["\"nobody\" is not admitted"]);
    scene
        .operator(&["revoke", "bank-3"])
        .says(0, &["bank bank-3", "is let in no more"]);
    scene.operator(&["revoke", "office"]).says(0, &["auditor office"]);
    operators(&scene);
    scene.operator(&["revoke", "otto"]).says(0, &["operator otto"]);
    let list = fs::read_to_string(scene.path("coordinator/auditors.toml")).unwrap();
    assert!(list.contains("firm") && !list.contains("office"), "{list}");

    let banks = SocketAddr::from(([127, 0, 0, 1], scene.port));
    let ca = scene.path("coordinator/identity/ca.crt.pem");
    // (role, banks by QUIC and by TCP, readers, operators: a link, the page without one). Alerts of RFC 8446, section 6: 116 certificate required, 51 wrong signature (of an authority of
    // the same name),
    // 45 certificate expired or not valid yet.
    let table = [
        ("none", "alert 116", "alert 116", "alert 116", "alert 116"),
        ("bank", "admitted", "let in", "no", "hung up"),
        ("auditor", "NotInRoster", "let in", "no", "hung up"),
        ("foreign", "alert 51", "alert 51", "alert 51", "alert 51"),
        ("expired", "alert 45", "alert 45", "alert 45", "alert 45"),
        ("not yet valid", "alert 45", "alert 45", "alert 45", "alert 45"),
        ("revoked bank", "Revoked", "403", "no", "hung up"),
        ("revoked auditor", "Revoked", "403", "no", "hung up"),
        ("operator", "NotInRoster", "403", "link", "401"),
        ("revoked operator", "Revoked", "403", "no", "hung up"),
    ];
    let everybody: Vec<Role> = roles(&scene).into_iter().chain(operator_roles(&scene)).collect();
    assert_eq!(everybody.len(), table.len());
    for (role, (name, bank, reader, link, page)) in everybody.iter().zip(table) {
        assert_eq!(role.name, name);
        let found = as_operator(&call(doors.operators, &ca, role, LINK_ALPN)).await;
        assert_eq!(found, link, "{name} for a link");
        let found = at_the_page(&call(doors.operators, &ca, role, PAGE_ALPN)).await;
        assert_eq!(found, page, "{name} at the page");
        for way in [Transport::Quic, Transport::Tcp] {
            let found = as_bank(way, &call(banks, &ca, role, ALPN)).await;
            assert_eq!(found, bank, "{name} over {way}");
        }
        for path in ["/log/checkpoint", "/archive/rounds/1.json"] {
            let found = as_reader(&call(doors.readers, &ca, role, b"http/1.1"), path).await;
            assert_eq!(found, reader, "{name} at {path}");
        }
        // Nobody is asked for a certificate there, and nobody is let in for having one.
        let found = as_visitor(&call(banks, &ca, role, ENROL_ALPN)).await;
        assert_eq!(found, "unknown", "{name} at the desk");
    }
}

/// A connection that stands is closed, with the reason.
#[tokio::test]
async fn a_bank_that_is_revoked_while_it_is_connected_is_told_so() {
    let scene = Scene::new();
    staffed(&scene);
    scene.init("other");
    let daemon = scene.start(&scene.programs.coordinator, &["run", "--dir", "coordinator"]);
    daemon.says("serves 3 banks");
    let ca = scene.path("coordinator/identity/ca.crt.pem");
    let bank = roles(&scene).remove(1);
    let address = SocketAddr::from(([127, 0, 0, 1], scene.port));
    for way in [Transport::Quic, Transport::Tcp] {
        drop(fs::remove_file(
            scene.path("coordinator/enrolment/revoked-keys.list"),
        ));
        let mut peer = Peer::dial(way, &call(address, &ca, &bank, ALPN)).await.unwrap();
        let (mut send, mut recv) = peer.stream().await;
        write(&mut send, &StreamOpen::Control).await;
        assert!(matches!(
            try_read(&mut recv).await,
            Ok(ControlReply::Admitted { .. })
        ));
        scene.operator(&["revoke", "bank-1"]).says(0, &[]);
        match peer.closed().await {
            End::Closed { code, reason } => {
                assert_eq!(CloseCode::from_number(code), Some(CloseCode::Revoked));
                assert!(reason.contains("took the access of bank bank-1 away"), "{reason}");
            }
            other => panic!("{way}: {other}"),
        }
    }
    daemon.says("took the access of bank bank-1 away");
}
