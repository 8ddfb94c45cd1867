//! Every private key of every party, and every file that is as good as one: readable by others it is refused, by whoever reads it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::office::{SCHEMA, Scene};

/// Which program reads it, with which words.
struct Reader {
    program: Program,
    words: &'static [&'static str],
    code: i32,
}

#[derive(Clone, Copy)]
enum Program {
    Coordinator,
    Client,
    Auditor,
}

const fn by(program: Program, words: &'static [&'static str]) -> Reader {
    Reader {
        program,
        words,
        code: 2,
    }
}

/// The file, and who reads it.
fn table() -> Vec<(&'static str, Reader)> {
    use Program::{Auditor, Client, Coordinator};
    let run = &["run", "--dir", "coordinator"];
    let bank = &["run", "--dir", "bank-1"];
    let mirror = &[
        "mirror",
        "https://127.0.0.1:1/log",
        "mirror",
        "--identity",
        "firm",
        "--consortium",
        "coordinator/consortium.toml",
    ];
    let export = &[
        "export",
        "coordinator/log",
        "--round",
        "1",
        "--into",
        "records",
        "--consortium",
        "coordinator/consortium.toml",
        "--sign-with",
        "own.key",
    ];
    vec![
        ("coordinator/identity/server.key.pem", by(Coordinator, run)),
        ("coordinator/identity/log.key.pem", by(Coordinator, run)),
        (
            "coordinator/identity/ca.key.pem",
            by(
                Coordinator,
                &["enrol", "bank-1/bank-1.request.toml", "--dir", "coordinator"],
            ),
        ),
        (
            "coordinator/identity/ca.key.pem",
            by(Coordinator, &["renew", "--dir", "coordinator"]),
        ),
        (
            "outside/ca.key.pem",
            by(
                Coordinator,
                &[
                    "init",
                    "--name",
                    "x",
                    "--listen",
                    "127.0.0.1:1",
                    "--host",
                    "localhost",
                    "--dir",
                    "another",
                    "--ca-cert",
                    "outside/ca.crt.pem",
                    "--ca-key",
                    "outside/ca.key.pem",
                ],
            ),
        ),
        ("bank-1/identity/tls.key.pem", by(Client, bank)),
        ("bank-1/identity/signing.key.pem", by(Client, bank)),
        ("bank-1/identity/witness.key.pem", by(Client, bank)),
        ("bank-1/identity/hold-out.salt", by(Client, bank)),
        (
            "bank-1/identity/desensitise.key",
            by(Client, &["data", "check", "--dir", "bank-1"]),
        ),
        ("bank-1/proxy.password", by(Client, bank)),
        (
            "bank-1/identity/tls.key.pem",
            by(Client, &["preflight", "--no-network", "--dir", "bank-1"]),
        ),
        (
            "bank-1/proxy.password",
            by(Client, &["config", "check", "--dir", "bank-1"]),
        ),
        ("firm/auditor.key.pem", by(Auditor, mirror)),
        (
            "anna/operator.key.pem",
            by(Coordinator, &["operator", "page", "127.0.0.1:1", "--dir", "anna"]),
        ),
        ("own.key", by(Auditor, export)),
        // The protocol's state is the daemon's own file, and holds the secrets of the open round.
        (
            "bank-1/state/participant.state",
            Reader {
                code: 1,
                ..by(Client, bank)
            },
        ),
    ]
}

