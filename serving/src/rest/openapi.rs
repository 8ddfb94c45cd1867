//! The document of the interface, OpenAPI 3.1, made of the table of routes.

use serde_json::{Map, Value, json};

use super::infer::MOST_INPUTS;
use super::page;
use super::routes::{Act, ROUTES, Route};
use crate::service::Serving;
use crate::tensor::Datatype;

/// The document. Examples are of the first model, for whoever may know of it.
pub(super) fn document(serving: &Serving, known: bool) -> Value {
    let settings = serving.settings();
    let example = if known { Example::of_first(serving) } else { None };
    let mut paths = Map::new();
    for route in ROUTES {
        let method = if route.post { "post" } else { "get" };
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[method] = operation(route, example.as_ref());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Veilsum serving",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "Models of this bank by the Open Inference Protocol v2. A body has at most {} bytes, a request at most {} rows.",
                settings.max_body_bytes, settings.max_rows
            ),
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "key": { "type": "apiKey", "in": "header", "name": "x-api-key" },
            },
        },
    })
}

/// A model by name, a version of it, and a request of one row.
struct Example {
    model: String,
    version: String,
    request: Value,
}

impl Example {
    fn of_first(serving: &Serving) -> Option<Self> {
        let standing = serving.registry().standings().into_iter().next()?;
        let card = standing
            .cards
            .iter()
            .find(|card| card.version == standing.current)?;
        Some(Self {
            model: card.name.clone(),
            version: card.version.clone(),
            request: serde_json::from_str(&page::example(card)).ok()?,
        })
    }

    /// The request as it is, and one that says what else is wanted.
    fn requests(&self, act: Act) -> Value {
        let mut more = self.request.clone();
        let (name, summary) = if act == Act::Infer {
            more["parameters"] = json!({ "binary_data_output": true });
            ("binary-outputs", "Scores in binary form")
        } else {
            more["explain"] = json!({ "reasons": 2, "adverse": "lower" });
            (
                "two-reasons",
                "No more than two reasons, of what made the score low",
            )
        };
        json!({
            "row": { "summary": "One row; what stands in it means nothing", "value": self.request },
            name: { "summary": summary, "value": more },
        })
    }
}

fn operation(route: &Route, example: Option<&Example>) -> Value {
    let mut operation = json!({
        "summary": route.summary,
        "operationId": operation_id(route),
        "parameters": parameters(route, example),
        "responses": responses(route),
        "security": if route.open { json!([{}]) } else { json!([{ "bearer": [] }, { "key": [] }, {}]) },
    });
    match route.act {
        Act::Infer | Act::Explain => {
            let schema = if route.act == Act::Infer {
                reference("InferRequest")
            } else {
                reference("ExplainRequest")
            };
            operation["requestBody"] = json!({
                "required": true,
                "content": {
                    "application/json": { "schema": schema },
                    "application/octet-stream": {
                        "schema": { "description": "The same JSON, then the binary data of its inputs in their order" }
                    },
                },
            });
            if let Some(example) = example {
                operation["requestBody"]["content"]["application/json"]["examples"] =
                    example.requests(route.act);
            }
        }
        Act::Index => {
            operation["requestBody"] = json!({
                "required": false,
                "content": { "application/json": { "schema": reference("IndexRequest") } },
            });
        }
        _ => {}
    }
    operation
}

fn operation_id(route: &Route) -> String {
    let version = if route.path.contains("{version}") {
        "Version"
    } else {
        ""
    };
    format!("{:?}{version}", route.act)
}

