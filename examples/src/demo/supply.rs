//! The banks' tables, the common test fold and the task: made up, or dealt out from one table.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};
use toml::{Table, Value};
use veilsum_protocol::task::Task;

use super::DemoError;
use super::consortium::Member;
use crate::loans;

/// First bytes of a gzip file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Most banks that a table is dealt out to: their names end in one letter.
const MOST_BANKS: usize = 26;

/// Banks that a table without a split is dealt out to.
const DEFAULT_BANKS: u32 = 5;

/// Everything that a consortium trains with.
#[derive(Clone, Debug)]
pub struct Supply {
    /// The banks with their tables.
    pub banks: Vec<Member>,
    /// The common test fold, CSV.
    pub test: PathBuf,
    /// The task's text, TOML.
    pub text: String,
    /// The same, read.
    pub task: Task,
    /// The schema alone, TOML.
    pub schema: String,
}

/// Where one table comes from and how it is dealt out.
#[derive(Clone, Debug)]
pub struct Deal {
    /// The table, CSV, plain or gzip.
    pub table: PathBuf,
    /// A CSV with `row`, `fold` (`train` or `test`) and a column for each partition, plain or gzip; without one, a fifth
    /// of the rows is the test fold and the rest goes evenly to five banks.
    pub split: Option<PathBuf>,
    /// The column of the split that names each row's bank, from 0.
    pub partition: String,
}

/// What is changed in a task for a demo on one machine.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Another number of training rounds.
    pub rounds: Option<u32>,
    /// Another schema, TOML.
    pub schema: Option<&'a str>,
}

/// Phases of a demo are short: all processes are on one machine, and a killed bank must not hold up the others.
const DEADLINES: [(&str, i64); 7] = [
    ("prepare_s", 15),
    ("ready_s", 120),
    ("collect_s", 4),
    ("confirm_s", 15),
    ("unmask_s", 15),
    ("ack_s", 15),
    ("attempts", 5),
];

/// The loan applications of five made-up banks, written to `folder`.
///
/// # Errors
/// If a file cannot be written.
pub fn loans(folder: &Path, seed: u64, change: Change<'_>) -> Result<Supply, DemoError> {
    let files = loans::write(folder, seed).map_err(DemoError::trial)?;
    let banks = loans::BANKS.iter().zip(files.banks);
    let banks = banks
        .map(|(bank, table)| Member {
            name: bank.name.to_owned(),
            table,
        })
        .collect();
    assemble(
        banks,
        files.test,
        loans::TASK,
        Path::new("tasks/loans.toml"),
        change,
    )
}

/// One table, dealt out to banks in `folder` by a split.
///
/// # Errors
/// If a file cannot be read or written, or the split does not fit the table.
pub fn deal(
    folder: &Path,
    deal: &Deal,
    task: (&str, &Path),
    seed: u64,
    change: Change<'_>,
) -> Result<Supply, DemoError> {
    let mut table = csv::Reader::from_reader(open(&deal.table)?);
    let header = table
        .byte_headers()
        .map_err(|error| DemoError::content(&deal.table, error))?
        .clone();
    let rows: Vec<csv::ByteRecord> = table
        .byte_records()
        .collect::<Result<_, _>>()
        .map_err(|error| DemoError::content(&deal.table, error))?;
    let places = match &deal.split {
        Some(split) => read_split(split, &deal.partition)?,
        None => draw_split(seed, rows.len()),
    };
    if places.len() != rows.len() {
        let split = deal.split.as_deref().unwrap_or(&deal.table);
        let problem = format!(
            "found {} rows, expected {}, one for each row of the table",
            places.len(),
            rows.len()
        );
        return Err(DemoError::content(split, problem));
    }
    let banks = places.iter().flatten().max().map_or(0, |most| most + 1);
    if !(3..=MOST_BANKS).contains(&banks) {
        let split = deal.split.as_deref().unwrap_or(&deal.table);
        let problem = format!(
            "found {banks} banks in column {:?}, expected 3 to {MOST_BANKS}",
            deal.partition
        );
        return Err(DemoError::content(split, problem));
    }
    let name = |bank: usize| format!("bank-{}", char::from(b'a' + u8::try_from(bank).unwrap_or(25)));
    let mut members = Vec::new();
    for bank in 0..banks {
        let path = folder.join(format!("{}.csv", name(bank)));
        write(
            &path,
            &header,
            rows.iter()
                .zip(&places)
                .filter(|(_, place)| **place == Some(bank)),
        )?;
        members.push(Member {
            name: name(bank),
            table: path,
        });
    }
    let test = folder.join("test.csv");
    write(
        &test,
        &header,
        rows.iter().zip(&places).filter(|(_, place)| place.is_none()),
    )?;
    assemble(members, test, task.0, task.1, change)
}

