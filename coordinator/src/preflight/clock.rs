//! This machine's clock beside those of the banks, which stand in the cosignatures under the published head. Banks compare theirs with this one when they
//! come; here is the only place where it shows that this one is wrong.

use std::time::UNIX_EPOCH;

use time::OffsetDateTime;
use veilsum_preflight::{Report, Whose, Wrong};
use veilsum_protocol::log::{VerifiedCheckpoint, Witnesses};

use super::identity::Known;
use crate::config::Config;
use crate::log::CHECKPOINT_FILE;

/// Clocks that differ by more are told.
const TOLD_SECONDS: i64 = 120;

/// By more, certificates are refused: one is valid from ten minutes before its issue.
const WRONG_SECONDS: i64 = 600;

pub(super) fn clock(report: &mut Report, config: &Config, known: &Known, now: OffsetDateTime) {
    let Some((written, mut seen)) = cosigned(config, known) else {
        return report.skip(
            "clock",
            "no bank has cosigned a head yet, which tells its time; see to it that this machine's clock is set (`timedatectl`): banks are refused by it, and compare theirs with it",
        );
    };
    seen.sort_unstable();
    let Some(median) = seen.get(seen.len() / 2).copied() else {
        return;
    };
    let now = now.unix_timestamp();
    let banks = seen.len();
    let todo = "set this machine's clock (`timedatectl set-ntp true`; `date -u` shows it): every bank compares its own with it";
    // Signed in what is the future here: whatever happened to the file, this clock is behind.
    let behind = median.saturating_sub(now.min(written));
    let ahead = written.saturating_sub(median);
    if behind > TOLD_SECONDS {
        let found = format!(
            "this machine's clock is {} minutes behind those of the banks ({banks} cosigned the published head, by their clocks that much later)",
            minutes(behind)
        );
        let wrong = Wrong::new("clock", found, todo);
        if behind > WRONG_SECONDS {
            return report.fail("clock", Whose::Ours, wrong);
        }
        return report.warn("clock", wrong);
    }
    if ahead > TOLD_SECONDS {
        let found = format!(
            "the published head was written {} minutes after {banks} banks cosigned it, by their clocks: this machine's is that much ahead, unless the folder was copied since",
            minutes(ahead)
        );
        return report.warn("clock", Wrong::new("clock", found, todo));
    }
    report.ok(
        "clock",
        format!("within {TOLD_SECONDS} s of {banks} banks' when they cosigned the published head"),
    );
}

fn minutes(seconds: i64) -> i64 {
    seconds.saturating_add(30) / 60
}

/// When the published head was written, by this machine's clock, and when each bank saw it, by its own.
fn cosigned(config: &Config, known: &Known) -> Option<(i64, Vec<i64>)> {
    let path = config.folders.log.join(CHECKPOINT_FILE);
    let written = std::fs::metadata(&path).ok()?.modified().ok()?;
    let written = written.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let note = std::fs::read(&path).ok()?;
    let head = VerifiedCheckpoint::parse(&note, &known.consortium.log_key).ok()?;
    let seen = Witnesses::of(known.roster.as_ref()?).seen(head.note());
    let by: Vec<i64> = seen
        .by
        .values()
        .filter_map(|time| i64::try_from(time.0).ok())
        .collect();
    (!by.is_empty()).then_some((i64::try_from(written).ok()?, by))
}
