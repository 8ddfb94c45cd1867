//! A request for scores and its answer, in JSON and in the binary form.

use std::time::Instant;

use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::answer::{Answer, content, single, whole};
use super::metadata;
use super::object::Object;
use super::routes::Names;
use crate::card::Card;
use crate::explanation::{ExplainWishes, Explanation};
use crate::refusal::{Kind, Refusal};
use crate::service::{Answered, Ask, Explained};
use crate::tensor::json::Flat;
use crate::tensor::{Datatype, Limits, Tensor, from_binary, from_json, to_binary};

/// How many bytes of the body are JSON, where binary data follows.
const HEAD: &str = "inference-header-content-length";
/// Inputs of a request at most, whatever the card says.
pub(super) const MOST_INPUTS: usize = 4096;

#[derive(Deserialize)]
struct Body<'a> {
    id: Option<String>,
    parameters: Option<Map<String, Value>>,
    #[serde(borrow)]
    inputs: Vec<Object<Input<'a>>>,
    outputs: Option<Vec<Object<Output>>>,
    #[serde(borrow)]
    explain: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: String,
    datatype: String,
    shape: Vec<i64>,
    parameters: Option<Map<String, Value>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
    parameters: Option<Map<String, Value>>,
}

/// In which form each output is wanted, and what of an explanation.
pub(super) struct Form {
    binary: bool,
    of: Vec<(String, bool)>,
    pub(super) explain: Option<ExplainWishes>,
}

impl Form {
    fn is_binary(&self, name: &str) -> bool {
        let own = self.of.iter().find(|(output, _)| output == name);
        own.map_or(self.binary, |(_, binary)| *binary)
    }
}

/// The length of the JSON part, if binary data may follow.
pub(super) fn head_bytes(headers: &HeaderMap) -> Result<Option<usize>, Refusal> {
    let Some(text) = single(headers, HEAD)? else {
        return Ok(None);
    };
    whole(text).map(Some).ok_or_else(|| {
        Refusal::invalid(format!(
            "found the header {HEAD} {text:?}, expected a number of bytes"
        ))
    })
}

/// Refuses bodies that a client says are something else. Clients that say nothing are common.
pub(super) fn is_media_type(headers: &HeaderMap, binary: bool) -> Result<(), Refusal> {
    let Some(found) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let text = found.to_str().unwrap_or("");
    let kind = text.split(';').next().unwrap_or("").trim();
    if kind.eq_ignore_ascii_case("application/json")
        || (binary && kind.eq_ignore_ascii_case("application/octet-stream"))
    {
        return Ok(());
    }
    let words = format!(
        "found the content type {text:?}, expected application/json; for binary tensors application/octet-stream with the header {HEAD}"
    );
    Err(Refusal::new(Kind::MediaType, words))
}

/// Reads a body.
pub(super) fn read(
    body: &[u8],
    head: Option<usize>,
    names: Names<'_>,
    until: Instant,
    limits: Limits,
) -> Result<(Ask, Form), Refusal> {
    let head = head.unwrap_or(body.len());
    let (text, mut rest) = body.split_at_checked(head).ok_or_else(|| {
        Refusal::invalid(format!(
            "the header {HEAD} says {head} bytes, the body has {}",
            body.len()
        ))
    })?;
    let Object(request): Object<Body<'_>> = serde_json::from_slice(text)
        .map_err(|error| Refusal::invalid(format!("the request is not as the protocol has it: {error}")))?;
    if request.inputs.len() > MOST_INPUTS {
        let words = format!(
            "found {} inputs, at most {MOST_INPUTS} are taken",
            request.inputs.len()
        );
        return Err(Refusal::invalid(words));
    }
    let mut tensors = Vec::with_capacity(request.inputs.len());
    for Object(input) in &request.inputs {
        tensors.push(tensor(input, &mut rest, limits)?);
    }
    if !rest.is_empty() {
        let words = format!(
            "{} bytes of binary data belong to no input; binary_data_size must sum to all of them",
            rest.len()
        );
        return Err(Refusal::invalid(words));
    }
    let parameters = request.parameters.unwrap_or_default();
    let binary = truth(&parameters, "binary_data_output")?.unwrap_or(false);
    let mut of = Vec::new();
    let mut outputs = Vec::new();
    for Object(output) in request.outputs.unwrap_or_default() {
        if let Some(parameters) = &output.parameters
            && let Some(binary) = truth(parameters, "binary_data")?
        {
            of.push((output.name.clone(), binary));
        }
        outputs.push(output.name);
    }
    let ask = Ask {
        model: names.model.to_owned(),
        version: names.version.map(str::to_owned),
        id: request.id,
        routing_key: match parameters.get("routing_key") {
            None => None,
            Some(Value::String(key)) => Some(key.clone()),
            Some(_) => return Err(Refusal::invalid("the parameter routing_key must be a text")),
        },
        tensors,
        outputs,
        until,
    };
    let explain = match request.explain {
        None => None,
        Some(text) => {
            let Object(wishes) = serde_json::from_str(text.get()).map_err(|error| {
                Refusal::invalid(format!("explain is not as /openapi.json describes it: {error}"))
            })?;
            Some(wishes)
        }
    };
    Ok((ask, Form { binary, of, explain }))
}

