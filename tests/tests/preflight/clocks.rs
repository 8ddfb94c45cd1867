//! A clock that is an hour off, in both directions: told by `preflight`, and by `enrol` of both programs before the secret is said. The clock of this machine
//! stays as it is: it is the coordinator's that is off, with certificates that are valid by it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration as Wait;

use rcgen::KeyPair;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};
use veilsum_client::config::LinkTransport;
use veilsum_coordinator::enrol::ca::Authority;
use veilsum_protocol::enrolment::{ENROL_ALPN, GREETING_LIMIT, Greeting};
use veilsum_protocol::ids::Timestamp;
use veilsum_protocol::wire::frame::encode_frame;

use crate::bank::{folder, preflight};
use crate::office;
use crate::scene::Scene;

/// A coordinator whose clock is off by so many hours, and whose certificate is valid for a day by it.
struct Other {
    address: SocketAddr,
    /// Bytes that were said to it.
    heard: Arc<AtomicUsize>,
}

fn other(at: &str, authority: &Authority, ca_pem: &str, hours: i64, valid: Validity) -> Other {
    let key = KeyPair::generate().unwrap();
    let by_its_clock = OffsetDateTime::now_utc() + Duration::hours(hours);
    let issued = match valid {
        // Valid by either clock.
        Validity::Long => OffsetDateTime::now_utc() - Duration::days(10),
        // Issued just now by its own clock: it begins ten minutes before.
        Validity::FromNow => by_its_clock,
        // About to end by its own clock.
        Validity::UntilNow => by_its_clock - Duration::days(1) + Duration::minutes(10),
        // Of the day before yesterday.
        Validity::Over => by_its_clock - Duration::days(3),
    };
    let days = if matches!(valid, Validity::Long) { 90 } else { 1 };
    let hosts = ["127.0.0.1".to_owned()];
    let pem = authority.issue_server(&key, &hosts, days, issued).unwrap();
    let chain = [pem.as_bytes(), ca_pem.as_bytes()].map(|pem| CertificateDer::from_pem_slice(pem).unwrap());
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            chain.to_vec(),
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    config.alpn_protocols = vec![ENROL_ALPN.to_vec()];
    let (config, heard) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
    let listener = TcpListener::bind(at).unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::clone(&heard);
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_read_timeout(Some(Wait::from_secs(20))).unwrap();
            let (config, count) = (Arc::clone(&config), Arc::clone(&count));
            thread::spawn(move || {
                let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                let time = (OffsetDateTime::now_utc() + Duration::hours(hours)).unix_timestamp();
                let greeting = Greeting {
                    time: Timestamp(u64::try_from(time).unwrap()),
                };
                let frame = encode_frame(&greeting, GREETING_LIMIT).unwrap();
                if tls.write_all(&frame).and_then(|()| tls.flush()).is_ok() {
                    let mut said = Vec::new();
                    let _ = tls.read_to_end(&mut said);
                    count.fetch_add(said.len(), Ordering::Relaxed);
                }
            });
        }
    });
    Other { address, heard }
}

#[derive(Clone, Copy)]
enum Validity {
    Long,
    FromNow,
    UntilNow,
    Over,
}

