//! Rounds by hand. The published sum is the plain sum of what the banks masked: the auditor must come to it from the masked
//! vectors and the released shares.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use veilsum_protocol::crypto::entropy::SeededEntropy;
use veilsum_protocol::crypto::signing::VerifyingKey;
use veilsum_protocol::ids::{BankIndex, Digest, Round, Timestamp};
use veilsum_protocol::log::entry::{AbortReason, Entry, RoundOpen, RoundResult};
use veilsum_protocol::model::state::Turnout;
use veilsum_protocol::model::{ColumnSums, ScoreSums};
use veilsum_protocol::round::context::Context;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::round::prepare::{
    HeldShares, Place, Prepared, Receiver, delivery, open_delivery, prepare,
};
use veilsum_protocol::secagg::mask::{Masks, Sign, mask_and_pack};
use veilsum_protocol::secagg::pack;
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::secagg::ring::Ring;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::frame;
use veilsum_protocol::wire::message::{Bundle, MESSAGE_LIMIT};
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::{
    BundleHeader, Derived, Release, ReleasedShare, SurvivorList, Trailer,
};

use crate::prepared;
use crate::world::{BANKS, EPOCH, World, bank};

/// How far a round goes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    /// It is opened, and the log ends there.
    Opened,
    /// It is aborted after this many banks released their shares.
    AbortedAfter(usize),
    /// It is aborted because this bank committed to other secrets than it dealt shares of.
    BadSharesOf(u16),
    /// It has a result.
    Published,
    /// It has a result whose first lane is too large by one. Everything after it follows from that sum, as if it were the banks'.
    PublishedWithOneMore,
}

pub(crate) struct Script<'a> {
    pub(crate) round: u64,
    pub(crate) attempt: u32,
    pub(crate) prepared: &'a [u16],
    pub(crate) cohort: &'a [u16],
    pub(crate) survivors: &'a [u16],
    pub(crate) end: End,
}

struct Bank {
    prepared: Prepared,
    bundle: Bundle,
    held: BTreeMap<BankIndex, HeldShares>,
}

/// The log that the tests begin with:
///
/// | round | what | how |
/// | --- | --- | --- |
/// | 1 | statistics | bank 5 prepared and was not ready |
/// | 2 | train | aborted after two banks had released shares |
/// | 3 | train | bank 3 dropped out after the cohort was fixed |
/// | 4 | train | just opened, by banks 1 to 4 |
pub(crate) fn story() -> World {
    let all = &[1, 2, 3, 4, 5][..];
    let mut world = World::new();
    world.play(&Script {
        round: 1,
        attempt: 0,
        prepared: all,
        cohort: &[1, 2, 3, 4],
        survivors: &[1, 2, 3, 4],
        end: End::Published,
    });
    world.play(&Script {
        round: 2,
        attempt: 0,
        prepared: all,
        cohort: all,
        survivors: &[1, 2, 3, 5],
        end: End::AbortedAfter(2),
    });
    world.play(&Script {
        round: 3,
        attempt: 1,
        prepared: all,
        cohort: all,
        survivors: &[1, 2, 4, 5],
        end: End::Published,
    });
    world.play(&Script {
        round: 4,
        attempt: 0,
        prepared: &[1, 2, 3, 4],
        cohort: &[],
        survivors: &[],
        end: End::Opened,
    });
    world
}

/// Of a model that gets better with each step, and a little worse with some.
fn scores(own: u64, step: u64) -> ScoreSums {
    let step = step.max(1);
    let good = (100 - 400 / (step + 4)) + (step * 7 + own * 3) % 5;
    let (negatives, positives) = (8 * own * good, 2 * own * good);
    let negatives = vec![negatives, 300 * own, 2400 / step, 900 / step];
    let positives = vec![600 / step, 900 / step, 60 * own, positives];
    let rows = negatives.iter().chain(&positives).sum();
    let loss = rows as f64 * (0.3 + 0.8 / (step as f64).sqrt() + (step % 3) as f64 * 0.01);
    ScoreSums::binary(rows, loss, negatives, positives)
}

fn indices(positions: &[u16]) -> Vec<BankIndex> {
    positions.iter().map(|position| bank(*position)).collect()
}

