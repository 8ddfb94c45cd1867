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
