//! What is waited for, and until when, in one line.

use veilsum_protocol::ids::{BankIndex, Millis};

use super::consents::{RefusedBy, refusals_in_words};
use super::driver::Engine;
use super::ports::Ledger;
use super::tasks::{LoadedTask, TaskStatus};

/// A wait.
pub(super) struct Waiting {
    /// What for, and what happens then.
    pub(super) line: String,
    /// Until when at most; `None` without an end.
    pub(super) until: Option<Millis>,
}

impl Waiting {
    fn endless(line: String) -> Self {
        Self { line, until: None }
    }
}

impl<L: Ledger> Engine<L> {
    fn seconds_until(&self, at: Millis) -> u64 {
        at.0.saturating_sub(self.clock.now().0).div_ceil(1000)
    }

    pub(super) fn waiting(&self) -> Waiting {
        if let Some(line) = self.restored_line() {
            return Waiting::endless(line);
        }
        if let Some(machine) = &self.round {
            let (round, phase) = (machine.round(), machine.phase().name());
            let waiting = machine.waiting_for();
            let until = machine.deadline();
            if waiting.is_empty() {
                return Waiting {
                    line: format!("round {round}: phase {phase}"),
                    until,
                };
            }
            let left = until.map_or(0, |at| self.seconds_until(at));
            let heard = machine.heard_from();
            let answered = if heard == 1 {
                "1 bank has answered".to_owned()
            } else {
                format!("{heard} banks have answered")
            };
            return Waiting {
                line: format!(
                    "round {round}: phase {phase}, {answered}; waiting for {}, {left} s left",
                    self.names(&waiting).join(", ")
                ),
                until,
            };
        }
        if let (true, Some(line)) = (self.is_changing(), self.roster_line()) {
            return Waiting::endless(line);
        }
        let epoch = self.epoch_wait();
        if self.armed.is_none() || self.set_up.is_some() {
            if let Some(epoch) = epoch {
                return epoch;
            }
            return Waiting::endless("a key epoch".to_owned());
        }
        let mut task = match self.tasks.current() {
            None => Waiting::endless(self.nothing_to_run()),
            Some(task) => self.task_wait(task),
        };
        if let Some(epoch) = epoch {
            task.line = format!("{}; {}", task.line, epoch.line);
            task.until = task.until.into_iter().chain(epoch.until).min();
        }
        task
    }

    fn nothing_to_run(&self) -> String {
        let paused: Vec<&str> = self
            .tasks
            .records()
            .filter(|record| record.status == TaskStatus::Paused)
            .map(|record| record.name.as_str())
            .collect();
        match paused[..] {
            [] => "no task is left to run; create one with `veilsum-coordinator task create`".to_owned(),
            [name] => {
                format!("task {name} is paused; `veilsum-coordinator task resume {name}` goes on with it")
            }
            _ => format!(
                "tasks {} are paused; `veilsum-coordinator task resume` goes on with one",
                paused.join(", ")
            ),
        }
    }

