//! A task's model as it answers the bank's own applications: which models there are and what proves them, and from raw rows to scores by the same
//! rules, parser, encoder and network as in training.

mod provenance;
mod scorer;

pub use provenance::{Provenance, ProvenanceError};
pub use scorer::{Feature, FeatureKind, Scorer, ScorerError};

#[cfg(test)]
pub(crate) mod tests;
