//! What banks compute, from their files to the next state of the task.

use veilsum_protocol::crypto::entropy::SystemEntropy;
use veilsum_protocol::ids::Round;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::{Outcome, TaskState};
use veilsum_protocol::model::{Figure, Vocabularies};
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical as _;

use super::scene::{source, task};
use crate::data::Room;
use crate::participant::contribution::{ContributionError, Step, Workbench};
use crate::participant::{News, Order, OwnFiles, RoundFiles, Trainer};

fn added(parts: &[Digits]) -> Vec<u32> {
    let lanes = parts[0].lanes().len();
    (0..lanes)
        .map(|lane| parts.iter().map(|part| part.lanes()[lane]).sum())
        .collect()
}

pub(super) fn advance(benches: &mut [Workbench], task: &Task, state: &TaskState) -> (TaskState, Outcome) {
    let plan = Plan::new(task);
    let step = Step {
        task,
        plan: &plan,
        kind: plan.kind(state.step).unwrap(),
        state,
    };
    let mut entropy = SystemEntropy::new();
    let parts: Vec<Digits> = benches
        .iter_mut()
        .map(|bench| bench.contribute(&step, &mut entropy, &mut |_| {}).unwrap())
        .collect();
    state.advance(task, &plan, &added(&parts), 3).unwrap()
}

#[test]
fn three_banks_sums_lead_from_no_moments_to_a_better_model() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let rows = [40, 100, 300];
    let mut benches: Vec<_> = folders
        .iter()
        .zip(rows)
        .map(|(folder, rows)| Workbench::new(source(folder.path(), rows)))
        .collect();
    let (task, mut state) = (task(), TaskState::initial(&task()));
    let mut losses = Vec::new();
    let mut scored = Vec::new();
    while Plan::new(&task).kind(state.step).is_some() {
        let (next, outcome) = advance(&mut benches, &task, &state);
        if let Some(metrics) = outcome.metrics {
            losses.push(metrics.figure(Figure::LogLoss).unwrap());
            scored.push(metrics.rows);
        }
        if outcome.weight > 0 {
            // Every row is either trained on or scored.
            assert_eq!(outcome.weight + scored[0], 440);
        }
        state = next;
    }
    let moments = state.moments.unwrap();
    // The number is uniform on 0 to 9.9, and its range 0 to 10.
    assert!((moments.mean[0] - 0.495).abs() < 0.05, "{moments:?}");
    assert_eq!(losses.len(), 3, "two training rounds and the last evaluation");
    assert!(losses[2] < losses[0], "{losses:?}");
    assert!(
        scored.iter().all(|rows| *rows == scored[0]),
        "the hold-out stays the same"
    );
}

/// Takes three banks with this table through the task: a figure of each state that was judged, and the last state.
pub(super) fn judged_by(task: &Task, schema: &str, table: &str, figure: Figure) -> (Vec<f64>, TaskState) {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut benches: Vec<_> = folders
        .iter()
        .map(|folder| {
            let source = source(folder.path(), 0);
            std::fs::write(&source.schema, schema).unwrap();
            std::fs::write(&source.files.file, table).unwrap();
            Workbench::new(source)
        })
        .collect();
    let mut state = TaskState::initial(task);
    let mut found = Vec::new();
    while Plan::new(task).kind(state.step).is_some() {
        let (next, outcome) = advance(&mut benches, task, &state);
        found.extend(outcome.metrics.map(|metrics| metrics.figure(figure).unwrap()));
        state = next;
    }
    (found, state)
}

/// Three banks whose label is another than 0 or 1: a class by thirds of the number, or a number that follows it.
fn judged(label: &str, of: impl Fn(u32) -> String, figure: Figure) -> Vec<f64> {
    let schema = format!(
        "version = 1\nlabel = \"y\"\n{label}\n[[column]]\nname = \"a\"\ntype = \"number\"\nmin = 0\nmax = 10\n"
    );
    let in_task = schema
        .replace("[label_number]", "[schema.label_number]")
        .replace("[[column]]", "[[schema.column]]");
    let task = Task::parse(&format!(
        "name = \"labels\"\nrounds = 4\nseed = 3\n[schema]\n{in_task}[model]\nfamily = \"mlp\"\nhidden = [8]\n\
         [training]\noptimiser = \"adam\"\nlearning_rate = 0.05\nbatch_size = 16\nlocal_epochs = 4\n"
    ))
    .unwrap();
    let row = |row: u32| format!("{},{}\n", f64::from(row * 7 % 100) / 10.0, of(row * 7 % 100));
    let table = "a,y\n".to_owned() + &(0..200).map(row).collect::<String>();
    let (found, _) = judged_by(&task, &schema, &table, figure);
    found
}

