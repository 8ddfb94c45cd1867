//! What a model is, without training one: its parameters' names and shapes, model 0 from a seed, the moments
//! that standardise its inputs, and its metrics from summed histograms. Everything here gives the same bits on
//! every machine, so that banks and auditors can derive it for themselves.

pub mod initialise;
mod judgement;
mod manifest;
mod metrics;
mod moments;
pub mod optimiser;
pub mod plan;
mod preparation;
mod shape;
mod shared;
mod spec;
pub mod state;
mod stopping;
mod vocabulary;

pub use judgement::Judgement;
pub use manifest::{Initial, Manifest, Parameter};
pub use metrics::{
    Better, BinarySums, ClassSums, Decision, Figure, GroupFigures, GroupSums, ImportanceSums,
    LEAST_GROUP_ROWS, Metrics, MetricsError, NumberSums, ScoreSums, Share, Spread,
};
pub use moments::{ColumnSums, MAX_ROWS, Moments, MomentsError};
pub use preparation::{
    ColumnCounts, ColumnFigures, ColumnSpread, Evidence, Preparation, PreparationError, SHOWN_BINS, bin_of,
};
pub use shape::{InputShape, Target};
pub use shared::{Shared, is_in_group};
pub use spec::{
    Activation, Cell, Cnn, EmbeddingBag, Mlp, ModelSpec, Norm, Recurrent, TextCnn, Transformer, Unfit,
};
pub use stopping::{Stopping, TrainingEnd};
pub use vocabulary::{Support, Vocabularies};
