//! Rows and their scores, in JSON and in the binary form.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::toy::{HASH, Linear, expected, one_row, request};
use crate::wire::Running;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_has_the_scores_and_says_where_the_model_comes_from() {
    let running = Running::open(vec![Arc::new(Linear::version("7", 1.0))]);
    let mut body = request(&[
        (40.0, Some(30_000.0), "north"),
        (21.5, None, "south"),
        (60.0, Some(-1.5), "south"),
    ]);
    body["id"] = "r-1".into();
    let answer = running.infer(&body).await;
    // By hand: 20 + 30 + 1, 10.75 + 0 + 2, 30 - 0.0015 + 2.
    assert_eq!(answer.scores(), [51.0, 12.75, 31.9985]);
    let json = answer.json();
    assert_eq!(json["model_name"], "credit");
    assert_eq!(json["model_version"], "7");
    assert_eq!(json["id"], "r-1");
    assert_eq!(
        json["parameters"],
        json!({ "model_hash": format!("{HASH}7"), "round": 12, "log_entry": 345, "checkpoint_size": 400, "task_hash": "77aa" })
    );
    assert_eq!(json["outputs"][0]["shape"], json!([3]));
    assert_eq!(
        json["outputs"][1],
        json!({ "name": "label", "datatype": "BYTES", "shape": [3], "data": ["high", "low", "low"] })
    );
    assert_eq!(answer.header("x-veilsum-model-hash"), Some("5f2c0a7"));
    assert_eq!(answer.header("x-veilsum-round"), Some("12"));
    assert_eq!(answer.header("x-veilsum-log-entry"), Some("345"));

    let made = running.infer(&one_row()).await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(made.len(), 32, "{made}");
    assert_ne!(running.infer(&one_row()).await.json()["id"], made);
    running.end().await;
}

/// The same rows in the binary form; inputs in another order, and one of them in JSON.
fn binary() -> (Vec<u8>, usize, Value) {
    let mut data = Vec::new();
    data.extend_from_slice(&5_u32.to_le_bytes());
    data.extend_from_slice(b"north");
    data.extend_from_slice(&5_u32.to_le_bytes());
    data.extend_from_slice(b"south");
    data.extend_from_slice(&40_f32.to_le_bytes());
    data.extend_from_slice(&21.5_f32.to_le_bytes());
    let head = json!({
        "parameters": { "binary_data_output": true },
        "inputs": [
            { "name": "region", "datatype": "BYTES", "shape": [2], "parameters": { "binary_data_size": 18 } },
            { "name": "income", "datatype": "FP64", "shape": [2, 1], "data": [[30000], [null]] },
            { "name": "age", "datatype": "FP32", "shape": [2], "parameters": { "binary_data_size": 8 } },
        ],
        "outputs": [{ "name": "label" }, { "name": "score", "parameters": { "binary_data": true } }],
    });
    let mut body = head.to_string().into_bytes();
    let length = body.len();
    body.extend_from_slice(&data);
    (body, length, head)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_form_says_the_same() {
    let running = Running::open(vec![Arc::new(Linear::version("1", 1.0))]);
    let (body, length, mut head) = binary();
    let length = length.to_string();
    let headers = [
        ("inference-header-content-length", length.as_str()),
        ("x-request-timeout-ms", "20000"),
    ];
    let all = [
        headers.as_slice(),
        &[("content-type", "application/octet-stream")],
    ]
    .concat();
    let answer = running
        .ask("POST", "/v2/models/credit/versions/1/infer", &all, &body)
        .await;
    assert_eq!(answer.status, 200, "{:?}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    let json_bytes: usize = answer
        .header("inference-header-content-length")
        .unwrap()
        .parse()
        .unwrap();
    let (text, data) = answer.body.split_at(json_bytes);
    let json: Value = serde_json::from_slice(text).unwrap();
    // In the order of the card, whatever the order in which they are asked for.
    assert_eq!(json["outputs"][0]["name"], "score");
    assert_eq!(json["outputs"][0]["parameters"]["binary_data_size"], 16);
    assert_eq!(json["outputs"][1]["parameters"]["binary_data_size"], 15);
    let mut wanted = Vec::new();
    wanted.extend_from_slice(&51_f64.to_le_bytes());
    wanted.extend_from_slice(&12.75_f64.to_le_bytes());
    wanted.extend_from_slice(b"\x04\0\0\0high\x03\0\0\0low");
    assert_eq!(data, wanted);

    // Without the binary output the scores stand in the JSON.
    head["parameters"]["binary_data_output"] = false.into();
    head["outputs"] = json!([{ "name": "score" }]);
    let mut other = head.to_string().into_bytes();
    let length = other.len().to_string();
    other.extend_from_slice(&body[body.len() - 26..]);
    let headers = [("inference-header-content-length", length.as_str())];
    let answer = running
        .ask("POST", "/v2/models/credit/infer", &headers, &other)
        .await;
    assert_eq!(answer.scores(), [51.0, 12.75]);
    assert_eq!(answer.json()["outputs"].as_array().unwrap().len(), 1);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_routes_tell_of_server_and_models() {
    let running = Running::open(vec![
        Arc::new(Linear::version("1", 1.0)),
        Arc::new(Linear::version("2", 2.0)),
    ]);
    assert_eq!(running.get("/v2").await.json()["name"], "veilsum-serving");
    assert_eq!(
        running.get("/v2/health/live").await.json(),
        json!({ "live": true })
    );
    assert_eq!(
        running.get("/v2/health/ready").await.json(),
        json!({ "ready": true })
    );
    let model = running.get("/v2/models/credit").await.json();
    assert_eq!(model["versions"], json!(["1", "2"]));
    assert_eq!(model["parameters"]["version"], "2");
    assert_eq!(
        model["inputs"][1],
        json!({ "name": "income", "datatype": "FP64", "shape": [-1], "parameters": { "missing": true } })
    );
    assert_eq!(
        running.get("/v2/models/credit/versions/1").await.json()["versions"],
        json!(["1"])
    );
    assert_eq!(running.get("/v2/models/credit/ready").await.json()["ready"], true);
    assert_eq!(
        running.get("/v2/models/credit/versions/2/ready").await.json()["ready"],
        true
    );
    let index = running
        .post("/v2/repository/index", &[], b"{\"ready\": true}")
        .await
        .json();
    assert_eq!(
        index,
        json!([
            { "name": "credit", "version": "1", "state": "READY", "reason": "" },
            { "name": "credit", "version": "2", "state": "READY", "reason": "current" },
        ])
    );
    assert_eq!(running.post("/v2/repository/index", &[], b"").await.json(), index);
    let first = running
        .post(
            "/v2/models/credit/versions/1/infer",
            &[],
            one_row().to_string().as_bytes(),
        )
        .await;
    assert_eq!(first.scores(), [expected(1.0, 40.0, 30_000.0, 1.0)]);
    assert_eq!(
        running.infer(&one_row()).await.scores(),
        [expected(2.0, 40.0, 30_000.0, 1.0)]
    );
    running.end().await;
}
