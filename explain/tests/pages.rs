//! Pictures and pages of easy and awkward rows. The pages lie in the build's folder for temporary files afterwards, to be looked at.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::path::Path;

use veilsum_explain::report::{ExplainedRow, ManyRows, Report};
use veilsum_explain::{
    Adverse, Attribution, Background, Counterfactual, Dependence, Direction, Distribution, Feature, Goal,
    Groups, Kernel, Moves, Notice, Outcome, Rows, Scorer, Value, draw,
};

/// A bent score of so many numbers, each with less weight than the one before.
struct Bent;

impl Scorer for Bent {
    type Error = Infallible;

    fn scores(&self, rows: &Rows) -> Result<Vec<f64>, Infallible> {
        let score = |row: &[f32]| {
            let weights = (1..).map(|at| if at % 3 == 0 { -1.6 } else { 1.3 } / f64::from(at));
            let sum: f64 = row
                .iter()
                .zip(weights)
                .map(|(input, weight)| weight * f64::from(*input))
                .sum();
            1.0 / (1.0 + (-sum - 0.4 * f64::from(row[0] * row[1])).exp())
        };
        Ok(rows.iter().map(score).collect())
    }
}

struct Explained {
    features: Vec<Feature>,
    values: Vec<Vec<Value>>,
    attributions: Vec<Attribution>,
    groups: Groups,
    rows: Rows,
    background: Vec<Option<Distribution>>,
}

/// Rows of `width` numbers, whose names are those of a credit table and then long ones.
fn explained(width: usize, count: usize) -> Explained {
    let named = [
        ("Utilisation", "%"),
        ("Income", "EUR"),
        ("Months since the account was opened", "months"),
        ("Age", "years"),
        ("Inquiries", ""),
    ];
    let features: Vec<Feature> = (0..width)
        .map(|at| match named.get(at) {
            Some((name, unit)) => Feature::number(name, unit, if at == 1 { 0 } else { 1 }),
            None => Feature::number(&format!("Column {at} <of & a bank's own \"table\">"), "", 2),
        })
        .collect();
    let inputs: Vec<f32> = (0..width * count)
        .map(|at| ((at * 7919 + 13) as f32).sin() * 1.6)
        .collect();
    let rows = Rows::new(width, inputs).unwrap();
    let groups = Groups::single(features.iter().map(|feature| feature.name.clone()).collect()).unwrap();
    let background = Rows::new(width, rows.values()[..width * count.min(3)].to_vec()).unwrap();
    let kernel = Kernel {
        coalitions: 90,
        seed: 1,
    };
    let explain = |row: &[f32]| {
        let game = Background::new(Bent, row, &background, &groups).unwrap();
        kernel.explain(&game).unwrap().attribution
    };
    let raw = |row: &[f32]| {
        row.iter()
            .map(|input| Value::Number(f64::from(*input) * 30.0 + 50.0))
            .collect()
    };
    let values: Vec<Vec<Value>> = rows.iter().map(raw).collect();
    let column =
        |at: usize| Distribution::new(rows.iter().map(|row| f64::from(row[at]) * 30.0 + 50.0).collect()).ok();
    Explained {
        attributions: rows.iter().map(explain).collect(),
        background: (0..width).map(column).collect(),
        values,
        features,
        groups,
        rows,
    }
}

fn keep(name: &str, page: &str) {
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), page).unwrap();
}

/// One file that runs nothing, loads nothing, and says nothing that is no number.
fn is_sound(page: &str) {
    for wrong in [
        "<script",
        "http-equiv=\"refresh",
        "<img",
        "url(",
        "NaN",
        "inf<",
        "<of &",
        "src=",
    ] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    let links = page.matches("http").count();
    assert_eq!(
        links,
        page.matches("http://www.w3.org/2000/svg").count() + page.matches("http-equiv").count()
    );
    assert_eq!(
        page.matches("<svg").count(),
        page.matches("<desc>").count(),
        "each picture is described"
    );
}

fn report(width: usize, count: usize, name: &str) -> String {
    let all = explained(width, count);
    let row = all.rows.get(0).unwrap();
    let notice = Notice {
        features: &all.features,
        values: &all.values[0],
        background: &all.background,
        protected: if width > 3 { &["Age"] } else { &[] },
        adverse: Adverse::Higher,
        most: 4,
    };
    let reasons = notice.reasons(&all.attributions[0]).unwrap();
    let moves: Vec<Moves> = (0..width)
        .zip(&all.background)
        .map(|(at, column)| match column {
            Some(column) if at != 3 => Moves::quantiles(column, 10, Direction::Either),
            _ => Moves::Fixed,
        })
        .collect();
    let goal = Goal::AtMost(0.3 * all.attributions[0].score);
    let search = Counterfactual {
        features: &all.features,
        groups: &all.groups,
        row,
        values: &all.values[0],
        background: &all.background,
        moves: &moves,
        goal,
        most_changes: 2,
        most_pairs: 20_000,
    };
    let encode = |_: usize, value: &Value| match value {
        Value::Number(number) => Ok(vec![((number - 50.0) / 30.0) as f32]),
        _ => Ok(vec![0.0]),
    };
    let outcome = search.search(&Bent, encode).unwrap();
    let page = Report {
        title: "Loans <of> 2026",
        score: "probability of default",
        method: "Kernel SHAP against 3 rows.",
        rows: &[ExplainedRow {
            name: "Row 17",
            features: &all.features,
            values: &all.values[0],
            attribution: &all.attributions[0],
            reasons: Some(&reasons),
            counterfactual: Some((goal, &outcome)),
        }],
        many: Some(ManyRows {
            features: &all.features,
            attributions: &all.attributions,
            values: &all.values,
            dependence: &[0, 1],
        }),
    };
    let page = page.html().unwrap();
    is_sound(&page);
    keep(name, &page);
    page
}

