//! Admission by request files: verified requests become certificates, and entries of the consortium file or of the lists of auditors and operators.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;
use veilsum_admission::keyfile;
use veilsum_protocol::consortium::{Consortium, ConsortiumBank, ConsortiumError};
use veilsum_protocol::enrolment::Role;
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::roster::Roster;

use super::EnrolError;
use super::ca::Authority;
use super::init::{CONSORTIUM_FILE, Folder};
use super::readers::{Reader, Readers};
use super::register::Register;
use super::request::{Verified, VerifiedBank, VerifiedReader, verify};

/// What enrolment did.
#[derive(Debug, Clone, Serialize)]
pub struct EnrolReport {
    /// SHA-256 of the consortium file, for banks to compare with each other.
    pub consortium_sha256: String,
    /// Banks in the roster now.
    pub banks: usize,
    /// The banks of this call.
    pub admitted: Vec<Admission>,
    /// The auditors and operators of this call.
    pub readers: Vec<ReaderAdmission>,
}

/// One bank of an enrolment.
#[derive(Debug, Clone, Serialize)]
pub struct Admission {
    /// Roster position.
    pub index: u16,
    /// Name.
    pub name: String,
    /// Whether it was in the roster already, with the same keys, and got a new certificate only.
    pub renewed: bool,
    /// The folder to hand to the bank: `bank.crt.pem` and `consortium.toml`, both public.
    pub folder: PathBuf,
}

/// One auditor or operator of an enrolment.
#[derive(Debug, Clone, Serialize)]
pub struct ReaderAdmission {
    /// What it is.
    pub role: Role,
    /// Name.
    pub name: String,
    /// Whether it was on the list already, with the same key, and got a new certificate only.
    pub renewed: bool,
    /// The folder to hand over: `auditor.crt.pem` or `operator.crt.pem`, `ca.crt.pem` and `consortium.toml`, all public.
    pub folder: PathBuf,
}

/// Verifies requests, issues certificates valid for `days`, and gives positions: new banks follow the old ones, in the order of
/// their names. All requests are good, or nothing changes. Where no bank asks, the consortium file stays as it is.
///
/// A request of who is enrolled with the same keys renews its certificate, so the call may be repeated after a crash.
///
/// # Errors
/// [`EnrolError::Content`] with the request at fault.
pub fn enrol(
    dir: &Path,
    requests: &[PathBuf],
    days: u32,
    now: OffsetDateTime,
) -> Result<EnrolReport, EnrolError> {
    let folder = Folder::at(dir);
    // What is admitted over the network meanwhile goes into the same files.
    let _held = Register::at(dir).hold()?;
    let consortium_path = folder.consortium();
    let text = fs::read_to_string(&consortium_path).map_err(EnrolError::file(&consortium_path))?;
    // The check of the roster comes after the additions: a new consortium has no banks yet.
    let mut consortium: Consortium =
        toml::from_str(&text).map_err(|error| EnrolError::content(&consortium_path, error))?;
    let authority = Authority::load(&folder.identity("ca.crt.pem"), &folder.identity("ca.key.pem"))?;

    let mut lists = BTreeMap::new();
    for role in Role::ALL {
        lists.insert(role, Readers::load(role, &folder.readers(role))?);
    }

    let verified = read_requests(requests)?;
    let mut admitted = Vec::new();
    for (name, (path, request)) in &verified.banks {
        let entry =
            position(&mut consortium, request).map_err(|problem| EnrolError::content(path, problem))?;
        let certificate = authority.issue_bank(name, &request.tls.public, days, now)?;
        admitted.push((entry, certificate));
    }
    let mut readers_admitted = Vec::new();
    for ((role, name), (path, request)) in &verified.readers {
        let Some(list) = lists.get_mut(role) else { continue };
        let renewed = list
            .admit(name, request.tls.hash)
            .map_err(|problem| EnrolError::content(path, problem))?;
        let certificate = authority.issue_reader(*role, name, &request.tls.public, days, now)?;
        readers_admitted.push((*role, name, renewed, certificate));
    }
    let roster = consortium.roster().map_err(|error| match error {
        ConsortiumError::Roster(error) => EnrolError::Argument(error.to_string()),
        other => EnrolError::content(&consortium_path, other),
    })?;
    no_key_twice(&roster, lists.values())?;

    let text = if admitted.is_empty() {
        text
    } else {
        let text = consortium
            .to_toml()
            .map_err(EnrolError::make("the consortium file"))?;
        keyfile::replace(&consortium_path, text.as_bytes())?;
        text
    };
    let mut report = Vec::new();
    for ((index, renewed), certificate) in admitted {
        let Some(bank) = roster.bank(index) else { continue };
        let admission = folder.admission(&bank.name);
        hand_over(&admission, "bank.crt.pem", &certificate)?;
        report.push(Admission {
            index: index.get(),
            name: bank.name.clone(),
            renewed,
            folder: admission,
        });
    }
    let mut readers_report = Vec::new();
    for (role, name, renewed, certificate) in readers_admitted {
        let admission = folder.reader_admission(role, name);
        hand_over(&admission, &format!("{role}.crt.pem"), &certificate)?;
        hand_over(&admission, "ca.crt.pem", &consortium.ca_pem)?;
        readers_report.push(ReaderAdmission {
            role,
            name: name.clone(),
            renewed,
            folder: admission,
        });
    }
    let banks = roster.banks().iter().map(|bank| folder.admission(&bank.name));
    let others = lists.values().flat_map(|list| {
        let place = |reader: &Reader| folder.reader_admission(list.role(), &reader.name);
        list.list().iter().map(place)
    });
    for admission in banks.chain(others) {
        hand_over(&admission, CONSORTIUM_FILE, &text)?;
    }
    for (role, list) in &lists {
        if readers_report.iter().any(|admitted| admitted.role == *role) {
            list.store(&folder.readers(*role))?;
        }
    }
    report.sort_by_key(|admission| admission.index);
    Ok(EnrolReport {
        consortium_sha256: Digest::of(text.as_bytes()).to_hex(),
        banks: roster.banks().len(),
        admitted: report,
        readers: readers_report,
    })
}

