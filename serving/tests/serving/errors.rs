//! Everything that can be wrong with a request.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::toy::{Broken, Linear, one_row, request};
use crate::wire::{DEADLINE, Running, exchange, next, parsed, settings};

fn served() -> Running {
    let mut settings = settings();
    settings.max_rows = 8;
    settings.max_elements = 100;
    settings.max_body_bytes = 4096;
    Running::with(settings, vec![Arc::new(Linear::version("1", 1.0))])
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut body = one_row();
    change(&mut body["inputs"]);
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_rows_are_told_by_name_and_place() {
    let running = served();
    let cases: Vec<(Value, u16, &str)> = vec![
        (
            changed(|inputs| inputs[0]["datatype"] = "FP16".into()),
            400,
            "\"age\": found the datatype \"FP16\", expected one of BOOL",
        ),
        (
            changed(|inputs| inputs[0]["datatype"] = "FP64".into()),
            400,
            "has the datatype FP64, expected FP32",
        ),
        (
            changed(|inputs| inputs[0]["shape"] = json!([2])),
            400,
            "has 1 elements in its data, its shape [2] says 2",
        ),
        (
            changed(|inputs| inputs[0]["data"] = json!([1, 2])),
            400,
            "more elements than its shape",
        ),
        (
            changed(|inputs| inputs[0]["shape"] = json!([-1])),
            400,
            "expected lengths of at least 1",
        ),
        (
            changed(|inputs| inputs[0]["shape"] = json!([])),
            400,
            "expected 1 to 8 dimensions",
        ),
        (
            changed(|inputs| inputs[0]["shape"] = json!([i64::MAX, i64::MAX, i64::MAX])),
            413,
            "a tensor may have 100 elements",
        ),
        (
            changed(|inputs| inputs[0]["shape"] = json!([i64::MAX, i64::MAX, 0])),
            413,
            "a tensor may have 100 elements",
        ),
        (
            changed(|inputs| inputs[0]["shape"] = json!([101])),
            413,
            "a tensor may have 100 elements",
        ),
        (
            changed(|inputs| (inputs[0]["shape"], inputs[0]["data"]) = (json!([0]), json!([]))),
            400,
            "expected [-1]",
        ),
        (
            changed(|inputs| (inputs[0]["shape"], inputs[0]["data"]) = (json!([1, 2]), json!([1, 2]))),
            400,
            "has the shape [1, 2], expected [-1]",
        ),
        (
            changed(|inputs| (inputs[0]["shape"], inputs[0]["data"]) = (json!([2]), json!([1, 2]))),
            400,
            "has 2 rows and input",
        ),
        (
            changed(|inputs| {
                (inputs[0]["shape"], inputs[0]["data"]) = (json!([9]), json!([1, 1, 1, 1, 1, 1, 1, 1, 1]))
            }),
            413,
            "9 rows, a request may bring 8",
        ),
        (
            changed(|inputs| (inputs[0]["shape"], inputs[0]["data"]) = (json!([2, 1]), json!([[1], [1, 1]]))),
            400,
            "more elements than its shape",
        ),
        (
            changed(|inputs| {
                (inputs[0]["shape"], inputs[0]["data"]) = (json!([2, 2]), json!([[1], [1, 1, 1]]))
            }),
            400,
            "an array of dimension 1 has 1 elements",
        ),
        (
            changed(|inputs| (inputs[0]["shape"], inputs[0]["data"]) = (json!([2, 1]), json!([[1], 1]))),
            400,
            "stands in 1 arrays",
        ),
        (
            changed(|inputs| inputs[0]["data"] = json!([[[1]]])),
            400,
            "nested 2 arrays deep",
        ),
        (
            changed(|inputs| inputs[0]["data"] = json!(["x"])),
            400,
            "element 0 (the first is 0): found a text, expected FP32",
        ),
        (
            changed(|inputs| inputs[0]["data"] = json!([1e39])),
            400,
            "found 1e39, expected FP32, a number in its range",
        ),
        (
            changed(|inputs| inputs[0]["data"] = json!([null])),
            400,
            "this input may not be missing",
        ),
        (changed(|inputs| inputs[0]["data"] = json!({})), 400, "\"age\""),
        (
            changed(|inputs| inputs[2]["data"] = json!([7])),
            400,
            "found 7, expected BYTES, a text in quotes",
        ),
        (
            changed(|inputs| inputs[2]["data"] = json!([null])),
            400,
            "found null, expected a value",
        ),
        (
            changed(|inputs| inputs[2]["data"] = json!(["west"])),
            400,
            "input \"region\", row 0 (the first is 0): found \"west\", expected north or south",
        ),
        (
            changed(|inputs| inputs[0]["name"] = "agee".into()),
            400,
            "\"agee\" is not one of model \"credit\"; it expects age: FP32 [-1], income: FP64 [-1], region",
        ),
        (
            changed(|inputs| inputs[1] = inputs[0].clone()),
            400,
            "\"age\" comes twice",
        ),
        (
            changed(|inputs| drop(inputs.as_array_mut().unwrap().remove(1))),
            400,
            "\"income\" is missing",
        ),
        (
            changed(|inputs| drop(inputs[0].as_object_mut().unwrap().remove("data"))),
            400,
            "found neither data nor binary_data_size",
        ),
        (
            changed(|inputs| inputs[0]["parameters"] = json!({ "binary_data_size": 4 })),
            400,
            "found both data and binary_data_size",
        ),
        (json!({ "id": "x" }), 400, "missing field `inputs`"),
        (json!([1]), 400, "not as the protocol has it"),
        (
            {
                let mut body = one_row();
                body["outputs"] = json!([{ "name": "skore" }]);
                body
            },
            400,
            "\"skore\" is not one of model \"credit\"; it gives score",
        ),
        (
            {
                let mut body = one_row();
                body["outputs"] = json!([{ "name": "score" }, { "name": "score" }]);
                body
            },
            400,
            "asked for twice",
        ),
        (
            {
                let mut body = one_row();
                body["id"] = "x".repeat(257).into();
                body
            },
            400,
            "has 257 characters",
        ),
        (
            {
                let mut body = one_row();
                body["id"] = "a\nb".into();
                body
            },
            400,
            "no control characters",
        ),
        (
            {
                let mut body = one_row();
                body["parameters"] = json!({ "routing_key": 1 });
                body
            },
            400,
            "routing_key must be a text",
        ),
        (
            {
                let mut body = one_row();
                body["parameters"] = json!({ "binary_data_output": 1 });
                body
            },
            400,
            "must be true or false",
        ),
    ];
    for (body, status, part) in cases {
        let words = running.infer(&body).await.refusal(status);
        assert!(words.contains(part), "{body}\n{words}");
    }
    // What is missing may be so in one column; null and NaN are the same there.
    assert_eq!(
        running.infer(&request(&[(2.0, None, "north")])).await.scores(),
        [2.0]
    );
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_binary_data_is_told() {
    let running = served();
    let text = |size: i64| {
        json!({ "inputs": [
            { "name": "age", "datatype": "FP32", "shape": [1], "parameters": { "binary_data_size": 4 } },
            { "name": "income", "datatype": "FP64", "shape": [1], "data": [1] },
            { "name": "region", "datatype": "BYTES", "shape": [1], "parameters": { "binary_data_size": size } },
        ] })
        .to_string()
    };
    let good = b"\0\0\0\x40\x05\0\0\0north";
    let nan = [0x7f_c0_00_00_u32.to_le_bytes().as_slice(), b"\x05\0\0\0north"].concat();
    let infinite = [f32::INFINITY.to_le_bytes().as_slice(), b"\x05\0\0\0north"].concat();
    let cases: Vec<(String, &[u8], &str)> = vec![
        (text(9), good, ""),
        (text(8), good, "5 bytes, 4 are left"),
        (text(10), good, "binary_data_size says 10 bytes, 9 are left"),
        (text(-1), good, "must be a number of bytes"),
        (
            text(9),
            b"\0\0\0\x40\xff\xff\xff\xffnorth",
            "its length says 4294967295 bytes, 5 are left",
        ),
        (text(2), b"\0\0\0\x40\x05\0", "expected four bytes of length"),
        (text(4), b"\0\0\0\x40\0\0\0\0", "found \"\", expected north"),
        (
            text(8),
            b"\0\0\0\x40\0\0\0\0\0\0\0\0",
            "4 bytes of binary data follow where the shape says",
        ),
        (
            text(0),
            b"\0\0\0\x40",
            "has 0 texts in its binary data, its shape says 1",
        ),
        (
            text(9),
            b"\0\0\0\x40\x05\0\0\0nor\xffh",
            "found no UTF-8 after 3 bytes",
        ),
        (
            text(9),
            b"\0\0\0\x40\x05\0\0\0northmore",
            "4 bytes of binary data belong to no input",
        ),
        (
            text(9),
            &nan,
            "found NaN, expected a finite number; this input may not be missing",
        ),
        (text(9), &infinite, "found inf, expected a finite number"),
    ];
    for (text, data, part) in cases {
        let length = text.len().to_string();
        let body = [text.as_bytes(), data].concat();
        let headers = [("inference-header-content-length", length.as_str())];
        let answer = running.post("/v2/models/credit/infer", &headers, &body).await;
        if part.is_empty() {
            assert_eq!(answer.scores(), [2.001]);
        } else {
            let words = answer.refusal(400);
            assert!(words.contains(part), "{words}");
        }
    }
    for (length, part) in [
        ("9999", "the body has"),
        ("x", "expected a number of bytes"),
        ("-1", "expected a number"),
    ] {
        let headers = [("inference-header-content-length", length)];
        let words = running
            .post("/v2/models/credit/infer", &headers, b"{}")
            .await
            .refusal(400);
        assert!(words.contains(part), "{words}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_status_has_its_cause() {
    let running = served();
    let good = one_row().to_string();
    let good = good.as_bytes();
    let path = "/v2/models/credit/infer";

    let words = running
        .post("/v2/models/debit/infer", &[], good)
        .await
        .refusal(404);
    assert!(words.contains("no model \"debit\"; served are credit"), "{words}");
    let words = running
        .post("/v2/models/credit/versions/9/infer", &[], good)
        .await
        .refusal(404);
    assert!(words.contains("no version \"9\"; it has 1"), "{words}");
    running.get("/v3").await.refusal(404);
    running.get("/v2/models//ready").await.refusal(404);

    let answer = running.ask("GET", path, &[], b"").await;
    answer.refusal(405);
    assert_eq!(answer.header("allow"), Some("POST"));
    let answer = running.ask("DELETE", "/v2", &[], b"").await;
    answer.refusal(405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));

    running
        .ask("POST", path, &[("no-length", "1")], b"")
        .await
        .refusal(411);
    let words = running
        .ask("POST", path, &[("content-type", "text/plain")], good)
        .await
        .refusal(415);
    assert!(
        words.contains("\"text/plain\", expected application/json"),
        "{words}"
    );
    running
        .ask(
            "POST",
            path,
            &[("content-type", "application/octet-stream")],
            good,
        )
        .await
        .refusal(415);
    // Clients that say nothing are taken.
    assert_eq!(running.ask("POST", path, &[], good).await.scores().len(), 1);

    for (host, origin) in [
        ("evil.example", None),
        ("localhost", Some("http://evil.example")),
        ("localhost", Some("null")),
    ] {
        let mut headers = vec![("host", host), ("content-type", "application/json")];
        headers.extend(origin.map(|origin| ("origin", origin)));
        running.ask("POST", path, &headers, good).await.refusal(403);
    }
    let own = [
        ("host", "localhost:1"),
        ("origin", "http://localhost:1"),
        ("content-type", "application/json"),
    ];
    assert_eq!(running.ask("POST", path, &own, good).await.scores().len(), 1);

    for timeout in ["0", "-1", "soon"] {
        running
            .post(path, &[("x-request-timeout-ms", timeout)], good)
            .await
            .refusal(400);
    }
    running.serving.take(false);
    let answer = running.post(path, &[], good).await;
    answer.refusal(503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(running.get("/v2/health/ready").await.status, 503);
    assert_eq!(running.get("/v2/health/live").await.status, 200);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_long_is_not_read() {
    let running = served();
    // Nothing of the hundred megabytes is ever sent, so an answer means that none was waited for.
    let head = "POST /v2/models/credit/infer HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100000000\r\n\r\n";
    let stream = TcpStream::connect(running.rest).await.unwrap();
    let answer = timeout(DEADLINE, exchange(stream, head.as_bytes()))
        .await
        .expect("at once");
    let words = answer.refusal(413);
    assert!(
        words.contains("the body has 100000000 bytes, at most 4096 bytes are taken"),
        "{words}"
    );
    assert_eq!(answer.header("connection"), Some("close"));

    // A body in chunks says its length nowhere; it is cut off where the limit is.
    let mut stream = TcpStream::connect(running.rest).await.unwrap();
    let head = "POST /v2/models/credit/infer HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("1000\r\n{}\r\n1\r\n{{\r\n", " ".repeat(4096));
    stream.write_all(chunk.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer))
        .await
        .expect("at once")
        .unwrap();
    parsed(&answer).refusal(413);

    // A body that never comes has no more time than the request.
    let head = "POST /v2/models/credit/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\nconnection: close\r\nx-request-timeout-ms: 1\r\n\r\n";
    let stream = TcpStream::connect(running.rest).await.unwrap();
    timeout(DEADLINE, exchange(stream, head.as_bytes()))
        .await
        .expect("in time")
        .refusal(504);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_breaks_its_card_breaks_nothing_else() {
    let running = Running::open(vec![
        Arc::new(Broken::named("broken", "1")),
        Arc::new(Linear::version("1", 1.0)),
    ]);
    let body = one_row().to_string();
    for part in [
        "gave 1 outputs, its card promises 2",
        "with 3 elements for 1 rows",
        "stopped in the middle",
    ] {
        let words = running
            .post("/v2/models/broken/infer", &[], body.as_bytes())
            .await
            .refusal(500);
        assert!(words.contains(part), "{words}");
    }
    running
        .infer(&request(&[(1.0, None, "panic")]))
        .await
        .refusal(500);
    assert_eq!(running.infer(&one_row()).await.scores().len(), 1);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_all_requests_share_one_room() {
    let (model, entered, go) = Linear::held("1");
    let mut settings = settings();
    let long = " ".repeat(3000) + &one_row().to_string();
    (settings.max_body_bytes, settings.max_held_bytes) = (4096, 4096);
    settings.timeout_ms = 30_000;
    let running = Arc::new(Running::with(settings, vec![model]));
    let first = tokio::spawn({
        let (running, long) = (Arc::clone(&running), long.clone());
        async move {
            running
                .post("/v2/models/credit/infer", &[], long.as_bytes())
                .await
                .scores()
        }
    });
    let entered = tokio::task::spawn_blocking(move || (entered.recv_timeout(DEADLINE), entered))
        .await
        .unwrap();
    assert_eq!(entered.0, Ok(1));
    // What the model has is still there.
    let answer = running
        .post("/v2/models/credit/infer", &[], long.as_bytes())
        .await;
    let words = answer.refusal(503);
    assert!(words.contains("fill the memory that is set for them"), "{words}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    drop((entered, go));
    assert_eq!(first.await.unwrap(), [51.0]);
    assert_eq!(
        running
            .post("/v2/models/credit/infer", &[], long.as_bytes())
            .await
            .scores(),
        [51.0]
    );
    Arc::into_inner(running).unwrap().end().await;
}

/// Good requests with bytes changed, left out and doubled: each is answered on a connection that stays, and the good one after it too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spoiled_requests_are_answered_all_the_same() {
    let running = Running::open(vec![Arc::new(Linear::version("1", 1.0))]);
    let json = one_row().to_string().into_bytes();
    let binary = json_and_binary();
    let mut stream = TcpStream::connect(running.rest).await.unwrap();
    // xorshift64 of Marsaglia, from a seed that stays.
    let mut state = 88_172_645_463_325_252_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let mut statuses = std::collections::BTreeMap::new();
    for round in 0..600 {
        let (mut body, head) = if round % 2 == 0 {
            (json.clone(), None)
        } else {
            (binary.0.clone(), Some(binary.1))
        };
        for _ in 0..=draw(3) {
            // Every third time only what the binary data says is changed.
            let within = if round % 3 == 2 && head.is_some() {
                13
            } else {
                body.len()
            };
            let at = body.len() - within.min(body.len()) + draw(within.min(body.len()));
            match if within == 13 { 0 } else { draw(4) } {
                0 => body[at] = u8::try_from(draw(256)).unwrap(),
                1 => drop(body.remove(at)),
                2 => body.insert(at, b"[]{}\",:0-9.eE\0"[draw(14)]),
                _ => body.truncate(at.max(1)),
            }
        }
        let head = head
            .map(|head: usize| format!("inference-header-content-length: {head}\r\n"))
            .unwrap_or_default();
        let mut request = format!(
            "POST /v2/models/credit/infer HTTP/1.1\r\nhost: localhost\r\n{head}content-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(&body);
        let answer = timeout(DEADLINE, next(&mut stream, &request))
            .await
            .expect("an answer");
        assert!(
            [200, 400, 413].contains(&answer.status),
            "{answer:?}\n{}",
            String::from_utf8_lossy(&body)
        );
        *statuses.entry(answer.status).or_insert(0) += 1;
    }
    assert!(
        statuses.get(&200).is_some_and(|&good| good > 0) && statuses.get(&400).is_some_and(|&bad| bad > 300),
        "{statuses:?}"
    );
    assert_eq!(running.infer(&one_row()).await.scores(), [51.0]);
    running.end().await;
}

fn json_and_binary() -> (Vec<u8>, usize) {
    let text = json!({ "inputs": [
        { "name": "age", "datatype": "FP32", "shape": [1], "parameters": { "binary_data_size": 4 } },
        { "name": "income", "datatype": "FP64", "shape": [1], "data": [1] },
        { "name": "region", "datatype": "BYTES", "shape": [1], "parameters": { "binary_data_size": 9 } },
    ] })
    .to_string();
    (
        [text.as_bytes(), b"\0\0\0\x40\x05\0\0\0north"].concat(),
        text.len(),
    )
}
