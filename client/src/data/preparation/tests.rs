#![allow(clippy::unwrap_used)]
use std::fs;

use veilsum_protocol::model::{ModelSpec, Moments};
use veilsum_protocol::task::Schema;

use super::*;
use crate::data::{EncodeError, HoldOut};
use crate::desensitise::Rules;

const SCHEMA: &str = r#"
    version = 1
    label = "y"
    [[column]]
    name = "x"
    type = "number"
    min = 0
    max = 8
    when_missing = "mean"
    encoding = "woe"
    bins = 2
    [[column]]
    name = "c"
    type = "category"
    values = ["u", "v"]
    other = "bucket"
    encoding = "woe"
    [[column]]
    name = "z"
    type = "number"
    min = 0
    max = 4
    when_missing = "mean"
    encoding = "quantiles"
    bins = 3
    [[column]]
    name = "plain"
    type = "number"
    min = 0
    max = 1
    [[column]]
    name = "d"
    type = "category"
    values = ["u", "v"]
"#;

const TABLE: &str = "x,c,z,plain,d,y\n0,u,0,0,u,0\n1,u,1,1,v,0\n7,v,2,0,u,1\n8,w,3,1,v,0\n,v,,0,u,1\n";

fn read(schema: &str, table: &str, hold_out: &HoldOut) -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.csv");
    fs::write(&path, table).unwrap();
    Dataset::read(&path, &Schema::parse(schema).unwrap(), hold_out, &Rules::none()).unwrap()
}

fn all() -> HoldOut {
    HoldOut::new([0; 32], 0.0)
}

#[test]
fn cells_are_counted_by_bin_value_and_label() {
    let counts = read(SCHEMA, TABLE, &all()).counts(4).unwrap();
    assert_eq!(counts.rows, [3, 2]);
    let [x, c, z, plain, d] = &counts.columns[..] else {
        panic!("{counts:?}")
    };
    assert_eq!(x.present, [[2, 0, 0, 1], [0, 0, 0, 1]]);
    assert_eq!(x.missing, [0, 1]);
    assert_eq!(c.present, [[2, 0, 1], [0, 2, 0]]);
    assert_eq!(z.present, [[1, 1, 0, 1], [0, 0, 1, 0]]);
    assert_eq!(plain.present, [[1, 0, 0, 2], [2, 0, 0, 0]]);
    assert_eq!(d.present, [[1, 2], [2, 0]]);
}

#[test]
fn held_out_rows_are_not_counted() {
    let table = (0..400).fold("x,c,z,plain,d,y\n".to_owned(), |text, row| {
        text + &format!("{},u,0,0,u,{}\n", f64::from(row) / 50.0, row % 2)
    });
    let dataset = read(SCHEMA, &table, &HoldOut::new([7; 32], 0.3));
    let training = dataset.training_rows().count() as u64;
    assert!((1..400).contains(&training));
    let counts = dataset.counts(8).unwrap();
    assert_eq!(counts.rows.iter().sum::<u64>(), training);
    assert!(counts.columns.iter().all(|column| column.cells() == training));
}

/// By hand: `x` has 2 negatives in its lower quantile bin, 1 of each label in its upper, 1 positive missing.
#[test]
fn rows_become_evidence_and_quantile_bins() {
    let dataset = read(SCHEMA, TABLE, &all());
    let counts = dataset.counts(4).unwrap();
    let moments = Moments {
        mean: vec![0.5; 3],
        std: vec![0.5; 3],
    };
    let encoded = dataset
        .encode_prepared(&ModelSpec::Logistic, &moments, Some(&counts))
        .unwrap();
    assert_eq!(encoded.shape, dataset.schema().input_shape(false));
    // Negatives 2.5, 1.5, 0.5 of 4.5; positives 0.5, 1.5, 1.5 of 3.5.
    let weight = |negative: f64, positive: f64| ((negative / 4.5) / (positive / 3.5)).ln() as f32;
    let (low, high, missing) = (weight(2.5, 0.5), weight(1.5, 1.5), weight(0.5, 1.5));
    // u, v, another: negatives 2.5, 0.5, 1.5 of 4.5; positives 0.5, 2.5, 0.5 of 3.5.
    let (u, v, other) = (weight(2.5, 0.5), weight(0.5, 2.5), weight(1.5, 0.5));
    // Four rows in four bins: the middle of the second is at 3/8, of the third at 5/8; so bins 0, 1, 1, 2 of 3.
    #[rustfmt::skip]
    let expected = vec![
        low,     u,     1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0,
        low,     u,     0.0, 1.0, 0.0, 0.0,  1.0, 0.0, 1.0,
        high,    v,     0.0, 1.0, 0.0, 0.0, -1.0, 1.0, 0.0,
        high,    other, 0.0, 0.0, 1.0, 0.0,  1.0, 0.0, 1.0,
        missing, v,     0.0, 0.0, 0.0, 1.0, -1.0, 1.0, 0.0,
    ];
    assert_eq!(encoded.all_inputs().unwrap(), expected);
    // A model that embeds is given the same numbers, and the plain category as an index.
    let embedding = ModelSpec::read("family = \"mlp\"\nhidden = [2]\nembedding = 2").unwrap();
    let embedded = dataset
        .encode_prepared(&embedding, &moments, Some(&counts))
        .unwrap();
    assert_eq!(embedded.shape, dataset.schema().input_shape(true));
    assert_eq!(
        embedded.all_inputs().unwrap()[..8],
        [low, u, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0]
    );
    assert_eq!(
        dataset.encode_for(&ModelSpec::Logistic, &moments).err(),
        Some(EncodeError::Preparation)
    );
    let mut fewer = counts;
    fewer.columns.truncate(2);
    assert_eq!(
        dataset
            .encode_prepared(&ModelSpec::Logistic, &moments, Some(&fewer))
            .err(),
        Some(EncodeError::Preparation)
    );
}

