#![allow(clippy::unwrap_used)]

use rcgen::KeyPair;
use time::Duration;
use veilsum_protocol::consortium::ConsortiumBank;
use veilsum_protocol::ids::BankIndex;

use super::*;
use crate::enrol::init::{init, tests::options};
use crate::enrol::readers::AUDITORS_FILE;
use crate::enrol::revoked::revoke;

const NOW: OffsetDateTime = time::macros::datetime!(2026-01-01 12:00 UTC);

/// An operator's folder with the bank `bank-a` and the auditor `firm`, each with a certificate of 30 days.
struct Scene {
    scratch: tempfile::TempDir,
    bank: KeyPair,
    firm: KeyPair,
}

impl Scene {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        init(&options(scratch.path()), NOW).unwrap();
        let scene = Self {
            scratch,
            bank: KeyPair::generate().unwrap(),
            firm: KeyPair::generate().unwrap(),
        };
        let path = scene.folder().consortium();
        let mut consortium = read_consortium(&scene.folder()).unwrap();
        consortium.banks.push(ConsortiumBank {
            index: BankIndex::new(1).unwrap(),
            name: "bank-a".to_owned(),
            signing_public_key: "11".repeat(32),
            witness_public_key: "22".repeat(32),
            tls_key_sha256: tls_key(&scene.bank).to_hex(),
        });
        fs::write(path, toml::to_string(&consortium).unwrap()).unwrap();
        let mut list = Readers::load(Role::Auditor, &scene.folder().readers(Role::Auditor)).unwrap();
        list.admit("firm", tls_key(&scene.firm)).unwrap();
        list.store(&scene.folder().readers(Role::Auditor)).unwrap();
        scene
    }

    fn dir(&self) -> PathBuf {
        options(self.scratch.path()).dir
    }

    fn folder(&self) -> Folder {
        Folder::at(&self.dir())
    }

    fn authority(&self) -> Authority {
        let folder = self.folder();
        Authority::load(&folder.identity("ca.crt.pem"), &folder.identity("ca.key.pem")).unwrap()
    }

    fn shown_by_bank(&self) -> CertificateFacts {
        facts(
            &self
                .authority()
                .issue_bank("bank-a", &self.bank, 30, NOW)
                .unwrap(),
        )
    }

    fn ask(&self, policy: Renewal, shown: &CertificateFacts, days: i64) -> Answer {
        Renewals::at(&self.dir(), policy).answer(shown, NOW + Duration::days(days))
    }
}

fn tls_key(key: &KeyPair) -> Digest {
    use rcgen::PublicKeyData as _;
    Digest::of(&key.subject_public_key_info())
}

fn facts(pem: &str) -> CertificateFacts {
    inspect::facts_of_pem(pem.as_bytes()).unwrap()
}

fn issued(answer: Answer) -> CertificateFacts {
    match answer {
        Answer::Admitted(admission) => facts(&admission.certificate),
        other => panic!("{other:?}"),
    }
}

