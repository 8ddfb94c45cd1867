//! From a round to an answer: each published model takes the place of the one before it, and every answer names what it comes from.

use std::fs;

use serde_json::json;
use veilsum_examples::demo::consortium::COORDINATOR;

use crate::http::{Served, proven};
use crate::scene::{Scene, eventually};

const ROWS: &str = r#"{"name":"income","datatype":"FP64","shape":[2],"data":[120,870]},{"name":"home","datatype":"BYTES","shape":[2],"data":["rent","own"]}"#;

fn asked(served: &Served) -> (String, Vec<f64>) {
    let answer = served.infer("/v2/models/tiny/infer", ROWS);
    assert_eq!(answer.status, 200, "{answer:?}");
    let version = answer.body["model_version"].as_str().unwrap().to_owned();
    assert!(answer.head.contains("x-veilsum-model-hash: "), "{answer:?}");
    let output = &answer.body["outputs"][0];
    assert_eq!(
        (output["name"].as_str(), &output["shape"]),
        (Some("probability"), &json!([2]))
    );
    let scores = output["data"].as_array().unwrap().iter();
    (version, scores.map(|score| score.as_f64().unwrap()).collect())
}

#[test]
fn models_come_with_the_rounds_and_every_answer_names_its_own() {
    let scene = Scene::enrolled(9, 60);
    scene.run();
    scene.results("the first rounds", 2);
    let task = |wish: &str| scene.operator(&["task", wish, "--dir", COORDINATOR, "tiny"], 0);
    task("pause");
    scene.wait("an idle consortium", |status| status.round.is_none());
    let served = Served::start(&scene, "bank-1");
    served.says("model tiny: version ");
    assert_eq!(served.get("/v2/health/ready").status, 200);
    let metadata = served.get("/v2/models/tiny").body;
    assert_eq!(metadata["inputs"][0]["name"], "income");
    assert_eq!(metadata["inputs"][1]["datatype"], "BYTES");
    // No answer is lost while versions change under it.
    let (first, before) = asked(&served);
    task("resume");
    let last = eventually("another version", || {
        let (version, scores) = asked(&served);
        assert!(
            scores.iter().all(|score| (0.0..=1.0).contains(score)),
            "{scores:?}"
        );
        (version != first).then_some(version)
    });
    assert!(last.parse::<u64>().unwrap() > first.parse::<u64>().unwrap());
    // The server keeps ten versions, so that the first one seen is among them at the end. All banks end with the same model, and so with the same scores.
    served.says("model tiny: version 11 is in service");
    let ended = eventually("the last version", || {
        let (version, scores) = asked(&served);
        (version == "11").then_some(scores)
    });
    proven(&scene, 11);
    scene.finish();
    let other = Served::start(&scene, "bank-2");
    assert_eq!(asked(&other), ("11".to_owned(), ended));

    // Back to an earlier version, and again after a restart, which the server is told by its file.
    let settings = scene.folder("bank-1").join("serve.toml");
    let plain = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("{plain}[models.tiny]\npin = \"{first}\"\n")).unwrap();
    let pinned =
        |served: &Served| eventually("the pinned version", || (asked(served).0 == first).then_some(()));
    pinned(&served);
    assert_eq!(served.stop(), Some(0));
    let served = Served::start(&scene, "bank-1");
    pinned(&served);
    assert_eq!(asked(&served), (first.clone(), before));
    fs::write(&settings, format!("{plain}[models.tiny]\npin = \"77\"\n")).unwrap();
    served.says("[models.tiny]");
    fs::write(&settings, plain).unwrap();
    eventually("the latest version", || (asked(&served).0 == "11").then_some(()));

    for (inputs, parts) in [
        (
            r#"{"name":"income","datatype":"FP64","shape":[1],"data":[1001]},{"name":"home","datatype":"BYTES","shape":[1],"data":["own"]}"#,
            ["income", "1001"],
        ),
        (
            r#"{"name":"income","datatype":"FP64","shape":[1],"data":[10]},{"name":"home","datatype":"BYTES","shape":[1],"data":["boat"]}"#,
            ["home", "boat"],
        ),
        (
            r#"{"name":"income","datatype":"FP64","shape":[1],"data":[10]}"#,
            ["home", "income"],
        ),
    ] {
        let answer = other.infer("/v2/models/tiny/infer", inputs);
        assert_eq!(answer.status, 400, "{answer:?}");
        let words = answer.body["error"].as_str().unwrap();
        for part in parts {
            assert!(words.contains(part), "{part}: {words}");
        }
    }
    assert_eq!(other.infer("/v2/models/none/infer", ROWS).status, 404);
    assert_eq!(other.infer("/v2/models/tiny/versions/99/infer", ROWS).status, 404);
    assert_eq!((served.stop(), other.stop()), (Some(0), Some(0)));
}
