//! Configuration, environment and the consortium file.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use crate::scene::Scene;

#[test]
fn a_wrong_configuration_is_told_by_file_and_key() {
    let scene = Scene::new();
    let config = scene.read("coordinator.toml");
    for (change, parts) in [
        (("idle_s", "idel_s"), ["coordinator.toml: ", "line ", "idel_s"]),
        (
            ("idle_s = 30", "idle_s = 1"),
            ["coordinator.toml: ", "limits.idle_s: 1", "expected 5 to 600"],
        ),
        (
            ("listen = \"", "listen = \"nowhere"),
            ["coordinator.toml: ", "line ", "listen"],
        ),
        (
            ("[folders]", "[folders"),
            ["coordinator.toml: ", "line ", "folders"],
        ),
    ] {
        assert!(config.contains(change.0), "{}", change.0);
        scene.write("coordinator.toml", &config.replace(change.0, change.1));
        scene.program(&["run"]).says(2, &parts);
        scene.program(&["status"]).says(2, &parts);
    }
    fs::remove_file(scene.path("coordinator.toml")).unwrap();
    let missing = ["coordinator.toml: ", "run `veilsum-coordinator init`", "--dir"];
    scene.program(&["run"]).says(2, &missing);
    scene.program(&["status"]).says(2, &missing);
}

#[test]
fn a_wrong_variable_is_told_by_its_name_and_others_are_not_looked_at() {
    let scene = Scene::new();
    scene
        .program_in(&["run"], &[("VEILSUM__LIMITS__IDEL_S", "60")])
        .says(2, &["VEILSUM__LIMITS__IDEL_S", "unknown field", "idle_s"]);
    let not_text = OsStr::from_bytes(b"6\xff0");
    for command in ["run", "status"] {
        scene
            .program_in(&[command], &[("VEILSUM__LIMITS__IDLE_S", not_text)])
            .says(2, &["VEILSUM__LIMITS__IDLE_S: found a value that is not UTF-8"]);
    }
    // What is not this program's is none of its business.
    scene
        .program_in(&["status"], &[("LS_COLORS", not_text)])
        .says(75, &["no coordinator answers"]);
}

#[test]
fn a_consortium_file_that_is_missing_or_names_too_few_banks_is_told() {
    // Without banks there is no roster yet, and it enrols.
    Scene::without_banks()
        .daemon()
        .says("0 banks are admitted, at least 3 are needed");
    let scene = Scene::new();
    let text = scene.read("consortium.toml");
    let (two, _) = text.rsplit_once("[[bank]]").unwrap();
    scene.write("consortium.toml", two);
    scene
        .program(&["run"])
        .says(2, &["consortium.toml: ", "2 banks", "expected 3 to 500"]);
    scene.write("consortium.toml", "version = 1\n");
    scene
        .program(&["run"])
        .says(2, &["consortium.toml: ", "not a consortium file"]);
    fs::remove_file(scene.path("consortium.toml")).unwrap();
    scene
        .program(&["run"])
        .says(2, &["consortium.toml: ", "copy it back", "identity.consortium"]);
}

#[test]
fn a_task_file_is_looked_at_before_anybody_is_asked() {
    let scene = Scene::new();
    let task = |name: &str| scene.path(name).to_str().unwrap().to_owned();
    scene
        .program(&["task", "create", &task("none.toml")])
        .says(2, &["none.toml: ", "No such file"]);
    scene.write("task.toml", "name = \"credit\"\nrounds = \"many\"\n");
    scene
        .program(&["task", "create", &task("task.toml")])
        .says(2, &["task.toml: ", "line 2", "rounds"]);
    scene.write("task.toml", GOOD);
    scene
        .program(&["task", "create", &task("task.toml")])
        .says(75, &["admin.sock: no coordinator answers here", "start it with"]);
    scene
        .program(&["task", "stop", "credit"])
        .says(75, &["no coordinator answers here"]);
    scene.program(&["status"]).says(
        75,
        &[
            "admin.sock: no coordinator answers here",
            "veilsum-coordinator run",
        ],
    );
}

const GOOD: &str = r#"name = "credit"
rounds = 1
seed = 3
[schema]
version = 1
label = "y"
column = [{ name = "a", type = "number", min = 0, max = 1 }]
[model]
family = "logistic"
[training]
optimiser = "sgd"
learning_rate = 0.1
batch_size = 1
local_epochs = 1
"#;
