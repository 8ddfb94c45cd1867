//! The coordinator's own keys and certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rcgen::{KeyPair, PKCS_ED25519};
use time::{Duration, OffsetDateTime};
use veilsum_coordinator::enrol::ca::Authority;

use crate::scene::Scene;

const CERTIFICATE: &str = "identity/server.crt.pem";

/// Issues the coordinator's certificate anew, valid for so many days from so many days ago.
fn issue(scene: &Scene, authority: &Authority, hosts: &[&str], ago: i64, days: u32) {
    let key = KeyPair::from_pem(&scene.read("identity/server.key.pem")).unwrap();
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    // Half a day more, so that a count of whole days does not hang on the second.
    let then = OffsetDateTime::now_utc() - Duration::days(ago) - Duration::hours(12);
    let pem = authority.issue_server(&key, &hosts, days, then).unwrap();
    scene.write(CERTIFICATE, &pem);
}

fn own_authority(scene: &Scene) -> Authority {
    Authority::load(
        &scene.path("identity/ca.crt.pem"),
        &scene.path("identity/ca.key.pem"),
    )
    .unwrap()
}

#[test]
fn a_certificate_that_banks_would_refuse_is_told_with_what_to_do() {
    let scene = Scene::new();
    let ours = own_authority(&scene);
    let refused = |part: &str| {
        scene
            .program(&["run"])
            .says(2, &["server.crt.pem: ", part, "`veilsum-coordinator renew`"]);
    };
    issue(&scene, &ours, &["127.0.0.1"], 100, 90);
    refused("expired on ");
    issue(&scene, &ours, &["127.0.0.1"], -10, 90);
    refused("not valid before ");
    issue(&scene, &ours, &["fl.example.org"], 0, 90);
    refused("is for fl.example.org, not for the name that banks expect");
    let other = Authority::create("other", OffsetDateTime::now_utc()).unwrap();
    let theirs = Authority::from_pem(&other.certificate_pem, other.key).unwrap();
    issue(&scene, &theirs, &["127.0.0.1"], 0, 90);
    refused("not this consortium's authority");
    scene.write(CERTIFICATE, "no certificate");
    refused("no certificate in PEM");
    fs::remove_file(scene.path(CERTIFICATE)).unwrap();
    refused("No such file");
}

#[test]
fn a_renewed_certificate_serves_and_one_that_is_about_to_expire_is_told() {
    let scene = Scene::new();
    let ours = own_authority(&scene);
    issue(&scene, &ours, &["127.0.0.1", "localhost"], 100, 90);
    scene.program(&["run"]).says(2, &["expired on "]);
    scene
        .program(&["renew", "--host", "other.example"])
        .says(2, &["\"127.0.0.1\"", "--host"]);
    scene.program(&["renew"]).says(
        0,
        &[
            "server.crt.pem: valid for 825 days for 127.0.0.1, localhost",
            "a running coordinator shows it within a second",
        ],
    );
    let served = scene.daemon().says("serves 3 banks of demo");
    assert!(!served.contains("more days"), "{served}");

    issue(&scene, &ours, &["127.0.0.1"], 80, 90);
    // Where the authority's key is, it would be renewed.
    let key = scene.path("identity/ca.key.pem");
    fs::rename(&key, key.with_extension("away")).unwrap();
    let reminded = scene.daemon().says("run `veilsum-coordinator renew`");
    assert!(
        reminded.contains("server.crt.pem: the coordinator's certificate is valid until ")
            && reminded.contains("(9 days)"),
        "{reminded}"
    );
    scene
        .program(&["renew"])
        .says(2, &["ca.key.pem: ", "put the authority's key back"]);
}

#[test]
fn keys_that_others_may_read_or_that_are_others_are_refused() {
    let scene = Scene::new();
    let mode = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for key in ["server.key.pem", "log.key.pem"] {
        let path = scene.path("identity").join(key);
        mode(&path, 0o644);
        scene.program(&["run"]).says(2, &[key, "mode 0644", "chmod 600"]);
        mode(&path, 0o600);
    }
    let server = scene.read("identity/server.key.pem");
    scene.write(
        "identity/server.key.pem",
        &KeyPair::generate().unwrap().serialize_pem(),
    );
    scene
        .program(&["run"])
        .says(2, &["server.crt.pem: the coordinator's certificate and key: "]);
    scene.write("identity/server.key.pem", &server);
    let other = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    scene.write("identity/log.key.pem", &other.serialize_pem());
    scene.program(&["run"]).says(
        2,
        &["log.key.pem: it is not the key of demo+", "put that key back"],
    );
    scene.write("identity/log.key.pem", "no key");
    scene
        .program(&["run"])
        .says(2, &["log.key.pem: no PKCS #8 private key"]);
}
