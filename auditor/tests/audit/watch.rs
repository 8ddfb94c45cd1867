//! The watch: passes over a log that grows, misbehaves or is gone.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use crate::program::{out, with_key};
use crate::rounds::{End, Script, story};
use crate::served::{Fault, Server};
use crate::tampered::memory::rewrite;
use crate::world::World;

fn next_round(world: &World) -> World {
    let mut world = world.clone();
    world.entries.truncate(world.entries.len() - 2);
    world.play(&Script {
        round: 4,
        attempt: 0,
        prepared: &[1, 2, 3, 4],
        cohort: &[1, 2, 3, 4],
        survivors: &[1, 2, 3, 4],
        end: End::AbortedAfter(2),
    });
    world.play(&Script {
        round: 5,
        attempt: 1,
        prepared: &[1, 2, 3, 4, 5],
        cohort: &[1, 2, 3, 4, 5],
        survivors: &[1, 2, 4, 5],
        end: End::Published,
    });
    world
}

fn lines(output: &Output) -> Vec<String> {
    out(output).lines().map(str::to_owned).collect()
}

#[test]
fn passes_tell_what_is_new_and_alert_on_what_is_wrong() {
    let mut world = story();
    // Up to the end of round 3.
    world.entries.truncate(world.entries.len() - 2);
    let (served, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    world.write(served.path());
    let server = Server::start(served.path(), None);
    let (log, archive) = (server.url("log"), server.url("archive"));
    let watch = |more: &[&str]| {
        let arguments = [
            &[
                "watch",
                &log,
                "--state",
                "state",
                "--archive",
                &archive,
                "--tries",
                "1",
            ],
            more,
        ];
        with_key(&world, here.path(), &arguments.concat())
    };
    let output = watch(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert_eq!(
        lines(&output),
        [
            "ok      the log and the replay of every masked sum verify: 2 rounds and 1 aborted, 5 banks, 58 entries"
        ]
    );
    let output = watch(&[]);
    assert_eq!((output.status.code(), lines(&output).len()), (Some(0), 0));

    let grown = {
        let mut story = story();
        story.entries.truncate(world.entries.len() + 2);
        next_round(&story)
    };
    grown.write(served.path());
    let output = watch(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert_eq!(
        lines(&output)[..2],
        [
            "abort   4: defaults train, step 2; too few banks released their shares; shares may be out",
            "round   5: defaults train, step 2; 4 updates of bank-1, bank-2, bank-4, bank-5; dropped out: bank-3"
        ]
    );
    assert!(
        lines(&output)[2].contains("3 rounds and 2 aborted"),
        "{}",
        out(&output)
    );
    let last = fs::read(here.path().join("state/last")).unwrap();
    assert_eq!(last, grown.head().note().as_str().as_bytes());

    // Gone for a while.
    server.spoil("log/checkpoint", Fault::Status(503), 1);
    let output = watch(&["--json"]);
    assert_eq!(output.status.code(), Some(75));
    let event: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(event["event"], "unreachable");

    // Does not grow any more.
    let output = watch(&["--stale-after", "0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(&output).starts_with("STALE   the log has had "),
        "{}",
        out(&output)
    );
    assert_eq!(watch(&["--stale-after", "3600"]).status.code(), Some(0));

    // Another log under the same key.
    let mut forked = grown.clone();
    rewrite(&mut forked);
    forked.write(served.path());
    let output = watch(&["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let event: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(event["event"], "alert");
    assert!(
        event["what"]
            .as_str()
            .is_some_and(|what| what.contains("contradicts the copy"))
    );
    assert_eq!(fs::read(here.path().join("state/last")).unwrap(), last);
}

#[test]
fn a_finding_in_what_is_new_is_told_and_not_remembered() {
    let world = story();
    let (served, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    world.write(served.path());
    let server = Server::start(served.path(), None);
    let log = server.url("log");
    let watch = || {
        with_key(
            &world,
            here.path(),
            &["watch", &log, "--state", "state", "--json"],
        )
    };
    assert_eq!(watch().status.code(), Some(0));
    let mut bad = world.clone();
    bad.entries.push(b"no entry".to_vec());
    bad.write(served.path());
    for _ in 0..2 {
        let output = watch();
        assert_eq!(output.status.code(), Some(1));
        let event: serde_json::Value = serde_json::from_str(&lines(&output)[0]).unwrap();
        assert_eq!(
            (&event["event"], &event["check"]),
            (&"finding".into(), &"entry-form".into())
        );
        assert_eq!(event["entry"], 60);
        assert_eq!(
            fs::read(here.path().join("state/last")).unwrap(),
            world.head().note().as_str().as_bytes()
        );
    }
}

#[test]
fn a_watch_goes_on_until_something_is_wrong() {
    let world = story();
    let (served, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    world.write(served.path());
    let server = Server::start(served.path(), None);
    let key = world.consortium.verifier_key().to_string();
    server.spoil("log/checkpoint", Fault::Status(503), 1);
    let mut watch = Command::new(env!("CARGO_BIN_EXE_veilsum-auditor"))
        .current_dir(here.path())
        .env("NO_PROXY", "localhost")
        .args([
            "watch",
            &server.url("log"),
            "--state",
            "state",
            "--every",
            "1",
            "--tries",
            "1",
            "--key",
            &key,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    assert!(lines.next().unwrap().starts_with("waiting "));
    assert!(lines.next().unwrap().starts_with("ok      the log verifies"));
    let grown = next_round(&world);
    grown.write(served.path());
    assert!(lines.next().unwrap().starts_with("abort   4: "));
    assert!(lines.next().unwrap().starts_with("round   5: "));
    assert!(lines.next().unwrap().starts_with("ok      "));
    world.write(served.path());
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("ALERT   the log contradicts the copy")
    );
    assert_eq!(watch.wait().unwrap().code(), Some(1));
}
