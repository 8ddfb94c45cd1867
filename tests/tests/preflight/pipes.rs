//! A reader of standard output that went away, as in `veilsum-coordinator page | head -1`: the program ends without a word, with its own exit code.

use std::process::{Command, Stdio};

use crate::office::Scene;

fn unread(mut command: Command) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_closed_standard_output_ends_each_program_quietly() {
    let scene = Scene::new();
    scene
        .client(&["init", "--name", "bank-a", "--dir", "bank"])
        .says(0, &[]);
    let run = |program: &std::path::Path, words: &[&str]| {
        let mut command = Command::new(program);
        command.args(words).current_dir(scene.dir());
        unread(command)
    };
    let programs = &scene.programs;
    let quiet = (Some(0), String::new());
    let coordinator = |words: &[&str]| run(&programs.coordinator, words);
    assert_eq!(coordinator(&["invitations", "--dir", "coordinator"]), quiet);
    assert_eq!(
        coordinator(&["config", "check", "--json", "--dir", "coordinator"]),
        quiet
    );
    assert_eq!(coordinator(&["--help"]), quiet);
    std::fs::write(scene.path("data.csv"), "income,late\n1,0\n2,1\n").unwrap();
    assert_eq!(run(&programs.client, &["data", "profile", "data.csv"]), quiet);
    assert_eq!(
        run(&programs.client, &["--json", "data", "profile", "data.csv"]),
        quiet
    );
    assert_eq!(
        run(&programs.auditor, &["init", "--name", "firm", "--dir", "firm"]),
        quiet
    );
    // What was found is told by the exit code all the same.
    let (code, said) = coordinator(&["status", "--dir", "nowhere"]);
    assert!(
        code == Some(2) && said.contains("coordinator.toml"),
        "{code:?} {said}"
    );
    let (code, said) = run(&programs.client, &["preflight", "--no-network", "--dir", "bank"]);
    assert!(code == Some(2) && !said.contains("pipe"), "{code:?} {said}");
}
