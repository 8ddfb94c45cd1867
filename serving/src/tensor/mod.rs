//! Tensors of the Open Inference Protocol v2, and batches of them.

pub(crate) mod binary;
mod check;
pub(crate) mod json;

use std::fmt;
use std::str::FromStr;

use crate::card::TensorSpec;

pub use binary::{from_binary, to_binary};
pub use check::Limits;
pub(crate) use check::{checked, lengths};
pub use json::{from_json, to_json};

/// Type of a tensor's elements, as the protocol names them. FP16 and BF16 are not among them: a bank's tables have no such column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp32,
    Fp64,
    /// Texts: UTF-8 alone is taken.
    Bytes,
}

impl Datatype {
    /// Every type.
    pub const ALL: [Self; 12] = [
        Self::Bool,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Fp32,
        Self::Fp64,
        Self::Bytes,
    ];

    /// The protocol's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bytes => "BYTES",
        }
    }

    /// Bytes of an element in binary form; a text has a length of its own.
    pub fn width(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => Some(1),
            Self::Uint16 | Self::Int16 => Some(2),
            Self::Uint32 | Self::Int32 | Self::Fp32 => Some(4),
            Self::Uint64 | Self::Int64 | Self::Fp64 => Some(8),
            Self::Bytes => None,
        }
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name())
    }
}

impl FromStr for Datatype {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                format!("found the datatype {name:?}, expected one of {names}")
            })
    }
}

/// The elements of a tensor in row-major order.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Data {
    Bool(Vec<bool>),
    Uint8(Vec<u8>),
    Uint16(Vec<u16>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Fp32(Vec<f32>),
    Fp64(Vec<f64>),
    Bytes(Vec<String>),
}

/// The same expression for the vector in whichever variant it is.
macro_rules! each {
    ($data:expr, $vector:ident => $body:expr) => {
        match $data {
            $crate::tensor::Data::Bool($vector) => $body,
            $crate::tensor::Data::Uint8($vector) => $body,
            $crate::tensor::Data::Uint16($vector) => $body,
            $crate::tensor::Data::Uint32($vector) => $body,
            $crate::tensor::Data::Uint64($vector) => $body,
            $crate::tensor::Data::Int8($vector) => $body,
            $crate::tensor::Data::Int16($vector) => $body,
            $crate::tensor::Data::Int32($vector) => $body,
            $crate::tensor::Data::Int64($vector) => $body,
            $crate::tensor::Data::Fp32($vector) => $body,
            $crate::tensor::Data::Fp64($vector) => $body,
            $crate::tensor::Data::Bytes($vector) => $body,
        }
    };
}

/// As [`each`], with the variant made anew around what the expression gives.
macro_rules! mapped {
    ($data:expr, $vector:ident => $body:expr) => {
        match $data {
            Data::Bool($vector) => Data::Bool($body),
            Data::Uint8($vector) => Data::Uint8($body),
            Data::Uint16($vector) => Data::Uint16($body),
            Data::Uint32($vector) => Data::Uint32($body),
            Data::Uint64($vector) => Data::Uint64($body),
            Data::Int8($vector) => Data::Int8($body),
            Data::Int16($vector) => Data::Int16($body),
            Data::Int32($vector) => Data::Int32($body),
            Data::Int64($vector) => Data::Int64($body),
            Data::Fp32($vector) => Data::Fp32($body),
            Data::Fp64($vector) => Data::Fp64($body),
            Data::Bytes($vector) => Data::Bytes($body),
        }
    };
}
pub(crate) use each;

impl Data {
    /// No elements, with room for some.
    pub(crate) fn empty(datatype: Datatype, room: usize) -> Self {
        match datatype {
            Datatype::Bool => Self::Bool(Vec::with_capacity(room)),
            Datatype::Uint8 => Self::Uint8(Vec::with_capacity(room)),
            Datatype::Uint16 => Self::Uint16(Vec::with_capacity(room)),
            Datatype::Uint32 => Self::Uint32(Vec::with_capacity(room)),
            Datatype::Uint64 => Self::Uint64(Vec::with_capacity(room)),
            Datatype::Int8 => Self::Int8(Vec::with_capacity(room)),
            Datatype::Int16 => Self::Int16(Vec::with_capacity(room)),
            Datatype::Int32 => Self::Int32(Vec::with_capacity(room)),
            Datatype::Int64 => Self::Int64(Vec::with_capacity(room)),
            Datatype::Fp32 => Self::Fp32(Vec::with_capacity(room)),
            Datatype::Fp64 => Self::Fp64(Vec::with_capacity(room)),
            Datatype::Bytes => Self::Bytes(Vec::with_capacity(room)),
        }
    }

