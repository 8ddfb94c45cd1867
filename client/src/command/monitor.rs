//! `monitor`: how a model does in service, from the log of decisions. Rows and sums of them stay on this machine.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use veilsum_monitoring::{About, Alert, Fairness, Level, Limits, Moved, Quality, SCORE_BINS, Window, page};
use veilsum_protocol::model::Decision;

use crate::cli::Failure;
use crate::command::explain::Adverse;
use crate::decisions::TimeSpan;
use crate::monitoring::{Found, MonitorError, Wishes, limits, look};
use crate::participant::durable::{PRIVATE, replace};

/// Columns that are printed; all stand in the JSON and on the page.
const TOLD_COLUMNS: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct Watched {
    /// The task's name, or the beginning of its hash
    model: String,
    /// The bank's folder
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// What came true: a CSV file with the columns id (of the request), row (in it, counted from 0; 0 without the column) and label, and if wanted
    /// columns of groups
    #[arg(long)]
    outcomes: Option<PathBuf>,
    /// Decisions from this date or time on, such as 2026-07-01 or 2026-07-01T08:00:00Z
    #[arg(long)]
    from: Option<String>,
    /// Until this date, with its whole day, or until before this time
    #[arg(long)]
    until: Option<String>,
    /// day, week, month, or a number of rows
    #[arg(long, default_value = "week")]
    window: Window,
    /// The version to look at; without it the one that answered last
    #[arg(long)]
    version: Option<String>,
    /// A column that tells groups of people apart, of the requests or of the file of outcomes; can be given again
    #[arg(long)]
    group: Vec<String>,
    /// The score from which on a row is taken for label 1, in thousandths
    #[arg(long, default_value_t = 0.5)]
    threshold: f64,
    /// Which way of the score is against the person
    #[arg(long, value_enum, default_value_t = Adverse::Higher)]
    adverse: Adverse,
    /// Most rows of the bank's own table to compare with, evenly taken
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..))]
    reference: u32,
    /// Only alerts of so many of the latest windows count for the exit code; without it those of all do
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    latest: Option<u32>,
    /// The file of limits, in the place of monitor.toml in the bank's folder
    #[arg(long)]
    limits: Option<PathBuf>,
    /// Write a page with pictures, one file for a browser
    #[arg(long)]
    html: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    model: String,
    version: String,
    /// The highest level that counts.
    level: Level,
    remarks: Vec<String>,
    #[serde(flatten)]
    report: veilsum_monitoring::Report,
}

impl Report {
    /// 1 where something calls for action.
    pub(crate) fn exit_code(&self) -> u8 {
        u8::from(self.level == Level::Act)
    }

    /// Lines for people.
    pub(crate) fn text(&self) -> String {
        let report = &self.report;
        let mut text = format!(
            "model {}, version {}: {}\n{} decisions beside {} rows of the bank's own table\n",
            self.model,
            self.version,
            self.level.word(),
            report.rows,
            report.reference_rows
        );
        for remark in &self.remarks {
            let _ = writeln!(text, "{remark}");
        }
        self.windows(&mut text);
        let mut columns: Vec<&Moved> = report.columns.iter().collect();
        columns.sort_by(|one, other| most(other).1.total_cmp(&most(one).1));
        for (title, moved) in [("score", report.scores.iter().collect()), ("column", columns)] {
            if moved.is_empty() {
                continue;
            }
            let _ = write!(
                text,
                "\n{title:<24}{:>8}{:>8}{:>15}{:>9}  largest PSI",
                "PSI", "KS", "p", "missing"
            );
            moved
                .iter()
                .take(TOLD_COLUMNS)
                .for_each(|moved| self.moved(&mut text, moved));
            if moved.len() > TOLD_COLUMNS {
                let _ = write!(text, "\n{} more, which moved less", moved.len() - TOLD_COLUMNS);
            }
            text.push('\n');
        }
        if let Some(quality) = &report.quality {
            text.push_str("\nforetold and seen");
            for window in &report.windows {
                if let Some(quality) = &window.quality {
                    quality_line(&mut text, &window.name, quality);
                }
            }
            quality_line(&mut text, "all", quality);
            text.push('\n');
        }
        for group in &report.groups {
            let _ = write!(text, "\ngroups of {}", group.column);
            let windows = report.windows.iter().map(|window| window.name.as_str());
            for (window, fairness) in windows.zip(&group.windows) {
                fairness_line(&mut text, window, fairness);
            }
            fairness_line(&mut text, "all", &group.whole);
            text.push('\n');
        }
        self.alerts(&mut text);
        text.trim_end().to_owned()
    }

