//! What is asked about goes the way of the bank's own table: the scores are the same to the last bit.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use csv::StringRecord;
use veilsum_protocol::crypto::secret::Secret;
use veilsum_protocol::model::Moments;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::task::Task;

use super::{FeatureKind, Scorer, ScorerError};
use crate::data::{DataFiles, Dataset, HoldOut, Room};
use crate::desensitise::{DesensitiseKey, Policy, Rules};
use crate::train::{DeviceChoice, Runtime, predict};

const REST: &str = r#"
    [training]
    optimiser = "sgd"
    learning_rate = 0.1
    batch_size = 1
    local_epochs = 1
"#;

pub(crate) fn runtime() -> Runtime {
    Runtime::start(DeviceChoice::Cpu, 1).unwrap()
}

pub(crate) fn task(schema_and_model: &str) -> Task {
    Task::parse(&format!(
        "name = \"t\"\nrounds = 1\nseed = 3\n{schema_and_model}\n{REST}"
    ))
    .unwrap()
}

pub(crate) fn rules(policy: &str) -> Rules {
    let policy = Policy::parse(Path::new("policy.toml"), policy).unwrap();
    let key = policy
        .needs_key()
        .then(|| DesensitiseKey::new(Secret::from_bytes([7; 32])));
    Rules::new("policy.toml".into(), policy, key)
}

/// The model that the task begins with, with some moments.
pub(crate) fn state(task: &Task) -> TaskState {
    let mut state = TaskState::initial(task);
    let count = task.schema.standardised().len();
    state.moments = Some(Moments {
        mean: vec![0.4; count],
        std: vec![0.3; count],
    });
    state
}

pub(crate) fn scorer(task: &Task, policy: &str) -> Scorer {
    Scorer::new(task, &state(task), None, rules(policy), runtime()).unwrap()
}

pub(crate) fn files(table: &str) -> (tempfile::TempDir, DataFiles) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.csv");
    fs::write(&path, table).unwrap();
    (folder, path.into())
}

/// The scores of the rows of a table as training judges them.
fn trained(task: &Task, files: &DataFiles, policy: &str, rows: &[u32]) -> Vec<f32> {
    let none = HoldOut::new([0; 32], 0.0);
    let rules = rules(policy);
    let data = Dataset::read_files(files, &task.schema, &none, None, &rules, &Room::in_memory()).unwrap();
    let state = state(task);
    let data = data
        .encode_for(&task.model, state.moments.as_ref().unwrap())
        .unwrap();
    predict(&task.model, &state.parameters, &data, rows, runtime()).unwrap()
}

/// Scores that differ by the order of their sums alone.
fn near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

/// The rows of a table under the features of a scorer.
pub(crate) fn asked(scorer: &Scorer, table: &str) -> Vec<StringRecord> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let places: Vec<usize> = scorer
        .features()
        .iter()
        .map(|feature| place(&feature.name))
        .collect();
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            places.iter().map(|place| record.get(*place).unwrap()).collect()
        })
        .collect()
}

pub(crate) const TABLE_TASK: &str = r#"
    [schema]
    version = 1
    label = "late"
    leave_out = ["customer"]
    missing = ["", "NA"]
    column = [
        { name = "income", type = "number", min = 0, max = 99, scale = "log", when_missing = "mean" },
        { name = "opened", type = "date", min = "2000-01-01", max = "2030-01-01", cycles = ["year"], when_missing = "mean" },
        { name = "job", type = "category", values = ["office"], other = "bucket" },
    ]
    [model]
    family = "mlp"
    hidden = [4]
"#;

pub(crate) const TEXT_TASK: &str = r#"
    [schema]
    version = 1
    label = "about"
    label_classes = ["card", "fee", "app"]
    missing = ["", "NA"]
    [[schema.column]]
    name = "message"
    type = "text"
    tokens = 4
    vocabulary = ["card", "lost", "my"]
    [model]
    family = "embedding-bag"
    dimension = 3
"#;

pub(crate) const SEQUENCE_TASK: &str = r#"
    [schema]
    version = 1
    label = "y"
    [schema.sequence]
    key = "card"
    time = "at"
    steps = 3
    examples = "every"
    [[schema.column]]
    name = "amount"
    type = "number"
    min = 0
    max = 9
    [model]
    family = "gru"
    units = 3
"#;

pub(crate) const POLICY: &str = r#"
    [[column]]
    name = "customer"
    rule = "drop"
    [[column]]
    name = "opened"
    rule = "shift_dates"
    days = 30
    by = "customer"
    [[column]]
    name = "job"
    rule = "generalise"
    groups = { clerk = "office" }
    other = "else"
"#;

pub(crate) const TABLE: &str =
    "late,customer,job,income,opened\n0,c1,clerk,9,2020-02-03\n1,c2,driver,NA,2011-05-06\n0,c3,,50.25,\n";