    fn task_wait(&self, task: &LoadedTask) -> Waiting {
        let record = &task.record;
        let all = self.roster.banks();
        let (name, step) = (&record.name, record.step + 1);
        let needed: Vec<BankIndex> = match self.released_for(record) {
            Ok(None) => all.iter().map(|entry| entry.index).collect(),
            Ok(Some(banks)) => banks,
            Err(gone) => {
                return Waiting::endless(format!(
                    "task {name}: step {step} failed when shares had left for its banks, so it can be repeated with these alone, and the roster lacks {}; stop the task and create a new one",
                    gone.join(", ")
                ));
            }
        };
        let missing: Vec<BankIndex> = needed
            .iter()
            .copied()
            .filter(|bank| !self.takes_part(record, &self.name(*bank)) || !self.sessions.is_up(*bank))
            .collect();
        let here = needed.len() - missing.len();
        let mut refused = self.refused_by(record);
        if record.released_for.is_some() {
            let needed = self.names(&needed);
            refused.retain(|refusal| needed.contains(&refusal.bank));
            let cannot = match refused[..] {
                [] => String::new(),
                _ => format!(
                    "; {}, and it cannot be repeated before that changes",
                    refusals_in_words(&refused)
                ),
            };
            return Waiting::endless(format!(
                "task {name}: step {step} failed when shares had left for {}, so it is repeated with exactly these; waiting for {}, without a time limit{cannot}",
                needed.join(", "),
                self.names(&missing).join(", ")
            ));
        }
        if self.is_out_of_reach(record) {
            return Waiting::endless(format!(
                "task {name} cannot begin a round: {}, and a round needs {} of the {} banks; it waits until fewer refuse it, or stop it with `veilsum-coordinator task stop {name}`",
                refusals_in_words(&refused),
                self.thresholds().map_or(0, |thresholds| thresholds.min_survivors),
                all.len()
            ));
        }
        if missing.is_empty() {
            return Waiting::endless(format!(
                "task {name}: all {here} banks have approved it and are connected"
            ));
        }
        let begins = self
            .assembled
            .map(|(_, since)| since.plus_seconds(self.reconnect_grace_s));
        let end = match begins {
            Some(at) => format!(
                "{} s left, then round {} starts without them",
                self.seconds_until(at),
                self.last_round.0 + 1
            ),
            None => self.thresholds().map_or(String::new(), |thresholds| {
                format!("without a time limit, until {} are", thresholds.min_survivors)
            }),
        };
        let waits = self.waits_of_task(task, &missing, &refused);
        Waiting {
            line: format!(
                "task {name}: {here} of {} banks have approved it and are connected; {waits}, {end}",
                all.len()
            ),
            until: begins,
        }
    }

    /// Whose approval and whose connection a task waits for, and who refuses it.
    fn waits_of_task(&self, task: &LoadedTask, missing: &[BankIndex], refused: &[RefusedBy]) -> String {
        let names = self.names(missing);
        let names = names
            .iter()
            .filter(|name| refused.iter().all(|refusal| refusal.bank != **name));
        let (away, unapproved): (Vec<&str>, Vec<&str>) = names
            .map(String::as_str)
            .partition(|name| task.record.approved.contains(*name));
        let mut parts = Vec::new();
        if !unapproved.is_empty() {
            parts.push(format!("waiting for the approval of {}", unapproved.join(", ")));
        }
        if !away.is_empty() {
            parts.push(format!("waiting for {} to connect", away.join(", ")));
        }
        if !refused.is_empty() {
            parts.push(refusals_in_words(refused));
        }
        parts.join("; ")
    }

    /// What the next epoch waits for; `None` if none is needed.
    fn epoch_wait(&self) -> Option<Waiting> {
        let mut line = self.epoch_line()?;
        let until = if self.set_up.is_some() {
            self.set_up_until
        } else {
            let now = self.clock.now();
            self.next_epoch_try()
                .filter(|at| *at > now && self.absent().is_empty())
        };
        if let Some(at) = until {
            let then = if self.set_up.is_some() {
                "then it begins anew"
            } else {
                "then it is tried again"
            };
            line = format!("{line}; {} s left, {then}", self.seconds_until(at));
        }
        Some(Waiting { line, until })
    }

    /// Says on the trace what is waited for between rounds, once each time that it changes.
    pub(super) fn say_what_is_waited_for(&mut self) {
        if self.round.is_some() {
            return;
        }
        let Waiting { line, until } = self.waiting();
        // The seconds that are left are told once.
        let same = until.is_some() && told_before(&self.said, &line);
        if line != self.said && !same {
            tracing::info!("{line}");
            self.said = line;
        }
    }
}

/// True if two lines differ in nothing but numbers of seconds.
fn told_before(said: &str, line: &str) -> bool {
    let without = |text: &str| -> Vec<String> {
        let words: Vec<&str> = text.split(' ').collect();
        let unit = |at: usize| words.get(at + 1).is_some_and(|word| *word == "s");
        let kept = words.iter().enumerate().filter(|(at, _)| !unit(*at));
        kept.map(|(_, word)| (*word).to_owned()).collect()
    };
    without(said) == without(line)
}

#[cfg(test)]
mod tests {
    use super::told_before;

    #[test]
    fn only_the_seconds_that_are_left_make_no_news() {
        let line = "task a: 3 of 5 banks have approved it and are connected; waiting for d, 20 s left";
        assert!(told_before(line, &line.replace("20 s", "7 s")));
        assert!(!told_before(line, &line.replace("3 of", "4 of")));
        assert!(!told_before("", line));
    }
}
