//! Tasks and the operator's approval.

use veilsum_client::participant::Home;
use veilsum_protocol::task::Task;

use crate::scene::{SCHEMA, Scene};

fn offer(scene: &Scene, schema: &str) -> Task {
    let schema = schema.replace("[[column]]", "[[schema.column]]");
    let text = format!(
        r#"name = "credit"
rounds = 1
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
    scene.client(&["tasks"]).says(0, &["none is known here yet"]);
    scene
        .client(&["approve", "credit"])
        .says(2, &["no task \"credit\" is offered"]);
    let task = offer(&scene, SCHEMA);
    let asked = scene.client(&["approve", "credit"]);
    asked.says(
        2,
        &[
            "What leaves the bank",
            "Take part with this bank's data? [y/N]",
            "--yes",
        ],
    );
    scene.client(&["tasks"]).says(0, &["not approved"]);
    let hash = task.hash().to_hex();
    let approved = scene.client(&["approve", &hash[..8], "--yes"]);
    approved.says(0, &["task credit", "is approved", "when it is started"]);
    scene.client(&["tasks"]).says(0, &["  approved", &hash]);
    scene
        .client(&["approve", "credits", "--yes"])
        .says(2, &["no task \"credits\" is offered", "offered: credit"]);
    scene.client(&["status"]).says(0, &["the daemon has never run"]);
    scene.nothing_was_sent();
}

#[test]
fn a_task_with_another_schema_than_the_bank_s_is_not_approved() {
    let scene = Scene::new();
    offer(&scene, &SCHEMA.replace("version = 1", "version = 2"));
    let version = scene.client(&["approve", "credit", "--yes"]);
    version.says(
        2,
        &["schema.toml: found schema version 1, expected schema version 2, as in the task"],
    );
    scene.client(&["tasks"]).says(0, &["not approved"]);
}

#[test]
fn an_approved_task_whose_schema_changed_since_is_told_at_the_start() {
    let scene = Scene::new();
    offer(&scene, SCHEMA);
    scene
        .client(&["approve", "credit", "--yes"])
        .says(0, &["is approved"]);
    scene.write("schema.toml", &SCHEMA.replace("max = 100", "max = 1000"));
    let said = scene.daemon().says("sits rounds out");
    let part = "schema.toml: found `max = 1000.0`, expected `max = 100.0`, as in the task";
    assert!(said.contains(part), "{said}");
}
