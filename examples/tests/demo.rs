//! The demo itself, as the one command plays it: with fewer rounds, and looked at by a program in the place of a person.
//!
//! The other programs must have been built in the same profile: `cargo build --workspace --bins`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Enough for one bank to be killed and to come back.
const ROUNDS: &str = "12";

/// Longest that it may take beside other tests.
const PATIENCE: Duration = Duration::from_secs(400);

struct Played {
    code: Option<i32>,
    told: String,
    complained: String,
}

/// Runs the demo to its end; stops it when it takes too long.
fn play(dir: &Path, arguments: &[&str]) -> Played {
    let out = dir.with_extension("out");
    let err = dir.with_extension("err");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_veilsum-demo"))
        .arg("--dir")
        .arg(dir)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    let code = loop {
        if let Some(status) = demo.try_wait().unwrap() {
            break status.code();
        }
        if Instant::now() > deadline {
            demo.kill().unwrap();
            demo.wait().unwrap();
            break None;
        }
        thread::yield_now();
        thread::park_timeout(Duration::from_millis(50));
    };
    Played {
        code,
        told: fs::read_to_string(&out).unwrap(),
        complained: fs::read_to_string(&err).unwrap(),
    }
}

#[test]
fn the_demo_keeps_its_promises() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("demo");
    let played = play(&dir, &["--rounds", ROUNDS]);
    let Played {
        code,
        told,
        complained,
    } = &played;
    assert_eq!(*code, Some(0), "{told}\n{complained}");

    let says = |what: &str| assert!(told.contains(what), "it does not say {what:?}:\n{told}");
    says("is killed");
    says("AUC");
    says("pooled");
    says("under masks");
    says("the log and the replay of every masked sum verify (");
    says("takes part again");

    let report = fs::read_to_string(dir.join("report.html")).unwrap();
    assert!(report.contains("<svg"), "the report has no picture");
    let audit = fs::read_to_string(dir.join("audit.html")).unwrap();
    for page in [&report, &audit] {
        assert!(
            page.contains("Importance of columns: "),
            "no picture of what moves the model"
        );
    }
    // Nothing is fetched when it is opened.
    for elsewhere in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(
            !report.contains(elsewhere),
            "the report is not self-contained: {elsewhere}"
        );
    }
    let checkpoint = fs::read_to_string(dir.join("coordinator/log/checkpoint")).unwrap();
    let root = checkpoint.lines().nth(2).unwrap();
    assert!(
        report.contains(root),
        "the report does not show the log's root {root}"
    );
    assert!(told.contains(root), "it does not tell the log's root {root}");
    let audit = fs::read_to_string(dir.join("audit.html")).unwrap();
    assert!(
        audit.contains(root),
        "the auditor's page does not show the log's root {root}"
    );
    breaks_as_it_says(told);
}

/// What the reader is told to do breaks the log, and the auditor says where; and says nothing before.
fn breaks_as_it_says(told: &str) {
    let (_, end) = told.split_once("Break it, and see it caught").unwrap();
    let commands = |start: &str| -> Vec<&str> {
        let lines = end.lines().map(str::trim_start);
        lines.filter(|line| line.starts_with(start)).collect()
    };
    let (breaks, audits) = (commands("printf "), commands("(cd "));
    let run = |command: &str| {
        let ran = Command::new("sh").args(["-c", command]).output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stdout).unwrap())
    };
    assert_eq!((breaks.len(), audits.len()), (2, 1), "{end}");
    assert_eq!(run(audits[0]).0, Some(0));
    for (broken, named) in breaks.iter().zip(["archived-masked", "tile/entries/000"]) {
        assert_eq!(run(broken).0, Some(0), "{broken}");
        let (code, text) = run(audits[0]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("FAILED") && text.contains(named), "{text}");
    }
}

/// A vocabulary, counts and weights of evidence: the banks' part of it under masks, and the models to compare with by the same rules.
#[test]
fn a_task_that_prepares_is_played_and_its_report_tells_of_the_columns() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("demo");
    let Played {
        code,
        told,
        complained,
    } = play(&dir, &["scorecard", "--rounds", "4", "--compare-unmasked"]);
    assert_eq!(code, Some(0), "{told}\n{complained}");
    for words in [
        "support: values that enough banks have",
        "vocabulary: values that enough banks have",
        "pooled, columns as they are",
        "difference",
    ] {
        assert!(told.contains(words), "{words}:\n{told}");
    }
    let report = fs::read_to_string(dir.join("report.html")).unwrap();
    for words in [
        "Information value",
        "the banks found 5 values (",
        "&quot;business&quot;",
        "those of a bank alone from its own rows",
    ] {
        assert!(report.contains(words), "{words} is not in the report");
    }
    assert!(
        fs::read_to_string(dir.join("audit.html"))
            .unwrap()
            .contains("What the consortium knows of its columns")
    );
}

/// Training that ends by a rule of the task, on an example's data.
#[test]
fn another_task_on_an_example_s_data_may_end_early() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("early.toml");
    let text = include_str!("../tasks/loans-logistic.toml");
    fs::write(
        &file,
        format!("{text}\n[early_stopping]\nfigure = \"auc\"\npatience = 2\nleast_gain = 0.5\n"),
    )
    .unwrap();
    let dir = scratch.path().join("demo");
    let Played {
        code,
        told,
        complained,
    } = play(&dir, &["credit", "--task", file.to_str().unwrap()]);
    // Model 0 is the best by such a rule, and worth nothing: that promise alone may be broken.
    assert!(code.is_some(), "{told}\n{complained}");
    let ended = "3 of 20 rounds of training were published (the rule of the task ended them after round 3 and kept the model behind round 0)";
    assert!(told.contains(&format!("yes  {ended}")), "{told}");
    assert!(told.matches("\n  NO ").count() <= 1, "{told}");
}

#[test]
fn a_folder_that_no_demo_made_is_left_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("mine");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("thesis.txt"), "years of work").unwrap();
    let played = play(&dir, &[]);
    assert_eq!(played.code, Some(2), "{}", played.told);
    assert!(played.complained.contains("--dir"), "{}", played.complained);
    assert_eq!(
        fs::read_to_string(dir.join("thesis.txt")).unwrap(),
        "years of work"
    );
}
