//! Banks that send something wrong, and a coordinator that delivers something wrong: who did it is named, the others go on.

use std::collections::BTreeMap;

use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::entry::AbortReason;
use veilsum_protocol::round::active::complaints_hash;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::coordinator::Event;
use veilsum_protocol::round::record::Record;
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};
use veilsum_protocol::wire::outbound::decode_trailer;
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::{Ready, ReleasedShare};

use crate::consortium::{bank, signing_key};
use crate::node::{Kill, Step};
use crate::world::World;

#[test]
fn a_share_of_the_wrong_kind_or_form_is_rejected() {
    let cases: [fn(&mut Vec<(BankIndex, ReleasedShare)>); 4] = [
        |shares| shares[0].1 = ReleasedShare::Recovery([1; 32]),
        |shares| shares[0].1 = ReleasedShare::SelfMask([255; 32]),
        |shares| {
            shares.pop();
        },
        |shares| shares.swap(0, 1),
    ];
    for change in cases {
        let mut world = World::new(5, 32);
        world.start_round();
        world.run(|world| world.answered(1, world.office.machine.as_ref().unwrap().round(), Step::Release));
        let machine = world.office.machine.as_ref().unwrap();
        let shares = machine
            .cohort()
            .iter()
            .map(|bank| (*bank, ReleasedShare::SelfMask([0; 32])));
        let context =
            veilsum_protocol::round::context::Context::of(machine.opened().unwrap(), machine.cohort());
        let mut body = veilsum_protocol::wire::statement::Release {
            context: context.digest(),
            bank: bank(1),
            shares: shares.collect(),
        };
        change(&mut body.shares);
        let release = Signed::sign(&signing_key(bank(1)), body);
        let now = world.now;
        world
            .office
            .handle(now, Some(bank(1)), Event::Release(bank(1), release));
        let (_, rejection) = &world.office.rejections[0];
        assert_eq!(rejection.check, Check::Malformed);
        world.run(|world| world.office.outcome.is_some());
        assert!(world.office.outcome.as_ref().unwrap().end.is_ok());
    }
}

#[test]
fn a_parcel_that_does_not_open_leaves_one_bank_out() {
    let cases: [fn(BankIndex, &mut ToBank); 4] = [
        |to, message| {
            if let (2, ToBank::Deliveries { deliveries, .. }) = (to.get(), message) {
                deliveries[3].parcel.sealed[20] ^= 1;
            }
        },
        |to, message| {
            if let (2, ToBank::Deliveries { deliveries, .. }) = (to.get(), message) {
                deliveries[3].parcel.pair_base = Digest([1; 32]);
            }
        },
        |to, message| {
            if let (2, ToBank::Deliveries { deliveries, .. }) = (to.get(), message) {
                deliveries[3].path[0] = Digest([1; 32]);
            }
        },
        |to, message| {
            if let (2, ToBank::Deliveries { deliveries, .. }) = (to.get(), message) {
                deliveries.remove(3);
            }
        },
    ];
    for tamper in cases {
        let mut world = World::new(5, 33);
        world.tamper_down = Some(Box::new(tamper));
        let outcome = world.round();
        assert!(outcome.end.is_ok(), "{outcome:?}");
        // Bank 2 complains about bank 5. Only one of five can go, and it is the one complained about.
        assert_eq!(outcome.survivors, [1, 2, 3, 4].map(bank));
        assert_eq!(
            world.office.notices,
            ["complaints about parcels: bank 2 about 5; left out: 5"]
        );
        world.assert_same_state();
    }
}

/// Bank 2 complains about a parcel that was as it should be.
fn false_complaint(from: BankIndex, message: &mut ToCoordinator, about: u16) {
    if let ToCoordinator::Ready {
        statement,
        complaints,
    } = message
        && from == bank(2)
    {
        *complaints = vec![bank(about)];
        let claim = Ready {
            complaints: complaints_hash(complaints),
            ..*statement.claim()
        };
        *statement = Signed::sign(&signing_key(from), claim);
    }
}

#[test]
fn a_false_complaint_costs_its_author_the_round_too() {
    let mut world = World::new(10, 38);
    world.tamper_up = Some(Box::new(|from, message| false_complaint(from, message, 5)));
    let outcome = world.round();
    assert!(outcome.end.is_ok(), "{outcome:?}");
    assert_eq!(outcome.cohort, [1, 3, 4, 6, 7, 8, 9, 10].map(bank));
    assert_eq!(outcome.survivors, outcome.cohort);
    assert_eq!(
        world.office.notices,
        ["complaints about parcels: bank 2 about 5; left out: 2, 5"]
    );
    world.assert_same_state();
}

#[test]
fn a_complaint_that_ends_the_round_is_told_as_well() {
    let mut world = World::new(3, 39);
    world.tamper_up = Some(Box::new(|from, message| false_complaint(from, message, 3)));
    assert_eq!(world.round().end, Err(AbortReason::TooFewReady));
    assert_eq!(
        world.office.notices,
        ["complaints about parcels: bank 2 about 3; left out: 3"]
    );
}

