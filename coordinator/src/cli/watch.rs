//! The consortium live: a progress bar on a terminal, plain lines elsewhere, lines of JSON on request.
//!
//! One thread reads what the coordinator tells and begins anew when it is gone; the other shows it, so that seconds are counted down between
//! two statuses.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use time::OffsetDateTime;
use time::macros::format_description;

use super::{Failure, load, status};
use crate::admin;
use crate::engine::status::{Status, TaskLine};
use crate::engine::tasks::TaskStatus;

/// Between two tries to reach a coordinator that is gone.
const AGAIN: Duration = Duration::from_secs(1);
/// Between two looks at the clock on a terminal.
const TICK: Duration = Duration::from_millis(250);
/// A plain line is repeated after so long without news.
const REMINDER: Duration = Duration::from_secs(60);

/// What the reading thread tells.
enum News {
    Status(Box<Status>),
    /// The coordinator is not there, for this reason.
    Gone(String),
}

/// Watches until it is interrupted; with `until_finished` until no task is left to run.
pub(super) fn execute(dir: &Path, json: bool, until_finished: bool) -> Result<(), Failure> {
    let data = load(dir)?.folders.data;
    // Who names a folder where nothing runs hears of it at once.
    let first = admin::watch(&data)?;
    let (sender, news) = channel();
    std::thread::spawn(move || read(first, &data, &sender));
    let mut screen: Box<dyn Screen> = if json {
        Box::new(Json)
    } else if std::io::stdout().is_terminal() {
        Box::new(Bars::new())
    } else {
        Box::new(Lines::default())
    };
    show(&news, screen.as_mut(), until_finished)
}

fn read(mut watch: admin::Watch, data: &Path, news: &Sender<News>) {
    loop {
        let why = loop {
            match watch.next_status() {
                Ok(status) => {
                    if news.send(News::Status(status)).is_err() {
                        return;
                    }
                }
                Err(error) => break error.to_string(),
            }
        };
        if news.send(News::Gone(why)).is_err() {
            return;
        }
        watch = loop {
            std::thread::sleep(AGAIN);
            if let Ok(watch) = admin::watch(data) {
                break watch;
            }
        };
    }
}

fn show(news: &Receiver<News>, screen: &mut dyn Screen, until_finished: bool) -> Result<(), Failure> {
    loop {
        let shown = match news.recv_timeout(TICK) {
            Ok(News::Status(status)) => {
                let shown = screen.status(&status);
                if let Some(end) = ended(&status).filter(|_| until_finished) {
                    screen.leave();
                    return end;
                }
                shown
            }
            Ok(News::Gone(why)) => screen.gone(&why),
            Err(RecvTimeoutError::Timeout) => {
                screen.tick();
                Ok(())
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::finding("the watching thread broke down"));
            }
        };
        match shown {
            // A reader that went away has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            shown => shown.map_err(|error| Failure::finding(format!("standard output: {error}")))?,
        }
    }
}

/// How it ended, if no task is left to run.
fn ended(status: &Status) -> Option<Result<(), Failure>> {
    let over = status.tasks.iter().all(|task| task.status.is_over());
    if status.tasks.is_empty() || !over || status.round.is_some() {
        return None;
    }
    let last = status.tasks.last()?;
    Some(match &last.status {
        TaskStatus::Stopped(why) => Err(Failure::finding(format!("task {} is stopped: {why}", last.name))),
        _ => Ok(()),
    })
}

trait Screen {
    fn status(&mut self, status: &Status) -> std::io::Result<()>;
    fn gone(&mut self, why: &str) -> std::io::Result<()>;
    fn tick(&mut self) {}
    fn leave(&mut self) {}
}

/// One line for each status.
struct Json;

impl Screen for Json {
    fn status(&mut self, status: &Status) -> std::io::Result<()> {
        let line = serde_json::to_string(status)?;
        writeln!(std::io::stdout(), "{line}")
    }

    fn gone(&mut self, why: &str) -> std::io::Result<()> {
        writeln!(std::io::stderr(), "{}", waits_for_a_start(why))
    }
}

fn waits_for_a_start(why: &str) -> String {
    format!("{why}; waiting until the coordinator is started again, without a time limit")
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
    wait: Option<String>,
    result: Option<u64>,
    away: bool,
}

impl Screen for Lines {
    fn status(&mut self, status: &Status) -> std::io::Result<()> {
        let again = self.at.is_some_and(|at| at.elapsed() >= REMINDER);
        let lines = self.told.lines(status, again);
        if !lines.is_empty() {
            self.at = Some(Instant::now());
        }
        lines.iter().try_for_each(|line| stamped(line))
    }

