//! An operator's folder, and the programs of everybody.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use veilsum_examples::demo::consortium::{COORDINATOR, Consortium, Setup};
use veilsum_examples::demo::{Keeper, Programs};

/// Longest that anything may take; processes of several tests share the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const SCHEMA: &str = r#"
version = 1
label = "late"
[[column]]
name = "income"
type = "number"
min = 0
max = 1000
[[column]]
name = "home"
type = "category"
values = ["own", "rent"]
"#;

pub(crate) struct Scene {
    scratch: tempfile::TempDir,
    pub(crate) programs: Programs,
    pub(crate) port: u16,
}

/// What a program said and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Checks the exit code, and that the outputs hold every part.
    pub(crate) fn says(self, code: i32, parts: &[&str]) -> Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        for part in parts {
            assert!(all.contains(part), "{part:?} is not in: {all}");
        }
        assert!(!all.contains("panicked"), "{all}");
        assert_eq!(self.code, Some(code), "{all}");
        self
    }
}

/// Waits for a state, and fails instead of hanging.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what} did not come");
        thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> u16 {
    eventually("a port that is free for UDP and TCP", || {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        TcpListener::bind(address).is_ok().then(|| address.port())
    })
}

/// An address on which nobody listens.
pub(crate) fn free_tcp() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Scene {
    /// As `init` leaves it.
    pub(crate) fn new() -> Self {
        let scene = Self {
            scratch: tempfile::tempdir().unwrap(),
            programs: Programs::beside_this_one().unwrap(),
            port: free_port(),
        };
        scene.init(COORDINATOR);
        fs::create_dir(scene.dir().join("logs")).unwrap();
        scene
    }

    /// Another operator's folder, of a consortium of the same name at the same address.
    pub(crate) fn init(&self, folder: &str) {
        let listen = format!("127.0.0.1:{}", self.port);
        let arguments = [
            "init",
            "--name",
            "test",
            "--listen",
            &listen,
            "--host",
            "127.0.0.1",
            "--dir",
            folder,
        ];
        self.run(&self.programs.coordinator, &arguments)
            .says(0, &["authority"]);
        let path = self.dir().join(folder).join("coordinator.toml");
        let text = fs::read_to_string(&path).unwrap();
        let text = text
            .replace("reconnect_grace_s = 20", "reconnect_grace_s = 2")
            .replace("\nidle_s = 30", "\nidle_s = 5");
        fs::write(&path, text).unwrap();
    }

    /// A roster of three banks, enrolled by files.
    pub(crate) fn three_banks(&self) {
        let mut enrol = vec!["enrol".to_owned()];
        for name in ["bank-1", "bank-2", "bank-3"] {
            self.client(&["init", "--name", name, "--dir", name]).says(0, &[]);
            enrol.push(format!("{name}/{name}.request.toml"));
        }
        let enrol: Vec<&str> = enrol.iter().map(String::as_str).collect();
        self.operator(&enrol).says(0, &["roster of 3 banks"]);
    }

    /// Gives an address to a key of the operator's configuration that has none.
    pub(crate) fn set(&self, key: &str, address: &str) {
        let path = self.path("coordinator/coordinator.toml");
        let text = fs::read_to_string(&path).unwrap();
        let changed = text.replacen(&format!("\n{key} = \"\""), &format!("\n{key} = \"{address}\""), 1);
        assert_ne!(text, changed, "{key}");
        fs::write(&path, changed).unwrap();
    }

    pub(crate) fn dir(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn run(&self, program: &Path, arguments: &[&str]) -> Outcome {
        self.start(program, arguments).outcome()
    }

    /// A command of the operator, in the operator's folder.
    pub(crate) fn operator(&self, arguments: &[&str]) -> Outcome {
        let arguments = [arguments, &["--dir", COORDINATOR]].concat();
        self.run(&self.programs.coordinator, &arguments)
    }

    /// What a command of the operator answers as JSON.
    pub(crate) fn listed(&self, command: &str) -> Value {
        let told = self.operator(&[command, "--json"]).says(0, &[]);
        serde_json::from_str(&told.stdout).unwrap()
    }

    /// An invitation, with more options.
    pub(crate) fn invite(&self, name: &str, more: &[&str]) -> String {
        let told = self.operator(&[&["invite", name], more].concat()).says(0, &[]);
        let line = told.stdout.trim().to_owned();
        assert!(
            line.starts_with("veilsum1_") && !line.contains(char::is_whitespace),
            "{line}"
        );
        line
    }

    pub(crate) fn client(&self, arguments: &[&str]) -> Outcome {
        self.run(&self.programs.client, arguments)
    }

    pub(crate) fn auditor(&self, arguments: &[&str]) -> Outcome {
        self.run(&self.programs.auditor, arguments)
    }

    /// A program that goes on while the test does something else.
    pub(crate) fn start(&self, program: &Path, arguments: &[&str]) -> Going {
        let number = fs::read_dir(self.dir()).unwrap().count();
        let outputs = ["out", "err"].map(|kind| self.path(&format!("{number}.{kind}")));
        let [stdout, stderr] = outputs.each_ref().map(|path| File::create(path).unwrap());
        let child = Command::new(program)
            .args(arguments)
            .current_dir(self.dir())
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap();
        Going { child, outputs }
    }

    /// The coordinator's daemon.
    pub(crate) fn daemon(&self) -> Going {
        let daemon = self.start(&self.programs.coordinator, &["run", "--dir", COORDINATOR]);
        daemon.says("no roster yet");
        daemon
    }

    /// The same for consortia that train; nothing runs yet.
    pub(crate) fn consortium(&self, banks: Vec<veilsum_examples::demo::consortium::Member>) -> Consortium {
        let setup = Setup {
            dir: self.dir().to_owned(),
            name: "test".to_owned(),
            banks,
            schema: SCHEMA.to_owned(),
            reconnect_grace_s: 2,
            idle_s: 5,
        };
        Consortium::adopt(setup, self.programs.clone(), Keeper::default(), Box::new(|_| ())).unwrap()
    }
}

/// A program that was started, until its test is over.
pub(crate) struct Going {
    child: Child,
    outputs: [PathBuf; 2],
}

impl Going {
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(&self.outputs[1]).unwrap()
    }

    /// Waits until it has said this.
    pub(crate) fn says(&self, part: &str) -> String {
        eventually(part, || {
            let said = self.stderr();
            said.contains(part).then_some(said)
        })
    }

    /// Waits for a line on standard output that begins so.
    pub(crate) fn said_line(&self, begin: &str) -> String {
        eventually(begin, || {
            let said = fs::read_to_string(&self.outputs[0]).unwrap();
            let (whole, _) = said.rsplit_once('\n')?;
            whole
                .lines()
                .find(|line| line.starts_with(begin))
                .map(str::to_owned)
        })
    }

    /// Waits for its end.
    pub(crate) fn outcome(mut self) -> Outcome {
        let status = eventually("the end of a program", || self.child.try_wait().unwrap());
        Outcome {
            code: status.code(),
            stdout: fs::read_to_string(&self.outputs[0]).unwrap(),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
