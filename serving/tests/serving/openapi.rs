//! The document of the interface held against the server, by requests that schemathesis makes of it.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use tokio::task::spawn_blocking;
use veilsum_serving::{
    Amount, Batch, Callers, Card, Data, Datatype, Explanation, Keys, Model, NotExplained, Provenance,
    Question, RowProblem, Tensor, TensorSpec,
};

use crate::toy::{HASH, Linear, one_row};
use crate::wire::{Running, settings};

/// Adds two columns, for which any number is good: the document's example gets a score.
struct Adds(Card);

impl Adds {
    fn new() -> Self {
        let mut amount = TensorSpec::column("amount", Datatype::Fp64);
        amount.missing = true;
        Self(Card {
            // Before the other model in the order of names, so that the example is of this one.
            name: "adds".to_owned(),
            version: "1".to_owned(),
            // Not all is known of every model.
            provenance: Provenance {
                model_hash: Some(HASH.to_owned()),
                ..Provenance::default()
            },
            inputs: vec![amount, TensorSpec::column("count", Datatype::Int64)],
            outputs: vec![TensorSpec::column("sum", Datatype::Fp64)],
        })
    }
}

impl Model for Adds {
    fn card(&self) -> &Card {
        &self.0
    }

    fn score(&self, rows: &Batch) -> Result<Vec<Tensor>, RowProblem> {
        let (Some(Data::Fp64(amounts)), Some(Data::Int64(counts))) = (
            rows.tensor("amount").map(|tensor| &tensor.data),
            rows.tensor("count").map(|tensor| &tensor.data),
        ) else {
            panic!("the batch is not that of the card");
        };
        let sums = amounts.iter().zip(counts).map(|(amount, count)| {
            let amount = if amount.is_nan() { 0.0 } else { *amount };
            // Any whole number will do: what is lost of a large one is no matter here.
            amount + *count as f64
        });
        Ok(vec![Tensor::column("sum", Data::Fp64(sums.collect()))])
    }

    fn explain(&self, rows: &Batch, question: &Question<'_>) -> Result<Vec<Explanation>, NotExplained> {
        let sums = self.score(rows).map_err(NotExplained::Row)?;
        let Some(Data::Fp64(sums)) = sums.first().map(|sum| &sum.data) else {
            panic!("one column of sums");
        };
        let all = |&score: &f64| Explanation {
            score,
            base: 0.0,
            method: question.wishes.method,
            exact: true,
            residual: 0.0,
            features: vec![Amount {
                name: "both".to_owned(),
                value: None,
                amount: score,
            }],
            reasons: Vec::new(),
            remarks: Vec::new(),
            counterfactual: None,
        };
        Ok(sums.iter().map(all).collect())
    }
}

/// The interpreter of `scripts/setup-python test`, which is made if it is not there.
fn python() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/setup-python");
    let made = Command::new(script)
        .arg("test")
        .output()
        .expect("scripts/setup-python");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// Runs schemathesis in a folder of its own, where it leaves what it notes down.
