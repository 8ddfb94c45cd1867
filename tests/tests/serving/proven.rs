//! A model that the log does not prove is not served, unless the bank's own policy says why.

use std::fs;

use crate::http::Served;
use crate::scene::{Scene, has};

#[test]
fn a_model_is_proven_by_its_receipt_or_not_served() {
    let scene = Scene::enrolled(2, 60);
    scene.client(&["serve", "--dir", "bank-1"], 2);
    scene.run();
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
