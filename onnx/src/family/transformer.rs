use veilsum_protocol::model::{InputShape, Transformer};

use super::Arrays;
use crate::graph::{Graph, Value, to_f32, to_i64};
use crate::messages::Attribute;

/// What is added to the score of a token that is missing, so that its share is exactly 0. Not minus infinity, which some runtimes turn into NaN.
const NEVER: f32 = -1e30;

/// The encoder transformer.
pub(super) fn transformer(
    graph: &mut Graph,
    spec: &Transformer,
    shape: &InputShape,
    arrays: &mut Arrays<'_>,
    rows: &Value,
) -> Value {
    let Tokens {
        mut values,
        present,
        count,
    } = Tokens::of(graph, shape, arrays, rows);
    let attended = present.as_ref().map(|present| {
        let never = graph.float(NEVER);
        let zero = graph.float(0.0);
        let added = graph.node("Where", &[present, &zero, &never], vec![]);
        graph.unsqueeze(&added, &[1, 2])
    });
    for _ in 0..spec.layers {
        values = layer(graph, spec, count, arrays, &values, attended.as_ref());
    }
    let values = arrays.layer_norm(graph, &values);
    let mean = match &present {
        Some(present) => {
            let present = graph.number(present);
            let present = graph.unsqueeze(&present, &[2]);
            let kept = graph.multiply(&values, &present);
            let sum = graph.sum(&kept, 1);
            let count = graph.sum(&present, 1);
            graph.divide(&sum, &count)
        }
        None => graph.mean(&values, 1),
    };
    arrays.linear(graph, &mean)
}

/// A row as tokens.
struct Tokens {
    /// `[rows, count, dimension]`.
    values: Value,
    /// Which of them count, `[rows, count]`; `None`: all.
    present: Option<Value>,
    /// How many a row has.
    count: usize,
}

impl Tokens {
    fn of(graph: &mut Graph, shape: &InputShape, arrays: &mut Arrays<'_>, rows: &Value) -> Self {
        match shape {
            InputShape::Text { tokens: count, .. } => {
                let vectors = arrays.value(graph);
                let tokens = graph.index(rows);
                let words = graph.embedding(&vectors, &tokens);
                let position = arrays.value(graph);
                let present = graph.is_set(rows);
                // The first token always counts.
                let first: Vec<bool> = (0..*count).map(|at| at == 0).collect();
                Self {
                    values: graph.add(&words, &position),
                    present: Some(or(graph, &present, &first)),
                    count: *count,
                }
            }
            InputShape::Sequence { steps, width } => {
                let sequence = graph.reshape(rows, &[0, to_i64(*steps), to_i64(*width)]);
                let present = graph.is_set(&sequence);
                let present = graph.number(&present);
                let present = graph.greatest(&present, 2);
                // Of the steps behind the first that is there, none is missing.
                let axis = graph.int(1);
                let so_far = graph.node("CumSum", &[&present, &axis], vec![]);
                let zero = graph.float(0.0);
                let present = graph.node("Greater", &[&so_far, &zero], vec![]);
                // The last step always counts.
                let last: Vec<bool> = (1..=*steps).map(|at| at == *steps).collect();
                let projected = arrays.linear_of_last(graph, &sequence);
                let position = arrays.value(graph);
                Self {
                    values: graph.add(&projected, &position),
                    present: Some(or(graph, &present, &last)),
                    count: *steps,
                }
            }
            shape => {
                let (numbers, categories) = match shape {
                    InputShape::Table { numbers, categories } => (*numbers, &categories[..]),
                    _ => (shape.width(), &[][..]),
                };
                let mut parts = Vec::with_capacity(2);
                if numbers > 0 {
                    let columns = graph.columns(rows, 0, numbers);
                    let columns = graph.unsqueeze(&columns, &[2]);
                    let (weight, bias) = (arrays.value(graph), arrays.value(graph));
                    let scaled = graph.multiply(&columns, &weight);
                    parts.push(graph.add(&bias, &scaled));
                }
                if !categories.is_empty() {
                    let starts = categories.iter().scan(0, |next, values| {
                        let start = *next;
                        *next += to_i64(*values);
                        Some(start)
                    });
                    let starts: Vec<i64> = starts.collect();
                    let values = graph.columns(rows, numbers, numbers + categories.len());
                    let values = graph.index(&values);
                    let starts = graph.ints(&starts);
                    let values = graph.add(&values, &starts);
                    let vectors = arrays.value(graph);
                    parts.push(graph.embedding(&vectors, &values));
                }
                Self {
                    values: graph.concatenate(&parts, 1),
                    present: None,
                    count: numbers + categories.len(),
                }
            }
        }
    }
}

fn or(graph: &mut Graph, present: &Value, always: &[bool]) -> Value {
    let always = graph.bools(always);
    graph.node("Or", &[present, &always], vec![])
}

/// `[rows, count, D] -> [rows, count, D]`, with the norms before attention and linear layers.
fn layer(
    graph: &mut Graph,
    spec: &Transformer,
    count: usize,
    arrays: &mut Arrays<'_>,
    values: &Value,
    attended: Option<&Value>,
) -> Value {
    // PyTorch's order: the attention's four arrays, the two linear layers', the two norms'.
    let mut attention = arrays.several(4);
    let mut linear = arrays.several(4);
    let mut norms = arrays.several(4);
    let even = norms.layer_norm(graph, values);
    let attending = self_attention(graph, spec, count, &mut attention, &even, attended);
    let values = graph.add(values, &attending);
    let even = norms.layer_norm(graph, &values);
    let inner = linear.linear_of_last(graph, &even);
    let inner = graph.relu(&inner);
    let outer = linear.linear_of_last(graph, &inner);
    graph.add(&values, &outer)
}

/// Each token looks at all that are not missing, once for each head (Vaswani et al. 2017, 3.2).
fn self_attention(
    graph: &mut Graph,
    spec: &Transformer,
    count: usize,
    arrays: &mut Arrays<'_>,
    values: &Value,
    attended: Option<&Value>,
) -> Value {
    let (dimension, heads) = (i64::from(spec.dimension), i64::from(spec.heads));
    let of_head = spec.dimension / spec.heads.max(1);
    let parts = arrays.linear_of_last(graph, values);
    let parts = graph.reshape(&parts, &[0, to_i64(count), 3, heads, i64::from(of_head)]);
    let parts = graph.transpose(&parts, &[2, 0, 3, 1, 4]);
    let [query, key, value] = [0, 1, 2].map(|part| {
        let at = graph.int(part);
        graph.node("Gather", &[&parts, &at], vec![Attribute::int("axis", 0)])
    });
    let key = graph.transpose(&key, &[0, 1, 3, 2]);
    let scores = graph.node("MatMul", &[&query, &key], vec![]);
    let root = graph.float(to_f32(of_head).sqrt());
    let mut scores = graph.divide(&scores, &root);
    if let Some(attended) = attended {
        scores = graph.add(&scores, attended);
    }
    let shares = graph.node("Softmax", &[&scores], vec![Attribute::int("axis", -1)]);
    let attending = graph.node("MatMul", &[&shares, &value], vec![]);
    let attending = graph.transpose(&attending, &[0, 2, 1, 3]);
    let attending = graph.reshape(&attending, &[0, to_i64(count), dimension]);
    arrays.linear_of_last(graph, &attending)
}
