#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use veilsum_link::Transport;
use veilsum_protocol::ids::Round;
use veilsum_protocol::wire::outbound::Departure;

use super::*;
use crate::egress::Ledger;
use crate::participant::{Connection, RoundSeen, TaskStatus};

const DOCUMENTED: &str = include_str!("../../../docs/metrics.md");
const DASHBOARD: &str = include_str!("../../../docs/operations/grafana-dashboard-bank.json");
const ALERTS: &str = include_str!("../../../docs/operations/alerts-bank.yml");

fn facts(folder: &std::path::Path) -> Facts {
    let ledger = Ledger::in_memory();
    let vector = Departure::of(OutboundKind::MaskedVector).in_round(Round(3));
    ledger.leaves(vector, 1000);
    ledger.stayed(vector, 400);
    ledger.framed(Transport::Quic, 900);
    let task = |name: &str, approved| TaskStatus {
        name: name.to_owned(),
        approved,
        step: 3,
        steps: 12,
        ..TaskStatus::default()
    };
    Facts {
        status: Some(Arc::new(Status {
            started_at: 1_700_000_000,
            certificate_not_after: Some(2_000_000_000),
            connection: Some(Connection {
                transport: "TCP".to_owned(),
                ..Connection::default()
            }),
            epoch: Some(4),
            log_entries: 77,
            rounds: [(Part::InSum, 5), (Part::SatOut, 1)].into(),
            last_round: Some(RoundSeen {
                ended: Some(1_700_000_123_456),
                ..RoundSeen::default()
            }),
            tasks: vec![task("credit", true), task("fraud-2", false)],
            ..Status::default()
        })),
        account: ledger.account(),
        state: folder.to_owned(),
    }
}

#[test]
fn gauges_and_counters_say_what_the_daemon_says() {
    let folder = tempfile::tempdir().unwrap();
    let text = text(&facts(folder.path())).unwrap();
    for line in [
        "veilsum_client_start_time_seconds 1700000000.0",
        "veilsum_client_certificate_not_after_seconds 2000000000.0",
        "veilsum_client_connected{transport=\"quic\"} 0",
        "veilsum_client_connected{transport=\"tcp\"} 1",
        "veilsum_client_epoch 4",
        "veilsum_client_log_entries 77",
        "veilsum_client_data_usable 1",
        "veilsum_client_egress_unwritten 0",
        "veilsum_client_last_round_ended_seconds 1700000123.0",
        "veilsum_client_rounds_total{part=\"in_the_sum\"} 5",
        "veilsum_client_rounds_total{part=\"sat_out\"} 1",
        "veilsum_client_rounds_total{part=\"no_result\"} 0",
        "veilsum_client_task_approved{task=\"credit\"} 1",
        "veilsum_client_task_approved{task=\"fraud-2\"} 0",
        "veilsum_client_task_steps{task=\"credit\"} 12",
        "veilsum_client_egress_bytes_total{kind=\"masked-vector\"} 1000",
        "veilsum_client_egress_messages_total{kind=\"masked-vector\"} 1",
        "veilsum_client_egress_messages_total{kind=\"hello\"} 0",
        "veilsum_client_egress_unsent_bytes_total 400",
        "veilsum_client_egress_framed_bytes_total 900",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(text.ends_with("# EOF\n"));
}

/// The names that the text has, with the endings of counters.
fn told(folder: &std::path::Path) -> BTreeSet<String> {
    let text = text(&facts(folder)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split(['{', ' ']).next().map(str::to_owned))
        .collect()
}

fn named_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("veilsum_client_"));
    ours.map(str::to_owned).collect()
}

#[test]
fn every_name_is_documented_and_no_other_is() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(named_in(DOCUMENTED), told(folder.path()));
}

#[test]
fn dashboard_and_alerts_ask_for_names_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let known = told(folder.path());
    for (what, text) in [("dashboard", DASHBOARD), ("alerts", ALERTS)] {
        let named = named_in(text);
        assert!(!named.is_empty(), "{what}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{what}: {unknown:?}");
    }
    assert!(serde_json::from_str::<serde_json::Value>(DASHBOARD).unwrap()["panels"].is_array());
}

#[test]
fn before_the_first_status_there_is_what_is_known_then() {
    let folder = tempfile::tempdir().unwrap();
    let early = Facts {
        status: None,
        ..facts(folder.path())
    };
    let text = text(&early).unwrap();
    assert!(text.contains("veilsum_client_build_info") && !text.contains("veilsum_client_epoch"));
}
