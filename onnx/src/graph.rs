//! The graph as it grows: each operator takes values by name and gives a new one.

use crate::messages::{Array, Attribute, BOOL, FLOAT, GraphMessage, INT64, Node, ValueInfo};

/// What a node gives, or an array of parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value(String);

/// Nodes and arrays, in the order in which they are computed.
#[derive(Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    arrays: Vec<Array>,
}

pub(crate) fn to_i64(size: usize) -> i64 {
    i64::try_from(size).expect("sizes in memory are below 2^63")
}

/// A size by which a float is divided or multiplied: exact below 2^24, and rounded as libtorch rounds it above.
pub(crate) fn to_f32(size: u32) -> f32 {
    f64::from(size) as f32
}

impl Graph {
    /// What the graph is given.
    pub(crate) fn input(&self, name: &str) -> Value {
        Value(name.to_owned())
    }

    /// One operator.
    pub(crate) fn node(&mut self, operator: &str, inputs: &[&Value], attributes: Vec<Attribute>) -> Value {
        let name = format!("{}.{operator}", self.nodes.len());
        self.named(name, operator, inputs, attributes)
    }

    /// The operator that gives the graph's output.
    pub(crate) fn last(
        &mut self,
        output: &str,
        operator: &str,
        inputs: &[&Value],
        attributes: Vec<Attribute>,
    ) {
        self.named(output.to_owned(), operator, inputs, attributes);
    }

    fn named(
        &mut self,
        output: String,
        operator: &str,
        inputs: &[&Value],
        attribute: Vec<Attribute>,
    ) -> Value {
        self.nodes.push(Node {
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: vec![output.clone()],
            name: format!("node {output}"),
            op_type: operator.to_owned(),
            attribute,
        });
        Value(output)
    }

    /// An array of parameters, row-major.
    pub(crate) fn parameters(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl IntoIterator<Item = f32>,
    ) -> Value {
        let raw_data = values.into_iter().flat_map(f32::to_le_bytes).collect();
        self.array(name.to_owned(), shape, FLOAT, raw_data)
    }

    /// Numbers that are part of the graph, shape `[values.len()]`.
    pub(crate) fn floats(&mut self, values: &[f32]) -> Value {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(&[values.len()], FLOAT, raw)
    }

    /// A number that is part of the graph, without dimensions.
    pub(crate) fn float(&mut self, value: f32) -> Value {
        self.constant(&[], FLOAT, value.to_le_bytes().to_vec())
    }

    /// The same in double precision.
    pub(crate) fn double(&mut self, value: f64) -> Value {
        self.constant(&[], crate::messages::DOUBLE, value.to_le_bytes().to_vec())
    }

    /// Sizes, axes or positions, shape `[values.len()]`.
    pub(crate) fn ints(&mut self, values: &[i64]) -> Value {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(&[values.len()], INT64, raw)
    }

    /// A position, without dimensions.
    pub(crate) fn int(&mut self, value: i64) -> Value {
        self.constant(&[], INT64, value.to_le_bytes().to_vec())
    }

    /// Truths, shape `[1, values.len()]`.
    pub(crate) fn bools(&mut self, values: &[bool]) -> Value {
        let raw = values.iter().map(|value| u8::from(*value)).collect();
        self.constant(&[1, values.len()], BOOL, raw)
    }

    fn constant(&mut self, shape: &[usize], element: i32, raw_data: Vec<u8>) -> Value {
        let name = format!("constant {}", self.arrays.len());
        self.array(name, shape, element, raw_data)
    }

    fn array(&mut self, name: String, shape: &[usize], data_type: i32, raw_data: Vec<u8>) -> Value {
        self.arrays.push(Array {
            dims: shape.iter().map(|size| to_i64(*size)).collect(),
            data_type,
            name: name.clone(),
            raw_data,
        });
        Value(name)
    }

    /// The same numbers in another shape; 0 keeps the size of that dimension.
    pub(crate) fn reshape(&mut self, values: &Value, shape: &[i64]) -> Value {
        let shape = self.ints(shape);
        self.node("Reshape", &[values, &shape], vec![])
    }

