//! The commands in `docs/auditing.md` do what the page says.

use std::fs;
use std::process::{Command, Output};

use crate::mirror::{is, log_of, read};
use crate::program::with_key;
use crate::served::{Fault, Server};

const PAGE: &str = include_str!("../../../docs/auditing.md");

#[test]
fn the_script_with_curl_mirrors_a_log_and_goes_on_after_an_interruption() {
    let script = PAGE
        .split("```bash\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let (served, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(here.path().join("mirror-log"), script).unwrap();
    let server = Server::start(served.path(), None);
    let url = server.url("log/");
    let mirror = || -> Output {
        Command::new("bash")
            .current_dir(here.path())
            .args(["mirror-log", &url, "copy", "--noproxy", "*"])
            .output()
            .expect("bash and curl are needed")
    };
    for size in [1, 300, 512, 66_000] {
        let world = log_of(size);
        world.write(served.path());
        if size == 512 {
            // It breaks off; the old head stays.
            server.spoil("log/tile/entries/001", Fault::CutAfter(1000), 9);
            assert!(!mirror().status.success());
            server.spoil("log/tile/entries/001", Fault::CutAfter(1000), 0);
            let old = fs::read(here.path().join("copy/checkpoint")).unwrap();
            assert_eq!(old, log_of(300).head().note().as_str().as_bytes());
            server.asked();
        }
        let output = mirror();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        if size == 512 {
            assert!(!server.asked().contains(&"log/tile/entries/000".to_owned()));
        }
        assert_eq!(
            fs::read(here.path().join("copy/checkpoint")).unwrap(),
            world.head().note().as_str().as_bytes()
        );
        let copied = read(&here.path().join("copy"));
        let missing = read(&served.path().join("log"));
        let current = |path: &&std::path::PathBuf| {
            let path = path.to_string_lossy().into_owned();
            !path.contains(".p/") || path.ends_with(&format!(".p/{}", size % 256))
        };
        assert!(
            missing
                .keys()
                .filter(current)
                .all(|path| copied.contains_key(path))
        );
    }
    // The entries are none, but everything hashes to the signed root.
    let output = with_key(&log_of(1), here.path(), &["verify", "copy"]);
    is(&output, 1, "ok      log                      1");
}
