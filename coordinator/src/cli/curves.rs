//! Training curves from the published log; the coordinator need not run.

use std::path::Path;

use super::{Failure, load, print};
use crate::app;
use crate::curves;
use crate::history::History;

pub(super) fn execute(dir: &Path, out: &Path, json: bool) -> Result<(), Failure> {
    let config = load(dir)?;
    let (consortium, _) = app::read_consortium(&config).map_err(Failure::usage)?;
    let mut history = History::new(config.folders.log, consortium.log_key);
    history
        .follow()
        .map_err(|problem| Failure::finding(format!("the published log cannot be read: {problem}")))?;
    let written = curves::write(history.tasks(), out).map_err(Failure::finding)?;
    print(json, &written, || {
        if written.is_empty() {
            return "no task has a result yet".to_owned();
        }
        let line = |one: &curves::Written| {
            format!(
                "task {}: {} values of {} judged models in {}",
                one.task,
                one.values,
                one.steps,
                one.file.display()
            )
        };
        let mut lines: Vec<String> = written.iter().map(line).collect();
        lines.push(format!("next: tensorboard --logdir '{}'", out.display()));
        lines.join("\n")
    })
}
