//! What was measured, against the limits.

use std::time::Duration;

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::Options;
use super::idle::IdleReport;
use crate::demo::consortium::Verdict;
use crate::demo::history::{RoundEnd, RoundStory};

const MIB: u64 = 1 << 20;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    banks: u16,
    lanes: usize,
    /// Steps of the task: statistics, training, evaluation.
    steps: usize,
    published: usize,
    aborted: usize,
    survivors: Vec<usize>,
    seconds: Vec<f64>,
    peak: u64,
    sockets: u64,
    all: Duration,
    cpu: Duration,
    kills: Vec<(&'static str, usize)>,
    verdict: Option<(Verdict, Duration)>,
}

impl Report {
    pub(super) fn new(options: &Options, lanes: usize) -> Self {
        Self {
            banks: options.banks,
            lanes,
            steps: usize::try_from(options.rounds)
                .unwrap_or(usize::MAX)
                .saturating_add(2),
            published: 0,
            aborted: 0,
            survivors: Vec::new(),
            seconds: Vec::new(),
            peak: 0,
            sockets: 0,
            all: Duration::ZERO,
            cpu: Duration::ZERO,
            kills: Vec::new(),
            verdict: None,
        }
    }

    pub(super) fn saw(&mut self, peak: u64, sockets: u64) {
        self.peak = self.peak.max(peak);
        self.sockets = self.sockets.max(sockets);
    }

    pub(super) fn ended(&mut self, story: &RoundStory) {
        match story.end {
            Some(RoundEnd::Published { .. }) => {
                self.published += 1;
                self.survivors.push(story.survivors.as_ref().map_or(0, Vec::len));
                self.seconds.push(story.seconds);
            }
            Some(RoundEnd::Aborted(_)) => self.aborted += 1,
            None => {}
        }
    }

    pub(super) fn took(
        &mut self,
        all: Duration,
        cpu: Duration,
        kills: impl Iterator<Item = (&'static str, usize)>,
    ) {
        self.all = all;
        self.cpu = cpu;
        self.kills = kills.collect();
    }

    pub(super) fn verified(&mut self, verdict: Verdict, took: Duration) {
        self.verdict = Some((verdict, took));
    }

    /// Most resident memory that the coordinator may need, in bytes: `4d`, and 2 MiB for each bank, and 256 MiB.
    pub fn memory_limit(&self) -> u64 {
        4 * self.lanes as u64 + u64::from(self.banks) * 2 * MIB + 256 * MIB
    }

    /// Every step is published, no attempt was lost, the memory is within its limit, and the auditor agrees.
    pub fn holds(&self) -> bool {
        self.published == self.steps
            && self.aborted == 0
            && self.peak <= self.memory_limit()
            && self.verdict.as_ref().is_some_and(|(verdict, _)| verdict.verifies)
    }

    /// Banks that were killed in all.
    pub fn killed(&self) -> usize {
        self.kills.iter().map(|(_, count)| count).sum()
    }

    /// A table for a terminal.
    pub fn table(&self) -> String {
        let kills: Vec<String> = self
            .kills
            .iter()
            .map(|(phase, count)| format!("{phase} {count}"))
            .collect();
        let (least, most) = (
            self.survivors.iter().min().copied().unwrap_or(0),
            self.survivors.iter().max().copied().unwrap_or(0),
        );
        let mut rows = vec![
            [
                "steps published".to_owned(),
                self.published.to_string(),
                format!("{}, all", self.steps),
            ],
            [
                "attempts lost".to_owned(),
                self.aborted.to_string(),
                "0".to_owned(),
            ],
            [
                "banks in a sum".to_owned(),
                format!("{least} to {most}"),
                format!("of {}", self.banks),
            ],
            ["banks killed in".to_owned(), kills.join(", "), String::new()],
            [
                "coordinator, peak of resident memory".to_owned(),
                mib(self.peak),
                format!(
                    "{}, ratio {:.2}",
                    mib(self.memory_limit()),
                    self.peak as f64 / self.memory_limit() as f64
                ),
            ],
            [
                "kernel's socket buffers, all processes".to_owned(),
                mib(self.sockets),
                String::new(),
            ],
            [
                "a round from opening to end, median".to_owned(),
                format!("{:.1} s", median(&self.seconds)),
                String::new(),
            ],
            [
                "coordinator, CPU a round".to_owned(),
                format!("{:.2} s", self.cpu.as_secs_f64() / self.published.max(1) as f64),
                String::new(),
            ],
            [
                "all rounds".to_owned(),
                format!("{:.0} s", self.all.as_secs_f64()),
                String::new(),
            ],
        ];
        if let Some((verdict, took)) = &self.verdict {
            rows.push([
                "auditor".to_owned(),
                format!(
                    "{}; {} entries, {} sums added again, {:.0} s",
                    if verdict.verifies {
                        "verifies"
                    } else {
                        "DOES NOT VERIFY"
                    },
                    verdict.entries,
                    verdict.replayed.unwrap_or(0),
                    took.as_secs_f64()
                ),
                "verifies".to_owned(),
            ]);
        }
        table(rows)
    }
}

impl IdleReport {
    /// A table for a terminal.
    pub fn table(&self) -> String {
        table(vec![
            [
                "banks connected".to_owned(),
                self.banks.to_string(),
                String::new(),
            ],
            [
                "connections lost".to_owned(),
                format!("{} in {:.0} s", self.lost, self.seconds),
                "0".to_owned(),
            ],
            [
                "strangers turned away".to_owned(),
                self.turned_away.to_string(),
                format!("{}, all", self.strangers),
            ],
            [
                "coordinator, resident memory a bank".to_owned(),
                format!("{:.0} KiB", self.memory_each as f64 / 1024.0),
                String::new(),
            ],
            ["coordinator, peak".to_owned(), mib(self.peak), String::new()],
            [
                "kernel's socket buffers, both ends".to_owned(),
                mib(self.sockets),
                String::new(),
            ],
            [
                "coordinator, CPU".to_owned(),
                format!("{:.1} % of one core", 100.0 * self.cpu / self.seconds.max(1.0)),
                String::new(),
            ],
        ])
    }
}

fn table(rows: Vec<[String; 3]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["", "found", "limit"]);
    for [what, found, limit] in rows {
        table.add_row([
            Cell::new(what),
            Cell::new(found).set_alignment(CellAlignment::Right),
            Cell::new(limit).set_alignment(CellAlignment::Right),
        ]);
    }
    format!("{table}\n")
}

fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / MIB as f64)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}
