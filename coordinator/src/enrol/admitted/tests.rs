#![allow(clippy::unwrap_used)]

use rcgen::KeyPair;
use veilsum_protocol::enrolment::Role;

use super::*;
use crate::enrol::init::{init, tests::options};
use crate::enrol::request::tests::{reader_request, request};

struct Scene {
    scratch: tempfile::TempDir,
    dir: PathBuf,
    now: OffsetDateTime,
}

impl Scene {
    /// A consortium of three banks, as it stands before its first start.
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let options = options(scratch.path());
        let now = OffsetDateTime::now_utc();
        init(&options, now).unwrap();
        let scene = Self {
            scratch,
            dir: options.dir,
            now,
        };
        let first = [("bank-a", 1), ("bank-b", 2), ("bank-c", 3)]
            .map(|(name, seed)| scene.request(name, &KeyPair::generate().unwrap(), seed));
        enrol(&scene.dir, &first, 30, now).unwrap();
        scene
    }

    fn request(&self, name: &str, key: &KeyPair, seed: u8) -> PathBuf {
        let path = self.scratch.path().join(format!("{name}-{seed}.request.toml"));
        fs::write(&path, toml::to_string(&request(name, key, seed)).unwrap()).unwrap();
        path
    }

    fn admit(&self, requests: &[PathBuf]) -> Result<Vec<Waiting>, String> {
        admit(&self.dir, requests, 30, self.now)
            .map(|(_, waiting)| waiting)
            .map_err(|error| error.to_string())
    }

    fn consortium(&self) -> String {
        fs::read_to_string(Folder::at(&self.dir).consortium()).unwrap()
    }

    fn admitted(&self) -> Vec<String> {
        let admitted = Admitted::load(&Folder::at(&self.dir).admitted()).unwrap();
        admitted.list().iter().map(|bank| bank.name.clone()).collect()
    }
}

#[test]
fn a_new_bank_gets_a_certificate_and_no_place_in_the_roster() {
    let scene = Scene::new();
    let before = scene.consortium();
    let key = KeyPair::generate().unwrap();
    let request = scene.request("bank-d", &key, 4);
    let waiting = scene.admit(std::slice::from_ref(&request)).unwrap();
    assert_eq!((waiting[0].name.as_str(), waiting[0].renewed), ("bank-d", false));
    assert!(waiting[0].folder.join("bank.crt.pem").exists());
    assert!(!waiting[0].folder.join("consortium.toml").exists());
    assert_eq!(scene.consortium(), before);
    assert_eq!(scene.admitted(), ["bank-d"]);
    let again = scene.admit(&[request]).unwrap();
    assert_eq!(
        (again[0].renewed, &again[0].fingerprint),
        (true, &waiting[0].fingerprint)
    );
    assert_eq!(scene.admitted(), ["bank-d"]);
}

#[test]
fn enrolled_banks_and_auditors_are_dealt_with_as_before() {
    let scene = Scene::new();
    let before = scene.consortium();
    let path = scene.scratch.path().join("firm.request.toml");
    let auditor = reader_request(Role::Auditor, "firm", &KeyPair::generate().unwrap());
    fs::write(&path, toml::to_string(&auditor).unwrap()).unwrap();
    let known = scene.scratch.path().join("bank-b-2.request.toml");
    let (report, waiting) = admit(&scene.dir, &[path, known], 30, scene.now).unwrap();
    assert!(waiting.is_empty());
    assert_eq!((report.readers.len(), report.admitted[0].renewed), (1, true));
    assert_eq!(scene.consortium(), before);
}

#[test]
fn one_bad_request_stops_all_and_a_name_keeps_its_keys() {
    let scene = Scene::new();
    let good = scene.request("bank-d", &KeyPair::generate().unwrap(), 4);
    let broken = scene.scratch.path().join("broken.toml");
    fs::write(&broken, "version = 1").unwrap();
    assert!(
        scene
            .admit(&[good.clone(), broken])
            .unwrap_err()
            .contains("broken.toml")
    );
    assert_eq!(scene.admitted(), [] as [&str; 0]);
    scene.admit(std::slice::from_ref(&good)).unwrap();
    for (name, seed) in [("bank-d", 5), ("bank-e", 4)] {
        let other = scene.request(name, &KeyPair::generate().unwrap(), seed);
        let refused = scene.admit(&[other]).unwrap_err();
        assert!(refused.contains("a name keeps its keys"), "{refused}");
    }
    // A key of a bank of the roster.
    let other = scene.request("bank-f", &KeyPair::generate().unwrap(), 3);
    assert!(
        scene
            .admit(&[other])
            .unwrap_err()
            .contains("has a key of bank \"bank-c\"")
    );
    assert_eq!(scene.admitted(), ["bank-d"]);
}

#[test]
fn a_list_that_is_not_in_order_says_so() {
    let scene = Scene::new();
    let path = Folder::at(&scene.dir).admitted();
    for (text, expected) in [
        ("version = 9\n", "version 9, expected 1"),
        ("version = 1\nextra = 1\n", "extra"),
        (
            "version = 1\n[[bank]]\nname = \"../x\"\nsigning_public_key = \"\"\nwitness_public_key = \"\"\ntls_key_sha256 = \"\"\n",
            "../x",
        ),
        (
            "version = 1\n[[bank]]\nname = \"x\"\nsigning_public_key = \"\"\nwitness_public_key = \"\"\ntls_key_sha256 = \"\"\n",
            "64 hex characters",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let error = Admitted::load(&path).unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.contains(ADMITTED_FILE),
            "{error}"
        );
    }
}
