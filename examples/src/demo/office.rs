//! Commands of the operators, run to their end, and their configuration files.

use std::fmt::Display;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;

use super::process::outcome;
use super::{DemoError, Programs};

/// Runs commands to their end, in the consortium's folder.
pub(super) struct Office<'a> {
    pub(super) programs: &'a Programs,
    pub(super) dir: &'a Path,
    pub(super) tell: &'a dyn Fn(&str),
}

impl Office<'_> {
    pub(super) fn coordinator(&self, arguments: &[&str]) -> Result<String, DemoError> {
        self.run(&self.programs.coordinator, "veilsum-coordinator", arguments, &[0])
    }

    pub(super) fn client(&self, arguments: &[&str]) -> Result<String, DemoError> {
        self.run(&self.programs.client, "veilsum-client", arguments, &[0])
    }

    /// What it printed on standard output, if its exit code is one of `fine`.
    pub(super) fn run(
        &self,
        program: &Path,
        name: &str,
        arguments: &[&str],
        fine: &[i32],
    ) -> Result<String, DemoError> {
        let line = format!("{name} {}", arguments.join(" "));
        (self.tell)(&line);
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.dir)
            .output()
            .map_err(DemoError::file(program))?;
        if !output.status.code().is_some_and(|code| fine.contains(&code)) {
            return Err(DemoError::Command {
                command: line,
                outcome: outcome(output.status),
                output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// A port of loopback that nobody uses now, neither for UDP nor for TCP.
pub(super) fn free_port() -> Result<u16, DemoError> {
    let what = Path::new("a port that is free for UDP and TCP");
    let mut tries = 16;
    loop {
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(DemoError::file(what))?;
        let address = socket.local_addr().map_err(DemoError::file(what))?;
        tries -= 1;
        match TcpListener::bind(address) {
            Ok(_) => return Ok(address.port()),
            Err(error) if tries == 0 => return Err(DemoError::file(what)(error)),
            Err(_) => {}
        }
    }
}

/// Sets one key of a configuration file that `init` wrote, as an operator would with an editor.
pub(super) fn set_key(path: &Path, key: &str, value: impl Display) -> Result<(), DemoError> {
    let text = fs::read_to_string(path).map_err(DemoError::file(path))?;
    let mut found = false;
    let lines = text.lines().map(|line| match line.split_once('=') {
        Some((name, rest)) if name.trim() == key => {
            found = true;
            let comment = rest.find('#').map_or("", |at| rest.get(at..).unwrap_or(""));
            format!("{key} = {value} {comment}").trim_end().to_owned() + "\n"
        }
        _ => format!("{line}\n"),
    });
    let changed: String = lines.collect();
    if !found {
        return Err(DemoError::content(path, format!("found no key {key}")));
    }
    fs::write(path, changed).map_err(DemoError::file(path))
}

/// Adds a key to a section of a configuration file that `init` wrote, as an operator would with an editor.
pub(super) fn add_key(path: &Path, section: &str, key: &str, value: impl Display) -> Result<(), DemoError> {
    let text = fs::read_to_string(path).map_err(DemoError::file(path))?;
    let head = format!("[{section}]\n");
    let (before, behind) = text
        .split_once(&head)
        .ok_or_else(|| DemoError::content(path, format!("found no section {section}")))?;
    fs::write(path, format!("{before}{head}{key} = {value}\n{behind}")).map_err(DemoError::file(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_key_of_a_configuration_is_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coordinator.toml");
        fs::write(&path, "grace_s = 20   # patience\n[limits]\nidle_s = 30\n").unwrap();
        set_key(&path, "grace_s", 2).unwrap();
        set_key(&path, "idle_s", 5).unwrap();
        add_key(&path, "limits", "labels", "\"x\"").unwrap();
        let changed = fs::read_to_string(&path).unwrap();
        assert_eq!(
            changed,
            "grace_s = 2 # patience\n[limits]\nlabels = \"x\"\nidle_s = 5\n"
        );
        let error = set_key(&path, "unknown", 1).unwrap_err().to_string();
        assert!(error.contains("found no key unknown"), "{error}");
    }
}
