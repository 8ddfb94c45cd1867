//! A table that looks like a bank's, for the benchmarks that read one.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

pub(crate) const SCHEMA: &str = r#"
version = 1
label = "default"
leave_out = ["id"]
missing = ["", "NA"]
[[column]]
name = "income"
type = "number"
min = 0
max = 1e6
scale = "log"
when_missing = "mean"
[[column]]
name = "age"
type = "integer"
min = 18
max = 100
[[column]]
name = "region"
type = "category"
values = ["north", "south", "east", "west", "centre"]
[[column]]
name = "job"
type = "category"
values = ["clerk", "nurse", "teacher", "driver", "engineer", "farmer", "cook"]
other = "bucket"
[[column]]
name = "debt"
type = "number"
min = -1
max = 1
[[column]]
name = "balance"
type = "number"
min = -1e6
max = 1e6
[[column]]
name = "months"
type = "integer"
min = 0
max = 600
[[column]]
name = "limit"
type = "integer"
min = 0
max = 1000000
"#;

/// Rows that look like a bank's, the same in every run.
pub(crate) fn write(path: &Path, rows: usize) {
    let regions = ["north", "south", "east", "west", "centre"];
    let jobs = [
        "clerk", "nurse", "teacher", "driver", "engineer", "farmer", "cook", "other",
    ];
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    writeln!(out, "id,income,age,region,job,debt,balance,months,limit,default").unwrap();
    let mut state = 1_u64;
    // Splitmix64.
    let mut draw = |below: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % below
    };
    for row in 0..rows {
        let income = match draw(50) {
            0 => String::new(),
            _ => format!("{}.{:02}", draw(200_000), draw(100)),
        };
        let sign = if draw(2) == 0 { "-" } else { "" };
        writeln!(
            out,
            "{},{income},{},{},{},{sign}0.{:06},{sign}{}.{:02},{},{},{}",
            row + 1,
            18 + draw(70),
            regions[draw(5) as usize],
            jobs[draw(8) as usize],
            draw(1_000_000),
            draw(500_000),
            draw(100),
            draw(600),
            1000 * draw(500),
            u8::from(draw(5) == 0),
        )
        .unwrap();
    }
    out.flush().unwrap();
}

/// The process's peak of resident memory so far, MiB.
pub(crate) fn peak_of_memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}
