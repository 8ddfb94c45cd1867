//! Versions: swaps under load, pins, shadows and shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::net::TcpStream;
use veilsum_serving::{Kind, Model, Share};

use crate::toy::{Linear, expected, one_row};
use crate::wire::{Running, metric, next, settings, until};

async fn version(running: &Running) -> String {
    running.infer(&one_row()).await.json()["model_version"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_under_load_lose_and_mix_nothing() {
    let mut settings = settings();
    settings.batching.workers = 3;
    let running = Arc::new(Running::with(settings, vec![Arc::new(Linear::version("1", 1.0))]));
    let over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut asking = Vec::new();
    for number in 0..8_u32 {
        let (rest, over, answered) = (running.rest, Arc::clone(&over), Arc::clone(&answered));
        asking.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(rest).await.unwrap();
            let mut seen = std::collections::BTreeSet::new();
            let mut age = f64::from(number);
            while !over.load(Ordering::Relaxed) {
                age += 8.0;
                let body = crate::toy::request(&[(age, None, "north")]).to_string();
                let request = format!(
                    "POST /v2/models/credit/infer HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let answer = next(&mut stream, request.as_bytes()).await;
                let scores = answer.scores();
                let version = answer.json()["model_version"].as_str().unwrap().to_owned();
                let factor: f64 = version.parse().unwrap();
                assert_eq!(scores, [expected(factor, age, 0.0, 1.0)], "version {version}");
                assert_eq!(answer.header("x-veilsum-model-hash"), Some(format!("5f2c0a{version}").as_str()));
                seen.insert(version);
                answered.fetch_add(1, Ordering::Relaxed);
            }
            seen.len()
        }));
    }
    let registry = running.serving.registry();
    for number in 2..=120_u32 {
        registry
            .publish(Arc::new(Linear::version(&number.to_string(), f64::from(number))))
            .unwrap();
        if number % 3 == 0 {
            registry.roll_back("credit").unwrap();
            registry.promote("credit", &number.to_string()).unwrap();
        }
        // What is not current any more is taken away under those that it was chosen for.
        registry.remove("credit", &(number - 1).to_string()).unwrap();
        let before = answered.load(Ordering::Relaxed);
        until("answers between two swaps", || async {
            answered.load(Ordering::Relaxed) > before + 4
        })
        .await;
    }
    over.store(true, Ordering::Relaxed);
    let mut seen = 0;
    for task in asking {
        seen += task.await.expect("every answer is right");
    }
    assert!(seen > 100, "only {seen} versions were seen");
    Arc::into_inner(running).unwrap().end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_published_pinned_and_rolled_back() {
    let running = Running::open(vec![]);
    assert_eq!(running.get("/v2/health/ready").await.status, 503);
    let registry = running.serving.registry();
    let model = |version: &str| Arc::new(Linear::version(version, 1.0));
    registry.publish(model("1")).unwrap();
    registry.add(model("2")).unwrap();
    assert_eq!(version(&running).await, "1");
    registry.publish(model("3")).unwrap();
    assert_eq!(version(&running).await, "3");
    registry.pin("credit", "2").unwrap();
    registry.publish(model("4")).unwrap();
    assert_eq!(version(&running).await, "2");
    registry.unpin("credit").unwrap();
    registry.publish(model("5")).unwrap();
    assert_eq!(version(&running).await, "5");
    for before in ["2", "3", "1"] {
        assert_eq!(registry.roll_back("credit").unwrap(), before);
        assert_eq!(version(&running).await, before);
    }
    assert_eq!(registry.roll_back("credit").unwrap_err().kind, Kind::NotFound);

    for refusal in [
        registry.publish(model("5")).unwrap_err(),
        registry.remove("credit", "1").unwrap_err(),
        registry.publish(model("no/path")).unwrap_err(),
        registry.publish(model("..")).unwrap_err(),
        registry
            .split(
                "credit",
                &[Share {
                    version: "1".to_owned(),
                    weight: 0,
                }],
            )
            .unwrap_err(),
        registry.publish(Arc::new(Other(other_card()))).unwrap_err(),
    ] {
        assert_eq!(refusal.kind, Kind::Invalid, "{refusal}");
    }
    for refusal in [
        registry.promote("credit", "9").unwrap_err(),
        registry.shadow("credit", Some("9")).unwrap_err(),
        registry.unpin("debit").unwrap_err(),
    ] {
        assert_eq!(refusal.kind, Kind::NotFound, "{refusal}");
    }
    running.end().await;
}

struct Other(veilsum_serving::Card);

fn other_card() -> veilsum_serving::Card {
    let mut card = Linear::version("6", 1.0).card().clone();
    card.inputs.truncate(1);
    card
}

impl Model for Other {
    fn card(&self) -> &veilsum_serving::Card {
        &self.0
    }

    fn score(
        &self,
        rows: &veilsum_serving::Batch,
    ) -> Result<Vec<veilsum_serving::Tensor>, veilsum_serving::RowProblem> {
        Ok(rows.tensors().to_vec())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_is_asked_and_compared_but_never_answers() {
    let shadow = Arc::new(Linear::version("2", 1.25));
    let running = Running::open(vec![Arc::new(Linear::version("1", 1.0))]);
    let registry = running.serving.registry();
    registry.add(shadow.clone()).unwrap();
    registry.shadow("credit", Some("2")).unwrap();
    let body = crate::toy::request(&[(40.0, Some(30_000.0), "north"), (0.0, None, "south")]);
    assert_eq!(running.infer(&body).await.scores(), [51.0, 2.0]);
    let begin = "veilsum_serving_shadow_difference_sum{model=\"credit\",version=\"2\",output=\"score\"}";
    until("the comparison", || async {
        metric(&running, begin).await.is_some()
    })
    .await;
    // A quarter of 51, and of 2.
    assert_eq!(metric(&running, begin).await, Some(12.75 + 0.5));
    let begin = "veilsum_serving_shadow_difference_sum{model=\"credit\",version=\"2\",output=\"label\"}";
    until("the comparison", || async {
        metric(&running, begin).await == Some(0.0)
    })
    .await;
    // A request for a version by name has no shadow, and neither has one after its end.
    assert_eq!(shadow.calls(), [2]);
    let path = "/v2/models/credit/versions/1/infer";
    assert_eq!(
        running
            .post(path, &[], body.to_string().as_bytes())
            .await
            .scores()
            .len(),
        2
    );
    registry.shadow("credit", None).unwrap();
    assert_eq!(running.infer(&body).await.scores().len(), 2);
    assert_eq!(shadow.calls(), [2]);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_follow_the_routing_key() {
    let running = Running::open(vec![Arc::new(Linear::version("1", 1.0))]);
    let registry = running.serving.registry();
    registry.add(Arc::new(Linear::version("2", 2.0))).unwrap();
    let shares = [("1", 9), ("2", 1)].map(|(version, weight)| Share {
        version: version.to_owned(),
        weight,
    });
    registry.split("credit", &shares).unwrap();
    assert_eq!(registry.remove("credit", "2").unwrap_err().kind, Kind::Invalid);
    // The versions of these keys are worked out in src/registry/choice.rs.
    for (key, version) in [
        ("customer-1", "1"),
        ("customer-4", "2"),
        ("Zürich", "2"),
        ("customer-1", "1"),
    ] {
        let mut body = one_row();
        body["parameters"] = serde_json::json!({ "routing_key": key });
        assert_eq!(
            running.infer(&body).await.json()["model_version"],
            version,
            "{key}"
        );
        // Without a key the id is one.
        let mut body = one_row();
        body["id"] = key.into();
        assert_eq!(
            running.infer(&body).await.json()["model_version"],
            version,
            "{key}"
        );
    }
    running.end().await;
}
