#![allow(clippy::unwrap_used)]
use super::*;
use crate::model::{Metrics, ScoreSums};

fn group(negatives: &[u64], positives: &[u64]) -> GroupSums {
    GroupSums {
        negatives: negatives.to_vec(),
        positives: positives.to_vec(),
    }
}

/// The whole of these groups.
fn whole(groups: Vec<GroupSums>) -> BinarySums {
    let bins = groups.first().map_or(0, |group| group.negatives.len());
    let add = |histogram: fn(&GroupSums) -> &[u64]| -> Vec<u64> {
        (0..bins)
            .map(|bin| groups.iter().map(|group| histogram(group)[bin]).sum())
            .collect()
    };
    let (negatives, positives) = (add(|group| &group.negatives), add(|group| &group.positives));
    let rows = negatives.iter().chain(&positives).sum();
    BinarySums {
        groups,
        ..BinarySums::new(rows, 0.0, negatives, positives)
    }
}

fn judged(sums: &BinarySums, edge: u32, favourable: u8) -> Metrics {
    ScoreSums::Binary(sums.clone())
        .metrics_under(Some(Decision { edge, favourable }))
        .unwrap()
}

fn known() -> BinarySums {
    whole(vec![
        group(
            &[40, 30, 20, 12, 8, 6, 4, 3, 2, 1],
            &[1, 2, 3, 4, 6, 9, 12, 15, 18, 20],
        ),
        group(
            &[25, 25, 18, 14, 10, 8, 6, 4, 3, 2],
            &[3, 3, 4, 5, 6, 6, 7, 8, 6, 4],
        ),
        group(&[9, 8, 7, 6, 5, 4, 3, 2, 1, 0], &[6, 5, 6, 5, 6, 5, 6, 5, 4, 3]),
    ])
}

fn close(found: Option<f64>, expected: f64) {
    let found = found.unwrap();
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
}

/// fairlearn 0.15.0 and scikit-learn 1.9.1 over the 479 rows of these histograms, each row's score the middle of its bin:
/// `demographic_parity_difference`, `demographic_parity_ratio`, `equal_opportunity_difference`, `equalized_odds_difference`, `roc_auc_score` of each
/// group; for the favourable label 0 with labels and predictions turned round.
#[test]
fn the_figures_are_those_of_fairlearn() {
    for (edge, favourable, parity, ratio, opportunity, odds) in [
        (
            5,
            1,
            0.093_313_373_253_493_04,
            0.776_047_904_191_616_7,
            0.371_241_830_065_359_43,
            0.371_241_830_065_359_43,
        ),
        (
            3,
            0,
            0.039_982_534_930_139_76,
            0.914_396_367_521_367_4,
            0.180_952_380_952_380_98,
            0.266_666_666_666_666_66,
        ),
    ] {
        let metrics = judged(&known(), edge, favourable);
        close(metrics.figure(Figure::ParityDifference), parity);
        close(metrics.figure(Figure::ImpactRatio), ratio);
        close(metrics.figure(Figure::OpportunityDifference), opportunity);
        close(metrics.figure(Figure::OddsDifference), odds);
    }
    let decision = Decision {
        edge: 5,
        favourable: 1,
    };
    let aucs = [
        0.916_005_291_005_291,
        0.764_046_822_742_474_9,
        0.654_030_501_089_324_6,
    ];
    for (group, auc) in known().groups.iter().zip(aucs) {
        close(group.figures(decision).auc, auc);
    }
    // The same rows as one: AUC, average precision and the Brier score of scikit-learn, and KS of its ROC curve.
    let metrics = judged(&known(), 5, 1);
    close(metrics.figure(Figure::Auc), 0.814_132_758_433_276_6);
    close(metrics.figure(Figure::AveragePrecision), 0.732_884_163_802_206_1);
    close(metrics.figure(Figure::Brier), 0.168_094_989_561_586_67);
    close(metrics.figure(Figure::Ks), 0.504_728_432_189_572_1);
}

/// Two bins, the second of which is taken for 1. Of 40 women 10 and 10 are taken for it, of 60 men 6 and 42.
#[test]
fn by_hand() {
    let sums = whole(vec![group(&[10, 10], &[10, 10]), group(&[6, 6], &[6, 42])]);
    let figures = sums.groups[1].figures(Decision {
        edge: 1,
        favourable: 1,
    });
    assert_eq!(figures.selected, Share { part: 48, of: 60 });
    assert_eq!(figures.rightly, Share { part: 42, of: 48 });
    assert_eq!(figures.wrongly, Share { part: 6, of: 12 });
    let metrics = judged(&sums, 1, 1);
    // 20 of 40 and 48 of 60.
    close(metrics.figure(Figure::ParityDifference), 0.3);
    close(metrics.figure(Figure::ImpactRatio), 0.625);
    // Of those with label 1, 10 of 20 women, too few for a share, so that there is nothing to compare.
    assert_eq!(metrics.figure(Figure::OpportunityDifference), None);
    assert_eq!(metrics.figure(Figure::OddsDifference), None);
    // The good outcome 0 is the lower bin: 20 of 40 and 12 of 60.
    let metrics = judged(&sums, 1, 0);
    close(metrics.figure(Figure::ImpactRatio), 0.4);
}