#[test]
fn five_features_and_many_rows() {
    let page = report(5, 250, "explain-five.html");
    assert!(page.contains("Loans &lt;of&gt; 2026") && page.contains("250 rows together"));
    assert!(
        page.contains("Months since the account was opened"),
        "the table has the whole name"
    );
    assert_eq!(page.matches("<svg").count(), 5);
    assert!(page.contains("What would have to be otherwise"));
}

#[test]
fn forty_features_are_drawn_in_part_and_told_in_whole() {
    let page = report(40, 350, "explain-forty.html");
    assert!(page.contains("30 others") && page.contains("26 features with smaller amounts are not drawn"));
    assert!(page.contains("Of 350 rows 175 are drawn"));
    assert_eq!(
        page.matches("<th scope=\"row\">Column 39 ").count(),
        2,
        "both tables have every feature"
    );
}

#[test]
fn one_row() {
    let page = report(2, 1, "explain-one.html");
    assert!(page.contains("One row on the whole"));
}

#[test]
fn awkward_amounts() {
    let features = [
        "Utilisation",
        "A name that is much too long for the picture's left side",
        "Region",
    ]
    .map(|name| Feature::number(name, "", 0))
    .to_vec();
    let values = vec![Value::Number(3.0), Value::Missing, Value::Number(-0.2)];
    let of = |values: [f64; 3]| Attribution {
        base: 0.4,
        score: 0.4 + values.iter().sum::<f64>(),
        values: values.to_vec(),
    };
    let all = [
        ("negative", of([-0.1, -0.2, -0.05])),
        ("nothing", of([0.0; 3])),
        ("tiny", of([1e-7, -2e-7, 0.0])),
        ("huge", of([4e6, -1e6, 2e3])),
    ];
    let mut page = format!(
        "<!doctype html><meta charset=utf-8><style>body{{margin:8px;font-family:sans-serif}}{}{}</style>",
        veilsum_pictures::STYLE,
        draw::STYLE
    );
    let mut pictures = Vec::new();
    for (name, attribution) in &all {
        let picture = draw::waterfall(attribution, &features, &values, "score", 10).unwrap();
        assert!(
            !picture.svg.contains("NaN") && !picture.svg.contains("inf"),
            "{name}"
        );
        assert_eq!(picture.svg.matches("p-bar").count(), 3, "{name}");
        pictures.push(picture);
    }
    // A method that is not locally accurate says so.
    let left = Attribution {
        score: 0.9,
        ..all[0].1.clone()
    };
    let picture = draw::waterfall(&left, &features, &values, "score", 10).unwrap();
    assert!(picture.svg.contains("not accounted for"));
    pictures.push(picture);
    let one = Dependence::of(&[all[0].1.clone()], 0, &[Some(3.0)]).unwrap();
    pictures.push(draw::dependence(&one, &features[0], "score").unwrap());
    let none = Dependence::of(&[all[0].1.clone()], 0, &[None]).unwrap();
    assert!(draw::dependence(&none, &features[0], "score").is_err());
    page += &veilsum_pictures::gallery(&pictures).into_string();
    keep("explain-awkward.html", &page);
}

#[test]
fn what_does_not_fit_is_told() {
    let all = explained(2, 3);
    let told = |error: veilsum_explain::Invalid| error.to_string();
    let short = draw::waterfall(
        &all.attributions[0],
        &all.features,
        &all.values[0][..1],
        "score",
        5,
    )
    .unwrap_err();
    assert!(told(short).contains("values: found 1"));
    let none = draw::beeswarm(&[], &all.features, &[], "score", 5).unwrap_err();
    assert!(told(none).contains("attributions: found none"));
    let few = draw::beeswarm(&all.attributions, &all.features, &all.values[..2], "score", 5).unwrap_err();
    assert!(told(few).contains("values: found 2"));
    let bad = Attribution {
        base: f64::NAN,
        ..all.attributions[0].clone()
    };
    assert!(
        told(draw::waterfall(&bad, &all.features, &all.values[0], "score", 5).unwrap_err()).contains("NaN")
    );
    assert!(told(draw::importances(&["a".to_owned()], &[-1.0], "score", 5).unwrap_err()).contains("-1"));
    assert!(matches!(
        Report { title: "", score: "", method: "", rows: &[], many: Some(ManyRows { features: &all.features, attributions: &all.attributions, values: &all.values, dependence: &[2] }) }.html(),
        Err(error) if told(error.clone()).contains("dependence: found 2")
    ));
    // An outcome of the search that found nothing is shown as such.
    let outcome = Outcome::NotFound {
        score: 0.5,
        nearest: 0.4,
        is_certain: true,
    };
    let row = ExplainedRow {
        name: "row",
        features: &all.features,
        values: &all.values[0],
        attribution: &all.attributions[0],
        reasons: None,
        counterfactual: Some((Goal::AtMost(0.3), &outcome)),
    };
    let page = Report {
        title: "t",
        score: "score",
        method: "m",
        rows: &[row],
        many: None,
    }
    .html()
    .unwrap();
    assert!(page.contains("None within these limits"));
}
