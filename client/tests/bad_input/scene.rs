//! A bank's folder that is in order, so that each test breaks one thing.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};
use veilsum_client::enrol::{init, inspect};
use veilsum_protocol::consortium::{CONSORTIUM_VERSION, Consortium, ConsortiumBank};
use veilsum_protocol::crypto::entropy::SeededEntropy;
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::enrolment::EnrolmentRequest;
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::VerifierKey;

pub(crate) const SCHEMA: &str = r#"version = 1
label = "y"
leave_out = ["id"]
[[column]]
name = "income"
type = "number"
min = 0
max = 100
[[column]]
name = "region"
type = "category"
values = ["north", "south"]
"#;

pub(crate) const TABLE: &str = "id,income,region,y\n1,10,north,0\n2,20,south,1\n3,30,north,0\n";

const PROGRAM: &str = env!("CARGO_BIN_EXE_veilsum-client");

/// Longest that the program may take for anything.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

pub(crate) struct Scene {
    folder: tempfile::TempDir,
    authority: Issuer<'static, KeyPair>,
    request: EnrolmentRequest,
    pub(crate) consortium: Consortium,
    /// In the coordinator's place: whatever the program sends arrives here.
    coordinator: UdpSocket,
}

pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Checks the exit code, and that one line of either output holds every part.
    pub(crate) fn says(&self, code: i32, parts: &[&str]) {
        let all = format!("{}{}", self.stdout, self.stderr);
        for part in parts {
            assert!(all.contains(part), "{part:?} is not in: {all}");
        }
        assert_eq!(self.code, code, "{all}");
    }
}

pub(crate) fn authority() -> Issuer<'static, KeyPair> {
    Issuer::new(authority_params(), KeyPair::generate().unwrap())
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "demo authority");
    params
}

