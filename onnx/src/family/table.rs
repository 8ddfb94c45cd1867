use veilsum_protocol::model::{InputShape, Mlp};

use super::Arrays;
use crate::graph::{Graph, Value};

/// The multilayer perceptron; categories that it embeds stand behind the numbers, each with an array of its own.
pub(super) fn mlp(
    graph: &mut Graph,
    spec: &Mlp,
    shape: &InputShape,
    arrays: &mut Arrays<'_>,
    rows: &Value,
) -> Value {
    let mut values = rows.clone();
    if let InputShape::Table { numbers, categories } = shape
        && !categories.is_empty()
    {
        let mut parts = Vec::with_capacity(1 + categories.len());
        if *numbers > 0 {
            parts.push(graph.columns(rows, 0, *numbers));
        }
        for at in 0..categories.len() {
            let index = graph.columns(rows, numbers + at, numbers + at + 1);
            let index = graph.squeeze(&index, 1);
            let index = graph.index(&index);
            let vectors = arrays.value(graph);
            parts.push(graph.embedding(&vectors, &index));
        }
        values = graph.concatenate(&parts, 1);
    }
    arrays.chain(graph, &values, spec.hidden.len(), spec.activation)
}
