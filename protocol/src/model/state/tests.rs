#![allow(clippy::unwrap_used)]
use super::*;
use crate::crypto::entropy::SeededEntropy;
use crate::model::ScoreSums;
use crate::secagg::quantise::Digits;
use crate::wire::canonical::Canonical as _;

/// One number column, so two parameters; W = 10; two bins.
fn task(server: &str) -> Task {
    Task::parse(&format!(
        "name = \"t\"\nrounds = 1\nseed = 7\n[schema]\nversion = 1\nlabel = \"y\"\n\
         [[schema.column]]\nname = \"x\"\ntype = \"number\"\nmin = 0.0\nmax = 1.0\n\
         [model]\nfamily = \"logistic\"\n[training]\noptimiser = \"sgd\"\nlearning_rate = 0.1\n\
         batch_size = 8\nlocal_epochs = 1\n[aggregation]\nmax_weight = 10\n{server}[evaluation]\nbins = 2\n"
    ))
    .unwrap()
}

fn add(all: &[Digits]) -> Vec<u32> {
    let mut sum = vec![0; all[0].lanes().len()];
    for digits in all {
        sum.iter_mut()
            .zip(digits.lanes())
            .for_each(|(total, digit)| *total += digit);
    }
    sum
}

fn column(values: &[f64]) -> ColumnSums {
    let mut sums = ColumnSums::default();
    values.iter().for_each(|value| sums.add(*value));
    sums
}

fn no_scores() -> ScoreSums {
    ScoreSums::binary(0, 0.0, vec![0, 0], vec![0, 0])
}

/// The state before the train step: values 0, 1/4, 3/4, 1 in two banks.
fn trained_next(task: &Task, plan: &Plan) -> TaskState {
    let parts = [[0.0, 1.0], [0.25, 0.75]].map(|values| plan.statistics(&[column(&values)]).unwrap());
    TaskState::initial(task)
        .advance(task, plan, &add(&parts), 2)
        .unwrap()
        .0
}

fn train_sum(plan: &Plan, banks: &[([f32; 2], u32)]) -> Vec<u32> {
    let mut entropy = SeededEntropy::new(1);
    let part = |(update, weight): &([f32; 2], u32)| {
        plan.train(&mut update.clone(), *weight, &no_scores(), &mut entropy)
            .unwrap()
    };
    add(&banks.iter().map(part).collect::<Vec<_>>())
}

#[test]
fn statistics_by_hand() {
    let task = task("");
    let plan = Plan::new(&task);
    let next = trained_next(&task, &plan);
    assert_eq!(next.step, 1);
    let moments = next.moments.as_ref().unwrap();
    // Variance of 0, 1/4, 3/4, 1 around 1/2: 5/32.
    assert_eq!(
        (moments.mean[0], moments.std[0]),
        (0.5, (5.0f64 / 32.0).sqrt() as f32)
    );
    assert_eq!(next.parameters, TaskState::initial(&task).parameters);
    assert_eq!(TaskState::from_bytes(&next.to_bytes()), Ok(next));
}

#[test]
fn a_train_step_by_hand() {
    let task = task("");
    let plan = Plan::new(&task);
    let before = trained_next(&task, &plan);
    // Weights 2 and 6: (2 * 0.4 + 6 * 0) / 8 = 0.1 and (2 * 0 + 6 * -0.8) / 8 = -0.6.
    let sum = train_sum(&plan, &[([0.4, 0.0], 2), ([0.0, -0.8], 6)]);
    let (after, outcome) = before.advance(&task, &plan, &sum, 2).unwrap();
    assert_eq!(outcome.weight, 8);
    assert_eq!(outcome.metrics.unwrap().rows, 0);
    let step = 2.0 / 65_535.0;
    for (at, expected) in [0.1, -0.6].into_iter().enumerate() {
        let moved = f64::from(after.parameters[at]) - f64::from(before.parameters[at]);
        assert!(
            (moved - expected).abs() <= 2.0 * step / 0.8 + 1e-6,
            "{moved} {expected}"
        );
    }
    assert_eq!((after.step, &after.moments), (2, &before.moments));
    assert_ne!(after.hash(), before.hash());
}

#[test]
fn the_server_optimiser_remembers() {
    let task = task("optimiser = \"fedavgm\"\nbeta1 = 0.5\n");
    let plan = Plan::new(&task);
    let before = trained_next(&task, &plan);
    assert_eq!(before.optimiser.momentum, [0.0, 0.0]);
    let sum = train_sum(&plan, &[([0.5, -0.5], 10), ([0.5, -0.5], 10)]);
    let (after, _) = before.advance(&task, &plan, &sum, 2).unwrap();
    assert!((after.optimiser.momentum[0] - 0.5).abs() < 1e-3);
    assert_eq!(TaskState::from_bytes(&after.to_bytes()), Ok(after));
}

