//! What the bank's tasks ask of this machine.

use std::path::Path;

use veilsum_preflight::{Advice, Memory, Report};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::task::Task;

use crate::remedy;

const MIB: u64 = 1 << 20;

/// Disk that a bank takes whatever it trains: receipts, texts, the protocol's state, and room to replace them.
const DISK_FLOOR: u64 = 64 * MIB;

/// Disk where no task is known yet: enough for a model of two million numbers.
const DISK_WITHOUT_TASK: u64 = 256 * MIB;

/// Disk for each lane of the largest contribution: four states of at most three numbers of 4 bytes, as many for training that is cut off, two for
/// what stays in the bank, one for the model's own file, and the digits and the masked vector of at most 4 bytes.
const DISK_PER_LANE: u64 = 4 * 12 + 12 + 8 + 4 + 8;

/// Memory of the program with libtorch, without rows and model; `docs/performance.md` has peaks.
const MEMORY_FLOOR: u64 = 256 * MIB;

/// Memory for each lane: the model, its gradient, two numbers of the optimiser, the update, its digits, the masked lanes and the state.
const MEMORY_PER_LANE: u64 = 10 * 4;

/// Open files: a connection and its streams, the table, the state, the log's parts.
pub(super) const FILES: u64 = 256;

const ADVICE: Advice = Advice {
    too_small: "free space on this disk, or set `state` to a folder on a larger one before the daemon's first start (later move it as it is, with the daemon stopped)",
    of_error: remedy::of_disk,
};

/// What the largest task takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Load {
    task: String,
    /// Of its largest contribution.
    lanes: u64,
}

impl Load {
    fn of(task: &Task) -> Self {
        let plan = Plan::new(task);
        let kinds = [
            RoundKind::Statistics,
            RoundKind::Train,
            RoundKind::Evaluate,
            RoundKind::Support,
            RoundKind::Vocabulary,
        ];
        let lanes = kinds.into_iter().map(|kind| plan.layout(kind).lanes()).max();
        Self {
            task: task.name.clone(),
            lanes: lanes.map_or(0, |lanes| u64::try_from(lanes).unwrap_or(u64::MAX)),
        }
    }

    pub(super) fn largest(tasks: &[Task]) -> Option<Self> {
        tasks.iter().map(Self::of).max_by_key(|load| load.lanes)
    }
}

/// Room under `state`.
pub(super) fn disk(report: &mut Report, state: &Path, load: Option<&Load>) {
    let (needed, what_for) = match load {
        Some(load) => (
            DISK_FLOOR.saturating_add(load.lanes.saturating_mul(DISK_PER_LANE)),
            format!("task {} with {} lanes", load.task, load.lanes),
        ),
        None => (
            DISK_WITHOUT_TASK,
            "a small model; no task is known here yet".to_owned(),
        ),
    };
    veilsum_preflight::disk(report, state, needed, &what_for, ADVICE);
}

/// Memory for the program, the largest task and the rows.
pub(super) fn memory(report: &mut Report, rows: u64, load: Option<&Load>) {
    let model = load.map_or(0, |load| load.lanes.saturating_mul(MEMORY_PER_LANE));
    let what_for = match load {
        Some(load) => format!("the program and task {}", load.task),
        None => "the program; no task is known here yet".to_owned(),
    };
    let needs = Memory {
        least: MEMORY_FLOOR.saturating_add(model),
        what_for,
        more: Some((rows, "data.memory_bytes, for rows")),
    };
    veilsum_preflight::memory(report, &needs);
}
