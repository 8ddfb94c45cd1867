//! What binds a round together, and the seeds that hang on it.

use crate::crypto::kdf;
use crate::crypto::secret::Secret;
use crate::ids::{BankIndex, Digest, Epoch, Round};
use crate::log::entry::{Entry, RoundOpen};
use crate::secagg::shamir::SecretScalar;
use crate::wire::canonical::{Canonical, Writer};

/// The suite of primitives, named in every derivation.
pub const SUITE: &str = "veilsum-1/x25519+mlkem768/aes256/sha256/ed25519";

/// The round's context `ctx`: whoever holds another task, model, roster, round or cohort derives other masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context(Digest);

impl Context {
    /// Of an open round with its cohort. `RoundOpen` names task, kind, step, state, last result, layout, key directory, manifest,
    /// thresholds, widths and deadline; the cohort entry names the banks.
    pub fn of(open: &RoundOpen, cohort: &[BankIndex]) -> Self {
        let cohort = Entry::Cohort {
            round: open.round,
            banks: cohort.to_vec(),
        };
        let mut w = Writer::domain("context");
        w.text(SUITE).digest(&open.hash()).digest(&cohort.hash());
        Self(Digest::of(&w.finish()))
    }

    /// The digest, as statements name it.
    pub fn digest(&self) -> Digest {
        self.0
    }

    /// `s_ij`, the mask seed of a pair, from the pair's base of the round.
    pub fn pair_seed(&self, a: BankIndex, b: BankIndex, base: &Secret) -> Secret {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        let info = Writer::domain("pair-seed").bank(low).bank(high).finish();
        kdf::derive(&self.0.0, base.expose(), &info)
    }

    /// `s_i`, a bank's self-mask seed, from its self-mask secret.
    pub fn self_seed(&self, bank: BankIndex, secret: &SecretScalar) -> Secret {
        let info = Writer::domain("self-seed").bank(bank).finish();
        kdf::derive(&self.0.0, secret.to_secret().expose(), &info)
    }
}

/// Which of a bank's two secrets of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// `b_i`, behind its self-mask.
    SelfMask,
    /// `sigma_i`, behind its recovery blob.
    Recovery,
}

impl SecretKind {
    /// As a released share names it too.
    fn number(self) -> u8 {
        match self {
            Self::SelfMask => 1,
            Self::Recovery => 2,
        }
    }
}

/// Commitment to one of a bank's secrets of a round. The secret has 252 random bits, so its hash hides it.
pub fn commitment(
    epoch: Epoch,
    round: Round,
    bank: BankIndex,
    kind: SecretKind,
    secret: &SecretScalar,
) -> Digest {
    let mut w = Writer::domain(match kind {
        SecretKind::SelfMask => "commit-self-mask",
        SecretKind::Recovery => "commit-recovery",
    });
    epoch.write(&mut w);
    round.write(&mut w);
    w.bank(bank).fixed(secret.to_secret().expose());
    digest_and_wipe(w)
}

/// Commitment to the share of one of `dealer`'s secrets of a round that `receiver` holds. A share has 252 random bits for everybody
/// who holds fewer than `t` others, so its hash hides it.
pub fn share_commitment(
    epoch: Epoch,
    round: Round,
    dealer: BankIndex,
    receiver: BankIndex,
    kind: SecretKind,
    share: &SecretScalar,
) -> Digest {
    let mut w = Writer::domain("commit-share");
    epoch.write(&mut w);
    round.write(&mut w);
    w.bank(dealer)
        .bank(receiver)
        .u8(kind.number())
        .fixed(share.to_secret().expose());
    digest_and_wipe(w)
}

/// Commitment to a pair's mask base of a round; both of the pair make the same one.
pub fn pair_base_commitment(epoch: Epoch, round: Round, a: BankIndex, b: BankIndex, base: &Secret) -> Digest {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    let mut w = Writer::domain("commit-pair-base");
    epoch.write(&mut w);
    round.write(&mut w);
    w.bank(low).bank(high).fixed(base.expose());
    digest_and_wipe(w)
}

