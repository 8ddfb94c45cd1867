//! Tasks and the operator's approval.

use veilsum_client::participant::Home;
use veilsum_protocol::task::Task;

use crate::scene::{SCHEMA, Scene};

fn offer(scene: &Scene, schema: &str) -> Task {
    offer_rounds(scene, schema, 1)
}

fn offer_rounds(scene: &Scene, schema: &str, rounds: u32) -> Task {
    let schema = schema.replace("[[column]]", "[[schema.column]]");
    let text = format!(
        r#"name = "credit"
rounds = {rounds}
seed = 3
[schema]
{schema}
[model]
family = "logistic"
[training]
optimiser = "sgd"
learning_rate = 0.1
batch_size = 1
local_epochs = 1
"#
    );
    let task = Task::parse(&text).unwrap();
    let tasks = Home::tasks(&scene.path("state")).unwrap();
    tasks
        .save(&task.hash(), task.canonical_text().as_bytes())
        .unwrap();
    task
}

#[test]
fn a_task_is_approved_only_after_it_was_shown() {
    let scene = Scene::new();
    scene
        .client(&["task", "list"])
        .says(0, &["none is known here yet"]);
    scene
        .client(&["task", "approve", "credit"])
        .says(2, &["no task \"credit\" is offered"]);
    let task = offer(&scene, SCHEMA);
    let asked = scene.client(&["task", "approve", "credit"]);
    asked.says(
        2,
        &[
            "What leaves the bank",
            "Take part with this bank's data? [y/N]",
            "--yes",
        ],
    );
    scene.client(&["task", "list"]).says(0, &["not decided"]);
    let hash = task.hash().to_hex();
    let approved = scene.client(&["task", "approve", &hash[..8], "--yes"]);
    approved.says(0, &["task credit", "is approved", "when it is started"]);
    scene.client(&["task", "list"]).says(0, &["  approved", &hash]);
    scene
        .client(&["task", "approve", "credits", "--yes"])
        .says(2, &["no task \"credits\" is offered", "offered: credit"]);
    scene.client(&["status"]).says(0, &["the daemon has never run"]);
    scene.nothing_was_sent();
}

#[test]
fn a_task_with_another_schema_than_the_bank_s_is_not_approved() {
    let scene = Scene::new();
    offer(&scene, &SCHEMA.replace("version = 1", "version = 2"));
    let version = scene.client(&["task", "approve", "credit", "--yes"]);
    version.says(
        2,
        &["schema.toml: found schema version 1, expected schema version 2, as in the task"],
    );
    scene.client(&["task", "list"]).says(0, &["not decided"]);
}

#[test]
fn an_approved_task_whose_schema_changed_since_is_told_at_the_start() {
    let scene = Scene::new();
    offer(&scene, SCHEMA);
    scene
        .client(&["task", "approve", "credit", "--yes"])
        .says(0, &["is approved"]);
    scene.write("schema.toml", &SCHEMA.replace("max = 100", "max = 1000"));
    let said = scene.daemon().says("sits rounds out");
    let part = "schema.toml: found `max = 1000.0`, expected `max = 100.0`, as in the task";
    assert!(said.contains(part), "{said}");
}

#[test]
fn a_task_is_refused_after_it_was_shown_and_may_be_approved_later() {
    let scene = Scene::new();
    offer(&scene, SCHEMA);
    let asked = scene.client(&["task", "refuse", "credit"]);
    asked.says(2, &["What leaves the bank", "Refuse this task? [y/N]", "--yes"]);
    scene
        .client(&["task", "refuse", "--yes", "credit"])
        .says(0, &["task credit", "is refused", "It can be approved later"]);
    scene.client(&["task", "list"]).says(0, &["  refused"]);
    scene.client(&["task", "show", "credit"]).says(
        0,
        &[
            "What your policy says",
            "nothing in it speaks against",
            "this bank's operator refused it",
        ],
    );
    scene
        .client(&["task", "approve", "--yes", "credit"])
        .says(0, &["is approved"]);
    scene.client(&["task", "list"]).says(0, &["  approved"]);
    scene
        .client(&["task", "refuse", "--yes", "debit"])
        .says(2, &["no task \"debit\" is offered"]);
}

#[test]
fn a_task_is_refused_for_a_reason_of_the_list_alone() {
    let scene = Scene::new();
    offer(&scene, SCHEMA);
    scene
        .client(&["task", "refuse", "--yes", "--reason", "salary", "credit"])
        .says(
            2,
            &["salary", "operator, banks, columns, model, length, resources"],
        );
    scene.client(&["task", "list"]).says(0, &["not decided"]);
    scene
        .client(&["task", "refuse", "--yes", "--reason", "columns", "credit"])
        .says(0, &["is refused", "Others hear of why: for the columns"]);
    scene
        .client(&["task", "show", "credit"])
        .says(0, &["refused it. Others hear of why: for the columns"]);
    let listed = scene.client(&["--json", "task", "list"]);
    listed.says(0, &["\"decision\":\"refused\",\"reason\":\"columns\""]);
    scene
        .client(&["task", "refuse", "--yes", "credit"])
        .says(0, &["is refused"]);
    scene
        .client(&["task", "show", "credit"])
        .says(0, &["Others hear of why: its operator decided so"]);
    scene.nothing_was_sent();
}

