//! What a bank sends has a size that its data do not decide.

use veilsum_protocol::model::{ColumnSums, ScoreSums};
use veilsum_protocol::round::params::RoundKind;

use crate::consortium::{BINS, Contribution, PARAMETERS};
use crate::node::Step;
use crate::world::World;

/// A bank with one row, or with ten million; an update of zeros, or of the greatest values; the least weight, or the greatest.
fn contribution(kind: RoundKind, large: bool) -> Contribution {
    let rows = if large { 10_000_000 } else { 1 };
    let scores = || {
        let mut negatives = vec![0; BINS];
        negatives[if large { BINS - 1 } else { 0 }] = rows;
        ScoreSums::binary(rows, if large { 1e7 } else { 0.0 }, negatives, vec![0; BINS])
    };
    match kind {
        RoundKind::Statistics => {
            let mut column = ColumnSums::default();
            column.add(if large { 1.0 } else { 0.0 });
            if large {
                (0..1_000).for_each(|row| column.add(f64::from(row) / 1_000.0));
            }
            Contribution::Statistics(vec![column; 3])
        }
        RoundKind::Train => Contribution::Train {
            update: vec![if large { -f32::MAX } else { 0.0 }; PARAMETERS],
            weight: if large { 100 } else { 1 },
            scores: scores(),
        },
        RoundKind::Evaluate => Contribution::Evaluate(scores()),
        RoundKind::Support | RoundKind::Vocabulary => panic!("no step of this task"),
    }
}

#[test]
fn messages_have_the_same_sizes_whatever_the_data() {
    // Banks 2 and 4 are large in one run and small in the other, banks 1, 3 and 5 the other way round.
    let run = |large: fn(u16) -> bool| {
        let mut world = World::new(5, 50);
        world.contribute = Box::new(move |bank, kind, _| contribution(kind, large(bank.get())));
        world.sizes.clear();
        for step in 0..5 {
            let outcome = world.round();
            assert!(outcome.end.is_ok(), "step {step}: {outcome:?}");
        }
        assert!(world.office.plan().is_none(), "the task is done");
        world.assert_no_complaints();
        world.sizes
    };
    let (even, odd) = (run(|bank| bank % 2 == 0), run(|bank| bank % 2 == 1));
    assert_eq!(even, odd, "a bank sends the same sizes whatever its data");
    for (bank, sent) in &even {
        assert_eq!(sent, even.values().next().unwrap(), "bank {bank} and the first");
        let count = |which: Step| sent.iter().filter(|(step, _)| *step == which).count();
        let answers = sent.len() - count(Step::Cosignature);
        assert_eq!((answers, count(Step::Upload)), (5 * 6, 5));
    }
}