#[test]
fn a_bank_that_lies_about_weights_or_lanes_is_noticed() {
    let task = task("");
    let plan = Plan::new(&task);
    let before = trained_next(&task, &plan);
    let honest = train_sum(&plan, &[([0.9, 0.9], 10), ([0.9, 0.9], 10)]);
    assert!(before.advance(&task, &plan, &honest, 2).is_ok());
    let weight = plan.layout(RoundKind::Train).segments[0].lanes();
    // The weights add up to 2 instead of 20: the average would be ten times what any bank sent.
    let mut scaled = honest.clone();
    scaled[weight] = 2;
    assert_eq!(
        before.advance(&task, &plan, &scaled, 2),
        Err(AdvanceError::Average)
    );
    // Two banks reach 2 * 65,535 in a lane.
    let mut wrapped = honest;
    wrapped[0] = 131_071;
    assert_eq!(
        before.advance(&task, &plan, &wrapped, 2),
        Err(AdvanceError::Lane {
            at: 0,
            found: 131_071,
            most: 131_070,
            survivors: 2
        })
    );
}

#[test]
fn impossible_sums_are_refused() {
    let task = task("");
    let plan = Plan::new(&task);
    let before = trained_next(&task, &plan);
    let sum = train_sum(&plan, &[([0.4, 0.0], 2), ([0.0, -0.8], 10)]);
    let changed = |lane: usize, value: u32| {
        let mut sum = sum.clone();
        sum[lane] = value;
        before.advance(&task, &plan, &sum, 2).unwrap_err()
    };
    // The weight is 12, of two banks that have 1 to 10 each; 2 would make the average -4, outside of the range.
    for found in [1, 21] {
        let error = AdvanceError::Weight {
            found,
            survivors: 2,
            most: 20,
        };
        assert_eq!(changed(2, found as u32), error);
    }
    assert_eq!(changed(2, 2), AdvanceError::Average);
    let error = AdvanceError::Lane {
        at: 0,
        found: 131_071,
        most: 131_070,
        survivors: 2,
    };
    assert_eq!(changed(0, 131_071), error);
    assert!(before.advance(&task, &plan, &sum, 2).is_ok());
    let mut wide = sum.clone();
    wide[3] = 1;
    assert!(matches!(
        before.advance(&task, &plan, &wide, 2),
        Err(AdvanceError::Weight { found: 65_548, .. })
    ));
    let lanes = sum.len();
    assert_eq!(
        before.advance(&task, &plan, &sum[1..], 2),
        Err(AdvanceError::Lanes {
            found: lanes - 1,
            expected: lanes
        })
    );
    // Rows that no histogram holds.
    let mut rows = sum;
    rows[4] = 1;
    assert!(matches!(
        before.advance(&task, &plan, &rows, 2),
        Err(AdvanceError::Sums(_))
    ));
    // More than one per row.
    let mut statistics = add(&[plan.statistics(&[column(&[1.0])]).unwrap()]);
    statistics[0] = 0;
    assert!(matches!(
        TaskState::initial(&task).advance(&task, &plan, &statistics, 1),
        Err(AdvanceError::Sums(_))
    ));
    let done = TaskState {
        step: plan.steps(),
        ..before
    };
    assert_eq!(done.advance(&task, &plan, &[], 2), Err(AdvanceError::NoStep(3)));
}

#[test]
fn a_state_of_early_stopping_has_a_form_of_its_own_and_any_other_the_old_one() {
    let plain = task("");
    let (plan, before) = (Plan::new(&plain), TaskState::initial(&plain));
    assert_eq!(before.stopping, None);
    let stopped = Task::parse(&format!(
        "{}\n[early_stopping]\nfigure = \"auc\"\npatience = 1\n",
        plain.canonical_text().replace("rounds = 1", "rounds = 4")
    ))
    .unwrap();
    let with = TaskState::initial(&stopped);
    // The task's hash apart, it is the old form and something behind it.
    let (short, long) = (before.to_bytes(), with.to_bytes());
    let hash = b"veilsum/v1/task-state\0".len() + 32;
    assert_eq!(short[hash..], long[hash..short.len()]);
    assert!(long.len() > short.len());
    assert_eq!(TaskState::from_bytes(&long), Ok(with));
    let mut unknown = short.clone();
    unknown.push(0);
    assert!(TaskState::from_bytes(&unknown).is_err());

    // Model 0 ranks both rows rightly, model 1 wrongly: model 0 is kept, and judged in the last step.
    let plan_of = Plan::new(&stopped);
    let first = trained_next(&stopped, &plan_of);
    let mut entropy = SeededEntropy::new(1);
    let mut train = |negatives: Vec<u64>, positives: Vec<u64>| {
        let scores = ScoreSums::binary(2, 0.5, negatives, positives);
        add(&[plan_of
            .train(&mut [0.25, 0.5], 10, &scores, &mut entropy)
            .unwrap()])
    };
    let (good, bad) = (train(vec![1, 0], vec![0, 1]), train(vec![0, 1], vec![1, 0]));
    let (second, _) = first.advance(&stopped, &plan_of, &good, 1).unwrap();
    assert_eq!((second.step, second.trained(&plan_of)), (2, 1));
    assert_eq!(second.stopping.as_ref().unwrap().parameters, first.parameters);
    assert_eq!(TaskState::from_bytes(&second.to_bytes()), Ok(second.clone()));
    let (last, outcome) = second.advance(&stopped, &plan_of, &bad, 1).unwrap();
    assert_eq!(outcome.weight, 10);
    assert_eq!((last.step, last.trained(&plan_of)), (plan_of.last_step(), 0));
    assert_eq!((plan_of.last_step(), plan_of.steps()), (5, 6));
    assert_eq!(last.parameters, first.parameters);
    assert_eq!(TaskState::from_bytes(&last.to_bytes()), Ok(last.clone()));
    assert_eq!(plan_of.kind(last.step), Some(RoundKind::Evaluate));
    assert_eq!(plan.last_step(), 2);
}

