//! A model as an ONNX file: from the family, the shape of a row, what is predicted and the parameters to the bytes that any ONNX runtime loads.
//!
//! The graph computes what `veilsum-client serve` answers, by the operators of [opset](OPSET) 17, and knows nothing of libtorch: a test of the
//! client holds each family against libtorch in onnxruntime.
//!
//! | | name | type | shape |
//! | --- | --- | --- | --- |
//! | input | `inputs` | float32 | `[rows, width]`: a row encoded as `model.json` says, as [`InputShape::width`] numbers |
//! | output of [`Answer::Probability`] | `probability` | float32 | `[rows]` |
//! | output of [`Answer::Probabilities`] | `probabilities` | float32 | `[rows, classes]` |
//! | output of [`Answer::Number`] | `prediction` | float64 | `[rows]`, on the label's own scale |
//!
//! Sources: the ONNX specification, `onnx.proto3` and `docs/Operators.md`.

mod answer;
mod family;
mod graph;
mod messages;

use prost::Message as _;
use veilsum_protocol::model::{InputShape, ModelSpec, Unfit};

pub use answer::Answer;

use family::Arrays;
use graph::Graph;
use messages::{Model, OperatorSet, Property, ValueInfo};

/// The version of the operators: the first with `LayerNormalization`, of July 2022.
pub const OPSET: i64 = 17;
/// The version of the file's form that came with it.
pub const IR_VERSION: i64 = 8;
/// Name of the input.
pub const INPUTS: &str = "inputs";
/// Name of the dimension that may have any size.
const ROWS: &str = "rows";
/// No message of Protocol Buffers may be longer.
const LONGEST: usize = (1 << 31) - 1;

/// What the file says of itself beside the graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Name of the graph.
    pub name: String,
    /// Version of the program that writes.
    pub program: String,
    /// One paragraph for people.
    pub text: String,
    /// Keys and values, in their order.
    pub properties: Vec<(String, String)>,
}

/// Why there is no file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    /// The family does not take such rows.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Parameters of another model.
    #[error("found {found} parameters, expected {expected} for this model")]
    Parameters {
        /// How many there are.
        found: usize,
        /// How many the model has.
        expected: usize,
    },
    /// Longer than any reader takes.
    #[error(
        "the ONNX file would have {found} bytes, expected at most {LONGEST}, which Protocol Buffers allow; export the model as safetensors or TorchScript"
    )]
    TooLong {
        /// Its length.
        found: usize,
    },
}

/// The file of a model. `parameters`: in the order of the family's manifest. The same arguments give the same bytes.
///
/// # Errors
/// [`OnnxError`].
pub fn model(
    spec: &ModelSpec,
    inputs: &InputShape,
    answer: &Answer,
    parameters: &[f32],
    about: &About,
) -> Result<Vec<u8>, OnnxError> {
    spec.takes(inputs)?;
    let manifest = spec.manifest(inputs, answer.target());
    if parameters.len() != manifest.total() {
        return Err(OnnxError::Parameters {
            found: parameters.len(),
            expected: manifest.total(),
        });
    }
    let mut graph = Graph::default();
    let mut arrays = Arrays::of(&manifest, parameters);
    let rows = graph.input(INPUTS);
    let logits = family::logits(&mut graph, spec, inputs, &mut arrays, &rows);
    let output = answer.output(&mut graph, &logits);
    let rows = ValueInfo::new(
        INPUTS,
        messages::FLOAT,
        [ROWS.into(), graph::to_i64(inputs.width()).into()],
    );
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: "veilsum".to_owned(),
        producer_version: about.program.clone(),
        doc_string: about.text.clone(),
        graph: Some(graph.finish(&about.name, rows, output)),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: OPSET,
        }],
        metadata_props: about.properties.iter().map(Property::of).collect(),
    };
    match model.encoded_len() {
        found if found > LONGEST => Err(OnnxError::TooLong { found }),
        _ => Ok(model.encode_to_vec()),
    }
}

#[cfg(test)]
mod tests;
