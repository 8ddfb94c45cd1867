//! What was decided is written down, can be read again by who has the key, and tells when the rows are no longer those that the model learned from.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::http::{Served, proven};
use crate::scene::{Scene, has, told};

/// Rows of a request.
const ROWS: u32 = 50;

/// The bank's own rows once more, as `scene::table` makes those of bank 1, or others: richer, and all of them renting.
fn asked(served: &Served, number: u32, drifts: bool) {
    let rows = number * ROWS..(number + 1) * ROWS;
    let income = |row: u32| {
        if drifts {
            900 + row % 100
        } else {
            (row * 37 + 101) % 1000
        }
    };
    let home = |row: u32| {
        if drifts || row.is_multiple_of(3) {
            "rent"
        } else {
            "own"
        }
    };
    let body = json!({
        "id": format!("request-{number}"),
        "inputs": [
            {"name": "income", "datatype": "FP64", "shape": [ROWS], "data": rows.clone().map(income).collect::<Vec<_>>()},
            {"name": "home", "datatype": "BYTES", "shape": [ROWS], "data": rows.map(home).collect::<Vec<_>>()},
        ],
    });
    let answer = served.ask("POST", "/v2/models/tiny/infer", &body.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// What came true of the rows that do not drift, by the rule of `scene::table`, and who people are.
fn outcomes(requests: u32) -> String {
    let mut text = "id,row,label,age\n".to_owned();
    for row in 0..requests * ROWS {
        let late = u32::from((row * 37 + 101) % 1000 < 300) ^ u32::from(row.is_multiple_of(11));
        let age = if row.is_multiple_of(2) { "young" } else { "old" };
        text.push_str(&format!("request-{},{},{late},{age}\n", row / ROWS, row % ROWS));
    }
    text
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn lines(scene: &Scene, arguments: &[&str], code: i32) -> Vec<Value> {
    let output = scene.output(&scene.programs.client, arguments);
    told(&output, code);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn log_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn decisions_are_read_again_and_drift_is_told() {
    let scene = Scene::enrolled(4, 60);
    scene.run();
    proven(&scene, 6);
    scene.finish();
    let bank = scene.folder("bank-1");
    let client =
        |arguments: &[&str], code: i32| scene.client(&[arguments, &["--dir", "bank-1"]].concat(), code);
    has(
        &client(&["decisions", "list"], 2),
        &["serve.toml", "found no `decisions`"],
    );
    fs::write(
        bank.join("serve.toml"),
        "listen = \"127.0.0.1:0\"\ndecisions = { folder = \"decisions\" }\n",
    )
    .unwrap();
    has(
        &client(&["decisions", "list"], 1),
        &["there is no log of decisions yet"],
    );
    let served = Served::start(&scene, "bank-1");
    served.says("model tiny: version 6 is in service");
    has(
        &client(&["monitor", "tiny"], 1),
        &["no decision of model tiny is in the log"],
    );
    has(&client(&["decisions", "list"], 0), &["no such decision"]);

    // While the server writes, what stands in the log so far is read.
    (0..6).for_each(|number| asked(&served, number, false));
    let calm = ["monitor", "tiny", "--window", "100"];
    has(
        &client(&calm, 0),
        &[
            "model tiny, version 6: steady",
            "300 decisions beside ",
            "rows 201-300",
            "no alert",
        ],
    );
    (6..9).for_each(|number| asked(&served, number, true));
    assert_eq!(served.stop(), Some(0));
    listed(&scene, &bank, &client);
    watched(&scene, &bank, &client);
    damaged(&scene, &bank, &client);
}

/// Lists and single requests.
fn listed(scene: &Scene, bank: &Path, client: &dyn Fn(&[&str], i32) -> String) {
    let all = lines(scene, &["decisions", "list", "--dir", "bank-1", "--json"], 0);
    assert_eq!(all.len(), 9);
    assert_eq!(
        (&all[0]["id"], &all[0]["rows"]),
        (&"request-0".into(), &50.into())
    );
    assert_eq!(
        (&all[8]["model"], &all[8]["version"]),
        (&"tiny".into(), &"6".into())
    );
    has(
        &client(&["decisions", "list"], 0),
        &["request-8", "9 requests, 450 rows"],
    );
    for none in [
        ["--model", "other"],
        ["--caller", "nobody"],
        ["--until", "2020-01-01"],
        ["--from", "2999-01-01"],
    ] {
        has(
            &client(&[&["decisions", "list"], &none[..]].concat(), 0),
            &["no such decision"],
        );
    }
    has(
        &client(&["decisions", "list", "--from", "soon"], 2),
        &["--from", "soon", "2026-07-27"],
    );

    let shown = client(&["decisions", "show", "request-0", "--rows", "rows.csv"], 0);
    has(
        &shown,
        &[
            "model    tiny version 6",
            "row 1\n",
            "income: 101",
            "home: rent",
            "= probability: 0.",
        ],
    );
    assert!(!shown.contains("row 51"), "{shown}");
    let whole = lines(
        scene,
        &["decisions", "show", "request-0", "--dir", "bank-1", "--json"],
        0,
    );
    assert_eq!(whole[0]["inputs"][0]["data"][1], 138.0);
    assert_eq!(whole[0]["outputs"][0]["shape"], json!([50]));
    assert_eq!(whole[0]["model_hash"].as_str().unwrap().len(), 64);
    let rows = scene.folder("rows.csv");
    assert_eq!(mode(&rows), 0o600);
    let text = fs::read_to_string(&rows).unwrap();
    assert!(text.starts_with("income,home\n101,rent\n138,own\n"), "{text}");
    has(
        &client(&["explain", "tiny", "rows.csv"], 0),
        &["row 50: score 0."],
    );
    has(
        &client(&["decisions", "show", "request-9"], 1),
        &["no decision with the id \"request-9\""],
    );
    has(
        &client(&["decisions", "verify"], 0),
        &["1 files, 9 records", "nothing is torn or missing"],
    );
    assert!(bank.join("decisions").is_dir());
}

/// The model in service beside the bank's own rows.
fn watched(scene: &Scene, bank: &Path, client: &dyn Fn(&[&str], i32) -> String) {
    let monitor =
        |more: &[&str], code: i32| client(&[&["monitor", "tiny", "--window", "100"], more].concat(), code);
    let json = |more: &[&str], code: i32| -> Value {
        let words = [
            &["monitor", "tiny", "--window", "100", "--dir", "bank-1", "--json"],
            more,
        ]
        .concat();
        lines(scene, &words, code).remove(0)
    };
    let found = json(&[], 1);
    let levels: Vec<&Value> = found["windows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|window| &window["level"])
        .collect();
    // The last has 50 rows, fewer than are judged.
    assert_eq!(
        levels,
        [
            &json!("steady"),
            &json!("steady"),
            &json!("steady"),
            &json!("act"),
            &Value::Null
        ]
    );
    assert_eq!((&found["level"], &found["rows"]), (&"act".into(), &450.into()));
    let names: Vec<&Value> = found["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| &column["name"])
        .collect();
    assert_eq!(names, ["income", "home"]);
    let about: Vec<&str> = found["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| alert["about"].as_str().unwrap())
        .collect();
    assert_eq!(about, ["score", "income", "home"], "{found}");
    // Only what is new may count, for a timer.
    monitor(&["--latest", "1"], 0);
    has(
        &monitor(&[], 1),
        &["act    income in rows 301-400: PSI ", "largest PSI"],
    );

    fs::write(scene.folder("outcomes.csv"), outcomes(6) + "nobody,0,1,old\n").unwrap();
    let judged = [
        "--outcomes",
        "outcomes.csv",
        "--group",
        "home",
        "--group",
        "age",
        "--adverse",
        "higher",
    ];
    let found = json(&judged, 1);
    let quality = &found["quality"];
    assert_eq!(quality["rows"], 300);
    let is_late = |line: &&str| line.split(',').nth(2) == Some("1");
    let late = outcomes(6).lines().filter(is_late).count();
    let share = quality["observed"].as_f64().unwrap();
    assert!((share - late as f64 / 300.0).abs() < 1e-9, "{quality}");
    assert!(quality["figures"]["auc"].as_f64().unwrap() > 0.7, "{quality}");
    assert_eq!(found["windows"][3]["quality"], Value::Null);
    assert!(
        found["remarks"]
            .to_string()
            .contains("of no decision that was looked at: 1.")
    );
    let groups = |at: usize| {
        let group = &found["groups"][at];
        let names = group["whole"]["groups"].as_array().unwrap().iter();
        let names: Vec<String> = names
            .map(|share| share["group"].as_str().unwrap().to_owned())
            .collect();
        (group["column"].as_str().unwrap().to_owned(), names)
    };
    let named = |column: &str, names: [&str; 2]| (column.to_owned(), names.map(str::to_owned).to_vec());
    assert_eq!(groups(0), named("home", ["own", "rent"]));
    assert_eq!(groups(1), named("age", ["old", "young"]));

    monitor(&[&judged[..], &["--html", "monitor.html"]].concat(), 1);
    let page = scene.folder("monitor.html");
    assert_eq!(mode(&page), 0o600);
    let text = fs::read_to_string(&page).unwrap();
    has(
        &text,
        &[
            "tiny, version 6",
            "Stability over time",
            "score: reference and decisions",
            "Calibration",
            "Impact ratio over time",
            "Favoured by group of age",
        ],
    );
    assert!(text.contains("default-src 'none'") && !text.contains("<script") && !text.contains("src="));
    if let Some(folder) = std::env::var_os("VEILSUM_PAGES") {
        fs::copy(&page, Path::new(&folder).join("monitor-tiny.html")).unwrap();
    }

    has(
        &monitor(&["--version", "3"], 2),
        &["found the version \"3\"", "6 (450 rows)"],
    );
    has(&monitor(&["--group", "boat"], 2), &["--group boat"]);
    has(
        &monitor(&["--group", "income"], 2),
        &["--group income", "different values"],
    );
    has(
        &monitor(&["--threshold", "1.5"], 2),
        &["--threshold", "0.001 to 0.999"],
    );
    fs::write(
        scene.folder("outcomes.csv"),
        "id,label\nrequest-0,1\nrequest-0,0\n",
    )
    .unwrap();
    has(
        &monitor(&["--outcomes", "outcomes.csv"], 2),
        &["line 3", "request-0", "again"],
    );
    let limits = bank.join("monitor.toml");
    fs::write(&limits, "psi = { watch = 90, act = 95 }\nks = { p = 0 }\n").unwrap();
    has(&monitor(&[], 0), &["no alert"]);
    fs::write(&limits, "psi = { watch = 0.5, act = 0.1 }\n").unwrap();
    has(&monitor(&[], 2), &["monitor.toml", "act not below watch"]);
    fs::remove_file(&limits).unwrap();
}

/// A log that is not whole, and a key that is not there.
fn damaged(scene: &Scene, bank: &Path, client: &dyn Fn(&[&str], i32) -> String) {
    for _ in 0..2 {
        let served = Served::start(scene, "bank-1");
        served.says("is in service");
        assert_eq!(served.stop(), Some(0));
    }
    has(&client(&["decisions", "verify"], 0), &["3 files, 9 records"]);
    let files = log_files(&bank.join("decisions"));
    fs::remove_file(&files[1]).unwrap();
    let first = fs::read(&files[0]).unwrap();
    has(
        &client(&["decisions", "verify"], 1),
        &["MISSING: file 2 is not there", "something is torn or missing"],
    );
    // The closing record is cut off; then some bytes of the last record as well.
    fs::write(&files[0], &first[..first.len() - 24]).unwrap();
    has(&client(&["decisions", "verify"], 1), &["9 records  NOT CLOSED"]);
    fs::write(&files[0], &first[..first.len() - 100]).unwrap();
    has(
        &client(&["decisions", "verify"], 1),
        &["8 records  TORN at byte "],
    );
    has(
        &client(&["decisions", "list"], 0),
        &["torn at byte", "8 requests, 400 rows"],
    );
    let states = lines(scene, &["decisions", "verify", "--dir", "bank-1", "--json"], 1);
    assert_eq!(
        (&states[0]["state"], &states[2]["missing"]),
        (&"torn".into(), &json!([[2, 2]]))
    );

    let key = bank.join("identity/decisions.key");
    let kept = fs::read(&key).unwrap();
    fs::write(&key, "00".repeat(32)).unwrap();
    has(
        &client(&["decisions", "list"], 1),
        &["decisions.key", "was written under this key"],
    );
    fs::write(&key, "none").unwrap();
    has(&client(&["decisions", "list"], 2), &["no 32 bytes in hex"]);
    fs::remove_file(&key).unwrap();
    has(
        &client(&["monitor", "tiny"], 1),
        &["decisions.key", "is not there", "backup"],
    );
    fs::write(&key, kept).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    has(&client(&["decisions", "list"], 2), &["0644", "chmod 600"]);
}
