//! From nothing to a finished task, by invitations alone.

use std::fmt::Write as _;
use std::fs;

use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_examples::demo::consortium::{COORDINATOR, Consortium, Member};
use veilsum_protocol::ids::Digest;

use crate::scene::{PATIENCE, SCHEMA, Scene, eventually};

fn task() -> String {
    let schema = SCHEMA.replace("[[column]]", "[[schema.column]]");
    format!(
        r#"
name = "tiny"
rounds = 1
seed = 5
[schema]{schema}
[model]
family = "logistic"
[training]
optimiser = "sgd"
learning_rate = 0.1
batch_size = 8
local_epochs = 1
[evaluation]
hold_out = 0.2
bins = 16
"#
    )
}

fn table(bank: u32) -> String {
    let mut text = "income,home,late\n".to_owned();
    for row in 0..80 {
        let income = (row * 37 + bank * 101) % 1000;
        let late = u32::from(income < 300) ^ u32::from(row % 11 == 0);
        let home = if row % 3 == 0 { "rent" } else { "own" };
        writeln!(text, "{income},{home},{late}").unwrap();
    }
    text
}

/// The fingerprint that `enrol` shows on a line of its own.
fn shown(said: &str) -> String {
    let line = said.lines().find(|line| line.starts_with("    "));
    line.unwrap_or_else(|| panic!("no fingerprint in: {said}"))
        .trim()
        .to_owned()
}

#[test]
fn five_banks_and_an_auditor_are_invited_form_a_consortium_and_finish_a_task() {
    let scene = Scene::new();
    let banks: Vec<String> = (1..=5).map(|number| format!("bank-{number}")).collect();
    fs::write(scene.path("schema.toml"), SCHEMA).unwrap();
    fs::write(scene.path("task.toml"), task()).unwrap();
    let members = (1..).zip(&banks).map(|(number, name)| {
        let path = scene.path(&format!("{name}.csv"));
        fs::write(&path, table(number)).unwrap();
        Member {
            name: name.clone(),
            table: path,
            labels: None,
        }
    });
    let consortium = scene.consortium(members.collect());
    consortium.start_under(&[], COORDINATOR).unwrap();
    let trace = || fs::read_to_string(consortium.trace(COORDINATOR)).unwrap_or_default();
    eventually("the coordinator enrols", || {
        trace()
            .contains("0 banks are admitted, at least 3 are needed")
            .then_some(())
    });
    scene
        .operator(&["status"])
        .says(0, &["no roster yet: 0 banks are admitted"]);
    scene
        .operator(&["form", "--yes"])
        .says(2, &["0 banks are admitted, expected at least 3"]);

    // The first has to be approved, the others carry the approval.
    let going: Vec<_> = banks
        .iter()
        .map(|name| {
            let more: &[&str] = if name == "bank-1" { &[] } else { &["--approved"] };
            let invitation = scene.invite(name, more);
            let data = format!("{name}.csv");
            scene.start(
                &scene.programs.client,
                &[
                    "enrol",
                    &invitation,
                    "--dir",
                    name,
                    "--data",
                    &data,
                    "--schema",
                    "schema.toml",
                ],
            )
        })
        .collect();
    let firm = scene.invite("firm", &["--role", "auditor", "--approved"]);
    let firm = scene.start(&scene.programs.auditor, &["enrol", &firm, "--dir", "firm"]);

    let said = going[0].says("waiting for the operator's approval");
    let requests = scene.listed("requests");
    assert_eq!(requests.as_array().unwrap().len(), 1, "{requests}");
    assert_eq!(requests[0]["name"], "bank-1");
    assert_eq!(requests[0]["fingerprint"], shown(&said).as_str());
    scene
        .operator(&["approve", "bank-1"])
        .says(0, &["bank bank-1 is approved", &shown(&said)]);
    eventually("everybody is admitted", || {
        let listed = scene.listed("invitations");
        let listed = listed.as_array().unwrap();
        let all = listed.iter().all(|it| it["state"] == "admitted");
        (all && listed.len() == 6).then_some(())
    });
    going[1].says("waiting for the roster: ");
    let formed = scene.operator(&["form", "--yes", "--json"]).says(0, &[]);
    let formed: serde_json::Value = serde_json::from_str(&formed.stdout).unwrap();
    let sha256 = formed["consortium_sha256"].as_str().unwrap();
    for one in going {
        one.outcome().says(
            0,
            &[
                "is enrolled in test",
                sha256,
                "compare this SHA-256 with other banks",
            ],
        );
    }
    firm.outcome()
        .says(0, &["auditor firm is enrolled in test", sha256]);
    for name in &banks {
        let pinned = fs::read(scene.path(name).join("consortium.toml")).unwrap();
        assert_eq!(Digest::of(&pinned).to_hex(), sha256);
    }

    // The daemon went on by itself.
    consortium
        .wait_for("the coordinator in service", PATIENCE, |_| true)
        .unwrap();
    for name in &banks {
        consortium.start_bank(name).unwrap();
    }
    let hash = consortium.create_task("task.toml").unwrap();
    consortium.approve_everywhere("tiny", &hash, PATIENCE).unwrap();
    let over = |status: &Status| {
        status.round.is_none()
            && status
                .tasks
                .iter()
                .all(|task| task.status == TaskStatus::Finished)
    };
    let status = consortium
        .wait_for("the end of the task", PATIENCE, over)
        .unwrap();
    // Rounds begin when four have approved; the word of the last may come too late for the last round.
    assert!((4..=5).contains(&status.last_result.unwrap().survivors));
    another_joins(&scene, &consortium, &banks);
    consortium.stop();
    let verdict = consortium.verify().unwrap();
    assert!(verdict.verifies, "{}", verdict.verdict);
    assert_eq!(verdict.replayed, Some(3));
}

/// A sixth bank is invited while the consortium runs: it is admitted, waits until it is proposed, starts, and is in when the others have approved it.
fn another_joins(scene: &Scene, consortium: &Consortium, banks: &[String]) {
    fs::write(scene.path("bank-6.csv"), table(6)).unwrap();
    let invitation = scene.invite("bank-6", &["--approved"]);
    let words = [
        "enrol",
        &invitation,
        "--dir",
        "bank-6",
        "--data",
        "bank-6.csv",
        "--schema",
        "schema.toml",
    ];
    let going = scene.start(&scene.programs.client, &words);
    let said = going.says("roster propose --add bank-6");
    let proposed = scene.operator(&["roster", "propose", "--add", "bank-6"]);
    // One fingerprint from the request to the others' approval.
    proposed.says(0, &["joins:  bank-6", &shown(&said)]);
    going.outcome().says(0, &["is enrolled in test"]);
    consortium.start_bank("bank-6").unwrap();
    for name in banks {
        let approve = ["roster", "approve", "--yes", "--dir", name];
        eventually("the proposal at a bank", || {
            (scene.client(&approve).code == Some(0)).then_some(())
        });
    }
    let is_in = |status: &Status| {
        let all = status.banks.len() == 6 && status.banks.iter().all(|bank| bank.connected);
        all && status.epoch.is_some()
    };
    consortium
        .wait_for("six banks with keys", PATIENCE, is_in)
        .unwrap();
}
