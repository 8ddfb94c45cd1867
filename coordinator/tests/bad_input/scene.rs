//! A coordinator's folder that is in order, so that each test breaks one thing.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use time::OffsetDateTime;
use veilsum_coordinator::enrol::init::{InitOptions, init};
use veilsum_protocol::enrolment::{EnrolmentRequest, REQUEST_VERSION, proof_message};

const PROGRAM: &str = env!("CARGO_BIN_EXE_veilsum-coordinator");

/// Longest that the program may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Scene {
    folder: tempfile::TempDir,
    /// The port that the coordinator will listen on.
    pub(crate) port: u16,
}

pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Checks the exit code, and that the outputs hold every part.
    pub(crate) fn says(&self, code: i32, parts: &[&str]) {
        let all = format!("{}{}", self.stdout, self.stderr);
        for part in parts {
            assert!(all.contains(part), "{part:?} is not in: {all}");
        }
        assert!(!all.contains("panicked"), "{all}");
        assert_eq!(self.code, code, "{all}");
    }
}

impl Scene {
    /// As `init` leaves it.
    pub(crate) fn without_banks() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let options = InitOptions {
            name: "demo".to_owned(),
            listen: format!("127.0.0.1:{port}").parse().unwrap(),
            hosts: vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
            dir: folder.path().join("consortium"),
            days: 90,
        };
        init(&options, OffsetDateTime::now_utc()).unwrap();
        Self { folder, port }
    }

    /// With three banks.
    pub(crate) fn new() -> Self {
        let scene = Self::without_banks();
        let requests: Vec<_> = (1..=3)
            .map(|seed| scene.request(&format!("bank-{seed}"), seed))
            .collect();
        scene.enrol(&requests).says(0, &["roster of 3 banks"]);
        scene
    }

    /// A bank's request file.
    pub(crate) fn request(&self, name: &str, seed: u8) -> PathBuf {
        let csr = CertificateParams::default()
            .serialize_request(&KeyPair::generate().unwrap())
            .unwrap();
        let [signing, witness] =
            [seed, seed + 128].map(|seed| Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap());
        let public = |key: &Ed25519KeyPair| key.public_key().as_ref().try_into().unwrap();
        let message = proof_message(name, &public(&signing), &public(&witness), csr.der());
        let request = EnrolmentRequest {
            version: REQUEST_VERSION,
            name: name.to_owned(),
            signing_public_key: hex::encode(signing.public_key()),
            witness_public_key: hex::encode(witness.public_key()),
            proof: hex::encode(signing.sign(&message)),
            witness_proof: hex::encode(witness.sign(&message)),
            csr: csr.pem().unwrap(),
        };
        let path = self.folder.path().join(format!("{name}.request.toml"));
        fs::write(&path, toml::to_string(&request).unwrap()).unwrap();
        path
    }

    pub(crate) fn enrol(&self, requests: &[PathBuf]) -> Outcome {
        let requests = requests.iter().map(|path| path.to_str().unwrap());
        self.program(&[&["enrol"][..], &requests.collect::<Vec<_>>()].concat())
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("consortium")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn program(&self, command: &[&str]) -> Outcome {
        self.program_in::<&str>(command, &[])
    }

    pub(crate) fn program_in<V: AsRef<OsStr>>(&self, command: &[&str], environment: &[(&str, V)]) -> Outcome {
        let mut program = Command::new(PROGRAM);
        program.envs(environment.iter().map(|(name, value)| (name, value)));
        self.runs(program, command)
    }

    /// The program where no file may grow beyond so many KiB: what it meets is what a full disk says, with another number.
    pub(crate) fn program_with_room(&self, kib: u32, command: &[&str]) -> Outcome {
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
            .arg(self.dir())
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