fn parameters(route: &Route, example: Option<&Example>) -> Value {
    let mut parameters = Vec::new();
    let real = example.map(|example| (&example.model, &example.version)).unzip();
    for (name, real) in [("model", real.0), ("version", real.1)] {
        if route.path.contains(&format!("{{{name}}}")) {
            let mut parameter =
                json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
            if let Some(real) = real {
                parameter["example"] = json!(real);
            }
            parameters.push(parameter);
        }
    }
    let header = |name: &str, least: u64, what: &str| json!({ "name": name, "in": "header", "required": false, "schema": { "type": "integer", "minimum": least }, "description": what });
    if route.post {
        let what = "Milliseconds after which the answer is 504; rows that wait until then are not scored";
        parameters.push(header("x-request-timeout-ms", 1, what));
    }
    if takes_rows(route) {
        let what = "Bytes of the body that are JSON, where binary data follows";
        parameters.push(header("Inference-Header-Content-Length", 0, what));
    }
    Value::Array(parameters)
}

fn responses(route: &Route) -> Value {
    let (kind, schema) = match route.act {
        Act::Server => ("application/json", reference("Server")),
        Act::Live => ("application/json", truth("live")),
        Act::Ready => ("application/json", truth("ready")),
        Act::Model => ("application/json", reference("Model")),
        Act::ModelReady => ("application/json", truth("ready")),
        Act::Infer => ("application/json", reference("InferResponse")),
        Act::Explain => ("application/json", reference("ExplainResponse")),
        Act::Index => ("application/json", reference("Index")),
        Act::OpenApi => ("application/json", json!({ "type": "object" })),
        Act::Metrics => (crate::meters::CONTENT_TYPE, json!({ "type": "string" })),
        Act::Page => ("text/html; charset=utf-8", json!({ "type": "string" })),
        Act::Style => ("text/css; charset=utf-8", json!({ "type": "string" })),
        Act::Script => ("text/javascript; charset=utf-8", json!({ "type": "string" })),
    };
    let mut good = json!({ "description": "Done", "content": { kind: { "schema": schema } } });
    if takes_rows(route) {
        good["headers"] = json!({
            "x-veilsum-model-hash": { "schema": { "type": "string" } },
            "x-veilsum-round": { "schema": { "type": "integer" } },
            "x-veilsum-log-entry": { "schema": { "type": "integer" } },
        });
    }
    if route.act == Act::Infer {
        good["content"]["application/octet-stream"] = json!({
            "schema": { "description": "The same JSON, then the binary data of the outputs that are wanted so, in their order" }
        });
        good["headers"]["Inference-Header-Content-Length"] = json!({
            "schema": { "type": "integer" },
            "description": "Bytes of the body that are JSON, where outputs follow in binary form",
        });
    }
    let mut responses = Map::new();
    responses.insert("200".to_owned(), good);
    for (code, what) in errors(route) {
        let mut bad = json!({
            "description": what,
            "content": { "application/json": { "schema": reference("Error") } },
        });
        if *code == 429 || *code == 503 {
            bad["headers"] =
                json!({ "Retry-After": { "schema": { "type": "integer" }, "description": "Seconds" } });
        }
        responses.insert(code.to_string(), bad);
    }
    Value::Object(responses)
}

/// Each answer that says no.
fn errors(route: &Route) -> Vec<&'static (u16, &'static str)> {
    const ERRORS: [(u16, &str); 12] = [
        (
            400,
            "The request is wrong; the text names field, place, what was found and what was expected",
        ),
        (401, "Nobody known asks"),
        (403, "Who asks may not, or a page of another site does"),
        (404, "There is no such model or version"),
        (405, "The path is there by another method"),
        (411, "The body has no length"),
        (413, "The body or the request is larger than is taken"),
        (415, "The body is of another media type"),
        (429, "The queue is full, or the caller's quota is used up"),
        (500, "The model broke what its card promises"),
        (
            503,
            "No requests are taken now, the bodies under way leave no room, or the decision could not be written down",
        ),
        (504, "The time that the request had is over"),
    ];
    let fits = |code: u16| match code {
        403 | 405 => true,
        401 => !route.open,
        404 => route.path.contains('{'),
        400 | 413 | 415 | 504 => route.post,
        503 => route.post || route.act == Act::Ready,
        _ => takes_rows(route),
    };
    ERRORS.iter().filter(|(code, _)| fits(*code)).collect()
}

