#![allow(clippy::unwrap_used)]
use super::*;
use crate::task::file::parse;

const GOOD: &str = r#"
name = "credit"
rounds = 5
seed = 1
[schema]
version = 1
label = "y"
[[schema.column]]
name = "x"
type = "number"
min = 0
max = 1
[model]
family = "mlp"
hidden = [4]
[training]
optimiser = "adam"
learning_rate = 0.001
batch_size = 32
local_epochs = 1
[aggregation]
[encoding]
[evaluation]
[deadlines]
"#;

#[test]
fn what_is_left_out_has_its_default() {
    let task = parse(GOOD).unwrap();
    assert_eq!(task.aggregation.optimiser, ServerOptimiser::FedAvg);
    assert_eq!(
        (task.aggregation.weighting, task.aggregation.max_weight),
        (Weighting::Examples, 8192)
    );
    assert_eq!(
        (task.encoding.bits, task.encoding.range, task.encoding.clip_norm),
        (16, 1.0, 10.0)
    );
    assert_eq!(task.evaluation.split, Split::Hash { share: 0.2 });
    assert_eq!(task.evaluation.bins, 256);
    assert_eq!((task.deadlines.ready_s, task.deadlines.attempts), (600, 3));
    assert_eq!(task.training.class_weights, [1.0, 1.0]);
    assert_eq!(task.manifest().total(), 4 + 4 + 4 + 1);
    let without = [
        "[aggregation]\n",
        "[encoding]\n",
        "[evaluation]\n",
        "[deadlines]\n",
    ];
    assert_eq!(
        parse(
            &without
                .iter()
                .fold(GOOD.to_owned(), |text, table| text.replace(table, ""))
        ),
        Ok(task)
    );
}

#[test]
fn each_mistake_is_named() {
    for (from, to, message) in [
        (
            "rounds = 5",
            "rounds = -1",
            "rounds: -1 is out of range, expected 1..=100000",
        ),
        ("seed = 1", "seed = -1", "seed: -1 is out of range"),
        (
            "seed = 1",
            "seed = 1\narchive_rounds = 0",
            "archive_rounds: 0 is out of range, expected 1..=1000000",
        ),
        (
            "\"credit\"",
            "\"../credit\"",
            "name: found \"../credit\", expected 1 to 64 lower-case letters",
        ),
        (
            "[encoding]",
            "[encoding]\nbits = 40",
            "encoding.bits: 40 is out of range, expected 2..=20",
        ),
        (
            "[encoding]",
            "[encoding]\nrange = nan",
            "encoding.range: NaN is out of range, expected 1e-6..=1000000.0",
        ),
        ("[encoding]", "[encoding]\nbit = 16", "unknown field `bit`"),
        (
            "[evaluation]",
            "[evaluation]\nhold_out = 0.9",
            "evaluation.hold_out: 0.9 is out of range, expected 0.01..=0.5",
        ),
        (
            "[evaluation]",
            "[evaluation]\nsplit = \"column\"\ncolumn = \"x\"",
            "evaluation.held_out: found nothing, expected the values in the rows that are held out",
        ),
        (
            "[evaluation]",
            "[evaluation]\nsplit = \"column\"\ncolumn = \"x\"\nheld_out = [\"a\"]\nhold_out = 0.1",
            "evaluation.hold_out: found a value, expected none: the column tells",
        ),
        (
            "[evaluation]",
            "[evaluation]\nsplit = \"column\"\ncolumn = \"x\"\nheld_out = [\"a\", \"a\"]",
            "evaluation.held_out: found \"a\" a second time",
        ),
        (
            "[evaluation]",
            "[evaluation]\nsplit = \"time\"",
            "evaluation.time_column: found nothing, expected a column of the schema",
        ),
        (
            "[evaluation]",
            "[evaluation]\nsplit = \"time\"\ntime_column = \"z\"",
            "evaluation.time_column: found \"z\", which the schema does not name, expected a column",
        ),
        (
            "[evaluation]",
            "[evaluation]\nsplit = \"time\"\ntime_column = \"y\"",
            "evaluation.time_column: found the label, expected a column",
        ),
        (
            "[evaluation]",
            "[evaluation]\ntime_column = \"x\"",
            "evaluation.time_column: found a value, expected none: only split = \"time\"",
        ),
        (
            "[deadlines]",
            "[deadlines]\nack_s = 0",
            "deadlines.ack_s: 0 is out of range, expected 1..=604800",
        ),
        (
            "hidden = [4]",
            "",
            "model.hidden: found nothing, expected the sizes of the hidden layers",
        ),
        (
            "hidden = [4]",
            "hidden = [4, 0]",
            "model.hidden: 0 is out of range, expected 1..=4096",
        ),
        (
            "\"mlp\"",
            "\"logistic\"",
            "model.hidden: found a value, expected none: family = \"logistic\" does not use it",
        ),
        (
            "hidden = [4]",
            "hidden = [4096, 4096, 4096, 4096, 4096]",
            "model: found a model of 67137537 parameters",
        ),
        (
            "\"adam\"",
            "\"adam\"\nmomentum = 0.9",
            "training.momentum: found a value, expected none: only optimiser = \"momentum\" uses it",
        ),
        (
            "\"adam\"",
            "\"lbfgs\"",
            "unknown variant `lbfgs`, expected one of `sgd`, `momentum`, `adam`",
        ),
        (
            "learning_rate = 0.001",
            "learning_rate = 0",
            "training.learning_rate: 0.0 is out of range, expected 1e-9..=10.0",
        ),
        ("learning_rate = 0.001", "", "missing field `learning_rate`"),
        (
            "batch_size = 32",
            "batch_size = \"32\"",
            "invalid type: string \"32\", expected i64",
        ),
        (
            "local_epochs = 1",
            "local_epochs = 1\nclass_weights = [1, 0]",
            "training.class_weights: 0.0 is out of range",
        ),
        (
            "local_epochs = 1",
            "local_epochs = 1\nclass_weights = [1]",
            "training.class_weights: found 1 entries, expected 2 to 2",
        ),
        (
            "[aggregation]",
            "[aggregation]\ntau = 0.1",
            "aggregation.tau: found a value, expected none: fedavg does not use it",
        ),
        (
            "[aggregation]",
            "[aggregation]\nmax_weight = 0",
            "aggregation.max_weight: 0 is out of range, expected 1..=16777216",
        ),
        (
            "max = 1",
            "max = 0",
            "schema.column \"x\".max: found 0.0, expected more than min, 0.0",
        ),
        (
            "family = \"mlp\"\nhidden = [4]",
            "family = \"cnn\"",
            "model.family: found cnn for a table of 1 numbers a row, expected images",
        ),
        ("version = 1", "version = 0", "schema.version: 0 is out of range"),
        ("[training]", "[trainings]", "unknown field `trainings`"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let error = parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(message), "{to}: {error}");
    }
}