    fn windows(&self, text: &mut String) {
        let _ = write!(text, "\n{:<24}{:>8}", "window", "rows");
        for score in &self.report.scores {
            let _ = write!(text, "  {:>8}", format!("PSI of {}", score.name));
        }
        text.push_str("  level");
        for (at, window) in self.report.windows.iter().enumerate() {
            let _ = write!(text, "\n{:<24}{:>8}", window.name, window.rows);
            for score in &self.report.scores {
                let width = format!("PSI of {}", score.name).chars().count();
                let index = score.windows.get(at).map_or(0.0, |drift| drift.psi);
                let _ = write!(text, "  {index:>width$.3}");
            }
            let _ = write!(text, "  {}", level(window.level));
        }
        text.push('\n');
    }

    fn moved(&self, text: &mut String, moved: &Moved) {
        let drift = &moved.whole;
        let ks = drift.ks.map_or_else(
            || format!("{:>8}{:>15}", "-", "-"),
            |ks| {
                let p = if ks.p < 1e-4 {
                    "below 0.0001".to_owned()
                } else {
                    format!("{:.4}", ks.p)
                };
                format!("{:>8.3}{p:>15}", ks.distance)
            },
        );
        let (window, index, found) = most(moved);
        let window = window.and_then(|at| self.report.windows.get(at));
        let window = window.map_or_else(String::new, |window| format!(" in {}", window.name));
        let _ = write!(
            text,
            "\n{:<24}{:>8.3}{ks}{:>8.1}%  {index:.3}{window}, {}",
            moved.name,
            drift.psi,
            100.0 * drift.missing,
            level(found)
        );
    }

    fn alerts(&self, text: &mut String) {
        let alerts = &self.report.alerts;
        if alerts.is_empty() {
            text.push_str("\nno alert: every window with rows enough is steady");
            return;
        }
        let mut alerts: Vec<&Alert> = alerts.iter().collect();
        alerts.sort_by_key(|alert| std::cmp::Reverse(alert.level));
        for alert in alerts {
            let _ = write!(
                text,
                "\n{:<6} {} in {}: {}",
                alert.level.word(),
                alert.about,
                alert.window,
                alert.words
            );
        }
    }
}

fn level(level: Option<Level>) -> &'static str {
    level.map_or("too few rows", Level::word)
}

/// The window with the largest index among those with rows enough, or all of them together.
fn most(moved: &Moved) -> (Option<usize>, f64, Option<Level>) {
    let judged = moved
        .windows
        .iter()
        .enumerate()
        .filter(|(_, drift)| drift.level.is_some());
    let most = judged.max_by(|one, other| one.1.psi.total_cmp(&other.1.psi));
    match most {
        Some((at, drift)) => (Some(at), drift.psi, drift.level),
        None => (None, moved.whole.psi, None),
    }
}

fn quality_line(text: &mut String, name: &str, quality: &Quality) {
    let figures = quality.figures.iter().map(|(key, value)| {
        let value = value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        format!("{} {value}", key.replace('_', " "))
    });
    let figures: Vec<String> = figures.collect();
    let _ = write!(
        text,
        "\n  {name}: {}; {}; {}",
        quality.words(),
        figures.join(", "),
        level(quality.level)
    );
}

