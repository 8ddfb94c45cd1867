//! What lying parties do. A lie is data; [`Lie::tell`] puts it into a world.

use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::ReleasedShare;

use crate::consortium::{bank, signing_key};
use crate::simulation::dice::Dice;
use crate::world::World;

/// What a bank does in the place of what its machine says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BankLie {
    /// Releases shares that are not the ones it got.
    WrongShares,
    /// Complains about its neighbour.
    FalseComplaint,
    /// Sends a bundle in which the parcel of its neighbour is spoiled.
    SpoiledParcel,
    /// A signature that does not hold, under the survivors.
    ForgedConfirmation,
    /// Answers for another round.
    OtherRound,
    /// Uploads another vector than it signed.
    OtherVector,
    /// Says nothing after it was ready.
    Silent,
}

/// What the coordinator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfficeLie {
    SmallerSurvivors,
    SurvivorsWithout(u16),
    OtherVectorOf(u16),
    SecondSurvivors,
    ShortCertificate,
    RepeatedSignature,
    NoCertificate,
    SmallerCohort,
    SecondCohort,
    OtherState,
    OtherStep,
    OtherManifest,
    OtherResult,
    ResultTwice,
    OldCertificate,
    EverythingTwice,
    SwappedDeliveries,
    MissingDelivery,
    /// One message in this many to a bank has a flipped bit.
    FlippedBits(u64),
}

#[derive(Clone, Debug)]
pub enum Lie {
    /// At most as many banks as may collude.
    Banks(Vec<(u16, BankLie)>),
    /// From this entry of the log on, one entry in some.
    Office { lie: OfficeLie, one_in: u64 },
}

impl Lie {
    pub fn any(dice: &mut Dice, banks: u16) -> Self {
        let colluders = (banks - 1) / 3;
        if colluders > 0 && dice.one_in(2) {
            let first = dice.roll(u64::from(banks)) as u16;
            let liars = (0..colluders).map(|next| (first + next) % banks + 1);
            return Self::Banks(liars.map(|liar| (liar, any_bank_lie(dice))).collect());
        }
        let someone = 1 + dice.roll(u64::from(banks)) as u16;
        let lie = dice.pick(&[
            OfficeLie::SmallerSurvivors,
            OfficeLie::SurvivorsWithout(someone),
            OfficeLie::OtherVectorOf(someone),
            OfficeLie::SecondSurvivors,
            OfficeLie::ShortCertificate,
            OfficeLie::RepeatedSignature,
            OfficeLie::NoCertificate,
            OfficeLie::SmallerCohort,
            OfficeLie::SecondCohort,
            OfficeLie::OtherState,
            OfficeLie::OtherStep,
            OfficeLie::OtherManifest,
            OfficeLie::OtherResult,
            OfficeLie::ResultTwice,
            OfficeLie::OldCertificate,
            OfficeLie::EverythingTwice,
            OfficeLie::SwappedDeliveries,
            OfficeLie::MissingDelivery,
            OfficeLie::FlippedBits(40),
        ]);
        let one_in = dice.pick(&[1, 1, 2]);
        Self::Office { lie, one_in }
    }

    pub fn is_of_office(&self) -> bool {
        matches!(self, Self::Office { .. })
    }

    pub fn is_liar(&self, who: BankIndex) -> bool {
        match self {
            Self::Banks(liars) => liars.iter().any(|(liar, _)| bank(*liar) == who),
            Self::Office { .. } => false,
        }
    }

    pub fn tell(&self, world: &mut World, seed: u64) {
        match self {
            Self::Banks(liars) => {
                let liars = liars.clone();
                let banks = world.all().len() as u16;
                world.flips_upload_of = liars
                    .iter()
                    .find(|(_, lie)| *lie == BankLie::OtherVector)
                    .map(|(liar, _)| bank(*liar));
                world.tamper_up = Some(Box::new(move |from, message| {
                    for (liar, lie) in &liars {
                        if bank(*liar) == from {
                            tell_bank_lie(*lie, from, banks, message);
                        }
                    }
                }));
            }
            Self::Office { lie, one_in } => tell_office_lie(*lie, *one_in, world, seed),
        }
    }
}

fn any_bank_lie(dice: &mut Dice) -> BankLie {
    dice.pick(&[
        BankLie::WrongShares,
        BankLie::FalseComplaint,
        BankLie::SpoiledParcel,
        BankLie::ForgedConfirmation,
        BankLie::OtherRound,
        BankLie::OtherVector,
        BankLie::Silent,
    ])
}

