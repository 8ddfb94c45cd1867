//! The part of the interface's document that is about explanations.

use serde_json::{Value, json};

use crate::explanation::{ExplainWishes, Method};

/// The schemas by their names. `inputs` and `provenance`: as of a request for scores.
pub(super) fn schemas(inputs: &Value, provenance: &Value) -> [(&'static str, Value); 2] {
    let text = json!({ "type": "string" });
    let number = json!({ "type": "number" });
    let list = |of: Value| json!({ "type": "array", "items": of });
    let defaults = ExplainWishes::default();
    let explain = json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "method": { "type": "string", "enum": Method::NAMES, "default": defaults.method.name(), "description": "Shapley values by kernel SHAP or by sampled orders, integrated gradients, or a local linear model" },
            "output": { "type": ["string", "null"], "description": "The class whose probability is explained, for a model of classes" },
            "coalitions": { "type": "integer", "minimum": 16, "default": defaults.coalitions, "description": "Sets of features that the model is asked about; all of them where there are no more" },
            "adverse": { "type": "string", "enum": ["higher", "lower"], "default": "higher", "description": "Which way of the score is against the person" },
            "protected": { "type": "array", "items": text, "description": "Columns that are never given as a reason and never asked to change; none for a model of texts" },
            "reasons": { "type": "integer", "minimum": 0, "maximum": 20, "default": defaults.reasons },
            "threshold": { "type": ["number", "null"], "description": "The score where the decision turns: what would have to change for the other one is searched" },
            "fixed": { "type": "array", "items": text, "description": "Columns that cannot change; none for a model of texts" },
            "changes": { "type": "integer", "minimum": 1, "maximum": 8, "default": defaults.changes, "description": "Most features that are changed at once" },
        },
    });
    let otherwise = json!({
        "type": "object",
        "properties": {
            "threshold": number,
            "outcome": { "type": "string", "enum": ["already-met", "found", "not-found"] },
            "changes": list(json!({
                "type": "object",
                "properties": { "name": text, "from": text, "to": text },
                "required": ["name", "from", "to"],
            })),
            "score": { "type": "number", "description": "After the changes, or the nearest that was reached" },
            "complete": { "type": "boolean", "description": "Whether every allowed change was tried" },
        },
        "required": ["threshold", "outcome", "changes", "score", "complete"],
    });
    let explanation = json!({
        "type": "object",
        "properties": {
            "score": number,
            "base": { "type": "number", "description": "The mean score of the rows compared with" },
            "method": { "type": "string", "enum": Method::NAMES },
            "exact": { "type": "boolean", "description": "Whether these are the Shapley values themselves" },
            "residual": { "type": "number", "description": "What base and amounts leave of the score" },
            "features": list(json!({
                "type": "object",
                "properties": { "name": text, "value": { "type": ["string", "null"] }, "amount": number },
                "required": ["name", "value", "amount"],
            })),
            "reasons": list(text.clone()),
            "remarks": list(text.clone()),
            "counterfactual": otherwise,
        },
        "required": ["score", "base", "method", "exact", "residual", "features"],
    });
    let request = json!({
        "type": "object",
        "properties": {
            "id": { "type": ["string", "null"], "maxLength": 256 },
            "parameters": {
                "type": ["object", "null"],
                "properties": { "routing_key": { "type": "string" } },
            },
            "inputs": inputs,
            "explain": explain,
        },
        "required": ["inputs"],
    });
    let response = json!({
        "type": "object",
        "properties": {
            "model_name": text, "model_version": text, "id": text, "parameters": provenance,
            "explanations": list(explanation),
        },
        "required": ["model_name", "model_version", "id", "explanations"],
    });
    [("ExplainRequest", request), ("ExplainResponse", response)]
}