pub(crate) fn authority(folder: &std::path::Path) -> (Authority, String) {
    let (certificate, key) = (
        folder.join("identity/ca.crt.pem"),
        folder.join("identity/ca.key.pem"),
    );
    let pem = std::fs::read_to_string(&certificate).unwrap();
    (Authority::load(&certificate, &key).unwrap(), pem)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_an_hour_off_is_named_by_preflight_in_both_directions() {
    let scene = Scene::over(LinkTransport::Tcp);
    let (authority, ca_pem) = authority(&scene.scratch.path().join("coordinator"));
    for (hours, valid, parts) in [
        (
            1,
            Validity::Long,
            [
                "60 minutes behind the coordinator's (here ",
                "set the clock that is wrong",
            ],
        ),
        (
            -1,
            Validity::Long,
            [
                "60 minutes ahead of the coordinator's (here ",
                "set the clock that is wrong",
            ],
        ),
        (
            1,
            Validity::FromNow,
            [
                "60 minutes behind",
                "for that alone the coordinator's certificate seems not to be valid yet",
            ],
        ),
        (
            -1,
            Validity::UntilNow,
            [
                "60 minutes ahead of",
                "for that alone the coordinator's certificate seems to have expired",
            ],
        ),
    ] {
        let there = other("127.0.0.1:0", &authority, &ca_pem, hours, valid);
        let told = preflight(&folder(&scene, &there.address.to_string())).await;
        told.finds("clock", "failed", "clock", &parts);
        // Who stands there is proved all the same.
        told.finds("tls", "ok", "", &["proves to be"]).ends(2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_certificate_that_only_the_own_clock_is_against_is_the_clocks_fault() {
    let scene = Scene::over(LinkTransport::Tcp);
    let (authority, ca_pem) = authority(&scene.scratch.path().join("coordinator"));
    let there = other("127.0.0.1:0", &authority, &ca_pem, 1, Validity::FromNow);
    let dir = folder(&scene, &there.address.to_string());
    // Issued just now by the coordinator's clock, an hour ahead of this one.
    let key = KeyPair::from_pem(&std::fs::read_to_string(dir.join("identity/tls.key.pem")).unwrap()).unwrap();
    let then = OffsetDateTime::now_utc() + Duration::hours(1);
    let pem = authority.issue_bank("bank-1", &key, 30, then).unwrap();
    std::fs::write(dir.join("bank.crt.pem"), pem).unwrap();
    let told = preflight(&dir).await;
    told.finds(
        "identity",
        "failed",
        "clock",
        &["by this machine's clock the bank's certificate is not valid; by the coordinator's it is"],
    );
    told.ends(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_expired_by_both_clocks_is_no_fault_of_the_clock() {
    let scene = Scene::over(LinkTransport::Tcp);
    let (authority, ca_pem) = authority(&scene.scratch.path().join("coordinator"));
    let there = other("127.0.0.1:0", &authority, &ca_pem, 0, Validity::Over);
    let told = preflight(&folder(&scene, &there.address.to_string())).await;
    told.finds(
        "tls",
        "failed",
        "coordinator-certificate-expired",
        &[
            "the coordinator's certificate expired on ",
            "`veilsum-coordinator renew`",
        ],
    );
    told.finds("clock", "ok", "", &[]).ends(1);
}

/// The invitation is real; at its address stands a coordinator of the same authority whose clock is off.
#[test]
fn enrolment_with_a_clock_an_hour_off_ends_before_the_secret_is_said() {
    for (hours, direction) in [
        (1, "60 minutes behind the coordinator's"),
        (-1, "60 minutes ahead of the coordinator's"),
    ] {
        let scene = office::Scene::new();
        let (authority, ca_pem) = authority(&scene.path("coordinator"));
        let valid = if hours > 0 {
            Validity::FromNow
        } else {
            Validity::UntilNow
        };
        let at = format!("127.0.0.1:{}", scene.port);
        let there = other(&at, &authority, &ca_pem, hours, valid);
        let bank = scene.invite("bank-a", &[]);
        let firm = scene.invite("firm", &["--role", "auditor"]);
        let parts = [direction, "set the clock that is wrong and run the command again"];
        scene
            .client(&["enrol", &bank, "--dir", "a", "--no-wait"])
            .says(2, &parts);
        scene
            .auditor(&["enrol", &firm, "--dir", "f", "--no-wait"])
            .says(2, &parts);
        let looked = scene.client(&["preflight", "--invitation", &bank]);
        looked.says(2, &["FAILED clock", direction]);
        assert_eq!(there.heard.load(Ordering::Relaxed), 0, "something was said");
        assert!(!scene.path("a/bank.crt.pem").exists());
    }
}
