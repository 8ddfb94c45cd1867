//! `watch` over a coordinator that is stopped and started again.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::scene::Scene;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn plain_lines_go_on_when_the_coordinator_is_started_again() {
    let scene = Scene::new();
    let daemon = scene.daemon();
    daemon.says("serves 3 banks of demo");
    let mut watch = Command::new(env!("CARGO_BIN_EXE_veilsum-coordinator"))
        .args(["watch", "--dir"])
        .arg(scene.dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (say, said) = channel();
    let output = BufReader::new(watch.stdout.take().unwrap());
    thread::spawn(move || {
        output
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| say.send(line))
    });
    let until = |part: &str| {
        let end = Instant::now() + PATIENCE;
        loop {
            let line = said.recv_timeout(end.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("{part:?} did not come"));
            // Each has its time.
            assert_eq!(
                (line.as_bytes()[2], line.as_bytes()[5], line.as_bytes()[8]),
                (b':', b':', b' '),
                "{line}"
            );
            if line.contains(part) {
                return;
            }
        }
    };
    until("0 of 3 banks are connected, all are needed to set up a key epoch");
    drop(daemon);
    until("waiting until the coordinator is started again, without a time limit");
    let daemon = scene.daemon();
    daemon.says("serves 3 banks of demo");
    until("the coordinator is there again");
    until("0 of 3 banks are connected");
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn lines_of_json_end_when_no_task_is_left() {
    let scene = Scene::new();
    let file = scene.path("credit.toml");
    std::fs::write(
        &file,
        "name = \"credit\"\nrounds = 2\nseed = 1\n[schema]\nversion = 1\nlabel = \"y\"\n[[schema.column]]\nname = \"x\"\ntype = \"number\"\n\
         min = 0\nmax = 1\n[model]\nfamily = \"logistic\"\n[training]\noptimiser = \"sgd\"\nlearning_rate = 0.1\nbatch_size = 8\nlocal_epochs = 1\n",
    )
    .unwrap();
    let daemon = scene.daemon();
    daemon.says("serves 3 banks of demo");
    scene
        .program(&["task", "create", file.to_str().unwrap()])
        .says(0, &[]);
    scene.program(&["task", "stop", "credit"]).says(0, &[]);
    let ended = scene.program(&["--json", "watch", "--until-finished"]);
    ended.says(1, &["task credit is stopped: by the operator"]);
    let first: serde_json::Value = serde_json::from_str(ended.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["tasks"][0]["name"], "credit");
    assert!(!first["waiting_for"].as_str().unwrap().is_empty());
}

/// As in `veilsum-coordinator watch | head -1`.
#[test]
fn a_reader_that_went_away_ends_the_watch_quietly() {
    let scene = Scene::new();
    let daemon = scene.daemon();
    daemon.says("serves 3 banks of demo");
    for json in [false, true] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_veilsum-coordinator"));
        command.args(["watch", "--dir"]).arg(scene.dir()).stdout(writer);
        if json {
            command.arg("--json");
        }
        let output = command
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
}
