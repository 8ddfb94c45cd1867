//! Rows that are grouped by a key and ordered by time, and dates.
#![allow(clippy::unwrap_used)]

use std::fs;

use proptest::prelude::*;
use veilsum_protocol::model::{InputShape, Moments};
use veilsum_protocol::task::{Schema, Split};

use super::{Dataset, HoldOut};
use crate::desensitise::Rules;

const SCHEMA: &str = r#"
    version = 1
    label = "y"
    [sequence]
    key = "card"
    time = "at"
    steps = 3
    [[column]]
    name = "amount"
    type = "number"
    min = 0
    max = 4
"#;

/// Three cards, the rows of one of them out of order and two of them of one time.
const TABLE: &str = "y,card,amount,at\n\
    1,b,4,2024-01-03\n\
    0,a,2,2024-01-02\n\
    0,a,1,2024-01-01\n\
    1,c,0,2024-01-05\n\
    1,a,3,2024-01-04T10:00\n\
    0, a ,4,2024-01-02\n";

fn read(schema: &str, table: &str, split: &Split) -> Result<Dataset, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.csv");
    fs::write(&path, table).unwrap();
    let schema = Schema::parse(schema).unwrap();
    let hold_out = HoldOut::of([7; 32], split);
    Dataset::read(&path, &schema, &hold_out, &Rules::none()).map_err(|error| error.to_string())
}

/// Holds none of the rows of these tables out: a share of one part in 2^48.
fn none() -> Split {
    Split::Hash {
        share: f64::MIN_POSITIVE,
    }
}

fn whole(schema: &str, table: &str) -> Dataset {
    read(schema, table, &none()).unwrap()
}

/// The model's inputs of each row, by moments of mean 1/2 and deviation 1/4.
fn inputs(dataset: &Dataset) -> (InputShape, Vec<Vec<f32>>) {
    let count = dataset.schema().standardised().len();
    let moments = Moments {
        mean: vec![0.5; count],
        std: vec![0.25; count],
    };
    let encoded = dataset.encode(&moments).unwrap();
    let width = encoded.shape.width();
    assert_eq!(encoded.inputs.rows(width), Some(dataset.len()));
    let rows = encoded.all_inputs().unwrap();
    (encoded.shape, rows.chunks(width).map(<[f32]>::to_vec).collect())
}

