//! The examples with made-up data, one command each.

use std::path::Path;

use crate::files::{BankAbout, Files, WriteError};
use crate::{documents, fraud, loans, market, messages};

/// What five banks may learn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Example {
    /// Who defaults on a loan.
    Credit,
    /// The same, as a scorecard: a logistic regression over weights of evidence.
    Scorecard,
    /// Which card transactions are somebody else's.
    Fraud,
    /// How much prices will move.
    Market,
    /// Whether prices will rise.
    MarketDirection,
    /// What customers' messages want.
    Messages,
    /// What kind of document a picture shows.
    Documents,
}

/// Something that the models are compared with beside those of the banks.
#[derive(Clone, Debug)]
pub enum Rival {
    /// Another task, trained on all banks' rows on one machine.
    Task {
        /// Name of the model in tables.
        name: &'static str,
        /// The task, TOML.
        task: &'static str,
        /// Where its text stands.
        origin: &'static str,
    },
    /// A rule without a model: what it says for each row of the test fold, in the label's own units.
    Rule {
        /// Name of the rule in tables.
        name: &'static str,
        /// One number for each row, in the order of the test fold.
        predictions: Vec<f64>,
    },
}

impl Example {
    /// All of them, in the order of their commands.
    pub const ALL: [Self; 7] = [
        Self::Credit,
        Self::Scorecard,
        Self::Fraud,
        Self::Market,
        Self::MarketDirection,
        Self::Messages,
        Self::Documents,
    ];

