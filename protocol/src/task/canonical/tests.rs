#![allow(clippy::unwrap_used)]
use super::*;
use crate::model::InputShape;

const WRITTEN: &str = r#"
    seed = 7
    rounds = 20
    name = "credit-default"     # keys in any order, with comments
    [training]
    optimiser = "momentum"
    learning_rate = 1e-2
    batch_size = 64
    local_epochs = 2
    [model]
    family = "mlp"
    hidden = [64, 32]
    [aggregation]
    optimiser = "fedadam"
    learning_rate = 0.1
    [schema]
    version = 1
    label = "in \\ \"default\""
    leave_out = ['ID']
    missing = ["", "NA"]
    column = [
      { name = "income", type = "number", min = 0, max = 1e7, scale = "log", when_missing = "mean" },
      { name = "région", type = "category", values = ["north", "south"], other = "bucket" },
    ]
"#;

const NORMAL: &str = r#"# veilsum/v1/task
name = "credit-default"
rounds = 20
seed = 7

[schema]
version = 1
label = "in \\ \"default\""
leave_out = ["ID"]
missing = ["", "NA"]

[[schema.column]]
name = "income"
type = "number"
min = 0.0
max = 10000000.0
scale = "log"
outside = "refuse"
when_missing = "mean"

[[schema.column]]
name = "région"
type = "category"
values = ["north", "south"]
other = "bucket"

[model]
family = "mlp"
hidden = [64, 32]
activation = "relu"

[training]
optimiser = "momentum"
momentum = 0.9
learning_rate = 0.01
weight_decay = 0.0
batch_size = 64
local_epochs = 2
fedprox_mu = 0.0
class_weights = [1.0, 1.0]

[aggregation]
optimiser = "fedadam"
learning_rate = 0.1
beta1 = 0.9
beta2 = 0.99
tau = 0.001
weighting = "examples"
max_weight = 8192

[encoding]
bits = 16
range = 1.0
clip_norm = 10.0

[evaluation]
hold_out = 0.2
bins = 256

[deadlines]
prepare_s = 30
ready_s = 600
collect_s = 120
confirm_s = 30
unmask_s = 30
ack_s = 30
attempts = 3
"#;

/// Frozen: approvals and logs name tasks by the hash of these bytes. The digest is sha256sum's of them.
#[test]
fn the_normal_form_is_frozen() {
    let written = Task::parse(WRITTEN).unwrap();
    assert_eq!(written.canonical_text(), NORMAL);
    assert_eq!(
        written.hash().to_hex(),
        "59f96184ef4aeb8480661804e60d668ff8a5f25545c214aebd1cef61149140f5"
    );
}

const TEXTS: &str = r#"# veilsum/v1/schema
version = 1
label = "about"
leave_out = []
missing = [""]

[[column]]
name = "message"
type = "text"
tokens = 32
merges = [
"h e",
"Ġ t",
"\" \\",
"æ ī",
"Ġt he",
]
"#;

/// Frozen as the one above, by what sha256sum says of the schema within the same task.
#[test]
fn the_normal_form_of_byte_pairs_is_frozen() {
    let schema = TEXTS.replace("[[column]]", "[[schema.column]]");
    let (_, schema) = schema.split_once('\n').unwrap();
    let (head, behind) = NORMAL.split_once("[schema]\n").unwrap();
    let (_, tail) = behind.split_once("[model]\n").unwrap();
    let tail = tail.replace(
        "family = \"mlp\"\nhidden = [64, 32]\nactivation = \"relu\"",
        "family = \"embedding-bag\"\ndimension = 64\nhidden = []",
    );
    let normal = format!("{head}[schema]\n{schema}\n[model]\n{tail}");
    let task = Task::parse(&normal).unwrap();
    assert_eq!(task.canonical_text(), normal);
    assert_eq!(task.schema.canonical_text(), TEXTS);
    assert_eq!(
        task.input_shape(),
        InputShape::Text {
            tokens: 32,
            vocabulary: 262
        }
    );
    assert_eq!(
        task.hash().to_hex(),
        "77f9be4950783b5f6cdc362d17b1a865fd087354c22e3a74364d9aba4561d09f"
    );
    let in_one_line = normal
        .replace(",\n\"", ", \"")
        .replace("merges = [\n", "merges = [");
    assert_eq!(Task::parse(&in_one_line).unwrap(), task);
    let another = Task::parse(&normal.replace("\"Ġt he\"", "\"Ġt h\"")).unwrap();
    assert_ne!(another.hash(), task.hash());
}

#[test]
fn the_normal_form_parses_to_an_equal_task() {
    let written = Task::parse(WRITTEN).unwrap();
    assert_eq!(Task::parse(NORMAL).unwrap(), written);
    let server = |lines: &str| NORMAL.replace("beta1 = 0.9\nbeta2 = 0.99\ntau = 0.001\n", lines);
    for text in [
        server("beta2 = 0.5\n"),
        server("")
            .replace("fedadam", "fedavg")
            .replace("momentum = 0.9\n", "")
            .replace("\"momentum\"", "\"adam\""),
        server("").replace("fedadam", "fedavgm"),
        server("beta1 = 0.25\n").replace("fedadam", "fedadagrad"),
        server("tau = 1e-9\n")
            .replace("fedadam", "fedyogi")
            .replace("\"examples\"", "\"equal\""),
        NORMAL.replace(
            "family = \"mlp\"\nhidden = [64, 32]\nactivation = \"relu\"",
            "family = \"logistic\"",
        ),
        NORMAL
            .replace("\"relu\"", "\"tanh\"")
            .replace("min = 0.0", "min = -1e-5"),
        NORMAL
            .replace("\"number\"", "\"integer\"")
            .replace("outside = \"refuse\"", "outside = \"clip\""),
    ] {
        let task = Task::parse(&text).unwrap();
        assert_ne!(task.hash(), written.hash(), "{text}");
        assert_eq!(Task::parse(&task.canonical_text()).unwrap(), task);
    }
}

