//! A signed export of some rounds, checked as its reader does, honest and changed.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use veilsum_protocol::wire::canonical::Canonical;

use crate::program::{out, run, with_key};
use crate::rounds::story;
use crate::world::World;

/// Writes the export of round 3 into `export` below `folder` and gives the auditor's key.
fn exported(world: &World, folder: &Path) -> String {
    let key = run(
        folder,
        &["key", "generate", "auditor.key", "--name", "auditor.example"],
    );
    assert_eq!(key.status.code(), Some(0));
    let arguments = [
        "export",
        "log",
        "--round",
        "3",
        "--into",
        "export",
        "--archive",
        "archive",
        "--sign-with",
        "auditor.key",
    ];
    let output = with_key(world, folder, &arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        out(&output).contains("signed by auditor.example+"),
        "{}",
        out(&output)
    );
    out(&key).trim().to_owned()
}

fn checked(folder: &Path, key: &str) -> (Option<i32>, Value) {
    let output = run(
        folder,
        &[
            "export",
            "verify",
            "export",
            "--key-file",
            "log.key",
            "--signed-by",
            key,
            "--json",
        ],
    );
    let json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", out(&output), String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), json)
}

/// Names of the checks that failed, and all that was found.
fn failed(json: &Value) -> (Vec<&str>, String) {
    let checks = json["checks"].as_array().unwrap();
    let bad = checks
        .iter()
        .filter(|check| !check["findings"].as_array().unwrap().is_empty());
    let names = bad
        .clone()
        .map(|check| check["check"].as_str().unwrap())
        .collect();
    (names, bad.map(|check| check["findings"].to_string()).collect())
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn an_export_holds_what_its_reader_needs_and_verifies() {
    let world = story();
    world.on_disk(|folder, _| {
        let key = exported(&world, folder);
        let export = folder.join("export");
        let (code, said) = checked(folder, &key);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(said["verifies"], true);
        assert_eq!(said["notes"], serde_json::json!([]));
        let checks = said["checks"].as_array().unwrap();
        assert!(
            checks.iter().all(|check| check["checked"].as_u64() > Some(0)),
            "{said}"
        );
        // The common tool agrees.
        let sums = Command::new("sha256sum")
            .args(["--check", "--strict", "--quiet", "MANIFEST.sha256"])
            .current_dir(&export)
            .status();
        assert!(sums.unwrap().success());
        // Round 3: manifest, opening, cohort, 4 updates, survivors, certificate, 4 releases, result, 5 acknowledgements.
        let records = json(&export.join("records/round-3.json"));
        assert_eq!(records.as_array().unwrap().len(), 19);
        let cohort = records
            .as_array()
            .unwrap()
            .iter()
            .find(|record| record["type"] == "Cohort")
            .unwrap();
        assert_eq!(cohort["fields"]["banks"], serde_json::json!([1, 2, 3, 4, 5]));
        // Roster, task, five approvals, key directory.
        assert_eq!(
            json(&export.join("records/members.json"))
                .as_array()
                .unwrap()
                .len(),
            8
        );
        assert_eq!(json(&export.join("approvals.json"))[4]["bank_name"], "bank-5");
        let task = world.consortium.task.hash().to_hex();
        let text = fs::read_to_string(export.join(format!("tasks/{task}.toml"))).unwrap();
        assert_eq!(text, world.consortium.task.canonical_text());
        let csv = fs::read_to_string(export.join("metrics.csv")).unwrap();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(
            lines[1].starts_with(&format!("{task},defaults,3,train,1,1,")),
            "{csv}"
        );
        assert!(lines[1].ends_with(&world.state.hash().to_hex()), "{csv}");
        assert_eq!(json(&export.join("verify/report.json"))["verifies"], true);
        let readme = fs::read_to_string(export.join("README.md")).unwrap();
        assert!(
            readme.contains("# Records of rounds 3 to 3 of example.org/loans") && readme.contains(&key),
            "{readme}"
        );
        // Whatever the mapping names is there.
        for duty in json(&export.join("mapping.json"))["duties"].as_array().unwrap() {
            for file in duty["files"].as_array().unwrap() {
                assert!(export.join(file.as_str().unwrap()).exists(), "{file}");
            }
        }
    });
}

#[test]
fn every_file_that_is_changed_added_or_missing_is_named() {
    let world = story();
    world.on_disk(|folder, _| {
        let key = exported(&world, folder);
        let export = folder.join("export");
        let list = fs::read_to_string(export.join("MANIFEST.sha256")).unwrap();
        let paths: Vec<&str> = list
            .lines()
            .map(|line| line.split_once("  ").unwrap().1)
            .collect();
        assert!(paths.len() > 60);
        for path in paths {
            let whole = fs::read(export.join(path)).unwrap();
            let mut changed = whole.clone();
            changed[whole.len() / 2] ^= 1;
            fs::write(export.join(path), changed).unwrap();
            let (code, said) = checked(folder, &key);
            let (names, found) = failed(&said);
            assert_eq!(code, Some(1), "{path}");
            assert!(
                names.contains(&"files") && found.contains(path),
                "{path}: {found}"
            );
            fs::write(export.join(path), whole).unwrap();
        }
        fs::rename(export.join("metrics.csv"), export.join("figures.csv")).unwrap();
        let (code, said) = checked(folder, &key);
        let found = failed(&said).1;
        assert_eq!(code, Some(1));
        assert!(
            found.contains("figures.csv: it is not in the list") && found.contains("metrics.csv: "),
            "{found}"
        );
    });
}

/// Writes the list anew, as one does who changes an export and wants it to look whole.
fn list_anew(export: &Path) {
    let listed = fs::read_to_string(export.join("MANIFEST.sha256")).unwrap();
    let lines = listed.lines().filter_map(|line| {
        let path = line.split_once("  ")?.1;
        let bytes = fs::read(export.join(path)).ok()?;
        Some((path, veilsum_protocol::ids::Digest::of(&bytes).to_hex()))
    });
    let sorted: std::collections::BTreeMap<_, _> = lines.collect();
    let list: String = sorted
        .iter()
        .map(|(path, hash)| format!("{hash}  {path}\n"))
        .collect();
    fs::write(export.join("MANIFEST.sha256"), list).unwrap();
}

#[test]
fn a_forger_who_lists_the_files_anew_is_found_by_the_signature_and_the_log() {
    type Forge = fn(&Path);
    let cases: &[(Forge, &[&str])] = &[
        // Better figures.
        (
            |export| {
                let csv = fs::read_to_string(export.join("metrics.csv")).unwrap();
                fs::write(
                    export.join("metrics.csv"),
                    csv.replace(",train,1,1,", ",train,1,0,"),
                )
                .unwrap();
            },
            &["signature", "derived"],
        ),
        // The JSON says other than the entry.
        (
            |export| {
                let path = export.join("records/round-3.json");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(&path, text.replacen("\"weight\": 120", "\"weight\": 121", 1)).unwrap();
            },
            &["signature", "derived"],
        ),
        // An entry that the log never held.
        (
            |export| {
                let records = json(&export.join("records/round-3.json"));
                let cohort = records
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|record| record["type"] == "Cohort")
                    .unwrap();
                let path = export.join(cohort["file"].as_str().unwrap());
                let mut bytes = fs::read(&path).unwrap();
                *bytes.last_mut().unwrap() = 4;
                fs::write(&path, bytes).unwrap();
            },
            &["signature", "proofs"],
        ),
        // A record whose proof was left out.
        (
            |export| {
                let records = json(&export.join("records/round-3.json"));
                fs::remove_file(export.join(records[0]["proof"].as_str().unwrap())).unwrap();
            },
            &["signature", "proofs", "derived"],
        ),
        // The text of another task.
        (
            |export| {
                let tasks = export.join("tasks");
                let name = fs::read_dir(&tasks).unwrap().next().unwrap().unwrap().path();
                fs::rename(&name, tasks.join(format!("{}.toml", "0".repeat(64)))).unwrap();
                let list = fs::read_to_string(export.join("MANIFEST.sha256")).unwrap();
                let old = name.file_name().unwrap().to_str().unwrap();
                fs::write(
                    export.join("MANIFEST.sha256"),
                    list.replace(&format!("tasks/{old}"), &format!("tasks/{}.toml", "0".repeat(64))),
                )
                .unwrap();
            },
            &["signature", "task-texts"],
        ),
        // Another text under the name of the task.
        (
            |export| {
                for path in fs::read_dir(export.join("tasks"))
                    .unwrap()
                    .map(|entry| entry.unwrap().path())
                {
                    let text = fs::read_to_string(&path).unwrap();
                    fs::write(&path, text.replace("income", "salary")).unwrap();
                }
            },
            &["signature", "task-texts"],
        ),
    ];
    let world = story();
    for (at, (forge, expected)) in cases.iter().enumerate() {
        world.on_disk(|folder, _| {
            let key = exported(&world, folder);
            let export = folder.join("export");
            forge(&export);
            list_anew(&export);
            let (code, said) = checked(folder, &key);
            let (names, found) = failed(&said);
            assert_eq!(code, Some(1));
            assert_eq!(names, *expected, "case {at}: {found}");
        });
    }
}

