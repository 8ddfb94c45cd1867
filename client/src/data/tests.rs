#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;

use proptest::prelude::*;
use veilsum_protocol::model::{ModelSpec, Moments};
use veilsum_protocol::task::{Schema, Split};

use super::{DataError, Dataset, HoldOut};
use crate::desensitise::Rules;

const SCHEMA: &str = r#"
    version = 1
    label = "default"
    leave_out = ["id"]
    missing = ["", "NA"]
    [[column]]
    name = "income"
    type = "number"
    min = 0
    max = 99
    scale = "log"
    when_missing = "mean"
    [[column]]
    name = "region"
    type = "category"
    values = ["north", "south"]
    [[column]]
    name = "age"
    type = "integer"
    min = 20
    max = 120
    [[column]]
    name = "job"
    type = "category"
    values = ["clerk"]
    other = "bucket"
    [[column]]
    name = "debt"
    type = "number"
    min = -1
    max = 1
    outside = "clip"
"#;

const HEADER: &str = "id,income,region,age,job,debt,default\n";
const GOOD: &str = "id,income,region,age,job,debt,default\n7,9,north,20,clerk,0,0\n8,NA, south ,70,,-5,1\n";

fn schema() -> Schema {
    Schema::parse(SCHEMA).unwrap()
}

fn none_held_out() -> HoldOut {
    HoldOut::new([0; 32], 0.0)
}

fn read_bytes(bytes: &[u8]) -> Result<Dataset, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.csv");
    fs::write(&path, bytes).unwrap();
    Dataset::read(&path, &schema(), &none_held_out(), &Rules::none())
}

fn message(text: &str) -> String {
    read_bytes(text.as_bytes())
        .err()
        .map(|e| e.to_string())
        .unwrap_or_else(|| panic!("accepted:\n{text}"))
}

