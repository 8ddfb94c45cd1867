//! Findings, how they are told, and the exit code that they come to.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::firewall::Block;

/// Under a finding, what to do about it.
const INDENT: &str = "                     ";

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// In order.
    Ok,
    /// The daemon works, and something is worse than it could be.
    Warning,
    /// The daemon does not work, or not for long.
    Failed,
    /// Something else has to be in order first, or it was not asked for.
    NotLookedAt,
}

/// Who has to do something about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The network, or the other side of it: exit code 1.
    Network,
    /// Something on this machine or in this folder: exit code 2.
    Ours,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// The cause by a name that does not change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

impl Finding {
    fn text(&self) -> String {
        let mark = match self.verdict {
            Verdict::Ok => "ok    ",
            Verdict::Warning => "warn  ",
            Verdict::Failed => "FAILED",
            Verdict::NotLookedAt => "-     ",
        };
        let line = format!("{mark} {:13} {}", self.what, self.detail);
        match &self.todo {
            Some(todo) => format!("{line}\n{INDENT}{todo}"),
            None => line,
        }
    }
}

/// What is wrong: by a name that does not change, in words, and what to do.
#[derive(Debug, Clone)]
pub struct Wrong {
    /// The cause by a name that does not change.
    pub cause: &'static str,
    /// What was found.
    pub detail: String,
    /// What to do about it, unless the words above say so.
    pub todo: Option<String>,
}

impl Wrong {
    /// With what to do.
    pub fn new(cause: &'static str, detail: impl Into<String>, todo: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
            todo: Some(todo.into()),
        }
    }

    /// Where the words say what to do already.
    pub fn told(cause: &'static str, detail: impl ToString) -> Self {
        Self {
            cause,
            detail: detail.to_string(),
            todo: None,
        }
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        form.debug_struct("Report")
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}

/// Everything that was looked at.
#[derive(Serialize)]
pub struct Report {
    /// In the order in which it was looked at.
    pub findings: Vec<Finding>,
    /// What firewalls must let through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firewall: Option<Block>,
    #[serde(skip)]
    network: bool,
    #[serde(skip)]
    ours: bool,
    #[serde(skip)]
    progress: Box<dyn Fn(&str)>,
}

impl Report {
    /// `progress` is told what is being looked at.
    pub fn new(progress: Box<dyn Fn(&str)>) -> Self {
        Self {
            findings: Vec::new(),
            firewall: None,
            network: false,
            ours: false,
            progress,
        }
    }

    /// 0: in order. 2: something on this machine has to be corrected. 1: this machine is in order, and there is no connection.
    pub fn exit_code(&self) -> u8 {
        match (self.ours, self.network) {
            (true, _) => 2,
            (false, true) => 1,
            (false, false) => 0,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut lines: Vec<String> = self.findings.iter().map(Finding::text).collect();
        if let Some(block) = &self.firewall {
            lines.push(String::new());
            lines.push(block.text());
        }
        lines.join("\n")
    }

    /// Tells what is looked at next, and how long that may take.
    pub fn looking(&self, what: &str, at: &str, most: Option<Duration>) {
        let most = most.map_or(String::new(), |most| format!(", at most {} s", most.as_secs()));
        (self.progress)(&format!("looking at {what}: {at}{most}"));
    }

    /// It is in order.
    pub fn ok(&mut self, what: &'static str, detail: impl Into<String>) {
        self.push(what, Verdict::Ok, None, detail.into(), None);
    }

    /// It works, and could be better.
    pub fn warn(&mut self, what: &'static str, wrong: Wrong) {
        self.push(
            what,
            Verdict::Warning,
            Some(wrong.cause),
            wrong.detail,
            wrong.todo,
        );
    }

    /// It does not work.
    pub fn fail(&mut self, what: &'static str, whose: Whose, wrong: Wrong) {
        match whose {
            Whose::Network => self.network = true,
            Whose::Ours => self.ours = true,
        }
        self.push(what, Verdict::Failed, Some(wrong.cause), wrong.detail, wrong.todo);
    }

    /// It was not looked at, for a reason that is told elsewhere.
    pub fn skip(&mut self, what: &'static str, because: &str) {
        self.push(
            what,
            Verdict::NotLookedAt,
            None,
            format!("not looked at, because {because}"),
            None,
        );
    }

    /// Something else that is in the way is told elsewhere: without a finding of its own it would pass for in order.
    pub fn skip_for(&mut self, what: &'static str, whose: Whose, because: &str) {
        match whose {
            Whose::Network => self.network = true,
            Whose::Ours => self.ours = true,
        }
        self.skip(what, because);
    }

    fn push(
        &mut self,
        what: &'static str,
        verdict: Verdict,
        cause: Option<&'static str>,
        detail: String,
        todo: Option<String>,
    ) {
        self.findings.push(Finding {
            what,
            verdict,
            cause,
            detail,
            todo,
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_ours_goes_before_the_network_and_a_warning_is_no_failure() {
        let mut report = Report::new(Box::new(|_| ()));
        report.ok("dns", "fl.example.org is 192.0.2.7");
        report.warn("udp", Wrong::new("udp-blocked", "UDP is blocked", "ask for UDP"));
        assert_eq!(report.exit_code(), 0);
        report.fail(
            "tcp",
            Whose::Network,
            Wrong::told("tcp-refused", "TCP is refused"),
        );
        assert_eq!(report.exit_code(), 1);
        report.fail("disk", Whose::Ours, Wrong::told("disk-full", "no room"));
        assert_eq!(report.exit_code(), 2);
        report.skip("tls", "TCP does not get there");
        assert_eq!(
            report.text(),
            "ok     dns           fl.example.org is 192.0.2.7\n\
             warn   udp           UDP is blocked\n                     ask for UDP\n\
             FAILED tcp           TCP is refused\n\
             FAILED disk          no room\n\
             -      tls           not looked at, because TCP does not get there"
        );
    }
}
