//! Archives that cannot be used, and disks that take none: every one has its words and its exit code, and nothing is left behind.

use std::fs;
use std::process::Command;

use veilsum_examples::demo::consortium::COORDINATOR;

use crate::scene::{Scene, has, told};

fn left(scene: &Scene) -> Vec<String> {
    let names = fs::read_dir(scene.dir()).unwrap();
    let mut names: Vec<_> = names
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_bad_archive_and_a_full_disk_leave_everything_as_it_was() {
    let scene = Scene::enrolled(1, 2);
    scene.client(
        &["backup", "--dir", "bank-1", "--out", "bank.tar", "--with-keys"],
        0,
    );
    let told_without = scene.client(&["backup", "--dir", "bank-2", "--out", "bare.tar"], 0);
    has(
        &told_without,
        &[
            "PRIVATE KEYS ARE NOT IN IT",
            "identity/signing.key.pem",
            "none was seen yet",
        ],
    );
    scene.operator(&["backup", "--dir", COORDINATOR, "--out", "operator.tar"], 0);
    let before = left(&scene);

    // Never over what exists.
    has(
        &scene.client(&["backup", "--dir", "bank-1", "--out", "bank.tar"], 2),
        &["exists already"],
    );
    has(
        &scene.client(&["restore", "bank.tar", "--name", "bank-1", "--dir", "bank-1"], 2),
        &["exists already"],
    );
    has(
        &scene.operator(&["restore", "operator.tar", "--dir", COORDINATOR], 2),
        &["exists already"],
    );
    // Of somebody else.
    let other = scene.client(&["restore", "bank.tar", "--name", "bank-2", "--dir", "new"], 2);
    has(
        &other,
        &["a backup of bank \"bank-1\", expected one of \"bank-2\""],
    );
    let other = scene.operator(&["restore", "bank.tar", "--dir", "new"], 2);
    has(
        &other,
        &["a backup of bank \"bank-1\", expected one of a coordinator"],
    );
    let other = scene.client(
        &["restore", "operator.tar", "--name", "bank-1", "--dir", "new"],
        2,
    );
    has(&other, &["a backup of coordinator \"test\""]);
    has(
        &scene.client(&["restore", "task.toml", "--name", "bank-1", "--dir", "new"], 2),
        &["not a backup"],
    );
    has(
        &scene.client(&["restore", "none.tar", "--name", "bank-1", "--dir", "new"], 2),
        &["none.tar"],
    );
    // Damaged, or cut off.
    let whole = fs::read(scene.folder("bank.tar")).unwrap();
    let at = whole.windows(5).position(|it| it == b"name ").unwrap();
    let mut changed = whole.clone();
    changed[at] = b'N';
    fs::write(scene.folder("bank.tar"), &changed).unwrap();
    let damaged = scene.client(&["restore", "bank.tar", "--name", "bank-1", "--dir", "new"], 1);
    has(
        &damaged,
        &["the backup is damaged", "bank.toml", "nothing was restored"],
    );
    fs::write(scene.folder("bank.tar"), &whole[..whole.len() / 2]).unwrap();
    has(
        &scene.client(&["restore", "bank.tar", "--name", "bank-1", "--dir", "new"], 1),
        &["damaged"],
    );
    fs::write(scene.folder("bank.tar"), &whole).unwrap();
    // A disk that takes no more: files of at most 512 bytes.
    for (program, words) in [
        (&scene.programs.client, "backup --dir bank-1 --out full.tar"),
        (&scene.programs.client, "restore bank.tar --name bank-1 --dir new"),
        (
            &scene.programs.coordinator,
            "backup --dir coordinator --out full.tar",
        ),
    ] {
        let line = format!("trap '' XFSZ; ulimit -f 1; exec '{}' {words}", program.display());
        let output = Command::new("sh")
            .args(["-c", &line])
            .current_dir(scene.dir())
            .output()
            .unwrap();
        has(&told(&output, 1), &["cannot write the file"]);
    }
    assert_eq!(left(&scene), before, "nothing is left behind");

    // And the whole one is restored, with modes.
    scene.client(&["restore", "bank.tar", "--name", "bank-1", "--dir", "new"], 0);
    for file in [
        "bank.toml",
        "consortium.toml",
        "bank.crt.pem",
        "identity/tls.key.pem",
        "policy.toml",
        "schema.toml",
    ] {
        assert_eq!(
            fs::read(scene.folder("new").join(file)).unwrap(),
            fs::read(scene.folder("bank-1").join(file)).unwrap(),
            "{file}"
        );
    }
    let bare = scene.client(&["restore", "bare.tar", "--name", "bank-2", "--dir", "bare"], 0);
    has(
        &bare,
        &[
            "PUT BACK bare/identity/tls.key.pem",
            "PUT BACK bare/identity/hold-out.salt",
        ],
    );
}
