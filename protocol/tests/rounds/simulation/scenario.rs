//! What happens in a run, as data.

use veilsum_protocol::wire::refusal::RefusalReason;

use crate::node::{Kill, Step, Unsynced};
use crate::simulation::dice::Dice;
use crate::simulation::lies::Lie;
use crate::world::Faults;

/// A bank's crash.
#[derive(Clone, Copy, Debug)]
pub struct BankCrash {
    /// The stage in which it is armed: 0 is the key epoch, then the rounds.
    pub stage: usize,
    pub bank: u16,
    pub kill: Kill,
}

/// The coordinator's crash.
#[derive(Clone, Copy, Debug)]
pub enum OfficeCrash {
    AfterCommits(usize),
    BeforeAction(usize),
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub banks: u16,
    /// Rounds that are tried.
    pub rounds: usize,
    pub faults: Faults,
    /// How long a crashed bank stays away.
    pub down_ms: u64,
    pub bank_crashes: Vec<BankCrash>,
    pub office_crashes: Vec<(usize, OfficeCrash)>,
    /// Banks that crash in a round and do not come back before the next, by stage: at most as many as a round does without.
    pub gone: Vec<(usize, u16, Kill)>,
    /// Banks whose work takes this long.
    pub slow: Vec<(u16, u64)>,
    pub lie: Option<Lie>,
    /// What banks decide of the task before a stage: no, or none for yes again. At no time do more banks refuse than a round does without.
    pub minds: Vec<(usize, u16, Option<RefusalReason>)>,
}

impl Scenario {
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let banks = dice.pick(&[3u16, 4, 5, 5, 7]);
        let rounds = 1 + dice.up_to(2);
        let lie = dice.one_in(3).then(|| Lie::any(&mut dice, banks));
        let faults = Faults {
            double: dice.one_in(3),
            delay_ms: dice.pick(&[0, 5, 400, 3_000]),
            lose_one_in: dice.pick(&[0, 0, 20, 60, 200]),
            reorder: dice.one_in(3),
            mutate_one_in: 0,
        };
        let mut bank_crashes = Vec::new();
        for stage in 0..=rounds {
            for bank in 1..=banks {
                if dice.one_in(3) {
                    let kill = any_kill(&mut dice);
                    bank_crashes.push(BankCrash { stage, bank, kill });
                }
            }
        }
        let mut office_crashes = Vec::new();
        for stage in 1..=rounds {
            if dice.one_in(3) {
                let crash = match dice.roll(2) {
                    0 => OfficeCrash::AfterCommits(1 + dice.up_to(30)),
                    _ => OfficeCrash::BeforeAction(1 + dice.up_to(60)),
                };
                office_crashes.push((stage, crash));
            }
        }
        let mut gone = Vec::new();
        if dice.one_in(4) {
            let stage = 1 + dice.up_to(rounds - 1);
            let first = 1 + dice.roll(u64::from(banks)) as u16;
            for next in 0..spare(banks) {
                let step = dice.pick(&STEPS);
                gone.push((stage, (first + next - 1) % banks + 1, Kill::After(step)));
            }
        }
        let slow = (1..=banks)
            .filter(|_| dice.one_in(12))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|bank| (bank, dice.pick(&[1_000, 20_000, 45_000, 90_000])))
            .collect();
        Self {
            seed,
            banks,
            rounds,
            faults,
            down_ms: dice.pick(&[10, 1_000, 4_000, 12_000, 70_000]),
            bank_crashes,
            office_crashes,
            gone,
            slow,
            lie,
            minds: minds(&mut dice, banks, rounds),
        }
    }

    /// True if nothing in it can cost a round: every party is honest and comes back in time.
    ///
    /// An entry is acted on after three messages, one after the other. Where each takes seconds and one in twenty takes the connection with it,
    /// the 30 seconds of a phase may pass.
    pub fn must_succeed(&self) -> bool {
        let hopeless = self.faults.delay_ms >= 3_000 && (1..=20).contains(&self.faults.lose_one_in);
        let in_time = self.slow.is_empty() && self.down_ms <= 1_000 && !hopeless;
        self.lie.is_none() && self.gone.is_empty() && in_time
    }
}

const STEPS: [Step; 6] = [
    Step::Bundle,
    Step::Ready,
    Step::Upload,
    Step::Confirm,
    Step::Release,
    Step::Derived,
];

/// How many banks a round does without.
pub fn spare(banks: u16) -> u16 {
    match banks {
        5 | 4 => 1,
        7 => 2,
        _ => 0,
    }
}

/// Some banks change their mind, and some of these think better of it.
fn minds(dice: &mut Dice, banks: u16, rounds: usize) -> Vec<(usize, u16, Option<RefusalReason>)> {
    let mut minds = Vec::new();
    if !dice.one_in(3) {
        return minds;
    }
    let first = 1 + dice.roll(u64::from(banks)) as u16;
    for next in 0..spare(banks) {
        let bank = (first + next - 1) % banks + 1;
        let stage = 1 + dice.up_to(rounds - 1);
        minds.push((stage, bank, Some(dice.pick(&RefusalReason::ALL))));
        if stage < rounds && dice.one_in(2) {
            minds.push((stage + 1, bank, None));
        }
    }
    minds
}

fn any_kill(dice: &mut Dice) -> Kill {
    match dice.roll(7) {
        0 => Kill::Before(dice.pick(&STEPS)),
        1 => Kill::After(dice.pick(&STEPS)),
        2 => Kill::Persisted(1 + dice.up_to(9)),
        3 => Kill::BeforePersist(1 + dice.up_to(9)),
        4 => Kill::BeforeAction(1 + dice.up_to(24)),
        5 => Kill::AfterAction(1 + dice.up_to(24)),
        _ => Kill::Writing(
            1 + dice.up_to(1),
            dice.pick(&[Unsynced::Lost, Unsynced::Torn, Unsynced::Whole]),
        ),
    }
}