#[test]
fn all_rows_in_one_bin_still_give_every_input() {
    let table = TABLE
        .replace(",0,0,u,0", ",3,0,u,0")
        .replace(",1,1,v,0", ",3,1,v,0")
        .replace(",2,0,u,1", ",3,0,u,1");
    let dataset = read(SCHEMA, &table, &all());
    let counts = dataset.counts(4).unwrap();
    let moments = Moments {
        mean: vec![0.5; 3],
        std: vec![0.5; 3],
    };
    let encoded = dataset
        .encode_prepared(&ModelSpec::Logistic, &moments, Some(&counts))
        .unwrap();
    let values = encoded.all_inputs().unwrap();
    let bins: Vec<_> = values.chunks(9).map(|row| row[2..6].to_vec()).collect();
    let one = vec![0.0, 1.0, 0.0, 0.0];
    assert_eq!(
        bins,
        [
            one.clone(),
            one.clone(),
            one.clone(),
            one,
            vec![0.0, 0.0, 0.0, 1.0]
        ]
    );
}

/// A row is a step of several sequences and counts once; a date between the others has no counts, and moments of its own.
#[test]
fn rows_of_sequences_count_once_and_are_encoded_each() {
    let schema = "version = 1\nlabel = \"y\"\n\
        [sequence]\nkey = \"card\"\ntime = \"t\"\nsteps = 3\nexamples = \"last\"\n\
        [[column]]\nname = \"t\"\ntype = \"date\"\nmin = \"2024-01-01\"\nmax = \"2024-01-11\"\nsince = \"previous\"\n\
        [[column]]\nname = \"x\"\ntype = \"number\"\nmin = 0\nmax = 4\nencoding = \"quantiles\"\nbins = 2\n\
        [[column]]\nname = \"c\"\ntype = \"category\"\nvocabulary = { support = 3, most = 2 }\n";
    let table =
        "card,t,x,c,y\n1,2024-01-01,0,u,0\n1,2024-01-02,1,u,0\n2,2024-01-03,3,v,0\n1,2024-01-04,4,u,1\n";
    let dataset = read(schema, table, &all());
    assert_eq!(dataset.open_values(), [["u", "v"]]);
    let counts = dataset.counts(4).unwrap();
    assert_eq!(counts.rows, [3, 1]);
    assert_eq!(counts.columns[0].cells(), 0);
    assert_eq!(counts.columns[1].present, [[1, 1, 0, 1], [0, 0, 0, 1]]);
    // No value is found yet, so all are in the bucket.
    assert_eq!(counts.columns[2].present, [[0, 0, 3], [0, 0, 1]]);
    let sums = dataset.statistics().unwrap().columns;
    assert_eq!(sums[2].count, 4);
    let moments = Moments {
        mean: vec![0.0; 3],
        std: vec![1.0; 3],
    };
    let encoded = dataset
        .encode_prepared(&ModelSpec::Logistic, &moments, Some(&counts))
        .unwrap();
    assert_eq!(encoded.shape, dataset.schema().input_shape(false));
    // Each row with those before it: the first of a card has two steps of nothing before it.
    let values = encoded.all_inputs().unwrap();
    let width = encoded.shape.width();
    assert_eq!(values.len(), 4 * width);
    assert_eq!(values[..width / 3 * 2], vec![0.0; width / 3 * 2]);
    assert_eq!(values[width - 1], 1.0);
}