impl World {
    pub(crate) fn play(&mut self, script: &Script<'_>) {
        let round = Round(script.round);
        let mut entropy = SeededEntropy::new(1000 + script.round * 10 + u64::from(script.attempt));
        let mut banks = self.prepare(round, script.prepared, &mut entropy);
        if let End::BadSharesOf(dealer) = script.end {
            let header = &mut banks.get_mut(&bank(dealer)).unwrap().bundle.header;
            let other = BundleHeader {
                self_mask: Digest([9; 32]),
                recovery: Digest([9; 32]),
                ..*header.claim()
            };
            *header = Signed::sign(&self.consortium.keys[&bank(dealer)], other);
        }
        let open = self.open(script, &banks);
        if script.end == End::Opened {
            return;
        }
        exchange(self, round, &mut banks);
        self.index(round, &banks);
        let cohort = indices(script.cohort);
        self.log(&Entry::Cohort {
            round,
            banks: cohort.clone(),
        });
        let context = Context::of(&open, &cohort);
        let ring = Ring::for_sum(BANKS, open.digit_bits).unwrap();
        let mut sum = vec![0u32; self.consortium.plan.layout(open.kind).lanes()];
        let mut list = Vec::new();
        for me in indices(script.survivors) {
            let digits = self.contribution(open.kind, me, &mut entropy);
            for (lane, digit) in sum.iter_mut().zip(digits.lanes()) {
                *lane += digit;
            }
            let masks = masks(&context, ring, me, &cohort, &banks[&me].prepared);
            list.push((me, self.upload(round, &context, me, &masks, &digits)));
        }
        let survivors = Entry::Survivors { round, list };
        self.log(&survivors);
        self.certify(round, &context, script.survivors, survivors.hash());
        let releasing = match script.end {
            End::AbortedAfter(releases) => &script.survivors[..releases],
            _ => script.survivors,
        };
        for me in indices(releasing) {
            self.release(script, &context, me, &banks[&me]);
        }
        if script.end == End::PublishedWithOneMore {
            sum[0] += 1;
        } else if script.end != End::Published {
            let reason = match script.end {
                End::BadSharesOf(_) => AbortReason::BadShares,
                _ => AbortReason::TooFewShares,
            };
            self.log(&Entry::Abort {
                round,
                reason,
                after_release: true,
            });
            return;
        }
        self.publish(&open, ring, &sum, script);
    }

    /// Of two rounds with one number the first keeps its index.
    fn index(&mut self, round: Round, banks: &BTreeMap<BankIndex, Bank>) {
        let path = format!("rounds/{round}.json");
        if self.files.contains_key(&path) {
            return;
        }
        let index: BTreeMap<BankIndex, String> = banks
            .iter()
            .map(|(me, bank)| {
                let bytes = frame::encode(&bank.bundle, MESSAGE_LIMIT).unwrap();
                (*me, self.blob(&bytes).to_hex())
            })
            .collect();
        self.files.insert(path, serde_json::to_vec(&index).unwrap());
    }

    fn prepare(
        &self,
        round: Round,
        prepared: &[u16],
        entropy: &mut SeededEntropy,
    ) -> BTreeMap<BankIndex, Bank> {
        let consortium = Rc::clone(&self.consortium);
        let mut one = |me: BankIndex| {
            let mut keyring = consortium.keyring(me);
            let taken = keyring.take_round(me, round).unwrap();
            let place = Place {
                epoch: EPOCH,
                round,
                bank: me,
            };
            let key = &consortium.keys[&me];
            let (prepared, bundle) = prepare(place, &consortium.thresholds, taken, key, &mut *entropy);
            let bank = Bank {
                prepared,
                bundle,
                held: BTreeMap::new(),
            };
            (me, bank)
        };
        indices(prepared).into_iter().map(&mut one).collect()
    }

    fn open(&mut self, script: &Script<'_>, banks: &BTreeMap<BankIndex, Bank>) -> RoundOpen {
        let round = Round(script.round);
        let manifest = Entry::PrepareManifest {
            epoch: EPOCH,
            round,
            bundles: banks
                .iter()
                .map(|(me, bank)| (*me, bank.bundle.header.hash()))
                .collect(),
        };
        let consortium = Rc::clone(&self.consortium);
        let step = self.state.step;
        let kind = consortium.plan.kind(step).unwrap();
        let layout = consortium.plan.layout(kind);
        let open = RoundOpen {
            epoch: EPOCH,
            round,
            task: consortium.task.hash(),
            kind,
            step,
            attempt: script.attempt,
            state: self.state.hash(),
            last_result: self.last_result,
            layout: layout.digest(),
            directory: consortium.directory.hash(),
            manifest: manifest.hash(),
            thresholds: consortium.thresholds,
            digit_bits: layout.digit_bits,
            ring_bits: layout.ring(BANKS).unwrap().bits(),
            opened_at: Timestamp(1_700_000_000 + 97 * script.round),
            ready_until: Timestamp(1_700_000_060 + 97 * script.round),
        };
        self.log(&manifest);
        self.log(&Entry::RoundOpen(open.clone()));
        open
    }

    fn contribution(&self, kind: RoundKind, me: BankIndex, entropy: &mut SeededEntropy) -> Digits {
        let own = u64::from(me.get());
        let scores = scores(own, u64::from(self.state.step));
        let plan = &self.consortium.plan;
        match kind {
            RoundKind::Support | RoundKind::Vocabulary => prepared::values(self, kind, me),
            RoundKind::Statistics if self.consortium.task.preparation.is_some() => prepared::counts(self, me),
            RoundKind::Statistics => {
                let mut column = ColumnSums::default();
                (0..6).for_each(|row| column.add(f64::from(me.get() + row) / 16.0));
                plan.statistics(&[column]).unwrap()
            }
            RoundKind::Train => {
                let mut update = vec![0.01 * f32::from(me.get()); self.state.parameters.len()];
                plan.train(&mut update, 10 * u32::from(me.get()), &scores, entropy)
                    .unwrap()
            }
            RoundKind::Evaluate => plan.evaluate(&scores, None).unwrap(),
        }
    }