/// Steps in the order of the schema, not of the file; what is one column stands in each of them.
#[test]
fn a_sequence_is_encoded_step_by_step() {
    let schema = Schema::parse(
        "version = 1\nlabel = \"y\"\n[[column]]\nname = \"a\"\nsteps = [\"a1\", \"a2\", \"a3\"]\ntype = \"number\"\nmin = 0\nmax = 4\n\
         when_missing = \"mean\"\n[[column]]\nname = \"c\"\ntype = \"category\"\nvalues = [\"u\", \"v\"]\n",
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.csv");
    fs::write(&path, "a3,a2,c,y,a1\n3,2,v,1,1\n,4,u,0,0\n").unwrap();
    let rows = Dataset::read(&path, &schema, &HoldOut::new([0; 32], 0.0), &Rules::none()).unwrap();
    let sums = rows.statistics().unwrap().columns;
    // 1 + 2 + 3 + 0 + 4 fourths.
    assert_eq!((sums.len(), sums[0].count, sums[0].sum), (1, 5, 5 << 31));
    let moments = Moments {
        mean: vec![0.5],
        std: vec![0.25],
    };
    let encoded = rows.encode(&moments).unwrap();
    assert_eq!(encoded.shape.width(), 12);
    assert_eq!(
        encoded.all_inputs().unwrap(),
        [
            -1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, //
            -2.0, 0.0, 1.0, 0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0,
        ]
    );
    let message = Dataset::read(
        &{
            fs::write(&path, "a3,a2,c,y,a1\n3,2,v,1,9\n").unwrap();
            path
        },
        &schema,
        &HoldOut::new([0; 32], 0.0),
        &Rules::none(),
    )
    .err()
    .unwrap()
    .to_string();
    assert!(
        message.contains("line 2, column \"a1\": found \"9\""),
        "{message}"
    );
}

#[test]
fn rows_become_the_model_s_inputs() {
    let dataset = read_bytes(GOOD.as_bytes()).unwrap();
    // On [0, 1]: income 9 is ln 10 / ln 100 = 1/2 and missing; age 0 and 1/2; debt 1/2 and, clipped, 0.
    let moments = Moments {
        mean: vec![0.25, 0.25, 0.0],
        std: vec![0.5, 0.25, 1.0],
    };
    let encoded = dataset.encode(&moments).unwrap();
    assert_eq!(encoded.shape.width(), schema().inputs().len());
    assert_eq!(*encoded.labels, [0.0, 1.0]);
    #[rustfmt::skip]
    let expected = vec![
        // income, missing, north, south, age, clerk, other, debt
        0.5, 0.0, 1.0, 0.0, -1.0, 1.0, 0.0, 0.5,
        0.0, 1.0, 0.0, 1.0,  1.0, 0.0, 1.0, 0.0,
    ];
    assert_eq!(encoded.all_inputs().unwrap(), expected);
    let embedding = ModelSpec::read("family = \"mlp\"\nhidden = [2]\nembedding = 2").unwrap();
    let embedded = dataset.encode_for(&embedding, &moments).unwrap();
    assert_eq!(embedded.shape, schema().input_shape(true));
    #[rustfmt::skip]
    let expected = vec![
        // income, missing, age, debt, region, job
        0.5, 0.0, -1.0, 0.5, 0.0, 0.0,
        0.0, 1.0,  1.0, 0.0, 1.0, 1.0,
    ];
    assert_eq!(embedded.all_inputs().unwrap(), expected);
    let logistic = dataset.encode_for(&ModelSpec::Logistic, &moments).unwrap();
    assert_eq!(logistic.all_inputs().unwrap(), encoded.all_inputs().unwrap());
    let other = Moments {
        mean: vec![0.0; 2],
        std: vec![1.0; 2],
    };
    assert!(
        dataset
            .encode(&other)
            .unwrap_err()
            .to_string()
            .contains("moments of 2 columns, expected 3")
    );
}

#[test]
fn columns_may_stand_in_any_order_and_left_out_ones_may_be_absent() {
    let encode = |text: &str| {
        let moments = Moments {
            mean: vec![0.0; 3],
            std: vec![1.0; 3],
        };
        let encoded = read_bytes(text.as_bytes()).unwrap().encode(&moments).unwrap();
        (encoded.all_inputs().unwrap(), encoded.labels)
    };
    let turned = "default,debt,job,age,region,income\n0,0,clerk,20,north,9\n1,-5,,70,south,NA\n";
    assert_eq!(encode(turned), encode(GOOD));
    let windows = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    assert_eq!(encode(&windows), encode(GOOD));
}

#[test]
fn gzip_is_read_and_a_damaged_one_named() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(GOOD.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    assert_eq!(read_bytes(&packed).unwrap().len(), 2);
    let cut = read_bytes(&packed[..packed.len() - 12])
        .err()
        .unwrap()
        .to_string();
    assert!(
        cut.contains("bank.csv: cannot be read") && cut.contains("cut short"),
        "{cut}"
    );
}

#[test]
fn statistics_are_of_present_numbers_in_units_of_two_to_the_minus_32() {
    let statistics = read_bytes(GOOD.as_bytes()).unwrap().statistics().unwrap();
    assert_eq!(statistics.rows, 2);
    let sums: Vec<_> = statistics
        .columns
        .iter()
        .map(|c| (c.count, c.sum, c.sum_of_squares))
        .collect();
    assert_eq!(
        sums,
        [
            (1, 1 << 31, 1 << 30),
            (2, 1 << 31, 1 << 30),
            (2, 1 << 31, 1 << 30)
        ]
    );
}

#[test]
fn held_out_rows_count_in_no_statistics_and_equal_rows_stay_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.csv");
    let mut text = HEADER.to_owned();
    for id in 0..600 {
        // Each row three times, under another id and with another label.
        let age = 20 + id % 100;
        text.push_str(&format!("{id},{},north,{age},clerk,0,{}\n", id % 50, id % 7 / 6));
    }
    fs::write(&path, text).unwrap();
    let dataset = Dataset::read(&path, &schema(), &HoldOut::new([5; 32], 0.3), &Rules::none()).unwrap();
    let training: Vec<u32> = dataset.training_rows().collect();
    let held_out: Vec<u32> = dataset.held_out_rows().collect();
    assert_eq!(training.len() + held_out.len(), 600);
    assert!((100..260).contains(&held_out.len()), "{}", held_out.len());
    assert!(
        held_out
            .iter()
            .all(|row| !training.iter().any(|other| other % 100 == row % 100))
    );
    let statistics = dataset.statistics().unwrap();
    assert_eq!(statistics.rows, training.len() as u64);
    assert_eq!(statistics.columns[0].count, training.len() as u64);
}

