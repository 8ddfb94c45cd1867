//! The transparency log: it is sequenced, then committed with the round, then published.
