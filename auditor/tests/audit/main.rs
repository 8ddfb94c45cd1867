//! Audits of a small log, honest and tampered with.
#![allow(clippy::unwrap_used)]

mod rounds;
mod world;

use crate::rounds::story;

#[test]
fn an_honest_log_verifies_with_and_without_its_archive() {
    let world = story();
    let report = world.audit();
    assert_eq!(
        report
            .checks
            .iter()
            .flat_map(|check| &check.findings)
            .collect::<Vec<_>>(),
        Vec::<&_>::new()
    );
    println!("{report:#?}");
}
