//! The systemd units that operators and banks are given: systemd knows every key in them, they start the real programs, and they are shut off well.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use veilsum_examples::demo::Programs;

/// Tenths of systemd's measure of exposure, from 0 to 100; the mechanism itself, not its number, is what counts.
const MOST_EXPOSED: &str = "20";

/// Where units say that programs are installed.
const INSTALLED: &str = "/opt/veilsum/bin/";

/// Each unit, its program, and the command that it runs.
fn units() -> [(PathBuf, PathBuf, &'static str); 4] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations/systemd");
    let programs = Programs::beside_this_one().unwrap();
    [
        (
            folder.join("veilsum-coordinator.service"),
            programs.coordinator,
            "run",
        ),
        (
            folder.join("veilsum-client.service"),
            programs.client.clone(),
            "run",
        ),
        (
            folder.join("veilsum-serve.service"),
            programs.client.clone(),
            "serve",
        ),
        (
            folder.join("veilsum-monitor@.service"),
            programs.client,
            "monitor",
        ),
    ]
}

/// Exit code and everything that is said.
fn analyze(arguments: &[&str], unit: &Path) -> (Option<i32>, String) {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit)
        .env("SYSTEMD_COLORS", "0")
        .output()
        .expect("systemd-analyze comes with systemd; scripts/test-all installs it");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn units_leave_the_system_little_to_fear() {
    for (unit, _, _) in units() {
        let threshold = format!("--threshold={MOST_EXPOSED}");
        let (code, said) = analyze(&["security", "--offline=true", &threshold], &unit);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("Overall exposure level"), "{said}");
        let (code, _) = analyze(&["security", "--offline=true", "--threshold=1"], &unit);
        assert_eq!(code, Some(1), "the threshold is not looked at");
    }
}

#[test]
fn units_start_programs_that_are_there_with_keys_that_systemd_knows() {
    for (unit, program, command) in units() {
        let text = fs::read_to_string(&unit).unwrap();
        let named = format!("{INSTALLED}{}", program.file_name().unwrap().display());
        assert!(
            text.contains(&format!("ExecStart={named} {command} --dir ")),
            "{text}"
        );
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join(unit.file_name().unwrap());
        fs::write(&here, text.replace(&named, &program.display().to_string())).unwrap();
        let (code, said) = analyze(&["verify", "--man=no"], &here);
        assert_eq!((code, said.as_str()), (Some(0), ""));
        fs::write(&here, text.replace("ProtectSystem=", "ProtectSytem=")).unwrap();
        let (_, said) = analyze(&["verify", "--man=no"], &here);
        assert!(
            said.contains("ProtectSytem"),
            "a misspelt key is not told: {said}"
        );
    }
}
