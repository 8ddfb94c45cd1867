//! The client as it is installed: `bin/` beside `lib/`, away from the checkout, with nothing in the environment.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use veilsum_examples::demo::Programs;

/// Every shared library of the libtorch that this checkout is linked with.
fn install_libraries(into: &Path) {
    let libtorch = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.libtorch/torch/lib");
    let mut count = 0;
    for entry in fs::read_dir(&libtorch).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name.to_string_lossy().contains(".so") {
            std::os::unix::fs::symlink(fs::canonicalize(&path).unwrap(), into.join(name)).unwrap();
            count += 1;
        }
    }
    assert!(count >= 3, "{count} libraries in {}", libtorch.display());
}

fn version(program: &Path) -> std::process::Output {
    Command::new(program)
        .arg("--version")
        .env_clear()
        .current_dir("/")
        .output()
        .unwrap()
}

#[test]
fn an_installed_client_finds_libtorch_beside_itself() {
    let scratch = tempfile::tempdir().unwrap();
    let (bin, lib) = (scratch.path().join("bin"), scratch.path().join("lib"));
    fs::create_dir(&bin).unwrap();
    fs::create_dir(&lib).unwrap();
    let client = bin.join("veilsum-client");
    fs::copy(Programs::beside_this_one().unwrap().client, &client).unwrap();

    // Without the libraries it cannot start, so what it finds below is what was installed.
    assert!(!version(&client).status.success(), "it found libtorch elsewhere");

    install_libraries(&lib);
    let found = version(&client);
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(
        found.status.success(),
        "{}",
        String::from_utf8_lossy(&found.stderr)
    );
    assert!(text.starts_with("veilsum-client "), "{text}");
}