fn write<'a>(
    path: &Path,
    header: &csv::ByteRecord,
    rows: impl Iterator<Item = (&'a csv::ByteRecord, &'a Option<usize>)>,
) -> Result<(), DemoError> {
    let problem = |error: csv::Error| DemoError::content(path, error);
    let mut file = csv::Writer::from_path(path).map_err(problem)?;
    file.write_byte_record(header).map_err(problem)?;
    for (row, _) in rows {
        file.write_byte_record(row).map_err(problem)?;
    }
    file.flush().map_err(DemoError::file(path))
}

/// The bank of each row, or `None` on the test fold.
fn read_split(path: &Path, partition: &str) -> Result<Vec<Option<usize>>, DemoError> {
    let mut split = csv::Reader::from_reader(open(path)?);
    let header = split
        .headers()
        .map_err(|error| DemoError::content(path, error))?
        .clone();
    let column = |name: &str| {
        header.iter().position(|found| found == name).ok_or_else(|| {
            let found = header.iter().collect::<Vec<_>>().join(", ");
            DemoError::content(
                path,
                format!("found the columns {found}, expected one named {name:?}"),
            )
        })
    };
    let (row, fold, bank) = (column("row")?, column("fold")?, column(partition)?);
    let mut places = Vec::new();
    for (record, at) in split.records().zip(0_usize..) {
        let record = record.map_err(|error| DemoError::content(path, error))?;
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let wrong = |found: &str, expected: &str| {
            DemoError::content(
                path,
                format!("line {}: found {found:?}, expected {expected}", at + 2),
            )
        };
        if cell(row).parse() != Ok(at) {
            return Err(wrong(
                cell(row),
                &format!("row {at}: the rows in the order of the table, from 0"),
            ));
        }
        places.push(match cell(fold) {
            "test" => None,
            "train" => {
                let number = cell(bank)
                    .parse()
                    .map_err(|_| wrong(cell(bank), "the number of a bank, from 0"))?;
                Some(number)
            }
            other => return Err(wrong(other, "the fold train or test")),
        });
    }
    Ok(places)
}

fn draw_split(seed: u64, rows: usize) -> Vec<Option<usize>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let place = |_| {
        if rng.next_u32() % 5 == 0 {
            None
        } else {
            usize::try_from(rng.next_u32() % DEFAULT_BANKS).ok()
        }
    };
    (0..rows).map(place).collect()
}

