//! Training that goes on after a restart, and what a bank keeps to itself from round to round.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use veilsum_protocol::crypto::entropy::{Entropy, SeededEntropy};
use veilsum_protocol::ids::Round;
use veilsum_protocol::model::Figure;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::{Outcome, TaskState};
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::task::Task;

use super::scene::source;
use crate::participant::contribution::{Step, Workbench};
use crate::participant::{Keeping, OwnFiles, RoundFiles};

/// A bank with its folder.
struct Desk {
    folder: TempDir,
    bench: Workbench,
    files: RoundFiles,
    own: OwnFiles,
    pause: Duration,
    notes: Vec<String>,
}

impl Desk {
    fn new(schema: &str, table: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = source(folder.path(), 0);
        std::fs::write(&source.schema, schema).unwrap();
        std::fs::write(&source.files.file, table).unwrap();
        Self {
            bench: Workbench::new(source),
            files: RoundFiles::open(folder.path().join("rounds")).unwrap(),
            own: OwnFiles::new(folder.path().join("own")),
            pause: Duration::from_secs(3600),
            notes: Vec::new(),
            folder,
        }
    }

    fn own_file(&self, task: &Task) -> PathBuf {
        self.folder.path().join("own").join(task.hash().to_hex())
    }

    /// The bank's part, and the passes that it was told of.
    fn contribute(
        &mut self,
        task: &Task,
        state: &TaskState,
        round: u64,
        entropy: &mut impl Entropy,
    ) -> (Digits, Vec<u32>) {
        let plan = Plan::new(task);
        let step = Step {
            task,
            plan: &plan,
            kind: plan.kind(state.step).unwrap(),
            state,
        };
        let (notes, mut passes) = (&mut self.notes, Vec::new());
        let keeping = Keeping {
            files: &self.files,
            own: &self.own,
            round: Round(round),
            pause: self.pause,
            tell: &mut |note| notes.push(note),
        };
        let digits = self
            .bench
            .contribute_keeping(&step, Some(keeping), entropy, &mut |at| passes.push(at.epoch))
            .unwrap();
        (digits, passes)
    }
}

/// One round of all banks, all of them in the sum.
fn play(desks: &mut [Desk], task: &Task, state: &TaskState, round: u64) -> (TaskState, Outcome) {
    let parts: Vec<Digits> = desks
        .iter_mut()
        .enumerate()
        .map(|(at, desk)| {
            desk.contribute(
                task,
                state,
                round,
                &mut SeededEntropy::new(100 * round + at as u64),
            )
            .0
        })
        .collect();
    let lanes = parts[0].lanes().len();
    let sum: Vec<u32> = (0..lanes)
        .map(|lane| parts.iter().map(|part| part.lanes()[lane]).sum())
        .collect();
    let banks = u16::try_from(desks.len()).unwrap();
    let next = state.advance(task, &Plan::new(task), &sum, banks).unwrap();
    for desk in desks {
        desk.own.settle(&task.hash(), Round(round), true).unwrap();
    }
    next
}

/// The whole task; the states from the first on, and what was measured.
fn run(desks: &mut [Desk], task: &Task) -> (Vec<TaskState>, Vec<Outcome>) {
    let (mut states, mut outcomes) = (vec![TaskState::initial(task)], Vec::new());
    for round in 1.. {
        let state = states.last().unwrap();
        if Plan::new(task).kind(state.step).is_none() {
            break;
        }
        let (next, outcome) = play(desks, task, state, round);
        states.push(next);
        outcomes.push(outcome);
    }
    (states, outcomes)
}

const NUMBERS: &str = "version = 1\nlabel = \"y\"\nleave_out = [\"fold\"]\n[label_number]\nmin = 0\nmax = 10\n\
                       [[column]]\nname = \"a\"\ntype = \"number\"\nmin = 0\nmax = 10\n";

fn task(schema: &str, model: &str, training: &str, rest: &str) -> Task {
    let schema = schema
        .replace("[label_number]", "[schema.label_number]")
        .replace("[[column]]", "[[schema.column]]");
    Task::parse(&format!(
        "name = \"own\"\nrounds = 20\nseed = 3\n[schema]\n{schema}[model]\n{model}\n[training]\n{training}\n{rest}\n"
    ))
    .unwrap()
}

/// The label is 0.5 + slope (a - 5) / 10 for `a` as far from 5 as `reach`, on either side; a fifth of the rows is held out.
fn line(reach: i32, slope: f64) -> String {
    let row = |at: i32| {
        let far = if at % 2 == 0 { reach } else { -reach };
        let fold = if at < 8 { "train" } else { "test" };
        format!("{},{},{fold}\n", 5 + far, 5.0 + slope * f64::from(far))
    };
    "a,y,fold\n".to_owned() + &(0..10).map(row).collect::<String>()
}