#[test]
fn a_bundle_that_is_not_what_its_header_says_is_rejected() {
    let cases: [(fn(BankIndex, &mut ToCoordinator), Check); 4] = [
        (
            |from, message| {
                if let (4, ToCoordinator::Bundle(bundle)) = (from.get(), message) {
                    bundle.recovery_blob[40] ^= 1;
                }
            },
            Check::Malformed,
        ),
        (
            |from, message| {
                if let (4, ToCoordinator::Bundle(bundle)) = (from.get(), message) {
                    bundle.parcels.swap(0, 1);
                }
            },
            Check::Malformed,
        ),
        (
            |from, message| {
                if let (4, ToCoordinator::Bundle(bundle)) = (from.get(), message) {
                    bundle.parcels.pop();
                }
            },
            Check::Malformed,
        ),
        (
            |from, message| {
                if let (4, ToCoordinator::Bundle(bundle)) = (from.get(), message) {
                    bundle.header = Signed::sign(&signing_key(bank(5)), *bundle.header.claim());
                }
            },
            Check::Signature,
        ),
    ];
    for (tamper, check) in cases {
        let mut world = World::new(5, 34);
        world.tamper_up = Some(Box::new(tamper));
        let outcome = world.round();
        assert_eq!(outcome.survivors, [1, 2, 3, 5].map(bank));
        let found: BTreeMap<BankIndex, Check> = world
            .office
            .rejections
            .iter()
            .map(|(bank, rejection)| (*bank, rejection.check))
            .collect();
        assert_eq!(found, BTreeMap::from([(bank(4), check)]));
        world.assert_same_state();
    }
}

#[test]
fn a_recovery_blob_that_does_not_open_ends_the_round_and_is_named() {
    let mut world = World::new(5, 35);
    world.down_ms = None;
    world.node(4).kill = Some(Kill::Before(Step::Upload));
    // The blob of the bank that drops out is spoiled where the coordinator keeps it.
    world.office.alter_journal = Some(|record| {
        if let Record::Prepared(of, bundle) = record
            && *of == bank(4)
        {
            bundle.recovery_blob[40] ^= 1;
        }
    });
    world.start_round();
    world.run(|world| {
        world.office.machine.as_ref().unwrap().heard_from() == 4
            && world.office.machine.as_ref().unwrap().survivors().len() == 4
    });
    world.office.kill_after_commits = Some(1);
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    assert_eq!(
        world.office.outcome.as_ref().unwrap().end,
        Err(AbortReason::BadShares)
    );
    assert!(
        world.office.notices[0].contains("recovery blob of bank 4"),
        "{:?}",
        world.office.notices
    );
    world.office.alter_journal = None;
    world.restart(bank(4));
    // Shares left for the others, so the step is repeated with these alone.
    let next = world.round();
    assert!(next.end.is_ok(), "{next:?}");
    assert_eq!(next.survivors, [1, 2, 3, 5].map(bank));
    world.assert_same_state();
}

#[test]
fn c_701_and_c_703_uploads_come_once_and_in_time() {
    let mut world = World::new(5, 36);
    // Bank 4 masks for longer than the phase lasts.
    world.start_round();
    world.run(|world| world.answered(4, world.office.machine.as_ref().unwrap().round(), Step::Ready));
    world.work_ms.insert(bank(4), 100_000);
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    assert_eq!(
        world.office.outcome.as_ref().unwrap().survivors,
        [1, 2, 3, 5].map(bank)
    );
    let late: Vec<Check> = world
        .office
        .rejections
        .iter()
        .map(|(_, rejection)| rejection.check)
        .collect();
    assert_eq!(late, [Check::Phase]);
    world.work_ms.clear();

    // A second vector of the same bank, properly signed.
    world.start_round();
    world.run(|world| {
        let machine = world.office.machine.as_ref().unwrap();
        !machine.cohort().is_empty() && !machine.survivors().is_empty()
    });
    let machine = world.office.machine.as_ref().unwrap();
    let first = machine.survivors()[0];
    let context = veilsum_protocol::round::context::Context::of(machine.opened().unwrap(), machine.cohort());
    let second = Signed::sign(
        &signing_key(first),
        veilsum_protocol::wire::statement::Trailer {
            context: context.digest(),
            bank: first,
            length: 7,
            hash: Digest([1; 32]),
        },
    );
    let now = world.now;
    world.office.handle(
        now,
        Some(first),
        Event::Uploaded(first, second, 7, Digest([1; 32])),
    );
    assert_eq!(
        world.office.rejections.last().unwrap().1.check,
        Check::SecondMessage
    );
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    assert_eq!(world.office.outcome.as_ref().unwrap().survivors.len(), 5);
    world.assert_same_state();
}

#[test]
fn c_704_an_upload_that_is_not_what_was_signed() {
    let mut world = World::new(5, 37);
    world.flips_upload_of = Some(bank(3));
    let outcome = world.round();
    assert_eq!(outcome.survivors, [1, 2, 4, 5].map(bank));
    let found = &world.office.rejections[0];
    assert_eq!((found.0, found.1.check), (bank(3), Check::Upload));
    assert!(decode_trailer(b"short").is_none());
}
