//! Banks' requests.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::scene::Scene;

#[test]
fn a_request_that_is_none_is_told_by_its_file_and_nothing_changes() {
    let scene = Scene::new();
    let before = scene.read("consortium.toml");
    let missing = scene.path("bank-9.request.toml");
    scene.enrol(std::slice::from_ref(&missing)).says(
        2,
        &[
            "bank-9.request.toml: ",
            "No such file",
            "name the request file that was sent",
        ],
    );
    fs::write(&missing, "version = 1\n").unwrap();
    scene.enrol(&[missing]).says(2, &["bank-9.request.toml: "]);
    let request = scene.request("bank-9", 9);
    let forged = fs::read_to_string(&request)
        .unwrap()
        .replace("\"bank-9\"", "\"bank-8\"");
    fs::write(&request, forged).unwrap();
    scene
        .enrol(&[request])
        .says(2, &["bank-9.request.toml: ", "proof"]);
    assert_eq!(scene.read("consortium.toml"), before);
}

#[test]
fn an_authority_that_others_may_read_or_a_folder_that_is_none_is_refused() {
    let scene = Scene::new();
    let request = [scene.request("bank-9", 9)];
    let key = scene.path("identity/ca.key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    scene
        .enrol(&request)
        .says(2, &["ca.key.pem: mode 0640", "chmod 600"]);
    fs::remove_file(scene.path("consortium.toml")).unwrap();
    scene.enrol(&request).says(
        2,
        &[
            "consortium.toml: ",
            "run `veilsum-coordinator init`, or name the folder with --dir",
        ],
    );
}

#[test]
fn too_few_banks_and_a_folder_that_exists_are_refused() {
    let scene = Scene::without_banks();
    let two = [scene.request("bank-1", 1), scene.request("bank-2", 2)];
    scene.enrol(&two).says(2, &["2 banks", "3 to 500"]);
    scene
        .program(&[
            "init",
            "--name",
            "demo",
            "--listen",
            "127.0.0.1:7443",
            "--host",
            "localhost",
        ])
        .says(2, &["exists already"]);
}
