//! The messages of `inference.GRPCInferenceService`, with the field numbers that the Open Inference Protocol publishes (`open_inference_grpc.proto`).

use std::collections::HashMap;

use prost::{Message, Oneof};

/// Asks whether the server runs.
#[derive(Clone, PartialEq, Message)]
pub struct ServerLiveRequest {}

/// Whether the server runs.
#[derive(Clone, PartialEq, Message)]
pub struct ServerLiveResponse {
    /// True if it does.
    #[prost(bool, tag = "1")]
    pub live: bool,
}

/// Asks whether the server takes requests.
#[derive(Clone, PartialEq, Message)]
pub struct ServerReadyRequest {}

/// Whether the server takes requests.
#[derive(Clone, PartialEq, Message)]
pub struct ServerReadyResponse {
    /// True if it does.
    #[prost(bool, tag = "1")]
    pub ready: bool,
}

/// Asks whether a model can be asked.
#[derive(Clone, PartialEq, Message)]
pub struct ModelReadyRequest {
    /// Name of the model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version; empty for the current one.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// Whether a model can be asked.
#[derive(Clone, PartialEq, Message)]
pub struct ModelReadyResponse {
    /// True if it can.
    #[prost(bool, tag = "1")]
    pub ready: bool,
}

/// Asks for the server's name.
#[derive(Clone, PartialEq, Message)]
pub struct ServerMetadataRequest {}

/// What the server is.
#[derive(Clone, PartialEq, Message)]
pub struct ServerMetadataResponse {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
    /// Extensions of the protocol that it knows.
    #[prost(string, repeated, tag = "3")]
    pub extensions: Vec<String>,
}

/// Asks what a model takes and gives.
#[derive(Clone, PartialEq, Message)]
pub struct ModelMetadataRequest {
    /// Name of the model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version; empty for the current one.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// What a model takes and gives.
#[derive(Clone, PartialEq, Message)]
pub struct ModelMetadataResponse {
    /// Name of the model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its versions.
    #[prost(string, repeated, tag = "2")]
    pub versions: Vec<String>,
    /// What runs it.
    #[prost(string, tag = "3")]
    pub platform: String,
    /// What it takes.
    #[prost(message, repeated, tag = "4")]
    pub inputs: Vec<TensorMetadata>,
    /// What it gives.
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<TensorMetadata>,
}

/// `ModelMetadataResponse.TensorMetadata`: an input or output.
#[derive(Clone, PartialEq, Message)]
pub struct TensorMetadata {
    /// Name of the tensor.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Type of its elements.
    #[prost(string, tag = "2")]
    pub datatype: String,
    /// Lengths of its dimensions, -1 where each request chooses.
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
}

/// Rows to be scored.
#[derive(Clone, PartialEq, Message)]
pub struct ModelInferRequest {
    /// Name of the model.
    #[prost(string, tag = "1")]
    pub model_name: String,
    /// Its version; empty for the one that stands for the model.
    #[prost(string, tag = "2")]
    pub model_version: String,
    /// Comes back in the answer; if empty one is made.
    #[prost(string, tag = "3")]
    pub id: String,
    /// `routing_key` is known.
    #[prost(map = "string, message", tag = "4")]
    pub parameters: HashMap<String, InferParameter>,
    /// A tensor for each input.
    #[prost(message, repeated, tag = "5")]
    pub inputs: Vec<InferInputTensor>,
    /// Which outputs are wanted; none means all.
    #[prost(message, repeated, tag = "6")]
    pub outputs: Vec<InferRequestedOutputTensor>,
    /// Elements of each input in binary form, in place of their `contents`.
    #[prost(bytes = "vec", repeated, tag = "7")]
    pub raw_input_contents: Vec<Vec<u8>>,
}

/// `ModelInferRequest.InferInputTensor`: an input.
#[derive(Clone, PartialEq, Message)]
pub struct InferInputTensor {
    /// Name of the tensor.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Type of its elements.
    #[prost(string, tag = "2")]
    pub datatype: String,
    /// Lengths of its dimensions.
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
    /// None is known.
    #[prost(map = "string, message", tag = "4")]
    pub parameters: HashMap<String, InferParameter>,
    /// Its elements, if they are not raw.
    #[prost(message, optional, tag = "5")]
    pub contents: Option<InferTensorContents>,
}

/// `ModelInferRequest.InferRequestedOutputTensor`: an output that is wanted.
#[derive(Clone, PartialEq, Message)]
pub struct InferRequestedOutputTensor {
    /// Name of the output.
    #[prost(string, tag = "1")]
    pub name: String,
    /// None is known.
    #[prost(map = "string, message", tag = "2")]
    pub parameters: HashMap<String, InferParameter>,
}

/// The scores.
#[derive(Clone, PartialEq, Message)]
pub struct ModelInferResponse {
    /// Name of the model.
    #[prost(string, tag = "1")]
    pub model_name: String,
    /// The version that answered.
    #[prost(string, tag = "2")]
    pub model_version: String,
    /// The request's id.
    #[prost(string, tag = "3")]
    pub id: String,
    /// Where the model comes from.
    #[prost(map = "string, message", tag = "4")]
    pub parameters: HashMap<String, InferParameter>,
    /// The outputs.
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<InferOutputTensor>,
    /// Elements of each output in binary form, if those of the inputs were.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub raw_output_contents: Vec<Vec<u8>>,
}

/// `ModelInferResponse.InferOutputTensor`: an output.
#[derive(Clone, PartialEq, Message)]
pub struct InferOutputTensor {
    /// Name of the tensor.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Type of its elements.
    #[prost(string, tag = "2")]
    pub datatype: String,
    /// Lengths of its dimensions.
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
    /// None is given.
    #[prost(map = "string, message", tag = "4")]
    pub parameters: HashMap<String, InferParameter>,
    /// Its elements, if they are not raw.
    #[prost(message, optional, tag = "5")]
    pub contents: Option<InferTensorContents>,
}

/// A parameter.
#[derive(Clone, PartialEq, Message)]
pub struct InferParameter {
    /// Its value.
    #[prost(oneof = "ParameterChoice", tags = "1, 2, 3")]
    pub parameter_choice: Option<ParameterChoice>,
}

/// `InferParameter.parameter_choice`: the value of a parameter.
#[derive(Clone, PartialEq, Oneof)]
pub enum ParameterChoice {
    /// A truth value.
    #[prost(bool, tag = "1")]
    BoolParam(bool),
    /// A whole number.
    #[prost(int64, tag = "2")]
    Int64Param(i64),
    /// A text.
    #[prost(string, tag = "3")]
    StringParam(String),
}

/// Elements in row-major order, in the field of their datatype.
#[derive(Clone, PartialEq, Message)]
pub struct InferTensorContents {
    /// BOOL.
    #[prost(bool, repeated, tag = "1")]
    pub bool_contents: Vec<bool>,
    /// INT8, INT16 and INT32.
    #[prost(int32, repeated, tag = "2")]
    pub int_contents: Vec<i32>,
    /// INT64.
    #[prost(int64, repeated, tag = "3")]
    pub int64_contents: Vec<i64>,
    /// UINT8, UINT16 and UINT32.
    #[prost(uint32, repeated, tag = "4")]
    pub uint_contents: Vec<u32>,
    /// UINT64.
    #[prost(uint64, repeated, tag = "5")]
    pub uint64_contents: Vec<u64>,
    /// FP32.
    #[prost(float, repeated, tag = "6")]
    pub fp32_contents: Vec<f32>,
    /// FP64.
    #[prost(double, repeated, tag = "7")]
    pub fp64_contents: Vec<f64>,
    /// BYTES.
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub bytes_contents: Vec<Vec<u8>>,
}
