#![allow(clippy::unwrap_used)]
use crate::model::plan::Plan;
use crate::model::state::{AdvanceError, Outcome, TaskState};
use crate::model::{ImportanceSums, ScoreSums};
use crate::round::params::RoundKind;
use crate::task::Task;

const TASK: &str = r#"
name = "credit"
rounds = 1
seed = 1
[schema]
version = 1
label = "y"
[[schema.column]]
name = "x"
type = "category"
values = ["u", "v"]
[[schema.column]]
name = "z"
type = "number"
min = 0
max = 1
[model]
family = "logistic"
[training]
optimiser = "sgd"
learning_rate = 0.1
batch_size = 32
local_epochs = 1
[evaluation]
bins = 4
"#;

fn with(importance: &str) -> String {
    TASK.replace("bins = 4\n", &format!("bins = 4\n{importance}\n"))
}

fn explained() -> Task {
    Task::parse(&with("importance = {}")).unwrap()
}

#[test]
fn the_normal_form_has_it_only_where_it_is_wanted() {
    let plain = Task::parse(TASK).unwrap();
    assert!(!plain.canonical_text().contains("importance"));
    assert!(plain.explained_columns().is_empty());
    let task = explained();
    let form =
        "bins = 4\n\n[evaluation.importance]\nrows = 100\ncoalitions = 512\nbackground = 10\n\n[deadlines]";
    assert!(task.canonical_text().contains(form));
    assert_eq!(Task::parse(&task.canonical_text()).as_ref(), Ok(&task));
    assert_ne!(task.hash(), plain.hash());
    let names: Vec<String> = task
        .explained_columns()
        .into_iter()
        .map(|column| column.name)
        .collect();
    assert_eq!(names, ["x", "z"]);
    assert!(
        task.describe()
            .contains("by how much each column moves its answers")
    );
}

#[test]
fn each_mistake_is_named() {
    for (importance, message) in [
        (
            "importance = { rows = 0 }",
            "evaluation.importance.rows: 0 is out of range",
        ),
        (
            "importance = { coalitions = 3 }",
            "evaluation.importance.coalitions: 3 is out of range, expected 4..=65536",
        ),
        (
            "importance = { background = 1001 }",
            "evaluation.importance.background: 1001 is out of range",
        ),
        (
            "importance = { coalitions = 2048, background = 1000 }",
            "evaluation.importance: found 2048 coalitions times 1000 rows of background, expected at most 1048576 together",
        ),
        ("importance = { row = 1 }", "unknown field `row`"),
    ] {
        let error = Task::parse(&with(importance)).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let labels: Vec<String> = (0..32).map(|class| format!("\"c{class}\"")).collect();
    let of_classes = with("importance = { coalitions = 1024, background = 1000 }").replace(
        "label = \"y\"",
        &format!("label = \"y\"\nlabel_classes = [{}]", labels.join(", ")),
    );
    let error = Task::parse(&of_classes).unwrap_err().to_string();
    assert!(error.contains("expected at most 524288 together"), "{error}");
    let wide = TASK.replace(
        "[model]",
        &(0..256)
            .map(|at| format!("[[schema.column]]\nname = \"c{at}\"\ntype = \"number\"\nmin = 0\nmax = 1\n"))
            .chain(["[model]".to_owned()])
            .collect::<String>(),
    );
    let error = Task::parse(&wide.replace("bins = 4\n", "bins = 4\nimportance = {}\n"));
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("found a table, and 258 columns, expected at most 256"),
        "{error}"
    );
    let column = TASK.find("[[schema.column]]").unwrap()..TASK.find("[model]").unwrap();
    let mut text = with("importance = {}").replace(
        "family = \"logistic\"",
        "family = \"embedding-bag\"\ndimension = 4",
    );
    text.replace_range(
        column,
        "[[schema.column]]\nname = \"t\"\ntype = \"text\"\ntokens = 8\nbuckets = 16\n",
    );
    let error = Task::parse(&text).unwrap_err().to_string();
    assert!(
        error.contains("evaluation.importance: found a table, expected none: the importance is of columns"),
        "{error}"
    );
}

fn judge(task: &Task, parts: &[ImportanceSums]) -> Result<Outcome, AdvanceError> {
    let plan = Plan::new(task);
    let mut sum = vec![0; plan.layout(RoundKind::Evaluate).lanes()];
    let scores = ScoreSums::binary(2, 0.5, vec![2, 0, 0, 0], vec![0; 4]);
    for part in parts {
        let digits = plan.evaluate(&scores, Some(part)).unwrap();
        for (lane, digit) in sum.iter_mut().zip(digits.lanes()) {
            *lane += digit;
        }
    }
    let mut state = TaskState::initial(task);
    state.step = plan.last_step();
    let banks = u16::try_from(parts.len()).unwrap();
    state
        .advance(task, &plan, &sum, banks)
        .map(|(_, outcome)| outcome)
}

#[test]
fn what_banks_add_up_is_the_mean_over_all_their_rows() {
    let (mut one, mut two) = (ImportanceSums::new(2), ImportanceSums::new(2));
    one.add([0.5, 0.0]);
    one.add([0.25, 0.0]);
    two.add([0.0, 1.0]);
    let outcome = judge(&explained(), &[one, two, ImportanceSums::new(2)]).unwrap();
    let importance = outcome.judgement.unwrap().importance.unwrap();
    assert_eq!(importance.rows, 3);
    assert_eq!(importance.means(), Ok(Some(vec![0.25, 1.0 / 3.0])));
}

#[test]
fn a_bank_that_says_more_than_its_rows_can_is_found_in_the_sum() {
    let lying = ImportanceSums {
        rows: 1,
        amounts: vec![0, (1 << 32) + 1],
    };
    let error = judge(&explained(), &[lying]).unwrap_err().to_string();
    assert!(error.contains("sum of a column's amounts of 1 rows"), "{error}");
}

#[test]
fn no_bank_counts_for_more_rows_than_it_explains() {
    let few = Task::parse(&with("importance = { rows = 3 }")).unwrap();
    let part = |rows| ImportanceSums {
        rows,
        amounts: vec![0, 0],
    };
    assert!(judge(&few, &[part(2), part(2)]).is_ok());
    // More than were scored, and more than the task lets two banks explain.
    for (task, rows) in [(&explained(), 3), (&few, 5)] {
        let error = judge(task, &[part(rows), part(2)]).unwrap_err().to_string();
        assert!(error.contains("number of explained rows"), "{error}");
    }
}

#[test]
fn a_part_of_other_columns_is_refused() {
    let plan = Plan::new(&explained());
    let scores = ScoreSums::binary(1, 0.5, vec![1, 0, 0, 0], vec![0; 4]);
    assert!(plan.evaluate(&scores, None).is_err());
    assert!(plan.evaluate(&scores, Some(&ImportanceSums::new(3))).is_err());
}
