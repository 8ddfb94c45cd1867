//! A consortium in memory: banks, coordinator, a network that can be bad, and a clock that only events move.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use veilsum_protocol::crypto::entropy::{Entropy, SeededEntropy};
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Millis, Round};
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::coordinator::Event;
use veilsum_protocol::round::participant::{Event as BankEvent, Notice};
use veilsum_protocol::secagg::mask::Masks;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::frame;
use veilsum_protocol::wire::message::{MESSAGE_LIMIT, ToBank, ToCoordinator};
use veilsum_protocol::wire::refusal::RefusalReason;

use crate::stage::consortium::{bank, contribution, task};
use crate::stage::ledger::Blobs;
use crate::stage::node::{Contribute, Effect, Node, Out, Step};
use crate::stage::office::{self, Office, Outcome};

/// What goes wrong on the network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Every message comes a second time, later and out of order.
    pub double: bool,
    /// Each message takes up to this long.
    pub delay_ms: u64,
    /// One message in this many is lost, and the connection with it.
    pub lose_one_in: u64,
    /// Messages of one connection overtake each other; the log alone keeps its order.
    pub reorder: bool,
    /// One message in this many has a changed byte, as only a lying party would send it.
    pub mutate_one_in: u64,
}

/// A bank that lies: it changes what its machine made.
pub type TamperUp = Box<dyn FnMut(BankIndex, &mut ToCoordinator)>;
/// A coordinator that lies to a bank.
pub type TamperDown = Box<dyn FnMut(BankIndex, &mut ToBank)>;

enum Item {
    ToBank(BankIndex, u64, Vec<u8>),
    ToOffice(BankIndex, u64, Vec<u8>),
    Upload(BankIndex, u64, Vec<u8>, Vec<u8>),
    Effect(BankIndex, u64, Effect),
    Died(BankIndex, u64),
    Restart(BankIndex),
    Reconnect(BankIndex, u64),
    Summed(u64, Vec<(BankIndex, Digest)>, Masks),
    OfficeRestart,
    Tick,
}

/// More events than any test needs: something goes round in circles.
const MAX_EVENTS: usize = 200_000;

pub struct World {
    pub now: Millis,
    queue: BTreeMap<(u64, u64), Item>,
    sequence: u64,
    random: SeededEntropy,
    pub faults: Faults,
    pub banks: BTreeMap<BankIndex, Node>,
    pub office: Office,
    pub contribute: Contribute,
    pub tamper_up: Option<TamperUp>,
    pub tamper_down: Option<TamperDown>,
    /// A bit of every upload of this bank is flipped on its way.
    pub flips_upload_of: Option<BankIndex>,
    /// How long a killed bank stays down; `None`: for ever.
    pub down_ms: Option<u64>,
    /// Banks that do not come back when they are killed.
    pub gone: BTreeSet<BankIndex>,
    /// True: the coordinator's messages come before the log entries that were committed before them.
    pub overtakes: bool,
    /// How long work takes at a bank.
    pub work_ms: BTreeMap<BankIndex, u64>,
    connection: BTreeMap<BankIndex, u64>,
    /// No two messages of one stream overtake each other.
    busy_until: BTreeMap<(BankIndex, bool), u64>,
    pub(super) told: BTreeMap<BankIndex, u64>,
    /// Size of the last head of which each bank heard who has seen it.
    pub(super) heard: BTreeMap<BankIndex, u64>,
    log_until: BTreeMap<BankIndex, u64>,
    /// What every bank sent, in its order: the kind and the number of bytes.
    pub sizes: BTreeMap<BankIndex, Vec<(Step, usize)>>,
    /// Every answer of a bank that must never have a second, different form.
    pub answers: BTreeMap<(BankIndex, Round, Step), Vec<u8>>,
    /// Everything that left a bank since this was last emptied.
    pub sent: Vec<(BankIndex, ToCoordinator)>,
    /// Starts of the coordinator.
    pub office_restarts: u64,
}

