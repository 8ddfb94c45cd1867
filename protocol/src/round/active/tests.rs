#![allow(clippy::unwrap_used)]
use super::*;
use crate::ids::{Epoch, Timestamp};
use crate::roster::RosterEntry;
use crate::round::params::RoundKind;
use crate::round::prepare::delivery;
use crate::round::prepare::tests::{ROUND, Side, bank, sides, signing_key};
use crate::secagg::shamir::SecretScalar;

const BANKS: u16 = 5;

pub(in crate::round) fn roster() -> Roster {
    let entry = |position: u16| RosterEntry {
        index: bank(position),
        name: format!("bank-{position}"),
        signing_key: signing_key(position).verifying_key().0,
        witness_key: [position as u8 + 200; 32],
        tls_key: Digest::of(&position.to_be_bytes()),
    };
    Roster::new("demo", (1..=BANKS).map(entry).collect()).unwrap()
}

fn round_open(thresholds: Thresholds) -> RoundOpen {
    RoundOpen {
        epoch: Epoch(1),
        round: ROUND,
        task: Digest([1; 32]),
        kind: RoundKind::Train,
        step: 0,
        attempt: 0,
        state: Digest([2; 32]),
        last_result: Digest([0; 32]),
        layout: Digest([3; 32]),
        directory: Digest([4; 32]),
        manifest: Digest([5; 32]),
        thresholds,
        digit_bits: 16,
        ring_bits: 19,
        opened_at: Timestamp(0),
        ready_until: Timestamp(1),
    }
}

/// Bank 2 in a round of five whose bank 5 dropped out, just before the certificate; and what its peers sent it.
fn before_the_certificate(
    standing: &Standing<'_>,
    sides: BTreeMap<BankIndex, Side>,
) -> (ActiveRound, SurvivorList) {
    let others = || sides.iter().filter(|(from, _)| **from != bank(2));
    let deliveries = others()
        .map(|(_, side)| delivery(&side.bundle, bank(2)).unwrap())
        .collect();
    let manifest = sides
        .iter()
        .map(|(from, side)| (*from, side.bundle.header.hash()))
        .collect();
    let mut sides = sides;
    let Side { prepared, bundle, .. } = sides.remove(&bank(2)).unwrap();
    let mut active = ActiveRound::new(ROUND, prepared, bundle);
    active.manifest = Some(manifest);
    active.open = Some(round_open(*standing.thresholds));
    active.deliveries = Some(deliveries);
    assert!(active.open_parcels(standing));
    assert_eq!(active.complaints, Some(Vec::new()));
    active.computed = true;
    let cohort: Vec<BankIndex> = (1..=BANKS).map(bank).collect();
    assert_eq!(active.accept_cohort(bank(2), &cohort, true), Ok(true));
    active.sign_trailer(standing, 10, Digest([6; 32])).unwrap();
    let list: Vec<(BankIndex, Digest)> = (1..BANKS).map(|index| (bank(index), Digest([6; 32]))).collect();
    assert_eq!(
        active.accept_survivors(
            standing,
            &crate::round::released::Released::default(),
            &list,
            true
        ),
        Ok(true)
    );
    let statement = active.survivor_statement().unwrap();
    (active, statement)
}

#[test]
fn what_was_not_released_is_gone_when_the_release_is_made() {
    let (roster, key) = (roster(), signing_key(2));
    let thresholds = Thresholds::with_most_colluders(BANKS).unwrap();
    let standing = Standing {
        me: bank(2),
        roster: &roster,
        thresholds: &thresholds,
        key: &key,
    };
    let (mut active, statement) = before_the_certificate(&standing, sides());
    let own = [
        active.prepared.own_shares.self_mask.to_secret(),
        active.prepared.own_shares.recovery.to_secret(),
    ];
    let signatures: Vec<_> = (1..BANKS)
        .map(|index| (bank(index), signing_key(index).sign(&statement)))
        .collect();
    // What it signed is not what it acted on: nothing leaves, and nothing is lost.
    let listed = active.survivors.clone().unwrap();
    let mut other = listed.clone();
    other.pop_last();
    for listed in [None, Some(&other)] {
        assert_eq!(
            active.accept_certificate(&standing, listed, &signatures),
            Ok(false)
        );
        assert!(active.release.is_none() && !active.held.is_empty());
    }
    assert_eq!(
        active.accept_certificate(&standing, Some(&listed), &signatures),
        Ok(true)
    );

    let gone = SecretScalar::from_canonical([0; 32]).unwrap().to_secret();
    assert_eq!(active.prepared.own_shares.self_mask.to_secret(), gone);
    assert_eq!(active.prepared.own_shares.recovery.to_secret(), gone);
    assert_eq!(active.prepared.self_mask.to_secret(), gone);
    assert!(active.held.is_empty() && active.prepared.bases.is_empty() && active.prepared.openers.is_empty());

    // What is sent again is what was released: one share of each bank, its own among them.
    let release = active.release.unwrap();
    let shares = &release.open(&key.verifying_key()).unwrap().shares;
    assert_eq!(shares.len(), usize::from(BANKS));
    assert_eq!(shares[1], (bank(2), ReleasedShare::SelfMask(*own[0].expose())));
    assert!(
        shares
            .iter()
            .all(|(_, share)| *share != ReleasedShare::Recovery(*own[1].expose()))
    );
}