#[test]
fn windows_hold_a_row_and_those_of_its_key_before_it() {
    let dataset = whole(SCHEMA, TABLE);
    let (shape, rows) = inputs(&dataset);
    assert_eq!(shape, InputShape::Sequence { steps: 3, width: 2 });
    assert_eq!(
        rows,
        [
            [0.0, 0.0, 0.0, 0.0, 2.0, 1.0],
            [0.0, 0.0, -1.0, 1.0, 0.0, 1.0],
            [0.0, 0.0, 0.0, 0.0, -1.0, 1.0],
            [0.0, 0.0, 0.0, 0.0, -2.0, 1.0],
            [0.0, 1.0, 2.0, 1.0, 1.0, 1.0],
            [-1.0, 1.0, 0.0, 1.0, 2.0, 1.0],
        ]
    );
    assert_eq!(dataset.training_rows().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    // Each row's number once: 4 + 2 + 1 + 0 + 3 + 4 fourths.
    let sums = dataset.statistics().unwrap();
    assert_eq!(
        (sums.rows, sums.columns[0].count, sums.columns[0].sum),
        (6, 6, 14 << 30)
    );
}

#[test]
fn of_a_group_the_last_row_alone_may_be_the_example() {
    let schema = SCHEMA.replace("steps = 3", "steps = 3\nexamples = \"last\"");
    let table = TABLE.replace("1,c", "0,c");
    let dataset = whole(&schema, &table);
    assert_eq!(dataset.training_rows().collect::<Vec<_>>(), [0, 3, 4]);
    assert_eq!(inputs(&dataset).1[4], [0.0, 1.0, 2.0, 1.0, 1.0, 1.0]);
    // The moments are of every row.
    let sums = dataset.statistics().unwrap();
    assert_eq!((sums.rows, sums.columns[0].count), (3, 6));
    assert_eq!(dataset.positives(), 2);
    let refused = read(&schema, &TABLE.replace("\n1,", "\n0,"), &none())
        .err()
        .unwrap();
    assert!(refused.contains("only the label 0 in all 3 rows"), "{refused}");
}

#[test]
fn a_key_is_on_one_side_and_time_parts_a_key_s_rows() {
    let mut table = "y,card,amount,at\n".to_owned();
    for row in 0..600_u32 {
        table.push_str(&format!("{},{},{},{row}\n", row % 7 / 6, row % 60, row % 4));
    }
    let dataset = read(SCHEMA, &table, &Split::Hash { share: 0.3 }).unwrap();
    let held_out: Vec<u32> = dataset.held_out_rows().collect();
    assert!((60..300).contains(&held_out.len()), "{}", held_out.len());
    assert!(held_out.len().is_multiple_of(10));
    assert!(
        dataset
            .training_rows()
            .all(|row| held_out.iter().all(|held| held % 60 != row % 60))
    );
    let by_time = Split::Time {
        column: "at".to_owned(),
        share: 0.1,
    };
    let dataset = read(SCHEMA, &table, &by_time).unwrap();
    assert_eq!(
        dataset.held_out_rows().collect::<Vec<_>>(),
        (540..600).collect::<Vec<_>>()
    );
    // A held-out row is judged by the rows before it, which were trained on.
    assert_eq!(dataset.windows().unwrap().of(545), [425, 485, 545]);
    let last = SCHEMA.replace("steps = 3", "steps = 3\nexamples = \"last\"");
    let dataset = read(&last, &table, &by_time).unwrap();
    // The last rows of the 60 cards, and of them a tenth.
    assert_eq!(
        dataset.held_out_rows().collect::<Vec<_>>(),
        (594..600).collect::<Vec<_>>()
    );
    assert_eq!(
        dataset.training_rows().collect::<Vec<_>>(),
        (540..594).collect::<Vec<_>>()
    );
    assert_eq!(dataset.statistics().unwrap().columns[0].count, 594);
}

#[test]
fn files_of_several_banks_stand_behind_each_other() {
    let dataset = whole(SCHEMA, TABLE);
    let moments = Moments {
        mean: vec![0.5],
        std: vec![0.25],
    };
    let encoded = dataset.encode(&moments).unwrap();
    let mut both = Vec::new().into();
    for part in [&encoded, &encoded] {
        super::RowValues::extend(&mut both, part.inputs.clone());
    }
    assert_eq!(both.rows(6), Some(12));
    let mut values = Vec::new();
    let rows: Vec<u32> = (0..12).collect();
    both.reader(6).append(&rows, &[], &mut values).unwrap();
    assert_eq!(values, encoded.all_inputs().unwrap().repeat(2));
}

#[test]
fn what_keeps_rows_from_being_grouped_is_told_with_its_place() {
    for (from, to, part) in [
        (
            "a,1,",
            ",1,",
            "line 4, column \"card\": found no value, expected the key of the row's group; the schema groups",
        ),
        (
            "0,2024-01-05",
            "0,5.1.24",
            "line 5, column \"at\": found \"5.1.24\", expected a date such as 2024-01-31",
        ),
        (
            "0,2024-01-05",
            "0,",
            "line 5, column \"at\": found \"\", expected a date",
        ),
        (
            "0,2024-01-05",
            "0,17",
            "found a number, expected a time of the kind that the first row has; the schema orders",
        ),
        ("card", "kard", "found no column \"card\" in the header"),
        (",at\n", ",when\n", "found no column \"at\" in the header"),
    ] {
        let table = TABLE.replacen(from, to, 1);
        assert_ne!(table, TABLE);
        let message = read(SCHEMA, &table, &none()).err().unwrap();
        assert!(message.contains(part), "{to}: {message}");
    }
}

/// A card number groups rows and reaches nothing else; as an input it is refused as ever.
#[test]
fn a_key_may_look_like_an_identifier() {
    let mut table = "y,card,amount,at\n".to_owned();
    for row in 0..200_u32 {
        table.push_str(&format!("{},4111 1111 1111 1111,1,{row}\n", row % 2));
    }
    assert_eq!(whole(SCHEMA, &table).windows().unwrap().of(199), [197, 198, 199]);
    let input = SCHEMA
        .replace("key = \"card\"", "key = \"amount\"")
        .replace("name = \"amount\"", "name = \"card\"")
        .replace(
            "type = \"number\"",
            "type = \"category\"\nvalues = [\"4111 1111 1111 1111\"]\nother = \"bucket\"",
        )
        .replace("    min = 0\n    max = 4\n", "");
    let message = read(&input, &table, &none()).err().unwrap();
    assert!(
        message.contains("column \"card\"") && message.contains("card numbers"),
        "{message}"
    );
}

const DATES: &str = r#"
    version = 1
    label = "y"
    [sequence]
    key = "card"
    time = "at"
    steps = 2
    [[column]]
    name = "at"
    type = "date"
    min = "2024-01-01"
    max = "2024-01-05"
    outside = "clip"
    cycles = ["day", "week"]
    since = "previous"
    [[column]]
    name = "opened"
    type = "date"
    min = "2000-01-01"
    max = "2030-01-01T12:00"
    when_missing = "mean"
"#;

#[test]
fn dates_become_their_place_in_the_range_and_in_each_cycle() {
    let table = "y,card,opened,at\n\
        1,a,,2024-01-03\n\
        0,a,2000-01-01,2024-01-02T18:00:00\n\
        0,b,2030-01-01T12:00:00Z,2024-01-09T01:00+01:00\n";
    let dataset = whole(DATES, table);
    let (shape, rows) = inputs(&dataset);
    assert_eq!(shape, InputShape::Sequence { steps: 2, width: 9 });
    // 2024-01-01 was a Monday: a quarter of the day is missing to Wednesday.
    let week = |days: f64| (std::f64::consts::TAU * days / 7.0).sin_cos();
    // Six hours are ln 21601 of the ln 345601 of the range.
    let six_hours = (21_601_f64.ln() / 345_601_f64.ln() - 0.5) / 0.25;
    let step = |at: f64, day: (f64, f64), days: f64, since: f64, opened: f64, missing: f64| {
        let (sine, cosine) = week(days);
        vec![
            (at - 0.5) / 0.25,
            day.0,
            day.1,
            sine,
            cosine,
            since,
            opened,
            missing,
            1.0,
        ]
    };
    let evening = step(1.75 / 4.0, (-1.0, 0.0), 1.75, 0.0, -2.0, 0.0);
    let expected = [
        [evening.clone(), step(0.5, (0.0, 1.0), 2.0, six_hours, 0.0, 1.0)],
        [vec![0.0; 9], evening],
        [vec![0.0; 9], step(1.0, (0.0, 1.0), 1.0, 0.0, 2.0, 0.0)],
    ];
    for (row, expected) in rows.iter().zip(expected) {
        let expected = expected.concat();
        assert_eq!(row.len(), expected.len());
        for (found, expected) in row.iter().zip(&expected) {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-5,
                "{row:?} {expected:?}"
            );
        }
    }
    let sums = dataset.statistics().unwrap().columns;
    let counts: Vec<u64> = sums.iter().map(|sums| sums.count).collect();
    // The first row of a card has none before it, and one row no date of opening.
    assert_eq!(counts, [3, 1, 2]);
    let table = table.replace("2024-01-03", "2024-01-03x");
    let message = read(DATES, &table, &none()).err().unwrap();
    assert!(
        message.contains("line 2, column \"at\": found \"2024-01-03x\""),
        "{message}"
    );
}