impl World {
    /// Banks enrolled and connected, one epoch armed, one task offered and approved.
    pub fn new(banks: u16, seed: u64) -> Self {
        Self::with(banks, seed, Faults::default())
    }

    pub fn with(banks: u16, seed: u64, faults: Faults) -> Self {
        Self::unarmed(banks, seed, faults).ready(banks)
    }

    /// The same with another task.
    pub fn of_task(banks: u16, seed: u64, task: Task) -> Self {
        let mut world = Self::unarmed(banks, seed, Faults::default());
        world.office.state = TaskState::initial(&task);
        world.office.task = task;
        world.ready(banks)
    }

    fn ready(mut self, banks: u16) -> Self {
        let world = &mut self;
        world.arm(Epoch(1));
        let task = world.office.task.clone();
        world.office.offer(&task);
        world.office_out(Vec::new());
        let all = usize::from(banks);
        world.run(|world| {
            world
                .office
                .approved
                .get(&world.office.task.hash())
                .is_some_and(|banks| banks.len() == all)
        });
        self
    }

    pub fn unarmed(banks: u16, seed: u64, faults: Faults) -> Self {
        let blobs: Blobs = Rc::new(RefCell::new(BTreeMap::new()));
        let mut world = Self {
            now: Millis(1_700_000_000_000),
            queue: BTreeMap::new(),
            sequence: 0,
            random: SeededEntropy::new(seed),
            faults,
            banks: (1..=banks)
                .map(|i| (bank(i), Node::new(bank(i), banks, blobs.clone())))
                .collect(),
            office: Office::new(banks, task("credit"), blobs),
            contribute: Box::new(contribution),
            tamper_up: None,
            tamper_down: None,
            flips_upload_of: None,
            down_ms: Some(1_000),
            gone: BTreeSet::new(),
            overtakes: seed % 2 == 1,
            work_ms: BTreeMap::new(),
            connection: BTreeMap::new(),
            busy_until: BTreeMap::new(),
            told: BTreeMap::new(),
            heard: BTreeMap::new(),
            log_until: BTreeMap::new(),
            sizes: BTreeMap::new(),
            answers: BTreeMap::new(),
            sent: Vec::new(),
            office_restarts: 0,
        };
        for bank in world.all() {
            world.connect(bank);
        }
        world
    }

    /// Every bank's messages go through this.
    pub fn tamper_up_with(&mut self, tamper: fn(BankIndex, &mut ToCoordinator)) {
        self.tamper_up = Some(Box::new(tamper));
    }

    pub fn start_epoch(&mut self, epoch: Epoch) {
        let out = self.office.start_epoch(epoch);
        self.office_out(out);
    }

    /// Sets up an epoch until every bank and the coordinator are armed.
    pub fn arm(&mut self, epoch: Epoch) {
        self.start_epoch(epoch);
        self.run(|world| world.office.armed.is_some_and(|(armed, _)| armed == epoch));
    }

    pub fn all(&self) -> Vec<BankIndex> {
        self.banks.keys().copied().collect()
    }

    pub fn node(&mut self, position: u16) -> &mut Node {
        self.banks.get_mut(&bank(position)).unwrap()
    }

    /// One round, to its end; and then until nothing is under way.
    pub fn round(&mut self) -> Outcome {
        self.start_round();
        self.run(|world| world.office.outcome.is_some());
        self.settle();
        for node in self.banks.values() {
            assert_eq!(node.follow_errors, [] as [String; 0], "bank {}", node.bank);
        }
        let outcome = self.office.outcome.clone().unwrap();
        if outcome.end.is_ok() {
            assert_eq!(
                outcome.sum,
                self.expected_sum(&outcome),
                "the sum is that of the survivors"
            );
        }
        outcome
    }

    pub fn start_round(&mut self) {
        let out = self.office.start_round(self.now);
        self.office_out(out);
        self.plan_tick();
    }

