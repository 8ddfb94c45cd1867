//! A bank whose folder is in order, and its program.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use veilsum_examples::demo::Programs;

use crate::scene::Scene;

const SCHEMA: &str =
    "version = 1\nlabel = \"y\"\n[[column]]\nname = \"income\"\ntype = \"number\"\nmin = 0\nmax = 100\n";

/// What a program said.
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Told {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The finding on one thing: its verdict, its cause and its words.
    pub(crate) fn finding(&self, what: &str) -> (String, String, String) {
        let report: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr));
        let all = report["findings"].as_array().unwrap();
        let found = all
            .iter()
            .find(|finding| finding["what"] == what)
            .unwrap_or_else(|| panic!("nothing on {what} in {all:#?}"));
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        let words = format!("{} {}", text("detail"), text("todo"));
        (text("verdict"), text("cause"), words)
    }

    /// Checks verdict, cause and words of a finding.
    pub(crate) fn finds(&self, what: &str, verdict: &str, cause: &str, parts: &[&str]) -> &Self {
        let (is, by, words) = self.finding(what);
        assert_eq!((is.as_str(), by.as_str()), (verdict, cause), "{what}: {words}");
        for part in parts {
            assert!(words.contains(part), "{part:?} is not in: {words}");
        }
        self
    }

    pub(crate) fn ends(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }
}

/// The folder of `bank-1`, whose consortium file names this address, and with a table.
pub(crate) fn folder(scene: &Scene, address: &str) -> PathBuf {
    let dir = scene.scratch.path().join("bank-1");
    let path = dir.join("consortium.toml");
    let text = fs::read_to_string(&path).unwrap();
    let start = text.find("address = ").unwrap();
    let end = start + text[start..].find('\n').unwrap();
    fs::write(
        &path,
        format!("{}address = {address:?}{}", &text[..start], &text[end..]),
    )
    .unwrap();
    fs::write(dir.join("schema.toml"), SCHEMA).unwrap();
    fs::write(dir.join("data.csv"), "income,y\n10,0\n20,1\n").unwrap();
    set(&dir, "connect_s = 10", "connect_s = 2");
    dir
}

/// Changes a line of `bank.toml`, unless it is so already.
pub(crate) fn set(dir: &Path, from: &str, to: &str) {
    let path = dir.join("bank.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(from, to)).unwrap();
}

pub(crate) fn programs() -> Programs {
    Programs::beside_this_one().unwrap()
}

/// The client with these words; it ends by itself.
pub(crate) fn client(words: &[&str]) -> Command {
    let mut command = Command::new(programs().client);
    command.args(words).stdin(Stdio::null());
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        command.env_remove(name);
    }
    command
}

/// `preflight` of a bank's folder, beside a test that serves.
pub(crate) async fn preflight(dir: &Path) -> Told {
    let dir = dir.to_str().unwrap().to_owned();
    told(client(&["preflight", "--json", "--dir", &dir])).await
}

pub(crate) async fn told(mut command: Command) -> Told {
    let output = tokio::task::spawn_blocking(move || command.output());
    Told::of(output.await.unwrap().unwrap())
}

/// `preflight` of a bank with this coordinator's address.
pub(crate) async fn preflight_to(scene: &Scene, address: SocketAddr) -> Told {
    preflight(&folder(scene, &address.to_string())).await
}