impl Scene {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("bank");
        let report = init::init("bank-a", &dir).unwrap();
        let request = EnrolmentRequest::from_toml(&fs::read_to_string(report.request).unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let ca_pem = authority_params().self_signed(&key).unwrap().pem();
        let coordinator = UdpSocket::bind("127.0.0.1:0").unwrap();
        coordinator.set_nonblocking(true).unwrap();
        let mut scene = Self {
            folder,
            authority: Issuer::new(authority_params(), key),
            consortium: Consortium {
                version: CONSORTIUM_VERSION,
                name: "demo".to_owned(),
                address: coordinator.local_addr().unwrap().to_string(),
                server_name: "127.0.0.1".to_owned(),
                log_key: VerifierKey::new("demo", signing_key(1)).unwrap(),
                ca_pem,
                banks: Vec::new(),
            },
            request,
            coordinator,
        };
        scene.issue(-1, 100);
        let facts = inspect::facts(scene.read("bank.crt.pem").as_bytes()).unwrap();
        let bank =
            |position: u16, name: &str, [signing, witness]: [[u8; 32]; 2], tls: String| ConsortiumBank {
                index: BankIndex::new(position).unwrap(),
                name: name.to_owned(),
                signing_public_key: Digest(signing).to_hex(),
                witness_public_key: Digest(witness).to_hex(),
                tls_key_sha256: tls,
            };
        let other = |position: u16| Digest::of(&position.to_be_bytes()).to_hex();
        scene.consortium.banks = vec![
            bank(
                1,
                "bank-a",
                [
                    scene.request.signing_key().unwrap(),
                    scene.request.witness_key().unwrap(),
                ],
                facts.tls_key_sha256,
            ),
            bank(2, "bank-b", [signing_key(2), signing_key(102)], other(2)),
            bank(3, "bank-c", [signing_key(3), signing_key(103)], other(3)),
        ];
        scene.pin();
        scene.write("schema.toml", SCHEMA);
        scene.write("data.csv", TABLE);
        let config = scene.read("bank.toml").replace("connect_s = 10", "connect_s = 1");
        scene.write("bank.toml", &config);
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("bank").join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Writes the consortium file.
    pub(crate) fn pin(&self) {
        self.write("consortium.toml", &self.consortium.to_toml().unwrap());
    }

    /// Issues the bank's certificate, valid from and until so many days from today.
    pub(crate) fn issue(&self, from: i64, until: i64) {
        self.issue_by(&self.authority, from, until);
    }

    pub(crate) fn issue_by(&self, authority: &Issuer<'static, KeyPair>, from: i64, until: i64) {
        let mut csr = CertificateSigningRequestParams::from_pem(&self.request.csr).unwrap();
        let today = OffsetDateTime::now_utc();
        csr.params.not_before = today + Duration::days(from);
        csr.params.not_after = today + Duration::days(until);
        csr.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.write("bank.crt.pem", &csr.signed_by(authority).unwrap().pem());
    }

    pub(crate) fn client(&self, command: &[&str]) -> Outcome {
        self.client_in::<&str>(command, &[])
    }

    pub(crate) fn client_in<V: AsRef<OsStr>>(&self, command: &[&str], environment: &[(&str, V)]) -> Outcome {
        let mut program = Command::new(PROGRAM);
        program.envs(environment.iter().map(|(name, value)| (name, value)));
        self.runs(program, command)
    }

    /// The program where no file may grow beyond so many KiB: what it meets is what a full disk says, with another number.
    pub(crate) fn client_with_room(&self, kib: u32, command: &[&str]) -> Outcome {
        let mut shell = Command::new("bash");
        shell.args(["-c", r#"trap "" XFSZ; ulimit -f "$1"; shift; exec "$@""#, "bash"]);
        shell.arg(kib.to_string()).arg(PROGRAM);
        self.runs(shell, command)
    }

    fn runs(&self, program: Command, command: &[&str]) -> Outcome {
        let mut child = self.spawn(program, command);
        let (stdout, stderr) = (whole(child.stdout.take()), whole(child.stderr.take()));
        let (stdout, stderr) = match (stdout.recv_timeout(PATIENCE), stderr.recv_timeout(PATIENCE)) {
            (Ok(stdout), Ok(stderr)) => (stdout, stderr),
            _ => {
                let _ = child.kill();
                panic!(
                    "{command:?} did not end; it said {:?}",
                    stderr.recv_timeout(PATIENCE)
                );
            }
        };
        Outcome {
            code: child.wait().unwrap().code().unwrap(),
            stdout,
            stderr,
        }
    }

    fn spawn(&self, mut program: Command, command: &[&str]) -> Child {
        program
            .args(command)
            .arg("--dir")
            .arg(self.folder.path().join("bank"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// A daemon that goes on.
    pub(crate) fn daemon(&self) -> Daemon {
        let mut child = self.spawn(Command::new(PROGRAM), &["run"]);
        let (say, lines) = channel();
        let output = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| say.send(line))
        });
        Daemon { child, lines }
    }

    /// Checks that not a single datagram has left the bank.
    pub(crate) fn nothing_was_sent(&self) {
        let received = self.coordinator.recv(&mut [0; 64]);
        assert_eq!(received.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }

    /// Waits until something has left the bank.
    pub(crate) fn something_is_sent(&self) {
        self.coordinator.set_nonblocking(false).unwrap();
        self.coordinator.set_read_timeout(Some(PATIENCE)).unwrap();
        let received = self.coordinator.recv(&mut [0; 2048]);
        self.coordinator.set_nonblocking(true).unwrap();
        received.expect("nothing was sent");
    }

    /// True if something has left the bank.
    pub(crate) fn something_was_sent(&self) -> bool {
        self.coordinator.recv(&mut [0; 2048]).is_ok()
    }
}

/// A daemon that runs, until its test is over.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
}

impl Daemon {
    /// What it says up to the line that holds `part`.
    pub(crate) fn says(&self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut said = String::new();
        while !said.contains(part) {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => said = said + &line + "\n",
                Err(error) => panic!("{part:?} is not in: {said} ({error})"),
            }
        }
        said
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads all of a program's output, beside the test.
fn whole(output: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (say, said) = channel();
    thread::spawn(move || {
        let mut text = String::new();
        output.unwrap().read_to_string(&mut text).unwrap();
        say.send(text)
    });
    said
}

fn signing_key(seed: u64) -> [u8; 32] {
    SigningKey::generate(&mut SeededEntropy::new(seed))
        .verifying_key()
        .0
}
