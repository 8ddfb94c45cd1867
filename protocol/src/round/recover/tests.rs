#![allow(clippy::unwrap_used)]
use super::*;
use crate::ids::{Digest, Timestamp};
use crate::round::params::{RoundKind, Thresholds};
use crate::round::prepare::HeldShares;
use crate::round::prepare::tests::{ROUND, Side, bank, deal_inconsistently, held, sides, signing_key};
use crate::wire::signed::Signed;
use crate::wire::statement::BundleHeader;

/// Banks 1 to 5 in one cohort, of which bank 5 dropped out; so t = 4 banks release.
struct Scene {
    sides: BTreeMap<BankIndex, Side>,
    open: RoundOpen,
    cohort: Vec<BankIndex>,
    survivors: BTreeSet<BankIndex>,
    releases: BTreeMap<BankIndex, Release>,
}

impl Scene {
    fn new(sides: BTreeMap<BankIndex, Side>, dropout: u16) -> Self {
        let open = RoundOpen {
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
            thresholds: Thresholds::with_most_colluders(5).unwrap(),
            digit_bits: 16,
            ring_bits: 19,
            opened_at: Timestamp(0),
            ready_until: Timestamp(1),
        };
        let cohort: Vec<BankIndex> = (1..=5).map(bank).collect();
        let survivors: BTreeSet<BankIndex> =
            cohort.iter().copied().filter(|of| *of != bank(dropout)).collect();
        let context = Context::of(&open, &cohort).digest();
        let release = |me: &BankIndex| {
            let share = |of: &BankIndex| {
                let opened;
                let shares: &HeldShares = if of == me {
                    &sides[me].prepared.own_shares
                } else {
                    opened = held(&sides, me.get(), of.get()).unwrap();
                    &opened
                };
                let share = if survivors.contains(of) {
                    ReleasedShare::SelfMask(*shares.self_mask.to_secret().expose())
                } else {
                    ReleasedShare::Recovery(*shares.recovery.to_secret().expose())
                };
                (*of, share)
            };
            let release = Release {
                context,
                bank: *me,
                shares: cohort.iter().map(share).collect(),
            };
            (*me, release)
        };
        let releases = survivors.iter().map(release).collect();
        Self {
            sides,
            open,
            cohort,
            survivors,
            releases,
        }
    }

    fn bundles(&self) -> BTreeMap<BankIndex, Bundle> {
        self.sides
            .iter()
            .map(|(bank, side)| (*bank, side.bundle.clone()))
            .collect()
    }

    fn checked(&self, releaser: u16) -> Result<(), Rejection> {
        let release = &self.releases[&bank(releaser)];
        Recovery::check_release(release, &self.cohort, &self.survivors)?;
        Recovery::check_shares(release, Epoch(1), ROUND, &self.bundles())
    }

    fn run<T>(&self, look: impl FnOnce(&Recovery<'_>) -> T) -> T {
        let bundles = self.bundles();
        look(&Recovery {
            open: &self.open,
            context: Context::of(&self.open, &self.cohort),
            cohort: &self.cohort,
            survivors: &self.survivors,
            bundles: &bundles,
            releases: &self.releases,
        })
    }
}

fn share_of(release: &mut Release, dealer: u16) -> &mut [u8; 32] {
    match &mut release.shares[usize::from(dealer) - 1].1 {
        ReleasedShare::SelfMask(bytes) | ReleasedShare::Recovery(bytes) => bytes,
    }
}

#[test]
fn honest_releases_pass_and_give_every_secret_that_they_should_and_no_other() {
    for dropout in [5, 1] {
        let scene = Scene::new(sides(), dropout);
        for bank in &scene.survivors {
            scene.checked(bank.get()).unwrap();
        }
        let set: Vec<BankIndex> = scene.survivors.iter().copied().collect();
        let secrets = scene.run(|recovery| recovery.secrets(&set).unwrap());
        for survivor in &scene.survivors {
            let side = &scene.sides[survivor];
            assert_eq!(secrets[survivor].to_secret(), side.prepared.self_mask.to_secret());
        }
        assert_eq!(secrets.len(), 5);
        // Four self-masks, and the mask of each survivor with the dropout.
        assert_eq!(scene.run(|recovery| recovery.run().unwrap().len()), 8);
    }
}

#[test]
fn c_706_a_share_that_was_not_dealt_names_releaser_and_dealer() {
    for dealer in 1..=5 {
        // Bank 2 makes up the share of `dealer`, its own included; or passes that of another dealer off as this one's.
        let other = if dealer == 4 { 3 } else { 4 };
        let made_up = [7; 32];
        let mut scene = Scene::new(sides(), 5);
        let passed_off = *share_of(scene.releases.get_mut(&bank(2)).unwrap(), other);
        for bytes in [made_up, passed_off] {
            *share_of(scene.releases.get_mut(&bank(2)).unwrap(), dealer) = bytes;
            let rejection = scene.checked(2).unwrap_err();
            assert_eq!(rejection.check, Check::Commitment);
            assert_eq!(
                rejection.detail,
                format!("bank 2 released another share of bank {dealer} than it was dealt")
            );
            assert_eq!(scene.checked(3), Ok(()));
        }
    }
    // Bank 2 releases what was dealt to bank 3.
    let mut scene = Scene::new(sides(), 5);
    let copied = scene.releases[&bank(3)].shares.clone();
    scene.releases.get_mut(&bank(2)).unwrap().shares = copied;
    assert_eq!(scene.checked(2).unwrap_err().check, Check::Commitment);
    // Without the dealer's bundle nothing is known of a share.
    let release = &scene.releases[&bank(3)];
    assert!(Recovery::check_shares(release, Epoch(1), ROUND, &BTreeMap::new()).is_err());
}

#[test]
fn c_706_a_dealer_of_inconsistent_shares_is_named_whether_it_survives_or_not() {
    for dropout in [5, 1] {
        let mut dishonest = sides();
        deal_inconsistently(&mut dishonest);
        let scene = Scene::new(dishonest, dropout);
        // Whoever got the shares did nothing wrong, and they are what was committed to.
        for bank in &scene.survivors {
            scene.checked(bank.get()).unwrap();
        }
        let rejection = scene.run(|recovery| recovery.run().err().unwrap());
        assert_eq!(rejection.check, Check::Commitment);
        assert_eq!(
            rejection.detail,
            "bank 1 dealt shares that do not give the secret that it committed to"
        );
    }
}

#[test]
fn c_706_a_dealer_that_commits_to_another_secret_is_named() {
    let mut scene = Scene::new(sides(), 5);
    let side = scene.sides.get_mut(&bank(3)).unwrap();
    let header = BundleHeader {
        self_mask: Digest([9; 32]),
        ..*side.bundle.header.claim()
    };
    side.bundle.header = Signed::sign(&signing_key(3), header);
    for bank in &scene.survivors {
        scene.checked(bank.get()).unwrap();
    }
    let rejection = scene.run(|recovery| recovery.run().err().unwrap());
    assert!(rejection.detail.starts_with("bank 3 dealt"), "{rejection}");
}

#[test]
fn fewer_releases_than_the_threshold_give_nothing() {
    let mut scene = Scene::new(sides(), 5);
    scene.releases.remove(&bank(2));
    let rejection = scene.run(|recovery| recovery.run().err().unwrap());
    assert_eq!(rejection.detail, "3 releases, expected 4");
}
