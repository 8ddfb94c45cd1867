//! What was measured, as lines of a Markdown table.

use super::Options;
use super::trace::Phases;
use super::usage::Usage;

const MIB: f64 = (1 << 20) as f64;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) options: Options,
    pub(super) lanes: usize,
    pub(super) packed: u64,
    /// A round, on the average.
    pub(super) seconds: f64,
    /// Of a round, on the average.
    pub(super) usage: Usage,
    pub(super) traffic: Option<Traffic>,
    pub(super) phases: Vec<Phases>,
    pub(super) peak: u64,
}

/// Bytes of a bank and round, on the average.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// To the coordinator.
    pub up: f64,
    /// From it.
    pub down: f64,
    /// Of each: the packed vector.
    pub vector: u64,
    /// Of each: the messages that prepare the round, without what the transport adds to them.
    pub prepared: (f64, f64),
}

impl Report {
    /// Seconds of a round without the phase in which banks train and write digits: the median; none if no round had another one behind it.
    pub fn without_training(&self) -> Option<f64> {
        let rounds = self.phases.iter();
        let mut seconds: Vec<f64> = rounds
            .filter_map(|round| Some(round.whole? - (round.ready - round.prepare)))
            .collect();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied()
    }

    /// Bytes of an update.
    pub fn packed(&self) -> u64 {
        self.packed
    }

    /// Seconds that all processes computed for a round, their training threads left out: the average.
    pub fn cpu_without_training(&self) -> f64 {
        self.usage.all() - self.usage.training
    }

    /// Head and line of a table.
    pub fn table(&self) -> String {
        let Options {
            banks, way, delay, ..
        } = &self.options;
        let part = |of: fn(&Phases) -> Option<f64>| spread(self.phases.iter().filter_map(of).collect());
        let delay = delay.map_or("-".to_owned(), |delay| format!("{} ms", delay.as_millis()));
        let limit = 4.0 * self.lanes as f64 + (2.0 * f64::from(*banks) + 256.0) * MIB;
        let mut rows = vec![
            ("banks, digits", format!("{banks}, {}", self.lanes)),
            ("way, delay each way", format!("{}, {delay}", way.name())),
            ("rounds", self.phases.len().to_string()),
            (
                "whole round, s: median (least to most)",
                part(|round| round.whole),
            ),
            ("whole round, s: average", format!("{:.3}", self.seconds)),
            ("- start to open, s", part(|round| Some(round.prepare))),
            (
                "- open to cohort (training), s",
                part(|round| Some(round.ready - round.prepare)),
            ),
            (
                "- cohort to result, s",
                part(|round| Some(round.result - round.ready)),
            ),
            (
                "-- cohort to last update; to certificate; to shares; to result, s",
                [
                    part(|round| Some(round.after_uploads?[0] - round.ready)),
                    part(|round| Some(round.after_uploads?[1] - round.after_uploads?[0])),
                    part(|round| Some(round.after_uploads?[2] - round.after_uploads?[1])),
                    part(|round| Some(round.result - round.after_uploads?[2])),
                ]
                .join("; "),
            ),
            (
                "- result to next start, s",
                part(|round| round.whole.map(|whole| whole - round.result)),
            ),
            (
                "CPU of all processes, s a round",
                format!("{:.3}", self.usage.all()),
            ),
            (
                "- coordinator; banks; of that their training threads, s",
                format!(
                    "{:.3}; {:.3}; {:.3}",
                    self.usage.coordinator, self.usage.banks, self.usage.training
                ),
            ),
            (
                "coordinator's peak of memory, MiB; of its limit",
                format!("{:.0}; {:.2}", self.peak as f64 / MIB, self.peak as f64 / limit),
            ),
        ];
        if let Some(traffic) = self.traffic {
            let Traffic {
                up,
                down,
                vector,
                prepared,
            } = traffic;
            rows.push((
                "up; down; packed vector, bytes a bank and round",
                format!("{up:.0}; {down:.0}; {vector}"),
            ));
            rows.push((
                "- of that preparing, ahead of the round: bundle up; parcels down",
                format!("{:.0}; {:.0}", prepared.0, prepared.1),
            ));
            let (up, down) = (up - prepared.0 - vector as f64, down - prepared.1 - vector as f64);
            rows.push((
                "- neither that nor vectors, with what the transport adds: up; down; both",
                format!("{up:.0}; {down:.0}; {:.0}", up + down),
            ));
        }
        let lines = rows.iter().map(|(what, found)| format!("| {what} | {found} |\n"));
        let lines: String = lines.collect();
        format!("| | |\n| --- | --- |\n{lines}")
    }
}

fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    match (values.first(), values.get(values.len() / 2), values.last()) {
        (Some(least), Some(median), Some(most)) => format!("{median:.3} ({least:.3} to {most:.3})"),
        _ => "-".to_owned(),
    }
}
