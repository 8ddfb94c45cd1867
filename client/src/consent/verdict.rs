//! What the bank's policy says of a task.

use std::collections::BTreeSet;

use serde::Serialize;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::refusal::RefusalReason;

use super::hours::Hours;
use super::limits::Limits;
use crate::desensitise::Policy;

/// A limit that a task is beyond. For the bank's own operator alone: it quotes the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Breach {
    /// The key in `[limits]`.
    pub limit: &'static str,
    /// What others are told in its place.
    pub reason: RefusalReason,
    /// What the task has.
    pub found: String,
    /// What the policy allows.
    pub expected: String,
}

impl Breach {
    /// In one line.
    pub fn words(&self) -> String {
        format!("{}: found {}, expected {}", self.limit, self.found, self.expected)
    }
}

/// What the policy says of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The limits that the task is beyond; none if the policy allows it.
    pub breaches: Vec<Breach>,
    /// When the bank takes part in rounds; empty for any time.
    pub hours: Hours,
    /// Why the policy cannot be read; nothing is approved until it can.
    pub problem: Option<String>,
}

impl Verdict {
    /// What `policy` says of `task` in a consortium with these numbers.
    pub fn of(policy: &Policy, task: &Task, plan: &Plan, thresholds: Thresholds) -> Self {
        Self {
            breaches: breaches(&policy.limits, task, plan, thresholds),
            hours: policy.limits.hours.clone(),
            problem: None,
        }
    }

    /// The policy cannot be read.
    pub fn unknown(problem: impl ToString) -> Self {
        Self {
            problem: Some(problem.to_string()),
            ..Self::default()
        }
    }

    /// True if the bank may take part.
    pub fn allows(&self) -> bool {
        self.breaches.is_empty() && self.problem.is_none()
    }

    /// What others are told; `None` where the policy refuses nothing.
    pub fn reason(&self) -> Option<RefusalReason> {
        self.breaches.first().map(|breach| breach.reason)
    }

    /// Lines for the bank's own operator.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = match &self.problem {
            Some(problem) => vec![format!("it cannot be read, so no task is approved: {problem}")],
            None if self.breaches.is_empty() => vec!["nothing in it speaks against this task".to_owned()],
            None => self
                .breaches
                .iter()
                .map(|breach| format!("REFUSED by itself: {}", breach.words()))
                .collect(),
        };
        if !self.hours.is_any() {
            lines.push(format!(
                "this bank joins rounds at {} and sits out those that begin outside of it",
                self.hours
            ));
        }
        lines
    }
}

fn breaches(limits: &Limits, task: &Task, plan: &Plan, thresholds: Thresholds) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut beyond = |limit, reason, found: String, expected: String| {
        breaches.push(Breach {
            limit,
            reason,
            found,
            expected,
        });
    };
    if let Some(least) = limits.min_banks.filter(|least| *least > thresholds.min_survivors) {
        beyond(
            "min_banks",
            RefusalReason::Banks,
            format!(
                "a roster of {} banks, in which a sum may be of {}",
                thresholds.banks, thresholds.min_survivors
            ),
            format!("at least {least} in every sum"),
        );
    }
    let read: Vec<&str> = limits
        .never_read
        .iter()
        .map(String::as_str)
        .filter(|column| task.reads(column))
        .collect();
    if !read.is_empty() {
        beyond(
            "never_read",
            RefusalReason::Columns,
            format!("a task that reads {}", read.join(", ")),
            "none that does".to_owned(),
        );
    }
    let family = task.model.family();
    if let Some(allowed) = limits.models.as_ref().filter(|allowed| !allowed.contains(family)) {
        let names: Vec<&str> = allowed.iter().map(String::as_str).collect();
        beyond(
            "models",
            RefusalReason::Model,
            family.to_owned(),
            format!("one of {}", names.join(", ")),
        );
    }
    let mut at_most = |limit, reason, most: Option<u64>, value: Option<u64>, what: &str, without: &str| {
        let Some(most) = most.filter(|most| value.is_none_or(|value| value > *most)) else {
            return;
        };
        let value = value.map_or_else(|| without.to_owned(), |value| format!("{value} {what}"));
        beyond(limit, reason, value, format!("at most {most}"));
    };
    let parameters = u64::try_from(task.manifest().total()).unwrap_or(u64::MAX);
    for (limit, reason, most, value, what) in [
        (
            "max_parameters",
            RefusalReason::Model,
            limits.max_parameters,
            parameters,
            "parameters",
        ),
        (
            "max_rounds",
            RefusalReason::Length,
            limits.max_rounds,
            task.rounds.into(),
            "training rounds",
        ),
        (
            "max_local_epochs",
            RefusalReason::Length,
            limits.max_local_epochs,
            task.training.local_epochs.into(),
            "passes in a round",
        ),
        (
            "max_upload_bytes",
            RefusalReason::Resources,
            limits.max_upload_bytes,
            upload_bytes(plan, thresholds),
            "bytes in a round",
        ),
    ] {
        at_most(limit, reason, most, Some(value), what, "");
    }
    let archived = task.archive_rounds.map(u64::from);
    at_most(
        "max_archive_rounds",
        RefusalReason::Length,
        limits.max_archive_rounds,
        archived,
        "rounds that are kept",
        "all rounds kept",
    );
    breaches
}

