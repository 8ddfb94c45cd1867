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

/// [`encapsulates`] for any two positions: a bank is no peer of its own.
pub(super) fn encapsulates_for(bank: BankIndex, peer: BankIndex) -> bool {
    bank != peer && encapsulates(bank, peer)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::agreement::AgreementKeys;
    use crate::crypto::entropy::SeededEntropy;

    fn bank(position: u16) -> BankIndex {
        BankIndex::new(position).unwrap()
    }

    /// The armed keyrings of `banks` banks, whose chains start at `first_round`.
    pub(crate) fn keyrings(banks: u16, first_round: Round) -> BTreeMap<BankIndex, Keyring> {
        let mut entropy = SeededEntropy::new(u64::from(banks));
        let directory = Digest([7; 32]);
        let keys: BTreeMap<BankIndex, AgreementKeys> = (1..=banks)
            .map(|i| (bank(i), AgreementKeys::generate(&mut entropy)))
            .collect();
        let body = |bank: BankIndex| EpochKeys {
            epoch: Epoch(1),
            roster: Digest([1; 32]),
            bank,
            public: keys[&bank].public(),
        };
        let mut rings: BTreeMap<BankIndex, Keyring> = keys
            .keys()
            .map(|bank| (*bank, Keyring::new(Epoch(1), directory, first_round)))
            .collect();
        for from in (1..=banks).map(bank) {
            for to in (1..=banks)
                .map(bank)
                .filter(|to| *to != from && encapsulates(from, *to))
            {
                let (ciphertext, sent) = body(to).public.encapsulate(&mut entropy).unwrap();
                let received = keys[&to].decapsulate(&ciphertext).unwrap();
                for (own, peer, mlkem) in [(from, to, sent), (to, from, received)] {
                    let x25519 = keys[&own].x25519(&body(peer).public).unwrap();
                    let pair =
                        PairKeys::derive(&directory, &body(own), &body(peer), &mlkem, &x25519, &ciphertext);
                    rings.get_mut(&own).unwrap().insert(peer, pair);
                }
            }
        }
        rings
    }

    #[test]
    fn of_each_pair_exactly_one_encapsulates_and_the_work_is_even() {
        let count = |own: u16| {
            (1..=9)
                .filter(|peer| *peer != own && encapsulates(bank(own), bank(*peer)))
                .count()
        };
        for own in 1..=9 {
            for peer in (1..=9).filter(|peer| *peer != own) {
                assert_ne!(
                    encapsulates(bank(own), bank(peer)),
                    encapsulates(bank(peer), bank(own))
                );
            }
            assert_eq!(count(own), 4);
        }
    }

    #[test]
    fn both_of_a_pair_have_the_same_keys_and_no_other_pair_does() {
        let mut rings = keyrings(4, Round(1));
        let (one, two) = (bank(1), bank(2));
        let confirmation = rings[&one].pair(two).unwrap().confirmation_of(one);
        assert!(rings[&two].pair(one).unwrap().confirmed_by(one, &confirmation));
        assert!(
            !rings[&two].pair(one).unwrap().confirmed_by(two, &confirmation),
            "the other direction"
        );
        assert!(
            !rings[&two]
                .pair(bank(3))
                .unwrap()
                .confirmed_by(one, &confirmation),
            "another pair"
        );

        let keys: BTreeMap<BankIndex, _> = rings
            .iter_mut()
            .map(|(bank, ring)| (*bank, ring.take_round(*bank, Round(1)).unwrap()))
            .collect();
        let mut seen = Vec::new();
        for (own, of_own) in &keys {
            assert_eq!(of_own.len(), 3);
            for (peer, pair) in of_own {
                let theirs = &keys[peer][own];
                assert_eq!(pair.base, theirs.base);
                assert_eq!(pair.send, theirs.receive);
                for key in [&pair.send, &pair.base] {
                    assert!(own > peer || !seen.contains(&key), "a key serves twice");
                    seen.push(key);
                }
            }
        }
    }

    #[test]
    fn a_round_that_was_taken_or_passed_is_gone_and_banks_that_skip_meet_again() {
        let mut rings = keyrings(3, Round(5));
        let mut one = rings.remove(&bank(1)).unwrap();
        let mut two = rings.remove(&bank(2)).unwrap();
        let mut take = |round| {
            one.take_round(bank(1), Round(round))
                .map(|mut keys| keys.remove(&bank(2)).unwrap())
        };
        assert!(take(4).is_none(), "before the epoch");
        let fifth = take(5).unwrap();
        assert!(take(5).is_none(), "taken");
        let eighth = take(8).unwrap();
        assert!(take(6).is_none(), "passed");
        assert!(take(10 + MAX_STEPS).is_none(), "too far ahead");
        assert!(take(u64::MAX).is_none());
        assert_eq!(one.next_round(), Round(9));
        // Bank 2 was away for rounds 5 to 7.
        let there = two
            .take_round(bank(2), Round(8))
            .unwrap()
            .remove(&bank(1))
            .unwrap();
        assert_eq!((&there.base, &there.send), (&eighth.base, &eighth.receive));
        for (early, late) in [(&fifth.base, &eighth.base), (&fifth.send, &eighth.send)] {
            assert_ne!(early, late);
        }
    }

    #[test]
    fn a_keyring_goes_on_from_its_stored_form() {
        let mut one = keyrings(3, Round(1)).remove(&bank(1)).unwrap();
        one.take_round(bank(1), Round(1)).unwrap();
        let mut writer = Writer::domain("keyring");
        one.write(&mut writer);
        let bytes = writer.finish();
        let mut again = Keyring::read(&mut Reader::domain(&bytes, "keyring").unwrap()).unwrap();
        assert!(again.take_round(bank(1), Round(1)).is_none());
        let base = |ring: &mut Keyring| {
            ring.take_round(bank(1), Round(2))
                .unwrap()
                .remove(&bank(3))
                .unwrap()
                .base
        };
        assert_eq!(base(&mut again), base(&mut one));
    }
}