#[test]
fn another_auditor_and_another_log_are_not_believed() {
    let world = story();
    world.on_disk(|folder, _| {
        let key = exported(&world, folder);
        let other = out(&run(
            folder,
            &["key", "generate", "other.key", "--name", "auditor.example"],
        ));
        let (code, said) = checked(folder, other.trim());
        assert_eq!((code, failed(&said).0), (Some(1), vec!["signature"]));
        let log = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let output = run(
            folder,
            &["export", "verify", "export", "--key", log, "--signed-by", &key],
        );
        assert_eq!(output.status.code(), Some(1));
        assert!(out(&output).contains("FAILED  checkpoint"), "{}", out(&output));
        // Without a pinned key of the auditor the reader is told what that is worth.
        let output = run(folder, &["export", "verify", "export", "--key-file", "log.key"]);
        assert_eq!(output.status.code(), Some(0));
        assert!(
            out(&output).contains("whoever changed the folder could have put it there"),
            "{}",
            out(&output)
        );
    });
}

#[test]
fn an_unsigned_export_says_so_and_is_none_where_a_signature_is_demanded() {
    let world = story();
    world.on_disk(|folder, _| {
        let output = with_key(
            &world,
            folder,
            &["export", "log", "--from", "1", "--to", "3", "--into", "export"],
        );
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).contains("NOT signed"), "{}", out(&output));
        let output = run(folder, &["export", "verify", "export", "--key-file", "log.key"]);
        assert_eq!(output.status.code(), Some(0));
        assert!(
            out(&output).contains("the export is not signed"),
            "{}",
            out(&output)
        );
        let key = out(&run(
            folder,
            &["key", "generate", "auditor.key", "--name", "auditor.example"],
        ));
        assert_eq!(checked(folder, key.trim()).0, Some(1));
        assert!(folder.join("export/records/round-2.json").exists());
        assert!(
            fs::read_to_string(folder.join("export/README.md"))
                .unwrap()
                .contains("not signed")
        );
    });
}

