//! `watch` in its three forms, over a task from its offer to its end.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::thread;

use crate::scene::{BANK, Scene};

#[test]
fn watch_tells_a_task_from_its_offer_to_its_end_in_three_forms() {
    // The last bank takes its time, so that this one waits for it until a deadline.
    let scene = Scene::with_rows(|bank| if bank == 3 { 250_000 } else { 80 });
    scene.until("a connection", |status| status.connection.is_some());
    let spawn = |words: &[&str]| {
        scene
            .command(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let lines = spawn(&["watch", "--until-finished"]);
    let json = spawn(&["--json", "watch", "--until-finished"]);
    // On a terminal: `script` gives it one.
    let program = scene.command(&["watch", "--until-finished"]);
    let words: Vec<String> = std::iter::once(program.get_program())
        .chain(program.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let mut terminal = Command::new("script")
        .args(["-qefc", &words.join(" "), "/dev/null"])
        .env("TERM", "xterm")
        .current_dir(&scene.consortium.setup().dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut screen = terminal.stdout.take().unwrap();
    let screen = thread::spawn(move || {
        let mut text = Vec::new();
        screen.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    let watchers = [lines, json].map(|mut child| {
        let output = BufReader::new(child.stdout.take().unwrap());
        let reader = thread::spawn(move || output.lines().map_while(Result::ok).collect::<Vec<_>>());
        (child, reader)
    });
    scene.offer("credit", 3, &[]);
    scene.finished();
    let [lines, json] = watchers.map(|(mut child, reader)| {
        assert!(child.wait().unwrap().success());
        reader.join().unwrap()
    });
    assert!(terminal.wait().unwrap().success());
    let all = lines.join("\n");
    for part in [
        "link up, over ",
        "without a time limit; it ends when",
        " s left, then the round goes on",
        "has ended: this bank in the sum, 3 banks in the sum",
    ] {
        assert!(all.contains(part), "{part} is not in\n{all}");
    }
    for line in &lines {
        // Each has its time.
        let bytes = line.as_bytes();
        assert_eq!((bytes[2], bytes[5], bytes[8]), (b':', b':', b' '), "{line}");
    }
    let states: Vec<serde_json::Value> = json
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        states
            .iter()
            .all(|state| state["running"] == true && state["status"]["bank"] == BANK)
    );
    let last = &states.last().unwrap()["status"]["tasks"][0];
    assert_eq!(last["step"], last["steps"]);
    let screen = screen.join().unwrap();
    assert!(screen.contains("credit") && screen.contains("step "), "{screen}");

    // What it says once is what `status` says.
    let status = scene.client(&["status"]);
    let text = String::from_utf8(status.stdout).unwrap();
    for part in [
        "link       up, over ",
        "without a time limit; it ends when the next round is opened",
        "cert       valid for ",
        "page       http://127.0.0.1:",
        "left       ",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    scene.consortium.stop();
}
