use veilsum_protocol::model::{Activation, Cnn, InputShape, Norm};

use super::Arrays;
use crate::graph::{Graph, Value, to_i64};
use crate::messages::Attribute;

/// The convolutional network: blocks of convolution, norm, pooling and ReLU, in the order in which the client computes them.
pub(super) fn cnn(
    graph: &mut Graph,
    spec: &Cnn,
    shape: &InputShape,
    arrays: &mut Arrays<'_>,
    rows: &Value,
) -> Value {
    let mut image = match *shape {
        InputShape::Image {
            channels,
            height,
            width,
        } => [channels, height, width].map(to_i64),
        _ => [1, 1, to_i64(shape.width())],
    };
    let [kernel, pool] = [spec.kernel, spec.pool].map(i64::from);
    let [channels, height, width] = image;
    let mut values = graph.reshape(rows, &[0, channels, height, width]);
    for &filters in &spec.filters {
        let (weight, bias) = (arrays.value(graph), arrays.value(graph));
        let window = vec![Attribute::ints("kernel_shape", &[kernel, kernel])];
        values = graph.node("Conv", &[&values, &weight, &bias], window);
        let [_, height, width] = image;
        image = [i64::from(filters), height - kernel + 1, width - kernel + 1];
        if spec.norm == Norm::Group {
            let groups = Norm::groups(filters as usize);
            values = arrays.group_norm(graph, &values, groups, image);
        }
        if pool > 1 {
            let window = vec![
                Attribute::ints("kernel_shape", &[pool, pool]),
                Attribute::ints("strides", &[pool, pool]),
            ];
            values = graph.node("MaxPool", &[&values], window);
            let [channels, height, width] = image;
            image = [channels, height / pool, width / pool];
        }
        values = graph.relu(&values);
    }
    let flat = graph.node("Flatten", &[&values], vec![Attribute::int("axis", 1)]);
    arrays.chain(graph, &flat, spec.dense.len(), Activation::Relu)
}
