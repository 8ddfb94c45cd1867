//! The binary form of tensors: elements in row-major order, little-endian, nothing between them; a truth value is a byte of 0 or 1, a text four
//! bytes of length and then its own (Triton's and KServe's binary tensor data extension, `raw_input_contents` of gRPC).

use crate::refusal::Refusal;
use crate::tensor::check::{Limits, lengths};
use crate::tensor::{Data, Datatype, Tensor};

/// Reads a tensor of the binary form.
///
/// # Errors
/// Lengths and contents that are not what shape and datatype say.
pub fn from_binary(
    name: &str,
    datatype: Datatype,
    shape: &[i64],
    bytes: &[u8],
    limits: Limits,
) -> Result<Tensor, Refusal> {
    let (shape, count) = lengths(name, shape, limits)?;
    if let Some(width) = datatype.width() {
        let expected = count.checked_mul(width);
        if expected != Some(bytes.len()) {
            return Err(Refusal::invalid(format!(
                "input {name:?} has {} bytes of binary data; {count} elements of {datatype} take {width} each",
                bytes.len()
            )));
        }
    }
    macro_rules! numbers {
        ($number:ty) => {
            bytes
                .as_chunks::<{ size_of::<$number>() }>()
                .0
                .iter()
                .map(|chunk| <$number>::from_le_bytes(*chunk))
                .collect()
        };
    }
    let data = match datatype {
        Datatype::Bool => Data::Bool(truths(name, bytes)?),
        Datatype::Uint8 => Data::Uint8(bytes.to_vec()),
        Datatype::Uint16 => Data::Uint16(numbers!(u16)),
        Datatype::Uint32 => Data::Uint32(numbers!(u32)),
        Datatype::Uint64 => Data::Uint64(numbers!(u64)),
        Datatype::Int8 => Data::Int8(numbers!(i8)),
        Datatype::Int16 => Data::Int16(numbers!(i16)),
        Datatype::Int32 => Data::Int32(numbers!(i32)),
        Datatype::Int64 => Data::Int64(numbers!(i64)),
        Datatype::Fp32 => Data::Fp32(numbers!(f32)),
        Datatype::Fp64 => Data::Fp64(numbers!(f64)),
        Datatype::Bytes => Data::Bytes(texts(name, bytes, count)?),
    };
    Ok(Tensor {
        name: name.to_owned(),
        shape,
        data,
        missing: None,
    })
}

fn truths(name: &str, bytes: &[u8]) -> Result<Vec<bool>, Refusal> {
    let mut truths = Vec::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        truths.push(match byte {
            0 => false,
            1 => true,
            _ => {
                return Err(Refusal::invalid(format!(
                    "input {name:?}, element {at} (the first is 0): found the byte {byte}, expected 0 or 1"
                )));
            }
        });
    }
    Ok(truths)
}

fn texts(name: &str, mut bytes: &[u8], count: usize) -> Result<Vec<String>, Refusal> {
    // What is not there is not made room for: each text takes four bytes at least.
    let mut texts = Vec::with_capacity(count.min(bytes.len() / 4));
    while !bytes.is_empty() {
        let at = texts.len();
        let bad =
            |words: &str| Refusal::invalid(format!("input {name:?}, element {at} (the first is 0): {words}"));
        if at == count {
            let words = format!(
                "{} bytes of binary data follow where the shape says that the tensor ends",
                bytes.len()
            );
            return Err(bad(&words));
        }
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
            return Err(bad(
                "found the end of the binary data, expected four bytes of length",
            ));
        };
        let length = u32::from_le_bytes(*length);
        let text = usize::try_from(length)
            .ok()
            .and_then(|length| rest.split_at_checked(length));
        let Some((text, rest)) = text else {
            let words = format!(
                "its length says {length} bytes, {} are left of the binary data",
                rest.len()
            );
            return Err(bad(&words));
        };
        let text = std::str::from_utf8(text).map_err(|problem| {
            bad(&format!(
                "found no UTF-8 after {} bytes, expected a text in UTF-8",
                problem.valid_up_to()
            ))
        })?;
        texts.push(text.to_owned());
        bytes = rest;
    }
    if texts.len() != count {
        return Err(Refusal::invalid(format!(
            "input {name:?} has {} texts in its binary data, its shape says {count}",
            texts.len()
        )));
    }
    Ok(texts)
}

/// The binary form. A missing element has the value that stands for it.
///
/// # Errors
/// If a text is longer than four bytes of length can say.
pub fn to_binary(data: &Data) -> Result<Vec<u8>, Refusal> {
    macro_rules! numbers {
        ($vector:ident) => {
            $vector
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect()
        };
    }
    Ok(match data {
        Data::Bool(vector) => vector.iter().map(|&truth| u8::from(truth)).collect(),
        Data::Uint8(vector) => vector.clone(),
        Data::Uint16(vector) => numbers!(vector),
        Data::Uint32(vector) => numbers!(vector),
        Data::Uint64(vector) => numbers!(vector),
        Data::Int8(vector) => numbers!(vector),
        Data::Int16(vector) => numbers!(vector),
        Data::Int32(vector) => numbers!(vector),
        Data::Int64(vector) => numbers!(vector),
        Data::Fp32(vector) => numbers!(vector),
        Data::Fp64(vector) => numbers!(vector),
        Data::Bytes(vector) => {
            let mut bytes = Vec::with_capacity(vector.iter().map(|text| text.len() + 4).sum());
            for text in vector {
                let length = u32::try_from(text.len()).map_err(|_| {
                    Refusal::invalid(format!(
                        "a text has {} bytes; the binary form holds less than 2^32",
                        text.len()
                    ))
                })?;
                bytes.extend_from_slice(&length.to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            bytes
        }
    })
}
