//! Rows in memory and rows in a file lead to the same bits.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use veilsum_protocol::model::initialise::initialise;
use veilsum_protocol::model::{ModelSpec, Moments, Preparation, ScoreSums};
use veilsum_protocol::task::{Schema, Split, Task};

use super::*;
use crate::data::{DataFiles, Dataset, HoldOut, Room, Statistics};
use crate::desensitise::Rules;

/// SplitMix64.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % bound
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

/// One way in which rows are laid, and a model of them.
struct Way {
    schema: &'static str,
    header: &'static str,
    row: fn(&mut Draws) -> String,
    model: &'static str,
    split: fn() -> Split,
}

fn by_hash() -> Split {
    Split::Hash { share: 0.2 }
}

fn words(draws: &mut Draws) -> String {
    (0..draws.below(6))
        .map(|_| draws.of(&["lost ", "my ", "card "]))
        .collect()
}

const WAYS: [Way; 5] = [
    // Numbers, categories and dates, by counts and as they are.
    Way {
        schema: "version = 1\nlabel = \"y\"\n\
            [[column]]\nname = \"x\"\ntype = \"number\"\nmin = 0\nmax = 99\nwhen_missing = \"mean\"\nencoding = \"woe\"\nbins = 3\n\
            [[column]]\nname = \"c\"\ntype = \"category\"\nvalues = [\"u\", \"v\"]\nother = \"bucket\"\n\
            [[column]]\nname = \"d\"\ntype = \"date\"\nmin = \"2024-01-01\"\nmax = \"2025-01-01\"\ncycles = [\"week\"]\nwhen_missing = \"mean\"\n\
            [[column]]\nname = \"z\"\ntype = \"number\"\nmin = 0\nmax = 99\nwhen_missing = \"mean\"\n",
        header: "z,c,x,d",
        row: |draws| {
            let mut number = || match draws.below(8) {
                0 => String::new(),
                _ => draws.below(100).to_string(),
            };
            let (z, x) = (number(), number());
            let c = draws.of(&["u", "v", "w", ""]);
            format!(
                "{z},{c},{x},2024-{:02}-{:02}",
                1 + draws.below(12),
                1 + draws.below(28)
            )
        },
        model: "family = \"mlp\"\nhidden = [4]\nembedding = 2\ndropout = 0.1",
        split: by_hash,
    },
    // Events by card and time, with the time since the one before.
    Way {
        schema: "version = 1\nlabel = \"y\"\n[sequence]\nkey = \"card\"\ntime = \"at\"\nsteps = 3\n\
            [[column]]\nname = \"at\"\ntype = \"date\"\nmin = \"2024-01-01\"\nmax = \"2025-01-01\"\nsince = \"previous\"\n\
            [[column]]\nname = \"x\"\ntype = \"number\"\nmin = 0\nmax = 99\n",
        header: "card,x,at",
        row: |draws| {
            let at = format!("2024-{:02}-{:02}", 1 + draws.below(12), 1 + draws.below(28));
            format!("k{},{},{at}", draws.below(5), draws.below(100))
        },
        model: "family = \"gru\"\nunits = 3",
        split: || Split::Time {
            column: "at".to_owned(),
            share: 0.2,
        },
    },
    // Steps in columns.
    Way {
        schema: "version = 1\nlabel = \"y\"\n\
            [[column]]\nname = \"a\"\nsteps = [\"a1\", \"a2\"]\ntype = \"number\"\nmin = 0\nmax = 99\n\
            [[column]]\nname = \"c\"\ntype = \"category\"\nvalues = [\"u\", \"v\"]\n",
        header: "a2,c,a1",
        row: |draws| {
            format!(
                "{},{},{}",
                draws.below(100),
                draws.of(&["u", "v"]),
                draws.below(100)
            )
        },
        model: "family = \"lstm\"\nunits = 3",
        split: by_hash,
    },
    // Texts whose tokens have two bytes, and four.
    Way {
        schema: "version = 1\nlabel = \"y\"\n[[column]]\nname = \"t\"\ntype = \"text\"\ntokens = 4\nbuckets = 100\n",
        header: "t",
        row: words,
        model: "family = \"embedding-bag\"\ndimension = 2",
        split: by_hash,
    },
    Way {
        schema: "version = 1\nlabel = \"y\"\n[[column]]\nname = \"t\"\ntype = \"text\"\ntokens = 3\nbuckets = 70000\n",
        header: "t",
        row: words,
        model: "family = \"embedding-bag\"\ndimension = 2",
        split: by_hash,
    },
];

impl Way {
    fn write(&self, folder: &Path, seed: u64, rows: u32) -> DataFiles {
        let mut draws = Draws(seed);
        let rows = (0..rows).map(|row| format!("{},{}\n", (self.row)(&mut draws), row % 2));
        let file = folder.join("data.csv");
        fs::write(&file, format!("{},y\n{}", self.header, rows.collect::<String>())).unwrap();
        file.into()
    }
}

