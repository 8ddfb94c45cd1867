use veilsum_protocol::model::{Cell, InputShape, Recurrent};

use super::Arrays;
use super::arrays::Array;
use crate::graph::{Graph, Value, to_i64};
use crate::messages::Attribute;

/// LSTM and GRU. Steps of zeros at the beginning are missing: a shorter sequence is moved to the front, and its own last step is taken.
pub(super) fn recurrent(
    graph: &mut Graph,
    spec: &Recurrent,
    shape: &InputShape,
    arrays: &mut Arrays<'_>,
    rows: &Value,
) -> Value {
    let (steps, width) = match *shape {
        InputShape::Sequence { steps, width } => (to_i64(steps), to_i64(width)),
        _ => (1, to_i64(shape.width())),
    };
    let units = i64::from(spec.units);
    let sequence = graph.reshape(rows, &[0, steps, width]);
    let missing = missing(graph, &sequence);

    // The step that comes to place `s` is `(s + missing) mod steps`.
    let places: Vec<i64> = (0..steps).collect();
    let places = graph.ints(&places);
    let moved = graph.add(&missing, &places);
    let all = graph.int(steps);
    let from = graph.node("Mod", &[&moved, &all], vec![]);
    let moved = along_steps(graph, &sequence, &from, width);

    // ONNX's cells want the steps first, and give `[steps, 1, rows, units]`.
    let mut values = graph.transpose(&moved, &[1, 0, 2]);
    for _ in 0..spec.layers {
        let inputs = Cells::of(graph, spec.cell, arrays);
        let mut attributes = vec![Attribute::int("hidden_size", units)];
        if spec.cell == Cell::Gru {
            // PyTorch's reset gate is behind the product.
            attributes.push(Attribute::int("linear_before_reset", 1));
        }
        let operator = match spec.cell {
            Cell::Lstm => "LSTM",
            Cell::Gru => "GRU",
        };
        let Cells {
            inner,
            recurrent,
            bias,
        } = inputs;
        let states = graph.node(operator, &[&values, &inner, &recurrent, &bias], attributes);
        values = graph.squeeze(&states, 1);
    }
    let states = graph.transpose(&values, &[1, 0, 2]);
    let last = graph.int(steps - 1);
    let last = graph.node("Sub", &[&last, &missing], vec![]);
    let last = along_steps(graph, &states, &last, units);
    let last = graph.squeeze(&last, 1);
    arrays.linear(graph, &last)
}

/// How many steps are missing at the beginning of each row, shape `[rows, 1]`. A sequence of zeros alone misses none.
fn missing(graph: &mut Graph, sequence: &Value) -> Value {
    let present = graph.is_set(sequence);
    let present = graph.number(&present);
    let present = graph.greatest(&present, 2);
    // The first of equal greatest values.
    let attributes = vec![
        Attribute::int("axis", 1),
        Attribute::int("keepdims", 1),
        Attribute::int("select_last_index", 0),
    ];
    graph.node("ArgMax", &[&present], attributes)
}

/// Of `values`, shape `[rows, steps, width]`, the steps at `places`, shape `[rows, n]`: shape `[rows, n, width]`.
fn along_steps(graph: &mut Graph, values: &Value, places: &Value, width: i64) -> Value {
    let places = graph.unsqueeze(places, &[2]);
    let shape = graph.ints(&[1, 1, width]);
    let places = graph.node("Expand", &[&places, &shape], vec![]);
    graph.node(
        "GatherElements",
        &[values, &places],
        vec![Attribute::int("axis", 1)],
    )
}

/// The arrays of a layer as ONNX has them.
struct Cells {
    /// `[1, gates * units, inputs]`.
    inner: Value,
    /// `[1, gates * units, units]`.
    recurrent: Value,
    /// Both biases one behind the other, `[1, 2 * gates * units]`.
    bias: Value,
}

impl Cells {
    fn of(graph: &mut Graph, cell: Cell, arrays: &mut Arrays<'_>) -> Self {
        let [inner, recurrent] = [arrays.next(), arrays.next()].map(|weight| {
            let values = in_order(cell, &weight);
            let shape: Vec<usize> = [1].iter().chain(weight.shape).copied().collect();
            graph.parameters(weight.name, &shape, values)
        });
        let biases = [arrays.next(), arrays.next()];
        let values: Vec<f32> = biases.iter().flat_map(|bias| in_order(cell, bias)).collect();
        let name = format!("{} and {}", biases[0].name, biases[1].name);
        let bias = graph.parameters(&name, &[1, values.len()], values);
        Self {
            inner,
            recurrent,
            bias,
        }
    }
}

/// An array with its gates in ONNX's order: input, output, forget, cell for PyTorch's input, forget, cell, output; update, reset, new for
/// PyTorch's reset, update, new.
fn in_order(cell: Cell, array: &Array<'_>) -> Vec<f32> {
    let order: &[usize] = match cell {
        Cell::Lstm => &[0, 3, 1, 2],
        Cell::Gru => &[1, 0, 2],
    };
    let gates: Vec<&[f32]> = array
        .values
        .chunks(array.values.len().div_ceil(cell.gates()).max(1))
        .collect();
    let gates = order.iter().filter_map(|gate| gates.get(*gate));
    gates.copied().flatten().copied().collect()
}
