//! The bank's policy as the daemon follows it: read when its text is another, and each task judged once under each.

use std::collections::BTreeMap;

use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::task::Task;

use super::hours::Hours;
use super::verdict::Verdict;
use crate::desensitise::{Policy, PolicySource};

/// Looks at the policy's file.
pub struct PolicyWatch {
    source: PolicySource,
    /// The text that was read last, or why it could not be.
    text: Option<Result<Option<String>, String>>,
    policy: Result<Policy, String>,
    thresholds: Option<Thresholds>,
    verdicts: BTreeMap<Digest, Verdict>,
}

impl PolicyWatch {
    /// Nothing is read yet.
    pub fn new(source: PolicySource) -> Self {
        Self {
            source,
            text: None,
            policy: Ok(Policy::none()),
            thresholds: None,
            verdicts: BTreeMap::new(),
        }
    }

    /// Looks at the file, for tasks of a consortium with these numbers.
    pub fn look(&mut self, thresholds: Thresholds) {
        let text = self.source.text().map_err(|error| error.to_string());
        if self.text.as_ref() == Some(&text) && self.thresholds == Some(thresholds) {
            return;
        }
        self.policy = match &text {
            Ok(None) => Ok(Policy::none()),
            Ok(Some(text)) => Policy::parse(&self.source.policy, text).map_err(|error| error.to_string()),
            Err(problem) => Err(problem.clone()),
        };
        self.text = Some(text);
        self.thresholds = Some(thresholds);
        self.verdicts.clear();
    }

    /// What is wrong with the policy.
    pub fn problem(&self) -> Option<&str> {
        self.policy.as_ref().err().map(String::as_str)
    }

    /// When the bank takes part, as far as the policy can be read.
    pub fn hours(&self) -> Option<&Hours> {
        self.policy.as_ref().ok().map(|policy| &policy.limits.hours)
    }

    /// What the policy says of a task, as it was at the last look.
    pub fn verdict(&mut self, task: &Task, plan: &Plan) -> &Verdict {
        let (policy, thresholds) = (&self.policy, self.thresholds);
        self.verdicts
            .entry(plan.task())
            .or_insert_with(|| match (policy, thresholds) {
                (Ok(policy), Some(thresholds)) => Verdict::of(policy, task, plan, thresholds),
                (Err(problem), _) => Verdict::unknown(problem),
                (Ok(_), None) => Verdict::unknown("the policy was not looked at yet"),
            })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TASK: &str = r#"
        name = "credit"
        rounds = 2
        seed = 3
        [schema]
        version = 1
        label = "y"
        column = [{ name = "a", type = "number", min = 0, max = 10 }]
        [model]
        family = "logistic"
        [training]
        optimiser = "sgd"
        learning_rate = 0.5
        batch_size = 8
        local_epochs = 2
    "#;

    #[test]
    fn a_changed_policy_counts_at_the_next_look_and_a_broken_one_allows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        let mut watch = PolicyWatch::new(PolicySource {
            policy: path.clone(),
            is_named: false,
            key: folder.path().join("key"),
        });
        let (task, thresholds) = (
            Task::parse(TASK).unwrap(),
            Thresholds::with_most_colluders(3).unwrap(),
        );
        let plan = Plan::new(&task);
        assert!(!watch.verdict(&task, &plan).allows(), "not looked yet");
        let allows = |watch: &mut PolicyWatch, thresholds| {
            watch.look(thresholds);
            watch.verdict(&task, &plan).allows()
        };
        assert!(allows(&mut watch, thresholds), "no file");
        std::fs::write(&path, "[limits]\nmax_rounds = 1").unwrap();
        assert!(!allows(&mut watch, thresholds));
        std::fs::write(&path, "[limits]\nmax_rounds = 2").unwrap();
        assert!(allows(&mut watch, thresholds) && watch.problem().is_none());
        std::fs::write(&path, "[limits]\nmax_round = 2").unwrap();
        assert!(!allows(&mut watch, thresholds));
        assert!(watch.problem().unwrap().contains("max_round"));
        // Another roster is another judgement.
        std::fs::write(&path, "[limits]\nmin_banks = 4").unwrap();
        assert!(!allows(&mut watch, thresholds));
        assert!(allows(&mut watch, Thresholds::with_most_colluders(5).unwrap()));
    }
}
