//! The model families: what each computes, from rows to the numbers of its last layer. The same as `client/src/model/`, which a test of the
//! client compares.

mod arrays;
mod cnn;
mod recurrent;
mod table;
mod text;
mod transformer;

use veilsum_protocol::model::{InputShape, ModelSpec};

use crate::graph::{Graph, Value};

pub(crate) use arrays::Arrays;

/// From rows, shape `[rows, width]`, the last layer's numbers, shape `[rows, outputs]`.
pub(crate) fn logits(
    graph: &mut Graph,
    spec: &ModelSpec,
    shape: &InputShape,
    arrays: &mut Arrays<'_>,
    rows: &Value,
) -> Value {
    match spec {
        ModelSpec::Logistic => arrays.linear(graph, rows),
        ModelSpec::Mlp(mlp) => table::mlp(graph, mlp, shape, arrays, rows),
        ModelSpec::Cnn(cnn) => cnn::cnn(graph, cnn, shape, arrays, rows),
        ModelSpec::Recurrent(recurrent) => recurrent::recurrent(graph, recurrent, shape, arrays, rows),
        ModelSpec::EmbeddingBag(bag) => text::embedding_bag(graph, bag, arrays, rows),
        ModelSpec::TextCnn(text_cnn) => text::text_cnn(graph, text_cnn, arrays, rows),
        ModelSpec::Transformer(transformer) => {
            transformer::transformer(graph, transformer, shape, arrays, rows)
        }
    }
}