#[test]
fn classes_and_numbers_are_learned_and_judged_through_sums() {
    let third = |number: u32| ["low", "middle", "high"][(number / 34) as usize].to_owned();
    let accuracy = judged(
        "label_classes = [\"low\", \"middle\", \"high\"]",
        third,
        Figure::Accuracy,
    );
    assert_eq!(accuracy.len(), 5, "{accuracy:?}");
    assert!(accuracy[4] > 0.9 && accuracy[0] < 0.8, "{accuracy:?}");
    let explained = judged(
        "[label_number]\nmin = -20\nmax = 0",
        |number| format!("{}", -f64::from(number) / 5.0),
        Figure::RSquared,
    );
    assert!(explained[4] > 0.9 && explained[0] < 0.5, "{explained:?}");
}

/// The label is whether the number of the second month is above that of the first: no model of either alone can tell.
#[test]
fn a_sequence_of_columns_is_learned_through_sums() {
    let schema = "version = 1\nlabel = \"y\"\n[[column]]\nname = \"a\"\nsteps = [\"may\", \"june\"]\n\
                  type = \"number\"\nmin = 0\nmax = 1000\n[[column]]\nname = \"kind\"\ntype = \"category\"\nvalues = [\"u\", \"v\"]\n";
    let task = Task::parse(&format!(
        "name = \"sequence\"\nrounds = 6\nseed = 3\n[schema]\n{}[model]\nfamily = \"gru\"\nunits = 8\n\
         [training]\noptimiser = \"adam\"\nlearning_rate = 0.05\nbatch_size = 16\nlocal_epochs = 4\n",
        schema.replace("[[column]]", "[[schema.column]]")
    ))
    .unwrap();
    let row = |row: u32| {
        let (may, june) = (row * 377 % 1000, row * 613 % 997);
        let kind = if row.is_multiple_of(2) { "u" } else { "v" };
        format!("{june},{},{kind},{may}\n", u8::from(june > may))
    };
    let table = "june,y,kind,may\n".to_owned() + &(0..200).map(row).collect::<String>();
    let (auc, last) = judged_by(&task, schema, &table, Figure::Auc);
    // One number column, whatever its steps.
    assert_eq!(last.moments.unwrap().mean.len(), 1);
    assert!(auc[6] > 0.97 && auc[0] < 0.9, "{auc:?}");
}

/// A scorecard: whether the number is far from the middle, and whether the region is known. No straight line through the number tells, but the
/// weight of evidence of its quantile bin does.
#[test]
fn a_scorecard_is_learned_through_sums() {
    let column = |encoding: &str| {
        format!(
            "version = 1\nlabel = \"y\"\n[[column]]\nname = \"a\"\ntype = \"number\"\nmin = 0\nmax = 1000\nwhen_missing = \"mean\"\n\
             {encoding}\n[[column]]\nname = \"region\"\ntype = \"category\"\nvalues = [\"u\", \"v\"]\nother = \"bucket\"\n\
             encoding = \"woe\"\n"
        )
    };
    let auc = |encoding: &str| {
        let schema = column(encoding);
        let task = Task::parse(&format!(
            "name = \"scorecard\"\nrounds = 6\nseed = 3\n[preparation]\nhistogram_bins = 20\n[schema]\n{}\
             [model]\nfamily = \"logistic\"\n[training]\noptimiser = \"adam\"\nlearning_rate = 0.05\nbatch_size = 16\nlocal_epochs = 4\n",
            schema.replace("[[column]]", "[[schema.column]]")
        ))
        .unwrap();
        let row = |row: u32| {
            let number = row * 377 % 1000;
            let far = number.abs_diff(500) > 250;
            let number = if row.is_multiple_of(20) {
                String::new()
            } else {
                number.to_string()
            };
            format!(
                "{number},{},{}\n",
                u8::from(far),
                ["u", "v", "w"][row as usize % 3]
            )
        };
        let table = "a,y,region\n".to_owned() + &(0..300).map(row).collect::<String>();
        judged_by(&task, &schema, &table, Figure::Auc)
    };
    let (evidence, state) = auc("encoding = \"woe\"\nbins = 20");
    assert!(evidence[6] > 0.93, "{evidence:?}");
    let (quantiles, _) = auc("encoding = \"quantiles\"\nbins = 20");
    assert!(quantiles[6] > 0.93, "{quantiles:?}");
    let (plain, _) = auc("");
    assert!(plain[6] < 0.8, "{plain:?}");
    // Counts of three banks with the same training rows each.
    let counts = state.preparation.unwrap();
    let rows: u64 = counts.rows.iter().sum();
    assert!(rows > 600 && rows.is_multiple_of(3), "{rows}");
    assert!(counts.columns[0].bin_evidence(10).unwrap().information_value > 1.0);
}

