//! Rows of the bank's own table that are asked about are what they are in the table: nothing of the way through the log is taken for drift.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;

use csv::StringRecord;
use serde_json::{Value, json};
use veilsum_monitoring::{Predictions, Reference, Sample, Values};
use veilsum_protocol::task::Task;
use veilsum_serving::decisions::Record;
use veilsum_serving::tensor::to_json;
use veilsum_serving::{Data, Datatype, Tensor};

use super::current::{Gathering, LeftOut};
use super::outcomes::Outcomes;
use super::reference::of_table;
use crate::data::{Dataset, HoldOut, Room};
use crate::scoring::Scorer;
use crate::scoring::tests::{
    POLICY, SEQUENCE_TASK, TABLE, TABLE_TASK, TEXT_TASK, asked, files, rules, scorer, task,
};
use crate::serving::{Answer, Asking};

/// A request as the log has it. `shape`: of each tensor; `cells`: of each feature but the key, row-major.
fn record(
    scorer: &Scorer,
    (id, time_ms): (&str, i64),
    shape: &[usize],
    cells: &[Vec<String>],
    scores: Vec<f32>,
) -> Record {
    let written = |tensor: &Tensor| {
        json!({
            "name": tensor.name, "datatype": tensor.data.datatype().name(), "shape": tensor.shape, "data": to_json(tensor).unwrap(),
        })
    };
    let asking = Asking::of(scorer);
    let inputs: Vec<Value> = asking
        .specs()
        .iter()
        .zip(cells)
        .map(|(spec, cells)| {
            let data = match spec.datatype {
                Datatype::Fp64 => Data::Fp64(
                    cells
                        .iter()
                        .map(|cell| cell.parse().unwrap_or(f64::NAN))
                        .collect(),
                ),
                _ => Data::Bytes(cells.clone()),
            };
            written(&Tensor {
                name: spec.name.clone(),
                shape: shape.to_vec(),
                data,
                missing: None,
            })
        })
        .collect();
    let outputs: Vec<Value> = Answer::of(scorer).tensors(scores).iter().map(written).collect();
    serde_json::from_value(json!({
        "time_ms": time_ms, "id": id, "caller": "", "model": "t", "version": "1", "model_hash": null, "inputs": inputs, "outputs": outputs,
    }))
    .unwrap()
}

/// The same rows, feature by feature.
fn by_feature(records: &[StringRecord]) -> Vec<Vec<String>> {
    let width = records.first().map_or(0, StringRecord::len);
    let column = |at: usize| {
        records
            .iter()
            .map(|record| record.get(at).unwrap().to_owned())
            .collect()
    };
    (0..width).map(column).collect()
}

fn table(task: &Task, text: &str, policy: &str) -> (tempfile::TempDir, Dataset) {
    let (folder, files) = files(text);
    let none = HoldOut::new([0; 32], 0.0);
    let table = Dataset::read_files(
        &files,
        &task.schema,
        &none,
        None,
        &rules(policy),
        &Room::in_memory(),
    )
    .unwrap();
    (folder, table)
}

/// Numbers by their bits: a missing one is NaN.
fn bits(values: &Values) -> Vec<Option<u64>> {
    match values {
        Values::Numbers(of) => of
            .iter()
            .map(|value| value.is_finite().then(|| value.to_bits()))
            .collect(),
        Values::Categories { of, .. } => of.iter().map(|place| place.map(u64::from)).collect(),
    }
}

fn alike(sample: &Sample, reference: &Reference) {
    assert_eq!(sample.predictions, reference.predictions);
    assert_eq!(sample.columns.len(), reference.columns.len());
    for (now, before) in sample.columns.iter().zip(&reference.columns) {
        assert_eq!(
            (&now.name, bits(&now.values)),
            (&before.name, bits(&before.values))
        );
    }
}

fn outcomes(text: &str, scorer: &Scorer) -> Outcomes {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Outcomes::read(file.path(), &scorer.schema().label_kind).unwrap()
}

