//! The elements of a tensor in a message, each datatype in the field that the protocol gives it.

use super::messages::{InferInputTensor, InferTensorContents};
use crate::refusal::Refusal;
use crate::tensor::{Data, Datatype, Limits, Tensor, from_binary};

/// The tensor of an input, from its own contents or from raw ones.
pub(super) fn read(input: InferInputTensor, raw: Option<&[u8]>, limits: Limits) -> Result<Tensor, Refusal> {
    let InferInputTensor {
        name,
        datatype,
        shape,
        contents,
        ..
    } = input;
    let bad = |words: String| Refusal::invalid(format!("input {name:?}: {words}"));
    let datatype: Datatype = datatype.parse().map_err(&bad)?;
    match (raw, contents) {
        (Some(raw), None) => from_binary(&name, datatype, &shape, raw, limits),
        (Some(_), Some(_)) => Err(bad(
            "found both contents and raw_input_contents, expected one of them".to_owned(),
        )),
        (None, None) => Err(bad(
            "found neither contents nor raw_input_contents, expected one of them".to_owned(),
        )),
        (None, Some(contents)) => {
            let (shape, count) = crate::tensor::lengths(&name, &shape, limits)?;
            let data = elements(datatype, contents).map_err(&bad)?;
            if data.len() != count {
                let words = format!(
                    "found {} elements of {datatype}, its shape {shape:?} says {count}",
                    data.len()
                );
                return Err(bad(words));
            }
            Ok(Tensor {
                name,
                shape,
                data,
                missing: None,
            })
        }
    }
}

fn elements(datatype: Datatype, contents: InferTensorContents) -> Result<Data, String> {
    let InferTensorContents {
        bool_contents,
        int_contents,
        int64_contents,
        uint_contents,
        uint64_contents,
        fp32_contents,
        fp64_contents,
        bytes_contents,
    } = contents;
    let filled = [
        ("bool_contents", bool_contents.len()),
        ("int_contents", int_contents.len()),
        ("int64_contents", int64_contents.len()),
        ("uint_contents", uint_contents.len()),
        ("uint64_contents", uint64_contents.len()),
        ("fp32_contents", fp32_contents.len()),
        ("fp64_contents", fp64_contents.len()),
        ("bytes_contents", bytes_contents.len()),
    ];
    let own = match datatype {
        Datatype::Bool => "bool_contents",
        Datatype::Int8 | Datatype::Int16 | Datatype::Int32 => "int_contents",
        Datatype::Int64 => "int64_contents",
        Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 => "uint_contents",
        Datatype::Uint64 => "uint64_contents",
        Datatype::Fp32 => "fp32_contents",
        Datatype::Fp64 => "fp64_contents",
        Datatype::Bytes => "bytes_contents",
    };
    if let Some((other, _)) = filled.iter().find(|(name, length)| *length > 0 && *name != own) {
        return Err(format!(
            "found elements in {other}, expected those of {datatype} in {own}"
        ));
    }
    Ok(match datatype {
        Datatype::Bool => Data::Bool(bool_contents),
        Datatype::Int8 => Data::Int8(narrowed(datatype, int_contents)?),
        Datatype::Int16 => Data::Int16(narrowed(datatype, int_contents)?),
        Datatype::Int32 => Data::Int32(int_contents),
        Datatype::Int64 => Data::Int64(int64_contents),
        Datatype::Uint8 => Data::Uint8(narrowed(datatype, uint_contents)?),
        Datatype::Uint16 => Data::Uint16(narrowed(datatype, uint_contents)?),
        Datatype::Uint32 => Data::Uint32(uint_contents),
        Datatype::Uint64 => Data::Uint64(uint64_contents),
        Datatype::Fp32 => Data::Fp32(fp32_contents),
        Datatype::Fp64 => Data::Fp64(fp64_contents),
        Datatype::Bytes => {
            let mut texts = Vec::with_capacity(bytes_contents.len());
            for (at, bytes) in bytes_contents.into_iter().enumerate() {
                texts.push(String::from_utf8(bytes).map_err(|problem| {
                    let valid = problem.utf8_error().valid_up_to();
                    format!("element {at} (the first is 0): found no UTF-8 after {valid} bytes, expected a text in UTF-8")
                })?);
            }
            Data::Bytes(texts)
        }
    })
}

fn narrowed<W, N>(datatype: Datatype, wide: Vec<W>) -> Result<Vec<N>, String>
where
    W: Copy + std::fmt::Display,
    N: TryFrom<W>,
{
    let mut narrow = Vec::with_capacity(wide.len());
    for (at, element) in wide.into_iter().enumerate() {
        narrow.push(N::try_from(element).map_err(|_| {
            format!("element {at} (the first is 0): found {element}, expected {datatype}, a whole number in its range")
        })?);
    }
    Ok(narrow)
}

/// Elements in the field of their datatype.
pub(super) fn written(data: Data) -> InferTensorContents {
    let mut to = InferTensorContents::default();
    match data {
        Data::Bool(elements) => to.bool_contents = elements,
        Data::Int8(elements) => to.int_contents = elements.into_iter().map(i32::from).collect(),
        Data::Int16(elements) => to.int_contents = elements.into_iter().map(i32::from).collect(),
        Data::Int32(elements) => to.int_contents = elements,
        Data::Int64(elements) => to.int64_contents = elements,
        Data::Uint8(elements) => to.uint_contents = elements.into_iter().map(u32::from).collect(),
        Data::Uint16(elements) => to.uint_contents = elements.into_iter().map(u32::from).collect(),
        Data::Uint32(elements) => to.uint_contents = elements,
        Data::Uint64(elements) => to.uint64_contents = elements,
        Data::Fp32(elements) => to.fp32_contents = elements,
        Data::Fp64(elements) => to.fp64_contents = elements,
        Data::Bytes(elements) => to.bytes_contents = elements.into_iter().map(String::into_bytes).collect(),
    }
    to
}
