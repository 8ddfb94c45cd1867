//! Shares that are not what was dealt, or not dealt as they should be: whose fault it was is named.

use std::collections::BTreeMap;

use veilsum_protocol::ids::{BankIndex, Digest, Epoch};
use veilsum_protocol::log::entry::AbortReason;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::context::Context;
use veilsum_protocol::round::prepare::{Place, open_recovery_blob};
use veilsum_protocol::round::record::Record;
use veilsum_protocol::secagg::mask::{Masks, Sign};
use veilsum_protocol::secagg::pack::unpack;
use veilsum_protocol::secagg::ring::Ring;
use veilsum_protocol::secagg::shamir::{Interpolation, SecretScalar};
use veilsum_protocol::wire::message::ToCoordinator;
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::{BundleHeader, ReleasedShare};

use crate::consortium::{bank, signing_key};
use crate::node::{Kill, Step};
use crate::world::World;

/// The signer changes its own shares: every one becomes that of its neighbour in the list.
fn wrong_shares(from: BankIndex, message: &mut ToCoordinator, liars: &[u16]) {
    if let ToCoordinator::Release { release, .. } = message
        && liars.contains(&from.get())
    {
        let mut body = release.claim().clone();
        let mut shares: Vec<[u8; 32]> = body.shares.iter().map(|(_, share)| *bytes(share)).collect();
        shares.rotate_left(1);
        for ((_, share), other) in body.shares.iter_mut().zip(shares) {
            match share {
                ReleasedShare::SelfMask(bytes) | ReleasedShare::Recovery(bytes) => *bytes = other,
            }
        }
        *release = Signed::sign(&signing_key(from), body);
    }
}

fn bytes(share: &ReleasedShare) -> &[u8; 32] {
    match share {
        ReleasedShare::SelfMask(bytes) | ReleasedShare::Recovery(bytes) => bytes,
    }
}

/// Who was refused with C-706, and with which words, in the order of positions.
fn refused(world: &World) -> Vec<(BankIndex, String)> {
    let refused = world.office.rejections.iter().map(|(from, rejection)| {
        assert_eq!(rejection.check, Check::Commitment, "{rejection}");
        (*from, rejection.detail.clone())
    });
    refused.collect::<BTreeMap<_, _>>().into_iter().collect()
}

fn said(releaser: u16, dealer: u16) -> (BankIndex, String) {
    let detail = format!("bank {releaser} released another share of bank {dealer} than it was dealt");
    (bank(releaser), detail)
}

#[test]
fn c_706_wrong_shares_are_refused_and_the_others_are_enough() {
    for gone in [None, Some(5)] {
        // With 7 banks, t = 5: one may be gone and one may lie.
        let mut world = World::new(7, 30);
        world.down_ms = None;
        world.tamper_up = Some(Box::new(|from, message| wrong_shares(from, message, &[2])));
        if let Some(gone) = gone {
            world.node(gone).kill = Some(Kill::Before(Step::Upload));
        }
        let outcome = world.round();
        assert!(outcome.end.is_ok(), "{outcome:?}");
        assert_eq!(refused(&world), [said(2, 1)]);
        assert!(
            world
                .office
                .releases()
                .iter()
                .all(|release| release.bank != bank(2))
        );
        world.assert_same_state();
    }
}

#[test]
fn c_706_two_of_ten_lie_about_their_shares_and_one_dropped_out() {
    // t = 7: of nine survivors seven tell the truth.
    let mut world = World::new(10, 40);
    world.down_ms = None;
    world.tamper_up = Some(Box::new(|from, message| wrong_shares(from, message, &[1, 6])));
    world.node(8).kill = Some(Kill::Before(Step::Upload));
    let outcome = world.round();
    assert!(outcome.end.is_ok(), "{outcome:?}");
    assert_eq!(outcome.survivors.len(), 9);
    // A liar that comes after the seventh is not even looked at.
    let refused = refused(&world);
    assert!(!refused.is_empty());
    assert!(
        refused.iter().all(|one| [said(1, 1), said(6, 1)].contains(one)),
        "{refused:?}"
    );
    let releasers: Vec<BankIndex> = world
        .office
        .releases()
        .iter()
        .map(|release| release.bank)
        .collect();
    assert_eq!(releasers.len(), 7);
    assert!(!releasers.contains(&bank(1)) && !releasers.contains(&bank(6)));
    world.assert_same_state();
}

#[test]
fn too_many_wrong_shares_end_the_round_and_not_the_task() {
    let mut world = World::new(5, 31);
    world.tamper_up = Some(Box::new(|from, message| wrong_shares(from, message, &[2, 3])));
    assert_eq!(world.round().end, Err(AbortReason::TooFewShares));
    assert_eq!(refused(&world), [said(2, 1), said(3, 1)]);
    world.tamper_up = None;
    assert!(world.round().end.is_ok());
    world.assert_same_state();
}

