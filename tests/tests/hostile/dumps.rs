//! A daemon that crashes leaves no memory behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::scene::{COORDINATOR, PATIENCE, Scene, TAPPED};

/// Crashes the coordinator and a bank, which were started with leave to dump as much as they like, and looks for what they dumped. A system
/// that gives dumps to a program (`core_pattern`) writes none here in any case; the limit is looked at all the same.
pub fn are_not_left(scene: &Scene) {
    for name in [TAPPED, COORDINATOR] {
        let pid = scene.consortium.pid(name).unwrap();
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max core file size"));
        let limit: Vec<_> = line.unwrap().split_whitespace().take(2).collect();
        assert_eq!(limit, ["0", "0"], "{name}");
        let kill = Command::new("kill").args(["-ABRT", &pid.to_string()]).status();
        assert!(kill.unwrap().success());
        let until = Instant::now() + PATIENCE;
        let ended = loop {
            if let Some(ended) = scene.consortium.ended(name) {
                break ended;
            }
            assert!(Instant::now() < until, "{name} does not end");
            thread::park_timeout(Duration::from_millis(5));
        };
        assert_eq!(ended, "signal 6", "{name}");
    }
    let dir = &scene.consortium.setup().dir;
    let dumps = dumps_in(dir);
    assert!(dumps.is_empty(), "{dumps:?}");
}

/// Files that begin as an ELF core does (`e_type` 4), whatever their name.
fn dumps_in(folder: &Path) -> Vec<PathBuf> {
    let mut dumps = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            dumps.extend(dumps_in(&path));
        } else if path.is_file() && is_core(&fs::read(&path).unwrap()) {
            dumps.push(path);
        }
    }
    dumps
}

fn is_core(content: &[u8]) -> bool {
    content.starts_with(b"\x7fELF") && content.get(16..18) == Some(&[4, 0])
}