/// A coordinator with a bank that has a proxy and a policy that needs the key, and an auditor with a key of its own.
fn scene() -> Scene {
    let scene = Scene::new();
    let mut enrol = vec!["enrol".to_owned()];
    for name in ["bank-1", "bank-2", "bank-3"] {
        scene
            .client(&["init", "--name", name, "--dir", name])
            .says(0, &[]);
        enrol.push(format!("{name}/{name}.request.toml"));
    }
    scene
        .auditor(&["init", "--name", "firm", "--dir", "firm"])
        .says(0, &[]);
    enrol.push("firm/firm.request.toml".to_owned());
    let words: Vec<&str> = enrol.iter().map(String::as_str).collect();
    scene.operator(&words).says(0, &["roster of 3 banks"]);
    let copy = |from: &str, to: &str| fs::copy(scene.path(from), scene.path(to)).map(|_| ()).unwrap();
    for file in ["bank.crt.pem", "consortium.toml"] {
        copy(
            &format!("coordinator/admissions/bank-1/{file}"),
            &format!("bank-1/{file}"),
        );
    }
    copy(
        "coordinator/admissions/auditors/firm/auditor.crt.pem",
        "firm/auditor.crt.pem",
    );
    copy(
        "coordinator/admissions/auditors/firm/ca.crt.pem",
        "firm/ca.crt.pem",
    );
    // An operator's folder differs in names alone.
    fs::create_dir(scene.path("anna")).unwrap();
    for (ours, hers) in [
        ("auditor.key.pem", "operator.key.pem"),
        ("auditor.crt.pem", "operator.crt.pem"),
        ("ca.crt.pem", "ca.crt.pem"),
    ] {
        copy(&format!("firm/{ours}"), &format!("anna/{hers}"));
    }
    fs::create_dir(scene.path("outside")).unwrap();
    for file in ["ca.crt.pem", "ca.key.pem"] {
        copy(
            &format!("coordinator/identity/{file}"),
            &format!("outside/{file}"),
        );
    }
    scene
        .auditor(&["key", "generate", "own.key", "--name", "firm"])
        .says(0, &[]);
    fs::write(scene.path("bank-1/schema.toml"), SCHEMA).unwrap();
    fs::write(
        scene.path("bank-1/data.csv"),
        "income,home,late\n1,own,0\n2,rent,1\n",
    )
    .unwrap();
    fs::write(
        scene.path("bank-1/policy.toml"),
        "[[column]]\nname = \"home\"\nrule = \"hash\"\n",
    )
    .unwrap();
    fs::write(scene.path("bank-1/proxy.password"), "geheim\n").unwrap();
    let config = scene.path("bank-1/bank.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text
        .replace("proxy = \"\"", "proxy = \"http://127.0.0.1:1\"")
        .replace("proxy_user = \"\"", "proxy_user = \"bank\"")
        .replace(
            "proxy_password_file = \"\"",
            "proxy_password_file = \"proxy.password\"",
        );
    fs::write(config, text).unwrap();
    fs::create_dir(scene.path("bank-1/state")).unwrap();
    fs::write(scene.path("bank-1/state/participant.state"), "state").unwrap();
    for (file, _) in table() {
        set(&scene, file, 0o600);
    }
    scene
}

fn set(scene: &Scene, file: &str, mode: u32) {
    fs::set_permissions(scene.path(file), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn every_key_that_others_may_read_is_refused_with_its_mode_and_what_to_do() {
    let scene = scene();
    for (file, reader) in table() {
        let name = file.rsplit('/').next().unwrap();
        for mode in [0o640, 0o604] {
            set(&scene, file, mode);
            let program = match reader.program {
                Program::Coordinator => &scene.programs.coordinator,
                Program::Client => &scene.programs.client,
                Program::Auditor => &scene.programs.auditor,
            };
            let told = scene.run(program, reader.words);
            let what = format!("{file}, {mode:o}, {:?}", reader.words);
            assert!(
                told.stderr.contains(name) || told.stdout.contains(name),
                "{what}: {}{}",
                told.stdout,
                told.stderr
            );
            println!("{what}");
            told.says(reader.code, &[&format!("mode {mode:04o}"), "0600", "chmod 600"]);
        }
        set(&scene, file, 0o600);
    }
}

/// Every file below the folders that is private is in the table: one that is added to the programs must be added here.
#[test]
fn the_table_has_every_private_file_that_the_programs_make() {
    fn private(folder: &std::path::Path, all: &mut Vec<std::path::PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                private(&path, all);
            } else if fs::metadata(&path).unwrap().permissions().mode() & 0o077 == 0 {
                all.push(path);
            }
        }
    }
    let scene = scene();
    let mut found = Vec::new();
    for folder in ["coordinator", "bank-1", "firm", "anna"] {
        private(&scene.path(folder), &mut found);
    }
    let known: Vec<_> = table().into_iter().map(|(file, _)| scene.path(file)).collect();
    let missing: Vec<_> = found.iter().filter(|path| !known.contains(path)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(found.len() >= 10, "{found:?}");
}
