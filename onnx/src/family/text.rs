use veilsum_protocol::model::{Activation, EmbeddingBag, TextCnn};

use super::Arrays;
use crate::graph::{Graph, Value};
use crate::messages::Attribute;

/// The mean of a text's embedded tokens, without padding; zeros for a text without a token.
pub(super) fn embedding_bag(
    graph: &mut Graph,
    spec: &EmbeddingBag,
    arrays: &mut Arrays<'_>,
    rows: &Value,
) -> Value {
    let (words, present) = words(graph, arrays, rows);
    let sum = graph.sum(&words, 1);
    let count = graph.sum(&present, 1);
    // Of no token the sum is zero already.
    let one = graph.float(1.0);
    let count = graph.node("Max", &[&count, &one], vec![]);
    let mean = graph.divide(&sum, &count);
    arrays.chain(graph, &mean, spec.hidden.len(), Activation::Relu)
}

/// The convolutional network for texts.
pub(super) fn text_cnn(graph: &mut Graph, spec: &TextCnn, arrays: &mut Arrays<'_>, rows: &Value) -> Value {
    let (words, _) = words(graph, arrays, rows);
    let words = graph.transpose(&words, &[0, 2, 1]);
    let mut parts = Vec::with_capacity(spec.widths.len());
    for width in &spec.widths {
        let (weight, bias) = (arrays.value(graph), arrays.value(graph));
        let window = vec![Attribute::ints("kernel_shape", &[i64::from(*width)])];
        let found = graph.node("Conv", &[&words, &weight, &bias], window);
        let greatest = graph.greatest(&found, 2);
        parts.push(graph.relu(&greatest));
    }
    let all = graph.concatenate(&parts, 1);
    arrays.linear(graph, &all)
}

/// Embedded tokens with zeros for padding, shape `[rows, tokens, dimension]`, and 1 where there is a token, shape `[rows, tokens, 1]`.
fn words(graph: &mut Graph, arrays: &mut Arrays<'_>, rows: &Value) -> (Value, Value) {
    let vectors = arrays.value(graph);
    let tokens = graph.index(rows);
    let words = graph.embedding(&vectors, &tokens);
    let present = graph.is_set(rows);
    let present = graph.number(&present);
    let present = graph.unsqueeze(&present, &[2]);
    (graph.multiply(&words, &present), present)
}