/// Linear regression of two banks whose rows lie 1 and 3 from the middle, which the moments make `sqrt(1/5)` and `sqrt(9/5)` of a
/// deviation, with slopes 3 and -1 of the raw numbers: 0.3 sqrt(5) and -0.1 sqrt(5) of what the model sees. The mean of the two squared
/// errors is least where `0.2 (w - 0.3 sqrt(5)) + 1.8 (w + 0.1 sqrt(5)) = 0`, at `-0.06 sqrt(5)`; both have their offset at 1/2.
///
/// FedAvg goes elsewhere. A bank's ten full steps of 0.2 take `w` to `w_i + (1 - 0.2 h_i)^10 (w - w_i)`, curvatures `h` 0.4 and 3.6,
/// and the mean of the two is fixed where `w = (w_1 (1 - q_1) + w_2 (1 - q_2)) / (2 - q_1 - q_2)`, `q` being the powers.
#[test]
fn scaffold_comes_to_the_optimum_that_fedavg_drifts_away_from() {
    let end = |more: &str| {
        let training =
            format!("optimiser = \"sgd\"\nlearning_rate = 0.2\nbatch_size = 8\nlocal_epochs = 10\n{more}");
        let rest = "[aggregation]\nweighting = \"equal\"\nmax_weight = 1\n\
                    [evaluation]\nsplit = \"column\"\ncolumn = \"fold\"\nheld_out = [\"test\"]";
        let task = task(NUMBERS, "family = \"logistic\"", &training, rest);
        let mut desks = [line(1, 3.0), line(3, -1.0)].map(|table| Desk::new(NUMBERS, &table));
        let (states, _) = run(&mut desks, &task);
        let last = states.last().unwrap().clone();
        (desks, task, last)
    };
    let root = 5_f64.sqrt();
    let (optima, curvatures) = ([0.3 * root, -0.1 * root], [0.4, 3.6]);
    let [q1, q2] = curvatures.map(|curvature: f64| (1.0 - 0.2 * curvature).powi(10));
    let drifted = (optima[0] * (1.0 - q1) + optima[1] * (1.0 - q2)) / (2.0 - q1 - q2);
    let optimum = -0.06 * root;
    let (_, _, fedavg) = end("");
    let (desks, task, scaffold) = end("control_variates = true");
    let weight = |state: &TaskState| f64::from(state.parameters[0]);
    assert!(
        (weight(&fedavg) - drifted).abs() < 1e-3,
        "{fedavg:?}, expected {drifted}"
    );
    assert!(
        (weight(&scaffold) - optimum).abs() < 1e-3,
        "{scaffold:?}, expected {optimum}"
    );
    assert!(drifted - optimum > 0.2);
    for state in [&fedavg, &scaffold] {
        assert!((state.parameters[1] - 0.5).abs() < 1e-3, "{state:?}");
    }
    // At the optimum the banks' gradients are h_i (w - w_i) and cancel out; each bank keeps its own, and their mean is the server's.
    let own = desks
        .each_ref()
        .map(|desk| desk.own.load(&task.hash(), 2).unwrap().unwrap());
    for ((own, curvature), end) in own.iter().zip(curvatures).zip(optima) {
        let gradient = curvature * (optimum - end);
        assert!((f64::from(own[0]) - gradient).abs() < 5e-3, "{own:?} {gradient}");
    }
    for ((one, other), common) in own[0].iter().zip(own[1].iter()).zip(&scaffold.control) {
        assert!(
            ((one + other) / 2.0 - common).abs() < 1e-5,
            "{own:?} {:?}",
            scaffold.control
        );
    }
}

#[test]
fn a_control_moves_only_with_a_sum_that_has_the_bank_in_it() {
    let training =
        "optimiser = \"sgd\"\nlearning_rate = 0.1\nbatch_size = 4\nlocal_epochs = 2\ncontrol_variates = true";
    let task = task(NUMBERS, "family = \"logistic\"", training, "");
    let mut desk = Desk::new(NUMBERS, &line(2, 1.0));
    let (first, _) = play(
        std::slice::from_mut(&mut desk),
        &task,
        &TaskState::initial(&task),
        1,
    );
    let (second, _) = play(std::slice::from_mut(&mut desk), &task, &first, 2);
    assert_eq!(desk.notes, [""; 0]);
    let kept = std::fs::read(desk.own_file(&task)).unwrap();
    // A round without a result for this bank, and an attempt that was given up.
    desk.contribute(&task, &second, 3, &mut SeededEntropy::new(1));
    desk.contribute(&task, &second, 4, &mut SeededEntropy::new(2));
    assert_eq!(std::fs::read(desk.own_file(&task)).unwrap(), kept);
    desk.own.settle(&task.hash(), Round(4), false).unwrap();
    assert_eq!(std::fs::read(desk.own_file(&task)).unwrap(), kept);
    // One that was lost begins with zeros, and the operator is told.
    std::fs::remove_file(desk.own_file(&task)).unwrap();
    desk.contribute(&task, &second, 5, &mut SeededEntropy::new(3));
    assert_eq!(
        desk.notes,
        ["this bank's control variate of the task begins with zeros: none is kept here of an earlier round"]
    );
}

const BINARY: &str =
    "version = 1\nlabel = \"y\"\n[[column]]\nname = \"a\"\ntype = \"number\"\nmin = 0\nmax = 10\n";