    /// Its name in commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Scorecard => "scorecard",
            Self::Fraud => "fraud",
            Self::Market => "market",
            Self::MarketDirection => "market-direction",
            Self::Messages => "messages",
            Self::Documents => "documents",
        }
    }

    /// The task's text, and where it stands.
    pub fn task(self) -> (&'static str, &'static Path) {
        let (text, origin) = match self {
            Self::Credit => (loans::TASK, "tasks/loans.toml"),
            Self::Scorecard => (loans::SCORECARD, "tasks/scorecard.toml"),
            Self::Fraud => (fraud::TASK, "tasks/fraud.toml"),
            Self::Market => (market::TASK, "tasks/market.toml"),
            Self::MarketDirection => (market::TASK_DIRECTION, "tasks/market-direction.toml"),
            Self::Messages => (messages::TASK, "tasks/messages.toml"),
            Self::Documents => (documents::TASK, "tasks/documents.toml"),
        };
        (text, Path::new(origin))
    }

    /// What the banks have, in a sentence.
    pub fn story(self) -> &'static str {
        match self {
            Self::Credit => {
                "Five banks have loan applications; who defaults follows thresholds and interactions (made up)."
            }
            Self::Scorecard => {
                "Five banks have loan applications and count them together before they fit one scorecard (made up)."
            }
            Self::Fraud => {
                "Five banks have card transactions, one in fifty a fraud that only what went before on the card gives away (made up)."
            }
            Self::Market => {
                "Five banks hold instruments of different kinds; how much will each move in the next five days (made up)?"
            }
            Self::MarketDirection => {
                "Five banks hold instruments of different kinds; will each rise tomorrow (made up)?"
            }
            Self::Messages => {
                "Five banks have messages of their customers, in English and Chinese, with ten intents (made up)."
            }
            Self::Documents => {
                "Five banks have small pictures of documents of eight kinds, each from its own scanner (made up)."
            }
        }
    }

    /// The banks, in the order of their files.
    pub fn banks(self) -> Vec<BankAbout> {
        let of = |(name, about)| BankAbout { name, about };
        match self {
            Self::Credit | Self::Scorecard => loans::BANKS.map(|bank| of((bank.name, bank.about))).to_vec(),
            Self::Fraud => fraud::BANKS.map(|bank| of((bank.name, bank.about))).to_vec(),
            Self::Market | Self::MarketDirection => {
                market::BANKS.map(|bank| of((bank.name, bank.about))).to_vec()
            }
            Self::Messages => messages::BANKS.map(|bank| of((bank.name, bank.about))).to_vec(),
            Self::Documents => documents::BANKS.map(|bank| of((bank.name, bank.about))).to_vec(),
        }
    }

    /// Writes the banks' tables and the test fold.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(self, folder: &Path, seed: u64) -> Result<Files, WriteError> {
        match self {
            Self::Credit | Self::Scorecard => loans::write(folder, seed),
            Self::Fraud => fraud::write(folder, seed),
            Self::Market | Self::MarketDirection => market::write(folder, seed),
            Self::Messages => messages::write(folder, seed),
            Self::Documents => documents::write(folder, seed),
        }
    }

    /// What else the models are compared with.
    pub fn rivals(self, seed: u64) -> Vec<Rival> {
        match self {
            Self::Fraud => vec![Rival::Task {
                name: "pooled, without history",
                task: fraud::TASK_WITHOUT_HISTORY,
                origin: "tasks/fraud-single.toml",
            }],
            Self::Market => {
                let test = market::test_fold(seed);
                let rule = |name, days| Rival::Rule {
                    name,
                    predictions: market::persistence(&test, days),
                };
                vec![
                    rule("as the last 5 days", market::AHEAD),
                    rule("as the last 20 days", market::BACK),
                ]
            }
            Self::Scorecard => vec![Rival::Task {
                name: "pooled, columns as they are",
                task: loans::LOGISTIC,
                origin: "tasks/loans-logistic.toml",
            }],
            Self::Credit | Self::MarketDirection | Self::Messages | Self::Documents => Vec::new(),
        }
    }

    /// Whether there is anything to learn.
    pub fn learnable(self) -> bool {
        self != Self::MarketDirection
    }

    /// What a reader of the figures has to know, a paragraph each.
    pub fn notes(self) -> &'static [&'static str] {
        match self {
            Self::Credit => &[
                "The applications are made up, and so is who defaults: the true risk has thresholds, U-shapes and interactions. The banks serve different people in different regions. Nothing here says how well a model does on real loans.",
            ],
            Self::Scorecard => &[
                "The applications are made up, and so is who defaults: the true risk has thresholds and U-shapes, which bins can follow and a logistic regression over the columns as they are cannot, and interactions of columns, which neither can. What a scorecard gives up against a network it gives back in being read, column by column and bin by bin.",
                "Weights of evidence and information values are the consortium's: a small bank gets bins from all banks' rows that its own would never fill.",
            ],
            Self::Fraud => &[
                "The transactions are made up. The test fold are cards that no bank has, with all their transactions. Each amount, country and hour of a fraud occurs in honest use too; what gives it away is what the card did before. The model without history sees the same columns of one transaction by itself, and all banks' rows pooled: what it lacks against the others is what history is worth here.",
                "One transaction in fifty is a fraud, so a small log loss says little; AUC and KS are the figures to look at.",
            ],
            Self::Market => &[
                "The prices are made up by a GARCH process with leverage and stressed times. The test fold are the days after all those that the banks have, of all their instruments; nothing was shuffled. Errors are on the label's logarithmic scale from 0 to 1.",
                "The rules to beat have no model: the next five days will be as volatile as the last 5, or the last 20. Part of the error is noise within the days, which nobody can foresee.",
            ],
            Self::MarketDirection => &[
                "The sign of tomorrow's return is drawn without memory here, so the best AUC there is lies at 0.5, and every figure above or below it is luck of the test fold. A model that finds more than that in such data has seen what it should not.",
            ],
            Self::Messages => &[
                "The messages are made up from phrases with synonyms, slips of the fingers and words that serve many intents; two in a hundred are filed under another intent than the customer's, so no model can be right on all. The test fold has every intent alike, where a bank mostly sees its own.",
            ],
            Self::Documents => &[
                "The pictures are drawn by code, 28 by 28 grey pixels. Each bank has a scanner of its own and sees some kinds much more often; the test fold has every kind and every scanner alike.",
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_example_has_five_banks() {
        let names: std::collections::BTreeSet<&str> = Example::ALL.into_iter().map(Example::name).collect();
        assert_eq!(names.len(), Example::ALL.len());
        for example in Example::ALL {
            let banks = example.banks();
            let names: Vec<&str> = banks.iter().map(|bank| bank.name).collect();
            assert_eq!(names, ["bank-a", "bank-b", "bank-c", "bank-d", "bank-e"]);
            assert!(!example.notes().is_empty());
        }
    }
}
