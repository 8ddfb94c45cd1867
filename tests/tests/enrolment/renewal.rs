//! Certificates of those without a daemon: auditors and operators ask for another one before the present one expires.

use std::fs;

use rcgen::KeyPair;
use time::{Duration, OffsetDateTime};
use veilsum_coordinator::enrol::ca::Authority;
use veilsum_coordinator::enrol::inspect::facts_of_pem;
use veilsum_protocol::enrolment::Role;

use crate::scene::{Outcome, Scene, free_tcp};

/// Gives the key in a folder a certificate of 30 days, of which not quite five are left.
fn shorten(scene: &Scene, role: Role, name: &str) {
    let identity = scene.path("coordinator/identity");
    let authority = Authority::load(&identity.join("ca.crt.pem"), &identity.join("ca.key.pem")).unwrap();
    let key = fs::read_to_string(scene.path(&format!("{name}/{role}.key.pem"))).unwrap();
    let key = KeyPair::from_pem(&key).unwrap();
    let then = OffsetDateTime::now_utc() - Duration::days(25) - Duration::hours(1);
    let pem = authority.issue_reader(role, name, &key, 30, then).unwrap();
    fs::write(scene.path(&format!("{name}/{role}.crt.pem")), pem).unwrap();
}

/// Whole days that the certificate in a folder is still valid.
fn days_left(scene: &Scene, role: Role, name: &str) -> i64 {
    let pem = fs::read(scene.path(&format!("{name}/{role}.crt.pem"))).unwrap();
    facts_of_pem(&pem)
        .unwrap()
        .days_left(OffsetDateTime::now_utc().unix_timestamp())
}

#[test]
fn auditors_and_operators_renew_by_command_and_by_themselves() {
    let scene = Scene::new();
    scene.three_banks();
    let (readers, operators) = (free_tcp(), free_tcp());
    // In the order of the file: the auditors' section comes first.
    scene.set("listen", &readers.to_string());
    scene.set("secure_listen", &operators.to_string());
    let daemon = scene.start(&scene.programs.coordinator, &["run", "--dir", "coordinator"]);
    daemon.says("operators on other machines have the page at");
    daemon.says("serves 3 banks of test");
    let operator = |words: &[&str]| scene.run(&scene.programs.coordinator, &[&["operator"], words].concat());
    let invite = |name: &str, role: Role| scene.invite(name, &["--role", &role.to_string(), "--approved"]);
    operator(&["enrol", &invite("anna", Role::Operator), "--dir", "anna"]).says(0, &["is enrolled in test"]);
    scene
        .auditor(&["enrol", &invite("firm", Role::Auditor), "--dir", "firm"])
        .says(0, &["is enrolled in test"]);

    let renew = |role: Role, name: &str| -> Outcome {
        match role {
            Role::Operator => operator(&["renew", "--dir", name]),
            Role::Auditor => scene.auditor(&["renew", "--dir", name]),
        }
    };
    for (role, name) in [(Role::Operator, "anna"), (Role::Auditor, "firm")] {
        renew(role, name).says(
            1,
            &["the certificate is renewed when a third of its validity is left"],
        );
        shorten(&scene, role, name);
        renew(role, name).says(0, &["renewed ", ": valid until "]);
        assert!(days_left(&scene, role, name) > 20, "{name}");
        shorten(&scene, role, name);
    }
    let mirror = [
        "mirror",
        &format!("https://{readers}/log"),
        "mirror",
        "--identity",
        "firm",
        "--consortium",
        "firm/consortium.toml",
    ];
    // There is no log to read before the first round.
    let told = scene.auditor(&mirror);
    assert!(
        told.stderr.contains("the certificate is renewed: valid until "),
        "{told:?}"
    );
    assert!(days_left(&scene, Role::Auditor, "firm") > 20);
    let page = ["operator", "page", &operators.to_string(), "--dir", "anna"];
    let shown = scene.start(&scene.programs.coordinator, &page);
    shown.said_line("http://127.0.0.1:");
    shown.says("the certificate is renewed: valid until ");
    assert!(days_left(&scene, Role::Operator, "anna") > 20);

    // A coordinator that is away takes nothing away.
    drop(daemon);
    for (role, name) in [(Role::Operator, "anna"), (Role::Auditor, "firm")] {
        shorten(&scene, role, name);
        renew(role, name).says(75, &["cannot reach 127.0.0.1:"]);
        assert_eq!(days_left(&scene, role, name), 4, "{name}");
    }
    let told = scene.auditor(&mirror);
    assert!(
        told.stderr
            .contains("warning: the certificate is valid for 4 more days and was not renewed: cannot reach"),
        "{told:?}"
    );
}
