//! Runs a scenario to its end.

use std::fmt;

use veilsum_protocol::ids::Epoch;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::participant::Notice;

use crate::consortium::bank;
use crate::simulation::lies::Lie;
use crate::simulation::scenario::{OfficeCrash, Scenario};
use crate::simulation::witness::Witness;
use crate::world::{Faults, World};

/// More than any scenario needs.
const MAX_EVENTS: usize = 100_000;

/// All phases of a round, in milliseconds: the task of these worlds.
const ROUND_MS: u64 = 240_000;

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    published: u64,
    aborted: u64,
    bank_crashes: u64,
    office_crashes: u64,
    refusals: u64,
    lies: u64,
    minds: u64,
}

impl Summary {
    pub fn add(&mut self, other: &Self) {
        self.published += other.published;
        self.aborted += other.aborted;
        self.bank_crashes += other.bank_crashes;
        self.office_crashes += other.office_crashes;
        self.refusals += other.refusals;
        self.lies += other.lies;
        self.minds += other.minds;
    }

    pub fn assert_eventful(&self) {
        for (what, count) in [
            ("published rounds", self.published),
            ("aborted rounds", self.aborted),
            ("crashes of banks", self.bank_crashes),
            ("crashes of coordinators", self.office_crashes),
            ("refusals by banks", self.refusals),
            ("lying parties", self.lies),
            ("decisions against the task", self.minds),
        ] {
            assert!(count >= 100, "the seeds have only {count} {what}");
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rounds published, {} aborted, {} crashes of banks, {} of coordinators, {} refusals by banks, {} runs with liars, {} decisions against the task",
            self.published,
            self.aborted,
            self.bank_crashes,
            self.office_crashes,
            self.refusals,
            self.lies,
            self.minds
        )
    }
}

struct Run<'a> {
    scenario: &'a Scenario,
    world: World,
    witness: Witness,
    summary: Summary,
}

/// Runs a scenario; panics where a promise is broken.
pub fn play(scenario: &Scenario) -> Summary {
    let mut world = World::unarmed(scenario.banks, scenario.seed, scenario.faults);
    world.down_ms = Some(scenario.down_ms);
    let witness = Witness::new(&world, scenario.lie.clone());
    let mut run = Run {
        scenario,
        world,
        witness,
        summary: Summary::default(),
    };
    run.enrol();
    if let Some(lie) = &scenario.lie {
        lie.tell(&mut run.world, scenario.seed);
        run.summary.lies = 1;
    }
    for (slow, ms) in &scenario.slow {
        run.world.work_ms.insert(bank(*slow), *ms);
    }
    for stage in 1..=scenario.rounds {
        run.round(stage);
    }
    run.heal();
    run.summary.published = run.witness.results;
    run.summary.office_crashes = run.world.office_restarts;
    run.summary.bank_crashes = run.world.banks.values().map(|node| node.starts).sum::<u64>();
    run.summary.refusals = run
        .world
        .banks
        .values()
        .flat_map(|node| &node.notices)
        .filter(|notice| matches!(notice, Notice::Refused(_)))
        .count() as u64;
    run.summary
}

