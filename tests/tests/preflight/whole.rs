//! From the invitation to a bank whose access was taken away, as both sides see it; `enrol` and `preflight` with the invitation on standard input.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::bank::Told;
use crate::office::{Going, SCHEMA, Scene, eventually};

/// A program with a text on its standard input.
fn fed(scene: &Scene, program: &Path, words: &[&str], text: &str) -> Told {
    use std::io::Write as _;
    let mut child = Command::new(program)
        .args(words)
        .current_dir(scene.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that needs nothing of it may have ended.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    Told::of(child.wait_with_output().unwrap())
}

fn operator(scene: &Scene) -> Told {
    let outcome = scene.operator(&["preflight", "--json"]);
    Told {
        code: outcome.code,
        stdout: outcome.stdout,
        stderr: outcome.stderr,
    }
}

fn bank(scene: &Scene, dir: &str) -> Told {
    let outcome = scene.client(&["preflight", "--json", "--dir", dir]);
    Told {
        code: outcome.code,
        stdout: outcome.stdout,
        stderr: outcome.stderr,
    }
}

fn daemon(scene: &Scene, says: &str) -> Going {
    let daemon = scene.start(&scene.programs.coordinator, &["run", "--dir", "coordinator"]);
    daemon.says(says);
    daemon
}

#[test]
fn before_the_first_roster_both_sides_are_told_that_the_way_is_open() {
    let scene = Scene::new();
    let told = operator(&scene);
    told.finds("consortium", "ok", "", &["no roster yet"]);
    told.finds(
        "ports",
        "ok",
        "",
        &[&format!("UDP and TCP 127.0.0.1:{} are free", scene.port)],
    );
    told.finds("host", "ok", "", &["127.0.0.1 is 127.0.0.1"]).ends(0);
    let invitation = scene.invite("bank-a", &[]);
    let client = scene.programs.client.clone();
    let look = ["preflight", "--json", "--invitation", "-"];
    // Nobody is there yet.
    let told = fed(&scene, &client, &look, &invitation);
    told.finds("invitation", "ok", "", &["for bank bank-a in test"]);
    told.finds(
        "tcp",
        "failed",
        "tcp-refused",
        &["ask the operator whether the coordinator runs"],
    )
    .ends(1);

    let enrolling = daemon(&scene, "no roster yet");
    // A mail program broke the line.
    let broken = format!("{}\n{}\n", &invitation[..60], &invitation[60..]);
    let told = fed(&scene, &client, &look, &broken);
    for what in ["dns", "tcp", "tls", "clock", "udp"] {
        told.finds(what, "ok", "", &[]);
    }
    told.ends(0);
    assert!(!told.stdout.contains(&invitation) && !told.stderr.contains(&invitation));
    operator(&scene)
        .finds("ports", "ok", "", &["held by this coordinator, which is running"])
        .ends(0);

    // Looking has not used it up, and enrolment reads it the same way.
    let told = fed(
        &scene,
        &client,
        &["enrol", "-", "--dir", "a", "--no-wait"],
        &broken,
    );
    told.ends(75);
    assert!(
        told.stderr.contains("waiting for the operator's approval"),
        "{}",
        told.stderr
    );
    let firm = scene.invite("firm", &["--role", "auditor"]);
    let auditor = scene.programs.auditor.clone();
    let told = fed(
        &scene,
        &auditor,
        &["enrol", "-", "--dir", "firm", "--no-wait"],
        &firm,
    );
    told.ends(75);
    let told = fed(
        &scene,
        &auditor,
        &["enrol", "-", "--dir", "firm", "--no-wait"],
        "\n",
    );
    told.ends(2);
    assert!(
        told.stderr
            .contains("found nothing, expected the line that the operator sent"),
        "{}",
        told.stderr
    );
    drop(enrolling);
}

#[test]
fn in_service_the_bank_is_admitted_and_each_refusal_has_its_cause() {
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
    scene.operator(&words).says(0, &[]);
    for name in ["bank-1", "bank-2"] {
        for file in ["bank.crt.pem", "consortium.toml"] {
            fs::copy(
                scene.path(&format!("coordinator/admissions/{name}/{file}")),
                scene.path(&format!("{name}/{file}")),
            )
            .unwrap();
        }
        fs::write(scene.path(name).join("schema.toml"), SCHEMA).unwrap();
        fs::write(
            scene.path(name).join("data.csv"),
            "income,home,late\n1,own,0\n2,rent,1\n",
        )
        .unwrap();
    }
    let serving = daemon(&scene, "serves 3 banks of test");
    bank(&scene, "bank-1")
        .finds("connection", "ok", "", &["admits this bank at position 1"])
        .ends(0);
    operator(&scene)
        .finds("ports", "ok", "", &["held by this coordinator"])
        .finds("consortium", "ok", "", &["3 banks"]);

    // Beside its own daemon a bank is looked at all the same, and pushes nobody aside.
    let own = scene.start(&scene.programs.client, &["run", "--dir", "bank-2"]);
    eventually("the bank's daemon is connected", || {
        let told = scene.client(&["status", "--json", "--dir", "bank-2"]);
        told.stdout.contains("\"link\":\"up").then_some(())
    });
    bank(&scene, "bank-2")
        .finds("connection", "ok", "", &["the daemon is running; its link is up"])
        .finds("tls", "ok", "", &[])
        .ends(0);
    drop(own);

    // The auditor's certificate in the place of the bank's.
    let right = fs::read(scene.path("bank-1/bank.crt.pem")).unwrap();
    fs::copy(
        scene.path("coordinator/admissions/auditors/firm/auditor.crt.pem"),
        scene.path("bank-1/bank.crt.pem"),
    )
    .unwrap();
    bank(&scene, "bank-1")
        .finds(
            "identity",
            "failed",
            "certificate-of-another-role",
            &["is the certificate of auditor firm, not a bank's"],
        )
        .ends(2);
    fs::write(scene.path("bank-1/bank.crt.pem"), right).unwrap();
    scene.operator(&["revoke", "bank-1"]).says(0, &[]);
    bank(&scene, "bank-1")
        .finds("connection", "failed", "revoked", &["lets this bank in no more"])
        .ends(1);
    drop(serving);
}
