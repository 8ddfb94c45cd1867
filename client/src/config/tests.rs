//! The bank's keys as `config check` tells them.
#![allow(clippy::unwrap_used)]

use toml::Value;
use veilsum_settings::{Effective, Program, Settings as _, Source, effective};

use super::Config;

fn of(text: &str, environment: &[(&str, &str)]) -> (Vec<Effective>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.toml");
    std::fs::write(&path, text).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    effective::<Config>(&path, environment)
}

#[test]
fn the_defaults_are_those_of_a_file_with_a_name_alone() {
    let ours: Config = Value::Table(Config::defaults()).try_into().unwrap();
    let shortest: Config = toml::from_str("name = \"bank-a\"").unwrap();
    assert_eq!(ours, shortest);
}

#[test]
fn the_list_of_whose_key_is_whose_has_every_key_and_no_other() {
    let (values, _) = of("name = \"bank-a\"", &[]);
    for one in &values {
        assert!(Program::Client.has(&one.key), "{} is not listed", one.key);
    }
    for listed in Program::Client.keys() {
        let within = format!("{listed}.");
        let is_there = values
            .iter()
            .any(|one| one.key == *listed || one.key.starts_with(&within));
        assert!(is_there, "{listed} is listed, and no key");
    }
}

#[test]
fn keys_that_stand_in_no_template_are_told_and_the_coordinators_are_not() {
    let text = "name = \"bank-a\"\n[link]\nidle_s = 40\n";
    let variables = [
        ("VEILSUM__DATA__LABELS", "labels.idx"),
        ("VEILSUM__OPERATOR__LISTEN", "x"),
    ];
    let (values, problems) = of(text, &variables);
    assert_eq!(problems, Vec::<String>::new());
    let value = |key: &str| {
        let found = values.iter().find(|one| one.key == key).unwrap();
        (found.value.clone(), found.source.clone())
    };
    let variable = Source::Environment("VEILSUM__DATA__LABELS".to_owned());
    assert_eq!(value("data.labels"), ("\"labels.idx\"".to_owned(), variable));
    assert_eq!(value("data.policy"), ("\"\"".to_owned(), Source::Default));
    assert_eq!(value("link.idle_s"), ("40".to_owned(), Source::File));
    assert!(!values.iter().any(|one| one.key.starts_with("operator")));
}

#[test]
fn every_value_out_of_its_range_is_told_at_once_and_no_password() {
    let text = "name = \"Bank\"\n[compute]\ndevice = \"gpu\"\nthreads = 0\n[link]\nproxy = \"http://u:geheim@proxy:1\"\nproxy_user = \"a:b\"\ntransport = \"quic\"\nidle_s = 1\n[page]\nlisten = \"10.0.0.1:7481\"\nsession_s = 1\n";
    let (values, problems) = of(text, &[]);
    let all = problems.join("\n");
    for part in [
        "bank.toml: name: \"Bank\" is out of range",
        "compute.device: \"gpu\" is out of range, expected auto, cpu or cuda:0",
        "compute.threads: 0 is out of range, expected 1 to 256",
        "link.proxy: the address is out of range, expected http://host:port",
        "link.proxy_user: \"a:b\" is out of range, expected a name without a colon",
        "link.transport: \"quic\" is out of range",
        "link.idle_s: 1 is out of range, expected 5 to 600",
        "page.listen: 10.0.0.1:7481 is out of range",
        "page.session_s: 1 is out of range",
    ] {
        assert!(all.contains(part), "{part} is not in {all}");
    }
    assert_eq!(problems.len(), 9, "{all}");
    assert!(!format!("{values:?}{all}").contains("geheim"));
    let (values, problems) = of("name = \"a\"\n[link]\nproxy = \"http://proxy:3128\"\n", &[]);
    assert_eq!(problems, Vec::<String>::new());
    let proxy = values.iter().find(|one| one.key == "link.proxy").unwrap();
    assert_eq!(proxy.value, "\"http://proxy:3128\"");
}

#[test]
fn a_name_that_is_missing_is_told_with_what_to_set() {
    let (_, problems) = of("", &[]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].ends_with(
        "bank.toml: name is missing; set it to the bank's name in the roster, such as \"bank-a\""
    ));
}
