//! The page: whole, without script, and drawable whatever there is.
#![allow(clippy::unwrap_used)]

use veilsum_monitoring::{
    About, Grouping, Level, Limits, Monitor, Named, NumberRange, Predictions, Reference, Report, Sample,
    Values, Window, page,
};
use veilsum_protocol::model::Decision;
use veilsum_protocol::task::Scale;

const DAY: i64 = 86_400_000;
/// 2026-04-06, a Monday.
const BEGIN: i64 = 1_775_433_600_000;

/// Numbers from 0 to 1 that look drawn, the same ones each time (splitmix64).
fn draw(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// `drift`: by how much incomes fall and the share of those who rent grows, 0 to 1.
fn rows(count: usize, seed: u64, drift: impl Fn(usize) -> f64) -> (Vec<f64>, Vec<Named>, Vec<Option<u16>>) {
    let mut next = draw(seed);
    let (mut scores, mut incomes, mut homes, mut shares) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in 0..count {
        let drift = drift(row);
        let income = 20_000.0 + 60_000.0 * (next() + next() + next()) / 3.0 * (1.0 - 0.5 * drift);
        let rents = next() < 0.3 + 0.4 * drift;
        incomes.push(if next() < 0.03 { f64::NAN } else { income });
        homes.push(match next() {
            other if other < 0.05 => None,
            _ => Some(u16::from(rents)),
        });
        shares.push(next() * next());
        let score = 0.9 - income / 80_000.0 + if rents { 0.15 } else { 0.0 } + 0.2 * next();
        scores.push(score.clamp(0.01, 0.99));
    }
    let named = |name: &str, values| Named {
        name: name.to_owned(),
        values,
    };
    let columns = vec![
        named("income", Values::Numbers(incomes)),
        named(
            "home <b>",
            Values::Categories {
                names: vec!["own".to_owned(), "rent".to_owned()],
                of: homes.clone(),
            },
        ),
        named("utilisation_of_the_limit", Values::Numbers(shares)),
    ];
    (scores, columns, homes)
}

fn look(reference: &Reference, sample: &Sample, window: Window) -> Report {
    let monitor = Monitor {
        window,
        limits: Limits::default(),
        decision: Decision {
            edge: 500,
            favourable: 0,
        },
    };
    monitor.look(reference, sample).unwrap()
}

fn drawn(report: &Report) -> String {
    let about = About {
        title: "credit & more, version 12",
        remarks: &["12 rows that other versions answered are not looked at.".to_owned()],
        limits: &Limits::default(),
        level: report.level(None),
        favoured: "a score below 0.5",
    };
    let page = page(report, &about);
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    assert!(!page.contains("<script") && !page.contains("src=") && page.contains("default-src 'none'"));
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    page
}

#[test]
fn eight_weeks_of_a_model_whose_customers_change() {
    let (scores, columns, _) = rows(5000, 1, |_| 0.0);
    let reference = Reference {
        predictions: Predictions::Binary(scores),
        columns,
    };
    let weeks = 8;
    let (scores, columns, homes) = rows(weeks * 400, 2, |row| (row as f64 / 400.0 - 4.0).max(0.0) / 4.0);
    let mut next = draw(3);
    // What came true grows beside what was foretold, and is not known yet of the last week.
    let outcomes = scores.iter().enumerate().map(|(row, score)| {
        let came = next() < score * (1.0 + 0.05 * (row / 400) as f64);
        (row < 400 * (weeks - 1)).then_some(if came { 1.0 } else { 0.0 })
    });
    let sample = Sample {
        outcomes: outcomes.collect(),
        times_ms: (0..weeks as i64 * 400)
            .map(|row| BEGIN + row * 7 * DAY / 400)
            .collect(),
        predictions: Predictions::Binary(scores),
        columns,
        groupings: vec![
            Grouping {
                name: "home".to_owned(),
                groups: vec!["own".to_owned(), "rent".to_owned()],
                of: homes,
            },
            Grouping {
                name: "age_band".to_owned(),
                groups: vec!["to 30".to_owned(), "above 30".to_owned()],
                of: (0..weeks * 400).map(|row| Some(u16::from(row % 3 > 0))).collect(),
            },
        ],
    };
    let report = look(&reference, &sample, Window::Week);
    assert_eq!(report.windows.len(), weeks);
    assert_eq!(
        (report.windows[0].name.as_str(), report.level(None)),
        ("2026-W15", Level::Act)
    );
    let page = drawn(&report);
    for part in [
        "Stability over time",
        "income: reference and decisions",
        "home &lt;b&gt;: reference and decisions",
        "Foretold and seen over time",
        "Calibration",
        "Impact ratio over time",
        "Favoured by group of age_band",
        "credit &amp; more, version 12",
        "12 rows that other versions answered",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<b>"));
    if let Some(folder) = std::env::var_os("VEILSUM_PAGES") {
        std::fs::write(std::path::Path::new(&folder).join("monitor.html"), page).unwrap();
    }
}

#[test]
fn one_window_none_and_other_kinds_of_models_are_drawn() {
    let range = NumberRange {
        min: 0.0,
        max: 100.0,
        scale: Scale::Linear,
    };
    let number = |values| Predictions::Number { values, range };
    let classes = |chosen: Vec<u16>| Predictions::Classes {
        names: vec!["card".to_owned(), "fee".to_owned()],
        probability: vec![0.8; chosen.len()],
        chosen,
    };
    for (before, now, outcome) in [
        (number(vec![5.0; 200]), number(vec![6.0; 150]), 5.5),
        (classes(vec![0; 200]), classes(vec![1; 150]), 1.0),
        (
            Predictions::Binary(vec![0.5; 200]),
            Predictions::Binary(vec![0.5; 150]),
            1.0,
        ),
    ] {
        let rows = now.len();
        let reference = Reference {
            predictions: before,
            columns: Vec::new(),
        };
        let sample = Sample {
            times_ms: vec![BEGIN; rows],
            outcomes: vec![Some(outcome); rows],
            predictions: now.clone(),
            columns: Vec::new(),
            groupings: Vec::new(),
        };
        let page = drawn(&look(&reference, &sample, Window::Month));
        assert!(
            page.contains("2026-04") && page.contains("Foretold and seen"),
            "{page}"
        );
        assert!(!page.contains("Which columns moved"));
        let none = Sample {
            times_ms: Vec::new(),
            outcomes: Vec::new(),
            predictions: match now {
                Predictions::Binary(_) => Predictions::Binary(Vec::new()),
                Predictions::Number { .. } => number(Vec::new()),
                Predictions::Classes { .. } => classes(Vec::new()),
            },
            columns: Vec::new(),
            groupings: Vec::new(),
        };
        drawn(&look(&reference, &none, Window::Month));
    }
}
