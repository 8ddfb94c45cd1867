//! The coordinator's keys as `config check` tells them.
#![allow(clippy::unwrap_used)]

use veilsum_settings::{Effective, Program, Source, effective};

use super::Config;

fn of(text: &str, environment: &[(&str, &str)]) -> (Vec<Effective>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coordinator.toml");
    std::fs::write(&path, text).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    effective::<Config>(&path, environment)
}

#[test]
fn the_list_of_whose_key_is_whose_has_every_key_and_no_other() {
    let (values, _) = of("listen = \"127.0.0.1:1\"", &[]);
    for one in &values {
        assert!(Program::Coordinator.has(&one.key), "{} is not listed", one.key);
    }
    for listed in Program::Coordinator.keys() {
        let within = format!("{listed}.");
        let is_there = values
            .iter()
            .any(|one| one.key == *listed || one.key.starts_with(&within));
        assert!(is_there, "{listed} is listed, and no key");
    }
}

#[test]
fn every_value_says_where_it_comes_from() {
    let text = "listen = \"127.0.0.1:1\"\n[limits]\nidle_s = 40\nstreams = 2\n";
    let (values, problems) = of(text, &[("VEILSUM__LIMITS__IDLE_S", "50")]);
    assert_eq!(problems, Vec::<String>::new());
    let value = |key: &str| {
        let found = values.iter().find(|one| one.key == key).unwrap();
        (found.value.clone(), found.source.clone())
    };
    assert_eq!(value("listen"), ("\"127.0.0.1:1\"".to_owned(), Source::File));
    assert_eq!(value("limits.streams"), ("2".to_owned(), Source::File));
    let variable = Source::Environment("VEILSUM__LIMITS__IDLE_S".to_owned());
    assert_eq!(value("limits.idle_s"), ("50".to_owned(), variable));
    assert_eq!(value("limits.stall_s"), ("30".to_owned(), Source::Default));
    assert_eq!(value("operator.listen"), ("\"\"".to_owned(), Source::Default));
    assert_eq!(value("identity.log_key").0, "\"identity/log.key.pem\"");
}

#[test]
fn every_value_out_of_its_range_is_told_at_once() {
    let text = "listen = \"127.0.0.1:1\"\nreconnect_grace_s = 9999\n[limits]\nidle_s = 1\n[auditors]\nstall_s = 0\n[operator]\nlisten = \"10.0.0.1:80\"\n";
    let (_, problems) = of(text, &[]);
    let all = problems.join("\n");
    for part in [
        "coordinator.toml: reconnect_grace_s: 9999 is out of range, expected 0 to 3600",
        "limits.idle_s: 1 is out of range, expected 5 to 600",
        "auditors.stall_s: 0 is out of range, expected 1 to 600",
        "operator.listen: 10.0.0.1:80 can be reached from other machines",
    ] {
        assert!(all.contains(part), "{part} is not in {all}");
    }
    assert_eq!(problems.len(), 4, "{all}");
}

#[test]
fn an_address_that_is_missing_is_told_with_what_to_set() {
    let (_, problems) = of("[limits]\nidle_s = 40\n", &[]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].ends_with(
        "coordinator.toml: listen is missing; set it to the address on which banks are served, such as \"0.0.0.0:7443\""
    ));
}