fn open(path: &Path) -> Result<Box<dyn Read>, DemoError> {
    let mut file = BufReader::new(File::open(path).map_err(DemoError::file(path))?);
    let start = file.fill_buf().map_err(DemoError::file(path))?;
    Ok(if start.starts_with(&GZIP_MAGIC) {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}

fn assemble(
    banks: Vec<Member>,
    test: PathBuf,
    text: &str,
    origin: &Path,
    change: Change<'_>,
) -> Result<Supply, DemoError> {
    let wrong = |error: toml::de::Error| DemoError::content(origin, error);
    let mut table: Table = toml::from_str(text).map_err(wrong)?;
    if let Some(rounds) = change.rounds {
        table.insert("rounds".to_owned(), Value::Integer(i64::from(rounds)));
    }
    if let Some(schema) = change.schema {
        table.insert(
            "schema".to_owned(),
            Value::Table(toml::from_str(schema).map_err(wrong)?),
        );
    }
    let deadlines = DEADLINES
        .iter()
        .map(|(key, seconds)| ((*key).to_owned(), Value::Integer(*seconds)));
    table.insert("deadlines".to_owned(), Value::Table(deadlines.collect()));
    let text = toml::to_string(&table).map_err(|error| DemoError::content(origin, error))?;
    let task = Task::parse(&text).map_err(|error| DemoError::content(origin, error))?;
    let schema = table
        .get("schema")
        .and_then(Value::as_table)
        .cloned()
        .unwrap_or_default();
    let schema = toml::to_string(&schema).map_err(|error| DemoError::content(origin, error))?;
    Ok(Supply {
        banks,
        test,
        text,
        task,
        schema,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    const TASK: &str = r#"
        name = "tiny"
        rounds = 2
        seed = 1
        [schema]
        version = 1
        label = "y"
        [[schema.column]]
        name = "x"
        type = "number"
        min = 0
        max = 9
        [model]
        family = "logistic"
        [training]
        optimiser = "sgd"
        learning_rate = 0.1
        batch_size = 4
        local_epochs = 1
    "#;

    fn dealt(split: &str) -> Result<(tempfile::TempDir, Supply), String> {
        let folder = tempfile::tempdir().unwrap();
        let (table, splits) = (folder.path().join("all.csv"), folder.path().join("split.csv"));
        fs::write(&table, "x,y\n1,0\n2,1\n\"3\",0\n4,1\n5,0\n").unwrap();
        fs::write(&splits, split).unwrap();
        let deal_out = Deal {
            table,
            split: Some(splits),
            partition: "bank".to_owned(),
        };
        let change = Change {
            rounds: Some(3),
            schema: None,
        };
        let supply = deal(
            folder.path(),
            &deal_out,
            (TASK, Path::new("task.toml")),
            1,
            change,
        );
        supply
            .map(|supply| (folder, supply))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_row_goes_where_the_split_says() {
        let split = "row,fold,other,bank\n0,train,9,2\n1,train,9,0\n2,test,9,-1\n3,train,9,1\n4,train,9,2\n";
        let (_folder, supply) = dealt(split).unwrap();
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let tables: Vec<String> = supply.banks.iter().map(|bank| read(&bank.table)).collect();
        assert_eq!(tables, ["x,y\n2,1\n", "x,y\n4,1\n", "x,y\n1,0\n5,0\n"]);
        assert_eq!(read(&supply.test), "x,y\n3,0\n");
        assert_eq!(supply.banks[2].name, "bank-c");
        assert_eq!((supply.task.rounds, supply.task.deadlines.collect_s), (3, 4));
        let schema = veilsum_protocol::task::Schema::parse(&supply.schema).unwrap();
        assert_eq!(schema, supply.task.schema);
    }

    #[test]
    fn a_split_that_does_not_fit_is_told() {
        for (split, told) in [
            ("row,fold,bank\n0,train,0\n", "found 1 rows, expected 5"),
            ("row,fold,site\n", "expected one named \"bank\""),
            (
                "row,fold,bank\n1,train,0\n",
                "line 2: found \"1\", expected row 0",
            ),
            (
                "row,fold,bank\n0,trial,0\n",
                "found \"trial\", expected the fold train or test",
            ),
            (
                "row,fold,bank\n0,train,-1\n",
                "found \"-1\", expected the number of a bank",
            ),
            (
                "row,fold,bank\n0,train,0\n1,train,1\n2,test,-1\n3,test,-1\n4,train,0\n",
                "found 2 banks in column \"bank\", expected 3 to 26",
            ),
        ] {
            let error = dealt(split).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn without_a_split_the_draw_is_the_seed_s() {
        let places = draw_split(3, 10_000);
        assert_eq!(places, draw_split(3, 10_000));
        let test = places.iter().filter(|place| place.is_none()).count();
        // Expected 2000, standard deviation 40.
        assert!((1840..2160).contains(&test), "{test}");
        for bank in 0..5 {
            let rows = places.iter().filter(|place| **place == Some(bank)).count();
            assert!((1440..1760).contains(&rows), "{bank}: {rows}");
        }
    }
}
