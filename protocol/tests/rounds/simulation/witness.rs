//! Sees everything that leaves a bank and everything that is logged, and knows what must never happen.

use std::collections::{BTreeMap, BTreeSet};

use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::secagg::pack::pack;
use veilsum_protocol::secagg::ring::Ring;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::ToCoordinator;
use veilsum_protocol::wire::statement::{Release, ReleasedShare};

use crate::simulation::lies::Lie;
use crate::world::World;

/// What honest banks released in one round.
#[derive(Default)]
struct Released {
    /// The survivors that the shares are for, by what honest banks sent: one set a round.
    survivors: Option<BTreeSet<BankIndex>>,
    by: BTreeSet<BankIndex>,
}

pub struct Witness {
    thresholds: Thresholds,
    lie: Option<Lie>,
    confirmed: BTreeMap<Round, BTreeSet<BankIndex>>,
    released: BTreeMap<Round, Released>,
    /// Hash of every entry of the log, as it was when it came.
    logged: Vec<Digest>,
    /// States that the log has published.
    published: BTreeSet<Digest>,
    /// The furthest step that each bank ever said it had derived.
    derived: BTreeMap<BankIndex, u32>,
    steps: BTreeMap<Round, (Digest, u32)>,
    pub results: u64,
}

impl Witness {
    pub fn new(world: &World, lie: Option<Lie>) -> Self {
        let banks = world.all().len() as u16;
        Self {
            thresholds: Thresholds::with_most_colluders(banks).unwrap(),
            lie,
            confirmed: BTreeMap::new(),
            released: BTreeMap::new(),
            logged: Vec::new(),
            published: BTreeSet::from([world.office.state.hash()]),
            derived: BTreeMap::new(),
            steps: BTreeMap::new(),
            results: 0,
        }
    }

    fn office_lies(&self) -> bool {
        self.lie.as_ref().is_some_and(Lie::is_of_office)
    }

    fn is_honest(&self, bank: BankIndex) -> bool {
        !self.lie.as_ref().is_some_and(|lie| lie.is_liar(bank))
    }

    /// Looks at what the last step did.
    pub fn look(&mut self, world: &mut World) {
        for (from, message) in std::mem::take(&mut world.sent) {
            if self.is_honest(from) {
                self.hear(from, message);
            }
        }
        self.read_log(world);
        self.look_at_banks(world);
    }

    fn hear(&mut self, from: BankIndex, message: ToCoordinator) {
        match message {
            ToCoordinator::Confirm { round, .. } => {
                self.confirmed.entry(round).or_default().insert(from);
            }
            ToCoordinator::Release { round, release } => self.hear_release(from, round, release.claim()),
            _ => {}
        }
    }

    fn hear_release(&mut self, from: BankIndex, round: Round, release: &Release) {
        let named: BTreeSet<_> = release.shares.iter().map(|(bank, _)| *bank).collect();
        assert_eq!(named.len(), release.shares.len(), "two shares of one bank");
        let survivors: BTreeSet<_> = release
            .shares
            .iter()
            .filter(|(_, share)| matches!(share, ReleasedShare::SelfMask(_)))
            .map(|(bank, _)| *bank)
            .collect();
        assert!(
            survivors.len() >= usize::from(self.thresholds.min_survivors),
            "bank {from} released shares for {survivors:?} in {round}: too few"
        );
        let colluders = usize::from(self.thresholds.colluders);
        let confirmed = self.confirmed.get(&round).map_or(0, BTreeSet::len);
        assert!(
            confirmed + colluders >= usize::from(self.thresholds.threshold),
            "bank {from} released shares in {round} and only {confirmed} banks had confirmed"
        );
        let released = self.released.entry(round).or_default();
        let first = released.survivors.get_or_insert_with(|| survivors.clone());
        // Every bank of the cohort is in every release, so other survivors would mean both kinds of share of one bank.
        assert_eq!(
            *first, survivors,
            "honest banks released for other survivors in {round}"
        );
        released.by.insert(from);
    }