/// Images of 8 x 8 and their labels.
fn write_images(folder: &Path, seed: u64, rows: u32) -> DataFiles {
    let mut draws = Draws(seed);
    let idx = |name: &str, sizes: &[u32], items: Vec<u8>| {
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
        bytes.extend(items);
        fs::write(folder.join(name), bytes).unwrap();
        folder.join(name)
    };
    let pixels = (0..64 * rows).map(|_| draws.below(256) as u8).collect();
    DataFiles {
        file: idx("images.idx", &[rows, 8, 8], pixels),
        labels: Some(idx(
            "labels.idx",
            &[rows],
            (0..rows).map(|row| (row % 2) as u8).collect(),
        )),
    }
}

/// All that follows from a bank's rows.
#[derive(Debug, PartialEq)]
struct Found {
    statistics: Statistics,
    counts: Preparation,
    labels: Vec<f32>,
    inputs: Vec<u32>,
    trained: Vec<u32>,
    mean_loss: u64,
    scores: ScoreSums,
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// `calls`: how many rows are asked for at once, and whether what is said of the next ones is true.
fn found(rows: &Dataset, model: &str, seed: u64, calls: &[(usize, bool)]) -> Found {
    let (statistics, counts) = (rows.statistics().unwrap(), rows.counts(8).unwrap());
    let moments = Moments::from_sums(&statistics.columns).unwrap();
    let spec = ModelSpec::read(model).unwrap();
    let data = rows.encode_prepared(&spec, &moments, Some(&counts)).unwrap();
    // In some order, by calls of any size.
    let mut draws = Draws(seed);
    let order: Vec<u32> = (0..200).map(|_| draws.below(rows.len() as u64) as u32).collect();
    let (mut inputs, mut left, width) = (Vec::new(), &order[..], data.shape.width());
    let mut reader = data.inputs.reader(width);
    for (size, is_true) in calls.iter().cycle() {
        let (now, next) = left.split_at(left.len().min(*size));
        reader
            .append(now, if *is_true { next } else { &order }, &mut inputs)
            .unwrap();
        left = next;
        if left.is_empty() {
            break;
        }
    }
    assert_eq!(inputs.len(), order.len() * width);
    let all = data.all_inputs().unwrap();
    for (row, values) in order.iter().zip(inputs.chunks(width)) {
        let start = *row as usize * width;
        assert_eq!(bits(values), bits(&all[start..start + width]));
    }
    let task = Task::parse(
        "name = \"t\"\nrounds = 1\nseed = 1\n[model]\nfamily = \"logistic\"\n[training]\noptimiser = \"adam\"\n\
         learning_rate = 0.05\nbatch_size = 3\nlocal_epochs = 2\n[schema]\nversion = 1\nlabel = \"y\"\n\
         column = [{ name = \"x\", type = \"number\", min = 0, max = 1 }]\n"
    )
    .unwrap();
    let training: Vec<u32> = rows.training_rows().collect();
    let held_out: Vec<u32> = rows.held_out_rows().collect();
    let parameters = initialise(&spec.manifest(&data.shape, data.target), 7);
    let job = TrainingJob {
        model: &spec,
        training: &task.training,
        learning_rate: 0.05,
        data: &data,
        rows: &training,
        parameters: &parameters,
        seed,
        shuffled: rows.may_be_shuffled(),
        runtime: Runtime::start(DeviceChoice::Cpu, 1).unwrap(),
    };
    let trained = train(&job, &mut |_| {}).unwrap();
    let scores = evaluate(&spec, &trained.parameters, &data, &held_out, 16, job.runtime).unwrap();
    Found {
        statistics,
        counts,
        labels: data.labels.to_vec(),
        inputs: bits(&inputs),
        trained: bits(&trained.parameters),
        mean_loss: trained.mean_loss.to_bits(),
        scores,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wherever_rows_lie_all_that_follows_from_them_is_the_same_to_the_bit(
        seed in any::<u64>(),
        count in 100_u32..200,
        memory_bytes in prop_oneof![Just(0), 1_u64..400, 400_u64..6000],
        calls in prop::collection::vec((1_usize..40, any::<bool>()), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let room = Room { memory_bytes, folder: folder.path().join("state") };
        let images = "version = 1\nlabel = \"y\"\n[[column]]\nname = \"i\"\ntype = \"image\"\nheight = 8\nwidth = 8\n";
        let cnn = "family = \"cnn\"\nfilters = [2]\ndense = []";
        let tables = WAYS.iter().map(|way| {
            (way.write(folder.path(), seed, count), way.schema, way.model, (way.split)())
        });
        for (files, schema, model, split) in
            tables.chain([(write_images(folder.path(), seed, count), images, cnn, by_hash())])
        {
            let parsed = Schema::parse(schema).unwrap();
            let hold_out = HoldOut::of([7; 32], &split);
            let read = |room: &Room| Dataset::read_files(&files, &parsed, &hold_out, None, &Rules::none(), room).unwrap();
            let in_memory = found(&read(&Room::in_memory()), model, seed, &calls);
            let in_a_file = found(&read(&room), model, seed, &calls);
            prop_assert!(in_memory == in_a_file, "{schema}");
        }
        // The file was there, and has no name.
        prop_assert_eq!(fs::read_dir(&room.folder).unwrap().count(), 0);
    }
}
