//! What the sums are: exact in integers, bounded in reals.

use proptest::prelude::*;
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::{Figure, ScoreSums};
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::secagg::ring::Ring;
use veilsum_protocol::task::Task;

use crate::consortium::{Contribution, PARAMETERS, bank, contribution, scores};
use crate::node::{Kill, Step};
use crate::world::World;

/// `W` of the task, and the step of its 16-bit digits over `[-1, 1]`.
const MAX_WEIGHT: f64 = 100.0;
const DIGIT_STEP: f64 = 2.0 / 65_535.0;
/// The derived parameters are single precision.
const F32_STEP: f64 = 1e-6;

/// A world at its first train round, where the banks' updates and weights are these.
fn training(banks: u16, seed: u64, updates: Vec<(Vec<f32>, u32)>) -> World {
    let mut world = World::new(banks, seed);
    world.round();
    world.contribute = Box::new(move |bank: BankIndex, kind, step| match kind {
        RoundKind::Train => {
            let (update, weight) = updates[usize::from(bank.get()) - 1].clone();
            Contribution::Train {
                update,
                weight,
                scores: scores(u64::from(bank.get()), step),
            }
        }
        other => contribution(bank, other, step),
    });
    world
}

/// The step that the model made, as the banks derived it.
fn movement(world: &mut World) -> (Vec<f64>, Vec<BankIndex>) {
    let before = world.office.state.parameters.clone();
    let outcome = world.round();
    assert!(outcome.end.is_ok(), "{outcome:?}");
    world.assert_same_state();
    let after = &world.office.state.parameters;
    let moved = before
        .iter()
        .zip(after)
        .map(|(x, y)| f64::from(*y) - f64::from(*x))
        .collect();
    (moved, outcome.survivors)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn the_masked_average_is_the_plain_one_within_the_quantisation(
        banks in prop::sample::select(vec![3u16, 5, 7]),
        seed: u64,
        values in prop::collection::vec(prop::collection::vec(-1.5f32..1.5, PARAMETERS), 7),
        weights in prop::collection::vec(1u32..=100, 7),
        gone in 1u16..=7,
    ) {
        let updates: Vec<(Vec<f32>, u32)> = values.into_iter().zip(weights).collect();
        let mut world = training(banks, seed, updates.clone());
        world.down_ms = None;
        if banks > 3 && gone <= banks {
            world.node(gone).kill = Some(Kill::After(Step::Ready));
        }
        let (moved, survivors) = movement(&mut world);
        let is_gone = |bank: &BankIndex| banks > 3 && bank.get() == gone;
        prop_assert!(!survivors.iter().any(is_gone));
        let of = |bank: &BankIndex| &updates[usize::from(bank.get()) - 1];
        let weight: f64 = survivors.iter().map(|bank| f64::from(of(bank).1)).sum();
        let bound = survivors.len() as f64 * DIGIT_STEP / (weight / MAX_WEIGHT) + F32_STEP;
        for (at, moved) in moved.iter().enumerate() {
            let clamped = |bank: &BankIndex| f64::from(of(bank).0[at]).clamp(-1.0, 1.0) * f64::from(of(bank).1);
            let average = survivors.iter().map(clamped).sum::<f64>() / weight;
            prop_assert!((moved - average).abs() <= bound, "{moved} {average} {bound}");
        }
    }
}

#[test]
fn every_bank_counts_once_and_only_while_it_survives() {
    let one_hot = |at: usize| {
        let mut update = vec![0.0; PARAMETERS];
        update[at] = 0.2 * (at + 1) as f32;
        (update, 100)
    };
    for gone in [None, Some(3u16)] {
        let mut world = training(4, 11, (0..PARAMETERS).map(one_hot).collect());
        world.down_ms = None;
        if let Some(gone) = gone {
            world.node(gone).kill = Some(Kill::Before(Step::Upload));
        }
        let (moved, survivors) = movement(&mut world);
        assert_eq!(survivors.len(), if gone.is_some() { 3 } else { 4 });
        for (at, moved) in (0u16..).zip(moved) {
            let is_gone = gone == Some(at + 1);
            let expected = if is_gone {
                0.0
            } else {
                0.2 * f64::from(at + 1) / survivors.len() as f64
            };
            assert!(
                (moved - expected).abs() <= DIGIT_STEP + F32_STEP,
                "{at}: {moved} {expected}"
            );
        }
    }
}

#[test]
fn all_banks_at_the_limit_of_the_range_do_not_wrap() {
    for banks in [3u16, 10] {
        for (value, digit) in [(1.0f32, 65_535u32), (7.0, 65_535), (-1.0, 0), (-7.0, 0)] {
            // A tenth of the clipping norm, so that the range alone limits; and with the greatest weight.
            let mut world = training(
                banks,
                12,
                vec![(vec![value.clamp(-4.9, 4.9); PARAMETERS], 100); usize::from(banks)],
            );
            let outcome = world.round();
            let ring = Ring::for_sum(banks, 16).unwrap();
            let expected = u32::from(banks) * digit;
            assert!(expected <= ring.mask());
            assert_eq!(
                outcome.sum[..PARAMETERS],
                [expected; PARAMETERS],
                "{banks} banks, {value}"
            );
            world.assert_same_state();
        }
    }
}

#[test]
fn metrics_and_weights_are_exact_sums() {
    let mut world = World::new(5, 13);
    world.round();
    world.round();
    let published = world
        .office
        .log
        .entries
        .iter()
        .rev()
        .find_map(|entry| match entry {
            veilsum_protocol::log::entry::Entry::Result(result) => Some(result.clone()),
            _ => None,
        });
    let published = published.unwrap();
    let (mut weight, mut rows, mut positives) = (0, 0, 0);
    for position in 1..=5 {
        let Contribution::Train {
            weight: w, scores, ..
        } = contribution(bank(position), RoundKind::Train, 1)
        else {
            panic!("a train round");
        };
        weight += u64::from(w);
        let ScoreSums::Binary(scores) = scores else {
            panic!("scores of one label");
        };
        rows += scores.rows;
        positives += scores.positives.iter().sum::<u64>();
    }
    assert_eq!(published.weight, weight);
    let metrics = published.metrics.unwrap();
    assert_eq!(metrics.rows, rows);
    assert_eq!(
        metrics.figure(Figure::PositiveShare),
        Some(positives as f64 / rows as f64)
    );
}

#[test]
fn a_whole_upload_is_two_thirds_of_its_floats() {
    let columns: String = (0..64)
        .map(|i| format!("[[schema.column]]\nname = \"x{i}\"\ntype = \"number\"\nmin = 0.0\nmax = 1.0\n"))
        .collect();
    let text = format!(
        "name = \"size\"\nrounds = 1\nseed = 1\n[schema]\nversion = 1\nlabel = \"y\"\n{columns}\
         [model]\nfamily = \"mlp\"\nhidden = [256, 256]\n\
         [training]\noptimiser = \"adam\"\nlearning_rate = 0.001\nbatch_size = 64\nlocal_epochs = 1\n"
    );
    let task = Task::parse(&text).unwrap();
    let layout = Plan::new(&task).layout(RoundKind::Train).clone();
    let floats = 4 * task.manifest().total();
    for (banks, limit) in [(16, 0.65), (100, 0.73)] {
        let ratio = layout.ring(banks).unwrap().packed_bytes(layout.lanes()) as f64 / floats as f64;
        assert!(ratio <= limit && ratio > limit - 0.05, "{banks} banks: {ratio}");
    }
}
