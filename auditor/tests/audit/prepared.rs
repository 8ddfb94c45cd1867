//! A task whose banks find the values of a category and count their columns before they train, and its log.

use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::model::{ColumnSums, Preparation, Vocabularies};
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::wire::canonical::Canonical;

use crate::early::play;
use crate::rounds::End;
use crate::world::{TASK, World};

const BINS: u32 = 4;

/// `TASK` with columns of every kind that is counted.
fn task() -> String {
    let columns = "encoding = \"woe\"\nbins = 2\nwhen_missing = \"mean\"\n\n\
                   [[schema.column]]\nname = \"home\"\ntype = \"category\"\nvalues = [\"own\", \"rent\"]\nother = \"bucket\"\n\n\
                   [[schema.column]]\nname = \"job\"\ntype = \"category\"\nvocabulary = { support = 3, most = 4 }\nencoding = \"woe\"\n\n\
                   [preparation]\nhistogram_bins = 4\n\n[model]";
    TASK.replace("[model]", columns)
}

/// The jobs of a bank's six rows. All banks know the clerk, three the nurse, two the judge, one the lamplighter.
fn jobs(me: BankIndex) -> [&'static str; 6] {
    match me.get() {
        1 => ["clerk", "nurse", "clerk", "judge", "nurse", "clerk"],
        2 => ["clerk", "clerk", "judge", "nurse", "clerk", "judge"],
        3 => ["nurse", "clerk", "nurse", "clerk", "clerk", "nurse"],
        4 => ["clerk", "clerk", "clerk", "clerk", "clerk", "clerk"],
        _ => ["clerk", "lamplighter", "clerk", "lamplighter", "clerk", "clerk"],
    }
}

/// A bank's values, the most frequent first.
fn own_values(me: BankIndex) -> Vec<String> {
    let rows = jobs(me);
    let mut values: Vec<&str> = rows.to_vec();
    values.sort_by_key(|value| {
        let count = rows.iter().filter(|row| *row == value).count();
        (std::cmp::Reverse(count), *value)
    });
    values.dedup();
    values.into_iter().map(str::to_owned).collect()
}

/// A bank's part of one of the rounds in which the values are found.
pub(crate) fn values(world: &World, kind: RoundKind, me: BankIndex) -> Digits {
    let plan = &world.consortium.plan;
    let own = [own_values(me)];
    match (kind, &world.state.vocabularies) {
        (RoundKind::Support, None) => plan.support(&own).unwrap(),
        (RoundKind::Vocabulary, Some(Vocabularies::Supported(supported))) => {
            plan.vocabulary(supported, &own).unwrap()
        }
        (kind, found) => panic!("{kind:?} behind {found:?}"),
    }
}

/// A bank's part of the statistics round: six rows, one of them without an income.
pub(crate) fn counts(world: &World, me: BankIndex) -> Digits {
    let task = &world.consortium.task;
    let found = world.state.vocabularies.as_ref();
    let agreed = &found.and_then(Vocabularies::agreed).unwrap()[0];
    let bucket = 4;
    let mut counts = Preparation::empty(&task.schema, BINS);
    let mut income = ColumnSums::default();
    for (row, job) in (0..).zip(jobs(me)) {
        let label = usize::from((row + me.get()).is_multiple_of(3));
        counts.count_row(label);
        if row == 4 {
            counts.count_number(0, label, f32::NAN);
        } else {
            let u = f32::from(me.get() + row) / 16.0;
            counts.count_number(0, label, u);
            income.add(f64::from(u));
        }
        counts.count_value(1, label, usize::from(row % 3));
        let place = agreed.iter().position(|value| value == job);
        counts.count_value(2, label, place.unwrap_or(bucket));
    }
    world
        .consortium
        .plan
        .prepared_statistics(&[income], &counts)
        .unwrap()
}

/// The whole task: support, vocabulary, statistics, two training rounds, evaluation. The archive has the states, as a coordinator keeps them.
pub(crate) fn prepared() -> World {
    let mut world = World::of_task(&task());
    for round in 1..=6 {
        play(&mut world, round..=round, End::Published);
        let state = world.state.to_bytes();
        world.blob(&state);
    }
    world
}

#[test]
fn a_task_that_prepares_verifies_and_its_columns_are_told() {
    let world = prepared();
    let report = world.audit();
    assert!(report.holds() && report.failed().is_empty(), "{report:?}");
    let found = world.state.vocabularies.as_ref();
    assert_eq!(
        found.and_then(Vocabularies::agreed).unwrap()[0],
        ["clerk", "nurse"]
    );
    assert_eq!(world.state.preparation.as_ref().unwrap().rows, [20, 10]);
    // Nothing that is written has the value of one bank alone, or of two.
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    for text in ["lamplighter", "judge"] {
        assert!(
            world
                .files
                .values()
                .chain(&world.entries)
                .all(|bytes| !holds(bytes, text))
        );
    }
    assert!(world.files.values().any(|bytes| holds(bytes, "nurse")));
}

/// The last result names a state that tells one more row, which lies in the archive under its hash.
pub(crate) fn tells_another_count() -> World {
    let mut world = prepared();
    let mut other = world.state.clone();
    other.preparation.as_mut().unwrap().rows[1] += 1;
    names_another_state(&mut world, &other.to_bytes());
    world
}

/// The last result names a state with another value.
pub(crate) fn tells_another_value() -> World {
    let mut world = prepared();
    let mut other = world.state.clone();
    let values = vec!["clerk".to_owned(), "judge".to_owned()];
    other.vocabularies = Some(Vocabularies::Agreed(vec![values]));
    names_another_state(&mut world, &other.to_bytes());
    world
}

fn names_another_state(world: &mut World, state: &[u8]) {
    let hash = world.blob(state);
    let (at, last) = world
        .find(|entry| matches!(entry, Entry::Result(_)))
        .pop()
        .unwrap();
    let Entry::Result(mut result) = last else {
        panic!("a result");
    };
    result.next_state = hash;
    world.entries[at] = Entry::Result(result).to_bytes();
}
