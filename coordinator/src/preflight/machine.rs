//! What rounds ask of this machine.

use veilsum_preflight::{Advice, Memory, Report, Wrong};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::task::Task;

use crate::config::Config;
use crate::remedy;

const MIB: u64 = 1 << 20;

/// Disk for store, log and texts.
const DISK_FLOOR: u64 = 256 * MIB;

/// Disk where no task is named.
const DISK_WITHOUT_TASK: u64 = 1024 * MIB;

/// Memory for each lane of the sum (`docs/performance.md`).
const MEMORY_PER_LANE: u64 = 4;

/// Memory for each bank.
const MEMORY_PER_BANK: u64 = 2 * MIB;

/// Memory of the program.
const MEMORY_FLOOR: u64 = 256 * MIB;

/// Files beside connections: store, log, spool, blobs.
const FILES_FLOOR: u64 = 256;

const ADVICE: Advice = Advice {
    too_small: "free or add space; a task with `archive_rounds` keeps no more of its rounds than that",
    of_error: remedy::of_disk,
};

/// The largest contribution of a task.
struct Load {
    lanes: u64,
    /// Of one bank, packed.
    vector: u64,
    /// Of what is derived in each step.
    state: u64,
    steps: u64,
}

impl Load {
    fn of(task: &Task, banks: u64) -> Self {
        let plan = Plan::new(task);
        let members = u16::try_from(banks).unwrap_or(u16::MAX);
        let kinds = [
            RoundKind::Statistics,
            RoundKind::Train,
            RoundKind::Evaluate,
            RoundKind::Support,
            RoundKind::Vocabulary,
        ];
        let number = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let of = |kind| {
            let layout = plan.layout(kind);
            let lanes = layout.lanes();
            let packed = layout.ring(members).map(|ring| ring.packed_bytes(lanes));
            (number(lanes), number(packed.unwrap_or(lanes.saturating_mul(4))))
        };
        let largest = kinds.map(of).into_iter().max().unwrap_or((0, 0));
        Self {
            lanes: largest.0,
            vector: largest.1,
            // A sum of 4 bytes a lane, and a state of at most three numbers of 4 bytes.
            state: largest.0.saturating_mul(16),
            steps: plan.steps().into(),
        }
    }

    /// What a round leaves: every bank's vector, the sum and the state.
    fn round(&self, banks: u64) -> u64 {
        self.vector.saturating_mul(banks).saturating_add(self.state)
    }
}

pub(super) fn disk(report: &mut Report, config: &Config, banks: u64, task: Option<&Task>) {
    let data = &config.folders.data;
    let Some(task) = task else {
        let what_for = "store, log and a few rounds; --task FILE says what a task needs";
        veilsum_preflight::disk(report, data, DISK_WITHOUT_TASK, what_for, ADVICE);
        return;
    };
    let load = Load::of(task, banks);
    let round = load.round(banks);
    // The open round in the spool, and the one before it in the archive.
    let needed = DISK_FLOOR.saturating_add(round.saturating_mul(2));
    let what_for = format!(
        "two rounds of task {} with {banks} banks ({} each)",
        task.name,
        mib(round)
    );
    let Some(free) = veilsum_preflight::disk(report, data, needed, &what_for, ADVICE) else {
        return;
    };
    let kept = task
        .archive_rounds
        .map_or(load.steps, |rounds| u64::from(rounds).min(load.steps));
    let whole = load
        .vector
        .saturating_mul(banks)
        .saturating_mul(kept)
        .saturating_add(load.state.saturating_mul(load.steps));
    let found = format!(
        "all {} steps of task {} leave {} ({} of them with every bank's vector), {} are free",
        load.steps,
        task.name,
        mib(whole),
        kept,
        mib(free)
    );
    if free < whole {
        let todo = "add space before the task is through, or set `archive_rounds` in it: older rounds can then be replayed no more";
        report.warn("archive", Wrong::new("disk-full", found, todo));
    } else {
        report.ok("archive", found);
    }
}

pub(super) fn memory(report: &mut Report, banks: u64, task: Option<&Task>) {
    let lanes = task.map_or(0, |task| Load::of(task, banks).lanes);
    let what_for = match task {
        Some(task) => format!("task {} with {banks} banks", task.name),
        None => format!("{banks} banks, and 4 bytes more for each number of a model"),
    };
    let needs = Memory {
        least: MEMORY_FLOOR
            .saturating_add(banks.saturating_mul(MEMORY_PER_BANK))
            .saturating_add(lanes.saturating_mul(MEMORY_PER_LANE)),
        what_for,
        more: None,
    };
    veilsum_preflight::memory(report, &needs);
}

/// Over TCP a bank has a connection for its messages and one for each stream, and as many that wait; an upload has a file beside it.
pub(super) fn files(report: &mut Report, config: &Config, banks: u64) {
    let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    let streams = u64::from(config.limits.streams);
    let of_bank = streams.saturating_add(1).saturating_mul(3);
    let needed = FILES_FLOOR
        .saturating_add(banks.saturating_mul(of_bank))
        .saturating_add(size(config.limits.max_handshakes))
        .saturating_add(size(config.auditors.max_connections))
        .saturating_add(size(config.operator.max_connections));
    veilsum_preflight::files(report, needed);
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(MIB))
}