#[test]
fn rows_of_a_table_come_back_through_the_log_under_the_banks_rules() {
    let task = task(TABLE_TASK);
    let scorer = scorer(&task, POLICY);
    let (_folder, own) = table(&task, TABLE, POLICY);
    let reference = of_table(&scorer, &own, &[0, 1, 2]).unwrap();
    let names: Vec<&str> = reference
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["income", "opened", "job"]);
    let Values::Categories { names, of } = &reference.columns[2].values else {
        panic!("a category");
    };
    assert_eq!(
        (names.as_slice(), of.as_slice()),
        (&["office".to_owned()][..], &[Some(0), None, None][..])
    );
    let Values::Numbers(opened) = &reference.columns[1].values else {
        panic!("a date is a number of years");
    };
    assert!(
        (2020.0..2020.3).contains(&opened[0]) && opened[2].is_nan(),
        "{opened:?}"
    );

    let rows = asked(&scorer, TABLE);
    let scores = scorer.score(&rows).unwrap();
    let outcomes = outcomes(
        "id,row,label,age\nfirst,0,1,old\nfirst,1,,young\nsecond,0,0,young\nsecond,7,1,old\ntwice,0,1,old\n",
        &scorer,
    );
    let groups = ["job".to_owned(), "age".to_owned()];
    let mut gathering = Gathering::new(&scorer, Some(&outcomes), &groups).unwrap();
    // The later request is written down first.
    let take = |gathering: &mut Gathering<'_>, name, at, from: usize, to: usize| {
        let cells = by_feature(&rows[from..to]);
        gathering
            .take(record(
                &scorer,
                (name, at),
                &[to - from],
                &cells,
                scores[from..to].to_vec(),
            ))
            .unwrap();
    };
    take(&mut gathering, "second", 20, 2, 3);
    take(&mut gathering, "first", 10, 0, 2);
    let (sample, left_out) = gathering.sample().unwrap();
    assert_eq!(sample.times_ms, [10, 10, 20]);
    alike(&sample, &reference);
    assert_eq!(sample.outcomes, [Some(1.0), None, Some(0.0)]);
    assert_eq!(sample.groupings[0].groups, ["clerk", "driver", "missing"]);
    assert_eq!(sample.groupings[1].of, [Some(0), Some(1), Some(1)]);
    assert_eq!(
        left_out,
        LeftOut {
            unknown_outcomes: 2,
            ..LeftOut::default()
        }
    );

    // An id that two requests have, and a row that the schema takes no more.
    let mut gathering = Gathering::new(&scorer, Some(&outcomes), &[]).unwrap();
    take(&mut gathering, "twice", 1, 0, 1);
    take(&mut gathering, "twice", 2, 1, 2);
    let mut cells = by_feature(&rows[..1]);
    cells[0][0] = "1000".to_owned();
    gathering
        .take(record(&scorer, ("first", 3), &[1], &cells, vec![0.5]))
        .unwrap();
    let (sample, left_out) = gathering.sample().unwrap();
    assert_eq!((sample.times_ms.len(), &sample.outcomes), (2, &vec![None, None]));
    assert_eq!(
        left_out,
        LeftOut {
            unreadable: 1,
            unknown_outcomes: 4,
            ambiguous: 2,
        }
    );
    let none = Gathering::new(&scorer, None, &["age".to_owned()]).err().unwrap();
    assert!(
        none.to_string().contains("--group age: found no such column"),
        "{none}"
    );
}

#[test]
fn the_last_step_of_a_sequence_is_what_is_compared() {
    let task = task(&SEQUENCE_TASK.replace("\"every\"", "\"last\""));
    let text = "y,card,at,amount\n0,a,1,1\n1,b,5,8\n0,a,4,4\n1,a,3,2\n";
    let scorer = scorer(&task, "");
    let (_folder, own) = table(&task, text, "");
    // Of card b its only row, of card a the one that is last by its time.
    let reference = of_table(&scorer, &own, &[1, 2]).unwrap();
    assert_eq!(bits(&reference.columns[0].values).len(), 2);
    let Predictions::Binary(scores) = &reference.predictions else {
        panic!("a probability");
    };
    let scores: Vec<f32> = scores.iter().map(|score| *score as f32).collect();
    let mut gathering = Gathering::new(&scorer, None, &[]).unwrap();
    let cells = |times: &[&str], amounts: &[&str]| -> Vec<Vec<String>> {
        let owned = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        vec![owned(times), owned(amounts)]
    };
    // A step without a time is not there.
    let of_b = cells(&["", "5"], &["", "8"]);
    gathering
        .take(record(&scorer, ("b", 1), &[1, 2], &of_b, vec![scores[0]]))
        .unwrap();
    let of_a = cells(&["1", "4", "3"], &["1", "4", "2"]);
    gathering
        .take(record(&scorer, ("a", 2), &[1, 3], &of_a, vec![scores[1]]))
        .unwrap();
    let (sample, left_out) = gathering.sample().unwrap();
    alike(&sample, &reference);
    assert_eq!(left_out, LeftOut::default());
    assert!(Gathering::new(&scorer, None, &["amount".to_owned()]).is_err());
}

#[test]
fn texts_have_no_columns_and_classes_a_probability_of_the_chosen_one() {
    let task = task(TEXT_TASK);
    let text = "about,message\ncard,my card!\nfee,NA\napp,what a lost card it is\n";
    let scorer = scorer(&task, "");
    let (_folder, own) = table(&task, text, "");
    let reference = of_table(&scorer, &own, &[0, 1, 2]).unwrap();
    assert!(reference.columns.is_empty());
    let rows = asked(&scorer, text);
    let scores = scorer.score(&rows).unwrap();
    let mut gathering = Gathering::new(&scorer, None, &[]).unwrap();
    gathering
        .take(record(
            &scorer,
            ("a", 1),
            &[3],
            &by_feature(&rows),
            scores.clone(),
        ))
        .unwrap();
    let (sample, _) = gathering.sample().unwrap();
    alike(&sample, &reference);
    let Predictions::Classes {
        names,
        chosen,
        probability,
    } = &sample.predictions
    else {
        panic!("classes");
    };
    assert_eq!(names, &["card", "fee", "app"]);
    for ((scores, chosen), probability) in scores.chunks_exact(3).zip(chosen).zip(probability) {
        let most = scores.iter().copied().fold(0.0, f32::max);
        assert_eq!(
            (scores[usize::from(*chosen)], f64::from(most)),
            (most, *probability)
        );
    }
}