fn tell_bank_lie(lie: BankLie, from: BankIndex, banks: u16, message: &mut ToCoordinator) {
    let neighbour = bank(from.get() % banks + 1);
    match (lie, message) {
        (BankLie::WrongShares, ToCoordinator::Release { release, .. }) => {
            let mut body = release.claim().clone();
            for (_, share) in &mut body.shares {
                match share {
                    ReleasedShare::SelfMask(bytes) | ReleasedShare::Recovery(bytes) => bytes[0] ^= 1,
                }
            }
            *release = Signed::sign(&signing_key(from), body);
        }
        (
            BankLie::FalseComplaint,
            ToCoordinator::Ready {
                statement,
                complaints,
            },
        ) => {
            *complaints = vec![neighbour];
            let mut body = *statement.claim();
            body.complaints = veilsum_protocol::round::active::complaints_hash(complaints);
            *statement = Signed::sign(&signing_key(from), body);
        }
        (BankLie::SpoiledParcel, ToCoordinator::Bundle(bundle)) => {
            let parcel = &mut bundle.parcels[usize::from(neighbour.get()) - 1];
            parcel.sealed[30] ^= 1;
            let mut body = *bundle.header.claim();
            body.parcels = veilsum_protocol::round::prepare::parcels_root(&bundle.parcels);
            bundle.header = Signed::sign(&signing_key(from), body);
        }
        (BankLie::ForgedConfirmation, ToCoordinator::Confirm { signature, .. }) => signature.0[7] ^= 1,
        (
            BankLie::OtherRound,
            ToCoordinator::Confirm { round, .. } | ToCoordinator::Release { round, .. },
        ) => round.0 += 1,
        (
            BankLie::Silent,
            message @ (ToCoordinator::Confirm { .. }
            | ToCoordinator::Release { .. }
            | ToCoordinator::Derived(_)),
        ) => {
            *message = ToCoordinator::Objection {
                check: veilsum_protocol::round::checks::Check::OtherState,
                round: None,
            };
        }
        _ => {}
    }
}

fn tell_office_lie(lie: OfficeLie, one_in: u64, world: &mut World, seed: u64) {
    match lie {
        OfficeLie::FlippedBits(every) => world.faults.mutate_one_in = every,
        OfficeLie::SwappedDeliveries | OfficeLie::MissingDelivery => {
            let mut dice = Dice::new(seed ^ 0x11e);
            world.tamper_down = Some(Box::new(move |_, message| {
                if let ToBank::Deliveries { deliveries, .. } = message
                    && deliveries.len() > 1
                    && dice.one_in(one_in)
                {
                    if lie == OfficeLie::MissingDelivery {
                        deliveries.pop();
                    } else {
                        let first = deliveries[0].parcel.clone();
                        deliveries[0].parcel = deliveries[1].parcel.clone();
                        deliveries[1].parcel = first;
                    }
                }
            }));
        }
        _ => {
            let mut dice = Dice::new(seed ^ 0x11e);
            let mut old = None;
            world.office.log.rewrite = Some(Box::new(move |entry| {
                let rewritten = rewrite(lie, entry, &mut old)?;
                dice.one_in(one_in).then_some(rewritten)
            }));
        }
    }
}

/// What is logged in the place of an entry; `None` if the lie does not touch it.
fn rewrite(
    lie: OfficeLie,
    entry: &Entry,
    old: &mut Option<Vec<(BankIndex, veilsum_protocol::crypto::signing::Signature)>>,
) -> Option<Vec<Entry>> {
    let mut other = entry.clone();
    match (lie, &mut other) {
        (OfficeLie::SmallerSurvivors, Entry::Survivors { list, .. }) => list.truncate(2),
        (OfficeLie::SurvivorsWithout(gone), Entry::Survivors { list, .. }) => {
            list.retain(|(listed, _)| *listed != bank(gone));
        }
        (OfficeLie::OtherVectorOf(whose), Entry::Survivors { list, .. }) => {
            for (_, hash) in list.iter_mut().filter(|(listed, _)| *listed == bank(whose)) {
                *hash = Digest([5; 32]);
            }
        }
        (OfficeLie::SecondSurvivors, Entry::Survivors { list, .. }) => {
            list.pop();
            return Some(vec![entry.clone(), other]);
        }
        (OfficeLie::ShortCertificate, Entry::Certificate { signatures, .. }) => {
            signatures.pop();
        }
        (OfficeLie::RepeatedSignature, Entry::Certificate { signatures, .. }) => {
            let first = signatures[0].1;
            if let Some(last) = signatures.last_mut() {
                last.1 = first;
            }
        }
        (OfficeLie::NoCertificate, Entry::Certificate { .. }) => return Some(Vec::new()),
        (OfficeLie::OldCertificate, Entry::Certificate { signatures, .. }) => {
            let now = signatures.clone();
            *signatures = old.replace(now)?;
        }
        (OfficeLie::SmallerCohort, Entry::Cohort { banks, .. }) => banks.truncate(2),
        (OfficeLie::SecondCohort, Entry::Cohort { banks, .. }) => {
            banks.pop();
            return Some(vec![entry.clone(), other]);
        }
        (OfficeLie::OtherState, Entry::RoundOpen(open)) => open.state = Digest([6; 32]),
        (OfficeLie::OtherStep, Entry::RoundOpen(open)) => open.step += 1,
        (OfficeLie::OtherManifest, Entry::PrepareManifest { bundles, .. }) => {
            bundles[0].1 = Digest([8; 32]);
        }
        (OfficeLie::OtherResult, Entry::Result(result)) => result.next_state = Digest([7; 32]),
        (OfficeLie::ResultTwice, Entry::Result(_)) => return Some(vec![entry.clone(), other]),
        (OfficeLie::EverythingTwice, other) if other.round().is_some() => {
            return Some(vec![entry.clone(), entry.clone()]);
        }
        _ => return None,
    }
    Some(vec![other])
}