#[test]
fn a_row_of_a_table_gets_the_score_that_training_gives_it_under_the_banks_rules() {
    let task = task(TABLE_TASK);
    let (_folder, files) = files(TABLE);
    let scorer = scorer(&task, POLICY);
    let kinds: Vec<_> = scorer
        .features()
        .into_iter()
        .map(|feature| (feature.name, feature.kind))
        .collect();
    let category = FeatureKind::Category(vec!["office".to_owned()]);
    let feature = |name: &str, kind| (name.to_owned(), kind);
    // A date is shifted by a column that the model never sees.
    assert_eq!(
        kinds,
        [
            feature("income", FeatureKind::Number),
            feature("opened", FeatureKind::Date),
            feature("job", category),
            feature("customer", FeatureKind::ShiftsBy),
        ]
    );
    let rows = asked(&scorer, TABLE);
    let scores = scorer.score(&rows).unwrap();
    near(&scores, &trained(&task, &files, POLICY, &[0, 1, 2]));
    // What the model is given is the same to the last bit.
    let none = HoldOut::new([0; 32], 0.0);
    let ruled = rules(POLICY);
    let table = Dataset::read_files(&files, &task.schema, &none, None, &ruled, &Room::in_memory()).unwrap();
    let given = scorer.table_inputs(&table, &[0, 1, 2]).unwrap();
    let bits = |inputs: &[f32]| inputs.iter().map(|input| input.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&scorer.inputs(&rows).unwrap()), bits(&given));
    // One row at a time, and from several threads: the same.
    std::thread::scope(|scope| {
        for (row, score) in rows.iter().zip(&scores) {
            let scorer = &scorer;
            scope.spawn(move || {
                for _ in 0..20 {
                    near(&scorer.score(std::slice::from_ref(row)).unwrap(), &[*score]);
                }
            });
        }
    });
}

#[test]
fn a_cell_that_does_not_fit_is_told_with_row_and_column() {
    let scorer = scorer(&task(TABLE_TASK), POLICY);
    let mut rows = asked(&scorer, TABLE);
    rows[1] = StringRecord::from(vec!["many", "2011-05-06", "clerk", "c2"]);
    let error = scorer.score(&rows).unwrap_err().to_string();
    for part in ["request", "row 2", "income", "many"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(scorer.score_inputs(&[0.0]).is_err());
}

#[test]
fn there_is_no_model_before_the_moments() {
    let task = task(TABLE_TASK);
    let none = Scorer::new(&task, &TaskState::initial(&task), None, rules(""), runtime());
    assert!(matches!(none, Err(ScorerError::NoModel)));
}

#[test]
fn the_last_step_of_a_sequence_is_scored_with_those_before_it() {
    let task = task(
        r#"
        [schema]
        version = 1
        label = "y"
        [schema.sequence]
        key = "card"
        time = "at"
        steps = 3
        examples = "every"
        [[schema.column]]
        name = "at"
        type = "date"
        min = "2024-01-01"
        max = "2024-02-01"
        since = "previous"
        [[schema.column]]
        name = "amount"
        type = "number"
        min = 0
        max = 9
        [model]
        family = "gru"
        units = 3
        "#,
    );
    let table = "y,card,at,amount\n0,a,2024-01-01,1\n1,b,2024-01-05,8\n0,a,2024-01-03,2\n0,a,2024-01-04,4\n1,a,2024-01-09,5\n";
    let (_folder, files) = files(table);
    let scorer = scorer(&task, "");
    assert_eq!(scorer.sequence(), Some(3));
    // Of card b its only row, of card a its last one, in the order of the rows.
    let scores = scorer.score(&asked(&scorer, table)).unwrap();
    assert_eq!(scores, trained(&task, &files, "", &[1, 4]));
}

#[test]
fn a_text_and_an_image_are_what_they_are_in_training() {
    let texts = task(TEXT_TASK);
    let table = "about,message\ncard,my card!\nfee,NA\napp,what a lost card it is\n";
    let (_folder, files) = files(table);
    let of_texts = scorer(&texts, "");
    assert_eq!(
        (of_texts.outputs(), of_texts.output_names()[2].as_str()),
        (3, "app")
    );
    let scores = of_texts.score(&asked(&of_texts, table)).unwrap();
    assert_eq!(scores, trained(&texts, &files, "", &[0, 1, 2]));

    let images = task(
        r#"
        [schema]
        version = 1
        label = "digit"
        label_classes = ["zero", "one", "two"]
        [[schema.column]]
        name = "image"
        type = "image"
        height = 12
        width = 12
        [model]
        family = "cnn"
        "#,
    );
    let pixels: Vec<u8> = (0..3 * 144).map(|pixel: u32| (pixel * 7 % 256) as u8).collect();
    let folder = tempfile::tempdir().unwrap();
    let files = DataFiles {
        file: folder.path().join("images.idx"),
        labels: Some(folder.path().join("labels.idx")),
    };
    let sizes = |sizes: &[u32]| {
        let mut bytes = vec![0, 0, 8, u8::try_from(sizes.len()).unwrap()];
        sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
        bytes
    };
    fs::write(&files.file, [sizes(&[3, 12, 12]), pixels.clone()].concat()).unwrap();
    fs::write(
        files.labels.as_ref().unwrap(),
        [sizes(&[3]), vec![0, 1, 2]].concat(),
    )
    .unwrap();
    let of_images = scorer(&images, "");
    let inputs = of_images.image_inputs(pixels).unwrap();
    let scores = of_images.score_inputs(&inputs).unwrap();
    assert_eq!(scores, trained(&images, &files, "", &[0, 1, 2]));
}
