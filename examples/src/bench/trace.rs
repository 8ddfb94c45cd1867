//! When each phase of a round began, from the coordinator's trace.

use std::fs;
use std::path::Path;

use crate::demo::DemoError;

/// One round: seconds from its start to where each phase ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phases {
    /// Its number.
    pub round: u64,
    /// Step of the task, from 1.
    pub step: u32,
    /// Whether the banks train in it.
    pub is_training: bool,
    /// Until the round is open: every bank has prepared.
    pub prepare: f64,
    /// Until the cohort is fixed: training, and the banks' word that they are ready.
    pub ready: f64,
    /// Until the last update is stored, the list of survivors is certified, and enough shares are there; none unless the coordinator traces at
    /// debug level.
    pub after_uploads: Option<[f64; 3]>,
    /// Until the result is committed: masking, uploads, confirmations, shares, the sum.
    pub result: f64,
    /// Until the next round starts: the banks derive the next state and acknowledge it. None in the last round.
    pub whole: Option<f64>,
}

/// Every round that was published.
///
/// # Errors
/// If the trace cannot be read.
pub fn rounds(path: &Path) -> Result<Vec<Phases>, DemoError> {
    let text = fs::read_to_string(path).map_err(DemoError::file(path))?;
    Ok(parse(&text))
}

fn parse(text: &str) -> Vec<Phases> {
    let mut rounds: Vec<Phases> = Vec::new();
    let mut open: Option<(f64, Phases)> = None;
    for line in text.lines() {
        let Some((at, round, said)) = line_of(line) else {
            continue;
        };
        if said.contains(" steps of task ") {
            if let (Some((start, _)), Some(last)) = (&open, rounds.last_mut()) {
                last.whole = Some(since(*start, at));
            }
            let number = said.split_once('(').and_then(|(_, rest)| rest.split(' ').next());
            let phases = Phases {
                round,
                step: number.and_then(|number| number.parse().ok()).unwrap_or(0),
                is_training: said.starts_with("train"),
                ..Phases::default()
            };
            open = Some((at, phases));
        } else if let Some((start, phases)) = open.as_mut().filter(|(_, phases)| phases.round == round) {
            let passed = since(*start, at);
            if said.starts_with("open to") {
                phases.prepare = passed;
            } else if said.contains("banks are ready") {
                phases.ready = passed;
            } else if said.contains("updates are stored") {
                phases.after_uploads = Some([passed, f64::NAN, f64::NAN]);
            } else if said.starts_with("the list is certified") {
                if let Some([_, certified, _]) = &mut phases.after_uploads {
                    *certified = passed;
                }
            } else if said.starts_with("enough shares") {
                if let Some([_, _, shares]) = &mut phases.after_uploads {
                    *shares = passed;
                }
            } else if said.starts_with("published") {
                phases.result = passed;
                rounds.push(phases.clone());
            }
        }
    }
    rounds
}

/// Second of the day, round, and what is said of it.
fn line_of(line: &str) -> Option<(f64, u64, &str)> {
    let (stamp, rest) = line.split_once(' ')?;
    let (_, clock) = stamp.strip_suffix('Z')?.split_once('T')?;
    let mut parts = clock.split(':').map(str::parse::<f64>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let (_, rest) = rest.split_once("round ")?;
    let (round, said) = rest.split_once(": ")?;
    Some((
        hours * 3600.0 + minutes * 60.0 + seconds,
        round.parse().ok()?,
        said,
    ))
}

/// Also over midnight.
fn since(start: f64, at: f64) -> f64 {
    (at - start).rem_euclid(86_400.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read_from_a_trace() {
        let text = "\
2026-01-01T23:59:59.000000Z  INFO round 7: train (3 of 9 steps of task load), 5 of 5 banks are here
2026-01-01T23:59:59.250000Z  INFO round 7: open to 5 banks
2026-01-01T23:59:59.500000Z  INFO round 7: 5 banks are ready; they upload masked updates
2026-01-01T23:59:59.750000Z DEBUG round 7: 5 updates are stored; their banks confirm the list
2026-01-02T00:00:00.000000Z DEBUG round 7: the list is certified; the banks release shares
2026-01-02T00:00:00.250000Z DEBUG round 7: enough shares are here; the sum is made
2026-01-02T00:00:00.000000Z  INFO bank-1 is connected
2026-01-02T00:00:00.500000Z  INFO round 7: published, 5 banks in the sum; model before: AUC -
2026-01-02T00:00:01.000000Z  INFO round 8: evaluate (4 of 9 steps of task load), 5 of 5 banks are here
";
        let expected = Phases {
            round: 7,
            step: 3,
            is_training: true,
            prepare: 0.25,
            ready: 0.5,
            after_uploads: Some([0.75, 1.0, 1.25]),
            result: 1.5,
            whole: Some(2.0),
        };
        assert_eq!(parse(text), [expected]);
    }
}
