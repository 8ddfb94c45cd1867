//! The operator's commands on tasks; the coordinator must be running.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::task::Task;

use super::{Failure, load, print, status, unexpected};
use crate::admin::{self, Answer, Request};
use crate::engine::consents::RefusedBy;
use crate::engine::status::{TaskDetail, TaskLine};

#[derive(Debug, Subcommand)]
pub(super) enum TaskCommand {
    /// Offer the task in a TOML file; it runs when enough banks have approved it
    Create {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// The task
        file: PathBuf,
    },
    /// List all tasks, how far they are and who approved them
    List {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
    },
    /// Tell one task in plain words: what it reads, trains and sends, how far it is, who approved it and how good its model is
    Show {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// Its name, or at least eight characters of its hash
        task: String,
    },
    /// Start no further round of a task; a round that is open ends as usual, and other tasks have their turn
    Pause {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// Its name, or at least eight characters of its hash
        task: String,
    },
    /// Go on with a paused task
    Resume {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// Its name, or at least eight characters of its hash
        task: String,
    },
    /// Stop a task for good; a round that is open ends without a result
    Stop {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// Its name, or at least eight characters of its hash
        task: String,
    },
}

pub(super) fn execute(command: &TaskCommand, json: bool) -> Result<(), Failure> {
    match command {
        TaskCommand::Create { dir, file } => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
            // Looked at here first, so that a mistake is told without a running coordinator.
            let task =
                Task::parse(&text).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
            let hash = ask_for_task(dir, Request::CreateTask(task.canonical_text()))?;
            print(json, &json!({ "task": hash.to_hex() }), || {
                format!(
                    "task {hash}\nnext: each bank runs `veilsum-client task show --dir DIR {0}`, and then `task approve` or `task refuse`",
                    task.name
                )
            })
        }
        TaskCommand::List { dir } => {
            let status = status::ask(dir)?;
            print(json, &status.tasks, || list(&status.tasks))
        }
        TaskCommand::Show { dir, task } => {
            let data = load(dir)?.folders.data;
            match admin::ask(&data, &Request::ShowTask(task.clone()))? {
                Answer::Detail(detail) => print(json, &detail, || show(&detail)),
                other => Err(unexpected(other)),
            }
        }
        TaskCommand::Pause { dir, task } => {
            let hash = ask_for_task(dir, Request::PauseTask(task.clone()))?;
            print(json, &json!({ "paused": hash.to_hex() }), || {
                format!("paused task {hash}: an open round of it ends as usual, and no other starts")
            })
        }
        TaskCommand::Resume { dir, task } => {
            let hash = ask_for_task(dir, Request::ResumeTask(task.clone()))?;
            print(json, &json!({ "resumed": hash.to_hex() }), || {
                format!("resumed task {hash}")
            })
        }
        TaskCommand::Stop { dir, task } => {
            let hash = ask_for_task(dir, Request::StopTask(task.clone()))?;
            print(json, &json!({ "stopped": hash.to_hex() }), || {
                format!("stopped task {hash}")
            })
        }
    }
}

fn ask_for_task(dir: &Path, request: Request) -> Result<Digest, Failure> {
    match admin::ask(&load(dir)?.folders.data, &request)? {
        Answer::Task(task) => Ok(task),
        other => Err(unexpected(other)),
    }
}

/// How a task stands, in a few words.
pub(super) fn standing(task: &TaskLine) -> String {
    let words = task.status.words();
    if task.status.is_over() || task.current || words == "paused" {
        return words;
    }
    "waits for its turn".to_owned()
}