    fn upload(
        &mut self,
        round: Round,
        context: &Context,
        me: BankIndex,
        masks: &Masks,
        digits: &Digits,
    ) -> Digest {
        let mut vector = Vec::new();
        mask_and_pack::<()>(masks, digits, |bytes| {
            vector.extend_from_slice(bytes);
            Ok(())
        })
        .unwrap();
        let hash = self.blob(&vector);
        let trailer = Trailer {
            context: context.digest(),
            bank: me,
            length: vector.len() as u64,
            hash,
        };
        self.log(&Entry::Masked {
            round,
            bank: me,
            hash,
            length: trailer.length,
            signature: self.consortium.keys[&me].sign(&trailer),
        });
        hash
    }

    fn certify(&mut self, round: Round, context: &Context, survivors: &[u16], list: Digest) {
        let statement = SurvivorList {
            context: context.digest(),
            survivors: list,
        };
        let sign = |me: BankIndex| (me, self.consortium.keys[&me].sign(&statement));
        let signatures = indices(survivors).into_iter().map(sign).collect();
        self.log(&Entry::Certificate { round, signatures });
    }

    fn release(&mut self, script: &Script<'_>, context: &Context, me: BankIndex, own: &Bank) {
        let survivors: BTreeSet<BankIndex> = indices(script.survivors).into_iter().collect();
        let share = |of: BankIndex| {
            let held = own.held.get(&of).unwrap_or(&own.prepared.own_shares);
            let share = if survivors.contains(&of) {
                ReleasedShare::SelfMask(*held.self_mask.to_secret().expose())
            } else {
                ReleasedShare::Recovery(*held.recovery.to_secret().expose())
            };
            (of, share)
        };
        let release = Release {
            context: context.digest(),
            bank: me,
            shares: indices(script.cohort).into_iter().map(share).collect(),
        };
        let key = &self.consortium.keys[&me];
        let body = Signed::sign(key, release).to_bytes();
        let body = self.blob(&body);
        self.log(&Entry::Release {
            round: Round(script.round),
            bank: me,
            body,
        });
    }

    fn publish(&mut self, open: &RoundOpen, ring: Ring, sum: &[u32], script: &Script<'_>) {
        let consortium = Rc::clone(&self.consortium);
        let mut packed = Vec::new();
        pack::pack(ring, sum, &mut packed);
        let survivors = u16::try_from(script.survivors.len()).unwrap();
        let turnout = Turnout {
            survivors,
            banks: BANKS,
        };
        let (next, outcome) = self
            .state
            .advance(&consortium.task, &consortium.plan, sum, turnout)
            .unwrap();
        let result = Entry::Result(RoundResult {
            round: open.round,
            open: open.hash(),
            kind: open.kind,
            step: open.step,
            sum: self.blob(&packed),
            survivors,
            weight: outcome.weight,
            next_state: next.hash(),
            metrics: outcome.metrics,
        });
        self.log(&result);
        self.last_result = result.hash();
        for (me, key) in &consortium.keys {
            let derived = Derived {
                round: open.round,
                bank: *me,
                state: next.hash(),
            };
            let signature = key.sign(&derived);
            self.log(&Entry::Ack {
                round: open.round,
                bank: *me,
                state: next.hash(),
                signature,
            });
        }
        self.state = next;
    }
}

/// Every bank opens what its peers left for it.
fn exchange(world: &World, round: Round, banks: &mut BTreeMap<BankIndex, Bank>) {
    let bundles: BTreeMap<BankIndex, Bundle> = banks
        .iter()
        .map(|(me, bank)| (*me, bank.bundle.clone()))
        .collect();
    for (me, own) in banks {
        let receiver = Receiver {
            bank: *me,
            banks: BANKS,
            prepared: &own.prepared,
        };
        for (sender, bundle) in bundles.iter().filter(|(sender, _)| *sender != me) {
            let place = Place {
                epoch: EPOCH,
                round,
                bank: *sender,
            };
            let key: VerifyingKey = world.consortium.keys[sender].verifying_key();
            let part = delivery(bundle, *me).unwrap();
            let held = open_delivery(&receiver, place, &key, &bundle.header.hash(), &part).unwrap();
            own.held.insert(*sender, held);
        }
    }
}

fn masks(context: &Context, ring: Ring, me: BankIndex, cohort: &[BankIndex], own: &Prepared) -> Masks {
    let mut masks = Masks::new(ring);
    masks.push(&context.self_seed(me, &own.self_mask), Sign::Plus);
    for peer in cohort.iter().filter(|peer| **peer != me) {
        let seed = context.pair_seed(me, *peer, &own.bases[peer]);
        masks.push(&seed, Sign::of_pair(me, *peer));
    }
    masks
}
