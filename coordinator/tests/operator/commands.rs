//! Tasks, the page's link and curves.

use std::fs;
use std::path::PathBuf;

use crate::scene::Scene;

const TASK: &str = r#"
name = "credit"
rounds = 2
seed = 1
[schema]
version = 1
label = "default"
[[schema.column]]
name = "income"
type = "number"
min = 0.0
max = 10.0
[model]
family = "logistic"
[training]
optimiser = "sgd"
learning_rate = 0.1
batch_size = 8
local_epochs = 1
"#;

fn task(scene: &Scene) -> PathBuf {
    let path = scene.path("credit.toml");
    fs::write(&path, TASK).unwrap();
    path
}

#[test]
fn without_a_coordinator_every_command_says_to_start_it() {
    let scene = Scene::new();
    let file = task(&scene);
    for command in [
        &["task", "create", file.to_str().unwrap()][..],
        &["task", "list"],
        &["task", "show", "credit"],
        &["task", "pause", "credit"],
        &["task", "resume", "credit"],
        &["task", "stop", "credit"],
        &["status"],
        &["watch"],
        &["page"],
    ] {
        scene
            .program(command)
            .says(75, &["no coordinator answers here", "veilsum-coordinator run"]);
    }
}

#[test]
fn a_task_is_offered_looked_at_paused_resumed_and_stopped() {
    let scene = Scene::new();
    let file = task(&scene);
    let daemon = scene.daemon();
    daemon.says("serves 3 banks of demo");
    scene
        .program(&["task", "list"])
        .says(0, &["there is no task yet"]);
    scene
        .program(&["task", "show", "credit"])
        .says(1, &["found no task credit: there is none yet"]);
    scene.write("broken.toml", "name = 1");
    let broken = scene.path("broken.toml");
    scene
        .program(&["task", "create", broken.to_str().unwrap()])
        .says(2, &["broken.toml", "name = 1"]);
    scene
        .program(&["task", "create", file.to_str().unwrap()])
        .says(0, &["next: each bank runs"]);
    scene
        .program(&["task", "list"])
        .says(0, &["credit", "0/4", "running"]);
    scene.program(&["task", "show", "credit"]).says(
        0,
        &[
            "credit: step 0 of 4, running",
            "nothing said yet by bank-1, bank-2, bank-3",
            "no result yet",
            "What leaves the bank",
        ],
    );
    for command in ["show", "pause", "resume", "stop"] {
        scene
            .program(&["task", command, "fraud"])
            .says(1, &["found no task fraud, expected one of: credit"]);
    }
    scene
        .program(&["task", "pause", "credit"])
        .says(0, &["paused task", "ends as usual"]);
    scene
        .program(&["status"])
        .says(0, &["task credit: step 0 of 4, paused", "key epoch none"]);
    scene
        .program(&["--json", "task", "list"])
        .says(0, &["\"status\":{\"is\":\"paused\"}"]);
    // It stays so when the coordinator is started again.
    drop(daemon);
    let daemon = scene.daemon();
    daemon.says("serves 3 banks of demo");
    scene.program(&["task", "list"]).says(0, &["paused"]);
    scene
        .program(&["task", "resume", "credit"])
        .says(0, &["resumed task"]);
    scene.program(&["task", "list"]).says(0, &["running"]);
    scene
        .program(&["task", "stop", "credit"])
        .says(0, &["stopped task"]);
    scene.program(&["task", "resume", "credit"]).says(
        1,
        &["task credit is stopped: by the operator; a task that is over cannot be resumed"],
    );
}

#[test]
fn a_link_is_given_where_there_is_a_page() {
    let scene = Scene::new();
    let daemon = scene.daemon();
    daemon.says("serves 3 banks of demo");
    scene.program(&["page"]).says(
        1,
        &[
            "this coordinator serves no page on this machine",
            "operator.listen",
        ],
    );
    drop(daemon);
    let text = scene.read("coordinator.toml");
    let (before, after) = text.rsplit_once("\nlisten = \"\"").unwrap();
    scene.write(
        "coordinator.toml",
        &format!("{before}\nlisten = \"127.0.0.1:0\"{after}"),
    );
    let daemon = scene.daemon();
    let said = daemon.says("serves 3 banks of demo");
    let address = said
        .split("the operator's page is at ")
        .nth(1)
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    scene.program(&["page"]).says(
        0,
        &[&format!("{address}/login?word="), "lets one browser in, once"],
    );
    // The word itself stands in no trace.
    assert!(!said.contains("word="));
    let held = address.strip_prefix("http://").unwrap();
    let second = Scene::new();
    let text = second.read("coordinator.toml");
    let (before, after) = text.rsplit_once("\nlisten = \"\"").unwrap();
    second.write(
        "coordinator.toml",
        &format!("{before}\nlisten = \"{held}\"{after}"),
    );
    second
        .program(&["run"])
        .says(1, &["cannot listen on TCP", held, "set another operator.listen"]);
}

#[test]
fn curves_need_a_log() {
    let scene = Scene::new();
    let out = scene.path("curves");
    let out = out.to_str().unwrap();
    scene
        .program(&["curves", "--tensorboard", out])
        .says(1, &["the published log cannot be read", "log/checkpoint"]);
}
