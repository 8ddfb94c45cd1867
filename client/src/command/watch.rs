//! `watch`: what the daemon does, as it goes on. Bars on a terminal, a line for each change elsewhere, JSON on request.
//!
//! The daemon's status file is looked at several times a second: it says when a wait ends, so what is left of it can be counted down in between.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::app::{self, AppError};
use crate::cli::Failure;
use crate::participant::{FolderLock, Home, Part, RoundSeen, Status, TaskStatus};

/// Between two looks at the status.
const LOOK: Duration = Duration::from_millis(250);
/// A plain line is repeated after so long without news.
const REMINDER: Duration = Duration::from_secs(60);

/// What is known at one moment.
struct Seen {
    status: Status,
    runs: bool,
    now: u64,
}

/// Watches until it is interrupted; with `until_finished` until no approved task has steps left.
pub(crate) fn watch(dir: &Path, json: bool, until_finished: bool) -> Result<(), Failure> {
    let config = app::config(dir)?;
    let path = Home::status(&config.state);
    let first = look(&path, &config.state)?;
    // Who names a folder where nothing ever ran hears of it at once.
    let Some(first) = first else {
        return Err(Failure::finding(
            "the daemon has never run in this folder; start it with: veilsum-client run",
        ));
    };
    let mut screen: Box<dyn Screen> = if json {
        Box::new(Json::default())
    } else if io::stdout().is_terminal() {
        Box::new(Bars::new())
    } else {
        Box::new(Lines::default())
    };
    let output = |error| Failure::finding(format!("standard output: {error}"));
    let mut seen = first;
    loop {
        screen.show(&seen).map_err(output)?;
        if let Some(end) = ended(&seen.status).filter(|_| until_finished) {
            screen.leave();
            return end;
        }
        thread::sleep(LOOK);
        if let Some(next) = look(&path, &config.state)? {
            seen = next;
        }
    }
}

fn look(path: &Path, state: &Path) -> Result<Option<Seen>, AppError> {
    let status = Status::read(path)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(status.map(|status| Seen {
        status,
        runs: FolderLock::is_taken(state),
        now: since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
    }))
}

/// How it ended, if no approved task has steps left.
fn ended(status: &Status) -> Option<Result<(), Failure>> {
    let mut approved = status.tasks.iter().filter(|task| task.approved).peekable();
    approved.peek()?;
    if let Some(stopped) = status.last_round.as_ref().filter(|round| was_stopped(round)) {
        // The log says it of the round that was open then.
        let left = approved.any(|task| task.task != stopped.task && task.step < task.steps);
        let message = format!("task {} was stopped by the consortium's operator", stopped.name);
        return (!left).then(|| Err(Failure::finding(message)));
    }
    approved.all(|task| task.step >= task.steps).then_some(Ok(()))
}

fn was_stopped(round: &RoundSeen) -> bool {
    let stopped = veilsum_protocol::log::entry::AbortReason::Stopped.words();
    round.part == Some(Part::Failed) && round.why.as_deref() == Some(stopped)
}

trait Screen {
    fn show(&mut self, seen: &Seen) -> io::Result<()>;
    fn leave(&mut self) {}
}

/// One line for each status that differs from the one before.
#[derive(Default)]
struct Json {
    last: Option<(Status, bool)>,
}

impl Screen for Json {
    fn show(&mut self, seen: &Seen) -> io::Result<()> {
        let now = (seen.status.clone(), seen.runs);
        if self.last.as_ref() == Some(&now) {
            return Ok(());
        }
        let line = serde_json::json!({ "running": seen.runs, "status": &seen.status });
        self.last = Some(now);
        let mut out = io::stdout();
        writeln!(out, "{line}")?;
        out.flush()
    }
}

/// A line when something changes.
#[derive(Default)]
struct Lines {
    told: Told,
    at: Option<Instant>,
}

/// What was told last.
#[derive(Default)]
struct Told {
    doing: Option<String>,
    link: Option<String>,
    round: Option<u64>,
    away: bool,
}

impl Screen for Lines {
    fn show(&mut self, seen: &Seen) -> io::Result<()> {
        let again = self.at.is_some_and(|at| at.elapsed() >= REMINDER);
        let lines = self.told.lines(seen, again);
        if !lines.is_empty() {
            self.at = Some(Instant::now());
        }
        lines.iter().try_for_each(|line| stamped(line))
    }
}

fn stamped(line: &str) -> io::Result<()> {
    let form = format_description!("[hour]:[minute]:[second]");
    let time = OffsetDateTime::now_utc().format(&form).unwrap_or_default();
    let mut out = io::stdout();
    writeln!(out, "{time} {line}")?;
    out.flush()
}

const AWAY: &str = "the daemon does not run; waiting until it is started again, without a time limit";

