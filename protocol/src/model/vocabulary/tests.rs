#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::model::plan::Plan;
use crate::model::state::{AdvanceError, TaskState};
use crate::round::params::RoundKind;
use crate::secagg::quantise::Digits;
use crate::task::{InputKind, Task};
use crate::wire::canonical::Canonical as _;

/// Two open categories with few places, so that rounds are small.
fn task() -> Task {
    Task::parse(
        "name = \"t\"\nrounds = 1\nseed = 7\n[preparation]\nhistogram_bins = 4\n[schema]\nversion = 1\nlabel = \"y\"\n\
         [[schema.column]]\nname = \"job\"\ntype = \"category\"\nvocabulary = { support = 3, most = 6 }\n\
         [[schema.column]]\nname = \"town\"\ntype = \"category\"\nvocabulary = { support = 4, most = 2 }\n\
         [model]\nfamily = \"logistic\"\n[training]\noptimiser = \"sgd\"\nlearning_rate = 0.1\n\
         batch_size = 8\nlocal_epochs = 1\n",
    )
    .unwrap()
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn sum(parts: &[Digits]) -> Vec<u32> {
    let mut sum = vec![0; parts[0].lanes().len()];
    for part in parts {
        sum.iter_mut()
            .zip(part.lanes())
            .for_each(|(sum, digit)| *sum += digit);
    }
    sum
}

/// Takes the banks, each with its values of both columns, through both rounds.
fn found(task: &Task, banks: &[[Vec<String>; 2]]) -> TaskState {
    let plan = Plan::new(task);
    let survivors = u16::try_from(banks.len()).unwrap();
    let parts: Vec<_> = banks.iter().map(|values| plan.support(values).unwrap()).collect();
    let (state, outcome) = TaskState::initial(task)
        .advance(task, &plan, &sum(&parts), survivors)
        .unwrap();
    assert_eq!((outcome.weight, outcome.metrics), (0, None));
    assert_eq!(TaskState::from_bytes(&state.to_bytes()).as_ref(), Ok(&state));
    let Some(Vocabularies::Supported(supported)) = &state.vocabularies else {
        panic!("{:?}", state.step)
    };
    let parts: Vec<_> = banks
        .iter()
        .map(|values| plan.vocabulary(supported, values).unwrap())
        .collect();
    let (state, _) = state.advance(task, &plan, &sum(&parts), survivors).unwrap();
    assert_eq!(TaskState::from_bytes(&state.to_bytes()).as_ref(), Ok(&state));
    state
}

#[test]
fn values_that_enough_banks_have_are_found_and_no_others() {
    let task = task();
    assert_eq!(Task::parse(&task.canonical_text()).unwrap(), task);
    let words = "one of at most 6 values, which the banks find out first: those that at least 3 banks have";
    assert!(task.describe().contains(words), "{}", task.describe());
    let plan = Plan::new(&task);
    let kinds: Vec<_> = (0..5).map(|step| plan.kind(step)).collect();
    assert_eq!(
        kinds,
        [
            Some(RoundKind::Support),
            Some(RoundKind::Vocabulary),
            Some(RoundKind::Statistics),
            Some(RoundKind::Train),
            Some(RoundKind::Evaluate)
        ]
    );
    // The nurse is known to all, the clerk to three; two know the judge, one the king. "Bern" has support in one column's sense alone.
    let banks = [
        [texts(&["nurse", "clerk", "judge"]), texts(&["Bern"])],
        [texts(&["clerk", "nurse"]), texts(&["Bern", "Genève"])],
        [texts(&["judge", "nurse", "clerk"]), texts(&["Genève", "Bern"])],
        [texts(&["nurse", "king"]), texts(&["Genève"])],
        [texts(&["nurse"]), texts(&["Genève", "Bern", "Thun"])],
    ];
    let state = found(&task, &banks);
    let agreed = [texts(&["nurse", "clerk"]), texts(&["Bern", "Genève"])];
    assert_eq!(
        state.vocabularies.as_ref().and_then(Vocabularies::agreed),
        Some(&agreed[..])
    );
    let schema = task.schema.with_found(state.vocabularies.as_ref());
    let inputs = schema.inputs();
    let named: Vec<_> = inputs
        .iter()
        .map(|input| (input.name.as_str(), input.kind))
        .collect();
    assert_eq!(named[0], ("job = nurse", InputKind::Category(0)));
    assert_eq!(named[2], ("job, value 3 of those found", InputKind::Category(2)));
    assert_eq!(named[6], ("job is another", InputKind::OtherCategory));
    assert_eq!(named[7], ("town = Bern", InputKind::Category(0)));
    // The model's shape does not hang on what was found.
    assert_eq!(inputs.len(), task.schema.inputs().len());
    assert_eq!(schema.input_shape(true), task.schema.input_shape(true));
}

#[test]
fn more_values_than_there_is_room_for_leave_the_most_widespread() {
    let task = task();
    let many: Vec<String> = (0..9).map(|at| format!("value {at}")).collect();
    let bank = |known: usize| [many[..known].to_vec(), Vec::new()];
    let state = found(&task, &[bank(9), bank(8), bank(7), bank(6), bank(5)]);
    // The first five are known to five banks, the sixth to four, the seventh to three.
    assert_eq!(state.vocabularies.unwrap().agreed().unwrap()[0], many[..6]);
}

#[test]
fn values_that_do_not_fit_the_table_take_no_part() {
    let task = task();
    let long = "x".repeat(LONGEST + 1);
    let exact = "é".repeat(LONGEST / 2);
    let odd = [long.as_str(), exact.as_str(), "", "a\u{1b}b"];
    let banks: Vec<_> = (0..3).map(|_| [texts(&odd), Vec::new()]).collect();
    assert_eq!(
        found(&task, &banks).vocabularies.unwrap().agreed().unwrap()[0],
        [exact]
    );
}

/// A value of one bank alone leaves nothing in the second round: its sum is that of banks without it.
#[test]
fn a_value_without_support_is_not_in_the_second_sum() {
    let task = task();
    let plan = Plan::new(&task);
    let spec = task.schema.open_columns().next().unwrap().1;
    let supported: Vec<Support> = task
        .schema
        .open_columns()
        .map(|(column, spec)| {
            Support::of(spec, &vec![0; Support::size(spec)]).also(spec, &plan.task(), column, "nurse")
        })
        .collect();
    assert!(supported[0].has(spec, &plan.task(), 0, "nurse"));
    let with = plan
        .vocabulary(&supported, &[texts(&["king", "nurse"]), Vec::new()])
        .unwrap();
    let without = plan
        .vocabulary(&supported, &[texts(&["nurse"]), Vec::new()])
        .unwrap();
    assert_eq!(with.lanes(), without.lanes());
}

impl Support {
    fn also(mut self, spec: VocabularySpec, task: &Digest, column: usize, value: &str) -> Self {
        let part = Support::part(spec, task, column, &[value.to_owned()]);
        for (at, cell) in part.iter().enumerate().filter(|(_, cell)| **cell > 0) {
            self.bits[at / 8] |= u8::try_from(*cell).unwrap() << (at % 8);
        }
        self
    }
}

#[test]
fn a_cell_of_more_banks_than_there_are_is_refused() {
    let task = task();
    let plan = Plan::new(&task);
    let part = plan.support(&[texts(&["nurse"]), Vec::new()]).unwrap();
    let mut sum = sum(&[part]);
    *sum.iter_mut().find(|lane| **lane > 0).unwrap() = 4;
    let error = TaskState::initial(&task)
        .advance(&task, &plan, &sum, 3)
        .unwrap_err();
    let AdvanceError::Sums(error) = error else {
        panic!("{error:?}")
    };
    assert!(
        error.contains("a cell has values of 4 banks, expected at most 3"),
        "{error}"
    );
}

/// What no bank could have put in comes out as fewer values, and never as an error: a bank may send anything.
#[test]
fn a_spoilt_table_gives_fewer_values() {
    let spec = VocabularySpec { support: 3, most: 6 };
    let task = Digest::of(b"task");
    let support = Support {
        bits: vec![0xff; Support::size(spec) / 8],
    };
    let mut table = Table::part(spec, &task, 0, &texts(&["nurse", "clerk"]), &support);
    for sums in [&mut table.counts, &mut table.bytes, &mut table.checks] {
        sums.iter_mut().for_each(|sum| *sum *= 3);
    }
    assert_eq!(table.clone().values(spec, &task, 0), ["clerk", "nurse"]);
    for spoil in [
        |table: &mut Table| table.checks.iter_mut().for_each(|sum| *sum = 7),
        |table: &mut Table| table.bytes.iter_mut().for_each(|sum| *sum = u64::MAX),
        |table: &mut Table| table.counts.iter_mut().for_each(|sum| *sum = u64::MAX),
        |table: &mut Table| table.counts.iter_mut().for_each(|sum| *sum /= 3),
    ] {
        let mut table = table.clone();
        spoil(&mut table);
        assert_eq!(table.values(spec, &task, 0), [""; 0]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Against counting in the open: all values with support and none without, in the order of how many banks have them.
    #[test]
    fn the_sums_find_what_counting_finds(
        holders in prop::collection::vec(prop::collection::vec(any::<bool>(), 6), 1..11),
    ) {
        let task = task();
        let name = |value: usize| format!("v{value:02}");
        let banks: Vec<[Vec<String>; 2]> = (0..6)
            .map(|bank| {
                let own = (0..holders.len()).filter(|value| holders[*value][bank]).map(name);
                [own.collect(), Vec::new()]
            })
            .collect();
        let mut expected: Vec<(usize, String)> = (0..holders.len())
            .map(|value| (holders[value].iter().filter(|held| **held).count(), name(value)))
            .filter(|(count, _)| *count >= 3)
            .collect();
        expected.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        expected.truncate(6);
        let expected: Vec<String> = expected.into_iter().map(|(_, value)| value).collect();
        let state = found(&task, &banks);
        prop_assert_eq!(&state.vocabularies.as_ref().unwrap().agreed().unwrap()[0], &expected);
    }
}
