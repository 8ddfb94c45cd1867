//! Why a score is what it is, asked over the wire.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use veilsum_serving::decisions::{Key, Reader, files};
use veilsum_serving::{Callers, DecisionLog, Decisions, Explaining, OnFailure, Settings};

use crate::toy::{Linear, one_row, request};
use crate::wire::{Answer, DEADLINE, Running, settings};

const PATH: &str = "/v2/models/credit/explain";

async fn explain(running: &Running, body: &Value) -> Answer {
    running.post(PATH, &[], body.to_string().as_bytes()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_explained_and_the_answer_says_by_which_model() {
    let running = Running::open(vec![Arc::new(Linear::version("7", 1.0))]);
    let mut body = request(&[(40.0, Some(30_000.0), "north"), (21.5, None, "south")]);
    body["explain"] = json!({ "method": "lime", "protected": ["region"] });
    body["id"] = "why-1".into();
    let answer = explain(&running, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-veilsum-round"), Some("12"));
    let told = answer.json();
    assert_eq!(
        (&told["model_version"], &told["id"]),
        (&json!("7"), &json!("why-1"))
    );
    assert_eq!(told["parameters"]["log_entry"], 345);
    // By hand: 20 + 30 + 1 of which age has 20, and 10.75 + 2.
    let both = told["explanations"].as_array().unwrap();
    assert_eq!(both.len(), 2);
    assert_eq!(
        both[0],
        json!({
            "score": 51.0, "base": 31.0, "method": "lime", "exact": true, "residual": 0.0,
            "features": [{ "name": "age", "value": "40", "amount": 20.0 }],
        })
    );
    assert_eq!(both[1]["features"][0]["amount"], 10.75);
    let versioned = running
        .post(
            "/v2/models/credit/versions/7/explain",
            &[],
            one_row().to_string().as_bytes(),
        )
        .await;
    assert_eq!(versioned.json()["explanations"][0]["method"], "kernel");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_explained_is_told() {
    let running = Running::open(vec![Arc::new(Linear::version("1", 1.0))]);
    for (explain_so, part) in [
        (
            json!({ "protcted": ["age"] }),
            "explain is not as /openapi.json describes it: unknown field `protcted`",
        ),
        (
            json!({ "coalitions": 1 }),
            "explain.coalitions: found 1, expected 16 to 16384",
        ),
        (json!({ "output": "high" }), "found an output, expected none"),
        (
            json!({ "method": "guess" }),
            "found the method \"guess\", expected one of kernel, permutation",
        ),
        (json!("please"), "invalid type"),
    ] {
        let mut body = one_row();
        body["explain"] = explain_so;
        let words = explain(&running, &body).await.refusal(400);
        assert!(words.contains(part), "{words}");
    }
    let words = explain(&running, &request(&[(1.0, None, "west")]))
        .await
        .refusal(400);
    assert!(words.contains("\"region\"") && words.contains("west"), "{words}");
    let many = request(&[(1.0, None, "north"); 17]);
    let words = explain(&running, &many).await.refusal(413);
    assert!(words.contains("found 17 rows, at most 16"), "{words}");
    let nobody = running
        .post("/v2/models/none/explain", &[], one_row().to_string().as_bytes())
        .await;
    nobody.refusal(404);
    let mut scores = one_row();
    scores["explain"] = json!({});
    let words = running.infer(&scores).await.refusal(400);
    assert!(words.contains("ends in /explain"), "{words}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explanations_wait_for_each_other_and_not_for_ever() {
    let (model, entered, go) = Linear::held("1");
    let running = Running::with(
        Settings {
            timeout_ms: 30_000,
            explaining: Explaining {
                queue_requests: 1,
                ..Explaining::default()
            },
            ..settings()
        },
        vec![model],
    );
    let rest = running.rest;
    let ask = move |patience: &'static str| async move {
        let stream = tokio::net::TcpStream::connect(rest).await.unwrap();
        let headers = [
            ("content-type", "application/json"),
            ("x-request-timeout-ms", patience),
        ];
        crate::wire::ask(stream, "POST", PATH, &headers, one_row().to_string().as_bytes()).await
    };
    let first = tokio::spawn(ask("30000"));
    let entered = spawn_blocking(move || (entered.recv_timeout(DEADLINE), entered))
        .await
        .unwrap();
    assert_eq!(entered.0, Ok(1));
    // Of two more, one waits until its time is over, and for the other there is no place.
    let (one, other) = tokio::join!(ask("3000"), ask("3000"));
    let (waited, sent_away) = if one.status == 504 {
        (one, other)
    } else {
        (other, one)
    };
    waited.refusal(504);
    assert_eq!(sent_away.header("retry-after"), Some("1"));
    let words = sent_away.refusal(429);
    assert!(
        words.contains("2 requests are explained or wait for it"),
        "{words}"
    );
    go.send(()).unwrap();
    assert_eq!(first.await.unwrap().status, 200);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_of_a_row_can_be_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let decisions = Decisions {
        folder: folder.path().to_owned(),
        file_bytes: 1 << 20,
        keep_days: 30,
        on_failure: OnFailure::Refuse,
    };
    let key = Key::new(&[7; 32]);
    let log = DecisionLog::open(&decisions, Key::new(&[7; 32])).unwrap();
    let running = Running::start(settings(), Callers::new(None, None), Some(log), None);
    let model = Arc::new(Linear::version("1", 1.0));
    running.serving.registry().publish(model).unwrap();
    let told = explain(&running, &one_row()).await.json();
    running.end().await;
    let there = files(folder.path()).unwrap();
    let record = Reader::open(&there[0].1, &key).unwrap().next().unwrap().unwrap();
    assert_eq!(told["id"], record.id);
    assert!(record.outputs.is_empty());
    assert_eq!(
        serde_json::to_value(&record.explanations).unwrap(),
        told["explanations"]
    );
}