#[test]
fn labels_of_classes_and_numbers_have_a_form_of_their_own() {
    let label = "label = \"in \\\\ \\\"default\\\"\"\n";
    let classes = format!("{label}label_classes = [\"a\", \"b\", \"c\"]\n");
    let classes = NORMAL.replace(label, &classes);
    let number = "[schema.label_number]\nmin = -1.0\nmax = 1.0\nscale = \"linear\"\noutside = \"clip\"\n\n";
    let number = NORMAL.replacen("[[schema.column]]", &format!("{number}[[schema.column]]"), 1);
    for (text, target) in [(classes, Target::Classes(3)), (number, Target::Number)] {
        let mut task = text;
        if target == Target::Number {
            task = task.replace("class_weights = [1.0, 1.0]\n", "");
        } else {
            task = task.replace(
                "class_weights = [1.0, 1.0]\n",
                "class_weights = [1.0, 1.0, 1.0]\n",
            );
        }
        let task = Task::parse(&task).unwrap();
        assert_eq!(task.target(), target);
        let normal = task.canonical_text();
        assert_eq!(Task::parse(&normal).unwrap(), task);
        let schema = task.schema.canonical_text();
        assert_eq!(Schema::parse(&schema).unwrap(), task.schema);
        assert_ne!(normal, NORMAL);
    }
}

#[test]
fn steps_of_a_column_have_a_form_of_their_own() {
    let steps = NORMAL.replace(
        "name = \"income\"\n",
        "name = \"income\"\nsteps = [\"may\", \"june\"]\n",
    );
    let sequence = |text: &str| {
        text.replace(
            "family = \"mlp\"\nhidden = [64, 32]\nactivation = \"relu\"",
            "family = \"gru\"\nunits = 8",
        )
    };
    let task = Task::parse(&sequence(&steps)).unwrap();
    // The number, its flag, and two values with a bucket, at two times.
    assert_eq!(task.input_shape(), InputShape::Sequence { steps: 2, width: 5 });
    assert_eq!(Task::parse(&task.canonical_text()).unwrap(), task);
    assert!(task.schema.reads("june") && !task.schema.reads("income"));
    // A table is no sequence, and a sequence no table that an embedding takes.
    let error = Task::parse(&sequence(NORMAL)).unwrap_err().to_string();
    assert!(error.contains("model.family"), "{error}");
}

#[test]
fn sequences_of_rows_and_dates_have_a_form_of_their_own() {
    let table = "\n[schema.sequence]\nkey = \"card\"\ntime = \"at\"\nsteps = 4\nexamples = \"every\"\n";
    let date = "\n[[schema.column]]\nname = \"at\"\ntype = \"date\"\nmin = \"2020-01-01\"\nmax = \"2030-01-01T06:30:00\"\n\
                outside = \"clip\"\nwhen_missing = \"refuse\"\ncycles = [\"day\", \"year\"]\nsince = \"previous\"\n";
    let normal = NORMAL
        .replacen(
            "\n[[schema.column]]",
            &format!("{table}{date}\n[[schema.column]]"),
            1,
        )
        .replace(
            "family = \"mlp\"\nhidden = [64, 32]\nactivation = \"relu\"",
            "family = \"gru\"\nunits = 8\nlayers = 1\ndropout = 0.0",
        );
    let written = normal
        .replace("examples = \"every\"\n", "")
        .replace("06:30:00", "06:30")
        .replace("\"2020-01-01\"", "\"2020-01-01T00:00:00\"")
        .replace("layers = 1\ndropout = 0.0", "");
    let task = Task::parse(&written).unwrap();
    assert_eq!(task.canonical_text(), normal);
    assert_eq!(Task::parse(&normal).unwrap(), task);
    // A date, two cycles of two, the time between rows; a number with a flag; three values; the mark.
    assert_eq!(task.input_shape(), InputShape::Sequence { steps: 4, width: 12 });
    assert_eq!(Schema::parse(&task.schema.canonical_text()).unwrap(), task.schema);
    let last = Task::parse(&normal.replace("\"every\"", "\"last\"")).unwrap();
    assert_ne!(last.hash(), task.hash());
    let words = task.describe();
    for part in [
        "at      date from 2020-01-01 to 2030-01-01T06:30:00, cut off at these, with its place in the day, the year, and the time since",
        "never given to the model: card",
        "every row is predicted by itself and by up to 3 rows of the same card before it, in the order of at",
        "the rows of about 20 % of the values of card are held out",
        "for each of the 3 inputs that are numbers, dates or times between rows",
        "11 inputs and a mark of each of up to 4 rows",
    ] {
        assert!(words.contains(part), "{part} is not in:\n{words}");
    }
    let of_key = normal.replace(
        "hold_out = 0.2",
        "split = \"column\"\ncolumn = \"card\"\nheld_out = [\"1\"]",
    );
    let error = Task::parse(&of_key).unwrap_err().to_string();
    assert!(
        error.contains("evaluation.column: found the key of the sequences"),
        "{error}"
    );
}

#[test]
fn a_schema_alone_is_the_same_schema() {
    let schema = Task::parse(WRITTEN).unwrap().schema;
    assert_eq!(Schema::parse(&schema.canonical_text()).unwrap(), schema);
}