fn fairness_line(text: &mut String, name: &str, fairness: &Fairness) {
    let shares = fairness.groups.iter().map(|share| {
        let favoured = share
            .favoured
            .map_or("too few rows".to_owned(), |told| format!("{:.1} %", 100.0 * told));
        format!("{} {favoured} of {}", share.group, share.rows)
    });
    let shares: Vec<String> = shares.collect();
    let _ = write!(
        text,
        "\n  {name}: favoured {}; {}; {}",
        shares.join(", "),
        fairness.words(),
        level(fairness.level)
    );
}

/// Looks at a model.
pub(crate) fn execute(command: &Watched, say: &dyn Fn(&str)) -> Result<Report, Failure> {
    let decision = decision(command.threshold, command.adverse)?;
    let limits = limits(&command.dir, command.limits.as_deref()).map_err(Failure::usage)?;
    let wishes = Wishes {
        model: command.model.clone(),
        dir: command.dir.clone(),
        version: command.version.clone(),
        span: TimeSpan::read(command.from.as_deref(), command.until.as_deref())?,
        window: command.window,
        outcomes: command.outcomes.clone(),
        groups: command.group.clone(),
        decision,
        reference_rows: command.reference as usize,
        limits,
    };
    let found = look(&wishes, say)?;
    let level = found.report.level(command.latest.map(|latest| latest as usize));
    if let Some(path) = &command.html {
        replace(path, PRIVATE, html(command, &found, level, &limits).as_bytes()).map_err(Failure::finding)?;
        say(&format!("pictures are in {}", path.display()));
    }
    Ok(Report {
        model: found.model,
        version: found.version,
        level,
        remarks: found.remarks,
        report: found.report,
    })
}

fn html(command: &Watched, found: &Found, level: Level, limits: &Limits) -> String {
    let side = match command.adverse {
        Adverse::Higher => "below",
        Adverse::Lower => "from",
    };
    let mut remarks = vec![format!(
        "The decisions of the log beside the bank's own training rows, read by the same rules. The model foretells {}.",
        found.label
    )];
    remarks.extend(found.remarks.iter().cloned());
    page(
        &found.report,
        &About {
            title: &format!("{}, version {}", found.model, found.version),
            remarks: &remarks,
            limits,
            level,
            favoured: &format!("a score {side} {}", command.threshold),
        },
    )
}

/// A threshold is an edge of the scores' bins.
fn decision(threshold: f64, adverse: Adverse) -> Result<Decision, Failure> {
    let edge = threshold * SCORE_BINS as f64;
    let is_edge = (edge - edge.round()).abs() < 1e-6;
    if !is_edge || !(1.0..SCORE_BINS as f64).contains(&edge.round()) {
        return Err(Failure::usage(format!(
            "--threshold: found {threshold}, expected 0.001 to 0.999, in thousandths"
        )));
    }
    Ok(Decision {
        edge: edge.round() as u32,
        favourable: match adverse {
            Adverse::Higher => 0,
            Adverse::Lower => 1,
        },
    })
}

impl From<MonitorError> for Failure {
    fn from(error: MonitorError) -> Self {
        match error {
            MonitorError::Shelf(error) => error.into(),
            MonitorError::Folder(error) => (*error).into(),
            MonitorError::Ledger(error) => error.into(),
            MonitorError::Outcomes(_)
            | MonitorError::NoAnswer { .. }
            | MonitorError::Gone { .. }
            | MonitorError::Groups { .. }
            | MonitorError::NoGroup { .. } => Self::usage(error),
            MonitorError::Table(_)
            | MonitorError::Scorer(_)
            | MonitorError::Invalid(_)
            | MonitorError::NoModel(_)
            | MonitorError::NoDecisions { .. }
            | MonitorError::Unreadable { .. }
            | MonitorError::Answer(_) => Self::finding(error),
        }
    }
}
