//! What the bank's policy never lets a task do, in plain words.

use crate::consent::Limits;

/// A line for each limit that is set.
pub(super) fn words(limits: &Limits) -> Vec<String> {
    let Limits {
        min_banks,
        never_read,
        models,
        max_parameters,
        max_rounds,
        max_local_epochs,
        max_upload_bytes,
        max_archive_rounds,
        hours,
    } = limits;
    let names = |names: &std::collections::BTreeSet<String>| {
        names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    let mut lines = Vec::new();
    let mut number = |limit: Option<u64>, before: &str, behind: &str| {
        lines.extend(limit.map(|limit| format!("{before} {limit} {behind}")));
    };
    number(min_banks.map(u64::from), "every sum holds at least", "banks");
    number(*max_parameters, "a model has at most", "parameters");
    number(*max_rounds, "a task has at most", "training rounds");
    number(
        *max_local_epochs,
        "a round passes over this bank's rows at most",
        "times",
    );
    number(*max_upload_bytes, "a masked update has at most", "bytes");
    number(
        *max_archive_rounds,
        "the coordinator keeps masked updates of at most",
        "rounds",
    );
    if !never_read.is_empty() {
        lines.push(format!("no task reads {}", names(never_read)));
    }
    if let Some(models) = models {
        lines.push(format!("models are of these families alone: {}", names(models)));
    }
    if !hours.is_any() {
        lines.push("this bank takes part only in the hours that the policy names".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_that_is_set_is_told_and_no_other() {
        assert!(words(&Limits::default()).is_empty());
        let limits = Limits {
            min_banks: Some(4),
            never_read: ["income".to_owned()].into(),
            max_upload_bytes: Some(1000),
            ..Limits::default()
        };
        assert_eq!(
            words(&limits),
            [
                "every sum holds at least 4 banks",
                "a masked update has at most 1000 bytes",
                "no task reads income"
            ]
        );
    }
}
