//! `config check`: the configuration as it holds, and everything that is wrong with it.

use std::fs;

use crate::scene::Scene;

#[test]
fn every_key_is_printed_with_where_it_comes_from() {
    let scene = Scene::new();
    let said = scene.program_in(&["config", "check"], &[("VEILSUM__LIMITS__IDLE_S", "60")]);
    said.says(0, &[]);
    let line = |key: &str| {
        let start = format!("{key} = ");
        said.stdout
            .lines()
            .find(|line| line.starts_with(&start))
            .unwrap_or_else(|| panic!("{key}: {}", said.stdout))
    };
    assert!(line("limits.idle_s").starts_with("limits.idle_s = 60 "));
    assert!(line("limits.idle_s").ends_with("# VEILSUM__LIMITS__IDLE_S"));
    assert!(line("listen").ends_with("consortium/coordinator.toml"));
    assert!(line("operator.listen").contains("operator.listen = \"\""));
    // The key itself is shown nowhere.
    let key = scene.read("identity/log.key.pem");
    let secret = key.lines().nth(1).unwrap();
    assert!(!said.stdout.contains(secret) && !said.stderr.contains(secret));
    let said = scene.program(&["--json", "config", "check"]);
    said.says(
        0,
        &[
            "\"problems\":[]",
            "\"key\":\"limits.idle_s\"",
            "\"from\":\"file\"",
        ],
    );
}

#[test]
fn a_key_that_nobody_set_is_the_default() {
    let scene = Scene::new();
    let text = scene
        .read("coordinator.toml")
        .replace("reconnect_grace_s", "# reconnect_grace_s");
    scene.write("coordinator.toml", &text);
    let said = scene.program(&["config", "check"]);
    said.says(0, &["reconnect_grace_s = 20"]);
    let line = said
        .stdout
        .lines()
        .find(|line| line.starts_with("reconnect_grace_s"));
    assert!(line.unwrap().ends_with("# default"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let scene = Scene::new();
    let text = scene
        .read("coordinator.toml")
        .replace("reconnect_grace_s = 20", "reconnect_grace_s = 9999")
        .replace(
            "[operator]                         # the operator's page, metrics and health\nlisten = \"\"",
            "[operator]\nlisten = \"0.0.0.0:7480\"",
        );
    scene.write("coordinator.toml", &text);
    scene.program(&["config", "check"]).says(
        2,
        &[
            "2 problems:",
            "reconnect_grace_s: 9999 is out of range, expected 0 to 3600",
            "operator.listen: 0.0.0.0:7480 can be reached from other machines",
            "ssh -L 7480:127.0.0.1:7480",
        ],
    );
    // The daemon says the first of them.
    scene.program(&["run"]).says(2, &["reconnect_grace_s: 9999"]);
    scene.write(
        "coordinator.toml",
        &format!("idel_s = 1\n{}", text.replace("9999", "\"soon\"")),
    );
    scene.program(&["config", "check"]).says(
        2,
        &[
            "idel_s is no key, expected one of listen, reconnect_grace_s",
            "reconnect_grace_s: ",
        ],
    );
}

#[test]
fn files_that_the_configuration_names_are_looked_at_as_well() {
    let scene = Scene::new();
    fs::remove_file(scene.path("identity/log.key.pem")).unwrap();
    fs::write(scene.path("identity/server.crt.pem"), "no certificate").unwrap();
    scene.program(&["config", "check"]).says(
        2,
        &["identity/log.key.pem", "identity/server.crt.pem", "problems:"],
    );
    fs::remove_file(scene.path("consortium.toml")).unwrap();
    scene
        .program(&["config", "check"])
        .says(2, &["consortium.toml", "every bank has the same file"]);
}