    fn gone(&mut self, why: &str) -> std::io::Result<()> {
        self.told.away = true;
        stamped(&waits_for_a_start(why))
    }
}

fn stamped(line: &str) -> std::io::Result<()> {
    let form = format_description!("[hour]:[minute]:[second]");
    let time = OffsetDateTime::now_utc().format(&form).unwrap_or_default();
    let mut out = std::io::stdout();
    writeln!(out, "{time} {line}")?;
    out.flush()
}

impl Told {
    /// What is new in a status; the wait `again` even if it is not.
    fn lines(&mut self, status: &Status, again: bool) -> Vec<String> {
        let mut lines = Vec::new();
        if std::mem::take(&mut self.away) {
            lines.push("the coordinator is there again".to_owned());
            self.wait = None;
        }
        if let Some(result) = &status.last_result {
            // The first one that is seen is no news.
            if self.result.is_some_and(|round| round != result.round)
                || (self.result.is_none() && self.wait.is_some())
            {
                lines.push(format!("published: {}", status::result_words(result)));
            }
            self.result = Some(result.round);
        }
        let wait = match &status.round {
            // A phase is told once, however many banks answer in it.
            Some(round) => format!("{} {}", round.round, round.phase),
            None => without_numbers(&status.waiting_for),
        };
        if again || self.wait.as_ref() != Some(&wait) {
            let step = status.round.as_ref().map(|round| {
                let steps = current(status, &round.task).map_or(0, |task| task.steps);
                format!("{}, step {} of {steps}: ", round.task, round.step + 1)
            });
            lines.push(format!("{}{}", step.unwrap_or_default(), status.waiting_for));
        }
        self.wait = Some(wait);
        lines
    }
}

fn without_numbers(line: &str) -> String {
    line.split(' ')
        .filter(|word| word.parse::<u64>().is_err())
        .collect::<Vec<_>>()
        .join(" ")
}

fn current<'a>(status: &'a Status, name: &str) -> Option<&'a TaskLine> {
    status.tasks.iter().rev().find(|task| task.name == name)
}

/// Two bars: the steps of the task, and the banks that the phase has heard from.
struct Bars {
    _all: MultiProgress,
    steps: ProgressBar,
    phase: ProgressBar,
    wait: String,
    /// When the wait ends, and when that was worked out.
    until: Option<(Instant, Duration)>,
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
        let phase = all.add(ProgressBar::new(0));
        phase.set_style(style("{prefix:18} [{bar:30}] {pos} of {len} banks\n{wide_msg}"));
        Self {
            _all: all,
            steps,
            phase,
            wait: String::new(),
            until: None,
        }
    }

    fn words(&self) -> String {
        match self.until {
            Some((since, left)) => {
                let left = left.saturating_sub(since.elapsed()).as_secs();
                with_seconds(&self.wait, left)
            }
            None => self.wait.clone(),
        }
    }
}

/// The line with another number of seconds before " s left".
fn with_seconds(line: &str, left: u64) -> String {
    let Some((before, after)) = line.split_once(" s left") else {
        return line.to_owned();
    };
    let kept = before.trim_end_matches(|c: char| c.is_ascii_digit());
    format!("{kept}{left} s left{after}")
}

impl Screen for Bars {
    fn status(&mut self, status: &Status) -> std::io::Result<()> {
        let name = status.round.as_ref().map(|round| round.task.as_str());
        let task = match name {
            Some(name) => current(status, name),
            None => status
                .tasks
                .iter()
                .find(|task| task.current)
                .or(status.tasks.last()),
        };
        if let Some(task) = task {
            self.steps.set_prefix(task.name.clone());
            self.steps.set_length(task.steps.into());
            self.steps.set_position(task.step.into());
        }
        match &status.round {
            Some(round) => {
                let heard = u64::try_from(round.heard_from).unwrap_or(0);
                let missing = u64::try_from(round.waiting_for.len()).unwrap_or(0);
                self.phase
                    .set_prefix(format!("round {} {}", round.round, round.phase));
                self.phase.set_length(heard + missing);
                self.phase.set_position(heard);
            }
            None => {
                let connected = status.banks.iter().filter(|bank| bank.connected).count();
                self.phase.set_prefix("connected");
                self.phase
                    .set_length(u64::try_from(status.banks.len()).unwrap_or(0));
                self.phase.set_position(u64::try_from(connected).unwrap_or(0));
            }
        }
        self.wait.clone_from(&status.waiting_for);
        let left = status.waits_until.map(|until| until.saturating_sub(status.at));
        self.until = left.map(|left| (Instant::now(), Duration::from_millis(left)));
        self.phase.set_message(self.words());
        Ok(())
    }

