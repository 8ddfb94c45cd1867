//! The daemon with and without a door for auditors.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use crate::reader::{PATIENCE, ask, request};
use crate::scene::Scene;

struct Daemon {
    child: Child,
    lines: Receiver<String>,
}

impl Daemon {
    fn run(dir: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_veilsum-coordinator"))
            .args(["run", "--dir"])
            .arg(dir)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, lines) = channel();
        let output = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| say.send(line))
        });
        Self { child, lines }
    }

    /// What it says up to the line that holds `part`; all that it says if there is none.
    fn says(&self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut said = String::new();
        while !said.contains(part) {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => said = said + &line + "\n",
                Err(_) => break,
            }
        }
        said
    }

    /// Its exit code, when it has ended by itself.
    fn ends(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }

    fn stops(&mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.ends()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A folder whose store is the daemon's alone.
fn folder(scene: &Scene) -> std::path::PathBuf {
    let dir = scene.dir();
    for used in [&scene.config.folders.data, &scene.config.folders.log] {
        fs::rename(used, used.with_extension("away")).unwrap();
    }
    let path = dir.join("coordinator.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        path,
        text.replace("127.0.0.1:7443", &format!("127.0.0.1:{}", free_port())),
    )
    .unwrap();
    dir
}

#[test]
fn the_daemon_serves_auditors_where_it_is_told_to_and_tells_what_hinders_it() {
    let scene = Scene::new();
    let dir = folder(&scene);
    let mut off = Daemon::run(&dir, &[]);
    assert!(!off.says("serves 3 banks of demo").contains("https://"));
    assert_eq!(off.stops(), 0);

    let address = format!("127.0.0.1:{}", free_port());
    let listen = [
        ("VEILSUM__AUDITORS__LISTEN", address.as_str()),
        ("VEILSUM_TRACE", "debug"),
    ];
    let mut on = Daemon::run(&dir, &listen);
    let said = on.says("for 1 auditors and the banks");
    assert!(said.contains(&format!("https://{address}")), "{said}");
    // It stands before its first line about it.
    let reply = ask(
        &scene,
        address.parse().unwrap(),
        Some(&scene.firm),
        &request("GET", "/log/checkpoint", &[]),
    );
    // There are tiles, but no bank has cosigned their head yet, so nothing is published.
    assert_eq!(reply.unwrap().status, 404);
    assert!(dir.join("log/tile").is_dir() && !dir.join("log/checkpoint").exists());
    let traced = on.says("a request");
    assert!(
        traced.contains("auditor firm") && traced.contains("/log/checkpoint"),
        "{traced}"
    );
    assert_eq!(on.stops(), 0);
    let said = on.says("auditors are not served any more");
    assert!(
        said.contains("answered=1") && said.contains("refused=0"),
        "{said}"
    );

    let taken = TcpListener::bind(&address).unwrap();
    let mut hindered = Daemon::run(&dir, &listen);
    let said = hindered.says("another `listen`");
    assert!(
        said.contains(&format!("cannot listen on TCP {address}")),
        "{said}"
    );
    assert_eq!(hindered.ends(), 1);
    drop(taken);
    fs::write(dir.join("auditors.toml"), "version = 1\nauditor = 7\n").unwrap();
    let mut broken = Daemon::run(&dir, &listen);
    let said = broken.says("auditors.toml");
    assert!(said.contains("error: ") && said.contains("line 2"), "{said}");
    assert_eq!(broken.ends(), 2);
}

#[test]
fn the_operator_enrols_an_auditor_by_its_request() {
    let scene = Scene::new();
    scene.auditor("office");
    let again = Command::new(env!("CARGO_BIN_EXE_veilsum-coordinator"))
        .args(["enrol", "--dir"])
        .arg(scene.dir())
        .arg(scene.scratch().join("office.request.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8(again.stdout).unwrap();
    assert!(
        said.contains("renewed auditor office: hand over ") && said.contains("admissions/auditors/office"),
        "{said}"
    );
    assert!(said.contains("roster of 3 banks"), "{said}");
    let path = scene.scratch().join("office.request.toml");
    let text = fs::read_to_string(&path).unwrap().replace("office", "bank-1");
    fs::write(&path, text).unwrap();
    let renamed = Command::new(env!("CARGO_BIN_EXE_veilsum-coordinator"))
        .args(["enrol", "--dir"])
        .arg(scene.dir())
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(renamed.status.code(), Some(2));
    let said = String::from_utf8(renamed.stderr).unwrap();
    assert!(
        said.contains("expected the one name bank-1.auditor.veilsum"),
        "{said}"
    );
}