#[test]
fn a_bad_cell_is_named_with_line_column_and_advice() {
    for (row, expected) in [
        (
            "1,ten,north,30,clerk,0,0",
            "line 3, column \"income\": found \"ten\", expected a number from 0 to 99; write it with digits",
        ),
        (
            "1,1e3,north,30,clerk,0,0",
            "column \"income\": found \"1e3\", expected a number from 0 to 99; correct it, or agree on a wider range",
        ),
        (
            "1,nan,north,30,clerk,0,0",
            "column \"income\": found \"nan\", expected a number from 0 to 99; leave the cell empty",
        ),
        ("1,-inf,north,30,clerk,0,0", "column \"income\": found \"-inf\""),
        (
            "1,5,west,30,clerk,0,0",
            "line 3, column \"region\": found \"west\", expected one of north, south; correct it",
        ),
        (
            "1,5,,30,clerk,0,0",
            "column \"region\": found an empty cell, expected one of north, south",
        ),
        (
            "1,5,north,30.5,clerk,0,0",
            "column \"age\": found \"30.5\", expected a whole number from 20 to 120; round it",
        ),
        (
            "1,5,north,NA,clerk,0,0",
            "column \"age\": found \"NA\", no value, expected a whole number from 20 to 120; fill the cell",
        ),
        (
            "1,5,north,19,clerk,0,0",
            "column \"age\": found \"19\", expected a whole number from 20 to 120; correct it",
        ),
        (
            "1,5,north,30,clerk,0,2",
            "column \"default\": found \"2\", expected the label, 0 or 1; write 1 where",
        ),
        (
            "1,5,north,30,clerk,0,",
            "column \"default\": found \"\", expected the label, 0 or 1",
        ),
        (
            "1,5,north,30,clerk,0",
            "line 3: found 6 cells, expected 7, as in the header; look for a comma",
        ),
        ("1,5\u{1b}[2J,north,30,clerk,0,0", "found \"5\\u{1b}[2J\""),
    ] {
        let text = GOOD.replacen("\n8,", &format!("\n{row}\n8,"), 1);
        let message = message(&text);
        assert!(
            message.contains("bank.csv: ") && message.contains(expected),
            "{row}: {message}"
        );
    }
}

#[test]
fn a_bad_file_is_named() {
    let long = format!("{HEADER}1,{},north,30,clerk,0,0\n", "9".repeat(500));
    for (text, expected) in [
        (
            "",
            "bank.csv: found an empty file, expected a CSV file with a header",
        ),
        (HEADER, "found a header and no row, expected at least one row"),
        (
            &GOOD.replace("age", "Age"),
            "found no column \"age\" in the header, expected every column of the schema; add it, or check its spelling",
        ),
        (
            &GOOD.replace("default", "y"),
            "found no column \"default\" in the header",
        ),
        (
            &GOOD.replace(',', ";"),
            "the header is a single column: export the file with commas",
        ),
        (
            &GOOD.replace("\n", ",1\n").replacen(",1\n", ",ssn\n", 1),
            "found the column \"ssn\", which the schema does not know",
        ),
        (
            &GOOD.replace("id,", "age,"),
            "found the column \"age\" twice in the header",
        ),
        (
            &GOOD.replace(",1\n", ",0\n"),
            "found only the label 0 in all 2 rows, expected rows of both classes in column \"default\"",
        ),
        (&long, "9999\"..., expected a number"),
    ] {
        let message = message(text);
        assert!(message.contains(expected), "{message}");
    }
    let latin1 = [GOOD.as_bytes(), b"9,5,n\xf6rd,30,clerk,0,0\n"].concat();
    let message = read_bytes(&latin1).err().unwrap().to_string();
    assert!(
        message.contains("line 4, column \"region\": found a text that is not UTF-8"),
        "{message}"
    );
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("none.csv"), folder.path().to_owned()] {
        let message = Dataset::read(&path, &schema(), &none_held_out(), &Rules::none())
            .err()
            .unwrap()
            .to_string();
        assert!(
            message.contains("cannot be read") && message.contains(path.to_str().unwrap()),
            "{message}"
        );
    }
}

#[test]
fn a_hold_out_of_everything_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.csv");
    fs::write(&path, GOOD).unwrap();
    let message = Dataset::read(&path, &schema(), &HoldOut::new([0; 32], 1.0), &Rules::none())
        .err()
        .unwrap()
        .to_string();
    assert!(
        message.contains("found 2 rows, all of which fall to the hold-out, expected rows to train on"),
        "{message}"
    );
}