    /// Dimensions in another order.
    pub(crate) fn transpose(&mut self, values: &Value, order: &[i64]) -> Value {
        self.node("Transpose", &[values], vec![Attribute::ints("perm", order)])
    }

    /// One more dimension of size 1 at each of these places.
    pub(crate) fn unsqueeze(&mut self, values: &Value, axes: &[i64]) -> Value {
        let axes = self.ints(axes);
        self.node("Unsqueeze", &[values, &axes], vec![])
    }

    /// Without a dimension of size 1.
    pub(crate) fn squeeze(&mut self, values: &Value, axis: i64) -> Value {
        let axes = self.ints(&[axis]);
        self.node("Squeeze", &[values, &axes], vec![])
    }

    /// One of the vectors along the first dimension for each index.
    pub(crate) fn embedding(&mut self, vectors: &Value, indices: &Value) -> Value {
        self.node("Gather", &[vectors, indices], vec![Attribute::int("axis", 0)])
    }

    /// Numbers as whole numbers, cut towards zero.
    pub(crate) fn index(&mut self, values: &Value) -> Value {
        self.cast(values, INT64)
    }

    /// Numbers or truths as float32.
    pub(crate) fn number(&mut self, values: &Value) -> Value {
        self.cast(values, FLOAT)
    }

    pub(crate) fn cast(&mut self, values: &Value, element: i32) -> Value {
        let to = Attribute::int("to", i64::from(element));
        self.node("Cast", &[values], vec![to])
    }

    /// Where numbers are not zero.
    pub(crate) fn is_set(&mut self, values: &Value) -> Value {
        let zero = self.float(0.0);
        let is_zero = self.node("Equal", &[values, &zero], vec![]);
        self.node("Not", &[&is_zero], vec![])
    }

    pub(crate) fn relu(&mut self, values: &Value) -> Value {
        self.node("Relu", &[values], vec![])
    }

    pub(crate) fn add(&mut self, left: &Value, right: &Value) -> Value {
        self.node("Add", &[left, right], vec![])
    }

    pub(crate) fn multiply(&mut self, left: &Value, right: &Value) -> Value {
        self.node("Mul", &[left, right], vec![])
    }

    pub(crate) fn divide(&mut self, left: &Value, right: &Value) -> Value {
        self.node("Div", &[left, right], vec![])
    }

    pub(crate) fn concatenate(&mut self, parts: &[Value], axis: i64) -> Value {
        let parts: Vec<&Value> = parts.iter().collect();
        self.node("Concat", &parts, vec![Attribute::int("axis", axis)])
    }

    /// The numbers from `start` up to `end` of the second dimension.
    pub(crate) fn columns(&mut self, values: &Value, start: usize, end: usize) -> Value {
        let [start, end] = [start, end].map(|at| self.ints(&[to_i64(at)]));
        let axes = self.ints(&[1]);
        self.node("Slice", &[values, &start, &end, &axes], vec![])
    }

    /// Sum over one dimension, which goes.
    pub(crate) fn sum(&mut self, values: &Value, axis: i64) -> Value {
        // The axes are an input since opset 13.
        let axes = self.ints(&[axis]);
        self.node("ReduceSum", &[values, &axes], vec![Attribute::int("keepdims", 0)])
    }

    /// Mean over one dimension, which goes.
    pub(crate) fn mean(&mut self, values: &Value, axis: i64) -> Value {
        self.reduce("ReduceMean", values, axis)
    }

    /// The greatest along one dimension, which goes.
    pub(crate) fn greatest(&mut self, values: &Value, axis: i64) -> Value {
        self.reduce("ReduceMax", values, axis)
    }

    /// Until opset 18 the axes of these are an attribute.
    fn reduce(&mut self, operator: &str, values: &Value, axis: i64) -> Value {
        let attributes = vec![Attribute::ints("axes", &[axis]), Attribute::int("keepdims", 0)];
        self.node(operator, &[values], attributes)
    }

    /// The whole.
    pub(crate) fn finish(self, name: &str, input: ValueInfo, output: ValueInfo) -> GraphMessage {
        GraphMessage {
            node: self.nodes,
            name: name.to_owned(),
            initializer: self.arrays,
            input: vec![input],
            output: vec![output],
        }
    }
}