fn takes_rows(route: &Route) -> bool {
    matches!(route.act, Act::Infer | Act::Explain)
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn truth(name: &str) -> Value {
    json!({ "type": "object", "properties": { name: { "type": "boolean" } }, "required": [name] })
}

fn schemas() -> Value {
    let text = json!({ "type": "string" });
    let whole = json!({ "type": "integer", "minimum": 0 });
    let list = |of: Value| json!({ "type": "array", "items": of });
    let datatype = json!({ "type": "string", "enum": Datatype::ALL.map(Datatype::name) });
    // Some clients write null for what they leave out, and get what who leaves it out gets.
    let perhaps = |mut schema: Value| {
        schema["type"] = json!([schema["type"], "null"]);
        schema
    };
    let data = json!({ "type": "array", "description": "Row-major order, flat or nested as the shape says; null is a missing element" });
    let binary = |name: &str, schema: Value| json!({ "type": "object", "properties": { name: schema } });
    let provenance = json!({
        "type": "object",
        "properties": {
            "model_hash": text, "round": whole, "log_entry": whole, "checkpoint_size": whole, "task_hash": text,
        },
    });
    let tensor = |shape: Value, parameters: Value, data: Value| {
        json!({
            "type": "object",
            "properties": {
                "name": text, "datatype": datatype, "shape": shape, "parameters": parameters, "data": data,
            },
            "required": ["name", "datatype", "shape"],
        })
    };
    let spec = json!({
        "type": "object",
        "properties": { "name": text, "datatype": datatype, "shape": list(json!({ "type": "integer", "minimum": -1 })) },
        "required": ["name", "datatype", "shape"],
    });
    let mut shape = list(json!({ "type": "integer", "minimum": 1 }));
    (shape["minItems"], shape["maxItems"]) = (1.into(), 8.into());
    let mut inputs = list(tensor(
        shape,
        perhaps(binary("binary_data_size", whole.clone())),
        perhaps(data.clone()),
    ));
    (inputs["minItems"], inputs["maxItems"]) = (1.into(), MOST_INPUTS.into());
    let explained = super::openapi_explain::schemas(&inputs, &provenance);
    let mut schemas = json!({
        "Error": { "type": "object", "properties": { "error": text }, "required": ["error"] },
        "Server": {
            "type": "object",
            "properties": { "name": text, "version": text, "extensions": list(text.clone()) },
            "required": ["name", "version", "extensions"],
        },
        "Model": {
            "type": "object",
            "properties": {
                "name": text, "versions": list(text.clone()), "platform": text, "inputs": list(spec.clone()), "outputs": list(spec),
                "parameters": provenance,
            },
            "required": ["name", "platform", "inputs", "outputs"],
        },
        "IndexRequest": { "type": "object", "properties": { "ready": { "type": "boolean" } } },
        "Index": list(json!({
            "type": "object",
            "properties": { "name": text, "version": text, "state": text, "reason": text },
            "required": ["name", "version", "state", "reason"],
        })),
        "InferRequest": {
            "type": "object",
            "properties": {
                "id": { "type": ["string", "null"], "maxLength": 256 },
                "parameters": {
                    "type": ["object", "null"],
                    "properties": {
                        "routing_key": { "type": "string", "description": "What always gets the same version where versions share the requests" },
                        "binary_data_output": { "type": "boolean" },
                    },
                },
                "inputs": inputs,
                "outputs": perhaps(list(json!({
                    "type": "object",
                    "properties": { "name": text, "parameters": perhaps(binary("binary_data", json!({ "type": "boolean" }))) },
                    "required": ["name"],
                }))),
            },
            "required": ["inputs"],
        },
        "InferResponse": {
            "type": "object",
            "properties": {
                "model_name": text, "model_version": text, "id": text, "parameters": provenance,
                "outputs": list(tensor(list(whole.clone()), binary("binary_data_size", whole.clone()), data.clone())),
            },
            "required": ["model_name", "model_version", "id", "outputs"],
        },
    });
    for (name, schema) in explained {
        schemas[name] = schema;
    }
    schemas
}