fn list(tasks: &[TaskLine]) -> String {
    if tasks.is_empty() {
        return "there is no task yet; `veilsum-coordinator task create` offers one".to_owned();
    }
    let width = tasks
        .iter()
        .map(|task| task.name.chars().count())
        .max()
        .unwrap_or(0)
        .max(4);
    let mut lines = vec![format!(
        "{:width$}  {:8}  {:>9}  {:>8}  {:>7}  status",
        "task", "hash", "step", "approved", "refused"
    )];
    lines.extend(tasks.iter().map(|task| {
        let hash = task.task.to_hex();
        format!(
            "{:width$}  {:8}  {:>9}  {:>8}  {:>7}  {}",
            task.name,
            hash.get(..8).unwrap_or(&hash),
            format!("{}/{}", task.step, task.steps),
            task.approved.len(),
            task.refused.len(),
            standing(task)
        )
    }));
    lines.join("\n")
}

fn show(detail: &TaskDetail) -> String {
    let task = &detail.line;
    let names = |names: &[String]| {
        if names.is_empty() {
            "nobody".to_owned()
        } else {
            names.join(", ")
        }
    };
    let mut lines = vec![
        format!(
            "{}: step {} of {}, {}",
            task.name,
            task.step,
            task.steps,
            standing(task)
        ),
        format!("approved by {}", names(&task.approved)),
    ];
    lines.extend(task.refused.iter().map(RefusedBy::words));
    if !task.silent.is_empty() && !task.status.is_over() {
        lines.push(format!("nothing said yet by {}", names(&task.silent)));
    }
    if task.out_of_reach {
        lines.push("so many banks refuse it that no round of it can begin".to_owned());
    }
    if task.attempt > 0 && !task.status.is_over() {
        lines.push(format!(
            "the next step has failed {} times; after {} the task is stopped",
            task.attempt, task.attempts
        ));
    }
    lines.push(match &task.last_result {
        Some(result) => format!("last result: {}", status::result_words(result)),
        None => "no result yet".to_owned(),
    });
    lines.push(String::new());
    lines.push(detail.description.trim_end().to_owned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use veilsum_protocol::wire::refusal::RefusalReason;

    use super::*;
    use crate::engine::tasks::TaskStatus;

    fn line(name: &str, status: TaskStatus, current: bool) -> TaskLine {
        TaskLine {
            name: name.to_owned(),
            task: Digest([0xab; 32]),
            status,
            step: 3,
            steps: 12,
            approved: vec!["bank-a".to_owned(), "bank-c".to_owned()],
            refused: Vec::new(),
            silent: vec!["bank-b".to_owned()],
            out_of_reach: false,
            current,
            attempt: 1,
            attempts: 3,
            last_result: None,
        }
    }

    #[test]
    fn a_list_says_whose_turn_it_is() {
        let tasks = [
            line("credit", TaskStatus::Running, true),
            line("fraud", TaskStatus::Running, false),
            line("old", TaskStatus::Stopped("by the operator".to_owned()), false),
            line("rests", TaskStatus::Paused, false),
        ];
        assert_eq!(
            list(&tasks),
            "task    hash           step  approved  refused  status\n\
             credit  abababab       3/12         2        0  running\n\
             fraud   abababab       3/12         2        0  waits for its turn\n\
             old     abababab       3/12         2        0  stopped: by the operator\n\
             rests   abababab       3/12         2        0  paused"
        );
        assert!(list(&[]).contains("task create"));
    }

    #[test]
    fn a_task_names_who_has_approved_it_who_has_not_and_why() {
        let mut detail = TaskDetail {
            line: line("credit", TaskStatus::Running, true),
            description: "Task credit\n".to_owned(),
            text: String::new(),
        };
        assert_eq!(
            show(&detail),
            "credit: step 3 of 12, running\n\
             approved by bank-a, bank-c\n\
             nothing said yet by bank-b\n\
             the next step has failed 1 times; after 3 the task is stopped\n\
             no result yet\n\
             \n\
             Task credit"
        );
        detail.line.silent.clear();
        detail.line.refused = vec![RefusedBy {
            bank: "bank-b".to_owned(),
            reason: RefusalReason::Columns,
        }];
        detail.line.out_of_reach = true;
        let told = show(&detail);
        assert!(
            told.contains("\nbank-b refused it (for the columns)\nso many banks refuse it"),
            "{told}"
        );
    }
}