    /// The survivors' digits, added without any mask.
    pub fn expected_sum(&self, outcome: &Outcome) -> Vec<u32> {
        let mut sum = vec![0; outcome.sum.len()];
        for bank in &outcome.survivors {
            let digits = &self.banks[bank].contributed[&outcome.round];
            assert_eq!(digits.len(), sum.len());
            for (total, digit) in sum.iter_mut().zip(digits) {
                *total += digit;
            }
        }
        sum
    }

    /// All banks that are up stand at the coordinator's state.
    pub fn assert_same_state(&self) {
        let expected = self.office.state.clone();
        let hash = veilsum_protocol::wire::canonical::Canonical::hash(&expected);
        for (bank, node) in self.banks.iter().filter(|(_, node)| node.is_up()) {
            assert_eq!(node.state(&expected.task), hash, "bank {bank}");
        }
    }

    /// Nobody refused anything and nobody was refused.
    pub fn assert_no_complaints(&self) {
        assert_eq!(self.office.rejections, []);
        assert_eq!(self.office.objections, []);
        for node in self.banks.values() {
            let bad = |notice: &&Notice| matches!(notice, Notice::Refused(_) | Notice::Rejected(_));
            assert_eq!(node.notices.iter().find(bad), None, "bank {}", node.bank);
        }
    }

    /// Takes events until `done`.
    pub fn run(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..MAX_EVENTS {
            if done(self) {
                return;
            }
            assert!(self.step(), "nothing is under way and the end was not reached");
        }
        panic!("no end after {MAX_EVENTS} events");
    }

    /// Takes events until there are none.
    pub fn settle(&mut self) {
        for _ in 0..MAX_EVENTS {
            if !self.step() {
                return;
            }
        }
        panic!("no rest after {MAX_EVENTS} events");
    }

    /// Takes one event; false if there is none.
    pub fn step(&mut self) -> bool {
        let Some(((at, _), item)) = self.queue.pop_first() else {
            return false;
        };
        self.now = Millis(at);
        match item {
            Item::ToBank(bank, connection, bytes) if self.is_current(bank, connection) => {
                if let Ok(mut message) = frame::decode::<ToBank>(&self.mutated(bytes), MESSAGE_LIMIT) {
                    if let Some(tamper) = &mut self.tamper_down {
                        tamper(bank, &mut message);
                    }
                    let out = self.banks.get_mut(&bank).unwrap().receive(message);
                    self.node_out(bank, out);
                }
            }
            Item::ToOffice(bank, connection, bytes) if self.is_current(bank, connection) => {
                if let Ok(mut message) = frame::decode(&self.mutated(bytes), MESSAGE_LIMIT) {
                    if let Some(tamper) = &mut self.tamper_up {
                        tamper(bank, &mut message);
                    }
                    let out = self.office.receive(self.now, bank, message);
                    self.office_out(out);
                }
            }
            Item::Upload(bank, connection, trailer, mut vector) if self.is_current(bank, connection) => {
                if self.flips_upload_of == Some(bank) {
                    vector[3] ^= 1;
                }
                let out = self.office.upload(self.now, bank, &trailer, vector);
                self.office_out(out);
            }
            Item::Effect(bank, life, effect) if self.banks[&bank].life == life => {
                let node = self.banks.get_mut(&bank).unwrap();
                let out = node.work(effect, &self.contribute);
                self.node_out(bank, out);
            }
            Item::Died(bank, connection) => {
                if self.is_current(bank, connection) {
                    self.disconnect(bank);
                }
                if let Some(down) = self.down_ms.filter(|_| !self.gone.contains(&bank)) {
                    self.push(down, Item::Restart(bank));
                }
            }
            Item::Restart(bank) if !self.banks[&bank].is_up() => self.restart(bank),
            Item::Reconnect(bank, connection) if self.is_current(bank, connection) => self.connect(bank),
            Item::Summed(life, survivors, masks) if self.office.life == life => {
                let out = self.office.sum(self.now, &survivors, &masks);
                self.office_out(out);
            }
            Item::OfficeRestart => {
                self.office_restarts += 1;
                self.office.restart(self.now);
                for bank in self.all() {
                    self.connect(bank);
                }
            }
            Item::Tick => {
                let out = self.office.handle(self.now, None, Event::Tick);
                self.office_out(out);
            }
            _ => {}
        }
        let ahead = self.office.ask_ahead();
        if !ahead.is_empty() {
            self.office_out(ahead);
        }
        self.plan_tick();
        true
    }

