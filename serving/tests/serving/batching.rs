//! Several requests as one batch, full queues, and requests that nobody waits for.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use veilsum_serving::Batching;

use crate::toy::{Linear, Sums, expected, one_row, request};
use crate::wire::{DEADLINE, Running, exchange, metric, settings, until};

/// A server whose model is held, after it was given a first row: whatever comes now waits together.
async fn held(
    batching: Batching,
) -> (
    Running,
    Arc<Linear>,
    std::sync::mpsc::Receiver<usize>,
    std::sync::mpsc::Sender<()>,
    JoinSet<Vec<f64>>,
) {
    let (model, entered, go) = Linear::held("1");
    let running = Running::with(
        veilsum_serving::Settings {
            batching,
            timeout_ms: 30_000,
            ..settings()
        },
        vec![model.clone()],
    );
    let rest = running.rest;
    let mut asked = JoinSet::new();
    asked.spawn(async move { sent(rest, one_row()).await.scores() });
    let first = tokio::task::spawn_blocking(move || (entered.recv_timeout(DEADLINE), entered))
        .await
        .unwrap();
    assert_eq!(first.0, Ok(1));
    (running, model, first.1, go, asked)
}

async fn sent(rest: std::net::SocketAddr, body: serde_json::Value) -> crate::wire::Answer {
    let stream = TcpStream::connect(rest).await.unwrap();
    let headers = [("content-type", "application/json")];
    crate::wire::ask(
        stream,
        "POST",
        "/v2/models/credit/infer",
        &headers,
        body.to_string().as_bytes(),
    )
    .await
}