    fn read_log(&mut self, world: &World) {
        let entries = &world.office.log.entries;
        assert!(entries.len() >= self.logged.len(), "the log shrank");
        for entry in &entries[self.logged.len()..] {
            self.logged.push(entry.hash());
            match entry {
                Entry::RoundOpen(open) => {
                    self.steps.insert(open.round, (open.task, open.step));
                }
                Entry::Result(result) => {
                    self.results += 1;
                    self.published.insert(result.next_state);
                    if !self.office_lies() {
                        check_sum(world, result.round, &result.sum);
                    }
                }
                Entry::Abort {
                    round,
                    after_release: false,
                    ..
                } if !self.office_lies() => {
                    let released = self.released.get(round).map_or(0, |released| released.by.len());
                    assert_eq!(
                        released, 0,
                        "{round} ended before its release, and shares had left"
                    );
                }
                _ => {}
            }
        }
        self.one_sum_a_step();
    }

    /// Of one step of one task at most one set of banks can ever be summed.
    fn one_sum_a_step(&self) {
        let mut sums: BTreeMap<(Digest, u32), &BTreeSet<BankIndex>> = BTreeMap::new();
        let colluders = usize::from(self.thresholds.colluders);
        for (round, released) in &self.released {
            let enough = released.by.len() + colluders >= usize::from(self.thresholds.threshold);
            let (Some(step), Some(survivors), true) =
                (self.steps.get(round), released.survivors.as_ref(), enough)
            else {
                continue;
            };
            let first = sums.entry(*step).or_insert(survivors);
            assert_eq!(*first, survivors, "a step can be summed over two sets of banks");
        }
    }

    fn look_at_banks(&mut self, world: &World) {
        let task = world.office.task.hash();
        for (bank, node) in &world.banks {
            let Some(machine) = &node.machine else { continue };
            assert!(
                machine.log_size() <= world.office.log.size(),
                "bank {bank} follows another log"
            );
            let Some(progress) = machine.progress(&task) else {
                continue;
            };
            assert!(
                self.published.contains(&progress.state),
                "bank {bank} holds a state that no result leads to"
            );
            let furthest = self.derived.entry(*bank).or_default();
            let said = world.answered_derived(*bank);
            assert!(
                progress.step >= *furthest || !said,
                "bank {bank} stood at step {furthest} and is back at {}",
                progress.step
            );
            if said {
                *furthest = progress.step.max(*furthest);
            }
        }
    }

    /// The whole log is still what it was.
    pub fn log_is_unchanged(&self, world: &World) {
        let now: Vec<Digest> = world.office.log.entries.iter().map(Canonical::hash).collect();
        assert_eq!(now, self.logged, "a logged entry has changed");
    }
}

/// The published sum is that of the digits of the logged survivors, each once.
fn check_sum(world: &World, round: Round, sum: &Digest) {
    let survivors = world.office.log.entries.iter().find_map(|entry| match entry {
        Entry::Survivors { round: of, list } if *of == round => Some(list),
        _ => None,
    });
    let open = world.office.log.entries.iter().find_map(|entry| match entry {
        Entry::RoundOpen(open) if open.round == round => Some(open),
        _ => None,
    });
    let (survivors, open) = (survivors.unwrap(), open.unwrap());
    let names: BTreeSet<_> = survivors.iter().map(|(bank, _)| bank).collect();
    assert_eq!(names.len(), survivors.len(), "a bank is counted twice");
    let mut lanes = Vec::new();
    for (bank, _) in survivors {
        let digits = &world.banks[bank].contributed[&round];
        lanes.resize(digits.len(), 0);
        for (lane, digit) in lanes.iter_mut().zip(digits) {
            *lane += digit;
        }
    }
    let ring = Ring::for_sum(world.office.banks(), open.digit_bits).unwrap();
    let mut packed = Vec::new();
    pack(ring, &lanes, &mut packed);
    assert_eq!(
        Digest::of(&packed),
        *sum,
        "the published sum of {round} is not that of its survivors"
    );
}
