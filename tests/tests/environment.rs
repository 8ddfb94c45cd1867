//! One environment for all programs: a variable of another one stops nobody, and a mistake in an own section does.
#![allow(clippy::unwrap_used)]

use std::ffi::OsString;

use toml::{Table, Value};
use veilsum_client::config as client;
use veilsum_coordinator::config as coordinator;

/// Every key with its default, by section.
fn keys(template: &str) -> Vec<(String, Value)> {
    fn flat(table: &Table, before: &str, all: &mut Vec<(String, Value)>) {
        for (key, value) in table {
            match value {
                Value::Table(section) => flat(section, &format!("{before}{key}."), all),
                value => all.push((format!("{before}{key}"), value.clone())),
            }
        }
    }
    let mut all = Vec::new();
    flat(&toml::from_str(template).unwrap(), "", &mut all);
    all
}

fn variable(key: &str) -> String {
    format!("VEILSUM__{}", key.replace('.', "__").to_ascii_uppercase())
}

fn environment(name: &str, value: &str) -> [(OsString, OsString); 1] {
    [(name.into(), value.into())]
}

#[test]
fn each_program_passes_over_every_key_of_the_other() {
    let scratch = tempfile::tempdir().unwrap();
    let (bank, operator) = (
        scratch.path().join("bank.toml"),
        scratch.path().join("coordinator.toml"),
    );
    let banks = client::template("bank-a");
    let operators = coordinator::template("127.0.0.1:7443".parse().unwrap());
    std::fs::write(&bank, &banks).unwrap();
    std::fs::write(&operator, &operators).unwrap();
    let (of_bank, of_operator) = (keys(&banks), keys(&operators));
    let has = |keys: &[(String, Value)], key: &str| keys.iter().any(|(known, _)| known == key);
    let mut passed = 0;
    for (key, value) in &of_operator {
        // Where both have it, it is set for both.
        let value = if has(&of_bank, key) {
            value.to_string()
        } else {
            "[1, 2]".to_owned()
        };
        let read = client::Config::load(&bank, environment(&variable(key), &value));
        assert!(
            read.is_ok(),
            "{key}, a key of coordinator.toml that settings/src/program.rs does not know: {read:?}"
        );
        passed += 1;
    }
    for (key, value) in &of_bank {
        let value = if has(&of_operator, key) {
            value.to_string()
        } else {
            "[1, 2]".to_owned()
        };
        let read = coordinator::Config::load(&operator, environment(&variable(key), &value));
        assert!(
            read.is_ok(),
            "{key}, a key of bank.toml that settings/src/program.rs does not know: {read:?}"
        );
        passed += 1;
    }
    assert!(passed > 50, "{passed}");
}

#[test]
fn a_mistake_in_an_own_section_or_in_nobodys_stops_the_program_and_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let (bank, operator) = (
        scratch.path().join("bank.toml"),
        scratch.path().join("coordinator.toml"),
    );
    std::fs::write(&bank, client::template("bank-a")).unwrap();
    let listen = "127.0.0.1:7443".parse().unwrap();
    std::fs::write(&operator, coordinator::template(listen)).unwrap();
    for name in [
        "VEILSUM__LINK__IDEL_S",
        "VEILSUM__IDENTITY__LOGKEY",
        "VEILSUM__LIMTS__IDLE_S",
        "VEILSUM__LISTENS",
    ] {
        let error = client::Config::load(&bank, environment(name, "1"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(name), "{error}");
    }
    for name in [
        "VEILSUM__LIMITS__IDEL_S",
        "VEILSUM__IDENTITY__SIGNINGKEY",
        "VEILSUM__LNK__IDLE_S",
        "VEILSUM__STATES",
    ] {
        let error = coordinator::Config::load(&operator, environment(name, "1"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(name), "{error}");
    }
}