    fn mutated(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.faults.mutate_one_in > 0 && self.random(self.faults.mutate_one_in) == 0 {
            let at = self.random(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << self.random(8);
        }
        bytes
    }

    fn is_current(&self, bank: BankIndex, connection: u64) -> bool {
        self.connection.get(&bank) == Some(&connection)
    }

    fn random(&mut self, below: u64) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        u64::from_be_bytes(bytes) % below.max(1)
    }

    fn push(&mut self, after_ms: u64, item: Item) {
        self.sequence += 1;
        self.queue.insert((self.now.0 + after_ms, self.sequence), item);
    }

    fn plan_tick(&mut self) {
        if self.office.outcome.is_some() {
            return;
        }
        let wanted = self
            .office
            .machine
            .as_ref()
            .and_then(|machine| machine.next_deadline());
        if let Some(at) = wanted {
            let after = at.0.saturating_sub(self.now.0).max(1);
            let is_planned = self
                .queue
                .iter()
                .any(|((planned, _), item)| matches!(item, Item::Tick) && *planned <= self.now.0 + after);
            if !is_planned {
                self.push(after, Item::Tick);
            }
        }
    }

    /// A new connection: hello, then what the bank may still have to say.
    pub fn connect(&mut self, bank: BankIndex) {
        if !self.banks[&bank].is_up() {
            return;
        }
        *self.connection.entry(bank).or_default() += 1;
        self.told.insert(bank, u64::MAX);
        self.heard.remove(&bank);
        let node = self.banks.get_mut(&bank).unwrap();
        let hello = node.hello();
        let out = node.handle(BankEvent::Connected);
        self.carry_up(bank, hello);
        self.node_out(bank, out);
    }

    /// The connection breaks; whatever is on its way is lost.
    pub fn disconnect(&mut self, bank: BankIndex) {
        *self.connection.entry(bank).or_default() += 1;
        if self.office.connected.remove(&bank) {
            let out = self
                .office
                .handle(self.now, Some(bank), Event::Disconnected(bank));
            self.office_out(out);
        }
    }

    pub fn kill(&mut self, position: u16) {
        self.node(position).die();
        self.died(bank(position));
    }

    /// The coordinator hears of it when everything that the bank had sent is there.
    fn died(&mut self, bank: BankIndex) {
        let last = self.busy_until.get(&(bank, true)).copied().unwrap_or_default();
        let after = last.saturating_sub(self.now.0) + 1;
        self.push(after, Item::Died(bank, self.connection[&bank]));
    }

    pub fn restart(&mut self, bank: BankIndex) {
        let out = self.banks.get_mut(&bank).unwrap().start();
        self.node_out(bank, out);
        self.connect(bank);
    }

    /// A bank's word on the task of the world.
    pub fn decide(&mut self, position: u16, refuses: Option<RefusalReason>) {
        let task = self.office.task.hash();
        let out = self.node(position).decide(task, refuses);
        self.node_out(bank(position), out);
        self.settle();
    }

    /// Something else than a message reaches a bank.
    pub fn tell(&mut self, position: u16, event: BankEvent) {
        let out = self.node(position).handle(event);
        self.node_out(bank(position), out);
    }

