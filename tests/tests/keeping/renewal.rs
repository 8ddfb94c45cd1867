//! Certificates that expire while rounds go on, and are replaced without a restart and without a gap.

use std::fs;

use rcgen::{KeyPair, PublicKeyData as _};
use time::{Duration, OffsetDateTime};
use veilsum_coordinator::enrol::ca::Authority;
use veilsum_coordinator::enrol::init::Folder;
use veilsum_coordinator::enrol::inspect::{CertificateFacts, facts_of_pem};
use veilsum_examples::demo::consortium::COORDINATOR;

use crate::scene::{Scene, eventually, has};

/// So long the certificates are still valid when the daemons are started.
const LEFT: Duration = Duration::seconds(45);

fn facts(path: &std::path::Path) -> CertificateFacts {
    facts_of_pem(&fs::read(path).unwrap()).unwrap()
}

/// Puts certificates of one day, of which little is left, in the place of the coordinator's and of the first bank's.
fn shorten(scene: &Scene) -> i64 {
    let folder = Folder::at(&scene.folder(COORDINATOR));
    let authority = Authority::load(&folder.identity("ca.crt.pem"), &folder.identity("ca.key.pem")).unwrap();
    let key = |path: &std::path::Path| KeyPair::from_pem(&fs::read_to_string(path).unwrap()).unwrap();
    let issued = OffsetDateTime::now_utc() - Duration::days(1) + LEFT;
    let path = folder.identity("server.crt.pem");
    let hosts = facts(&path).hosts;
    let own = key(&folder.identity("server.key.pem"));
    fs::write(&path, authority.issue_server(&own, &hosts, 1, issued).unwrap()).unwrap();
    let bank = scene.folder("bank-1");
    let own = key(&bank.join("identity/tls.key.pem"));
    let pem = authority.issue_bank("bank-1", &own, 1, issued).unwrap();
    assert_eq!(
        facts_of_pem(pem.as_bytes()).unwrap().spki_der,
        own.subject_public_key_info()
    );
    fs::write(bank.join("bank.crt.pem"), pem).unwrap();
    (issued + Duration::days(1)).unix_timestamp()
}

#[test]
fn certificates_are_renewed_while_rounds_go_on_and_none_is_lost() {
    let scene = Scene::enrolled(30, 60);
    let end = shorten(&scene);
    let bank = scene.folder("bank-1").join("bank.crt.pem");
    let server = scene.folder(COORDINATOR).join("identity/server.crt.pem");
    scene.run();
    for path in [&bank, &server] {
        eventually("a new certificate", || {
            (facts(path).not_after > end + 3600).then_some(())
        });
    }
    eventually("the coordinator shows it", || {
        scene
            .trace(COORDINATOR)
            .contains("another certificate is shown from now on")
            .then_some(())
    });
    let told = scene.client(&["status", "--dir", "bank-1"], 0);
    has(&told, &["cert       valid for 0 more days, renewed by itself"]);
    let listed = scene.operator(&["renewals", "--dir", COORDINATOR], 0);
    has(&listed, &["bank-1", "renewed "]);
    // Behind the end of the old ones: whoever connects now is let in by the new ones alone.
    eventually("the old certificates have expired", || {
        (OffsetDateTime::now_utc().unix_timestamp() > end).then_some(())
    });
    for name in ["bank-1", "bank-2"] {
        scene.stop(name);
        scene.start(name);
    }
    scene.wait("the bank shows its new certificate", |status| {
        let shown = status.banks.iter().find(|bank| bank.name == "bank-1");
        shown.is_some_and(|bank| {
            bank.connected && bank.certificate_until.is_some_and(|until| until > end + 3600)
        })
    });
    let history = scene.finish();
    let all = Some(scene.banks.clone());
    for (step, story) in (0..).zip(history.rounds()) {
        assert!(story.is_published(), "{story:?}");
        assert_eq!((story.step, &story.survivors), (step, &all), "{story:?}");
    }
}