    fn gone(&mut self, why: &str) -> std::io::Result<()> {
        self.wait = waits_for_a_start(why);
        self.until = None;
        self.phase.set_message(self.words());
        Ok(())
    }

    fn tick(&mut self) {
        self.phase.set_message(self.words());
    }

    fn leave(&mut self) {
        self.steps.abandon();
        self.phase.abandon();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use veilsum_protocol::ids::Digest;

    use super::*;
    use crate::engine::status::{ResultLine, RoundStatus};

    fn status(waiting_for: &str, round: Option<(u64, &str)>, result: Option<u64>) -> Status {
        let round = round.map(|(round, phase)| RoundStatus {
            round,
            task: "credit".to_owned(),
            kind: "train".to_owned(),
            step: 3,
            phase: phase.to_owned(),
            heard_from: 1,
            waiting_for: Vec::new(),
            cohort: Vec::new(),
            stored: Vec::new(),
            seconds_left: None,
            until: None,
            phases: Vec::new(),
        });
        Status {
            proposal: None,
            consortium: "demo".to_owned(),
            version: "0".to_owned(),
            at: 0,
            started: 0,
            epoch: None,
            waiting_for: waiting_for.to_owned(),
            waits_until: None,
            least_banks: 2,
            banks: Vec::new(),
            tasks: vec![TaskLine {
                name: "credit".to_owned(),
                task: Digest([0; 32]),
                status: TaskStatus::Running,
                step: 3,
                steps: 12,
                approved: Vec::new(),
                refused: Vec::new(),
                silent: Vec::new(),
                out_of_reach: false,
                current: true,
                attempt: 0,
                attempts: 3,
                last_result: None,
            }],
            round,
            past: Vec::new(),
            last_result: result.map(|round| ResultLine {
                round,
                kind: "train".to_owned(),
                step: 2,
                survivors: 5,
                rows: None,
                figures: std::collections::BTreeMap::new(),
            }),
            log_size: 0,
            checkpoint: String::new(),
            published: 0,
            cosignatures: 0,
        }
    }

    #[test]
    fn plain_lines_tell_what_changed_and_nothing_twice() {
        let mut told = Told::default();
        let wait = |count: u32| format!("{count} of 5 banks are connected; waiting for bank-d, 20 s left");
        assert_eq!(told.lines(&status(&wait(3), None, None), false), [wait(3)]);
        assert!(
            told.lines(&status(&wait(4), None, None), false).is_empty(),
            "numbers alone are no news"
        );
        assert_eq!(told.lines(&status(&wait(4), None, None), true), [wait(4)]);
        let collect = status("round 4: phase collect", Some((4, "collect")), None);
        assert_eq!(
            told.lines(&collect, false),
            ["credit, step 4 of 12: round 4: phase collect"]
        );
        assert!(told.lines(&collect, false).is_empty());
        let published = status("round 4: phase publish", Some((4, "publish")), Some(4));
        assert_eq!(
            told.lines(&published, false),
            [
                "published: round 4 (train), 5 banks in the sum",
                "credit, step 4 of 12: round 4: phase publish"
            ]
        );
        told.away = true;
        assert_eq!(told.lines(&published, false)[0], "the coordinator is there again");
    }

    #[test]
    fn a_result_that_was_there_before_is_no_news() {
        let mut told = Told::default();
        assert_eq!(told.lines(&status("nothing", None, Some(7)), false), ["nothing"]);
    }

    #[test]
    fn watching_until_the_end_ends_when_no_task_is_left() {
        let mut now = status("", None, None);
        assert!(ended(&now).is_none());
        now.tasks[0].status = TaskStatus::Finished;
        assert!(ended(&now).unwrap().is_ok());
        now.tasks[0].status = TaskStatus::Stopped("by the operator".to_owned());
        let stopped = ended(&now).unwrap().unwrap_err();
        assert!(format!("{stopped:?}").contains("task credit is stopped: by the operator"));
        now.tasks.clear();
        assert!(ended(&now).is_none(), "a task may still come");
    }

    #[test]
    fn seconds_are_counted_down_in_the_line() {
        assert_eq!(
            with_seconds("for bank-d, 42 s left, then on", 7),
            "for bank-d, 7 s left, then on"
        );
        assert_eq!(with_seconds("no end", 7), "no end");
    }
}