#[test]
fn a_bank_that_is_in_no_roster_yet_lists_its_tasks_and_is_told_what_brings_one() {
    let scene = Scene::new();
    std::fs::remove_file(scene.path("consortium.toml")).unwrap();
    let brings = [
        "there is no consortium file yet",
        "veilsum-client enrol INVITATION",
    ];
    let listed = scene.client(&["task", "list"]);
    listed.says(0, &["none is known here yet", brings[0], brings[1]]);
    let json = scene.client(&["--json", "task", "list"]);
    assert_eq!(json.stdout.trim(), "[]");
    json.says(0, &brings);
    // A text that is there is listed, and nothing is said in the policy's name.
    offer(&scene, SCHEMA);
    let listed = scene.client(&["task", "list"]);
    listed.says(
        0,
        &[
            "credit",
            "not decided, what the policy says is not known",
            brings[0],
        ],
    );
    for command in [
        &["task", "show", "credit"][..],
        &["task", "approve", "--yes", "credit"],
        &["task", "refuse", "--yes", "credit"],
    ] {
        scene.client(command).says(
            2,
            &[
                "consortium.toml",
                "put the consortium file of the admission there",
            ],
        );
    }
    // A bank whose daemon has run had one: that it is gone is a mistake.
    std::fs::write(scene.path("state/participant.state"), "").unwrap();
    scene.client(&["task", "list"]).says(
        2,
        &[
            "consortium.toml",
            "put the consortium file of the admission there",
        ],
    );
    scene.nothing_was_sent();
}

#[test]
fn a_task_beyond_the_policy_cannot_be_approved_and_the_limit_is_named() {
    let scene = Scene::new();
    offer(&scene, SCHEMA);
    scene.write(
        "policy.toml",
        "[limits]\nnever_read = [\"income\", \"wealth\"]\nmax_rounds = 5\n",
    );
    scene
        .client(&["task", "list"])
        .says(0, &["refused by the policy"]);
    scene.client(&["task", "show", "credit"]).says(
        0,
        &[
            "REFUSED by itself: never_read: found a task that reads income, expected none that does",
            "takes no part",
        ],
    );
    let refused = scene.client(&["task", "approve", "--yes", "credit"]);
    refused.says(
        1,
        &[
            "cannot be approved",
            "never_read: found a task that reads income",
            "policy.toml",
            "for the columns",
        ],
    );
    scene.write("policy.toml", "[limits]\nnever_reads = []\n");
    scene.client(&["task", "approve", "--yes", "credit"]).says(
        2,
        &[
            "before the bank's policy can be read",
            "policy.toml",
            "never_reads",
        ],
    );
    scene.write(
        "policy.toml",
        "[limits]\nmax_rounds = 5\nhours = [\"22:00-06:00\"]\n",
    );
    scene
        .client(&["task", "show", "credit"])
        .says(0, &["joins rounds at 22:00-06:00 UTC", "has not decided"]);
    scene
        .client(&["task", "approve", "--yes", "credit"])
        .says(0, &["is approved"]);
    scene.nothing_was_sent();
}

#[test]
fn what_is_another_than_in_the_version_before_is_shown_and_asked_about() {
    let scene = Scene::new();
    let first = offer_rounds(&scene, SCHEMA, 1).hash().to_hex();
    let alone = scene.client(&["task", "show", "credit"]);
    assert!(!alone.stdout.contains("What is another"), "{}", alone.stdout);
    scene
        .client(&["task", "approve", "--yes", "credit"])
        .says(0, &["is approved"]);
    let second = offer_rounds(&scene, SCHEMA, 9).hash().to_hex();
    let changes = [
        "which you approved",
        "What is read of your file: nothing changes.",
        "training rounds: 1 -> 9",
    ];
    scene.client(&["task", "show", &second[..8]]).says(0, &changes);
    scene
        .client(&["task", "approve", &second[..8]])
        .says(2, &["which you approved", "training rounds: 1 -> 9", "[y/N]"]);
    let told = scene.client(&["task", "show", "--json", &second[..8]]);
    let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["earlier"]["earlier"], first);
    assert_eq!(
        (&told["earlier"]["approved"], &told["earlier"]["reads_the_same"]),
        (&true.into(), &true.into())
    );
    assert_eq!(told["earlier"]["changes"][0]["key"], "rounds");
    assert_eq!(told["decision"], serde_json::Value::Null);
    assert_eq!(told["verdict"]["breaches"], serde_json::json!([]));
    // A version that changes what is read says no such thing.
    let wider = offer_rounds(&scene, &SCHEMA.replace("max = 100", "max = 200"), 1)
        .hash()
        .to_hex();
    let shown = scene.client(&["task", "show", &wider[..8]]);
    shown.says(0, &["column income, greatest value: 100.0 -> 200.0"]);
    assert!(!shown.stdout.contains("nothing changes"), "{}", shown.stdout);
}
