//! For every check a log or an archive that only it refuses. The one who tampers is the coordinator: it signs any head that it
//! likes, and has no bank's key.

mod archive;
mod log;
pub(crate) mod memory;

use veilsum_auditor::verify::report::Check;

use self::archive::*;
use self::log::*;
use self::memory::*;
use crate::rounds::story;
use crate::world::World;

type Tamper = fn(&mut World);

/// What is done, with what, and every check that must fail; no other may.
const CASES: &[(&str, Tamper, &[Check])] = &[
    (
        "fewer entries than at the last visit",
        rolled_back,
        &[Check::GrewOnly],
    ),
    (
        "other entries than at the last visit",
        other_than_at_the_last_visit,
        &[Check::GrewOnly],
    ),
    (
        "other entries than a bank saw",
        other_than_a_bank_saw,
        &[Check::HeldCheckpoints],
    ),
    (
        "fewer entries than a bank saw",
        fewer_than_a_bank_saw,
        &[Check::HeldCheckpoints],
    ),
    (
        "a held checkpoint that the log never signed",
        |world| hold(world, b"not a note".to_vec()),
        &[Check::HeldCheckpoints],
    ),
    (
        "a checkpoint that no bank has cosigned",
        |world| world.cosigners = 0,
        &[Check::Witnesses],
    ),
    (
        "a checkpoint that one bank less than it takes has cosigned",
        |world| world.cosigners = 3,
        &[Check::Witnesses],
    ),
    (
        "a cosignature of another head beside enough good ones",
        |world| world.forged.push(crate::world::bank(2)),
        &[Check::Witnesses],
    ),
    (
        "a receipt under a larger head",
        receipt_of_more,
        &[Check::Receipts],
    ),
    (
        "a receipt of another log",
        receipt_of_another_log,
        &[Check::Receipts],
    ),
    (
        "a receipt that too few have cosigned",
        receipt_that_too_few_have_cosigned,
        &[Check::Receipts],
    ),
    (
        "a receipt that was changed",
        receipt_that_is_none,
        &[Check::Receipts],
    ),
    (
        "an entry that is none",
        |world| world.entries.push(b"veilsum/v1/log-entry\0\x0f".to_vec()),
        &[Check::EntryForm],
    ),
    (
        "an entry with a byte left over",
        a_byte_left_over,
        &[Check::EntryForm],
    ),
    (
        "a roster with another key",
        another_roster,
        &[Check::Roster, Check::RosterChange, Check::KeyDirectory],
    ),
    (
        "a roster that nobody approved",
        unapproved_roster,
        &[Check::RosterChange],
    ),
    (
        "a roster that lacks one approval",
        roster_without_one_approval,
        &[Check::RosterChange],
    ),
    (
        "a forged approval of a roster",
        forged_roster_approval,
        &[Check::RosterChange],
    ),
    (
        "a roster after its proposal was withdrawn",
        withdrawn_roster,
        &[Check::RosterChange],
    ),
    (
        "approvals of another proposal",
        approvals_of_another_proposal,
        &[Check::RosterChange],
    ),
    ("a roster of two banks", roster_of_two, &[Check::Roster]),
    ("an epoch used twice", epoch_used_twice, &[Check::KeyDirectory]),
    (
        "keys from a used round on",
        keys_from_a_used_round,
        &[Check::KeyDirectory],
    ),
    ("an unsigned approval", unsigned_approval, &[Check::TaskApproval]),
    (
        "an approval of a task that nobody offered",
        approval_without_task,
        &[Check::TaskApproval],
    ),
    ("a missing approval", missing_approval, &[Check::Cohort]),
    (
        "the approval of a bank that had the place before",
        approval_of_the_predecessor,
        &[Check::RosterChange, Check::RoundRules, Check::Cohort],
    ),
    (
        "a result without shares",
        result_without_shares,
        &[Check::RoundOrder, Check::Releases, Check::MaskedSum],
    ),
    (
        "an update after an abort",
        update_after_abort,
        &[Check::RoundOrder],
    ),
    (
        "a round while another is open",
        round_while_open,
        &[Check::RoundOrder],
    ),
    ("a round run again", round_run_again, &[Check::RoundNumbers]),
    (
        "a round run again with another bank left out",
        both_kinds_across_rounds,
        // An index has room for the bundles of one of the two.
        &[Check::RoundNumbers, Check::ArchivedBundle, Check::OneKindOfShare],
    ),
    ("another manifest", another_manifest, &[Check::Manifest]),
    (
        "thresholds for no colluder",
        lower_thresholds,
        &[Check::RoundRules],
    ),
    (
        "another epoch's directory",
        another_directory,
        &[Check::RoundRules],
    ),
    ("narrow lanes", narrow_lanes, &[Check::RoundRules]),
    (
        "a small cohort",
        |world| add_cohort(world, &[1, 2, 3]),
        &[Check::Cohort],
    ),
    (
        "a cohort with a bank that did not prepare",
        |world| add_cohort(world, &[1, 2, 3, 5]),
        &[Check::Cohort],
    ),
    (
        "an update of another round",
        update_of_another_round,
        &[Check::MaskedSignature],
    ),
    ("an update twice", update_twice, &[Check::MaskedSignature]),
    (
        "a survivor outside the cohort",
        survivor_outside,
        &[Check::Survivors, Check::Certificate, Check::Result],
    ),
    (
        "a survivor left out",
        survivor_left_out,
        &[
            Check::Survivors,
            Check::Certificate,
            Check::Releases,
            Check::Result,
            Check::ArchivedRelease,
            Check::MaskedSum,
            Check::DerivedState,
        ],
    ),
    (
        "a certificate with a signature missing",
        missing_signature,
        &[Check::Certificate],
    ),
    (
        "a certificate with a forged signature",
        forged_signature,
        &[Check::Certificate],
    ),
    (
        "a certificate with the signature of a bank that dropped out",
        foreign_signature,
        &[Check::Certificate],
    ),
    (
        "shares of a bank that dropped out",
        foreign_release,
        &[Check::Releases, Check::ArchivedRelease],
    ),
    (
        "swapped releases",
        swapped_releases,
        &[Check::ArchivedRelease, Check::MaskedSum],
    ),
    ("a result of another opening", another_opening, &[Check::Result]),
    ("another number of survivors", another_count, &[Check::Result]),
    (
        "a step left out",
        step_left_out,
        &[Check::StateChain, Check::RoundPlan],
    ),
    ("a crafted state", crafted_state, &[Check::StateChain]),
    ("another last result", another_last_result, &[Check::StateChain]),
    (
        "a wrong next state",
        wrong_next_state,
        &[Check::Acks, Check::DerivedState],
    ),
    ("a forged acknowledgement", forged_ack, &[Check::Acks]),
    ("an acknowledgement twice", ack_twice, &[Check::Acks]),
    (
        "an abort that hides released shares",
        hiding_abort,
        &[Check::Abort],
    ),
    (
        "a key directory with the keys of another epoch",
        keys_of_another_epoch,
        &[Check::ArchivedDirectory],
    ),
    ("another task text", another_text, &[Check::TaskText]),
    ("another task name", another_name, &[Check::TaskText]),
    ("another layout", another_layout, &[Check::RoundPlan]),
    (
        "no index of bundles",
        |world| drop(world.files.remove("rounds/3.json")),
        &[Check::ArchivedBundle],
    ),
    (
        "an index that spells a hash in capitals",
        |world| in_index(world, |index| index.to_uppercase()),
        &[Check::ArchivedBundle],
    ),
    (
        "an index that names a bank twice",
        |world| in_index(world, |index| index.replace("\"5\"", "\"1\"")),
        &[Check::ArchivedBundle],
    ),
    ("swapped bundles", swapped_bundles, &[Check::ArchivedBundle]),
    (
        "a bundle with a flipped bit",
        flipped_bundle,
        &[Check::ArchivedBundle],
    ),
    (
        "a masked update with a flipped bit",
        flipped_update,
        &[Check::ArchivedMasked],
    ),
    (
        "a missing masked update",
        missing_update,
        &[Check::ArchivedMasked],
    ),
    (
        "shares with a flipped bit",
        flipped_shares,
        &[Check::ArchivedRelease, Check::MaskedSum],
    ),
    (
        "shares that their releaser was not dealt",
        |world| undealt_shares(world, 3),
        &[Check::ArchivedRelease, Check::MaskedSum],
    ),
    (
        "shares that their releaser was not dealt, before an abort",
        |world| undealt_shares(world, 2),
        &[Check::ArchivedRelease],
    ),
    (
        "a published sum with a flipped bit",
        flipped_sum,
        &[Check::ArchivedSum],
    ),
    ("a sum altered by one", sum_altered_by_one, &[Check::MaskedSum]),
    ("another weight", another_weight, &[Check::DerivedState]),
    ("polished metrics", polished_metrics, &[Check::DerivedState]),
];