fn refused(answer: Answer) -> (RefusalReason, String) {
    match answer {
        Answer::Refused(refusal) => (refusal.reason, refusal.text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_member_gets_another_certificate_of_its_key_name_and_validity_in_the_last_third() {
    let scene = Scene::new();
    let shown = scene.shown_by_bank();
    let (reason, text) = refused(scene.ask(Renewal::Automatic, &shown, 19));
    assert_eq!(reason, RefusalReason::Request);
    assert!(text.contains("from 2026-01-21"), "{text}");

    let new = issued(scene.ask(Renewal::Automatic, &shown, 21));
    assert_eq!(
        (new.tls_key, &new.hosts, &new.subject),
        (shown.tls_key, &shown.hosts, &shown.subject)
    );
    assert_eq!(new.not_after, (NOW + Duration::days(51)).unix_timestamp());
    let ca = fs::read(scene.folder().identity("ca.crt.pem")).unwrap();
    let at = (NOW + Duration::days(40)).unix_timestamp();
    inspect::verify_client(&fs::read(certificate_file(&scene, &new)).unwrap(), &ca, at).unwrap();
    // A lost answer costs nothing: the same one is given again.
    assert_eq!(issued(scene.ask(Renewal::Automatic, &shown, 22)), new);
    // With the new one there is nothing to renew yet; in its last third it is renewed in turn.
    refused(scene.ask(Renewal::Automatic, &new, 23));
    assert!(issued(scene.ask(Renewal::Automatic, &new, 42)).not_after > new.not_after);

    let firm = facts(
        &scene
            .authority()
            .issue_reader(Role::Auditor, "firm", &scene.firm, 30, NOW)
            .unwrap(),
    );
    let new = issued(scene.ask(Renewal::Automatic, &firm, 25));
    assert_eq!(new.hosts, ["firm.auditor.veilsum"]);
}

fn certificate_file(scene: &Scene, of: &CertificateFacts) -> PathBuf {
    let path = scene.dir().join("certificate");
    let all = Renewals::at(&scene.dir(), Renewal::Ask).all().unwrap();
    let asked = all
        .iter()
        .find(|asked| asked.tls_key_sha256 == of.tls_key)
        .unwrap();
    fs::write(&path, asked.certificate.as_ref().unwrap()).unwrap();
    path
}

#[test]
fn no_certificate_is_renewed_for_a_revoked_key_another_name_or_another_role() {
    let scene = Scene::new();
    let authority = scene.authority();
    let ask = |pem: String| refused(scene.ask(Renewal::Automatic, &facts(&pem), 25));
    // Of the authority and in force, every one of them: a stolen authority's key, or a bank that left.
    for pem in [
        authority.issue_bank("bank-b", &scene.bank, 30, NOW).unwrap(),
        authority
            .issue_reader(Role::Auditor, "bank-a", &scene.bank, 30, NOW)
            .unwrap(),
        authority
            .issue_reader(Role::Auditor, "firm", &scene.bank, 30, NOW)
            .unwrap(),
        authority.issue_bank("firm", &scene.firm, 30, NOW).unwrap(),
        authority
            .issue_bank("bank-a", &KeyPair::generate().unwrap(), 30, NOW)
            .unwrap(),
        authority
            .issue_server(
                &scene.bank,
                &["bank-a.bank.veilsum".to_owned(), "x".to_owned()],
                30,
                NOW,
            )
            .unwrap(),
    ] {
        let (reason, text) = ask(pem);
        assert_eq!(reason, RefusalReason::Unknown, "{text}");
    }
    let shown = scene.shown_by_bank();
    issued(scene.ask(Renewal::Automatic, &shown, 25));
    revoke(&scene.dir(), "bank-a", NOW + Duration::days(26)).unwrap();
    let (reason, text) = refused(scene.ask(Renewal::Automatic, &shown, 26));
    assert_eq!(reason, RefusalReason::Revoked, "{text}");
    // An auditor that was taken off the list.
    let firm = facts(
        &authority
            .issue_reader(Role::Auditor, "firm", &scene.firm, 30, NOW)
            .unwrap(),
    );
    fs::remove_file(scene.dir().join(AUDITORS_FILE)).unwrap();
    assert_eq!(
        refused(scene.ask(Renewal::Automatic, &firm, 25)).0,
        RefusalReason::Unknown
    );
}

#[test]
fn an_operator_who_wants_to_be_asked_is_and_so_is_one_whose_key_is_elsewhere() {
    let scene = Scene::new();
    let shown = scene.shown_by_bank();
    let renewals = Renewals::at(&scene.dir(), Renewal::Ask);
    let later = NOW + Duration::days(27);
    assert!(
        renewals
            .allow("bank-a", later)
            .unwrap_err()
            .to_string()
            .contains("has no question")
    );
    assert!(matches!(
        scene.ask(Renewal::Ask, &shown, 25),
        Answer::Pending { .. }
    ));
    assert!(matches!(
        scene.ask(Renewal::Ask, &shown, 26),
        Answer::Pending { .. }
    ));
    let [asked] = renewals.all().unwrap().try_into().unwrap();
    assert!(
        asked.waits() && asked.line().contains("renew --member bank-a"),
        "{}",
        asked.line()
    );
    assert_eq!(asked.asked_at, (NOW + Duration::days(25)).unix_timestamp());
    renewals.allow("bank-a", later).unwrap();
    assert_eq!(
        issued(scene.ask(Renewal::Ask, &shown, 28)).not_after,
        (later + Duration::days(30)).unix_timestamp()
    );

    let firm = facts(
        &scene
            .authority()
            .issue_reader(Role::Auditor, "firm", &scene.firm, 30, NOW)
            .unwrap(),
    );
    let key = scene.folder().identity("ca.key.pem");
    let away = scene.dir().join("away");
    fs::rename(&key, &away).unwrap();
    assert!(matches!(
        scene.ask(Renewal::Automatic, &firm, 25),
        Answer::Pending { .. }
    ));
    let without = renewals.allow("firm", later).unwrap_err().to_string();
    assert!(without.contains("put the authority's key back"), "{without}");
    fs::rename(&away, &key).unwrap();
    // Revoked while it waited.
    revoke(&scene.dir(), "firm", later).unwrap();
    let revoked = renewals.allow("firm", later).unwrap_err().to_string();
    assert!(revoked.contains("was taken away"), "{revoked}");
}

#[test]
fn a_record_that_was_changed_by_hand_issues_nothing() {
    let scene = Scene::new();
    let shown = scene.shown_by_bank();
    scene.ask(Renewal::Ask, &shown, 25);
    let path = scene.dir().join("enrolment/renewals/bank.bank-a.toml");
    let text = fs::read_to_string(&path).unwrap();
    let other = hex::encode(facts(&scene.authority().issue_bank("x", &scene.firm, 1, NOW).unwrap()).spki_der);
    let asked = Renewals::at(&scene.dir(), Renewal::Ask);
    let changed = text.replace(&hex::encode(&shown.spki_der), &other);
    assert_ne!(changed, text);
    fs::write(&path, changed).unwrap();
    let refused = asked.allow("bank-a", NOW).unwrap_err().to_string();
    assert!(refused.contains("not the one of tls_key_sha256"), "{refused}");
    fs::write(&path, text.replace("version = 1", "version = 2")).unwrap();
    assert!(
        asked
            .all()
            .unwrap_err()
            .to_string()
            .contains("version 2, expected 1")
    );
}

#[test]
fn an_authority_that_ends_sooner_serves_until_its_end() {
    let scene = Scene::new();
    let shown = scene.shown_by_bank();
    let long = CertificateFacts {
        not_before: shown.not_before,
        not_after: shown.not_before + 3650 * DAY_S,
        ..shown
    };
    let issued = issued(scene.ask(Renewal::Automatic, &long, 3640));
    assert!(issued.not_after <= (NOW + Duration::days(3650)).unix_timestamp());
}
