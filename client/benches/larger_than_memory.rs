//! What a table takes that is larger than the memory its rows may have, from reading to training, beside the same rows in memory:
//! `cargo bench -p veilsum-client --bench larger_than_memory`. `VEILSUM_ROWS` says how many rows (`1000000,3000000,10000000`), `VEILSUM_MIB` what
//! memory they may have (64), `VEILSUM_RUNS` how often each is run, in turn. Needs 1.2 GB of disk and 1.5 GB of memory.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use veilsum_client::data::{Dataset, HoldOut, Room};
use veilsum_client::desensitise::Rules;
use veilsum_client::train::{DeviceChoice, Runtime, TrainingJob, evaluate, train};
use veilsum_protocol::model::Moments;
use veilsum_protocol::model::initialise::initialise;
use veilsum_protocol::task::Task;

mod loans;

/// Set in the process that is measured, to the table.
const MEASURED: &str = "VEILSUM_BENCH_MEASURED";
/// How it keeps the rows: so many MiB in memory, or one of the two words below.
const KEPT: &str = "VEILSUM_BENCH_KEPT";
const IN_MEMORY: &str = "memory";
/// In memory as the model takes them.
const ENCODED: &str = "encoded";

const TRAINING: &str = "name = \"loans\"\nrounds = 1\nseed = 1\n[model]\nfamily = \"mlp\"\nhidden = [32, 16]\n[training]\n\
                        optimiser = \"adam\"\nlearning_rate = 0.001\nbatch_size = 64\nlocal_epochs = 2\n[schema]\n";

/// What one process found.
#[derive(Clone, Copy)]
struct Found {
    reading: f64,
    statistics: f64,
    evaluation: f64,
    epoch: f64,
    /// MiB, of the process without a table; after reading; at the end.
    memory: [f64; 3],
    /// The trained parameters' first bits, the same for the same rows.
    parameters: u64,
}

fn main() {
    if let Ok(table) = std::env::var(MEASURED) {
        return measured(Path::new(&table));
    }
    let word = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let runs: usize = word("VEILSUM_RUNS", "3").parse().unwrap();
    let mib = word("VEILSUM_MIB", "64");
    let folder = tempfile::tempdir().unwrap();
    println!(
        "| rows, kept | reading, s | statistics, s | evaluation, s | an epoch, s | peak after reading; at the end, MiB |\n\
         | --- | --- | --- | --- | --- | --- |"
    );
    for rows in word("VEILSUM_ROWS", "1000000,3000000,10000000").split(',') {
        let rows: usize = rows.parse().unwrap();
        let table = folder.path().join("table.csv");
        loans::write(&table, rows);
        let ways = [
            (&*mib, format!("{mib} MiB, then a file")),
            (IN_MEMORY, "memory".to_owned()),
            (ENCODED, "memory, as the model takes them".to_owned()),
        ];
        let mut all = vec![Vec::new(); ways.len()];
        for _ in 0..runs {
            for ((kept, _), all) in ways.iter().zip(&mut all) {
                all.push(run(&table, kept));
            }
        }
        for ((_, told), found) in ways.iter().zip(&all) {
            assert!(found.iter().all(|found| found.parameters == all[0][0].parameters));
            let median = |of: &dyn Fn(&Found) -> f64| {
                let mut values: Vec<f64> = found.iter().map(of).collect();
                values.sort_by(f64::total_cmp);
                values[values.len() / 2]
            };
            println!(
                "| {rows}, {told} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0}; {:.0} |",
                median(&|found| found.reading),
                median(&|found| found.statistics),
                median(&|found| found.evaluation),
                median(&|found| found.epoch),
                median(&|found| found.memory[1]),
                median(&|found| found.memory[2]),
            );
        }
        println!(
            "| - the process without a table | | | | | {:.0} |",
            all[0][0].memory[0]
        );
    }
}

fn run(table: &Path, kept: &str) -> Found {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.env(MEASURED, table).env(KEPT, kept).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |at: usize| words[at].parse::<f64>().unwrap();
    Found {
        reading: number(0),
        statistics: number(1),
        evaluation: number(2),
        epoch: number(3),
        memory: [number(4), number(5), number(6)],
        parameters: words[7].parse().unwrap(),
    }
}

/// Does what a bank's first rounds do, in a thread of its own as in the daemon.
fn measured(table: &Path) {
    let table = table.to_owned();
    let labour = move || {
        let kept = std::env::var(KEPT).unwrap();
        let runtime = Runtime::start(DeviceChoice::Cpu, 1).unwrap();
        let in_schema = loans::SCHEMA.replace("[[column]]", "[[schema.column]]");
        let task = Task::parse(&format!("{TRAINING}{in_schema}")).unwrap();
        let room = match kept.parse::<u64>() {
            Ok(mib) => Room {
                memory_bytes: mib << 20,
                folder: table.parent().unwrap().to_owned(),
            },
            Err(_) => Room::in_memory(),
        };
        // libtorch takes most of what it does before the first table.
        let small = table.with_extension("small.csv");
        loans::write(&small, 5000);
        labours(&small, &task, &Room::in_memory(), false, runtime);
        let without = loans::peak_of_memory();
        let found = labours(&table, &task, &room, kept == ENCODED, runtime);
        let Found {
            reading,
            statistics,
            evaluation,
            epoch,
            memory: [_, after_reading, peak],
            parameters,
        } = found;
        println!("{reading} {statistics} {evaluation} {epoch} {without} {after_reading} {peak} {parameters}");
    };
    let thread = std::thread::Builder::new().name("training".to_owned());
    thread.spawn(labour).unwrap().join().unwrap();
}

fn labours(table: &Path, task: &Task, room: &Room, encoded: bool, runtime: Runtime) -> Found {
    let seconds = |began: Instant| began.elapsed().as_secs_f64();
    let (schema, hold_out) = (&task.schema, HoldOut::new([7; 32], 0.2));
    let began = Instant::now();
    let files = table.to_owned().into();
    let rows = Dataset::read_files(&files, schema, &hold_out, None, &Rules::none(), room).unwrap();
    let reading = seconds(began);
    let after_reading = loans::peak_of_memory();
    let began = Instant::now();
    let moments = Moments::from_sums(&rows.statistics().unwrap().columns).unwrap();
    let statistics = seconds(began);
    let mut data = rows.encode_for(&task.model, &moments).unwrap();
    if encoded {
        data.inputs = data.all_inputs().unwrap().into();
    }
    let training: Vec<u32> = rows.training_rows().collect();
    let held_out: Vec<u32> = rows.held_out_rows().collect();
    let parameters = initialise(&task.manifest(), task.seed);
    let began = Instant::now();
    evaluate(&task.model, &parameters, &data, &held_out, 256, runtime).unwrap();
    let evaluation = seconds(began);
    let job = TrainingJob {
        model: &task.model,
        training: &task.training,
        learning_rate: task.training.learning_rate,
        data: &data,
        rows: &training,
        parameters: &parameters,
        seed: 1,
        shuffled: true,
        runtime,
    };
    let began = Instant::now();
    let trained = train(&job, &mut |_| ()).unwrap();
    Found {
        reading,
        statistics,
        evaluation,
        epoch: seconds(began) / f64::from(task.training.local_epochs),
        memory: [0.0, after_reading, loans::peak_of_memory()],
        parameters: trained.parameters.iter().fold(0, |bits: u64, parameter| {
            bits.rotate_left(7) ^ u64::from(parameter.to_bits())
        }),
    }
}
