#![allow(clippy::unwrap_used)]
use veilsum_protocol::model::Figure;

use super::verdict::Verdict;
use super::*;
use crate::score::{CalibrationPoint, Score};

fn judged(auc: f64, ks: f64, log_loss: f64) -> Score {
    Score {
        figures: [(Figure::Auc, auc), (Figure::Ks, ks), (Figure::LogLoss, log_loss)],
        rows: 4_000,
    }
}

fn numbers(rmse: f64) -> Score {
    Score {
        figures: [
            (Figure::Rmse, rmse),
            (Figure::Mae, 0.8 * rmse),
            (Figure::RSquared, 1.0 - 20.0 * rmse * rmse),
        ],
        rows: 4_000,
    }
}

fn result(name: &str, role: Role, auc: f64, rows: usize) -> TableRow {
    TableRow {
        name: name.to_owned(),
        role,
        score: judged(auc, auc - 0.3, 0.7 - auc / 2.0),
        rows,
    }
}

/// A task of twenty steps in which bank-c falls in round 9, misses 10 and 11 and comes back in 12.
fn sample() -> Report {
    let banks: Vec<String> = ["bank-a", "bank-b", "bank-c", "bank-d", "bank-e"]
        .map(str::to_owned)
        .to_vec();
    let rounds = (1..=21_u64)
        .map(|round| {
            let gone = |name: &String| (10..=11).contains(&round) && name == "bank-c";
            let cohort: Vec<String> = banks.iter().filter(|name| !gone(name)).cloned().collect();
            let dropped = if round == 9 {
                vec!["bank-c".to_owned()]
            } else {
                Vec::new()
            };
            let training = round > 1;
            let curve = 1.0 - (-(round as f64) / 4.0).exp();
            RoundRow {
                round,
                step: round - 1,
                kind: if training { "training" } else { "statistics" }.to_owned(),
                survivors: cohort.len() - dropped.len(),
                cohort,
                dropped,
                score: training.then_some(judged(0.6 + 0.19 * curve, 0.3 + 0.14 * curve, 0.46 - 0.1 * curve)),
                seconds: 1.4 + (round % 3) as f64 / 10.0,
            }
        })
        .collect();
    let fact = |label: &str, value: &str| Fact {
        label: label.to_owned(),
        value: value.to_owned(),
    };
    Report {
        consortium: "Example consortium".to_owned(),
        task: "Loan defaults".to_owned(),
        notes: vec!["Who defaults follows thresholds and interactions (made up).".to_owned()],
        facts: vec![
            fact("Banks", "5, of which 4 must agree"),
            fact("Applications", "14,100"),
            fact("Model", "MLP 32-16, relu"),
            fact("Rounds", "1 statistics, 20 training"),
            fact("Duration", "38 s"),
        ],
        banks,
        rounds,
        measured: "on the banks' own hold-outs, added up under masks".to_owned(),
        results: vec![
            result("bank-a", Role::Alone, 0.744, 4_800),
            result("bank-b", Role::Alone, 0.707, 2_880),
            result("bank-c", Role::Alone, 0.705, 1_760),
            result("bank-d", Role::Alone, 0.678, 1_120),
            result("bank-e", Role::Alone, 0.637, 720),
            result("all five", Role::Federated, 0.793, 11_280),
            result("one machine", Role::Pooled, 0.796, 11_280),
        ],
        judged: "on 4,000 applications that no bank trained on".to_owned(),
        calibration: [0.02, 0.04, 0.06, 0.09, 0.12, 0.16, 0.2, 0.27, 0.36, 0.55]
            .iter()
            .enumerate()
            .map(|(index, &predicted)| CalibrationPoint {
                predicted,
                observed: predicted * if index % 2 == 0 { 0.92 } else { 1.07 },
                rows: 400,
            })
            .collect(),
        columns: Vec::new(),
        published: Published::default(),
        incidents: vec![
            Incident { round: 9, bank: "bank-c".to_owned(), text: "killed while it uploaded its masked update".to_owned() },
            Incident { round: 12, bank: "bank-c".to_owned(), text: "back, and caught up from the log".to_owned() },
        ],
        checkpoint: "example.org/veilsum/loan-default\n187\nQ1dKvTfbVbaBWYkRkQkJh0wLkFhTg8Yx9iTq0v2mT1E=\n\n— example.org/veilsum/loan-default \
                     y2kF0aW8c7pD3Jt9sVbXo1mLrN5uGqEhTzAiKvYwCfBd6RjP4SxMeUlH0ZnOgQaIbDt5kVw8XyRc3Ef7LmJpNs2GhUo=\n"
            .to_owned(),
        checks: vec![
            Check { passed: true, text: "187 entries rehash to the checkpoint's root".to_owned() },
            Check { passed: true, text: "21 masked sums replayed bit for bit, and 20 models derived from them".to_owned() },
        ],
    }
}

