//! What a caller wants to know of a score, and what a model says of it.

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::model::RowProblem;

/// Coalitions where a request names none.
const COALITIONS: usize = 2_048;
/// Fewer say nothing.
const LEAST_COALITIONS: usize = 16;
/// Most reasons: who gets more reads none.
const MOST_REASONS: usize = 20;
/// Most features that a counterfactual changes at once.
const MOST_CHANGES: usize = 8;

/// How a score is shared out among the features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
// Not as serde reads a name by itself, which takes {"kernel": null} as well.
#[serde(rename_all = "kebab-case", try_from = "String")]
pub enum Method {
    /// Shapley values by kernel SHAP.
    #[default]
    Kernel,
    /// Shapley values by sampled orders, for many features.
    Permutation,
    /// Integrated gradients, for networks.
    Gradients,
    /// A local linear model; its weights do not sum to the score.
    Lime,
}

impl Method {
    /// All, by their names.
    pub const NAMES: [&'static str; 4] = ["kernel", "permutation", "gradients", "lime"];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Permutation => "permutation",
            Self::Gradients => "gradients",
            Self::Lime => "lime",
        }
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "kernel" => Self::Kernel,
            "permutation" => Self::Permutation,
            "gradients" => Self::Gradients,
            "lime" => Self::Lime,
            _ => {
                return Err(format!(
                    "found the method {name:?}, expected one of {}",
                    Self::NAMES.join(", ")
                ));
            }
        })
    }
}

impl TryFrom<String> for Method {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl fmt::Display for Method {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name())
    }
}

/// Which way of the score is against the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", try_from = "String")]
pub enum AdverseScore {
    /// A higher one, as of a probability of default.
    #[default]
    Higher,
    /// A lower one.
    Lower,
}

impl TryFrom<String> for AdverseScore {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.as_str() {
            "higher" => Ok(Self::Higher),
            "lower" => Ok(Self::Lower),
            _ => Err(format!(
                "found adverse {name:?}, expected \"higher\" or \"lower\""
            )),
        }
    }
}

/// What is wanted of an explanation. What is left out has its default.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExplainWishes {
    /// How the score is shared out. Default kernel SHAP.
    pub method: Method,
    /// The class whose probability is explained, for a model of classes.
    pub output: Option<String>,
    /// Sets of features that the model is asked about, or neighbours of LIME, or steps for each way of gradients times the rows compared with. At
    /// least 16, default 2,048.
    pub coalitions: usize,
    /// Which way of the score is against the person. Default higher.
    pub adverse: AdverseScore,
    /// Features that are never given as a reason and never asked to change.
    pub protected: Vec<String>,
    /// Most reasons: 0 to 20, default 4.
    pub reasons: usize,
    /// The score where the decision turns. With it, what would have to change for the other decision is searched. Default none.
    pub threshold: Option<f64>,
    /// Features that cannot change, such as an account's age.
    pub fixed: Vec<String>,
    /// Most features that are changed at once: 1 to 8, default 3.
    pub changes: usize,
}

impl Default for ExplainWishes {
    fn default() -> Self {
        Self {
            method: Method::default(),
            output: None,
            coalitions: COALITIONS,
            adverse: AdverseScore::default(),
            protected: Vec::new(),
            reasons: 4,
            threshold: None,
            fixed: Vec::new(),
            changes: 3,
        }
    }
}

impl ExplainWishes {
    /// What is out of its range, if anything is. `most`: coalitions that are allowed.
    pub fn problem(&self, most: usize) -> Option<String> {
        let out = |key: &str, found: &dyn fmt::Display, least: usize, most: usize| {
            Some(format!(
                "explain.{key}: found {found}, expected {least} to {most}"
            ))
        };
        if !(LEAST_COALITIONS..=most).contains(&self.coalitions) {
            return out("coalitions", &self.coalitions, LEAST_COALITIONS, most);
        }
        if self.reasons > MOST_REASONS {
            return out("reasons", &self.reasons, 0, MOST_REASONS);
        }
        if !(1..=MOST_CHANGES).contains(&self.changes) {
            return out("changes", &self.changes, 1, MOST_CHANGES);
        }
        match self.threshold {
            Some(threshold) if !threshold.is_finite() => Some(format!(
                "explain.threshold: found {threshold}, expected a finite number"
            )),
            _ => None,
        }
    }
}