    /// Type of the elements.
    pub fn datatype(&self) -> Datatype {
        match self {
            Self::Bool(_) => Datatype::Bool,
            Self::Uint8(_) => Datatype::Uint8,
            Self::Uint16(_) => Datatype::Uint16,
            Self::Uint32(_) => Datatype::Uint32,
            Self::Uint64(_) => Datatype::Uint64,
            Self::Int8(_) => Datatype::Int8,
            Self::Int16(_) => Datatype::Int16,
            Self::Int32(_) => Datatype::Int32,
            Self::Int64(_) => Datatype::Int64,
            Self::Fp32(_) => Datatype::Fp32,
            Self::Fp64(_) => Datatype::Fp64,
            Self::Bytes(_) => Datatype::Bytes,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        each!(self, vector => vector.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slice(&self, from: usize, to: usize) -> Self {
        mapped!(self, vector => vector.get(from..to).unwrap_or_default().to_vec())
    }

    /// Appends elements of the same type.
    fn extend(&mut self, other: &Self) {
        match (self, other) {
            (Self::Bool(to), Self::Bool(from)) => to.extend_from_slice(from),
            (Self::Uint8(to), Self::Uint8(from)) => to.extend_from_slice(from),
            (Self::Uint16(to), Self::Uint16(from)) => to.extend_from_slice(from),
            (Self::Uint32(to), Self::Uint32(from)) => to.extend_from_slice(from),
            (Self::Uint64(to), Self::Uint64(from)) => to.extend_from_slice(from),
            (Self::Int8(to), Self::Int8(from)) => to.extend_from_slice(from),
            (Self::Int16(to), Self::Int16(from)) => to.extend_from_slice(from),
            (Self::Int32(to), Self::Int32(from)) => to.extend_from_slice(from),
            (Self::Int64(to), Self::Int64(from)) => to.extend_from_slice(from),
            (Self::Fp32(to), Self::Fp32(from)) => to.extend_from_slice(from),
            (Self::Fp64(to), Self::Fp64(from)) => to.extend_from_slice(from),
            (Self::Bytes(to), Self::Bytes(from)) => to.extend_from_slice(from),
            (to, from) => unreachable!(
                "{} beside {}: a card has one type for a column",
                from.datatype(),
                to.datatype()
            ),
        }
    }
}

/// A named tensor. `shape` multiplies to the number of elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name of the column or output.
    pub name: String,
    /// Lengths of its dimensions; the first is the rows.
    pub shape: Vec<usize>,
    /// Its elements.
    pub data: Data,
    /// Which elements are missing, one mark for each, if any is. A missing element holds NaN where the type has it, else zero, false or "".
    pub missing: Option<Vec<bool>>,
}

impl Tensor {
    /// A column of one element a row, none missing.
    pub fn column(name: &str, data: Data) -> Self {
        Self {
            name: name.to_owned(),
            shape: vec![data.len()],
            data,
            missing: None,
        }
    }

    /// Length of the first dimension; a tensor without dimensions has one row.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    fn trail(&self) -> &[usize] {
        self.shape.get(1..).unwrap_or_default()
    }

    /// Whether every length behind the rows is what the card says, or left open there.
    pub(crate) fn trail_fits(&self, spec: &TensorSpec) -> bool {
        let wanted = spec.shape.get(1..).unwrap_or_default();
        let fits = |(&length, &wanted): (&usize, &i64)| wanted == -1 || i64::try_from(length) == Ok(wanted);
        self.trail().len() == wanted.len() && self.trail().iter().zip(wanted).all(fits)
    }

    fn part(&self, from: usize, rows: usize) -> Self {
        let each: usize = self.trail().iter().product();
        let (from, to) = (from * each, (from + rows) * each);
        let mut shape = self.shape.clone();
        if let Some(first) = shape.first_mut() {
            *first = rows;
        }
        Self {
            name: self.name.clone(),
            shape,
            data: self.data.slice(from, to),
            missing: self
                .missing
                .as_ref()
                .map(|marks| marks.get(from..to).unwrap_or_default().to_vec()),
        }
    }
}

/// The product of a shape, if it is no more than `most`.
pub(crate) fn elements(shape: &[usize], most: usize) -> Option<usize> {
    // A zero must not hide lengths before it that overflow.
    let mut product = 1_usize;
    for &length in shape {
        product = product.checked_mul(length)?;
    }
    (product <= most).then_some(product)
}

/// Rows to be scored: one tensor for each input of the card, in its order, all with the same number of rows, at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    rows: usize,
    tensors: Vec<Tensor>,
}

impl Batch {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The tensors, in the order of the card's inputs.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The tensor of a name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// Bytes of all elements; of a text those of its letters.
    pub(crate) fn bytes(&self) -> usize {
        let of = |tensor: &Tensor| match &tensor.data {
            Data::Bytes(texts) => texts.iter().map(String::len).sum(),
            data => data.datatype().width().unwrap_or(0) * data.len(),
        };
        self.tensors.iter().map(of).sum()
    }

    /// Whether the rows of both can stand in one batch: each request chooses lengths that the card leaves open.
    pub(crate) fn fits(&self, other: &Self) -> bool {
        self.tensors
            .iter()
            .zip(&other.tensors)
            .all(|(one, other)| one.trail() == other.trail())
    }

    /// One batch of the rows of several for the same model that fit, in their order.
    pub(crate) fn joined(batches: &[&Self]) -> Option<Self> {
        let (first, rest) = batches.split_first()?;
        let mut joined = (*first).clone();
        for batch in rest {
            joined.rows += batch.rows;
            for (to, from) in joined.tensors.iter_mut().zip(&batch.tensors) {
                if to.missing.is_some() || from.missing.is_some() {
                    let marks = to.missing.get_or_insert_with(|| vec![false; to.data.len()]);
                    match &from.missing {
                        Some(more) => marks.extend_from_slice(more),
                        None => marks.resize(marks.len() + from.data.len(), false),
                    }
                }
                to.data.extend(&from.data);
                if let Some(length) = to.shape.first_mut() {
                    *length = joined.rows;
                }
            }
        }
        Some(joined)
    }
}

/// Some rows of every tensor.
pub(crate) fn part(tensors: &[Tensor], from: usize, rows: usize) -> Vec<Tensor> {
    tensors.iter().map(|tensor| tensor.part(from, rows)).collect()
}