impl Told {
    /// What is new; the wait `again` even if it is not.
    fn lines(&mut self, seen: &Seen, again: bool) -> Vec<String> {
        let status = &seen.status;
        let mut lines = Vec::new();
        if !seen.runs {
            if !self.away || again {
                lines.push(AWAY.to_owned());
            }
            self.away = true;
            return lines;
        }
        if std::mem::take(&mut self.away) {
            lines.push("the daemon runs again".to_owned());
            self.doing = None;
        }
        if let Some(last) = &status.last_round {
            // The first one that is seen is no news.
            if self.doing.is_some() && self.round != Some(last.round) {
                lines.push(ended_words(last));
            }
            self.round = Some(last.round);
        }
        if self.link.as_ref() != Some(&status.link) || again {
            lines.push(format!("link {}", status.link_words(seen.now)));
            self.link = Some(status.link.clone());
        }
        // Without what is left of the wait, which changes all the time.
        let doing = format!("{:?} {}", status.round, status.doing);
        if again || self.doing.as_ref() != Some(&doing) {
            let step = current(status)
                .map(|task| format!("{}, {} of {} steps done: ", task.name, task.step, task.steps));
            lines.push(format!(
                "{}{}",
                step.unwrap_or_default(),
                status.now_words(seen.now)
            ));
        }
        self.doing = Some(doing);
        lines
    }
}

fn ended_words(round: &RoundSeen) -> String {
    let part = round.part.map_or("open", Part::words);
    let mut words = format!("round {} has ended: this bank {part}", round.round);
    if let Some(survivors) = round.survivors {
        words.push_str(&format!(", {survivors} banks in the sum"));
    }
    if let Some(why) = &round.why {
        words.push_str(&format!(" ({why})"));
    }
    words
}

/// The approved task that goes on, or the last one.
fn current(status: &Status) -> Option<&TaskStatus> {
    let approved = || status.tasks.iter().filter(|task| task.approved);
    approved()
        .find(|task| task.step < task.steps)
        .or(approved().next_back())
}

/// A bar for the steps of the task, and one line for what goes on.
struct Bars {
    _all: MultiProgress,
    steps: ProgressBar,
    line: ProgressBar,
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let style = |template: &str| {
            ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("█▉▊▋▌▍▎▏ ")
        };
        let steps = all.add(ProgressBar::new(0));
        steps.set_style(style("{prefix:18} [{bar:30}] step {pos} of {len}"));
        let line = all.add(ProgressBar::new(0));
        line.set_style(style("{prefix}\n{wide_msg}"));
        Self {
            _all: all,
            steps,
            line,
        }
    }
}

impl Screen for Bars {
    fn show(&mut self, seen: &Seen) -> io::Result<()> {
        let status = &seen.status;
        match current(status) {
            Some(task) => {
                self.steps.set_prefix(task.name.clone());
                self.steps.set_length(task.steps.into());
                self.steps.set_position(task.step.into());
            }
            None => self.steps.set_prefix("no task approved"),
        }
        if seen.runs {
            self.line
                .set_prefix(format!("link {}", status.link_words(seen.now)));
            self.line.set_message(status.now_words(seen.now));
        } else {
            self.line.set_prefix("link none");
            self.line.set_message(AWAY);
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.steps.abandon();
        self.line.abandon();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::participant::Wait;

    fn seen(round: Option<u64>, doing: &str, now: u64) -> Seen {
        Seen {
            status: Status {
                link: "up, over QUIC".to_owned(),
                round,
                doing: doing.to_owned(),
                wait: Some(Wait {
                    until: Some(60_000),
                    then: "it goes on".to_owned(),
                }),
                tasks: vec![TaskStatus {
                    name: "credit".to_owned(),
                    task: "ab".to_owned(),
                    approved: true,
                    step: 2,
                    steps: 6,
                    ..TaskStatus::default()
                }],
                ..Status::default()
            },
            runs: true,
            now,
        }
    }

    #[test]
    fn plain_lines_tell_what_changed_and_until_when_and_nothing_twice() {
        let mut told = Told::default();
        assert_eq!(
            told.lines(&seen(Some(3), "ready; waiting", 10_000), false),
            [
                "link up, over QUIC",
                "credit, 2 of 6 steps done: round 3: ready; waiting (50 s left, then it goes on)"
            ]
        );
        assert!(
            told.lines(&seen(Some(3), "ready; waiting", 20_000), false)
                .is_empty(),
            "seconds alone are no news"
        );
        assert_eq!(
            told.lines(&seen(Some(3), "ready; waiting", 30_000), true).len(),
            2
        );
        let mut next = seen(Some(4), "open", 40_000);
        next.status.last_round = Some(RoundSeen {
            round: 3,
            part: Some(Part::InSum),
            survivors: Some(5),
            ..RoundSeen::default()
        });
        assert_eq!(
            told.lines(&next, false)[0],
            "round 3 has ended: this bank in the sum, 5 banks in the sum"
        );
        next.runs = false;
        assert_eq!(told.lines(&next, false), [AWAY]);
        assert!(told.lines(&next, false).is_empty());
        next.runs = true;
        assert_eq!(told.lines(&next, false)[0], "the daemon runs again");
    }

    #[test]
    fn watching_until_the_end_ends_when_no_approved_task_has_steps_left() {
        let mut now = seen(None, "", 0).status;
        assert!(ended(&now).is_none());
        now.tasks[0].step = 6;
        assert!(ended(&now).unwrap().is_ok());
        now.tasks[0].approved = false;
        assert!(ended(&now).is_none(), "an approval may still come");
        now.tasks[0].approved = true;
        now.tasks[0].step = 2;
        now.last_round = Some(RoundSeen {
            task: "ab".to_owned(),
            name: "credit".to_owned(),
            part: Some(Part::Failed),
            why: Some("the task was stopped".to_owned()),
            ..RoundSeen::default()
        });
        let stopped = ended(&now).unwrap().unwrap_err();
        assert!(format!("{stopped:?}").contains("task credit was stopped"));
    }
}