/// The label follows the job, of which nobody told the task anything. A job of one bank alone is in no state.
#[test]
fn values_of_a_category_are_found_and_learned_through_sums() {
    let schema = "version = 1\nlabel = \"y\"\n[[column]]\nname = \"job\"\ntype = \"category\"\n\
                  vocabulary = { support = 3, most = 4 }\n[[column]]\nname = \"a\"\ntype = \"number\"\nmin = 0\nmax = 44\n";
    let task = Task::parse(&format!(
        "name = \"jobs\"\nrounds = 4\nseed = 3\n[preparation]\n[schema]\n{}[model]\nfamily = \"logistic\"\n\
         [training]\noptimiser = \"adam\"\nlearning_rate = 0.05\nbatch_size = 16\nlocal_epochs = 4\n",
        schema.replace("[[column]]", "[[schema.column]]")
    ))
    .unwrap();
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let bench = |(bank, folder): (usize, &tempfile::TempDir)| {
        let source = source(folder.path(), 0);
        std::fs::write(&source.schema, schema).unwrap();
        let own = format!("only at {bank}");
        let row = |row: usize| {
            let job = ["nurse", "clerk", own.as_str()][row % 3];
            format!("{job},{},{}\n", row * 7 % 45, u8::from(job == "nurse"))
        };
        let table = "job,a,y\n".to_owned() + &(0..90).map(row).collect::<String>();
        std::fs::write(&source.files.file, table).unwrap();
        Workbench::new(source)
    };
    let mut benches: Vec<_> = folders.iter().enumerate().map(bench).collect();
    let mut state = TaskState::initial(&task);
    let mut auc = Vec::new();
    while Plan::new(&task).kind(state.step).is_some() {
        let (next, outcome) = advance(&mut benches, &task, &state);
        auc.extend(outcome.metrics.and_then(|metrics| metrics.figure(Figure::Auc)));
        state = next;
        let bytes = state.to_bytes();
        assert!(
            !bytes.windows(4).any(|window| window == b"only"),
            "step {}",
            state.step
        );
    }
    let found = state
        .vocabularies
        .as_ref()
        .and_then(Vocabularies::agreed)
        .unwrap();
    assert_eq!(found, [["clerk", "nurse"]]);
    // Places of values that were not found are empty; a third of the rows has another one.
    let counts = state.preparation.unwrap().columns[0].by_place();
    assert_eq!((counts.len(), &counts[2..4]), (5, &[0, 0][..]));
    assert!(
        counts.iter().filter(|count| **count > 0).count() == 3,
        "{counts:?}"
    );
    assert!(auc[auc.len() - 1] > 0.99, "{auc:?}");
}

#[test]
fn what_is_wrong_in_the_bank_s_files_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path(), 40);
    std::fs::write(&source.files.file, "a,y\n1,0\nmuch,1\n").unwrap();
    let (task, state) = (task(), TaskState::initial(&task()));
    let plan = Plan::new(&task);
    let step = Step {
        task: &task,
        plan: &plan,
        kind: plan.kind(0).unwrap(),
        state: &state,
    };
    let mut bench = Workbench::new(source);
    let error = bench.contribute(&step, &mut SystemEntropy::new(), &mut |_| {});
    let Err(ContributionError::Data(error)) = error else {
        panic!("not a data error");
    };
    let text = error.to_string();
    assert!(
        text.contains("data.csv: line 3, column \"a\": found \"much\""),
        "{text}"
    );
}