fn truth(parameters: &Map<String, Value>, name: &str) -> Result<Option<bool>, Refusal> {
    match parameters.get(name) {
        None => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(*truth)),
        Some(_) => Err(Refusal::invalid(format!(
            "the parameter {name} must be true or false"
        ))),
    }
}

fn tensor(input: &Input<'_>, rest: &mut &[u8], limits: Limits) -> Result<Tensor, Refusal> {
    let name = &input.name;
    let bad = |words: String| Refusal::invalid(format!("input {name:?}: {words}"));
    let datatype: Datatype = input.datatype.parse().map_err(&bad)?;
    let size = input
        .parameters
        .as_ref()
        .and_then(|parameters| parameters.get("binary_data_size"));
    match (input.data, size) {
        (Some(data), None) => from_json(name, datatype, &input.shape, data, limits),
        (None, Some(size)) => {
            let size = size.as_u64().and_then(|size| usize::try_from(size).ok());
            let size = size.ok_or_else(|| bad("binary_data_size must be a number of bytes".to_owned()))?;
            let (own, after) = rest.split_at_checked(size).ok_or_else(|| {
                bad(format!(
                    "binary_data_size says {size} bytes, {} are left of the body",
                    rest.len()
                ))
            })?;
            *rest = after;
            from_binary(name, datatype, &input.shape, own, limits)
        }
        (Some(_), Some(_)) => Err(bad(
            "found both data and binary_data_size, expected one of them".to_owned()
        )),
        (None, None) => Err(bad(
            "found neither data nor binary_data_size, expected one of them".to_owned(),
        )),
    }
}

#[derive(Serialize)]
struct Reply<'a> {
    model_name: &'a str,
    model_version: &'a str,
    id: &'a str,
    parameters: Value,
    outputs: Vec<Given<'a>>,
}

#[derive(Serialize)]
struct Given<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: &'a [usize],
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Flat<'a>>,
}

/// The answer to a request.
pub(super) fn written(answered: &Answered, form: &Form) -> Result<Answer, Refusal> {
    let card = answered.served.card();
    let mut binary = Vec::new();
    let mut outputs = Vec::with_capacity(answered.outputs.len());
    let mut has_binary = false;
    for output in &answered.outputs {
        let is_binary = form.is_binary(&output.name);
        let parameters = if is_binary {
            let bytes = to_binary(&output.data)?;
            binary.extend_from_slice(&bytes);
            has_binary = true;
            Some(serde_json::json!({ "binary_data_size": bytes.len() }))
        } else {
            None
        };
        outputs.push(Given {
            name: &output.name,
            datatype: output.data.datatype().name(),
            shape: &output.shape,
            parameters,
            data: (!is_binary).then_some(Flat(output)),
        });
    }
    let reply = Reply {
        model_name: &card.name,
        model_version: &card.version,
        id: &answered.id,
        parameters: metadata::provenance(card),
        outputs,
    };
    let mut bytes = serde_json::to_vec(&reply)
        .map_err(|error| Refusal::new(Kind::Model, format!("the answer could not be written: {error}")))?;
    let head = bytes.len();
    bytes.extend_from_slice(&binary);
    let kind = if has_binary {
        "application/octet-stream"
    } else {
        "application/json"
    };
    let mut answer = content(kind, bytes);
    if has_binary {
        answer
            .headers_mut()
            .insert(HeaderName::from_static(HEAD), HeaderValue::from(head));
    }
    name_model(&mut answer, card);
    Ok(answer)
}

#[derive(Serialize)]
struct Told<'a> {
    model_name: &'a str,
    model_version: &'a str,
    id: &'a str,
    parameters: Value,
    explanations: &'a [Explanation],
}

/// The answer to a request for explanations.
pub(super) fn told(explained: &Explained) -> Result<Answer, Refusal> {
    let card = explained.served.card();
    let told = Told {
        model_name: &card.name,
        model_version: &card.version,
        id: &explained.id,
        parameters: metadata::provenance(card),
        explanations: &explained.explanations,
    };
    let text = serde_json::to_vec(&told)
        .map_err(|error| Refusal::new(Kind::Model, format!("the answer could not be written: {error}")))?;
    let mut answer = content("application/json", text);
    name_model(&mut answer, card);
    Ok(answer)
}

/// Where the model comes from, for those who look at headers.
fn name_model(answer: &mut Answer, card: &Card) {
    let provenance = &card.provenance;
    let hash = provenance
        .model_hash
        .as_deref()
        .and_then(|hash| HeaderValue::from_str(hash).ok());
    for (name, value) in [
        ("x-veilsum-model-hash", hash),
        ("x-veilsum-round", provenance.round.map(HeaderValue::from)),
        ("x-veilsum-log-entry", provenance.log_entry.map(HeaderValue::from)),
    ] {
        if let Some(value) = value {
            answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}
