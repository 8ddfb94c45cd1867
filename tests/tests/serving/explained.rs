//! Why a model gives a row its score, from the command line.

use std::fs;

use serde_json::Value;

use crate::http::{Served, proven};
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
        let moved = row["features"].as_array().unwrap();
        let sum: f64 = moved.iter().map(|moved| number(&moved["amount"])).sum();
        let off = number(&row["score"]) - number(&row["base"]) - sum;
        assert!(off.abs() < 1e-9, "{row}");
        assert_eq!((moved.len(), &row["exact"]), (2, &true.into()), "{row}");
    }
    // The label depends on a low income; which home somebody has says nothing of it.
    let first = &report["rows"][0];
    assert_eq!(first["features"][0]["name"], "income", "{first}");
    assert_eq!(first["features"][0]["value"], "12");
    assert!(first["features"][0]["amount"].as_f64().unwrap() > 0.0, "{first}");
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
    // An application that asks for the same gets the same, but for what the interface rounds.
    let served = Served::start(&scene, "bank-1");
    served.says("version 6 is in service");
    let body = r#"{"explain":{"coalitions":4096,"threshold":0.5},"inputs":[{"name":"income","datatype":"FP64","shape":[2],"data":[12,990]},{"name":"home","datatype":"BYTES","shape":[2],"data":["rent","own"]}]}"#;
    let answer = served.ask("POST", "/v2/models/tiny/explain", body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["parameters"]["round"], 6);
    for (asked, printed) in [0, 1].map(|row| (&answer.body["explanations"][row], &report["rows"][row])) {
        assert_eq!(
            (&asked["score"], &asked["features"], &asked["reasons"]),
            (&printed["score"], &printed["features"], &printed["reasons"])
        );
        assert!(asked["counterfactual"]["outcome"].is_string(), "{asked}");
    }
    let wrong = body
        .replace("threshold", "protected")
        .replace("0.5", "[\"incom\"]");
    let refused = served.ask("POST", "/v2/models/tiny/explain", &wrong);
    assert_eq!(refused.status, 400, "{refused:?}");
    has(
        refused.body["error"].as_str().unwrap(),
        &["incom", "income, home"],
    );
    assert_eq!(served.stop(), Some(0));
    // A table that cannot be read is told to the application without a cell of it.
    let table = scene.folder("bank-1/data.csv");
    let good = fs::read_to_string(&table).unwrap();
    fs::write(&table, format!("{good}7654321,own,0\n")).unwrap();
    let served = Served::start(&scene, "bank-1");
    served.says("version 6 is in service");
    let refused = served.ask("POST", "/v2/models/tiny/explain", body);
    assert_eq!(refused.status, 503, "{refused:?}");
    let words = refused.body["error"].as_str().unwrap();
    has(words, &["cannot be read", "the server's trace"]);
    assert!(
        !words.contains("7654321") && refused.head.contains("retry-after"),
        "{refused:?}"
    );
    served.says("7654321");
    assert_eq!(served.stop(), Some(0));
    fs::write(&table, good).unwrap();
    for method in ["permutation", "gradients", "lime"] {
        has(&explain(&["--method", method], 0), &["row 1: score 0.", "income"]);
    }
    has(
        &explain(&["--method", "lime", "--html", "why.html"], 2),
        &["weights of a local model"],
    );
    has(&explain(&["--threshold", "0.01"], 0), &["otherwise: "]);
    has(
        &explain(&["--method", "guess"], 2),
        &["kernel, permutation, gradients, lime"],
    );
    let shielded = explain(&["--protected", "income"], 0);
    assert!(!shielded.contains("reason: income"), "{shielded}");
    has(&shielded, &["not given as a reason"]);
    has(&explain(&["--output", "other"], 2), &["other", "late"]);
    fs::write(&rows, "home,income\nboat,1\n").unwrap();
    has(&explain(&[], 2), &["row 1", "home", "boat"]);
    fs::write(&rows, "home\nown\n").unwrap();
    has(&explain(&[], 2), &["no column \"income\""]);
}