/// Why a row's score is what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The score.
    pub score: f64,
    /// The mean score of the rows compared with; of LIME, the local model's score where no feature is as in the row.
    pub base: f64,
    /// How the amounts were found.
    pub method: Method,
    /// Whether the amounts are the Shapley values themselves: every coalition was asked about.
    pub exact: bool,
    /// What `base` and the amounts leave of the score: 0 but for rounding, of gradients the error of integration, of LIME what is not linear.
    pub residual: f64,
    /// What each feature did, the largest first.
    pub features: Vec<Amount>,
    /// What went against the person, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// What else must be known of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// What would have to change for the other decision, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterfactual: Option<Otherwise>,
}

/// What a feature did to a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Amount {
    /// Its name: a column, or a word.
    pub name: String,
    /// Its value as it was given; none where it has several, as the steps of a sequence.
    pub value: Option<String>,
    /// What it added, in the unit of the score.
    pub amount: f64,
}

/// What would have to change for a score on the other side of a threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Otherwise {
    /// The threshold.
    pub threshold: f64,
    /// How the search ended.
    pub outcome: Search,
    /// The changes; none where nothing was found or nothing has to change.
    pub changes: Vec<Changed>,
    /// The score after them, or the nearest that was reached.
    pub score: f64,
    /// Whether every allowed change was tried: what was found is the smallest then, and what was not is not there.
    pub complete: bool,
}

/// How a search for another decision ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Search {
    /// The score is on the better side already.
    AlreadyMet,
    /// With changes that do it.
    Found,
    /// No allowed change does.
    NotFound,
}

/// A feature that has to be another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Its name.
    pub name: String,
    /// What it is.
    pub from: String,
    /// What it has to be.
    pub to: String,
}

/// What a model is told of an explanation that it is asked for.
pub struct Question<'a> {
    /// What is wanted.
    pub wishes: &'a ExplainWishes,
    /// When nobody waits for it any more.
    pub until: Instant,
}

/// Why there is no explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotExplained {
    /// A row cannot be scored.
    Row(RowProblem),
    /// The wishes do not fit the model, or the model has no explanations.
    Wish(String),
    /// What is needed for it is not there.
    Unable(String),
    /// The time is over.
    Late,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn wishes_have_defaults_and_ranges_and_no_other_key() {
        let wishes: ExplainWishes = serde_json::from_str("{}").unwrap();
        assert_eq!(wishes, ExplainWishes::default());
        assert_eq!(wishes.problem(16_384), None);
        for (text, part) in [
            (
                r#"{"coalitions": 3}"#,
                "coalitions: found 3, expected 16 to 16384",
            ),
            (r#"{"coalitions": 16385}"#, "coalitions: found 16385"),
            (r#"{"reasons": 21}"#, "reasons: found 21, expected 0 to 20"),
            (r#"{"changes": 0}"#, "changes: found 0, expected 1 to 8"),
        ] {
            let wishes: ExplainWishes = serde_json::from_str(text).unwrap();
            let problem = wishes.problem(16_384).unwrap();
            assert!(problem.contains(part), "{problem}");
        }
        for wrong in [
            r#"{"protcted": ["age"]}"#,
            r#"{"method": "guess"}"#,
            r#"{"adverse": 1}"#,
            r#"{"method": {"kernel": null}}"#,
            r#"{"adverse": {"higher": null}}"#,
        ] {
            assert!(serde_json::from_str::<ExplainWishes>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn methods_are_found_by_their_names() {
        for name in Method::NAMES {
            assert_eq!(name.parse::<Method>().unwrap().name(), name);
        }
        assert!(
            "shap"
                .parse::<Method>()
                .unwrap_err()
                .contains("kernel, permutation")
        );
    }
}