#[test]
fn a_log_with_a_finding_is_exported_with_it_and_one_that_is_no_true_copy_is_not() {
    let mut world = story();
    world.change(|entry| match entry {
        veilsum_protocol::log::entry::Entry::Ack { state, .. } => {
            state.0[0] ^= 1;
            true
        }
        _ => false,
    });
    world.on_disk(|folder, _| {
        let arguments = ["export", "log", "--round", "1", "--into", "export"];
        assert_eq!(with_key(&world, folder, &arguments).status.code(), Some(1));
        assert_eq!(json(&folder.join("export/verify/report.json"))["verifies"], false);
        assert!(
            fs::read_to_string(folder.join("export/README.md"))
                .unwrap()
                .contains("does NOT verify")
        );
        let bundle = folder.join("log/tile/entries/000.p/60");
        let mut bytes = fs::read(&bundle).unwrap();
        bytes[1000] ^= 1;
        fs::write(&bundle, bytes).unwrap();
        let output = with_key(
            &world,
            folder,
            &["export", "log", "--round", "1", "--into", "second"],
        );
        assert_eq!(output.status.code(), Some(1));
        assert!(out(&output).contains("nothing was exported"));
        assert!(!folder.join("second").exists() && !folder.join("second.tmp").exists());
    });
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let world = story();
    world.on_disk(|folder, _| {
        fs::create_dir(folder.join("taken")).unwrap();
        fs::write(folder.join("open.key"), "PRIVATE+KEY+a+b+c\n").unwrap();
        for (arguments, words) in [
            (
                &["--round", "9", "--into", "export"][..],
                "expected some of 1 to 4",
            ),
            (
                &["--from", "3", "--to", "2", "--into", "export"],
                "found rounds 3 to 2",
            ),
            (&["--round", "1", "--into", "taken"], "it is there already"),
            (
                &["--round", "1", "--into", "export", "--sign-with", "open.key"],
                "expected 0600",
            ),
            (&["--round", "1"], "--into"),
            (&["--into", "export"], "--round"),
        ] {
            let output = with_key(&world, folder, &[&["export", "log"], arguments].concat());
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(words), "{arguments:?}: {said}");
        }
        let output = run(folder, &["export", "verify", "taken", "--key-file", "log.key"]);
        assert_eq!(output.status.code(), Some(2));
    });
}
