//! A bank's keys with each of its peers, and the chain that gives every round its own.

use std::collections::BTreeMap;

use subtle::ConstantTimeEq;

use crate::crypto::kdf;
use crate::crypto::secret::Secret;
use crate::ids::{BankIndex, Digest, Epoch, Round};
use crate::round::context::SUITE;
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};
use crate::wire::statement::EpochKeys;

/// Most steps of all chains together at once: a coordinator that asks for a far round costs a bank seconds, not hours.
pub const MAX_STEPS: u64 = 1_000_000;

/// The keys of one pair.
pub struct PairKeys {
    chain: Secret,
    confirmation: Secret,
}

/// What a pair has for one round. It comes from the chain, which has moved on when it is taken.
#[derive(Debug)]
pub struct RoundKeys {
    /// `beta_ij`, the base of the pair's mask.
    pub base: Secret,
    /// Seals for the peer.
    pub send: Secret,
    /// Opens what the peer sealed.
    pub receive: Secret,
}

impl PairKeys {
    /// `K_ij = HKDF(salt = h_KD, ikm = mlkem || x25519, info = suite, epoch, ids, publics, H(ciphertext))`, split into a chain
    /// key, one sealing key per direction and a confirmation key.
    pub fn derive(
        directory: &Digest,
        own: &EpochKeys,
        peer: &EpochKeys,
        mlkem: &Secret,
        x25519: &Secret,
        ciphertext: &[u8],
    ) -> Self {
        let (low, high) = if own.bank < peer.bank {
            (own, peer)
        } else {
            (peer, own)
        };
        let mut info = Writer::domain("pair-key");
        info.text(SUITE);
        own.epoch.write(&mut info);
        info.bank(low.bank)
            .bank(high.bank)
            .digest(&low.hash())
            .digest(&high.hash())
            .digest(&Digest::of(ciphertext));
        let ikm = zeroize::Zeroizing::new([*mlkem.expose(), *x25519.expose()].concat());
        let pair = kdf::derive(&directory.0, &ikm, &info.finish());
        let split =
            |purpose: &str| kdf::expand(&pair, &Writer::domain("pair-key-part").text(purpose).finish());
        Self {
            chain: split("chain"),
            confirmation: split("confirm"),
        }
    }

    /// What `from` sends to show that it has the same keys.
    pub fn confirmation_of(&self, from: BankIndex) -> [u8; 32] {
        *kdf::expand(
            &self.confirmation,
            &Writer::domain("confirmation").bank(from).finish(),
        )
        .expose()
    }

    /// True if `found` is the confirmation of `from`.
    pub fn confirmed_by(&self, from: BankIndex, found: &[u8; 32]) -> bool {
        self.confirmation_of(from).ct_eq(found).into()
    }

    fn step(&mut self) {
        self.chain = kdf::expand(&self.chain, b"veilsum/v1/chain-step\0");
    }

    fn round_keys(&self, me: BankIndex, peer: BankIndex) -> RoundKeys {
        let seal = |from| kdf::expand(&self.chain, &Writer::domain("chain-seal").bank(from).finish());
        RoundKeys {
            base: kdf::expand(&self.chain, b"veilsum/v1/chain-base\0"),
            send: seal(me),
            receive: seal(peer),
        }
    }
}

/// All pair keys of an epoch.
pub struct Keyring {
    epoch: Epoch,
    directory: Digest,
    next_round: Round,
    pairs: BTreeMap<BankIndex, PairKeys>,
}

impl Keyring {
    /// At the start of an epoch, without pairs.
    pub fn new(epoch: Epoch, directory: Digest, first_round: Round) -> Self {
        Self {
            epoch,
            directory,
            next_round: first_round,
            pairs: BTreeMap::new(),
        }
    }

    /// Adds the keys of a pair.
    pub fn insert(&mut self, peer: BankIndex, keys: PairKeys) {
        self.pairs.insert(peer, keys);
    }

    /// The epoch.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// `h_KD`.
    pub fn directory(&self) -> Digest {
        self.directory
    }

    /// The first round whose mask bases can still be taken.
    pub fn next_round(&self) -> Round {
        self.next_round
    }

    /// The keys with `peer`.
    pub fn pair(&self, peer: BankIndex) -> Option<&PairKeys> {
        self.pairs.get(&peer)
    }

    /// All pairs.
    pub fn pairs(&self) -> impl Iterator<Item = (BankIndex, &PairKeys)> {
        self.pairs.iter().map(|(bank, keys)| (*bank, keys))
    }

    /// Takes the keys of `round` for bank `me`, and moves every chain behind it: neither this round's nor an earlier one's can be made
    /// again. `None` if the round's were taken already, or if it is so far ahead that more than [`MAX_STEPS`] steps are needed.
    pub fn take_round(&mut self, me: BankIndex, round: Round) -> Option<BTreeMap<BankIndex, RoundKeys>> {
        let steps = round.0.checked_sub(self.next_round.0)?;
        let pairs = u64::try_from(self.pairs.len()).ok()?;
        if steps.checked_mul(pairs)? > MAX_STEPS {
            return None;
        }
        let next_round = Round(round.0.checked_add(1)?);
        let mut taken = BTreeMap::new();
        for (peer, keys) in &mut self.pairs {
            for _ in 0..steps {
                keys.step();
            }
            taken.insert(*peer, keys.round_keys(me, *peer));
            keys.step();
        }
        self.next_round = next_round;
        Some(taken)
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        self.epoch.write(w);
        w.digest(&self.directory);
        self.next_round.write(w);
        w.list(self.pairs.iter(), |w, (peer, keys)| {
            w.bank(*peer);
            for key in [&keys.chain, &keys.confirmation] {
                w.fixed(key.expose());
            }
        });
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut keyring = Self::new(
            Epoch::read(r, "epoch")?,
            r.digest("directory")?,
            Round::read(r, "next round")?,
        );
        let pairs = r.list(66, "pairs", |r| {
            let peer = r.bank("peer")?;
            let mut key = || Ok::<_, DecodeError>(Secret::from_bytes(r.array("pair key")?));
            Ok((
                peer,
                PairKeys {
                    chain: key()?,
                    confirmation: key()?,
                },
            ))
        })?;
        keyring.pairs.extend(pairs);
        Ok(keyring)
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Keyring(epoch {}, {} pairs, next round {})",
            self.epoch,
            self.pairs.len(),
            self.next_round
        )
    }
}

/// True if `bank` is the one of the pair that encapsulates: the lower position when the sum of both is even, else the
/// higher, so that the work is spread evenly.
pub fn encapsulates(bank: BankIndex, peer: BankIndex) -> bool {
    (bank < peer) == (u32::from(bank.get()) + u32::from(peer.get())).is_multiple_of(2)
}