fn controlled() -> Task {
    let text = task("optimiser = \"fedavg\"\n").canonical_text();
    let text = text.replace("[aggregation]", "control_variates = true\n\n[aggregation]");
    Task::parse(&text.replace("[evaluation]", "control_range = 2.0\n\n[evaluation]")).unwrap()
}

/// Two banks of three: their changes are added up as they are, whatever their weights, and count for a third each.
#[test]
fn the_server_s_control_moves_by_the_plain_sum_over_all_banks() {
    let task = controlled();
    let plan = Plan::new(&task);
    let names: Vec<_> = plan
        .layout(RoundKind::Train)
        .segments
        .iter()
        .map(|segment| segment.name.as_str())
        .collect();
    assert_eq!(names[..3], ["parameters", "controls", "weight"]);
    let before = trained_next(&task, &plan);
    assert_eq!(before.control, [0.0, 0.0]);
    let mut entropy = SeededEntropy::new(3);
    let mut part = |change: [f32; 2], weight| {
        let mut change = change;
        plan.train_controlled(&mut [0.25, 0.5], &mut change, weight, &no_scores(), &mut entropy)
            .unwrap()
    };
    let parts = [part([0.75, -1.5], 10), part([0.75, 0.0], 1)];
    let turnout = Turnout {
        survivors: 2,
        banks: 3,
    };
    let (after, _) = before.advance(&task, &plan, &add(&parts), turnout).unwrap();
    let step = 4.0 / 65_535.0;
    for (found, expected) in after.control.iter().zip([0.5, -0.5]) {
        assert!((f64::from(*found) - expected).abs() < step, "{found} {expected}");
    }
    // A bank knows to the bit what the sum takes its change to be.
    let changes = parts.each_ref().map(|digits| plan.control_change(digits));
    for (at, control) in after.control.iter().enumerate() {
        let total: f64 = changes.iter().map(|change| f64::from(change[at])).sum();
        assert!((f64::from(*control) - total / 3.0).abs() < 1e-7);
    }
    assert!(after.to_bytes().len() == before.to_bytes().len());
    assert_eq!(TaskState::from_bytes(&after.to_bytes()), Ok(after));
    let short = plan.train(&mut [0.0, 0.0], 1, &no_scores(), &mut SeededEntropy::new(3));
    assert_eq!(
        short.err(),
        Some(crate::secagg::quantise::QuantiseError::Length {
            found: 0,
            expected: 2
        })
    );
}

#[test]
fn parameters_that_are_personal_have_no_place_in_the_sum_and_stay_as_they_are() {
    let text = task("optimiser = \"fedadam\"\n").canonical_text();
    let text = text.replace("[aggregation]", "personal = [\"output.bias\"]\n\n[aggregation]");
    let task = Task::parse(&text).unwrap();
    let plan = Plan::new(&task);
    assert_eq!(plan.layout(RoundKind::Train).segments[0].values, 1);
    let before = trained_next(&task, &plan);
    assert_eq!((before.parameters.len(), before.optimiser.momentum.len()), (2, 1));
    let digits = plan
        .train(&mut [0.5], 10, &no_scores(), &mut SeededEntropy::new(3))
        .unwrap();
    let (after, _) = before.advance(&task, &plan, &add(&[digits]), 1).unwrap();
    assert!(after.parameters[0] > before.parameters[0]);
    assert_eq!(after.parameters[1].to_bits(), before.parameters[1].to_bits());
    assert!(
        plan.train(&mut [0.5, 0.5], 10, &no_scores(), &mut SeededEntropy::new(3))
            .is_err()
    );
}