fn hand_over(admission: &Path, file: &str, content: &str) -> Result<(), EnrolError> {
    fs::create_dir_all(admission).map_err(EnrolError::file(admission))?;
    Ok(keyfile::replace(&admission.join(file), content.as_bytes())?)
}

/// Who has a bank's key would be admitted as the bank, and an auditor with an operator's key as the operator.
fn no_key_twice<'a>(roster: &Roster, lists: impl Iterator<Item = &'a Readers>) -> Result<(), EnrolError> {
    let mut earlier: BTreeMap<Digest, String> = roster
        .banks()
        .iter()
        .map(|bank| (bank.tls_key, format!("bank {:?}", bank.name)))
        .collect();
    for list in lists {
        for reader in list.list() {
            let who = format!("{} {:?}", list.role(), reader.name);
            if let Some(other) = earlier.insert(reader.tls_key, who.clone()) {
                return Err(EnrolError::Argument(format!(
                    "{who} and {other} have the same TLS key; each needs its own"
                )));
            }
        }
    }
    Ok(())
}

/// By name, each with its file.
#[derive(Default)]
struct Requests<'a> {
    banks: BTreeMap<String, (&'a Path, VerifiedBank)>,
    readers: BTreeMap<(Role, String), (&'a Path, VerifiedReader)>,
}

fn read_requests(paths: &[PathBuf]) -> Result<Requests<'_>, EnrolError> {
    let mut requests = Requests::default();
    for path in paths {
        let text = fs::read_to_string(path).map_err(|error| {
            EnrolError::content(path, format!("{error}; name the request file that was sent"))
        })?;
        let twice = |who: &str, name: &str, earlier: &Path| {
            let earlier = earlier.display();
            EnrolError::content(path, format!("{who} {name:?} is requested in {earlier} already"))
        };
        match verify(&text).map_err(|problem| EnrolError::content(path, problem))? {
            Verified::Bank(request) => {
                if let Some((earlier, _)) = requests.banks.get(&request.name) {
                    return Err(twice("bank", &request.name, earlier));
                }
                requests.banks.insert(request.name.clone(), (path, request));
            }
            Verified::Reader(request) => {
                let key = (request.role, request.name.clone());
                if let Some((earlier, _)) = requests.readers.get(&key) {
                    return Err(twice(&request.role.to_string(), &request.name, earlier));
                }
                requests.readers.insert(key, (path, request));
            }
        }
    }
    Ok(requests)
}