fn storm(url: &str, folder: &Path) -> Output {
    let of_tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serving");
    Command::new(python())
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(of_tests.join("schemathesis.toml"))
        .args(["run", url])
        .current_dir(folder)
        .env("SCHEMATHESIS_HOOKS", of_tests.join("schemathesis_names.py"))
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_document_allows_or_forbids_is_answered_as_it_says() {
    let running = Running::with(
        settings(),
        vec![Arc::new(Adds::new()), Arc::new(Linear::version("1", 1.0))],
    );
    let url = format!("http://{}/openapi.json", running.rest);
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().to_owned();
    let ran = spawn_blocking(move || storm(&url, &notes)).await.unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&ran.stderr)
    );

    // The storm reached the models, and did them no harm.
    let metrics = running.get("/metrics").await.text();
    for (model, route) in [("adds", "infer"), ("adds", "explain")] {
        let begin = format!(
            "veilsum_serving_requests_total{{route=\"/v2/models/{{model}}/{route}\",model=\"{model}\",version=\"1\",code=\"200\"}} "
        );
        assert!(metrics.lines().any(|line| line.starts_with(&begin)), "{metrics}");
    }
    assert_eq!(running.infer(&one_row()).await.scores(), [51.0]);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_has_an_example_for_those_who_may_ask() {
    let (key, lines) = veilsum_serving::callers::make_key("desk").unwrap();
    let keys = Keys::read(&lines).unwrap();
    let running = Running::start(settings(), Callers::new(Some(keys), None), None, None);
    let registry = running.serving.registry();
    registry.publish(Arc::new(Linear::version("1", 1.0))).unwrap();
    registry.publish(Arc::new(Adds::new())).unwrap();
    let known = ("x-api-key", key.as_str());
    let document = running.ask("GET", "/openapi.json", &[known], b"").await.json();
    for (path, model) in [("infer", "outputs"), ("explain", "explanations")] {
        let operation =
            &document["paths"][format!("/v2/models/{{model}}/versions/{{version}}/{path}")]["post"];
        let names: Vec<&str> = operation["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|parameter| parameter["example"].as_str())
            .collect();
        assert_eq!(names, ["adds", "1"]);
        let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
        let real = format!("/v2/models/{}/versions/{}/{path}", names[0], names[1]);
        let mut kinds = Vec::new();
        for (_, example) in examples.as_object().unwrap() {
            let body = example["value"].to_string();
            let answer = running.post(&real, &[known], body.as_bytes()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            kinds.push(answer.header("content-type").unwrap().to_owned());
            if kinds.last().unwrap() == "application/json" {
                assert_eq!(answer.json()[model].as_array().unwrap().len(), 1);
            }
        }
        let binary = kinds.iter().filter(|kind| *kind == "application/octet-stream");
        assert_eq!((kinds.len(), binary.count()), (2, usize::from(path == "infer")));
    }
    // Whoever has no key hears of no model.
    let open = running.get("/openapi.json").await;
    assert_eq!(open.status, 200);
    assert!(!open.text().contains("adds") && !open.text().contains("credit"));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_document_calls_an_object_or_a_name_is_nothing_else() {
    let running = Running::with(settings(), vec![Arc::new(Adds::new())]);
    let inputs = r#"[{"name":"amount","datatype":"FP64","shape":[1],"data":[1]},{"name":"count","datatype":"INT64","shape":[1],"data":[2]}]"#;
    let listed = r#"[["amount","FP64",[1],null,[1]],["count","INT64",[1],null,[2]]]"#;
    let infer = "/v2/models/adds/infer";
    let explain = "/v2/models/adds/explain";
    let index = "/v2/repository/index";
    for (path, body, status) in [
        // The members in their order, without names.
        (infer, format!("[null,null,{inputs},null,null]"), 400),
        (infer, format!(r#"{{"inputs":{listed}}}"#), 400),
        (
            infer,
            format!(r#"{{"inputs":{inputs},"outputs":[["sum",null]]}}"#),
            400,
        ),
        (index, "[true]".to_owned(), 400),
        (
            explain,
            format!(r#"{{"inputs":{inputs},"explain":["kernel"]}}"#),
            400,
        ),
        (
            explain,
            format!(r#"{{"inputs":{inputs},"explain":{{"method":{{"kernel":null}}}}}}"#),
            400,
        ),
        // The same as the document has it; null is left out.
        (
            infer,
            format!(r#"{{"inputs":{inputs},"outputs":[{{"name":"sum"}}]}}"#),
            200,
        ),
        (
            infer,
            format!(r#"{{"id":null,"parameters":null,"outputs":null,"inputs":{inputs}}}"#),
            200,
        ),
        (index, r#"{"ready":true}"#.to_owned(), 200),
        (index, String::new(), 200),
        (
            explain,
            format!(r#"{{"inputs":{inputs},"explain":{{"method":"kernel"}}}}"#),
            200,
        ),
        (explain, format!(r#"{{"inputs":{inputs},"explain":null}}"#), 200),
    ] {
        let answer = running.post(path, &[], body.as_bytes()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    // A body of another type is not read, one that is not there has none.
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    running
        .ask("POST", index, &kind, b"ready=true")
        .await
        .refusal(415);
    assert_eq!(running.ask("POST", index, &kind, b"").await.status, 200);
    for number in ["+5000", "0x10", "5_000"] {
        let words = running
            .post(index, &[("x-request-timeout-ms", number)], b"")
            .await
            .refusal(400);
        assert!(words.contains("expected milliseconds"), "{words}");
    }
    running.end().await;
}
