//! What the demo compares with: models that are trained in this process, by the rules of the task.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use veilsum_client::data::{Dataset, HoldOut};
use veilsum_client::train::{DeviceChoice, Runtime};
use veilsum_examples::demo::known::{Known, found};
use veilsum_examples::demo::trial::{Plan, TestFold, Trial, each_for_itself, pooled, read_rows};
use veilsum_examples::files::TableFiles;
use veilsum_protocol::model::Vocabularies;
use veilsum_protocol::task::Task;

const SCHEMA: &str = r#"
version = 1
label = "late"
[[schema.column]]
name = "income"
type = "number"
min = 0
max = 1000
encoding = "woe"
bins = 5
[[schema.column]]
name = "job"
type = "category"
vocabulary = { support = 3, most = 8 }
encoding = "woe"
[preparation]
histogram_bins = 32
"#;

const PLAIN: &str = "version = 1\nlabel = \"late\"\nleave_out = [\"job\"]\n\
                     [[schema.column]]\nname = \"income\"\ntype = \"number\"\nmin = 0\nmax = 1000\n";

fn task(schema: &str, training: &str, more: &str) -> Task {
    Task::parse(&format!(
        "name = \"t\"\nrounds = 6\nseed = 5\n[schema]\n{schema}[model]\nfamily = \"mlp\"\nhidden = [4]\n\
         [training]\noptimiser = \"sgd\"\nlearning_rate = 0.1\nbatch_size = 16\nlocal_epochs = 2\n{training}{more}"
    ))
    .unwrap()
}

/// Small incomes are late. One job is known to all banks, one to this bank alone.
fn rows(bank: usize) -> String {
    let mut text = String::new();
    for row in 0..90 {
        let income = (row * 37 + bank * 101) % 1000;
        let job = if row % 3 == 0 {
            format!("only-{bank}")
        } else {
            "clerk".to_owned()
        };
        writeln!(
            text,
            "{income},{job},{}",
            u32::from((income < 400) ^ (row % 13 == 0))
        )
        .unwrap();
    }
    text
}

struct Scene {
    task: Task,
    folder: tempfile::TempDir,
}

impl Scene {
    fn of(task: Task) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, rows: &str| {
            fs::write(folder.path().join(name), format!("income,job,late\n{rows}")).unwrap();
        };
        (1..=3).for_each(|bank| write(&format!("{bank}.csv"), &rows(bank)));
        write("all.csv", &(1..=3).map(rows).collect::<String>());
        write("test.csv", &rows(4));
        Self { task, folder }
    }

    fn table(&self, name: &str) -> TableFiles {
        TableFiles::table(Path::new(self.folder.path()).join(name))
    }

    fn read(&self, name: &str, found: Option<&Vocabularies>) -> Dataset {
        let hold_out = HoldOut::of([3; 32], &self.task.evaluation.split);
        read_rows(&self.task, &self.table(name), &hold_out, found).unwrap()
    }

    fn banks(&self, found: Option<&Vocabularies>) -> Vec<Dataset> {
        (1..=3)
            .map(|bank| self.read(&format!("{bank}.csv"), found))
            .collect()
    }

    fn train(
        &self,
        banks: &[Dataset],
        found: Option<&Vocabularies>,
        way: fn(Plan<'_>, &[&Dataset]) -> Result<Trial, veilsum_examples::demo::DemoError>,
    ) -> Trial {
        let test = TestFold::read(&self.task, &self.table("test.csv"), found).unwrap();
        let plan = Plan {
            task: &self.task,
            test: &test,
            seed: 9,
            runtime: Runtime::start(DeviceChoice::Cpu, 1).unwrap(),
            told: &|_, _| (),
        };
        way(plan, &banks.iter().collect::<Vec<_>>()).unwrap()
    }
}

#[test]
fn pooled_banks_are_one_bank_with_all_rows_and_a_bank_alone_counts_its_own() {
    let scene = Scene::of(task(SCHEMA, "", ""));
    let unread = scene.banks(None);
    let agreed = found(&scene.task, &unread).unwrap();
    assert_eq!(
        agreed.as_ref().and_then(Vocabularies::agreed),
        Some(&[vec!["clerk".to_owned()]][..])
    );
    let banks = scene.banks(agreed.as_ref());
    let all = [scene.read("all.csv", agreed.as_ref())];
    let of = |banks: &[Dataset]| Known::of(&scene.task, &banks.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(of(&banks), of(&all));
    let training: usize = banks.iter().map(|bank| bank.training_rows().count()).sum();
    let counted: u64 = of(&banks).preparation.unwrap().rows.iter().sum();
    assert_eq!(counted, training as u64);
    assert_ne!(of(&banks[..1]), of(&banks));
    let together = scene.train(&banks, agreed.as_ref(), pooled);
    let one = scene.train(&all, agreed.as_ref(), each_for_itself);
    assert_eq!(together.curve, one.curve);
    assert!(together.score.main().1 > 0.8, "{:?}", together.score);
    let alone = scene.train(&banks[..1], agreed.as_ref(), each_for_itself);
    assert_ne!(alone.curve, together.curve);
}

#[test]
fn early_stopping_ends_a_trial_with_its_best_model() {
    // No gain is enough: model 0 is kept after three rounds.
    let rules = "[early_stopping]\nfigure = \"auc\"\npatience = 2\nleast_gain = 1.0\n";
    let scene = Scene::of(task(PLAIN, "", rules));
    let banks = scene.banks(None);
    let stopped = scene.train(&banks, None, each_for_itself);
    assert_eq!(stopped.curve.len(), 3);
    // Each model that was judged is better by more than nothing: all rounds are done.
    let rules = "[early_stopping]\nfigure = \"auc\"\npatience = 6\nkeep = \"last\"\n";
    let patient = Scene::of(task(PLAIN, "", rules)).train(&banks, None, each_for_itself);
    let plain = Scene::of(task(PLAIN, "", "")).train(&banks, None, each_for_itself);
    assert_eq!(patient.curve, plain.curve);
    assert_eq!(stopped.curve[..2], plain.curve[..2]);
    assert_ne!(stopped.score, plain.curve[2]);
}

/// With one party the common control is its own, so no step is corrected; with three they differ.
#[test]
fn controls_correct_the_steps_of_parties_that_differ() {
    let controlled = Scene::of(task(PLAIN, "control_variates = true\n", ""));
    let plain = Scene::of(task(PLAIN, "", ""));
    let banks = plain.banks(None);
    let both = |banks: &[Dataset]| {
        [&controlled, &plain].map(|scene| scene.train(banks, None, each_for_itself).curve)
    };
    let [with, without] = both(&banks[..1]);
    assert_eq!(with, without);
    let [with, without] = both(&banks);
    assert_eq!(with[0], without[0]);
    assert_ne!(with, without);
}

#[test]
fn personal_parameters_stay_with_each_party() {
    let scene = Scene::of(task(PLAIN, "personal = [\"output\"]\n", ""));
    let banks = scene.banks(None);
    let personal = scene.train(&banks, None, each_for_itself);
    let common = Scene::of(task(PLAIN, "", "")).train(&banks, None, each_for_itself);
    assert_eq!(personal.curve.len(), 6);
    assert_ne!(personal.curve, common.curve);
    // One party keeps what it would average with nobody.
    let one = scene.train(&banks[..1], None, each_for_itself);
    let alone = Scene::of(task(PLAIN, "", "")).train(&banks[..1], None, each_for_itself);
    assert!((one.score.main().1 - alone.score.main().1).abs() < 1e-3);
}
