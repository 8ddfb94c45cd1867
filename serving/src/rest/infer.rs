//! A request for scores and its answer, in JSON and in the binary form.

use std::time::Instant;

use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

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
    #[serde(borrow)]
    parameters: Option<Object<Parameters<'a>>>,
    #[serde(borrow)]
    inputs: Vec<Object<Input<'a>>>,
    #[serde(borrow)]
    outputs: Option<Vec<Object<Output<'a>>>>,
    #[serde(borrow)]
    explain: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: String,
    datatype: String,
    shape: Vec<i64>,
    #[serde(borrow)]
    parameters: Option<Object<Parameters<'a>>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Output<'a> {
    name: String,
    #[serde(borrow)]
    parameters: Option<Object<Parameters<'a>>>,
}

/// The parameters that mean something, each where the protocol has it. Others are passed over as they are read: a tree of their values would take a
/// hundred times the bytes that they came in.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters<'a> {
    #[serde(borrow, deserialize_with = "there")]
    routing_key: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "there")]
    binary_data_output: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "there")]
    binary_data: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "there")]
    binary_data_size: Option<&'a RawValue>,
}

/// What is there, also null.
fn there<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// What a body asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// By which name the request goes, if it has one.
    pub id: Option<String>,
    /// What always gets the same version where versions share the requests.
    pub routing_key: Option<String>,
    /// The rows, column by column.
    pub tensors: Vec<Tensor>,
    /// The outputs that are wanted; none means all.
    pub outputs: Vec<WantedOutput>,
    /// Whether outputs are wanted in binary form that do not say it themselves.
    pub binary: bool,
    /// What is wanted of an explanation, if one is.
    pub explain: Option<ExplainWishes>,
}

/// An output by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedOutput {
    /// Its name.
    pub name: String,
    /// Whether it is wanted in binary form, if that is said of it.
    pub binary: Option<bool>,
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

impl Request {
    /// What of it is asked of the model, and how it is answered.
    pub(super) fn of(self, names: Names<'_>, until: Instant) -> (Ask, Form) {
        let of = self
            .outputs
            .iter()
            .filter_map(|output| Some((output.name.clone(), output.binary?)))
            .collect();
        let ask = Ask {
            model: names.model.to_owned(),
            version: names.version.map(str::to_owned),
            id: self.id,
            routing_key: self.routing_key,
            tensors: self.tensors,
            outputs: self.outputs.into_iter().map(|output| output.name).collect(),
            until,
        };
        let form = Form {
            binary: self.binary,
            of,
            explain: self.explain,
        };
        (ask, form)
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

/// Reads the body of a request for scores or explanations: JSON, and behind its first `head` bytes, if so many are told, the binary data of its
/// inputs in their order (Open Inference Protocol v2 with the extension for binary tensors). Whether a model takes these rows is not looked at.
/// Memory is taken in proportion to the body, whatever lengths stand in it.
///
/// # Errors
/// What is wrong, with the field.
pub fn read_request(body: &[u8], head: Option<usize>, limits: Limits) -> Result<Request, Refusal> {
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
    let parameters = request.parameters.map(|Object(own)| own).unwrap_or_default();
    let binary = truth(parameters.binary_data_output, "binary_data_output")?.unwrap_or(false);
    let mut outputs = Vec::new();
    for Object(output) in request.outputs.unwrap_or_default() {
        let parameters = output.parameters.map(|Object(own)| own).unwrap_or_default();
        outputs.push(WantedOutput {
            name: output.name,
            binary: truth(parameters.binary_data, "binary_data")?,
        });
    }
    let routing_key = parameters
        .routing_key
        .map(|key| serde_json::from_str(key.get()))
        .transpose()
        .map_err(|_| Refusal::invalid("the parameter routing_key must be a text"))?;
    let explain = match request.explain {
        None => None,
        Some(text) => {
            let Object(wishes) = serde_json::from_str(text.get()).map_err(|error| {
                Refusal::invalid(format!("explain is not as /openapi.json describes it: {error}"))
            })?;
            Some(wishes)
        }
    };
    Ok(Request {
        id: request.id,
        routing_key,
        tensors,
        outputs,
        binary,
        explain,
    })
}

fn truth(value: Option<&RawValue>, name: &str) -> Result<Option<bool>, Refusal> {
    let truth = value.map(|value| serde_json::from_str(value.get())).transpose();
    truth.map_err(|_| Refusal::invalid(format!("the parameter {name} must be true or false")))
}

fn tensor(input: &Input<'_>, rest: &mut &[u8], limits: Limits) -> Result<Tensor, Refusal> {
    let name = &input.name;
    let bad = |words: String| Refusal::invalid(format!("input {name:?}: {words}"));
    let datatype: Datatype = input.datatype.parse().map_err(&bad)?;
    let size = input
        .parameters
        .as_ref()
        .and_then(|Object(parameters)| parameters.binary_data_size);
    match (input.data, size) {
        (Some(data), None) => from_json(name, datatype, &input.shape, data, limits),
        (None, Some(size)) => {
            let size: usize = serde_json::from_str(size.get())
                .map_err(|_| bad("binary_data_size must be a number of bytes".to_owned()))?;
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
