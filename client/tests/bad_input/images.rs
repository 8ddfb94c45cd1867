//! A bank whose rows are images.

use std::fs;
use std::process::Command;

use veilsum_client::participant::FolderLock;

use crate::scene::Scene;

const SCHEMA: &str =
    "version = 1\nlabel = \"y\"\n[[column]]\nname = \"image\"\ntype = \"image\"\nheight = 1\nwidth = 2\n";

#[test]
fn images_are_checked_with_their_labels() {
    let scene = Scene::new();
    // As beside a daemon that runs.
    fs::create_dir(scene.path("state")).unwrap();
    let _lock = FolderLock::take(&scene.path("state")).unwrap();
    scene.write("schema.toml", SCHEMA);
    fs::write(
        scene.path("data.csv"),
        [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4],
    )
    .unwrap();
    scene.client(&["preflight", "--no-network"]).says(
        2,
        &[
            "FAILED data",
            "data.csv: found images without a file of labels",
            "name it in data.labels",
        ],
    );
    let config = scene.read("bank.toml");
    scene.write(
        "bank.toml",
        &config.replace("[data]", "[data]\nlabels = \"labels.idx\""),
    );
    scene.client(&["preflight", "--no-network"]).says(
        2,
        &[
            "labels.idx: cannot be read",
            "set data.file and data.labels in bank.toml",
        ],
    );
    fs::write(scene.path("labels.idx"), [0, 0, 8, 1, 0, 0, 0, 2, 1, 0]).unwrap();
    let check = scene.client(&["preflight", "--no-network"]);
    for part in [
        "ok     policy        2 images: no columns that rules could change",
        "data.csv: 2 rows, 1 with label 1 and 1 with label 0, 1 columns",
    ] {
        assert!(check.stdout.contains(part), "{part} is not in: {}", check.stdout);
    }
    scene
        .client(&["data", "check"])
        .says(0, &["data.csv, 2 images", "nobody looks for identifiers"]);
    scene.write("policy.toml", "[[column]]\nname = \"image\"\nrule = \"drop\"\n");
    scene
        .client(&["data", "check"])
        .says(2, &["found a rule for column \"image\""]);
    // The other commands take a file, and no folder.
    let of_file = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_veilsum-client"));
        let output = program
            .args(arguments)
            .arg(scene.path("data.csv"))
            .output()
            .unwrap();
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), told)
    };
    let (code, told) = of_file(&["data", "profile"]);
    assert!(
        code == 0 && told.contains("IDX, 2 images of 1 x 2 bytes"),
        "{told}"
    );
    let labels = scene.path("labels.idx");
    let (code, told) = of_file(&["data", "profile", "--labels", labels.to_str().unwrap()]);
    assert!(code == 0 && told.contains("label   1  1 (50.0 %)"), "{told}");
    let (code, told) = of_file(&["schema", "infer"]);
    assert!(
        code == 2 && told.contains("found an IDX file, of images or their labels"),
        "{told}"
    );
    scene.nothing_was_sent();
}
