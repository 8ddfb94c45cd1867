use veilsum_protocol::model::{Activation, Manifest, Parameter};

use crate::graph::{Graph, Value};
use crate::messages::Attribute;

/// What PyTorch's norms add to the variance.
const EPSILON: f32 = 1e-5;

/// A model's arrays of parameters one after another, in the order of its manifest.
pub(crate) struct Arrays<'a> {
    parameters: std::slice::Iter<'a, Parameter>,
    values: &'a [f32],
}

/// An array of parameters.
pub(super) struct Array<'a> {
    pub(super) name: &'a str,
    pub(super) shape: &'a [usize],
    pub(super) values: &'a [f32],
}

impl<'a> Arrays<'a> {
    /// `values` are as many as the manifest has.
    pub(crate) fn of(manifest: &'a Manifest, values: &'a [f32]) -> Self {
        Self {
            parameters: manifest.parameters().iter(),
            values,
        }
    }

    pub(super) fn next(&mut self) -> Array<'a> {
        let parameter = self
            .parameters
            .next()
            .expect("a family's graph takes the arrays of its manifest");
        let (values, rest) = self.values.split_at(parameter.range.len().min(self.values.len()));
        self.values = rest;
        Array {
            name: &parameter.name,
            shape: &parameter.shape,
            values,
        }
    }

    /// The next `count` at once, to be taken in an order of their own.
    pub(super) fn several(&mut self, count: usize) -> Self {
        let (several, rest) = self.parameters.as_slice().split_at(count);
        self.parameters = rest.iter();
        let length = several
            .iter()
            .map(|parameter| parameter.range.len())
            .sum::<usize>();
        let (values, rest) = self.values.split_at(length.min(self.values.len()));
        self.values = rest;
        Self {
            parameters: several.iter(),
            values,
        }
    }

    /// The next array as it is.
    pub(super) fn value(&mut self, graph: &mut Graph) -> Value {
        let Array { name, shape, values } = self.next();
        graph.parameters(name, shape, values.iter().copied())
    }

    /// `[rows, in] -> [rows, out]` by a weight, shape `[out, in]`, and a bias, shape `[out]`.
    pub(super) fn linear(&mut self, graph: &mut Graph, values: &Value) -> Value {
        let (weight, bias) = (self.value(graph), self.value(graph));
        let turned = Attribute::int("transB", 1);
        graph.node("Gemm", &[values, &weight, &bias], vec![turned])
    }

    /// The same over the last of any number of dimensions, which `Gemm` does not take.
    pub(super) fn linear_of_last(&mut self, graph: &mut Graph, values: &Value) -> Value {
        let weight = self.value(graph);
        let turned = graph.transpose(&weight, &[1, 0]);
        let bias = self.value(graph);
        let product = graph.node("MatMul", &[values, &turned], vec![]);
        graph.add(&product, &bias)
    }

    /// Hidden layers with this activation, then the output: `[rows, in] -> [rows, outputs]`.
    pub(super) fn chain(
        &mut self,
        graph: &mut Graph,
        values: &Value,
        hidden: usize,
        activation: Activation,
    ) -> Value {
        let mut values = values.clone();
        for _ in 0..hidden {
            let linear = self.linear(graph, &values);
            values = match activation {
                Activation::Relu => graph.relu(&linear),
                Activation::Tanh => graph.node("Tanh", &[&linear], vec![]),
            };
        }
        self.linear(graph, &values)
    }

    /// Layer norm over the last dimension by a weight and a bias of its size; shapes stay.
    pub(super) fn layer_norm(&mut self, graph: &mut Graph, values: &Value) -> Value {
        let (weight, bias) = (self.value(graph), self.value(graph));
        let attributes = vec![Attribute::int("axis", -1), Attribute::float("epsilon", EPSILON)];
        graph.node("LayerNormalization", &[values, &weight, &bias], attributes)
    }

    /// Group norm over images, shape `[rows, channels, height, width]`, by a weight and a bias, shape `[channels]`; shapes stay.
    ///
    /// Each group's numbers become one channel of an instance norm: `GroupNormalization` came with opset 18, and with other parameters than
    /// PyTorch's until opset 21.
    pub(super) fn group_norm(
        &mut self,
        graph: &mut Graph,
        values: &Value,
        groups: usize,
        image: [i64; 3],
    ) -> Value {
        let [channels, height, width] = image;
        let grouped = graph.reshape(values, &[0, crate::graph::to_i64(groups), -1]);
        let (ones, zeros) = (graph.floats(&vec![1.0; groups]), graph.floats(&vec![0.0; groups]));
        let epsilon = vec![Attribute::float("epsilon", EPSILON)];
        let even = graph.node("InstanceNormalization", &[&grouped, &ones, &zeros], epsilon);
        let even = graph.reshape(&even, &[0, channels, height, width]);
        let [weight, bias] = [(); 2].map(|()| {
            let array = self.value(graph);
            graph.unsqueeze(&array, &[1, 2])
        });
        let scaled = graph.multiply(&even, &weight);
        graph.add(&scaled, &bias)
    }
}
