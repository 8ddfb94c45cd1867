//! Keys, certificates and quotas.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use veilsum_serving::callers::{Quota, make_key};
use veilsum_serving::{Callers, Keys, Server, Serving, Tls};

use crate::toy::{Broken, Linear, one_row, request};
use crate::wire::{Answer, Running, metric, settings, until};

fn served(callers: Callers, tls: Option<Tls>) -> Running {
    let running = Running::start(settings(), callers, None, tls);
    running
        .serving
        .registry()
        .publish(Arc::new(Linear::version("1", 1.0)))
        .unwrap();
    running
}

async fn with(running: &Running, header: (&str, &str), rows: usize) -> Answer {
    let body = request(&vec![(1.0, None, "north"); rows]).to_string();
    running
        .post("/v2/models/credit/infer", &[header], body.as_bytes())
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_a_key_is_let_in() {
    let (key, lines) = make_key("desk").unwrap();
    let (old, old_lines) = make_key("archive").unwrap();
    let file = format!("{lines}{old_lines}expires = \"2020-01-01T00:00:00Z\"\n");
    let running = served(Callers::new(Some(Keys::read(&file).unwrap()), None), None);
    let bearer = format!("Bearer {key}");
    assert_eq!(
        with(&running, ("authorization", &bearer), 1).await.scores().len(),
        1
    );
    assert_eq!(with(&running, ("x-api-key", &key), 1).await.scores().len(), 1);
    // With keys a host of any name is answered.
    let answer = running
        .ask(
            "GET",
            "/v2",
            &[("host", "scores.bank.example"), ("x-api-key", &key)],
            b"",
        )
        .await;
    assert_eq!(answer.status, 200);

    for header in [
        ("x-nothing", ""),
        ("x-api-key", "wrong"),
        ("authorization", "Basic abc"),
        ("authorization", "Bearer"),
        ("authorization", &format!("Bearer {}", &key[1..])),
    ] {
        let answer = with(&running, header, 1).await;
        answer.refusal(401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let words = with(&running, ("x-api-key", &old), 1).await.refusal(401);
    assert!(words.contains("the key of \"archive\" has expired"), "{words}");
    for path in ["/v2", "/v2/models/credit", "/metrics"] {
        running.get(path).await.refusal(401);
    }
    for path in ["/v2/health/live", "/v2/health/ready", "/openapi.json", "/"] {
        assert_eq!(running.get(path).await.status, 200);
    }
    // What a page shows to whoever has no key says nothing of the models.
    assert!(!running.get("/").await.text().contains("credit"));
    let page = running.ask("GET", "/", &[("x-api-key", &key)], b"").await.text();
    assert!(page.contains("credit"));

    let text = running
        .ask("GET", "/metrics", &[("x-api-key", &key)], b"")
        .await
        .text();
    assert!(
        text.contains("veilsum_serving_caller_rows_total{caller=\"desk\"} 2\n"),
        "{text}"
    );

    let (next, lines) = make_key("desk").unwrap();
    running
        .serving
        .callers()
        .replace_keys(Keys::read(&lines).unwrap());
    with(&running, ("x-api-key", &key), 1).await.refusal(401);
    assert_eq!(with(&running, ("x-api-key", &next), 1).await.scores().len(), 1);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_each_callers_own() {
    let (desk, lines) = make_key("desk").unwrap();
    let (batch, more) = make_key("batch").unwrap();
    // A burst takes minutes to come again, which the test does not.
    let file = format!("{lines}quota = {{ rows_per_second = 1, burst = 400 }}\n{more}");
    let quota = Quota {
        rows_per_second: 1,
        burst: 200,
    };
    let running = served(Callers::new(Some(Keys::read(&file).unwrap()), Some(quota)), None);
    assert_eq!(
        with(&running, ("x-api-key", &desk), 400).await.scores().len(),
        400
    );
    let answer = with(&running, ("x-api-key", &desk), 400).await;
    let words = answer.refusal(429);
    assert!(
        words.contains("caller \"desk\": the quota is 1 rows a second, 400 at once"),
        "{words}"
    );
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((300..=400).contains(&seconds), "{seconds}");
    let words = with(&running, ("x-api-key", &desk), 401).await.refusal(413);
    assert!(words.contains("more than the quota's burst of 400"), "{words}");
    // Another caller has its own, here the default.
    assert_eq!(
        with(&running, ("x-api-key", &batch), 200).await.scores().len(),
        200
    );
    with(&running, ("x-api-key", &batch), 200).await.refusal(429);
    running.end().await;
}

#[test]
fn without_keys_only_loopback_is_listened_on() {
    for (rest, grpc, key) in [
        ("0.0.0.0:0", "127.0.0.1:0", "listen"),
        ("127.0.0.1:0", "[::]:0", "grpc_listen"),
    ] {
        let mut settings = settings();
        settings.listen = rest.parse().unwrap();
        settings.grpc_listen = Some(grpc.parse::<SocketAddr>().unwrap());
        let open = Serving::new(settings.clone(), Callers::new(None, None), None).unwrap();
        let problem = Server::bind(&open, None)
            .err()
            .expect("anybody could ask")
            .to_string();
        assert!(problem.starts_with(&format!("{key}: found")), "{problem}");
        let (_, lines) = make_key("desk").unwrap();
        let guarded = Serving::new(
            settings,
            Callers::new(Some(Keys::read(&lines).unwrap()), None),
            None,
        )
        .unwrap();
        Server::bind(&guarded, None).expect("keys say who asks");
    }
}

struct Side {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn issued(by: &CertifiedIssuer<'static, KeyPair>, name: &str) -> Side {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    Side {
        chain: vec![certificate.der().clone()],
        key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
    }
}

async fn secured(address: SocketAddr, config: ClientConfig) -> tokio_rustls::client::TlsStream<TcpStream> {
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await.unwrap();
    connector
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
        .unwrap()
}

/// The status of a call for the server's name, whose message is empty, framed by hand: no compression, and a length of four bytes.
async fn grpc_status(stream: tokio_rustls::client::TlsStream<TcpStream>) -> String {
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::post("https://localhost/inference.GRPCInferenceService/ServerMetadata")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::from_static(&[0; 5])))
        .unwrap();
    let response = send.send_request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    // A refusal has its status in the head, an answer behind it.
    let status = parts
        .headers
        .get("grpc-status")
        .or(body.trailers().and_then(|trailers| trailers.get("grpc-status")));
    status.expect("a status").to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_a_certificate_is_known_by_it() {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let (own, desk, stranger) = (
        issued(&authority, "localhost"),
        issued(&authority, "desk"),
        issued(&authority, "other"),
    );
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let roots = Arc::new(roots);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config
        .with_client_cert_verifier(verifier)
        .with_single_cert(own.chain, own.key)
        .unwrap();
    let known = desk.chain.clone();
    let tls = Tls {
        config: Arc::new(config),
        caller: Some(Arc::new(move |chain: &[CertificateDer<'static>]| {
            (chain == known).then(|| "desk".to_owned())
        })),
    };
    let running = served(Callers::new(None, None), Some(tls));
    let mut found = Vec::new();
    for side in [Some(desk), Some(stranger), None] {
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = config.with_root_certificates(Arc::clone(&roots));
        let config = match side {
            Some(side) => config.with_client_auth_cert(side.chain, side.key).unwrap(),
            None => config.with_no_client_auth(),
        };
        let mut two = config.clone();
        two.alpn_protocols = vec![b"h2".to_vec()];
        let stream = secured(running.rest, config).await;
        let body = one_row().to_string();
        let headers = [
            ("content-type", "application/json"),
            ("host", "scores.bank.example"),
        ];
        let answer = crate::wire::ask(
            stream,
            "POST",
            "/v2/models/credit/infer",
            &headers,
            body.as_bytes(),
        )
        .await;
        found.push((answer.status, grpc_status(secured(running.grpc, two).await).await));
    }
    // The codes of gRPC: OK, PERMISSION_DENIED, UNAUTHENTICATED.
    assert_eq!(
        found,
        [(200, "0"), (403, "7"), (401, "16")].map(|(rest, grpc)| (rest, grpc.to_owned()))
    );
    let text = running.serving.metrics().unwrap();
    assert!(
        text.contains("veilsum_serving_caller_rows_total{caller=\"desk\"} 1\n"),
        "{text}"
    );
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_counted_by_route_model_and_status() {
    let running = served(Callers::new(None, None), None);
    with(&running, ("x-nothing", ""), 3).await;
    running.get("/v2/models/made-up-by-a-client").await.refusal(404);
    running.get("/made/up").await.refusal(404);
    for (line, count) in [
        (
            "veilsum_serving_requests_total{route=\"/v2/models/{model}/infer\",model=\"credit\",version=\"1\",code=\"200\"}",
            1.0,
        ),
        (
            "veilsum_serving_requests_total{route=\"/v2/models/{model}\",model=\"\",version=\"\",code=\"404\"}",
            1.0,
        ),
        (
            "veilsum_serving_requests_total{route=\"other\",model=\"\",version=\"\",code=\"404\"}",
            1.0,
        ),
        ("veilsum_serving_caller_rows_total{caller=\"anyone\"}", 3.0),
        ("veilsum_serving_ready", 1.0),
    ] {
        assert_eq!(metric(&running, line).await, Some(count), "{line}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_count_is_explained() {
    let running = served(Callers::new(None, None), None);
    // A family without a member says nothing of itself: each gets one.
    let registry = running.serving.registry();
    registry.add(Arc::new(Broken::named("credit", "2"))).unwrap();
    registry.add(Arc::new(Linear::version("3", 2.0))).unwrap();
    for (shadow, begin) in [
        ("2", "veilsum_serving_shadow_failures_total{"),
        ("3", "veilsum_serving_shadow_difference_sum{"),
    ] {
        registry.shadow("credit", Some(shadow)).unwrap();
        assert_eq!(with(&running, ("x-nothing", ""), 1).await.scores().len(), 1);
        until("the shadow's count", || async {
            metric(&running, begin).await.is_some()
        })
        .await;
    }
    let documented = include_str!("../../../docs/metrics.md");
    let text = running.serving.metrics().unwrap();
    let kinds: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    assert_eq!(kinds.len(), 11, "{text}");
    for (name, kind) in kinds {
        let suffix = if kind == "counter" { "_total" } else { "" };
        let row = format!("| `{name}{suffix}` | {kind} |");
        assert!(documented.contains(&row), "docs/metrics.md has no row {row}");
    }
    running.end().await;
}