async fn waiting(running: &Running, requests: f64) {
    until("the queue", || async {
        metric(running, "veilsum_serving_queue_depth{").await == Some(requests)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_scored_at_once_and_split_again() {
    let (running, model, entered, go, mut asked) = held(Batching::default()).await;
    let rest = running.rest;
    let mut good = JoinSet::new();
    for number in 0..5_u32 {
        good.spawn(async move {
            let age = f64::from(number);
            let income = (number % 2 == 0).then_some(1000.0);
            let rows: Vec<_> = (0..=number)
                .map(|row| (age + f64::from(row), income, "south"))
                .collect();
            let wanted: Vec<f64> = rows
                .iter()
                .map(|row| expected(1.0, row.0, row.1.unwrap_or(0.0), 2.0))
                .collect();
            assert_eq!(sent(rest, request(&rows)).await.scores(), wanted);
        });
    }
    waiting(&running, 5.0).await;
    go.send(()).unwrap();
    go.send(()).unwrap();
    while let Some(done) = good.join_next().await {
        done.unwrap();
    }
    assert_eq!(asked.join_next().await.unwrap().unwrap(), [51.0]);
    // The first row by itself; then 1 + 2 + 3 + 4 + 5 rows of five requests.
    assert_eq!(model.calls(), [1, 15]);
    assert_eq!(
        metric(&running, "veilsum_serving_batch_rows_sum").await,
        Some(16.0)
    );
    assert_eq!(metric(&running, "veilsum_serving_rows_total").await, Some(16.0));
    drop((entered, go));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_row_fails_its_own_request_alone() {
    let (running, model, entered, go, mut asked) = held(Batching::default()).await;
    let rest = running.rest;
    let mut good = JoinSet::new();
    for number in 0..3 {
        good.spawn(async move {
            assert_eq!(
                sent(rest, request(&[(f64::from(number), None, "north")]))
                    .await
                    .scores()
                    .len(),
                1
            );
        });
    }
    let wrong = tokio::spawn(async move {
        let rows = [(1.0, None, "north"), (1.0, None, "west")];
        sent(rest, request(&rows)).await.refusal(400)
    });
    waiting(&running, 4.0).await;
    // Nobody holds it any more.
    drop((entered, go));
    let words = wrong.await.unwrap();
    // The row of the request, not that of the batch.
    assert!(
        words.contains("row 1 (the first is 0): found \"west\""),
        "{words}"
    );
    while let Some(done) = good.join_next().await {
        done.unwrap();
    }
    asked.join_next().await.unwrap().unwrap();
    let mut calls = model.calls();
    assert_eq!(calls.remove(1), 5);
    calls.sort_unstable();
    assert_eq!(calls, [1, 1, 1, 1, 2]);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_batch_has_more_rows_than_are_set() {
    let batching = Batching {
        max_rows: 4,
        ..Batching::default()
    };
    let (running, model, entered, go, mut asked) = held(batching).await;
    let rest = running.rest;
    let mut good = JoinSet::new();
    for _ in 0..6 {
        good.spawn(async move {
            assert_eq!(
                sent(rest, request(&[(1.0, None, "north"); 2]))
                    .await
                    .scores()
                    .len(),
                2
            );
        });
    }
    good.spawn(async move {
        assert_eq!(
            sent(rest, request(&[(1.0, None, "north"); 7]))
                .await
                .scores()
                .len(),
            7
        );
    });
    waiting(&running, 7.0).await;
    drop((entered, go));
    while let Some(done) = good.join_next().await {
        done.unwrap();
    }
    asked.join_next().await.unwrap().unwrap();
    let calls = model.calls();
    assert_eq!(calls.iter().sum::<usize>(), 1 + 12 + 7);
    // A request with more is a batch by itself.
    assert!(calls.iter().all(|&rows| rows <= 4 || rows == 7), "{calls:?}");
    assert_eq!(calls.len(), 1 + 3 + 1, "{calls:?}");
    running.end().await;
}

/// Ten seconds to hold a request for others, which no test waits for.
const LONG: u64 = 10_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_request_is_not_held() {
    let mut settings = settings();
    settings.batching.hold_us = LONG;
    let running = Running::with(settings, vec![Arc::new(Linear::version("1", 1.0))]);
    let headers = [("x-request-timeout-ms", "9000")];
    for _ in 0..3 {
        let answer = running
            .post(
                "/v2/models/credit/infer",
                &headers,
                one_row().to_string().as_bytes(),
            )
            .await;
        assert_eq!(answer.scores(), [51.0]);
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_while_the_model_worked_is_held_for_what_is_on_its_way() {
    let batching = Batching {
        max_rows: 2,
        hold_us: LONG,
        ..Batching::default()
    };
    let (running, model, entered, go, mut asked) = held(batching).await;
    let rest = running.rest;
    asked.spawn(async move { sent(rest, one_row()).await.scores() });
    waiting(&running, 1.0).await;
    // The server has read a head, and asks for the body.
    let mut stream = TcpStream::connect(rest).await.unwrap();
    let body = one_row().to_string();
    let head = format!(
        "POST /v2/models/credit/infer HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    timeout(DEADLINE, stream.read_exact(&mut go_on))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    drop((entered, go));
    // The worker has taken the one out of the queue, and gives it to the model with the other.
    waiting(&running, 0.0).await;
    let answer = timeout(DEADLINE, exchange(stream, body.as_bytes()))
        .await
        .unwrap();
    assert_eq!(answer.scores(), [51.0]);
    while let Some(done) = asked.join_next().await {
        assert_eq!(done.unwrap(), [51.0]);
    }
    assert_eq!(model.calls(), [1, 2]);
    running.end().await;
}

/// As before, but nothing is on its way: holding would be in vain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_while_the_model_worked_is_not_held_for_nothing() {
    let batching = Batching {
        hold_us: LONG,
        ..Batching::default()
    };
    let (running, model, entered, go, mut asked) = held(batching).await;
    let rest = running.rest;
    asked.spawn(async move {
        let stream = TcpStream::connect(rest).await.unwrap();
        let headers = [
            ("content-type", "application/json"),
            ("x-request-timeout-ms", "9000"),
        ];
        let body = one_row().to_string();
        crate::wire::ask(
            stream,
            "POST",
            "/v2/models/credit/infer",
            &headers,
            body.as_bytes(),
        )
        .await
        .scores()
    });
    waiting(&running, 1.0).await;
    drop((entered, go));
    while let Some(done) = asked.join_next().await {
        assert_eq!(done.unwrap(), [51.0]);
    }
    assert_eq!(model.calls(), [1, 1]);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_says_when_to_come_again() {
    let batching = Batching {
        queue_requests: 2,
        ..Batching::default()
    };
    let (running, model, entered, go, mut asked) = held(batching).await;
    let rest = running.rest;
    for _ in 0..2 {
        asked.spawn(async move { sent(rest, one_row()).await.scores() });
    }
    waiting(&running, 2.0).await;
    let answer = running.infer(&one_row()).await;
    let words = answer.refusal(429);
    assert!(words.contains("2 requests with 2 rows wait"), "{words}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    drop((entered, go));
    while let Some(done) = asked.join_next().await {
        assert_eq!(done.unwrap(), [51.0]);
    }
    assert_eq!(model.calls(), [1, 2]);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_not_scored_when_their_time_is_over_or_their_client_has_gone() {
    let (running, model, entered, go, mut asked) = held(Batching::default()).await;
    let rest = running.rest;
    let body = one_row().to_string();
    let headers = [("x-request-timeout-ms", "20")];
    let words = running
        .post("/v2/models/credit/infer", &headers, body.as_bytes())
        .await
        .refusal(504);
    assert!(words.contains("the time that the request had is over"), "{words}");

    // One whose client hangs up while it waits.
    let gone = tokio::spawn(async move { sent(rest, request(&[(1.0, None, "north"); 3])).await.status });
    waiting(&running, 2.0).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    until("the end of the connection", || async {
        // The one that was held, the one that asks for the metrics, and none else.
        metric(&running, "veilsum_serving_connections").await == Some(2.0)
    })
    .await;
    asked.spawn(async move { sent(rest, one_row()).await.scores() });
    waiting(&running, 3.0).await;
    drop((entered, go));
    while let Some(done) = asked.join_next().await {
        assert_eq!(done.unwrap(), [51.0]);
    }
    assert_eq!(model.calls(), [1, 1]);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_what_is_under_way_end() {
    let (mut running, _model, entered, go, mut asked) = held(Batching::default()).await;
    let rest = running.rest;
    asked.spawn(async move { sent(rest, one_row()).await.scores() });
    waiting(&running, 1.0).await;
    running.stop();
    until("the listener's end", || async {
        TcpStream::connect(rest).await.is_err()
    })
    .await;
    drop((entered, go));
    while let Some(done) = asked.join_next().await {
        assert_eq!(done.unwrap(), [51.0]);
    }
    running.end().await;
}

/// Sequences of one length are joined; those of another are a batch of their own. Nested and flat data say the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequences_are_joined_with_those_of_their_length() {
    let (model, entered, go) = Sums::held();
    let running = Arc::new(Running::with(settings(), vec![model.clone()]));
    let ask = |steps: serde_json::Value, rows: usize, length: usize, points: serde_json::Value| {
        let body = serde_json::json!({ "inputs": [
            { "name": "steps", "datatype": "FP32", "shape": [rows, length], "data": steps },
            { "name": "picture", "datatype": "UINT8", "shape": [rows, 1, 2, 2], "data": points },
        ] });
        let running = Arc::clone(&running);
        tokio::spawn(async move {
            running
                .post("/v2/models/sums/infer", &[], body.to_string().as_bytes())
                .await
                .scores()
        })
    };
    let first = ask(serde_json::json!([1.5]), 1, 1, serde_json::json!([1, 2, 3, 4]));
    let entered = tokio::task::spawn_blocking(move || (entered.recv_timeout(DEADLINE), entered))
        .await
        .unwrap();
    assert_eq!(entered.0, Ok(1));
    let short = ask(
        serde_json::json!([[1, 2], [3, 4]]),
        2,
        2,
        serde_json::json!([[[[1, 1], [1, 1]]], [[[2, 2], [2, 255]]]]),
    );
    let long = ask(
        serde_json::json!([1, 2, 3]),
        1,
        3,
        serde_json::json!([0, 0, 0, 9]),
    );
    let other = ask(
        serde_json::json!([[10, 20]]),
        1,
        2,
        serde_json::json!([[[[7, 0], [0, 0]]]]),
    );
    waiting(&running, 3.0).await;
    drop((entered, go));
    assert_eq!(first.await.unwrap(), [1.5, 1.0, 10.0]);
    assert_eq!(short.await.unwrap(), [3.0, 2.0, 4.0, 7.0, 2.0, 261.0]);
    assert_eq!(long.await.unwrap(), [6.0, 3.0, 9.0]);
    assert_eq!(other.await.unwrap(), [30.0, 2.0, 7.0]);
    let mut calls = model.calls();
    calls.sort_unstable();
    assert_eq!(calls, [1, 1, 3]);
    Arc::into_inner(running).unwrap().end().await;
}
