//! A bank serves its models to its own applications, by the Open Inference Protocol v2 (the "V2" protocol of KServe and Triton) over REST and gRPC.
//!
//! The crate knows neither how a model computes nor where its file lies: it is handed [`Model`]s, which say of themselves what they take and where
//! they come from ([`Card`]), and score whole batches. Below both transports, [`Serving`] does the same for each request: who asks ([`Callers`]),
//! which version answers ([`Registry`]), are the rows what the card says ([`tensor`]), one batch of several requests, and the decision written down
//! ([`decisions`]) before it is told. [`Server`] has the listeners.
//!
//! Source of routes, fields and messages: the Open Inference Protocol of KServe, with its extension for binary tensors and Triton's for the index of
//! models.

mod batcher;
pub mod callers;
pub mod card;
pub mod decisions;
mod explaining;
mod explanation;
mod grpc;
mod meters;
mod model;
mod refusal;
pub mod registry;
mod rest;
mod room;
mod server;
mod service;
mod settings;
pub mod tensor;

pub use callers::{Callers, Keys};
pub use card::{Card, Provenance, TensorSpec};
pub use decisions::DecisionLog;
pub use explanation::{
    AdverseScore, Amount, Changed, ExplainWishes, Explanation, Method, NotExplained, Otherwise, Question,
    Search,
};
pub use meters::CONTENT_TYPE as METRICS_TYPE;
pub use model::{Model, RowProblem};
pub use refusal::{Kind, Refusal};
pub use registry::{Registry, Share};
pub use rest::{Request, WantedOutput, read_request};
pub use server::{CallerOf, Server, Tls};
pub use service::Serving;
pub use settings::{Batching, Decisions, Explaining, OnFailure, Settings, TlsFiles};
pub use tensor::{Batch, Data, Datatype, Tensor};

/// The messages of the protocol over gRPC, for whoever asks by it.
pub use grpc::messages;
