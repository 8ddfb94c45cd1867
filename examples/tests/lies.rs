//! The stories of a lying coordinator go as they are told.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use veilsum_examples::lies::{Line, stories};

#[test]
fn every_lie_comes_to_nothing() {
    let stories = stories();
    assert_eq!(stories.len(), 4);
    for story in &stories {
        let mut found = 0;
        for line in &story.lines {
            if let Line::Found(holds, text) = line {
                assert!(holds, "{}: {text}", story.title);
                found += 1;
            }
        }
        assert!(found >= 3, "{} tells nothing", story.title);
    }
}

#[test]
fn the_program_tells_them_with_the_numbers_of_the_checks() {
    let told = Command::new(env!("CARGO_BIN_EXE_veilsum-lying-coordinator"))
        .output()
        .unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success(), "{text}");
    for check in ["C-203", "C-401", "C-407", "C-501"] {
        assert!(text.contains(check), "{check} is not told:\n{text}");
    }
}
