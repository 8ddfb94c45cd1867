//! One table, or one file of images, dealt out to banks.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

use super::DemoError;
use super::consortium::Member;
use super::supply::{Change, Supply, assemble};
use crate::files::TableFiles;

/// First bytes of a gzip file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Most banks that a table is dealt out to: their names end in one letter.
const MOST_BANKS: usize = 26;

/// Banks that a table without a split is dealt out to.
const DEFAULT_BANKS: u32 = 5;

/// Bytes before the items of an IDX file of images, and of one of labels.
const IMAGES_HEAD: usize = 16;
const LABELS_HEAD: usize = 8;

/// Where one table comes from and how it is dealt out.
#[derive(Clone, Debug)]
pub struct Deal {
    /// The table, CSV, plain or gzip; or images as IDX, with their labels beside them.
    pub table: TableFiles,
    /// The test fold, if it has files of its own.
    pub test: Option<TableFiles>,
    /// A CSV with `row`, `fold` (`train` or `test`) and a column for each partition, plain or gzip; without one, a fifth
    /// of the rows is the test fold, if there is no file of it, and the rest goes evenly to five banks.
    pub split: Option<PathBuf>,
    /// The column of the split that names each row's bank, from 0.
    pub partition: String,
}

/// The bank of each row, or `None` on the test fold.
type Places = Vec<Option<usize>>;

/// One table, dealt out to banks in `folder` by a split. Rows of the test fold that has no file of its own become one.
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
    let (banks, dealt) = match &deal.table.labels {
        None => deal_csv(folder, deal, seed)?,
        Some(labels) => deal_idx(folder, deal, labels, seed)?,
    };
    let test = deal.test.clone().unwrap_or(dealt);
    assemble(banks, test, task.0, task.1, change)
}

fn deal_csv(folder: &Path, deal: &Deal, seed: u64) -> Result<(Vec<Member>, TableFiles), DemoError> {
    let mut table = csv::Reader::from_reader(open(&deal.table.rows)?);
    let header = table
        .byte_headers()
        .map_err(|error| DemoError::content(&deal.table.rows, error))?
        .clone();
    let rows: Vec<csv::ByteRecord> = table
        .byte_records()
        .collect::<Result<_, _>>()
        .map_err(|error| DemoError::content(&deal.table.rows, error))?;
    let (places, banks) = places(deal, rows.len(), seed)?;
    let write_those = |path: &Path, place: Option<usize>| {
        let those = rows.iter().zip(&places).filter(|(_, found)| **found == place);
        write(path, &header, those)
    };
    let mut members = Vec::new();
    for bank in 0..banks {
        let table = folder.join(format!("{}.csv", name(bank)));
        write_those(&table, Some(bank))?;
        members.push(Member {
            name: name(bank),
            table,
            labels: None,
        });
    }
    let test = folder.join("test.csv");
    write_those(&test, None)?;
    Ok((members, TableFiles::table(test)))
}

fn deal_idx(
    folder: &Path,
    deal: &Deal,
    labels: &Path,
    seed: u64,
) -> Result<(Vec<Member>, TableFiles), DemoError> {
    let images_from = Idx::read(&deal.table.rows, IMAGES_HEAD)?;
    let labels_from = Idx::read(labels, LABELS_HEAD)?;
    if images_from.count != labels_from.count {
        let problem = format!(
            "found {} labels, expected {}, one for each image",
            labels_from.count, images_from.count
        );
        return Err(DemoError::content(labels, problem));
    }
    let (places, banks) = places(deal, images_from.count, seed)?;
    let write_those = |name: &str, place: Option<usize>| -> Result<TableFiles, DemoError> {
        let chosen: Vec<usize> = (0..places.len()).filter(|row| places[*row] == place).collect();
        let rows = folder.join(format!("{name}.idx3-ubyte"));
        images_from.write(&rows, &chosen)?;
        let labels = folder.join(format!("{name}.idx1-ubyte"));
        labels_from.write(&labels, &chosen)?;
        Ok(TableFiles {
            rows,
            labels: Some(labels),
        })
    };
    let mut members = Vec::new();
    for bank in 0..banks {
        let files = write_those(&name(bank), Some(bank))?;
        members.push(Member {
            name: name(bank),
            table: files.rows,
            labels: files.labels,
        });
    }
    Ok((members, write_those("test", None)?))
}

/// An IDX file of bytes: a head with magic number, count and sizes, each four bytes and the largest first, then the items.
struct Idx {
    head: Vec<u8>,
    count: usize,
    items: Vec<u8>,
    width: usize,
}

impl Idx {
    fn read(path: &Path, head_length: usize) -> Result<Self, DemoError> {
        let mut bytes = Vec::new();
        open(path)?
            .read_to_end(&mut bytes)
            .map_err(DemoError::file(path))?;
        let wrong = |problem: &str| DemoError::content(path, problem);
        let (head, items) = bytes
            .split_at_checked(head_length)
            .ok_or_else(|| wrong("found a few bytes, expected an IDX file"))?;
        let word = |at: usize| head.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
        let sizes = (4..head_length)
            .step_by(4)
            .map(|at| word(at).and_then(|size| usize::try_from(size).ok()));
        let sizes = sizes.collect::<Option<Vec<usize>>>().unwrap_or_default();
        let expected = if head_length == IMAGES_HEAD {
            0x0803
        } else {
            0x0801
        };
        let whole = sizes
            .iter()
            .try_fold(1_usize, |product, size| product.checked_mul(*size));
        let (Some(&count), Some(whole)) = (sizes.first(), whole) else {
            return Err(wrong("found sizes beyond this machine, expected an IDX file"));
        };
        if word(0) != Some(expected) || whole != items.len() || count == 0 {
            let problem = format!(
                "found magic number {:#06x} and {} bytes of items, expected {expected:#06x} and {whole}",
                word(0).unwrap_or(0),
                items.len()
            );
            return Err(wrong(&problem));
        }
        Ok(Self {
            head: head.to_vec(),
            count,
            width: whole / count,
            items: items.to_vec(),
        })
    }

