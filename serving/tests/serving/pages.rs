//! The document of the interface, and the page.

use std::sync::Arc;

use serde_json::Value;

use crate::toy::Linear;
use crate::wire::{Running, settings};

/// Every reference of a document leads somewhere in it.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "$ref" => found.push(text.clone()),
                    member => references(member, found),
                }
            }
        }
        Value::Array(members) => members.iter().for_each(|member| references(member, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_names_every_path_and_answer() {
    let running = Running::with(settings(), vec![Arc::new(Linear::version("1", 1.0))]);
    let document = running.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let paths = document["paths"].as_object().unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{path}"
            );
            let named = operation["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|one| one["in"] == "path")
                .count();
            assert_eq!(named, path.matches('{').count(), "{path}");
            // Each path that is listed is there, and by this method.
            let real = path.replace("{model}", "credit").replace("{version}", "1");
            let answer = match method.as_str() {
                "get" => running.get(&real).await,
                _ => running.post(&real, &[], b"{}").await,
            };
            let code = answer.status.to_string();
            assert!(
                operation["responses"].get(&code).is_some(),
                "{method} {path} answered {code}"
            );
            assert!(
                code == "200"
                    || (["infer", "explain"].iter().any(|end| path.ends_with(end)) && code == "400"),
                "{method} {path} answered {code}"
            );
        }
    }
    let infer = &paths["/v2/models/{model}/infer"]["post"]["responses"];
    for code in [
        "200", "400", "401", "403", "404", "405", "411", "413", "415", "429", "500", "503", "504",
    ] {
        assert!(infer.get(code).is_some(), "{code}");
    }
    assert!(infer["429"]["headers"]["Retry-After"].is_object());
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_the_models_and_needs_nothing_from_elsewhere() {
    let running = Running::with(settings(), vec![Arc::new(Linear::version("1", 1.0))]);
    let answer = running.get("/").await;
    let policy = answer.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let page = answer.text();
    for part in [
        "credit",
        "5f2c0a1",
        "345",
        "income",
        "may be missing",
        "data-path=\"/v2/models/credit/versions/1\"",
        "width=device-width",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(
        !page.contains("style=")
            && !page.contains("onclick")
            && !page.contains("http://")
            && !page.contains("https://")
    );
    for (path, kind) in [
        ("/assets/page.css", "text/css"),
        ("/assets/page.js", "text/javascript"),
    ] {
        let answer = running.get(path).await;
        assert!(answer.header("content-type").unwrap().starts_with(kind));
        assert!(!answer.body.is_empty());
    }
    // The example that stands in the page has the right form: only its made-up region is refused.
    let from = page
        .find("<textarea")
        .and_then(|at| page[at..].find('>').map(|end| at + end + 1))
        .unwrap();
    let text = &page[from..from + page[from..].find("</textarea>").unwrap()];
    let example = text.replace("&quot;", "\"");
    assert!(
        example.contains("{ \"name\": \"age\", \"datatype\": \"FP32\", \"shape\": [1], \"data\": [0.0] }"),
        "{example}"
    );
    let words = running
        .post("/v2/models/credit/infer", &[], example.as_bytes())
        .await
        .refusal(400);
    assert!(
        words.contains("row 0 (the first is 0): found \"\", expected north or south"),
        "{words}"
    );
    running.end().await;
}
