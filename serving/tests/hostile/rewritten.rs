//! A request that was read, written again and read once more. The fuzzer `fuzz/fuzz_targets/requests.rs` does the same.

use serde_json::{Value, json};
use veilsum_serving::tensor::{Limits, to_binary, to_json};
use veilsum_serving::{ExplainWishes, Request, Tensor, read_request};

pub const LIMITS: Limits = Limits {
    rows: 1 << 20,
    elements: 1 << 20,
};

/// Most memory for a body of so many bytes. The worst are inputs without a name, of 40 characters each, in a vector that doubles as it grows.
pub fn most_bytes(body: usize) -> usize {
    24 * body + (64 << 10)
}

/// Header and body of what is tried: the first four bytes say how long the JSON part is, little-endian; with all bits set the header is not there.
pub fn framed(bytes: &[u8]) -> Option<(Option<usize>, &[u8])> {
    let (head, body) = bytes.split_first_chunk()?;
    let head = u32::from_le_bytes(*head);
    let head = if head == u32::MAX {
        None
    } else {
        Some(usize::try_from(head).ok()?)
    };
    Some((head, body))
}

/// Gives whether what [`framed`] finds is taken.
///
/// # Panics
/// If what was read is another request when it is written and read again.
pub fn try_all(bytes: &[u8]) -> bool {
    let Some((head, body)) = framed(bytes) else {
        return false;
    };
    let Ok(read) = read_request(body, head, LIMITS) else {
        return false;
    };
    let (body, head) = written(&read);
    let again = read_request(&body, Some(head), LIMITS).expect("what was written is read");
    same(&read, &again);
    true
}

/// The request in the binary form, but for tensors with missing elements, which only JSON can say.
pub fn written(request: &Request) -> (Vec<u8>, usize) {
    let mut binary = Vec::new();
    let mut inputs = Vec::new();
    for tensor in &request.tensors {
        let mut input =
            json!({ "name": tensor.name, "datatype": tensor.data.datatype().name(), "shape": tensor.shape });
        if tensor.missing.is_some() {
            let data = to_json(tensor).expect("a tensor can be written");
            input["data"] = serde_json::from_str(data.get()).expect("JSON");
        } else {
            let bytes = to_binary(&tensor.data).expect("a tensor can be written");
            input["parameters"] = json!({ "binary_data_size": bytes.len() });
            binary.extend_from_slice(&bytes);
        }
        inputs.push(input);
    }
    let mut parameters = json!({ "binary_data_output": request.binary });
    if let Some(key) = &request.routing_key {
        parameters["routing_key"] = json!(key);
    }
    let outputs: Vec<Value> = request
        .outputs
        .iter()
        .map(|output| match output.binary {
            Some(binary) => json!({ "name": output.name, "parameters": { "binary_data": binary } }),
            None => json!({ "name": output.name }),
        })
        .collect();
    let mut text =
        json!({ "id": request.id, "parameters": parameters, "inputs": inputs, "outputs": outputs });
    if let Some(wishes) = &request.explain {
        text["explain"] = explain(wishes);
    }
    let mut body = text.to_string().into_bytes();
    let head = body.len();
    body.extend_from_slice(&binary);
    (body, head)
}

fn explain(wishes: &ExplainWishes) -> Value {
    json!({
        "method": wishes.method,
        "output": wishes.output,
        "coalitions": wishes.coalitions,
        "adverse": wishes.adverse,
        "protected": wishes.protected,
        "reasons": wishes.reasons,
        "threshold": wishes.threshold,
        "fixed": wishes.fixed,
        "changes": wishes.changes,
    })
}

fn same(one: &Request, other: &Request) {
    let rest = |request: &Request| Request {
        tensors: Vec::new(),
        ..request.clone()
    };
    assert_eq!(rest(one), rest(other));
    // By bits, for NaN is not itself.
    let form = |tensor: &Tensor| {
        let bits = to_binary(&tensor.data).expect("a tensor can be written");
        (
            tensor.name.clone(),
            tensor.data.datatype(),
            tensor.shape.clone(),
            tensor.missing.clone(),
            bits,
        )
    };
    let forms = |request: &Request| request.tensors.iter().map(form).collect::<Vec<_>>();
    assert_eq!(forms(one), forms(other));
}