#[test]
fn a_bad_date_is_named_with_its_place() {
    let schema = "version = 1\nlabel = \"y\"\n[[column]]\nname = \"d\"\ntype = \"date\"\nmin = \"2020-01-01\"\nmax = \"2030-01-01\"\n";
    let table = "d,y\n2024-01-31,1\n2024/02/01 12:30,0\n";
    assert_eq!(inputs(&whole(schema, table)).0, InputShape::numbers(1));
    for (cell, part) in [
        (
            "2031-01-01",
            "line 3, column \"d\": found \"2031-01-01\", expected a date from 2020-01-01 to 2030-01-01; correct it, or agree on a wider",
        ),
        (
            "45322",
            "found \"45322\", expected a date from 2020-01-01 to 2030-01-01; write it as 2024-01-31",
        ),
        ("31.1.2024", "found \"31.1.2024\", expected a date"),
        (
            "",
            "found an empty cell, expected a date from 2020-01-01 to 2030-01-01; fill the cell, or agree on when_missing",
        ),
    ] {
        let table = table.replace("2024/02/01 12:30", cell);
        let message = read(schema, &table, &none()).err().unwrap();
        assert!(message.contains(part), "{cell}: {message}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_window_holds_a_later_row_or_another_key_s(
        rows in prop::collection::vec((0_u32..6, 0_i32..12), 2..60),
        steps in 2_usize..8,
    ) {
        let mut table = "y,card,amount,at\n".to_owned();
        for (row, (key, time)) in rows.iter().enumerate() {
            table.push_str(&format!("{},k{key},1,{time}\n", row % 2));
        }
        let dataset = whole(&SCHEMA.replace("steps = 3", &format!("steps = {steps}")), &table);
        let windows = dataset.windows().unwrap();
        for (row, (key, time)) in rows.iter().enumerate() {
            let mut before: Vec<usize> = (0..rows.len())
                .filter(|other| rows[*other].0 == *key && (rows[*other].1, *other) <= (*time, row))
                .collect();
            before.sort_by_key(|other| (rows[*other].1, *other));
            let expected: Vec<u32> = before[before.len().saturating_sub(steps)..]
                .iter()
                .map(|row| u32::try_from(*row).unwrap())
                .collect();
            prop_assert_eq!(windows.of(row), expected);
        }
    }
}
