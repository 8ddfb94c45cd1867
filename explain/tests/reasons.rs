//! Reasons in sentences, worked out by hand.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use veilsum_explain::{Adverse, Attribution, Distribution, Feature, Kind, Notice, Value};

fn features() -> Vec<Feature> {
    let other = |name: &str, kind| Feature {
        name: name.to_owned(),
        kind,
    };
    vec![
        Feature::number("Utilisation", "%", 0),
        Feature::number("Income", "EUR", 0),
        Feature::category("Region"),
        other("Opened on", Kind::Date),
        other("purpose", Kind::Text),
        Feature::number("Age", "years", 0),
    ]
}

fn values() -> Vec<Value> {
    vec![
        Value::Number(92.0),
        Value::Missing,
        Value::Category("North".to_owned()),
        Value::Date("2024-03-01".to_owned()),
        Value::Text("a new kitchen".to_owned()),
        Value::Number(24.0),
    ]
}

/// 0, 1, ... 100 for the share that is used: quantiles are the numbers themselves.
fn background() -> Vec<Option<Distribution>> {
    let hundred = || Distribution::new((0..=100).map(f64::from).collect()).ok();
    vec![hundred(), None, None, None, None, hundred()]
}

fn attribution(values: &[f64]) -> Attribution {
    Attribution {
        base: 0.2,
        score: 0.2 + values.iter().sum::<f64>(),
        values: values.to_vec(),
    }
}

#[test]
fn sentences_by_hand() {
    let (features, values, background) = (features(), values(), background());
    let notice = Notice {
        features: &features,
        values: &values,
        background: &background,
        protected: &["Age"],
        adverse: Adverse::Higher,
        most: 4,
    };
    let found = notice
        .reasons(&attribution(&[0.3, 0.1, 0.2, 0.1, 0.05, 0.25]))
        .unwrap();
    let sentences: Vec<&str> = found
        .reasons
        .iter()
        .map(|reason| reason.sentence.as_str())
        .collect();
    // Income and the date are equal: by name.
    assert_eq!(
        sentences,
        [
            "Utilisation above 90 % raised the score most",
            "Region “North” raised the score second most",
            "Missing Income raised the score third most",
            "Opened on 2024-03-01 raised the score fourth most",
        ]
    );
    assert_eq!(
        found.reasons[0].detail,
        "Utilisation: 92 %; 92 % of the rows compared with have at most that"
    );
    assert!((found.reasons[0].share - 0.3).abs() < 1e-12);
    assert_eq!(found.withheld, [5]);
    assert!(found.remarks[0].contains("Protected") && found.remarks[0].contains("Age"));

    let lowered = Notice {
        adverse: Adverse::Lower,
        protected: &[],
        most: 2,
        ..notice
    };
    let found = lowered
        .reasons(&attribution(&[0.3, 0.1, 0.2, 0.1, -0.05, -0.25]))
        .unwrap();
    let sentences: Vec<&str> = found
        .reasons
        .iter()
        .map(|reason| reason.sentence.as_str())
        .collect();
    assert_eq!(
        sentences,
        [
            "Age below 25 years lowered the score most",
            "The words of purpose lowered the score second most"
        ]
    );
    assert!(found.withheld.is_empty() && found.remarks.is_empty());

    let nothing = lowered
        .reasons(&attribution(&[0.3, 0.0, 0.0, 0.0, 0.0, 0.0]))
        .unwrap();
    assert!(nothing.reasons.is_empty() && nothing.remarks[0].contains("No feature"));
}

#[test]
fn what_does_not_fit_is_told() {
    let (features, values, background) = (features(), values(), background());
    let notice = Notice {
        features: &features,
        values: &values,
        background: &background,
        protected: &["age"],
        adverse: Adverse::Higher,
        most: 4,
    };
    let six = attribution(&[0.1; 6]);
    let says = |notice: &Notice<'_>, attribution: &Attribution, words: &str| {
        let error = notice.reasons(attribution).unwrap_err().to_string();
        assert!(error.contains(words), "{error:?} has not {words:?}");
    };
    says(&notice, &six, "no feature is called \"age\"");
    let notice = Notice {
        protected: &[],
        ..notice
    };
    says(&notice, &attribution(&[0.1; 5]), "attribution: found 5");
    says(&notice, &attribution(&[f64::NAN; 6]), "NaN");
    says(
        &Notice {
            values: &values[..2],
            ..notice
        },
        &six,
        "values: found 2",
    );
    let mut wrong = values.clone();
    wrong[0] = Value::Text("much".to_owned());
    says(
        &Notice {
            values: &wrong,
            ..notice
        },
        &six,
        "\"Utilisation\": found a text, expected a number",
    );
    wrong[0] = Value::Number(f64::NAN);
    says(
        &Notice {
            values: &wrong,
            ..notice
        },
        &six,
        "not finite",
    );
}

proptest! {
    #[test]
    fn nothing_that_helped_and_nothing_protected_is_named(amounts in prop::collection::vec(-1.0_f64..1.0, 6), most in 0_usize..8, lower in any::<bool>()) {
        let (features, values, background) = (features(), values(), background());
        let adverse = if lower { Adverse::Lower } else { Adverse::Higher };
        let notice = Notice { features: &features, values: &values, background: &background, protected: &["Age", "Region"], adverse, most };
        let found = notice.reasons(&attribution(&amounts)).unwrap();
        prop_assert!(found.reasons.len() <= most);
        for reason in &found.reasons {
            let is_against = if lower { reason.amount < 0.0 } else { reason.amount > 0.0 };
            prop_assert!(is_against);
            prop_assert!(reason.feature != 2 && reason.feature != 5);
            prop_assert!(reason.share > 0.0 && reason.share <= 1.0);
        }
        prop_assert!(found.reasons.is_sorted_by(|one, two| one.amount.abs() >= two.amount.abs()));
        let against = |at: usize| if lower { amounts[at] < 0.0 } else { amounts[at] > 0.0 };
        prop_assert_eq!(found.withheld.contains(&5), against(5));
        prop_assert_eq!(found.withheld.contains(&2), against(2));
        let open = [0, 1, 3, 4].into_iter().filter(|at| against(*at)).count();
        prop_assert_eq!(found.reasons.len(), open.min(most));
    }
}