    /// The chosen items as a file of the same kind.
    fn write(&self, path: &Path, chosen: &[usize]) -> Result<(), DemoError> {
        let count = u32::try_from(chosen.len()).map_err(DemoError::trial)?;
        let mut bytes = self.head.clone();
        bytes.splice(4..8, count.to_be_bytes());
        for &item in chosen {
            let from = item * self.width;
            bytes.extend_from_slice(self.items.get(from..from + self.width).unwrap_or_default());
        }
        fs::write(path, bytes).map_err(DemoError::file(path))
    }
}

fn name(bank: usize) -> String {
    format!("bank-{}", char::from(b'a' + u8::try_from(bank).unwrap_or(25)))
}

/// Where each of so many rows goes, and how many banks there are.
fn places(deal: &Deal, rows: usize, seed: u64) -> Result<(Places, usize), DemoError> {
    let places = match &deal.split {
        Some(split) => read_split(split, &deal.partition)?,
        None => draw_split(seed, rows, deal.test.is_none()),
    };
    let split = deal.split.as_deref().unwrap_or(&deal.table.rows);
    if places.len() != rows {
        let problem = format!(
            "found {} rows, expected {rows}, one for each row of the table",
            places.len()
        );
        return Err(DemoError::content(split, problem));
    }
    if deal.test.is_none() && places.iter().all(Option::is_some) {
        let problem = "found no row of the fold test, expected some, or --test with a file of its own";
        return Err(DemoError::content(split, problem));
    }
    let banks = places.iter().flatten().max().map_or(0, |most| most + 1);
    if !(3..=MOST_BANKS).contains(&banks) {
        let problem = format!(
            "found {banks} banks in column {:?}, expected 3 to {MOST_BANKS}",
            deal.partition
        );
        return Err(DemoError::content(split, problem));
    }
    Ok((places, banks))
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

fn read_split(path: &Path, partition: &str) -> Result<Places, DemoError> {
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

/// A fifth of the rows on the test fold, if there is to be one from them.
fn draw_split(seed: u64, rows: usize, with_test: bool) -> Places {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let place = |_| {
        if with_test && rng.next_u32() % 5 == 0 {
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
            table: TableFiles::table(table),
            test: None,
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
        assert_eq!(read(&supply.test.rows), "x,y\n3,0\n");
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
                "row,fold,bank\n0,train,0\n1,train,1\n2,train,2\n3,train,0\n4,train,0\n",
                "found no row of the fold test",
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
        let places = draw_split(3, 10_000, true);
        assert_eq!(places, draw_split(3, 10_000, true));
        let test = places.iter().filter(|place| place.is_none()).count();
        // Expected 2000, standard deviation 40.
        assert!((1840..2160).contains(&test), "{test}");
        for bank in 0..5 {
            let rows = places.iter().filter(|place| **place == Some(bank)).count();
            assert!((1440..1760).contains(&rows), "{bank}: {rows}");
        }
    }

    #[test]
    fn images_and_labels_are_dealt_together_and_the_test_fold_may_have_files_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        // Six images of one by two pixels.
        let mut images = [0x0803_u32, 6, 1, 2].map(u32::to_be_bytes).concat();
        images.extend((0..12).map(|pixel| pixel * 10));
        fs::write(path("images"), images).unwrap();
        let mut labels = [0x0801_u32, 6].map(u32::to_be_bytes).concat();
        labels.extend([0, 1, 2, 0, 1, 2]);
        fs::write(path("labels"), labels).unwrap();
        fs::write(
            path("split"),
            "row,fold,bank\n0,train,2\n1,train,0\n2,train,1\n3,train,2\n4,train,1\n5,train,1\n",
        )
        .unwrap();
        let mut deal = Deal {
            table: TableFiles {
                rows: path("images"),
                labels: Some(path("labels")),
            },
            test: Some(TableFiles::table(path("elsewhere"))),
            split: Some(path("split")),
            partition: "bank".to_owned(),
        };
        let (banks, _) = deal_idx(folder.path(), &deal, &path("labels"), 1).unwrap();
        assert_eq!(banks.len(), 3);
        let read = |path: &Path| fs::read(path).unwrap();
        assert_eq!(read(&banks[2].table)[4..8], [0, 0, 0, 2]);
        assert_eq!(read(&banks[2].table)[16..], [0, 10, 60, 70]);
        assert_eq!(read(banks[1].labels.as_ref().unwrap())[8..], [2, 1, 2]);
        deal.test = None;
        let error = deal_idx(folder.path(), &deal, &path("labels"), 1)
            .unwrap_err()
            .to_string();
        assert!(error.contains("found no row of the fold test"), "{error}");
        let error = Idx::read(&path("images"), LABELS_HEAD).err().unwrap().to_string();
        assert!(error.contains("magic number 0x0803"), "{error}");
    }
}
