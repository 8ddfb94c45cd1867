//! A model in another program: what onnxruntime makes of the file is what the server answers.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::http::{Served, proven};
use crate::scene::{Scene, has};

const INCOMES: [f64; 3] = [0.0, 120.0, 870.0];
const HOMES: [&str; 3] = ["own", "rent", "own"];

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// What onnxruntime gives for encoded rows.
fn scored(model: &Path, rows: &[Vec<f64>]) -> Vec<f64> {
    let made = Command::new(in_repository("scripts/setup-python"))
        .arg("test")
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut child = Command::new(String::from_utf8(made.stdout).unwrap().trim())
        .arg(in_repository("client/src/export/scores.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let cases = json!([{ "name": "tiny", "model": model, "rows": rows }]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(cases.to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "scores.py failed, its words are above");
    let answers: Value = serde_json::from_slice(&output.stdout).unwrap();
    numbers(&answers["tiny"]["scores"])
}

fn numbers(list: &Value) -> Vec<f64> {
    let list = list.as_array().unwrap().iter();
    list.map(|number| number.as_f64().unwrap()).collect()
}

/// The rows as model.json and task.toml say that they are encoded, by hand: income from 0 to 1000 on `[0, 1]`, standardised; home one-hot.
fn encoded(model: &Value) -> Vec<Vec<f64>> {
    let inputs = model["inputs"].as_array().unwrap();
    let names: Vec<_> = inputs
        .iter()
        .map(|input| input["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["income", "home = own", "home = rent"]);
    let [mean, std] = ["mean", "std"].map(|key| inputs[0][key].as_f64().unwrap());
    let row = |(income, home): (f64, &str)| {
        let is = |value| f64::from(u8::from(home == value));
        vec![(income / 1000.0 - mean) / std, is("own"), is("rent")]
    };
    INCOMES.into_iter().zip(HOMES).map(row).collect()
}

#[test]
fn an_exported_model_gives_the_scores_of_the_server_and_says_where_it_comes_from() {
    let scene = Scene::enrolled(3, 60);
    scene.run();
    proven(&scene, 5);
    scene.finish();
    let served = Served::start(&scene, "bank-1");
    served.says("model tiny: version 5 is in service");
    let rows = json!([
        { "name": "income", "datatype": "FP64", "shape": [3], "data": INCOMES },
        { "name": "home", "datatype": "BYTES", "shape": [3], "data": HOMES },
    ]);
    let rows = rows.to_string();
    let answer = served.infer(
        "/v2/models/tiny/infer",
        rows.trim_start_matches('[').trim_end_matches(']'),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected = numbers(&answer.body["outputs"][0]["data"]);
    assert_eq!(expected.len(), 3);

    let export = |format: &str, more: &[&str], code: i32| {
        let words = [
            "model", "export", "tiny", "--dir", "bank-1", "--format", format, "--out",
        ];
        scene.client(&[&words, more].concat(), code)
    };
    for (format, file) in [
        ("safetensors", "model.safetensors"),
        ("onnx", "model.onnx"),
        ("torchscript", "model.pt"),
    ] {
        let told = export(format, &[format], 0);
        has(&told, &["version  5", "proven   the result is entry ", file]);
        let folder = scene.folder(format);
        let mut names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let receipt = "round-000005-result.tlog-proof";
        assert_eq!(
            names,
            ["card.json", "card.md", "model.json", file, receipt, "task.toml"]
        );
        let mode = fs::metadata(folder.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "nothing in it is the bank's own");
        let kept = scene.folder("bank-1/state/receipts").join(receipt);
        assert_eq!(fs::read(folder.join(receipt)).unwrap(), fs::read(kept).unwrap());
        let card: Value = serde_json::from_slice(&fs::read(folder.join("card.json")).unwrap()).unwrap();
        let model: Value = serde_json::from_slice(&fs::read(folder.join("model.json")).unwrap()).unwrap();
        assert_eq!(card["model"]["file_sha256"], model["model_sha256"]);
        assert_eq!(card["model"]["state_sha256"], model["state_sha256"]);
        assert_eq!(
            (&card["proof"]["proven"], &card["proof"]["round"]),
            (&json!(true), &json!(5))
        );
        assert_eq!(
            (&card["training"]["rounds"], &model["version"]),
            (&json!(3), &json!(3))
        );
        assert_eq!(card["training"]["most_banks_in_sum"], 3);
        assert_eq!(card["metrics"]["of"], "this model");
        assert!(
            card["metrics"]["figures"]["auc"].as_f64().unwrap() > 0.5,
            "{card}"
        );
        // About a fifth of 60 rows is held out in each bank.
        let importance = &card["importance"];
        let explained = importance["rows"].as_u64().unwrap();
        assert!((3..=60).contains(&explained), "{importance}");
        let columns = importance["columns"].as_object().unwrap();
        assert_eq!(columns.keys().collect::<Vec<_>>(), ["home", "income"]);
        assert!(columns["income"].as_f64().unwrap() > 0.0, "{importance}");
        assert_eq!(
            (
                &card["privacy"]["differential_privacy"],
                &card["privacy"]["epsilon"]
            ),
            (&json!("none"), &Value::Null)
        );
        let page = fs::read_to_string(folder.join("card.md")).unwrap();
        has(
            &page,
            &[
                "# Model tiny, version 5",
                "3 training rounds",
                "No differential privacy",
                "income",
                "AUC",
            ],
        );
        for text in [page, card.to_string()] {
            assert!(!text.contains("bank-"), "banks are counted, never named: {text}");
        }
    }
    // The daemon's own file, to the last byte.
    let own = fs::read(scene.folder("bank-1/models/tiny/model.safetensors")).unwrap();
    assert_eq!(
        fs::read(scene.folder("safetensors/model.safetensors")).unwrap(),
        own
    );

    let model: Value = serde_json::from_slice(&fs::read(scene.folder("onnx/model.json")).unwrap()).unwrap();
    let found = scored(&scene.folder("onnx/model.onnx"), &encoded(&model));
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }

    // Over an earlier export, in another form; not over anything else.
    export("onnx", &["torchscript"], 0);
    assert!(!scene.folder("torchscript/model.pt").exists());
    fs::write(scene.folder("torchscript/mine.txt"), "mine").unwrap();
    has(&export("onnx", &["torchscript"], 2), &["mine.txt", "--out"]);
    has(&export("onnx", &["bank-1"], 2), &["an earlier export of tiny"]);
    // A version that was in service, and one that never was.
    export("onnx", &["again", "--version", "5"], 0);
    has(
        &export("onnx", &["none", "--version", "77"], 2),
        &["\"77\"", "expected 5"],
    );

    // Without its receipt it goes nowhere, unless the bank says why.
    fs::remove_file(scene.folder("bank-1/state/receipts/round-000005-result.tlog-proof")).unwrap();
    has(
        &export("onnx", &["unproven"], 1),
        &["no receipt in", "unproven_models"],
    );
    assert!(!scene.folder("unproven").exists());
    let policy = scene.folder("bank-1/policy.toml");
    let text = fs::read_to_string(&policy).unwrap();
    let reason = "an exercise without receipts";
    fs::write(
        &policy,
        format!("{text}\n[serving]\nunproven_models = \"{reason}\"\n"),
    )
    .unwrap();
    has(
        &export("onnx", &["unproven"], 0),
        &["warning: the model is NOT PROVEN"],
    );
    let page = fs::read_to_string(scene.folder("unproven/card.md")).unwrap();
    has(
        &page,
        &[
            "**NOT PROVEN**",
            reason,
            "this bank's record of round 5, which nothing proves",
        ],
    );
    assert_eq!(served.stop(), Some(0));
}