impl Run<'_> {
    fn change_minds(&mut self, stage: usize) {
        for (at, position, refuses) in &self.scenario.minds {
            // Nobody decides at a machine that is down; a yes comes with the end of the trouble then.
            if *at == stage && self.world.banks[&bank(*position)].is_up() {
                self.world.decide(*position, *refuses);
                self.witness.look(&mut self.world);
                self.summary.minds += u64::from(refuses.is_some());
            }
        }
    }

    fn arm_crashes(&mut self, stage: usize) {
        for crash in self
            .scenario
            .bank_crashes
            .iter()
            .filter(|crash| crash.stage == stage)
        {
            self.world.node(crash.bank).kill = Some(crash.kill);
        }
        for (at, position, kill) in &self.scenario.gone {
            if *at == stage {
                self.world.gone.insert(bank(*position));
                self.world.node(*position).kill = Some(*kill);
            }
        }
        for (at, crash) in &self.scenario.office_crashes {
            if *at == stage {
                match crash {
                    OfficeCrash::AfterCommits(count) => self.world.office.kill_after_commits = Some(*count),
                    OfficeCrash::BeforeAction(count) => self.world.office.kill_before_action = Some(*count),
                }
            }
        }
    }

    /// Takes events until `done`, and looks after each.
    fn until(&mut self, what: &str, done: impl Fn(&World) -> bool) {
        for _ in 0..MAX_EVENTS {
            self.witness.look(&mut self.world);
            if done(&self.world) {
                return;
            }
            assert!(self.world.step(), "nothing is under way, and there is no {what}");
        }
        panic!("no {what} after {MAX_EVENTS} events");
    }

    fn settle(&mut self) {
        for _ in 0..MAX_EVENTS {
            self.witness.look(&mut self.world);
            if !self.world.step() {
                return;
            }
        }
        panic!("no rest after {MAX_EVENTS} events");
    }

    fn enrol(&mut self) {
        self.arm_crashes(0);
        let out = self.world.office.start_epoch(Epoch(1));
        self.world.office_out(out);
        self.until("armed epoch", |world| world.office.armed.is_some());
        let task = self.world.office.task.clone();
        self.world.office.offer(&task);
        self.world.office_out(Vec::new());
        let (hash, banks) = (task.hash(), usize::from(self.scenario.banks));
        self.until("approval by everybody", |world| {
            world
                .office
                .approved
                .get(&hash)
                .is_some_and(|approved| approved.len() == banks)
        });
        self.settle();
    }

    fn round(&mut self, stage: usize) {
        if self.world.office.plan().is_none() {
            return;
        }
        self.change_minds(stage);
        self.arm_crashes(stage);
        let (began, restarts) = (self.world.now.0, self.world.office_restarts);
        self.world.start_round();
        loop {
            self.until("end of the round", |world| {
                world.office.outcome.is_some() || world.office.machine.is_none() && world.office.is_idle()
            });
            if self.world.office.outcome.is_some() {
                break;
            }
            // The coordinator died before it had begun the round: it begins another.
            self.world.start_round();
        }
        let took = self.world.now.0 - began;
        let lives = 1 + self.world.office_restarts - restarts;
        assert!(
            took <= (ROUND_MS + 2_000) * lives,
            "a round took {took} ms, {lives} times {ROUND_MS} ms at most"
        );
        self.settle();
        self.witness.log_is_unchanged(&self.world);
        self.ended();
    }

    fn ended(&mut self) {
        let outcome = self.world.office.outcome.clone().unwrap();
        if outcome.end.is_err() {
            self.summary.aborted += 1;
        }
        let lied = self.scenario.lie.as_ref().is_some_and(Lie::is_of_office);
        if !lied {
            let logged = self
                .world
                .office
                .log
                .entries
                .iter()
                .any(|entry| match (entry, &outcome.end) {
                    (Entry::Abort { round, reason, .. }, Err(why)) => {
                        *round == outcome.round && reason == why
                    }
                    (Entry::Result(result), Ok(next)) => {
                        result.round == outcome.round && result.next_state == *next
                    }
                    _ => false,
                });
            assert!(logged, "the end of {} is not in the log", outcome.round);
        }
        if self.scenario.must_succeed() {
            assert!(
                outcome.end.is_ok(),
                "nobody lied or was away for long: {outcome:?}"
            );
        }
    }

    /// The trouble is over: everybody comes back, and the task goes on.
    fn heal(&mut self) {
        self.world.faults = Faults::default();
        self.world.tamper_up = None;
        self.world.tamper_down = None;
        self.world.flips_upload_of = None;
        self.world.office.log.rewrite = None;
        self.world.office.kill_after_commits = None;
        self.world.office.kill_before_action = None;
        self.world.work_ms.clear();
        self.world.gone.clear();
        for position in self.world.all() {
            self.world.node(position.get()).kill = None;
            if self.world.banks[&position].is_up() {
                self.world.disconnect(position);
                self.world.connect(position);
            } else {
                self.world.restart(position);
            }
        }
        self.settle();
        for (_, position, _) in &self.scenario.minds {
            self.world.decide(*position, None);
        }
        if self.scenario.lie.as_ref().is_some_and(Lie::is_of_office) || self.world.office.plan().is_none() {
            return;
        }
        self.world.start_round();
        self.until("end of the last round", |world| world.office.outcome.is_some());
        self.settle();
        let outcome = self.world.office.outcome.clone().unwrap();
        let refused: Vec<Check> = self
            .world
            .banks
            .values()
            .flat_map(|node| &node.notices)
            .filter_map(|notice| match notice {
                Notice::Refused(rejection) => Some(rejection.check),
                _ => None,
            })
            .collect();
        assert!(
            outcome.end.is_ok(),
            "everybody is back and honest, and the task does not go on: {outcome:?}; refused: {refused:?}"
        );
        self.world.assert_same_state();
        self.witness.log_is_unchanged(&self.world);
    }
}