#[test]
fn a_changed_policy_counts_for_the_next_order() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path(), 40);
    let policy = source.policy.policy.clone();
    let (task, state) = (task(), TaskState::initial(&task()));
    let plan = Plan::new(&task);
    let step = Step {
        task: &task,
        plan: &plan,
        kind: plan.kind(0).unwrap(),
        state: &state,
    };
    let mut bench = Workbench::new(source);
    let mut lanes = || match bench.contribute(&step, &mut SystemEntropy::new(), &mut |_| {}) {
        Ok(digits) => Ok(digits.lanes().to_vec()),
        Err(error) => Err(error.to_string()),
    };
    let without = lanes().unwrap();
    assert_eq!(lanes().unwrap(), without);
    std::fs::write(
        &policy,
        "[[column]]\nname = \"a\"\nrule = \"bin\"\nedges = [0, 2, 4, 6, 8, 10]\n",
    )
    .unwrap();
    let binned = lanes().unwrap();
    assert_ne!(binned, without);
    std::fs::write(&policy, "[[column]]\nname = \"a\"\nrule = \"bins\"\n").unwrap();
    let mistaken = lanes().unwrap_err();
    assert!(
        mistaken.contains("policy.toml: ") && mistaken.contains("line 3"),
        "{mistaken}"
    );
    std::fs::remove_file(&policy).unwrap();
    assert_eq!(lanes().unwrap(), without);
}

/// The work of a round of statistics.
fn order(round: u64) -> Order {
    Order {
        round: Round(round),
        kind: Plan::new(&task()).kind(0).unwrap(),
        task: task().into(),
        plan: Plan::new(&task()).into(),
        state: TaskState::initial(&task()).into(),
    }
}

#[tokio::test]
async fn the_training_thread_writes_the_digits_and_tells_failures() {
    let folder = tempfile::tempdir().unwrap();
    let files = RoundFiles::open(folder.path().join("rounds")).unwrap();
    let source = source(folder.path(), 40);
    let data = source.files.file.clone();
    let own = OwnFiles::new(folder.path().join("own"));
    let mut trainer = Trainer::start(source, files, own.clone()).unwrap();
    trainer.order(order(1)).unwrap();
    assert!(matches!(trainer.news().await.unwrap(), News::Computed(Round(1))));
    assert!(folder.path().join("rounds/1.digits").exists());

    let other = Trainer::start(
        super::scene::source(folder.path(), 40),
        RoundFiles::open(folder.path().join("rounds")).unwrap(),
        own,
    );
    let mut other = other.unwrap();
    std::fs::remove_file(data).unwrap();
    other.order(order(2)).unwrap();
    let News::NoData(Round(2), reason) = other.news().await.unwrap() else {
        panic!("it did not fail");
    };
    assert!(reason.contains("data.csv: cannot be read"), "{reason}");
    // Mended, it is taken up by the same thread.
    super::scene::source(folder.path(), 40);
    other.order(order(3)).unwrap();
    assert!(matches!(other.news().await.unwrap(), News::Computed(Round(3))));
}

/// A disk that does not take the rows that have no room in memory, and one that does not give them back.
#[tokio::test]
async fn rows_that_cannot_be_kept_are_no_data_until_they_can() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut source = source(folder.path(), 40);
    source.room = Room {
        memory_bytes: 100,
        folder: state.clone(),
    };
    std::fs::write(&state, "no folder").unwrap();
    let files = RoundFiles::open(folder.path().join("rounds")).unwrap();
    let own = OwnFiles::new(folder.path().join("own"));
    let mut trainer = Trainer::start(source, files, own).unwrap();
    trainer.order(order(1)).unwrap();
    let News::NoData(Round(1), reason) = trainer.news().await.unwrap() else {
        panic!("it did not fail");
    };
    assert!(
        reason.contains("state: the rows beyond data.memory_bytes cannot be put into a file"),
        "{reason}"
    );
    std::fs::remove_file(&state).unwrap();
    trainer.order(order(2)).unwrap();
    assert!(matches!(trainer.news().await.unwrap(), News::Computed(Round(2))));
    // Nobody can reach the file by a name; this process can by its number.
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 0);
    let mut open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let rows = open.find(|file| std::fs::read_link(file.path()).is_ok_and(|name| name.starts_with(&state)));
    let rows = std::fs::OpenOptions::new().write(true).open(rows.unwrap().path());
    rows.unwrap().set_len(10).unwrap();
    trainer.order(order(3)).unwrap();
    let News::NoData(Round(3), reason) = trainer.news().await.unwrap() else {
        panic!("it did not fail");
    };
    assert!(reason.contains("cannot be read back"), "{reason}");
    trainer.order(order(4)).unwrap();
    assert!(matches!(trainer.news().await.unwrap(), News::Computed(Round(4))));
}
