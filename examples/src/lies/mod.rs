//! A lying coordinator: what it tries, what banks say to it, and what it would have got from banks that do not look.
//!
//! Each story plays real machines of both sides on the stage of the protocol's tests, with five banks and made-up contributions. A story
//! that does not go as it is told says so, and the program ends with 1.

mod crafted_model;
mod left_out;
mod two_lists;
mod two_models;

use std::fmt::Write as _;

use veilsum_protocol::ids::{BankIndex, Round};
use veilsum_protocol::round::checks::Check;
use veilsum_tests::stage::node::Step;
use veilsum_tests::stage::world::World;

/// Banks of every story. Four of them are the least that may be summed; one may be in league with the coordinator.
const BANKS: u16 = 5;

/// What is told, in its order.
pub enum Line {
    /// What the coordinator does, and why.
    Tries(String),
    /// What came of it, and whether that is what was promised.
    Found(bool, String),
}

/// What was tried and what came of it.
pub struct Story {
    /// In one line.
    pub title: &'static str,
    /// The rest.
    pub lines: Vec<Line>,
}

impl Story {
    fn new(title: &'static str) -> Self {
        Self {
            title,
            lines: Vec::new(),
        }
    }

    fn tries(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Tries(text.into()));
    }

    fn found(&mut self, holds: bool, text: impl Into<String>) {
        self.lines.push(Line::Found(holds, text.into()));
    }

    /// What each bank answered to the lie.
    fn refusals(&mut self, world: &World, banks: &[u16], expected: Check) {
        for position in banks {
            let refused = world.refused(*position);
            let said = refused
                .last()
                .map_or_else(|| "nothing".to_owned(), ToString::to_string);
            self.found(
                refused.last() == Some(&expected),
                format!("bank {position} refuses: {said}"),
            );
        }
    }

    /// Nobody gave the answer that the lie was after.
    fn nobody(&mut self, world: &World, round: Round, step: Step, what: &str) {
        let gave: Vec<BankIndex> = world
            .all()
            .into_iter()
            .filter(|bank| world.answered(bank.get(), round, step))
            .collect();
        self.found(gave.is_empty(), format!("banks that {what}: {}", list(&gave)));
    }

    /// True if everything went as promised.
    pub fn holds(&self) -> bool {
        !self
            .lines
            .iter()
            .any(|line| matches!(line, Line::Found(false, _)))
    }
}

fn list(banks: &[BankIndex]) -> String {
    let mut text = String::new();
    for bank in banks {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}{bank}");
    }
    if text.is_empty() { "none".to_owned() } else { text }
}

/// The stories, in the order of the attacks in `docs/protocol.md`.
pub fn stories() -> Vec<Story> {
    vec![
        two_lists::play(),
        two_models::play(),
        crafted_model::play(),
        left_out::play(),
    ]
}
