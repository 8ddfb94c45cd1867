//! What a task's state holds of it, and its canonical form there.

use super::{Support, table::Table};
use crate::ids::Digest;
use crate::task::Schema;
use crate::wire::canonical::{DecodeError, Reader, Writer};

/// How far a task's vocabularies are; one entry for each of [`Schema::open_columns`], in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vocabularies {
    /// After the first round.
    Supported(Vec<Support>),
    /// After the second: the values, the most widespread first.
    Agreed(Vec<Vec<String>>),
}

impl Vocabularies {
    /// The agreed values, once they are.
    pub fn agreed(&self) -> Option<&[Vec<String>]> {
        match self {
            Self::Supported(_) => None,
            Self::Agreed(values) => Some(values),
        }
    }

    /// From the sums of the first round.
    pub(in crate::model) fn supported(schema: &Schema, sums: &[u64]) -> Self {
        let mut left = sums;
        let supported = schema.open_columns().map(|(_, spec)| {
            let (own, rest) = left.split_at_checked(Support::size(spec)).unwrap_or((left, &[]));
            left = rest;
            Support::of(spec, own)
        });
        Self::Supported(supported.collect())
    }

    /// From the sums of the second round.
    pub(in crate::model) fn found(
        schema: &Schema,
        task: &Digest,
        counts: Vec<u64>,
        bytes: Vec<u64>,
        checks: Vec<u64>,
    ) -> Self {
        let (mut counts, mut bytes, mut checks) = (counts.into_iter(), bytes.into_iter(), checks.into_iter());
        let found = schema.open_columns().map(|(column, spec)| {
            let cells = Table::cells(spec);
            let table = Table {
                counts: counts.by_ref().take(cells).collect(),
                bytes: bytes.by_ref().take(Table::bytes(spec)).collect(),
                checks: checks.by_ref().take(cells).collect(),
            };
            table.values(spec, task, column)
        });
        Self::Agreed(found.collect())
    }

    pub(in crate::model) fn write(&self, w: &mut Writer) {
        match self {
            Self::Supported(columns) => w.u8(1).list(columns.iter(), |w, support| {
                w.bytes(&support.bits);
            }),
            Self::Agreed(columns) => w.u8(2).list(columns.iter(), |w, values| {
                w.list(values.iter(), |w, value| {
                    w.text(value);
                });
            }),
        };
    }

    pub(in crate::model) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match r.u8("vocabularies")? {
            1 => Self::Supported(r.list(4, "cells with support", |r| {
                Ok(Support {
                    bits: r.bytes("cells with support")?.to_vec(),
                })
            })?),
            2 => Self::Agreed(r.list(4, "vocabularies", |r| r.list(4, "values", |r| r.text("value")))?),
            other => return Err(DecodeError::value("vocabularies", format!("{other} is unknown"))),
        })
    }
}
