//! The program itself: what it prints where, and its exit code.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use veilsum_protocol::consortium::{CONSORTIUM_VERSION, Consortium, ConsortiumBank};
use veilsum_protocol::log::entry::Entry;

use crate::rounds::story;
use crate::world::{NAME, World};

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_veilsum-auditor"))
        .current_dir(folder)
        // Whatever proxy this machine uses, the servers of these tests are on it.
        .env("NO_PROXY", "localhost")
        .args(arguments)
        .output()
        .unwrap()
}

pub(crate) fn with_key(world: &World, folder: &Path, arguments: &[&str]) -> Output {
    let key = world.consortium.verifier_key().to_string();
    fs::write(folder.join("log.key"), format!("{key}\n")).unwrap();
    run(folder, &[arguments, &["--key-file", "log.key"]].concat())
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn an_honest_log_gives_one_line_a_check_the_verdict_and_0() {
    let world = story();
    world.on_disk(|folder, _| {
        let output = with_key(&world, folder, &["verify", "log", "--archive", "archive"]);
        assert_eq!(output.status.code(), Some(0));
        let text = out(&output);
        assert!(
            text.contains("\nok      masked-sum               2  the masked updates, added"),
            "{text}"
        );
        assert!(
            text.ends_with("every masked sum verify: 2 rounds and 1 aborted, 5 banks, 60 entries\n"),
            "{text}"
        );
        assert!(String::from_utf8_lossy(&output.stderr).contains("checked 4 rounds"));
    });
}

#[test]
fn a_finding_gives_its_evidence_and_1() {
    let mut world = story();
    world.files.retain(|path, _| !path.ends_with("3.json"));
    world.on_disk(|folder, _| {
        let output = with_key(&world, folder, &["verify", "log", "--archive", "archive"]);
        assert_eq!(output.status.code(), Some(1));
        let text = out(&output);
        assert!(text.contains("FAILED  archived-bundle"), "{text}");
        assert!(
            text.contains("round 3: found no file archive/rounds/3.json, expected an index"),
            "{text}"
        );
        let output = with_key(
            &world,
            folder,
            &["verify", "log", "--archive", "archive", "--json"],
        );
        assert_eq!(output.status.code(), Some(1));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["verifies"], false);
        let checks = json["checks"].as_array().unwrap();
        let failed: Vec<_> = checks
            .iter()
            .filter(|check| check["findings"].as_array().is_some_and(|all| !all.is_empty()))
            .collect();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0]["check"], "archived-bundle");
        assert_eq!(failed[0]["findings"][0]["round"], 3);
    });
}

#[test]
fn a_log_with_a_changed_byte_or_of_another_key_does_not_verify() {
    let world = story();
    world.on_disk(|folder, _| {
        let bundle = folder.join("log/tile/entries/000.p/60");
        let mut bytes = fs::read(&bundle).unwrap();
        bytes[1000] ^= 1;
        fs::write(&bundle, bytes).unwrap();
        for arguments in [&["verify", "log"][..], &["show", "round", "1", "log"]] {
            let output = with_key(&world, folder, arguments);
            assert_eq!(output.status.code(), Some(1));
            assert!(
                out(&output).contains("the log does NOT verify"),
                "{}",
                out(&output)
            );
        }
        let other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let output = run(folder, &["verify", "log", "--key", other]);
        assert_eq!(output.status.code(), Some(1));
        assert!(out(&output).contains("FAILED  log"), "{}", out(&output));
    });
}

#[test]
fn a_consortium_file_pins_the_log_and_the_banks() {
    let world = story();
    let file = |banks: usize| {
        let roster = world.consortium.roster.banks();
        let file = Consortium {
            version: CONSORTIUM_VERSION,
            name: NAME.to_owned(),
            address: "localhost:7443".to_owned(),
            server_name: "localhost".to_owned(),
            log_key: world.consortium.verifier_key(),
            ca_pem: "PEM\n".to_owned(),
            banks: roster.iter().take(banks).map(ConsortiumBank::from).collect(),
        };
        file.to_toml().unwrap()
    };
    world.on_disk(|folder, _| {
        fs::write(folder.join("true.toml"), file(5)).unwrap();
        fs::write(folder.join("fewer.toml"), file(4)).unwrap();
        let verify = |pins: &[&str]| run(folder, &[&["verify", "log"], pins].concat());
        let output = verify(&["--consortium", "true.toml"]);
        assert_eq!(output.status.code(), Some(0), "{}", out(&output));
        assert!(!out(&output).contains("no roster was pinned"));
        let both = verify(&["--consortium", "fewer.toml", "--consortium", "true.toml"]);
        assert_eq!(both.status.code(), Some(0));
        let output = verify(&["--consortium", "fewer.toml"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(out(&output).contains("FAILED  roster"), "{}", out(&output));
    });
}

#[test]
fn a_round_is_told_to_machines_as_one_line_of_json() {
    let mut world = story();
    world.on_disk(|folder, _| {
        let output = with_key(&world, folder, &["show", "round", "3", "log", "--json"]);
        assert_eq!(output.status.code(), Some(0));
        let text = out(&output);
        assert_eq!(text.lines().count(), 1);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["verifies"], true);
        let round = &json["rounds"][0];
        assert_eq!(round["opening"]["task_name"], "defaults");
        assert_eq!(round["opening"]["attempt"], 1);
        assert_eq!(round["dropped_out"], serde_json::json!(["bank-3"]));
        assert_eq!(round["outcome"]["came_to"], "result");
        assert_eq!(round["outcome"]["weight"], 120);
        let output = with_key(&world, folder, &["show", "round", "2", "log", "--json"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["rounds"][0]["outcome"]["came_to"], "abort");
        assert_eq!(json["rounds"][0]["outcome"]["after_release"], true);
    });
    world.remove(|entry| matches!(entry, Entry::Ack { round, .. } if round.0 == 3));
    world.remove(|entry| matches!(entry, Entry::Survivors { round, .. } if round.0 == 3));
    world.on_disk(|folder, _| {
        let output = with_key(&world, folder, &["show", "round", "3", "log", "--json"]);
        assert_eq!(output.status.code(), Some(1));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["verifies"], false);
        assert_eq!(json["rounds"][0]["in_the_sum"], serde_json::Value::Null);
        assert!(json["failed"].as_array().is_some_and(|failed| !failed.is_empty()));
        fs::write(folder.join("log/checkpoint"), "not a note").unwrap();
        let output = with_key(&world, folder, &["show", "round", "3", "log", "--json"]);
        assert_eq!(output.status.code(), Some(1));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["verifies"], false);
    });
}

#[test]
fn wrong_usage_gives_2() {
    let world = story();
    world.on_disk(|folder, _| {
        assert_eq!(run(folder, &["verify", "log"]).status.code(), Some(2));
        assert_eq!(
            run(folder, &["verify", "log", "--key", "x"]).status.code(),
            Some(2)
        );
        for arguments in [
            &["verify", "nowhere"][..],
            &["verify", "log", "--archive", "nowhere"],
            &["show", "round", "9", "log"],
        ] {
            let output = with_key(&world, folder, arguments);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
            assert!(!output.stderr.is_empty());
        }
        let output = with_key(&world, folder, &["show", "round", "3", "log"]);
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).contains("dropped out   bank-3"));
    });
}