/// Also leaves the page for a reader's eye where `VEILSUM_SAMPLE_REPORT` says.
#[test]
fn the_page_tells_the_whole_story() {
    let page = sample().render().unwrap();
    if let Some(path) = std::env::var_os("VEILSUM_SAMPLE_REPORT") {
        std::fs::write(path, &page).unwrap();
    }
    for told in [
        "<title>Example consortium: Loan defaults</title>",
        "Together the banks beat every one of them alone, and win 97 % of what pooling everybody's data would bring.",
        "killed while it uploaded its masked update",
        "Q1dKvTfbVbaBWYkRkQkJh0wLkFhTg8Yx9iTq0v2mT1E=",
        "21 masked sums replayed bit for bit",
        "11,280",
    ] {
        assert!(page.contains(told), "the page lacks `{told}`");
    }
    assert_eq!(page.matches(r#"title="round 9: dropped out""#).count(), 1);
    assert_eq!(page.matches(": away\"").count(), 2);
    assert_eq!(page.matches(": took part\"").count(), 5 * 21 - 3);
    assert_eq!(page.matches("<svg").count(), 6, "three pictures at two widths");
}

#[test]
fn the_page_needs_no_network() {
    let page = sample().render().unwrap();
    for outside in ["src=", "href=", "@import", "url(", "<script", "<link"] {
        assert!(!page.contains(outside), "`{outside}` reaches outside the page");
    }
}

#[test]
fn everything_from_outside_is_escaped() {
    let attack = "</td></pre></title><script>alert(1)</script>\" onmouseover=\"x";
    let mut report = sample();
    report.consortium = attack.to_owned();
    report.task = attack.to_owned();
    report.measured = attack.to_owned();
    report.judged = attack.to_owned();
    report.notes = vec![attack.to_owned()];
    report.checkpoint = attack.to_owned();
    report.banks[0] = attack.to_owned();
    report.rounds[3].kind = attack.to_owned();
    report.rounds[3].dropped = vec![attack.to_owned()];
    report.results[0].name = attack.to_owned();
    report.incidents[0].text = attack.to_owned();
    report.incidents[0].bank = attack.to_owned();
    report.checks[0].text = attack.to_owned();
    report.checks.push(Check {
        passed: false,
        text: attack.to_owned(),
    });
    report.facts[0] = Fact {
        label: attack.to_owned(),
        value: attack.to_owned(),
    };
    let page = report.render().unwrap();
    assert!(!page.contains("<script") && !page.contains("\" onmouseover"));
    assert!(page.contains("&lt;script&gt;"));
}

#[test]
fn an_empty_task_still_gives_a_page() {
    let page = Report {
        consortium: "c".to_owned(),
        task: "t".to_owned(),
        ..Report::default()
    }
    .render()
    .unwrap();
    assert!(page.contains("<h1>t</h1>") && !page.contains("<svg") && !page.contains("<table"));
}

#[test]
fn one_round_and_values_that_are_not_numbers_can_be_drawn() {
    let mut report = sample();
    report.rounds.truncate(2);
    assert_eq!(report.render().unwrap().matches("<svg").count(), 6);
    report.rounds[1].score = Some(judged(f64::NAN, 0.3, 0.4));
    assert_eq!(
        report.render().unwrap().matches("<svg").count(),
        4,
        "the AUC curve has nothing left to show"
    );
}

#[test]
fn a_failed_check_says_so() {
    let mut report = sample();
    report.checks[1].passed = false;
    let page = report.render().unwrap();
    assert!(page.contains("<strong>Failed: </strong>21 masked sums"));
}

#[test]
fn an_aborted_round_is_told_from_absence() {
    let mut report = sample();
    report.rounds[4].survivors = 0;
    assert_eq!(
        report.render().unwrap().matches("round 5: round aborted").count(),
        5
    );
}

#[test]
fn the_headline_follows_the_numbers() {
    let of = |federated, pooled| {
        let mut results = vec![result("a", Role::Alone, 0.6, 1), result("b", Role::Alone, 0.7, 1)];
        results.push(result("f", Role::Federated, federated, 2));
        results.extend(Option::map(pooled, |auc| result("p", Role::Pooled, auc, 2)));
        Verdict::of(&results).unwrap().sentence()
    };
    // Alone 0.65 on average; (0.74 - 0.65) / (0.75 - 0.65) = 90 %.
    let most = "Together the banks beat every one of them alone, and win 90 % of what pooling everybody's data would bring.";
    assert_eq!(of(0.74, Some(0.75)), most);
    let all =
        "Together the banks beat every one of them alone, and match one model on everybody's pooled data.";
    assert_eq!(of(0.76, Some(0.75)), all);
    assert_eq!(
        of(0.68, None),
        "Together the banks beat the average bank alone, but not the strongest."
    );
    assert_eq!(
        of(0.61, Some(0.75)),
        "Together the banks do not beat the average bank alone."
    );
    assert_eq!(Verdict::of(&[result("f", Role::Federated, 0.8, 1)]), None);
}

#[test]
fn of_an_error_the_least_is_the_best() {
    let row = |name: &str, role, rmse| TableRow {
        name: name.to_owned(),
        role,
        score: numbers(rmse),
        rows: 9,
    };
    let mut report = sample();
    report.results = vec![
        row("a", Role::Alone, 0.12),
        row("b", Role::Alone, 0.1),
        row("all rows pooled", Role::Pooled, 0.08),
        row("federated", Role::Federated, 0.09),
    ];
    for round in &mut report.rounds {
        round.score = Some(numbers(0.12 - 0.001 * round.round as f64));
    }
    let verdict = Verdict::of(&report.results).unwrap();
    assert_eq!((verdict.alone_worst, verdict.alone_best), (0.12, 0.1));
    // Alone 0.11 on average; (0.11 - 0.09) / (0.11 - 0.08) = 67 %.
    let page = report.render().unwrap();
    for told in [
        "Together the banks beat every one of them alone, and win 67 % of what pooling everybody's data would bring.",
        "RMSE and MAE: lower is better; explained variance: higher.",
        "RMSE, lower is better",
        "0.0200 better than a bank alone",
        "from 0.1200 to 0.1000",
    ] {
        assert!(page.contains(told), "the page lacks `{told}`");
    }
}

#[test]
fn a_coin_is_called_a_coin() {
    let near = vec![
        result("a", Role::Alone, 0.51, 1),
        result("f", Role::Federated, 0.53, 2),
        result("p", Role::Pooled, 0.54, 2),
    ];
    let sentence = Verdict::of(&near).unwrap().sentence();
    assert!(sentence.contains("coin"), "{sentence}");
}
