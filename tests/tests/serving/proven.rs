//! A model that the log does not prove is not served, unless the bank's own policy says why.

use std::fs;

use crate::http::{Served, proven};
use crate::scene::{Scene, eventually, has};

#[test]
fn a_model_is_proven_by_its_receipt_or_not_served() {
    let scene = Scene::enrolled(2, 60);
    scene.client(&["serve", "--dir", "bank-1"], 2);
    scene.run();
    proven(&scene, 4);
    scene.finish();
    let told = scene.client(&["model", "list", "--dir", "bank-1"], 0);
    has(&told, &["tiny", "version 4", "cosigned by bank-"]);
    let told = scene.client(&["model", "show", "tiny", "--dir", "bank-1"], 0);
    has(
        &told,
        &[
            "round 4, step 3 of the task, the sum of 3 banks",
            "proven   the result is entry ",
            "round-000004-result.tlog-proof",
        ],
    );

    // The receipt is damaged: a byte of the signed head.
    let receipt = scene.folder("bank-1/state/receipts/round-000004-result.tlog-proof");
    let text = fs::read_to_string(&receipt).unwrap();
    let (proof, head) = text.split_once("\n\n").unwrap();
    fs::write(
        &receipt,
        format!("{proof}\n\n{}", head.replacen("test", "tesx", 1)),
    )
    .unwrap();
    let told = scene.client(&["model", "show", "tiny", "--dir", "bank-1"], 1);
    has(&told, &["NOT PROVEN", "round-000004-result.tlog-proof"]);
    let served = Served::start(&scene, "bank-1");
    served.says("the model of task tiny is not served");
    assert_eq!(served.get("/v2/health/ready").status, 503);
    assert_eq!(served.get("/v2/models/tiny").status, 404);
    assert_eq!(served.stop(), Some(0));

    // Without a receipt, and with a reason.
    fs::remove_file(&receipt).unwrap();
    has(
        &scene.client(&["model", "show", "tiny", "--dir", "bank-1"], 1),
        &["no receipt in", "let it run until it has followed the log"],
    );
    let policy = scene.folder("bank-1/policy.toml");
    let text = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, format!("{text}\n[serving]\nunproven_models = \"\"\n")).unwrap();
    let served = Served::start(&scene, "bank-1");
    served.says("expected the reason why models are served");
    assert_eq!(served.stop(), Some(0));
    fs::write(
        &policy,
        format!("{text}\n[serving]\nunproven_models = \"an exercise without receipts\"\n"),
    )
    .unwrap();
    let served = Served::start(&scene, "bank-1");
    served.says("model tiny: version step-4 is in service");
    assert_eq!(served.get("/v2/health/ready").status, 200);
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn an_application_needs_its_key_and_loses_it_without_a_restart() {
    let scene = Scene::enrolled(1, 60);
    scene.run();
    proven(&scene, 3);
    scene.finish();
    let key = |name: &str| -> (String, String) {
        let told = scene.output(&scene.programs.client, &["model", "key", name, "--json"]);
        let made: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        (text("key"), text("lines"))
    };
    let ((risk, of_risk), (sales, of_sales)) = (key("risk"), key("sales"));
    let bank = scene.folder("bank-1");
    fs::write(
        bank.join("serve.toml"),
        "listen = \"127.0.0.1:0\"\nkeys = \"callers.toml\"\n",
    )
    .unwrap();
    let callers = bank.join("callers.toml");
    fs::write(&callers, format!("{of_risk}{of_sales}")).unwrap();
    let served = Served::start(&scene, "bank-1");
    served.says("is in service");
    let asked = |key: &str| {
        served.with(
            "GET",
            "/v2/models/tiny",
            &format!("Authorization: Bearer {key}\r\n"),
            "",
        )
    };
    assert_eq!(served.get("/v2/models/tiny").status, 401);
    assert_eq!((asked(&risk).status, asked(&sales).status), (200, 200));
    fs::write(&callers, of_risk).unwrap();
    eventually("the key is taken away", || {
        (asked(&sales).status == 401).then_some(())
    });
    fs::write(&callers, "[[key]]\n").unwrap();
    served.says("callers.toml");
    assert_eq!(asked(&risk).status, 200, "who was let in before still is");
    assert_eq!(served.stop(), Some(0));
}