fn digest_and_wipe(mut w: Writer) -> Digest {
    Digest::of(&zeroize::Zeroizing::new(w.finish()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::ids::Timestamp;
    use crate::round::params::{RoundKind, Thresholds};

    fn bank(position: u16) -> BankIndex {
        BankIndex::new(position).unwrap()
    }

    fn open() -> RoundOpen {
        RoundOpen {
            epoch: Epoch(1),
            round: Round(2),
            task: Digest([3; 32]),
            kind: RoundKind::Train,
            step: 4,
            attempt: 5,
            state: Digest([6; 32]),
            last_result: Digest([7; 32]),
            layout: Digest([8; 32]),
            directory: Digest([9; 32]),
            manifest: Digest([10; 32]),
            thresholds: Thresholds::with_most_colluders(5).unwrap(),
            digit_bits: 16,
            ring_bits: 19,
            opened_at: Timestamp(11),
            ready_until: Timestamp(12),
        }
    }

    type Change = fn(&mut RoundOpen);

    /// Every field of the opening with another value, by name.
    fn changed() -> Vec<(&'static str, RoundOpen)> {
        // A new field does not compile before it has a case here.
        let RoundOpen {
            epoch: _,
            round: _,
            task: _,
            kind: _,
            step: _,
            attempt: _,
            state: _,
            last_result: _,
            layout: _,
            directory: _,
            manifest: _,
            thresholds:
                Thresholds {
                    banks: _,
                    colluders: _,
                    threshold: _,
                    min_survivors: _,
                },
            digit_bits: _,
            ring_bits: _,
            opened_at: _,
            ready_until: _,
        } = open();
        let cases: [(&str, Change); 19] = [
            ("epoch", |open| open.epoch.0 += 1),
            ("round", |open| open.round.0 += 1),
            ("task", |open| open.task.0[31] ^= 1),
            ("kind", |open| open.kind = RoundKind::Evaluate),
            ("step", |open| open.step += 1),
            ("attempt", |open| open.attempt += 1),
            ("state", |open| open.state.0[0] ^= 1),
            ("last result", |open| open.last_result.0[0] ^= 1),
            ("layout", |open| open.layout.0[0] ^= 1),
            ("directory", |open| open.directory.0[0] ^= 1),
            ("manifest", |open| open.manifest.0[0] ^= 1),
            ("banks", |open| open.thresholds.banks += 1),
            ("colluders", |open| open.thresholds.colluders += 1),
            ("threshold", |open| open.thresholds.threshold += 1),
            ("least survivors", |open| open.thresholds.min_survivors += 1),
            ("digit bits", |open| open.digit_bits += 1),
            ("ring bits", |open| open.ring_bits += 1),
            ("opened at", |open| open.opened_at.0 += 1),
            ("ready until", |open| open.ready_until.0 += 1),
        ];
        let change = |(name, change): &(&'static str, Change)| {
            let mut open = open();
            change(&mut open);
            (*name, open)
        };
        cases.iter().map(change).collect()
    }

    #[test]
    fn every_field_of_the_opening_and_the_cohort_changes_the_digest_and_every_seed() {
        let all: Vec<BankIndex> = (1..=5).map(bank).collect();
        let mut contexts = vec![("nothing", Context::of(&open(), &all))];
        for (name, open) in changed() {
            contexts.push((name, Context::of(&open, &all)));
        }
        let swapped = [1, 2, 3, 4, 6].map(bank);
        let cohorts = [
            ("a bank less", &all[..4]),
            ("another bank less", &all[1..]),
            ("another bank", &swapped),
        ];
        for (name, cohort) in cohorts {
            contexts.push((name, Context::of(&open(), cohort)));
        }
        // The same secrets in all of them: only the context tells the seeds apart.
        let secret = SecretScalar::from_canonical([5; 32]).unwrap();
        let base = Secret::from_bytes([6; 32]);
        let (mut digests, mut seeds) = (BTreeSet::new(), BTreeSet::new());
        for (name, context) in &contexts {
            assert!(digests.insert(context.digest()), "{name}");
            for own in 1..=5 {
                let seed = context.self_seed(bank(own), &secret);
                assert!(seeds.insert(*seed.expose()), "{name}: self-mask seed of {own}");
                for peer in own + 1..=5 {
                    let seed = context.pair_seed(bank(own), bank(peer), &base);
                    assert_eq!(context.pair_seed(bank(peer), bank(own), &base), seed);
                    assert!(
                        seeds.insert(*seed.expose()),
                        "{name}: mask seed of {own} and {peer}"
                    );
                }
            }
        }
        assert_eq!((digests.len(), seeds.len()), (23, 23 * 15));
    }

    #[test]
    fn a_commitment_tells_kind_place_and_value_apart() {
        let share = |byte| SecretScalar::from_canonical([byte; 32]).unwrap();
        let (one, two) = (share(1), share(2));
        let of = |epoch, round, dealer, receiver, kind, share: &SecretScalar| {
            share_commitment(
                Epoch(epoch),
                Round(round),
                bank(dealer),
                bank(receiver),
                kind,
                share,
            )
        };
        let all = [
            of(1, 1, 1, 2, SecretKind::SelfMask, &one),
            of(1, 1, 1, 2, SecretKind::Recovery, &one),
            of(2, 1, 1, 2, SecretKind::SelfMask, &one),
            of(1, 2, 1, 2, SecretKind::SelfMask, &one),
            of(1, 1, 2, 1, SecretKind::SelfMask, &one),
            of(1, 1, 1, 3, SecretKind::SelfMask, &one),
            of(1, 1, 1, 2, SecretKind::SelfMask, &two),
            commitment(Epoch(1), Round(1), bank(1), SecretKind::SelfMask, &one),
            commitment(Epoch(1), Round(1), bank(1), SecretKind::Recovery, &one),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
