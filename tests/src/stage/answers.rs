//! What banks answered, which must never have a second, different form.

use veilsum_protocol::ids::{BankIndex, Round};
use veilsum_protocol::wire::frame;
use veilsum_protocol::wire::message::{MESSAGE_LIMIT, ToCoordinator};

use crate::stage::consortium::bank;
use crate::stage::node::Step;
use crate::stage::world::World;

impl World {
    pub(super) fn remember(&mut self, bank: BankIndex, step: Step, bytes: &[u8]) {
        let message: ToCoordinator = frame::decode(bytes, MESSAGE_LIMIT).unwrap();
        self.sent.push((bank, message.clone()));
        let round = match message {
            ToCoordinator::Bundle(bundle) => {
                let header = *bundle.header.claim();
                let first = self.answer(bank.get(), header.round, step);
                if let Some(ToCoordinator::Bundle(first)) = first
                    && first.header.claim().epoch < header.epoch
                {
                    // Prepared ahead under keys that are over.
                    self.answers.remove(&(bank, header.round, step));
                }
                header.round
            }
            ToCoordinator::Ready { statement, .. } => statement.claim().round,
            ToCoordinator::Confirm { round, .. } | ToCoordinator::Release { round, .. } => round,
            ToCoordinator::Derived(derived) => derived.claim().round,
            _ => return,
        };
        self.remember_answer(bank, round, step, bytes);
    }

    /// True if the bank ever gave that answer.
    pub fn answered(&self, position: u16, round: Round, step: Step) -> bool {
        self.answers.contains_key(&(bank(position), round, step))
    }

    /// True if the bank ever said that it derived a state.
    pub fn answered_derived(&self, bank: BankIndex) -> bool {
        self.answers
            .keys()
            .any(|(from, _, step)| *from == bank && *step == Step::Derived)
    }

    /// That answer, as it travelled.
    pub fn answer(&self, position: u16, round: Round, step: Step) -> Option<ToCoordinator> {
        let bytes = self.answers.get(&(bank(position), round, step))?;
        Some(frame::decode(bytes, MESSAGE_LIMIT).unwrap())
    }

    pub(super) fn remember_answer(&mut self, bank: BankIndex, round: Round, step: Step, bytes: &[u8]) {
        let first = self
            .answers
            .entry((bank, round, step))
            .or_insert_with(|| bytes.to_vec());
        assert_eq!(
            first, bytes,
            "bank {bank} answered {step:?} of round {round} twice, differently"
        );
    }
}
