//! Why a model gives a row its score, from the command line.

use std::fs;

use serde_json::Value;

use crate::http::proven;
use crate::scene::{Scene, has, told};

#[test]
fn what_the_columns_did_adds_up_to_the_score_and_reasons_are_in_words() {
    let scene = Scene::enrolled(4, 60);
    scene.run();
    proven(&scene, 6);
    scene.finish();
    let rows = scene.folder("rows.csv");
    fs::write(&rows, "home,late,income,more\nrent,0,12,x\nown,0,990,y\n").unwrap();
    let explain = |more: &[&str], code: i32| {
        let words = [&["explain", "tiny", "rows.csv", "--dir", "bank-1"], more].concat();
        told(&scene.output(&scene.programs.client, &words), code)
    };
    let output = scene.output(
        &scene.programs.client,
        &["explain", "tiny", "rows.csv", "--dir", "bank-1", "--json"],
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["model"], &report["version"]),
        (&"tiny".into(), &"6".into())
    );
    for row in report["rows"].as_array().unwrap() {
        let number = |value: &Value| value.as_f64().unwrap();
        let moved = row["moved"].as_array().unwrap();
        let sum: f64 = moved.iter().map(|moved| number(&moved["by"])).sum();
        let off = number(&row["score"]) - number(&row["base"]) - sum;
        assert!(off.abs() < 1e-9, "{row}");
        assert_eq!((moved.len(), &row["exact"]), (2, &true.into()), "{row}");
    }
    // The label depends on a low income; which home somebody has says nothing of it.
    let first = &report["rows"][0];
    assert_eq!(first["moved"][0]["column"], "income", "{first}");
    assert_eq!(first["moved"][0]["value"], "12");
    assert!(first["moved"][0]["by"].as_f64().unwrap() > 0.0, "{first}");
    has(&explain(&[], 0), &["row 1: score 0.", "reason: ", "income "]);
    explain(&["--html", "why.html"], 0);
    let page = fs::read_to_string(scene.folder("why.html")).unwrap();
    has(
        &page,
        &[
            "<svg",
            "tiny, version 6",
            "Row 1",
            "probability of late",
            "income",
            "2 rows together",
        ],
    );
    // The policy lets nothing be fetched, and there is nothing that would be.
    assert!(page.contains("default-src 'none'") && !page.contains("<script") && !page.contains("src="));
    let shielded = explain(&["--protected", "income"], 0);
    assert!(!shielded.contains("reason: income"), "{shielded}");
    has(&shielded, &["not given as a reason"]);
    has(&explain(&["--output", "other"], 2), &["other", "late"]);
    fs::write(&rows, "home,income\nboat,1\n").unwrap();
    has(&explain(&[], 2), &["row 1", "home", "boat"]);
    fs::write(&rows, "home\nown\n").unwrap();
    has(&explain(&[], 2), &["no column \"income\""]);
}
