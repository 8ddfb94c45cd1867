#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::task::Task;

const TEXT: &str = r#"
    name = "credit"
    rounds = 12
    seed = 3
    [schema]
    version = 1
    label = "default"
    leave_out = ["remark"]
    [[schema.column]]
    name = "income"
    type = "number"
    min = 0
    max = 1000
    [[schema.column]]
    name = "region"
    type = "category"
    values = ["north", "south"]
    other = "bucket"
    [[schema.column]]
    name = "age"
    type = "integer"
    min = 18
    max = 99
    [model]
    family = "mlp"
    hidden = [8]
    [training]
    optimiser = "sgd"
    learning_rate = 0.1
    batch_size = 16
    local_epochs = 2
"#;

fn task(text: &str) -> Task {
    Task::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn with(old: &str, new: &str) -> Task {
    assert!(TEXT.contains(old), "{old}");
    task(&TEXT.replacen(old, new, 1))
}

fn changes(later: &Task) -> Changes {
    later.changes_since(&task(TEXT))
}

fn words(later: &Task) -> Vec<(Area, String)> {
    let changes = changes(later).changes.into_iter();
    changes.map(|change| (change.area, change.words)).collect()
}

#[test]
fn equal_tasks_have_no_changes_and_say_so() {
    let none = changes(&task(TEXT));
    assert!(none.is_empty() && none.reads_the_same());
    assert!(none.describe().contains("equal"));
}

#[test]
fn a_change_is_told_in_words_with_what_it_is_about() {
    for (old, new, area, expected) in [
        (
            "rounds = 12",
            "rounds = 20",
            Area::Length,
            "training rounds: 12 -> 20",
        ),
        (
            "local_epochs = 2",
            "local_epochs = 5",
            Area::Length,
            "passes over your training rows in a round: 2 -> 5",
        ),
        (
            "seed = 3",
            "seed = 4",
            Area::Trained,
            "seed of the first model: 3 -> 4",
        ),
        (
            "hidden = [8]",
            "hidden = [8, 4]",
            Area::Trained,
            "model.hidden: [8] -> [8, 4]",
        ),
        (
            "max = 1000",
            "max = 2000",
            Area::Reads,
            "column income, greatest value: 1000.0 -> 2000.0",
        ),
        (
            "max = 1000",
            "max = 1000\nscale = \"log\"",
            Area::Trained,
            "column income, scale: linear -> log",
        ),
        (
            "\"south\"]",
            "\"south\", \"west\"]",
            Area::Reads,
            "column region, values that are told apart: [north, south] -> [north, south, west]",
        ),
        (
            "[training]",
            "[encoding]\nrange = 2.0\n[training]",
            Area::Leaves,
            "each number of the update is cut to +-: 1.0 -> 2.0",
        ),
        (
            "[training]",
            "[encoding]\nclip_norm = 3.0\n[training]",
            Area::Leaves,
            "length to which the update is cut: 10.0 -> 3.0",
        ),
        (
            "seed = 3",
            "seed = 3\narchive_rounds = 4",
            Area::Leaves,
            "last rounds whose masked updates are kept: not set -> 4",
        ),
        (
            "[training]",
            "[evaluation]\nhold_out = 0.5\n[training]",
            Area::Judged,
            "share of your rows that is held out: 0.2 -> 0.5",
        ),
        (
            "name = \"credit\"",
            "name = \"loans\"",
            Area::Name,
            "name: credit -> loans",
        ),
    ] {
        let later = with(old, new);
        assert_eq!(words(&later), [(area, expected.to_owned())], "{new}");
        assert_eq!(changes(&later).reads_the_same(), area != Area::Reads, "{new}");
    }
}

#[test]
fn columns_come_go_and_change_under_their_names() {
    let kind = "\n    [[schema.column]]\n    name = \"tenure\"\n    type = \"integer\"\n    min = 0\n    max = 40\n    [model]";
    let joined = with("\n    [model]", kind);
    assert_eq!(
        words(&joined),
        [(
            Area::Reads,
            "column tenure is new: it is read as whole number from 0 to 40".to_owned()
        )]
    );
    let left = task(TEXT).changes_since(&joined);
    assert_eq!(
        left.changes[0].words,
        "column tenure is not read as a column of its own any more; it was whole number from 0 to 40"
    );
    assert_eq!((left.changes.len(), left.changes[0].new.clone()), (1, None));

    let age =
        "    [[schema.column]]\n    name = \"age\"\n    type = \"integer\"\n    min = 18\n    max = 99\n";
    let moved = TEXT.replace(age, "").replace(
        "    [[schema.column]]\n    name = \"income\"",
        &format!("{age}    [[schema.column]]\n    name = \"income\""),
    );
    let moved = changes(&task(&moved));
    assert_eq!((moved.changes.len(), moved.reads_the_same()), (1, true));
    assert_eq!(moved.changes[0].new.as_deref(), Some("age, income, region"));
    assert!(
        moved
            .describe()
            .starts_with("What is read of your file: nothing changes.\nWhat is trained\n  the columns")
    );

    let values = "type = \"category\"\n    values = [\"north\", \"south\"]";
    let open = with(
        values,
        "type = \"category\"\n    vocabulary = { support = 3, most = 64 }",
    );
    let support = changes(&open).changes.into_iter();
    let support: Vec<_> = support.filter(|change| change.area == Area::Leaves).collect();
    assert_eq!(
        support[0].words,
        "column region, banks that must have a value before it is found out: not set -> 3"
    );
}

#[test]
fn long_lists_are_told_by_what_comes_and_goes() {
    let values = |range: std::ops::Range<u32>| {
        let values: Vec<String> = range.map(|value| format!("\"value-{value:03}\"")).collect();
        with("\"north\", \"south\"", &values.join(", "))
    };
    let told = &values(1..41).changes_since(&values(0..40)).changes[0];
    assert!(
        told.words
            .ends_with("40 values -> 40; new are value-040; gone are value-000"),
        "{told:?}"
    );
    let many = &values(0..80).changes_since(&values(0..40)).changes[0].words;
    assert!(
        many.contains("value-051 and 28 more") && many.len() < 400,
        "{many}"
    );
}

/// Edits of the text, each of which leaves a valid task.
const EDITS: [(&str, &[&str]); 12] = [
    ("name = \"credit\"", &["name = \"loans\""]),
    ("rounds = 12", &["rounds = 13", "rounds = 100"]),
    ("seed = 3", &["seed = 4", "seed = 3\narchive_rounds = 2"]),
    ("version = 1", &["version = 2"]),
    ("label = \"default\"", &["label = \"late\""]),
    ("[\"remark\"]", &["[]", "[\"remark\", \"note\"]"]),
    ("max = 1000", &["max = 1001", "max = 1000\noutside = \"clip\""]),
    (
        "\"north\", \"south\"",
        &["\"south\", \"north\"", "\"north\"", "\"north\", \"west\""],
    ),
    ("name = \"age\"", &["name = \"years\""]),
    ("hidden = [8]", &["hidden = [9]", "hidden = [8]\ndropout = 0.5"]),
    (
        "optimiser = \"sgd\"",
        &["optimiser = \"adam\"", "optimiser = \"momentum\"\nmomentum = 0.9"],
    ),
    (
        "[training]",
        &[
            "[encoding]\nbits = 12\n[training]",
            "[deadlines]\nready_s = 5\n[early_stopping]\nfigure = \"auc\"\npatience = 2\n[training]",
        ],
    ),
];

fn any_task() -> impl Strategy<Value = Task> {
    proptest::collection::vec(0_usize..8, EDITS.len()).prop_map(|choices| {
        let mut text = TEXT.to_owned();
        for ((old, news), choice) in EDITS.iter().zip(choices) {
            if let Some(new) = news.get(choice) {
                text = text.replacen(old, new, 1);
            }
        }
        task(&text)
    })
}

proptest! {
    #[test]
    fn there_are_no_changes_if_and_only_if_the_tasks_are_equal(a in any_task(), b in any_task()) {
        prop_assert_eq!(b.changes_since(&a).is_empty(), a.hash() == b.hash());
    }

    #[test]
    fn the_other_way_round_old_and_new_change_places(a in any_task(), b in any_task()) {
        let turned = |changes: Changes| -> BTreeSet<_> {
            changes.changes.into_iter().map(|change| (change.area, change.key, change.new, change.old)).collect()
        };
        let there: BTreeSet<_> = b.changes_since(&a).changes.into_iter().map(|change| (change.area, change.key, change.old, change.new)).collect();
        prop_assert_eq!(there, turned(a.changes_since(&b)));
    }

    #[test]
    fn every_place_that_differs_is_named_once(a in any_task(), b in any_task()) {
        let (old, new) = (Flat::of(&a), Flat::of(&b));
        let changes = b.changes_since(&a);
        let keys: Vec<&str> = changes.changes.iter().map(|change| change.key.as_str()).collect();
        prop_assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        for place in old.values.keys().chain(new.values.keys()) {
            let differs = old.values.get(place) != new.values.get(place);
            let whole = place.column.as_ref().map(|name| format!("schema.column.{name}"));
            let named = keys.contains(&place.to_string().as_str()) || whole.is_some_and(|whole| keys.contains(&whole.as_str()));
            prop_assert_eq!(differs, named, "{}", place);
        }
    }
}