/// Bytes of the longest masked vector of a task.
fn upload_bytes(plan: &Plan, thresholds: Thresholds) -> u64 {
    let mut seen = BTreeSet::new();
    let steps = (0..plan.steps()).filter_map(|step| plan.kind(step));
    let bytes = steps.filter(|kind| seen.insert(kind.name())).map(|kind| {
        let layout = plan.layout(kind);
        let ring = layout.ring(thresholds.banks);
        ring.map_or(usize::MAX, |ring| ring.packed_bytes(layout.lanes()))
    });
    u64::try_from(bytes.max().unwrap_or(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    const TASK: &str = r#"
        name = "credit"
        rounds = 12
        seed = 3
        archive_rounds = 5
        [schema]
        version = 1
        label = "late"
        leave_out = ["remark", "district", "when"]
        column = [{ name = "income", type = "number", min = 0, max = 10 }]
        [model]
        family = "mlp"
        hidden = [4]
        [training]
        optimiser = "sgd"
        learning_rate = 0.1
        batch_size = 16
        local_epochs = 3
        [evaluation.groups]
        column = "district"
        values = ["north", "south"]
        threshold = 0.5
        favourable = 0
        [evaluation]
        split = "time"
        time_column = "when"
        hold_out = 0.2
        bins = 16
    "#;

    fn verdict(limits: &str, banks: u16) -> Verdict {
        let text = format!("[limits]\n{limits}\n");
        let policy = Policy::parse(Path::new("policy.toml"), &text).unwrap();
        let task = Task::parse(TASK).unwrap();
        let thresholds = Thresholds::with_most_colluders(banks).unwrap();
        Verdict::of(&policy, &task, &Plan::new(&task), thresholds)
    }

    /// A task of 12 rounds, 3 passes, 13 parameters, in a roster of five banks of which a sum has four.
    #[test]
    fn each_limit_refuses_what_is_beyond_it_and_nothing_else() {
        let bytes = {
            let task = Task::parse(TASK).unwrap();
            upload_bytes(&Plan::new(&task), Thresholds::with_most_colluders(5).unwrap())
        };
        let upload = |most: u64| format!("max_upload_bytes = {most}");
        let parameters = Task::parse(TASK).unwrap().manifest().total();
        for (allowed, beyond, reason, parts) in [
            (
                "min_banks = 4".to_owned(),
                "min_banks = 5".to_owned(),
                RefusalReason::Banks,
                ["roster of 5 banks", "may be of 4", "at least 5"],
            ),
            (
                "never_read = [\"remark\"]".to_owned(),
                "never_read = [\"income\", \"salary\"]".to_owned(),
                RefusalReason::Columns,
                ["never_read", "reads income", "none that does"],
            ),
            (
                "never_read = [\"Income\"]".to_owned(),
                "never_read = [\"late\"]".to_owned(),
                RefusalReason::Columns,
                ["never_read", "reads late", "none"],
            ),
            (
                "never_read = [\"x\"]".to_owned(),
                "never_read = [\"district\"]".to_owned(),
                RefusalReason::Columns,
                ["never_read", "reads district", "none"],
            ),
            (
                "never_read = [\"x\"]".to_owned(),
                "never_read = [\"when\"]".to_owned(),
                RefusalReason::Columns,
                ["never_read", "reads when", "none"],
            ),
            (
                "models = [\"gru\", \"mlp\"]".to_owned(),
                "models = [\"logistic\", \"gru\"]".to_owned(),
                RefusalReason::Model,
                ["models", "found mlp", "one of gru, logistic"],
            ),
            (
                format!("max_parameters = {parameters}"),
                format!("max_parameters = {}", parameters - 1),
                RefusalReason::Model,
                ["max_parameters", "parameters", "at most"],
            ),
            (
                "max_rounds = 12".to_owned(),
                "max_rounds = 11".to_owned(),
                RefusalReason::Length,
                ["max_rounds", "12 training rounds", "at most 11"],
            ),
            (
                "max_local_epochs = 3".to_owned(),
                "max_local_epochs = 2".to_owned(),
                RefusalReason::Length,
                ["max_local_epochs", "3 passes", "at most 2"],
            ),
            (
                "max_archive_rounds = 5".to_owned(),
                "max_archive_rounds = 4".to_owned(),
                RefusalReason::Length,
                ["max_archive_rounds", "5 rounds", "at most 4"],
            ),
            (
                upload(bytes),
                upload(bytes - 1),
                RefusalReason::Resources,
                ["max_upload_bytes", "bytes in a round", "at most"],
            ),
        ] {
            let fits = verdict(&allowed, 5);
            assert!(fits.allows(), "{allowed}: {fits:?}");
            let refused = verdict(&beyond, 5);
            assert_eq!(
                (refused.breaches.len(), refused.reason()),
                (1, Some(reason)),
                "{beyond}: {refused:?}"
            );
            let words = refused.lines().join("\n");
            for part in parts {
                assert!(words.contains(part), "{part:?} is not in {words}");
            }
        }
    }

    #[test]
    fn a_task_that_keeps_everything_is_beyond_any_limit_of_the_archive() {
        let policy = Policy::parse(
            Path::new("policy.toml"),
            "[limits]\nmax_archive_rounds = 1_000_000",
        )
        .unwrap();
        let task = Task::parse(&TASK.replace("archive_rounds = 5", "")).unwrap();
        let verdict = Verdict::of(
            &policy,
            &task,
            &Plan::new(&task),
            Thresholds::with_most_colluders(5).unwrap(),
        );
        assert_eq!(
            verdict.breaches[0].words(),
            "max_archive_rounds: found all rounds kept, expected at most 1000000"
        );
    }

    #[test]
    fn the_least_banks_are_those_that_the_roster_guarantees() {
        for (banks, guaranteed) in [(3, 3), (4, 3), (10, 7), (100, 67)] {
            assert!(
                verdict(&format!("min_banks = {guaranteed}"), banks).allows(),
                "{banks}"
            );
            assert!(
                !verdict(&format!("min_banks = {}", guaranteed + 1), banks).allows(),
                "{banks}"
            );
        }
    }

    #[test]
    fn several_limits_are_all_told_and_the_first_is_the_reason() {
        let verdict = verdict(
            "max_rounds = 1\nnever_read = [\"late\"]\nhours = [\"01:00-02:00\"]",
            5,
        );
        let limits: Vec<_> = verdict.breaches.iter().map(|breach| breach.limit).collect();
        assert_eq!(limits, ["never_read", "max_rounds"]);
        assert_eq!(verdict.reason(), Some(RefusalReason::Columns));
        assert!(verdict.lines()[2].contains("01:00-02:00 UTC"));
        let unread = Verdict::unknown("line 3");
        assert!(!unread.allows() && unread.reason().is_none() && unread.lines()[0].contains("line 3"));
    }
}
