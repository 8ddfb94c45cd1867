//! Audits of a small log and its archive, honest and tampered with.
#![allow(clippy::unwrap_used)]

mod accounts;
mod documented;
mod early;
mod exports;
mod fifty;
mod flipped;
mod independent;
mod lying;
mod memory;
mod mirror;
mod page;
mod prepared;
mod program;
mod retention;
mod rounds;
mod served;
mod tampered;
mod watch;
mod world;

use std::collections::BTreeSet;

use veilsum_auditor::verify::report::Check;
use veilsum_auditor::{AuditError, verify};
use veilsum_protocol::ids::Round;
use veilsum_protocol::log::entry::{AbortReason, Entry};
use veilsum_protocol::round::checks::Check::Commitment;
use veilsum_protocol::wire::canonical::Canonical;

use crate::rounds::{End, Script, story};

#[test]
fn an_honest_log_verifies_with_its_archive() {
    let report = story().audit();
    let findings: Vec<String> = report
        .checks
        .iter()
        .flat_map(|check| &check.findings)
        .map(ToString::to_string)
        .collect();
    assert_eq!(findings, [""; 0]);
    // Its roster never changed.
    let status = |check: Check| if check == Check::RosterChange { "-" } else { "ok" };
    assert!(report.checks.iter().all(|it| it.status() == status(it.check)));
    assert_eq!(
        report.verdict(),
        "the log and the replay of every masked sum verify: 2 rounds and 1 aborted, 5 banks, 60 entries"
    );
    // A round that is still running is said, and is no failure.
    assert_eq!(report.notes, ["round 4 is not over: its last entry is RoundOpen"]);
}

#[test]
fn without_an_archive_the_report_claims_no_replay() {
    let report = story().on_disk(|_, mut audit| {
        audit.archive = None;
        verify(&audit, |_| ()).unwrap()
    });
    assert_eq!(
        report.verdict(),
        "the log verifies: 2 rounds and 1 aborted, 5 banks, 60 entries; without an archive no sum was replayed"
    );
    let checks: BTreeSet<Check> = report.checks.iter().map(|check| check.check).collect();
    assert!(checks.contains(&Check::Abort) && !checks.contains(&Check::MaskedSum));
}

#[test]
fn without_a_pinned_roster_the_report_says_whose_keys_it_believed() {
    let mut world = story();
    world.pinned.clear();
    let report = world.audit();
    assert!(report.holds());
    let hash = world.consortium.roster.hash().to_hex();
    assert!(
        report.notes.iter().any(|note| note.contains(&hash)),
        "{:?}",
        report.notes
    );
}

#[test]
fn a_log_may_end_anywhere() {
    let mut whole = story();
    whole.files.clear();
    for entries in 0..whole.entries.len() {
        let mut world = whole.clone();
        world.entries.truncate(entries);
        // Without the archive: which bytes are there says nothing of where the log ends.
        let report = world.on_disk(|_, mut audit| {
            audit.archive = None;
            verify(&audit, |_| ()).unwrap()
        });
        assert!(report.holds(), "{entries} entries: {:?}", report.failed());
    }
}

#[test]
fn a_task_goes_on_over_several_rounds() {
    let mut world = story();
    world.entries.truncate(world.entries.len() - 2);
    for round in 4..6 {
        world.play(&Script {
            round,
            attempt: 0,
            prepared: &[1, 2, 3, 4, 5],
            cohort: &[1, 2, 3, 4, 5],
            survivors: &[2, 3, 4, 5],
            end: End::Published,
        });
    }
    let report = world.audit();
    assert!(report.holds(), "{:?}", report.failed());
    assert_eq!((report.rounds, report.replayed), (4, Some(4)));
}

#[test]
fn a_round_that_ended_for_bad_shares_says_whose_they_were() {
    let told = |end| {
        let mut world = story();
        world.entries.truncate(world.entries.len() - 2);
        world.play(&Script {
            round: 4,
            attempt: 0,
            prepared: &[1, 2, 3, 4, 5],
            cohort: &[1, 2, 3, 4, 5],
            survivors: &[1, 2, 3, 4],
            end,
        });
        let abort = Entry::Abort {
            round: Round(4),
            reason: AbortReason::BadShares,
            after_release: true,
        };
        *world.entries.last_mut().unwrap() = abort.to_bytes();
        let report = world.audit();
        let findings = report.checks.iter().flat_map(|check| &check.findings);
        assert_eq!(findings.map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
        report.notes
    };
    let said = |words: &str| vec![format!("round 4 ended for bad shares: {words}")];
    let words = Commitment.words();
    assert_eq!(
        told(End::BadSharesOf(2)),
        said(&format!(
            "C-706: {words}: bank 2 dealt shares that do not give the secret that it committed to"
        ))
    );
    // Where the coordinator says so and it is not true, or not known.
    assert_eq!(
        told(End::AbortedAfter(4)),
        said("the shares and bundles in the archive are good")
    );
    assert_eq!(
        told(End::AbortedAfter(2)),
        said(&format!("C-706: {words}: 2 releases, expected 4"))
    );
}

#[test]
fn a_round_is_told_in_plain_words() {
    let world = story();
    let told = world.tell(3);
    assert!(told.holds);
    for line in [
        "task          defaults (",
        "what          train, step 1, after 1 failed tries",
        "in the sum    bank-1, bank-2, bank-4, bank-5",
        "dropped out   bank-3",
        "weight        120",
        "derived by    5 banks, each for itself",
        "AUC ",
        "the log's own checks of this round pass",
    ] {
        assert!(told.text.contains(line), "{line:?} is not in\n{}", told.text);
    }
    assert!(world.tell(1).text.contains("not ready     bank-5"));
    assert!(world.tell(2).text.contains(
        "aborted: too few banks released their shares; shares may have been released, so these updates must not be sent again"
    ));
    assert!(world.tell(4).text.contains("not prepared  bank-5"));
    let error = world.on_disk(|_, audit| veilsum_auditor::tell_round(&audit, 9).unwrap_err());
    assert!(matches!(error, AuditError::NoRound { round: 9, rounds: 4 }));
}