#[test]
fn an_approved_change_of_the_roster_is_followed_from_the_first_one() {
    let mut world = story();
    approved_roster(&mut world);
    assert_eq!(world.pinned.len(), 1);
    // The banks of the roster before have cosigned the head over it: three of them would be too few.
    for (cosigners, failed) in [(5, &[][..]), (4, &[]), (3, &[Check::Witnesses])] {
        world.cosigners = cosigners;
        let report = world.audit();
        assert_eq!(report.failed(), failed, "{cosigners} cosigners: {report:?}");
        assert_eq!(report.banks, 4);
    }
    // Whoever has the later one alone comes to the first by the same signatures.
    let first = std::mem::take(&mut world.pinned);
    let banks = world.consortium.roster.banks()[..4].to_vec();
    world.pinned = vec![veilsum_protocol::roster::Roster::new(crate::world::NAME, banks).unwrap()];
    world.cosigners = 5;
    assert!(world.audit().holds(), "{:?}", world.audit());
    world.pinned = first;
    // Over a head behind it the banks of the new one count, of whom three are enough.
    world.cosigners = 3;
    world.log(&veilsum_protocol::log::entry::Entry::from(
        &world.consortium.roster.clone(),
    ));
    let report = world.audit();
    assert_eq!(report.failed(), [Check::RosterChange], "{report:?}");
}

#[test]
fn every_tampering_is_found_by_its_check_and_by_no_other() {
    let honest = story();
    let mut wrong = Vec::new();
    for (what, tamper, expected) in CASES {
        let mut world = honest.clone();
        tamper(&mut world);
        let report = world.audit();
        assert!(
            !report.holds() && report.verdict().contains("does NOT verify"),
            "{what}"
        );
        if report.failed() != *expected {
            let findings = report.checks.iter().flat_map(|check| {
                let name = check.check.name();
                check
                    .findings
                    .iter()
                    .map(move |finding| format!("  {name}: {finding}\n"))
            });
            let findings: String = findings.collect();
            wrong.push(format!("{what}: {:?}\n{findings}", report.failed()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_check_has_a_case_in_which_it_fails() {
    // The log's own hashes and signature fail in the tests of the command line.
    for check in Check::ALL.iter().filter(|check| **check != Check::Log) {
        assert!(
            CASES.iter().any(|(_, _, failed)| failed.contains(check)),
            "{check:?}"
        );
    }
}