/// The position of a request's bank, and whether it had it before.
fn position(consortium: &mut Consortium, request: &VerifiedBank) -> Result<(BankIndex, bool), String> {
    let next = u16::try_from(consortium.banks.len() + 1)
        .ok()
        .and_then(BankIndex::new);
    let index = next.ok_or("the roster is full")?;
    let new = ConsortiumBank::from(&request.at(index));
    match consortium.banks.iter().find(|bank| bank.name == request.name) {
        None => {
            consortium.banks.push(new);
            Ok((index, false))
        }
        Some(old)
            if *old
                == (ConsortiumBank {
                    index: old.index,
                    ..new
                }) =>
        {
            Ok((old.index, true))
        }
        Some(old) => Err(format!(
            "bank {:?} is enrolled at position {} with other keys; a name keeps its keys, so enrol the new keys under another name",
            old.name, old.index
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::KeyPair;

    use super::*;
    use crate::enrol::init::{init, tests::options};
    use crate::enrol::inspect::verify_client;
    use crate::enrol::request::tests::{reader_request, request};

    struct Scene {
        scratch: tempfile::TempDir,
        dir: PathBuf,
        now: OffsetDateTime,
    }

    impl Scene {
        fn new() -> Self {
            let scratch = tempfile::tempdir().unwrap();
            let options = options(scratch.path());
            let now = OffsetDateTime::now_utc();
            init(&options, now).unwrap();
            Self {
                scratch,
                dir: options.dir,
                now,
            }
        }

        fn request(&self, name: &str, key: &KeyPair, seed: u8) -> PathBuf {
            let path = self.scratch.path().join(format!("{name}-{seed}.request.toml"));
            fs::write(&path, toml::to_string(&request(name, key, seed)).unwrap()).unwrap();
            path
        }

        fn three(&self) -> Vec<PathBuf> {
            [("bank-c", 3), ("bank-a", 1), ("bank-b", 2)]
                .map(|(name, seed)| self.request(name, &KeyPair::generate().unwrap(), seed))
                .to_vec()
        }

        fn enrol(&self, requests: &[PathBuf]) -> Result<EnrolReport, String> {
            enrol(&self.dir, requests, 30, self.now).map_err(|error| error.to_string())
        }

        fn consortium(&self) -> String {
            fs::read_to_string(self.dir.join(CONSORTIUM_FILE)).unwrap()
        }
    }

    #[test]
    fn the_first_batch_takes_positions_by_name_and_later_banks_follow() {
        let scene = Scene::new();
        let report = scene.enrol(&scene.three()).unwrap();
        let names: Vec<_> = report
            .admitted
            .iter()
            .map(|it| (it.index, it.name.as_str(), it.renewed))
            .collect();
        assert_eq!(
            names,
            [(1, "bank-a", false), (2, "bank-b", false), (3, "bank-c", false)]
        );
        let later = scene.request("aa-bank", &KeyPair::generate().unwrap(), 9);
        let report = scene.enrol(&[later]).unwrap();
        assert_eq!((report.banks, report.admitted[0].index), (4, 4));

        let (file, roster) = Consortium::from_toml(&scene.consortium()).unwrap();
        for bank in roster.banks() {
            let folder = scene.dir.join("admissions").join(&bank.name);
            assert_eq!(
                fs::read_to_string(folder.join(CONSORTIUM_FILE)).unwrap(),
                scene.consortium()
            );
            let certificate = fs::read(folder.join("bank.crt.pem")).unwrap();
            let facts =
                verify_client(&certificate, file.ca_pem.as_bytes(), scene.now.unix_timestamp()).unwrap();
            assert_eq!(facts.tls_key, bank.tls_key);
        }
    }

    #[test]
    fn the_same_keys_renew_and_other_keys_are_refused() {
        let scene = Scene::new();
        let requests = scene.three();
        scene.enrol(&requests).unwrap();
        let before = scene.consortium();
        let report = scene.enrol(&requests[..1]).unwrap();
        assert!(report.admitted[0].renewed);
        assert_eq!(scene.consortium(), before);
        let stranger = scene.request("bank-a", &KeyPair::generate().unwrap(), 1);
        assert!(
            scene
                .enrol(&[stranger])
                .unwrap_err()
                .contains("position 1 with other keys")
        );
        assert_eq!(scene.consortium(), before);
    }

    #[test]
    fn one_bad_request_stops_the_batch() {
        let scene = Scene::new();
        let before = scene.consortium();
        let mut requests = scene.three();
        assert!(scene.enrol(&requests[..2]).unwrap_err().contains("2 banks"));
        let twice = scene.request("bank-a", &KeyPair::generate().unwrap(), 8);
        requests.push(twice);
        assert!(scene.enrol(&requests).unwrap_err().contains("already"));
        requests.pop();
        let shared = KeyPair::generate().unwrap();
        let same_key = [
            scene.request("bank-x", &shared, 20),
            scene.request("bank-y", &shared, 21),
        ];
        assert!(
            scene
                .enrol(&[requests.clone(), same_key.to_vec()].concat())
                .unwrap_err()
                .contains("same TLS key")
        );
        let broken = scene.scratch.path().join("broken.toml");
        fs::write(&broken, "version = 1").unwrap();
        assert!(
            scene
                .enrol(&[requests, vec![broken]].concat())
                .unwrap_err()
                .contains("broken.toml")
        );
        assert_eq!(scene.consortium(), before);
        assert!(!scene.dir.join("admissions").exists());
    }

    impl Scene {
        fn auditor_request(&self, name: &str, key: &KeyPair) -> PathBuf {
            let path = self.scratch.path().join(format!("auditor-{name}.request.toml"));
            fs::write(
                &path,
                toml::to_string(&reader_request(Role::Auditor, name, key)).unwrap(),
            )
            .unwrap();
            path
        }

        fn admitted(&self) -> Vec<String> {
            let auditors = Readers::load(Role::Auditor, &self.dir.join("auditors.toml")).unwrap();
            auditors.list().iter().map(|it| it.name.clone()).collect()
        }
    }

    #[test]
    fn an_auditor_gets_a_certificate_and_no_place_in_the_roster() {
        let scene = Scene::new();
        let key = KeyPair::generate().unwrap();
        let firm = scene.auditor_request("firm", &key);
        // Before there are banks, there is nothing to audit.
        assert!(
            scene
                .enrol(std::slice::from_ref(&firm))
                .unwrap_err()
                .contains("0 banks")
        );
        assert!(scene.admitted().is_empty());
        let both = [scene.three(), vec![firm.clone()]].concat();
        let report = scene.enrol(&both).unwrap();
        assert_eq!(
            (report.banks, report.admitted.len(), report.readers.len()),
            (3, 3, 1)
        );
        let before = scene.consortium();
        assert!(!before.contains("firm"), "{before}");

        let report = scene.enrol(&[firm]).unwrap();
        let [again] = report.readers.as_slice() else {
            panic!("one auditor")
        };
        assert!(again.renewed && report.admitted.is_empty());
        assert_eq!(again.folder, scene.dir.join("admissions/auditors/firm"));
        let read = |file: &str| fs::read_to_string(again.folder.join(file)).unwrap();
        let at = scene.now.unix_timestamp();
        let facts = verify_client(
            read("auditor.crt.pem").as_bytes(),
            read("ca.crt.pem").as_bytes(),
            at,
        )
        .unwrap();
        assert_eq!(facts.hosts, ["firm.auditor.veilsum"]);
        assert_eq!(
            (read(CONSORTIUM_FILE), scene.consortium()),
            (before.clone(), before)
        );
        assert_eq!(scene.admitted(), ["firm"]);
        // A bank that joins later changes what the auditor pins.
        let later = scene.request("bank-x", &KeyPair::generate().unwrap(), 9);
        scene.enrol(&[later]).unwrap();
        assert_eq!(read(CONSORTIUM_FILE), scene.consortium());
    }

    #[test]
    fn a_key_is_a_banks_or_an_auditors_and_not_both() {
        let scene = Scene::new();
        scene.enrol(&scene.three()).unwrap();
        let before = scene.consortium();
        let shared = KeyPair::generate().unwrap();
        let (bank, firm) = (
            scene.request("bank-x", &shared, 9),
            scene.auditor_request("firm", &shared),
        );
        let both = scene.enrol(&[bank.clone(), firm.clone()]).unwrap_err();
        assert!(both.contains("same TLS key"), "{both}");
        scene.enrol(&[firm]).unwrap();
        assert!(scene.enrol(&[bank]).unwrap_err().contains("same TLS key"));
        let other = scene.auditor_request("firm", &KeyPair::generate().unwrap());
        assert!(scene.enrol(&[other]).unwrap_err().contains("another key"));
        assert_eq!(scene.consortium(), before);
        assert_eq!(scene.admitted(), ["firm"]);
    }
}
