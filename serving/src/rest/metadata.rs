//! What is told of server and models.

use serde::Deserialize;
use serde_json::{Value, json};

use super::object::Object;
use crate::card::{Card, TensorSpec};
use crate::refusal::Refusal;
use crate::service::Serving;

/// Name of the server.
pub(crate) const NAME: &str = "veilsum-serving";
/// What of the protocol's extensions is understood.
pub(crate) const EXTENSIONS: [&str; 2] = ["binary_tensor_data", "model_repository(index)"];
/// What runs the models, where the protocol asks for a platform.
pub(crate) const PLATFORM: &str = "veilsum";

pub(super) fn server() -> Value {
    json!({ "name": NAME, "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS })
}

pub(super) fn model(card: &Card, versions: &[String]) -> Value {
    json!({
        "name": card.name,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": card.inputs.iter().map(spec).collect::<Vec<_>>(),
        "outputs": card.outputs.iter().map(spec).collect::<Vec<_>>(),
        "parameters": provenance_of(card, &card.version),
    })
}

fn spec(spec: &TensorSpec) -> Value {
    let mut told = json!({ "name": spec.name, "datatype": spec.datatype.name(), "shape": spec.shape });
    if spec.missing {
        told["parameters"] = json!({ "missing": true });
    }
    told
}

fn provenance_of(card: &Card, version: &str) -> Value {
    let mut parameters = provenance(card);
    parameters["version"] = version.into();
    parameters
}

/// Where a model comes from, as parameters.
pub(super) fn provenance(card: &Card) -> Value {
    // Texts, numbers and what is not there: nothing that could fail.
    serde_json::to_value(&card.provenance).unwrap_or_default()
}

#[derive(Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    ready: bool,
}

/// Every version of every model; of those that are not current the state says so in its reason.
pub(super) fn index(serving: &Serving, body: &[u8]) -> Result<Value, Refusal> {
    let wanted = match body {
        [] => Wanted::default(),
        body => {
            let Object(wanted) = serde_json::from_slice(body).map_err(|error| {
                Refusal::invalid(format!("expected no body, or {{\"ready\": true}}: {error}"))
            })?;
            wanted
        }
    };
    let mut index = Vec::new();
    let ready = serving.is_ready();
    for standing in serving.registry().standings() {
        for card in &standing.cards {
            if wanted.ready && !ready {
                continue;
            }
            index.push(json!({
                "name": card.name,
                "version": card.version,
                "state": if ready { "READY" } else { "UNAVAILABLE" },
                "reason": if card.version == standing.current { "current" } else { "" },
            }));
        }
    }
    Ok(Value::Array(index))
}