#[test]
fn a_mistake_in_the_syntax_names_its_line() {
    let error = parse(&GOOD.replace("rounds = 5", "rounds = "))
        .unwrap_err()
        .to_string();
    assert!(error.contains("line 3"), "{error}");
}

#[test]
fn the_description_says_what_leaves_the_bank() {
    let text = parse(GOOD).unwrap().describe();
    for part in [
        "Task credit",
        "a neural network (hidden layers of 4 units, ReLU) that predicts \"y\" (0 or 1)",
        "13 parameters from 1 inputs",
        "x  number from 0 to 1",
        "5 rounds, each with one pass over your training rows with Adam, learning rate 0.001, 32 rows at a time",
        "about 20 % of your rows are held out",
        "cut to length 10 and to +-1 each, in 16 bits",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

#[test]
fn rounds_in_the_archive_are_part_of_the_task_only_where_they_are_limited() {
    let unlimited = parse(GOOD).unwrap();
    assert_eq!(unlimited.archive_rounds, None);
    assert!(!unlimited.canonical_text().contains("archive_rounds"));
    assert!(!unlimited.describe().contains("are kept for the last"));
    let limited = parse(&GOOD.replace("seed = 1", "seed = 1\narchive_rounds = 40")).unwrap();
    assert_eq!(limited.archive_rounds, Some(40));
    assert!(limited.canonical_text().contains("\narchive_rounds = 40\n"));
    assert_ne!(limited.hash(), unlimited.hash());
    assert_eq!(parse(&limited.canonical_text()), Ok(limited.clone()));
    assert!(limited.describe().contains("are kept for the last 40 rounds"));
    let one = parse(&GOOD.replace("seed = 1", "seed = 1\narchive_rounds = 1")).unwrap();
    assert!(
        one.describe()
            .contains("are kept for the last round with a result; older")
    );
    assert!(limited.archives(39) && !limited.archives(40));
    assert!(unlimited.archives(usize::MAX));
}

#[test]
fn another_split_is_part_of_the_task_and_of_its_description() {
    let by_hash = parse(GOOD).unwrap();
    let with = |lines: &str| {
        let schema = "label = \"y\"\nleave_out = [\"fold\", \"id\", \"on\"]";
        let text = GOOD.replace("label = \"y\"", schema);
        parse(&text.replace("[evaluation]", &format!("[evaluation]\n{lines}"))).unwrap()
    };
    // A task that spells the default out is the same task.
    let default = with("split = \"hash\"\nhold_out = 0.2");
    assert_eq!(default, with(""));
    assert!(
        default
            .canonical_text()
            .contains("[evaluation]\nhold_out = 0.2\nbins = 256\n")
    );
    assert_eq!(by_hash.evaluation, default.evaluation);
    let column = with("split = \"column\"\ncolumn = \"fold\"\nheld_out = [\"test\", \"late\"]");
    assert!(column.canonical_text().contains(
        "[evaluation]\nsplit = \"column\"\ncolumn = \"fold\"\nheld_out = [\"test\", \"late\"]\nbins = 256\n"
    ));
    let text = column.describe();
    for part in [
        "read to tell which rows are held out, and never given to the model: fold",
        "never read: id, on",
        "your rows with test or late in fold are held out: the model never learns from them",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let time = with("split = \"time\"\ntime_column = \"on\"\nhold_out = 0.25");
    assert!(
        time.canonical_text()
            .contains("[evaluation]\nsplit = \"time\"\ntime_column = \"on\"\nhold_out = 0.25\nbins = 256\n")
    );
    let text = time.describe();
    assert!(
        text.contains("about the latest 25 % of your rows by on are held out"),
        "{text}"
    );
    assert!(text.contains("in the order of time"), "{text}");
    for task in [&default, &column, &time] {
        assert_eq!(parse(&task.canonical_text()).as_ref(), Ok(task));
    }
    assert_ne!(column.hash(), default.hash());
    assert_ne!(time.hash(), default.hash());
}

#[test]
fn early_stopping_is_part_of_a_task_only_where_it_is_said() {
    let without = parse(GOOD).unwrap();
    assert_eq!(without.early_stopping, None);
    assert!(!without.canonical_text().contains("early_stopping"));
    let text = format!("{GOOD}[early_stopping]\nfigure = \"auc\"\npatience = 5\nleast_gain = 1e-3\n");
    let with = parse(&text).unwrap();
    assert!(with.canonical_text().contains(
        "\n[early_stopping]\nfigure = \"auc\"\npatience = 5\nleast_gain = 0.001\nkeep = \"best\"\n\n[deadlines]\n"
    ));
    assert_eq!(parse(&with.canonical_text()), Ok(with.clone()));
    assert_ne!(with.hash(), without.hash());
    let told = with.describe();
    assert!(
        told.contains(
            "training ends early when AUC over the banks' held-out rows has not become better by more than 0.001 for 5 rounds in a row; \
             the best model is kept\n"
        ),
        "{told}"
    );
}

#[test]
fn control_variates_and_personal_parameters_are_said_and_have_their_rules() {
    let plain = parse(GOOD).unwrap();
    assert!(plain.shared().is_all() && plain.encoding.control_range.is_none());
    let sgd = GOOD
        .replace("\"adam\"", "\"sgd\"")
        .replace("learning_rate = 0.001", "learning_rate = 0.01");
    let controls = sgd.replace("local_epochs = 1", "local_epochs = 5\ncontrol_variates = true");
    let task = parse(&controls).unwrap();
    // 1 / (0.01 * 5).
    assert_eq!(task.encoding.control_range, Some(20.0));
    assert!(task.canonical_text().contains("control_variates = true\n"));
    assert!(
        task.canonical_text()
            .contains("clip_norm = 10.0\ncontrol_range = 20.0\n")
    );
    assert_eq!(parse(&task.canonical_text()), Ok(task.clone()));
    let told = task.describe();
    assert!(
        told.contains("(SCAFFOLD)")
            && told.contains(
                "the change of your rows' mean gradient, 13 numbers, cut to length 200 and to +-20 each"
            ),
        "{told}"
    );
    let personal = GOOD.replace(
        "local_epochs = 1",
        "local_epochs = 1\npersonal = [\"output\", \"hidden.0.bias\"]",
    );
    let task = parse(&personal).unwrap();
    assert!(
        task.canonical_text()
            .contains("personal = [\"hidden.0.bias\", \"output\"]\n")
    );
    assert_eq!(parse(&task.canonical_text()), Ok(task.clone()));
    assert_eq!((task.shared().len(), task.manifest().total()), (4, 13));
    let told = task.describe();
    for part in [
        "9 of the 13 parameters are your bank's own (hidden.0.bias, output)",
        "never leave it",
        "the change of the 4 parameters that the banks share",
    ] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
    for (text, message) in [
        (
            controls.replace("[aggregation]", "[aggregation]\noptimiser = \"fedadam\""),
            "training.control_variates: found true with another aggregation.optimiser than fedavg",
        ),
        (
            sgd.replace("[encoding]", "[encoding]\ncontrol_range = 1.0"),
            "encoding.control_range: found a value, expected none: only training.control_variates",
        ),
        (
            personal.replace("\"output\"", "\"head\""),
            "training.personal: found \"head\", which no parameter is named by, expected names of this model's parameters",
        ),
        (
            personal.replace("\"hidden.0.bias\"", "\"hidden\""),
            "training.personal: found every parameter of the model",
        ),
        (
            format!("{personal}[early_stopping]\nfigure = \"auc\"\npatience = 1\n"),
            "training.personal: found personal parameters in a task with early_stopping",
        ),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
