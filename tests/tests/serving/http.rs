//! `veilsum-client serve` as a process, and requests by hand.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::scene::{PATIENCE, Scene, eventually};

pub(crate) struct Served {
    child: Child,
    said: PathBuf,
    pub(crate) address: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// Waits until every bank keeps the receipt that proves what a round led to. The daemon writes it after the model.
pub(crate) fn proven(scene: &Scene, round: u32) {
    let receipt = format!("state/receipts/round-{round:06}-result.tlog-proof");
    for bank in &scene.banks {
        let path = scene.folder(bank).join(&receipt);
        eventually(&receipt, || path.exists().then_some(()));
    }
}

impl Served {
    /// Serves a bank's models on a port that the system chooses.
    pub(crate) fn start(scene: &Scene, bank: &str) -> Self {
        let settings = scene.folder(bank).join("serve.toml");
        if !settings.exists() {
            fs::write(&settings, "listen = \"127.0.0.1:0\"\n").unwrap();
        }
        let said = scene.folder(&format!("{bank}.serve"));
        let child = Command::new(&scene.programs.client)
            .args(["serve", "--dir", bank])
            .current_dir(scene.dir())
            .stdin(Stdio::null())
            .stderr(File::create(&said).unwrap())
            .spawn()
            .unwrap();
        let mut served = Self {
            child,
            said,
            address: String::new(),
        };
        let told = served.says("models are served at http");
        let (_, rest) = told.split_once("models are served at http").unwrap();
        let (_, rest) = rest.split_once("://").unwrap();
        served.address = rest.split_once('/').unwrap().0.to_owned();
        served
    }

    /// Waits until it has said this.
    pub(crate) fn says(&self, part: &str) -> String {
        eventually(part, || {
            let said = fs::read_to_string(&self.said).unwrap();
            said.contains(part).then_some(said)
        })
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// Asks for the scores of columns, given as JSON.
    pub(crate) fn infer(&self, path: &str, inputs: &str) -> Answer {
        self.ask("POST", path, &format!("{{\"inputs\":[{inputs}]}}"))
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.with(method, path, "", body)
    }

    /// The same with more lines of head, each with its end.
    pub(crate) fn with(&self, method: &str, path: &str, more: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_ascii_lowercase(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }

    /// Stops it as systemd does, and gives its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        eventually("the end of the server", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