#[test]
fn nothing_is_kept_of_a_refused_release_so_a_right_one_still_counts() {
    let mut world = World::new(5, 31);
    world.tamper_up = Some(Box::new(|from, message| wrong_shares(from, message, &[2, 3])));
    world.start_round();
    world.run(|world| world.office.rejections.len() == 2);
    let round = world.office.machine.as_ref().unwrap().round();
    world.run(|world| {
        world.office.machine.as_ref().unwrap().heard_from() == 3 && world.answered(5, round, Step::Release)
    });
    assert_eq!(
        world.office.machine.as_ref().unwrap().waiting_for(),
        [2, 3].map(bank)
    );
    // What was wrong was on the way: bank 2 sends again what it sent first.
    world.tamper_up = None;
    world.connect(bank(2));
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    assert!(world.office.outcome.as_ref().unwrap().end.is_ok());
    world.assert_same_state();
}

#[test]
fn c_706_a_dealer_of_inconsistent_shares_is_named_and_ends_the_round_once() {
    for dropped_out in [false, true] {
        let mut world = World::new(5, 41);
        world.down_ms = None;
        if dropped_out {
            world.node(4).kill = Some(Kill::Before(Step::Upload));
        }
        // As if bank 4 had dealt shares of other secrets than those it committed to, and signed that.
        world.office.alter_journal = Some(|record| {
            if let Record::Prepared(of, bundle) = record
                && *of == bank(4)
            {
                let header = BundleHeader {
                    self_mask: Digest([9; 32]),
                    recovery: Digest([9; 32]),
                    ..*bundle.header.claim()
                };
                bundle.header = Signed::sign(&signing_key(*of), header);
            }
        });
        world.start_round();
        world.run(|world| {
            let machine = world.office.machine.as_ref().unwrap();
            !machine.cohort().is_empty() && machine.survivors().len() == 3
        });
        world.office.kill_after_commits = Some(1);
        world.run(|world| world.office.outcome.is_some());
        world.settle();
        let outcome = world.office.outcome.clone().unwrap();
        assert_eq!(outcome.end, Err(AbortReason::BadShares));
        assert_eq!(outcome.survivors.contains(&bank(4)), !dropped_out);
        let named = "bank 4 dealt shares that do not give the secret that it committed to";
        let notices = &world.office.notices;
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert!(notices[0].contains(named), "{notices:?}");
        // Not one of the banks that released was blamed for it.
        assert!(world.office.rejections.is_empty());
    }
}

/// Everything that the coordinator can take off a vector that came too late leaves the bank's own mask on it.
#[test]
fn a_late_vector_stays_masked() {
    let mut world = World::new(5, 36);
    world.start_round();
    let round = world.office.machine.as_ref().unwrap().round();
    world.run(|world| world.answered(4, round, Step::Ready));
    world.work_ms.insert(bank(4), 100_000);
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    let outcome = world.office.outcome.clone().unwrap();
    assert!(outcome.end.is_ok(), "{outcome:?}");
    assert_eq!(outcome.survivors, [1, 2, 3, 5].map(bank));
    assert_eq!(outcome.sum, world.expected_sum(&outcome), "it is in no sum");
    let late: Vec<(BankIndex, Check)> = world
        .office
        .rejections
        .iter()
        .map(|(from, rejection)| (*from, rejection.check))
        .collect();
    assert_eq!(late, [(bank(4), Check::Phase)]);

    // Of the late bank every release has the share that opens its pair masks, and none the one of its own mask.
    let releases = world.office.releases();
    let shares: Vec<(BankIndex, SecretScalar)> = releases
        .iter()
        .map(|release| match release.shares[3] {
            (of, ReleasedShare::Recovery(bytes)) if of == bank(4) => {
                (release.bank, SecretScalar::from_canonical(bytes).unwrap())
            }
            ref other => panic!("{other:?}"),
        })
        .collect();
    let (set, shares): (Vec<BankIndex>, Vec<SecretScalar>) = shares.into_iter().unzip();
    let sigma = Interpolation::at_zero(&set)
        .unwrap()
        .combine(shares.iter())
        .unwrap();
    let machine = world.office.machine.as_ref().unwrap();
    let place = Place {
        epoch: Epoch(1),
        round,
        bank: bank(4),
    };
    let bases = open_recovery_blob(place, &machine.bundles()[&bank(4)], &sigma).unwrap();

    let (open, cohort) = (machine.opened().unwrap(), machine.cohort());
    let context = Context::of(open, cohort);
    let ring = Ring::for_sum(5, open.digit_bits).unwrap();
    let mut masks = Masks::new(ring);
    for peer in cohort.iter().filter(|peer| **peer != bank(4)) {
        let seed = context.pair_seed(bank(4), *peer, &bases[peer]);
        masks.push(&seed, Sign::of_pair(bank(4), *peer).opposite());
    }
    let digits = &world.banks[&bank(4)].contributed[&round];
    let mut lanes = Vec::new();
    unpack(
        ring,
        &world.banks[&bank(4)].uploaded[&round],
        digits.len(),
        |lane| lanes.push(lane),
    )
    .unwrap();
    masks.apply(0, &mut lanes);
    let same = lanes
        .iter()
        .zip(digits)
        .filter(|(left, digit)| left == digit)
        .count();
    // By chance one lane in 2^19.
    assert_eq!(same, 0, "of {} lanes", digits.len());
}
