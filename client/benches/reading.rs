//! How fast a bank's table is read, checked and kept, beside pandas in the same run, and what memory both take:
//! `cargo bench -p veilsum-client --bench reading`. `VEILSUM_ROWS` says how many rows (10 million), `VEILSUM_RUNS` how
//! often each is run, in turn. Needs 1.2 GB of disk and, for pandas, 4 GB of memory.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use veilsum_client::data::{Dataset, HoldOut};
use veilsum_client::desensitise::Rules;
use veilsum_protocol::task::Schema;

mod loans;

/// Set in the process that reads with the product's reader, as the peer has a process of its own too.
const MEASURED: &str = "VEILSUM_BENCH_MEASURED";

fn main() {
    if let Ok(table) = std::env::var(MEASURED) {
        return measured(Path::new(&table));
    }
    let number = |name: &str, default| -> usize {
        std::env::var(name).map_or(default, |number| number.parse().unwrap())
    };
    let (rows, runs) = (number("VEILSUM_ROWS", 10_000_000), number("VEILSUM_RUNS", 3));
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("table.csv");
    loans::write(&csv, rows);
    let python = python();
    let peer = |words: &[&str]| {
        let mut command = Command::new(&python);
        command
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/reading.py"))
            .args(words);
        command
    };
    let parquet = folder.path().join("table.parquet");
    let (csv, parquet) = (csv.to_str().unwrap(), parquet.to_str().unwrap());
    assert!(peer(&["convert", csv, parquet]).status().unwrap().success());
    let size = fs::metadata(csv).unwrap().len() as f64 / 1e6;
    println!(
        "| {rows} rows of 10 columns, CSV of {size:.0} MB: median of {runs} | s | peak of memory, MiB |"
    );
    println!("| --- | --- | --- |");
    let product = |table: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(MEASURED, table);
        command
    };
    type Reader<'a> = (&'a str, Box<dyn Fn() -> Command + 'a>);
    let readers: [Reader<'_>; 5] = [
        ("veilsum-client, CSV", Box::new(|| product(csv))),
        ("pandas, CSV", Box::new(|| peer(&["plain", csv]))),
        ("pandas, CSV, told the types", Box::new(|| peer(&["typed", csv]))),
        ("veilsum-client, Parquet", Box::new(|| product(parquet))),
        ("pandas, Parquet", Box::new(|| peer(&["parquet", parquet]))),
    ];
    let mut found = vec![Vec::new(); readers.len()];
    for _ in 0..runs {
        for (reader, found) in readers.iter().zip(&mut found) {
            let output = reader.1().output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            let mut words = text.split_whitespace().map(|word| word.parse::<f64>().unwrap());
            assert_eq!(words.next().unwrap() as usize, rows);
            found.push((words.next().unwrap(), words.next().unwrap()));
        }
    }
    let mut seconds = Vec::new();
    for (reader, found) in readers.iter().zip(&mut found) {
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (time, memory) = found[found.len() / 2];
        seconds.push(time);
        println!("| {} | {time:.2} | {memory:.0} |", reader.0);
    }
    println!(
        "| veilsum-client to pandas, CSV; told the types; Parquet | {:.2}; {:.2}; {:.2} | |",
        seconds[0] / seconds[1],
        seconds[0] / seconds[2],
        seconds[3] / seconds[4]
    );
}

/// The interpreter of `scripts/setup-python bench-tables`.
fn python() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/setup-python");
    let made = Command::new(script).arg("bench-tables").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// Reads once; prints rows, seconds and the process's peak of memory in MiB.
fn measured(table: &Path) {
    let schema = Schema::parse(loans::SCHEMA).unwrap();
    let started = Instant::now();
    let dataset = Dataset::read(table, &schema, &HoldOut::new([7; 32], 0.2), &Rules::none()).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    println!("{} {seconds} {}", dataset.len(), loans::peak_of_memory());
}