    fn node_out(&mut self, bank: BankIndex, out: Vec<Out>) {
        let life = self.banks[&bank].life;
        for one in out {
            match one {
                Out::Message(step, bytes) => {
                    self.sizes.entry(bank).or_default().push((step, bytes.len()));
                    self.remember(bank, step, &bytes);
                    self.carry_up(bank, bytes);
                }
                Out::Upload {
                    round,
                    trailer,
                    vector,
                } => {
                    let bytes = trailer.len() + vector.len();
                    self.sizes.entry(bank).or_default().push((Step::Upload, bytes));
                    self.remember_answer(bank, round, Step::Upload, &trailer);
                    let connection = self.connection[&bank];
                    for (after, connection) in self.transit(bank, true, connection) {
                        self.push(
                            after,
                            Item::Upload(bank, connection, trailer.clone(), vector.clone()),
                        );
                    }
                }
                // Work that its process had begun.
                Out::Later(_) if self.banks[&bank].fell => {}
                Out::Later(effect) => {
                    let work = self.work_ms.get(&bank).copied().unwrap_or(1);
                    self.push(work, Item::Effect(bank, life, effect));
                }
            }
        }
        // It may have died over one of these.
        if std::mem::take(&mut self.banks.get_mut(&bank).unwrap().fell) {
            self.died(bank);
        }
    }

    fn carry_up(&mut self, bank: BankIndex, bytes: Vec<u8>) {
        let Some(connection) = self.connection.get(&bank).copied() else {
            return;
        };
        for (after, connection) in self.transit(bank, true, connection) {
            self.push(after, Item::ToOffice(bank, connection, bytes.clone()));
        }
    }

    pub fn office_out(&mut self, out: Vec<office::Out>) {
        for one in out {
            match one {
                office::Out::Send(bank, message) => {
                    if let ToBank::Log(extension) = &message {
                        self.told
                            .insert(bank, extension.from + extension.leaves.len() as u64);
                    } else if !self.overtakes {
                        self.push_log(bank);
                    }
                    self.carry_down(bank, &message);
                }
                office::Out::Sum(survivors, masks) => {
                    let life = self.office.life;
                    self.push(1, Item::Summed(life, survivors, masks));
                }
                office::Out::Died => {
                    for bank in self.all() {
                        *self.connection.entry(bank).or_default() += 1;
                    }
                    self.push(500, Item::OfficeRestart);
                    return;
                }
            }
        }
        for bank in self.office.connected.clone() {
            self.push_log(bank);
        }
    }

    pub(super) fn carry_down(&mut self, bank: BankIndex, message: &ToBank) {
        let Some(connection) = self.connection.get(&bank).copied() else {
            return;
        };
        let bytes = frame::encode(message, MESSAGE_LIMIT).unwrap();
        let mut times = self.transit(bank, false, connection);
        if let ToBank::Log(_) | ToBank::Witnessed { .. } = message {
            // An older head of the log after a newer one would be a rollback: delayed or doubled, it still comes in order. So does who
            // has seen it.
            let free = self.log_until.entry(bank).or_default();
            for (after, _) in &mut times {
                *free = (self.now.0 + *after).max(*free);
                *after = *free - self.now.0;
            }
            if let [first, second] = times.as_mut_slice() {
                *second = *first;
            }
        }
        for (after, connection) in times {
            self.push(after, Item::ToBank(bank, connection, bytes.clone()));
        }
    }

    /// When a message arrives: once, twice, or never and the connection is gone.
    fn transit(&mut self, bank: BankIndex, up: bool, connection: u64) -> Vec<(u64, u64)> {
        if self.faults.lose_one_in > 0 && self.random(self.faults.lose_one_in) == 0 {
            self.disconnect(bank);
            let again = self.connection[&bank];
            let after = 50 + self.random(200);
            self.push(after, Item::Reconnect(bank, again));
            return Vec::new();
        }
        let at = self.now.0 + 1 + self.random(self.faults.delay_ms + 1);
        let free = self.busy_until.entry((bank, up)).or_default();
        let at = if self.faults.reorder { at } else { at.max(*free) };
        *free = at.max(*free);
        let after = at - self.now.0;
        let mut times = vec![(after, connection)];
        if self.faults.double {
            times.push((after + 1 + self.random(2_000), connection));
        }
        times
    }
}
