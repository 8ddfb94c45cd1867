//! What a bank's masking needs beside its vector, measured in a process of its own.

use std::fs;
use std::hint::black_box;
use std::process::Command;

use ring::digest::{Context, SHA256};
use veilsum_protocol::crypto::entropy::SeededEntropy;
use veilsum_protocol::secagg::mask::Masking;
use veilsum_protocol::secagg::quantise::Digits;

use super::ArithmeticError;
use super::bank::{DIGIT_BITS, masks, ring, values};
use super::pace::Row;

/// Set in the process that is measured.
const MEASURED: &str = "VEILSUM_BENCH_MEASURED";

/// What the process that is measured was asked for.
#[derive(Clone, Copy, Debug)]
struct Measured {
    banks: u16,
    lanes: usize,
}

/// In the process that is measured: masks a vector, prints the bytes that it took, and says so. In any other: nothing.
pub fn measured() -> bool {
    let asked = std::env::var(MEASURED).ok().and_then(|asked| {
        let (banks, lanes) = asked.split_once(' ')?;
        Some(Measured {
            banks: banks.parse().ok()?,
            lanes: lanes.parse().ok()?,
        })
    });
    if let Some(asked) = asked {
        println!("{}", asked.bytes());
    }
    asked.is_some()
}

impl Measured {
    fn bytes(self) -> u64 {
        let mut digits = Digits::with_capacity(DIGIT_BITS, self.lanes);
        let _ = digits.push_reals(&values(self.lanes), 1.0, 0.5, &mut SeededEntropy::new(2));
        let before = resident("VmRSS");
        // The mark may lie above what is resident now: the values were there until a moment ago.
        let _ = fs::write("/proc/self/clear_refs", "5");
        let masks = masks(ring(self.banks), usize::from(self.banks));
        let mut masking = Masking::new(&masks);
        let mut hash = Context::new(&SHA256);
        for (chunk, digits) in (0..).zip(digits.lanes().chunks(masking.ring().chunk_lanes())) {
            hash.update(masking.chunk(chunk, digits));
        }
        black_box(hash.finish());
        resident("VmHWM").saturating_sub(before)
    }
}

/// A line of the process's status, in bytes.
fn resident(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    kibibytes
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or_default()
        * 1024
}

pub(super) fn rows(show: &mut dyn FnMut(Row)) -> Result<(), ArithmeticError> {
    for (banks, lanes) in [
        (5, 1_000_000),
        (100, 1_000_000),
        (500, 1_000_000),
        (100, 10_000_000),
    ] {
        let output = Command::new(std::env::current_exe()?)
            .env(MEASURED, format!("{banks} {lanes}"))
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let bytes: f64 = text.parse().map_err(|_| {
            ArithmeticError::System(format!("the measured process said {text:?}, expected bytes"))
        })?;
        let limit = f64::from(1 << 20);
        show(Row {
            what: format!("bank, n = {banks}, d = {lanes}: memory beside its vector, one thread"),
            found: format!("{:.0} KiB", bytes / 1024.0),
            ratio: Some(bytes / limit),
            limit: "1 MiB".to_owned(),
            goal: "at most 1",
        });
    }
    Ok(())
}
