//! `config check`: the configuration as it holds, and everything that is wrong with it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::scene::Scene;

#[test]
fn every_key_is_printed_with_where_it_comes_from_and_no_secret() {
    let scene = Scene::new();
    let said = scene.client_in(
        &["config", "check"],
        &[
            ("VEILSUM__LINK__IDLE_S", "60"),
            ("VEILSUM_PROXY_PASSWORD", "geheim"),
            // The coordinator's.
            ("VEILSUM__OPERATOR__LISTEN", "127.0.0.1:7480"),
        ],
    );
    said.says(0, &["VEILSUM_PROXY_PASSWORD"]);
    let line = |key: &str| {
        let start = format!("{key} = ");
        let found = said.stdout.lines().find(|line| line.starts_with(&start));
        found.unwrap_or_else(|| panic!("{key}: {}", said.stdout))
    };
    assert!(line("link.idle_s").starts_with("link.idle_s = 60 "));
    assert!(line("link.idle_s").ends_with("# VEILSUM__LINK__IDLE_S"));
    assert!(line("name").ends_with("bank/bank.toml"));
    assert!(line("data.labels").ends_with("# default"));
    let all = format!("{}{}", said.stdout, said.stderr);
    for key in ["tls.key.pem", "signing.key.pem", "hold-out.salt"] {
        let text = scene.read(&format!("identity/{key}"));
        let secret = text.lines().nth(1).or(text.lines().next()).unwrap();
        assert!(!all.contains(secret), "{key} is shown");
    }
    assert!(!all.contains("geheim") && !all.contains("operator"), "{all}");
    let json = scene.client(&["--json", "config", "check"]);
    json.says(
        0,
        &["\"problems\":[]", "\"key\":\"link.idle_s\"", "\"from\":\"file\""],
    );
    scene.nothing_was_sent();
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let scene = Scene::new();
    let config = scene.read("bank.toml");
    scene.write(
        "bank.toml",
        &config
            .replace("idle_s = 30", "idel_s = 30")
            .replace("threads = 1", "threads = \"one\""),
    );
    scene.client(&["config", "check"]).says(
        2,
        &[
            "2 problems:",
            "link.idel_s is no key, expected one of link.connect_s",
            "compute.threads: ",
        ],
    );
    scene.write("bank.toml", &config);
    let key = scene.path("identity/signing.key.pem");
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(scene.path("schema.toml")).unwrap();
    scene.write("policy.toml", "[[column]]\nname = \"income\"\nrule = \"hush\"\n");
    scene.client(&["config", "check"]).says(
        2,
        &[
            "3 problems:",
            "signing.key.pem: mode 0644",
            "schema.toml: cannot be read",
            "policy.toml: ",
        ],
    );
    scene.nothing_was_sent();
}