/// 200 rows whose label is whether the number is above 5, or whether it is not.
fn labels(above: bool) -> String {
    let row = |row: u32| {
        let number = f64::from(row * 7 % 100) / 10.0;
        format!("{number},{}\n", u8::from((number > 4.95) == above))
    };
    "a,y\n".to_owned() + &(0..200).map(row).collect::<String>()
}

/// What one bank calls positive the other calls negative: no common model can be right for both, and a personal output layer can.
#[test]
fn banks_with_opposite_labels_learn_with_personal_outputs_and_cannot_without() {
    let end = |more: &str| {
        let training =
            format!("optimiser = \"adam\"\nlearning_rate = 0.02\nbatch_size = 16\nlocal_epochs = 3\n{more}");
        let rest = "[aggregation]\nweighting = \"equal\"\nmax_weight = 1";
        let task = task(
            BINARY,
            "family = \"mlp\"\nhidden = [4]\nactivation = \"tanh\"",
            &training,
            rest,
        );
        let mut desks = [true, false].map(|above| Desk::new(BINARY, &labels(above)));
        let (states, outcomes) = run(&mut desks, &task);
        let auc = outcomes
            .last()
            .unwrap()
            .metrics
            .as_ref()
            .unwrap()
            .figure(Figure::Auc)
            .unwrap();
        (task, desks, states, auc)
    };
    let (_, _, _, common) = end("");
    let (task, desks, states, personal) = end("personal = [\"output\"]");
    assert!(common < 0.7 && personal > 0.95, "{common} {personal}");
    let (shared, plan) = (task.shared(), Plan::new(&task));
    // The output layer has no room in what leaves the bank, and the common state never moves it.
    assert_eq!((shared.len(), task.manifest().total()), (8, 13));
    assert_eq!(plan.layout(RoundKind::Train).segments[0].values, 8);
    let first = shared.take_personal(&states[0].parameters);
    assert!(
        states
            .iter()
            .all(|state| shared.take_personal(&state.parameters) == first)
    );
    let own = desks
        .each_ref()
        .map(|desk| desk.own.load(&task.hash(), 5).unwrap().unwrap());
    assert!(
        own[0]
            .iter()
            .zip(own[1].iter())
            .any(|(one, other)| (one - other).abs() > 0.5)
    );
}

/// Gives another seed than [`SeededEntropy`] when it is first asked, and the same from then on.
struct OtherSeed(SeededEntropy, bool);

impl Entropy for OtherSeed {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
        if !std::mem::replace(&mut self.1, true) {
            bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
        }
    }
}

#[test]
fn a_bank_that_starts_again_goes_on_behind_the_last_pass_and_comes_to_the_same_digits() {
    let training = "optimiser = \"momentum\"\nlearning_rate = 0.05\nbatch_size = 16\nlocal_epochs = 5";
    let task = task(
        BINARY,
        "family = \"mlp\"\nhidden = [4]\ndropout = 0.2",
        training,
        "",
    );
    let start = || Desk::new(BINARY, &labels(true));
    let mut desk = start();
    desk.pause = Duration::ZERO;
    let (state, _) = play(
        std::slice::from_mut(&mut desk),
        &task,
        &TaskState::initial(&task),
        1,
    );
    let (whole, passes) = desk.contribute(&task, &state, 2, &mut SeededEntropy::new(1));
    assert_eq!(passes, [1, 2, 3, 4, 5]);
    // What is on the disk when the process dies before its digits are written: the checkpoint behind the fourth pass.
    let left = std::fs::read(desk.folder.path().join("rounds/2.training")).unwrap();

    let again = |checkpoint: &[u8], table: &str| {
        let mut desk = Desk::new(BINARY, table);
        std::fs::write(desk.folder.path().join("rounds/2.training"), checkpoint).unwrap();
        let (digits, passes) =
            desk.contribute(&task, &state, 2, &mut OtherSeed(SeededEntropy::new(1), false));
        desk.files.drop_training(Round(2)).unwrap();
        assert!(!desk.folder.path().join("rounds/2.training").exists());
        (digits.lanes().to_vec(), passes, desk.notes)
    };
    let (digits, passes, notes) = again(&left, &labels(true));
    assert_eq!(passes, [5]);
    assert_eq!(digits, whole.lanes());
    assert_eq!(
        notes,
        ["training goes on behind epoch 4 of 5, where the last run has left it"]
    );

    // Damaged, of other rows, or of another model: told, and begun anew.
    let mut flipped = left.clone();
    flipped[100] ^= 1;
    let (digits, passes, notes) = again(&flipped, &labels(true));
    assert_eq!(passes, [1, 2, 3, 4, 5]);
    assert_ne!(digits, whole.lanes());
    assert!(
        notes[0].contains("2.training: it is damaged or of another round"),
        "{notes:?}"
    );
    let (_, passes, notes) = again(&left, &labels(false));
    assert_eq!(passes, [1, 2, 3, 4, 5]);
    assert_eq!(
        notes,
        ["training begins anew: the checkpoint of the last run is of other rows or of another model"]
    );
}