#[test]
fn the_four_fifths_rule_holds_at_four_fifths() {
    let spread =
        |least, most| Spread::of([Share { part: most, of: 100 }, Share { part: least, of: 50 }]).unwrap();
    assert!(spread(40, 100).keeps_four_fifths());
    assert!(!spread(39, 100).keeps_four_fifths());
    assert_eq!(spread(40, 100).ratio(), Some(0.8));
    // Nobody is favoured: no ratio, and nobody is treated unlike another.
    assert_eq!(spread(0, 0).ratio(), None);
    assert!(spread(0, 0).keeps_four_fifths());
    assert_eq!(spread(0, 0).difference(), 0.0);
}

#[test]
fn a_share_of_few_rows_is_undefined_and_not_zero() {
    let few = |rows| whole(vec![group(&[100, 100], &[50, 50]), group(&[rows, 0], &[0, 0])]);
    let metrics = judged(&few(29), 1, 1);
    let of_groups = metrics
        .figures
        .iter()
        .filter(|(figure, _)| figure.compares_groups());
    assert_eq!(of_groups.clone().count(), 4);
    assert!(
        of_groups.into_iter().all(|(_, value)| value.is_none()),
        "{metrics:?}"
    );
    let metrics = judged(&few(30), 1, 1);
    assert_eq!(metrics.figure(Figure::ParityDifference), Some(0.5));
    assert_eq!(metrics.figure(Figure::ImpactRatio), Some(0.0));
    let figures = few(30).groups[1].figures(Decision {
        edge: 1,
        favourable: 1,
    });
    assert_eq!(
        (figures.selected.told(), figures.rightly.told()),
        (Some(0.0), None)
    );
    assert_eq!(figures.auc, None);
    // Three groups, of which one is too small: the other two are compared.
    let three = whole(vec![
        group(&[20, 20], &[20, 20]),
        group(&[30, 10], &[30, 10]),
        group(&[0, 2], &[0, 2]),
    ]);
    assert_eq!(judged(&three, 1, 1).figure(Figure::ParityDifference), Some(0.25));
}

#[test]
fn groups_that_are_not_the_whole_are_refused() {
    let good = known();
    let refused = |sums: BinarySums| ScoreSums::Binary(sums).metrics().unwrap_err();
    let mut moved = good.clone();
    moved.groups[1].positives[4] += 1;
    assert_eq!(
        refused(moved),
        MetricsError::Groups {
            label: 1,
            bin: 4,
            counted: 19,
            all: 18
        }
    );
    let mut lost = good.clone();
    lost.groups.pop();
    assert!(matches!(
        refused(lost),
        MetricsError::Groups { label: 0, bin: 0, .. }
    ));
    let mut short = good.clone();
    short.groups[2].negatives.pop();
    assert!(matches!(refused(short), MetricsError::Shape { .. }));
    let mut wrapping = good;
    wrapping.groups[0].negatives[0] = u64::MAX;
    wrapping.groups[1].negatives[0] = u64::MAX;
    assert!(matches!(refused(wrapping), MetricsError::Groups { .. }));
}

mod property {
    use super::*;
    use proptest::prelude::*;

    fn some_group() -> impl Strategy<Value = GroupSums> {
        let histogram = || prop::collection::vec(0_u64..40, 6);
        (histogram(), histogram()).prop_map(|(negatives, positives)| GroupSums { negatives, positives })
    }

    proptest! {
        /// Against a plain reckoning row by row in floating point.
        #[test]
        fn spreads_are_those_of_single_rows(
            groups in prop::collection::vec(some_group(), 2..5), edge in 1_u32..6, favourable in 0_u8..2,
        ) {
            let sums = whole(groups.clone());
            let metrics = judged(&sums, edge, favourable);
            let rate = |group: &GroupSums, among: Option<u8>| {
                let (mut part, mut of) = (0_u64, 0_u64);
                for (label, histogram) in [(0, &group.negatives), (1, &group.positives)] {
                    for (bin, count) in (0..).zip(histogram) {
                        if among.is_none_or(|wanted| wanted == label) {
                            of += count;
                            part += if u8::from(bin >= edge) == favourable { *count } else { 0 };
                        }
                    }
                }
                (of >= LEAST_GROUP_ROWS).then(|| part as f64 / of as f64)
            };
            let spread = |among| {
                let rates: Vec<f64> = groups.iter().filter_map(|group| rate(group, among)).collect();
                let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
                let most = rates.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                (rates.len() > 1).then_some((least, most))
            };
            let near = |found: Option<f64>, expected: Option<f64>| match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-12,
                (found, expected) => found == expected,
            };
            let difference = |among| spread(among).map(|(least, most)| most - least);
            prop_assert!(near(metrics.figure(Figure::ParityDifference), difference(None)));
            let ratio = spread(None).filter(|(_, most)| *most > 0.0).map(|(least, most)| least / most);
            prop_assert!(near(metrics.figure(Figure::ImpactRatio), ratio));
            let (rightly, wrongly) = (difference(Some(favourable)), difference(Some(1 - favourable)));
            prop_assert!(near(metrics.figure(Figure::OpportunityDifference), rightly));
            let odds = rightly.zip(wrongly).map(|(one, other)| one.max(other));
            prop_assert!(near(metrics.figure(Figure::OddsDifference), odds));
            // Groups change nothing of the whole.
            let plain = BinarySums { groups: Vec::new(), ..sums };
            let plain = ScoreSums::Binary(plain).metrics().unwrap();
            prop_assert_eq!(&metrics.figures[..plain.figures.len()], &plain.figures[..]);
        }
    }
}
