#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::engine::status::{BankStatus, TaskLine};
use veilsum_protocol::ids::Digest;

const DOCUMENTED: &str = include_str!("../../../docs/metrics.md");
const DASHBOARD: &str = include_str!("../../../docs/operations/grafana-dashboard.json");
const ALERTS: &str = include_str!("../../../docs/operations/alerts.yml");

fn meters(folder: &std::path::Path) -> Meters {
    Meters::new(folder.to_owned(), folder.to_owned(), 2_000_000_000, 1_700_000_000)
}

fn status() -> Status {
    let bank = |index: u16, connected| BankStatus {
        index,
        name: format!("bank-{index}"),
        connected,
        software: None,
        has_keys: connected,
        away_since: None,
        certificate_until: Some(1_900_000_000),
        replaced: 2,
        two_places: (index == 1).then(|| ["192.0.2.1:1", "192.0.2.2:2"].map(str::to_owned)),
    };
    let task = |name: &str, status| TaskLine {
        name: name.to_owned(),
        task: Digest([1; 32]),
        status,
        step: 3,
        steps: 12,
        approved: Vec::new(),
        refused: Vec::new(),
        silent: Vec::new(),
        out_of_reach: false,
        current: false,
        attempt: 0,
        attempts: 3,
        last_result: None,
    };
    Status {
        consortium: "demo".to_owned(),
        version: "0".to_owned(),
        at: 0,
        started: 0,
        epoch: Some(4),
        waiting_for: String::new(),
        waits_until: None,
        least_banks: 2,
        banks: vec![bank(1, true), bank(2, false), bank(3, true)],
        tasks: vec![
            task("old", TaskStatus::Finished),
            task("credit", TaskStatus::Paused),
        ],
        proposal: None,
        round: None,
        past: Vec::new(),
        last_result: None,
        log_size: 77,
        checkpoint: String::new(),
        published: 70,
        cosignatures: 2,
    }
}

/// Everything has happened once.
fn moved(folder: &std::path::Path) -> String {
    let meters = meters(folder);
    meters.phase_ended(Phase::Collect, 2.5);
    meters.round_ended(Ok(()));
    meters.round_ended(Err(AbortReason::TooFewReady));
    meters.uploaded(100);
    meters.uploaded(20);
    meters.fetched(7);
    meters.rejected(Check::Phase);
    meters.cosigned();
    meters.committed(0.004);
    meters.text(Some(&status())).unwrap()
}

#[test]
fn what_happened_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let text = moved(folder.path());
    for line in [
        "veilsum_coordinator_rounds_published_total 1",
        "veilsum_coordinator_rounds_failed_total{reason=\"too_few_ready\"} 1",
        "veilsum_coordinator_rounds_failed_total{reason=\"bad_sum\"} 0",
        "veilsum_coordinator_phase_duration_seconds_bucket{le=\"1.0\",phase=\"collect\"} 0",
        "veilsum_coordinator_phase_duration_seconds_bucket{le=\"3.0\",phase=\"collect\"} 1",
        "veilsum_coordinator_phase_duration_seconds_sum{phase=\"collect\"} 2.5",
        "veilsum_coordinator_uploads_total 2",
        "veilsum_coordinator_upload_bytes_total 120",
        "veilsum_coordinator_fetches_total 1",
        "veilsum_coordinator_fetched_bytes_total 7",
        "veilsum_coordinator_rejections_total{check=\"C-701\"} 1",
        "veilsum_coordinator_cosignatures_total 1",
        "veilsum_coordinator_commit_duration_seconds_count 1",
        "veilsum_coordinator_banks 3",
        "veilsum_coordinator_banks_connected 2",
        "veilsum_coordinator_least_banks 2",
        "veilsum_coordinator_bank_connected{bank=\"bank-2\"} 0",
        "veilsum_coordinator_epoch 4",
        "veilsum_coordinator_round_open 0",
        "veilsum_coordinator_tasks{status=\"paused\"} 1",
        "veilsum_coordinator_tasks{status=\"running\"} 0",
        "veilsum_coordinator_task_step{task=\"credit\"} 3",
        "veilsum_coordinator_task_steps{task=\"credit\"} 12",
        "veilsum_coordinator_log_entries 77",
        "veilsum_coordinator_log_published_entries 70",
        "veilsum_coordinator_certificate_not_after_seconds 2000000000.0",
        "veilsum_coordinator_start_time_seconds 1700000000.0",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in:\n{text}"
        );
    }
    assert!(!text.contains("task=\"old\""), "a task that is over has no step");
    assert!(text.contains("veilsum_coordinator_folder_free_bytes{folder=\"data\"} "));
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn who_leaves_the_roster_is_told_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let meters = meters(folder.path());
    let mut status = status();
    assert!(meters.text(Some(&status)).unwrap().contains("bank=\"bank-3\""));
    status.banks.pop();
    assert!(!meters.text(Some(&status)).unwrap().contains("bank=\"bank-3\""));
}

/// The names as samples have them.
fn served() -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let text = moved(folder.path());
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    kinds
        .map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            match kind {
                "counter" => format!("{name}_total"),
                "info" => format!("{name}_info"),
                _ => name.to_owned(),
            }
        })
        .collect()
}

fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with("veilsum_coordinator_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_name_is_documented_and_every_documented_name_is_served() {
    let documented = named(DOCUMENTED);
    assert!(documented.len() > 20, "{documented:?}");
    assert_eq!(documented, served());
}

/// Histograms have three series each.
fn series() -> BTreeSet<String> {
    let served = served();
    let parts = |name: &String| ["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}"));
    let of_histograms = served.iter().filter(|name| name.ends_with("_duration_seconds"));
    of_histograms.flat_map(parts).chain(served.clone()).collect()
}

#[test]
fn dashboard_and_alerts_ask_for_what_is_served() {
    let series = series();
    for (name, text) in [("dashboard", DASHBOARD), ("alerts", ALERTS)] {
        let named = named(text);
        assert!(named.len() >= 8, "{name}: {named:?}");
        let missing: Vec<_> = named.difference(&series).collect();
        assert!(
            missing.is_empty(),
            "{name} names {missing:?}, which nobody serves"
        );
    }
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(panel["title"].is_string(), "{panel}");
    }
    // Every alert has an expression, says how bad it is, and what to do.
    let count = |part: &str| {
        ALERTS
            .lines()
            .filter(|line| line.trim_start().starts_with(part))
            .count()
    };
    let alerts = count("- alert:");
    assert!(alerts >= 8);
    for part in ["expr:", "severity:", "summary:", "description:"] {
        assert_eq!(count(part), alerts, "{part}");
    }
}