fn read_split(text: &str, split: Split) -> Result<Dataset, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.csv");
    fs::write(&path, text).unwrap();
    Dataset::read(&path, &schema(), &HoldOut::of([9; 32], &split), &Rules::none()).map_err(|e| e.to_string())
}

/// Rows with this text in the left-out column.
fn with_ids(ids: impl IntoIterator<Item = String>) -> String {
    let rows = ids
        .into_iter()
        .zip(0..)
        .map(|(id, row)| format!("{id},9,north,20,clerk,0,{}\n", row % 2));
    HEADER.to_owned() + &rows.collect::<String>()
}

fn by_time(share: f64) -> Split {
    Split::Time {
        column: "id".to_owned(),
        share,
    }
}

#[test]
fn a_column_tells_which_rows_are_held_out() {
    let split = |column: &str| Split::Column {
        column: column.to_owned(),
        held_out: vec!["test".to_owned(), "late".to_owned()],
    };
    let text = with_ids(["train", " test ", "late", "x", "train"].map(str::to_owned));
    let dataset = read_split(&text, split("id")).unwrap();
    assert_eq!(dataset.held_out_rows().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(dataset.training_rows().collect::<Vec<_>>(), [0, 3, 4]);
    assert!(dataset.may_be_shuffled());
    let message = read_split(&text.replace("late", "NA"), split("id"))
        .err()
        .unwrap();
    assert!(
        message.contains("line 4, column \"id\": found \"NA\", expected a value, which tells whether"),
        "{message}"
    );
    let message = read_split(&text.replace("id,", "jd,"), split("id"))
        .err()
        .unwrap();
    assert!(
        message.contains("found no column \"id\" in the header"),
        "{message}"
    );
}

#[test]
fn the_latest_rows_are_held_out_and_the_others_stand_in_the_order_of_time() {
    let days = [
        "2024-03-01",
        "2024-01-05",
        "2024-02-01",
        "2024-01-05",
        "2024-03-01",
        "2023-12-31",
    ];
    let dataset = read_split(&with_ids(days.map(str::to_owned)), by_time(0.2)).unwrap();
    assert_eq!(dataset.held_out_rows().collect::<Vec<_>>(), [0, 4]);
    assert_eq!(dataset.training_rows().collect::<Vec<_>>(), [5, 1, 3, 2]);
    assert!(!dataset.may_be_shuffled());
    let refused = |ids: [&str; 3]| {
        read_split(&with_ids(ids.map(str::to_owned)), by_time(0.2))
            .err()
            .unwrap()
    };
    for (ids, part) in [
        (
            ["2024-03-01"; 3],
            "found rows of one time only, expected rows of two times or more",
        ),
        (
            ["2024-03-01", "", "2024-03-02"],
            "line 3, column \"id\": found \"\", expected a date such as",
        ),
        (
            ["2024-03-01", "1.3.2024", "2024-03-02"],
            "found \"1.3.2024\", expected a date such as",
        ),
        (
            ["2024-03-01", "7", "2024-03-02"],
            "found \"7\", expected a time of the kind that the first row has",
        ),
    ] {
        let message = refused(ids);
        assert!(message.contains(part), "{message}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_row_is_on_both_sides_or_on_none(
        ids in prop::collection::vec(0_u32..30, 2..80),
        share in 0.01..0.5,
        kind in 0..3,
    ) {
        let split = match kind {
            0 => Split::Hash { share },
            1 => Split::Column { column: "id".to_owned(), held_out: vec!["3".to_owned(), "4".to_owned()] },
            _ => by_time(share),
        };
        let Ok(dataset) = read_split(&with_ids(ids.iter().map(u32::to_string)), split) else {
            return Ok(());
        };
        let training: Vec<u32> = dataset.training_rows().collect();
        let held_out: Vec<u32> = dataset.held_out_rows().collect();
        let mut all = [training.clone(), held_out.clone()].concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..u32::try_from(ids.len()).unwrap()).collect::<Vec<_>>());
        if kind == 2 {
            let time = |row: &u32| ids[*row as usize];
            prop_assert!(training.is_sorted_by_key(time));
            let last = training.iter().map(time).max().unwrap();
            prop_assert!(held_out.iter().all(|row| time(row) > last));
        }
    }
}
