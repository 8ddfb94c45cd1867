//! Whether the tensors of a request are what the card of a model asks for.

use crate::card::{Card, TensorSpec};
use crate::refusal::{Kind, Refusal};
use crate::tensor::{Batch, Data, Tensor, elements};

/// How much a request may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows of a request.
    pub rows: usize,
    /// Elements of a tensor.
    pub elements: usize,
}

/// A batch of a request's tensors in the order of the card.
pub(crate) fn checked(card: &Card, mut tensors: Vec<Tensor>, limits: Limits) -> Result<Batch, Refusal> {
    for (at, tensor) in tensors.iter().enumerate() {
        if tensors.iter().take(at).any(|other| other.name == tensor.name) {
            return Err(Refusal::invalid(format!(
                "input {:?} comes twice; send it once",
                tensor.name
            )));
        }
        if !card.inputs.iter().any(|spec| spec.name == tensor.name) {
            return Err(Refusal::invalid(format!(
                "input {:?} is not one of model {:?}; it expects {}",
                tensor.name,
                card.name,
                told(&card.inputs)
            )));
        }
    }
    let mut ordered: Vec<Tensor> = Vec::with_capacity(card.inputs.len());
    for spec in &card.inputs {
        let Some(at) = tensors.iter().position(|tensor| tensor.name == spec.name) else {
            return Err(Refusal::invalid(format!(
                "input {:?} is missing; model {:?} expects {}",
                spec.name,
                card.name,
                told(&card.inputs)
            )));
        };
        let tensor = shaped(spec, tensors.swap_remove(at), limits)?;
        if let Some(first) = ordered.first()
            && first.rows() != tensor.rows()
        {
            return Err(Refusal::invalid(format!(
                "input {:?} has {} rows and input {:?} has {}; every input needs one element for each row",
                first.name,
                first.rows(),
                tensor.name,
                tensor.rows()
            )));
        }
        ordered.push(finite(spec, tensor)?);
    }
    Ok(Batch {
        rows: ordered.first().map_or(0, Tensor::rows),
        tensors: ordered,
    })
}

pub(crate) fn told(specs: &[TensorSpec]) -> String {
    let words: Vec<String> = specs.iter().map(TensorSpec::told).collect();
    words.join(", ")
}

fn shaped(spec: &TensorSpec, mut tensor: Tensor, limits: Limits) -> Result<Tensor, Refusal> {
    let name = &spec.name;
    let found = tensor.data.datatype();
    if found != spec.datatype {
        return Err(Refusal::invalid(format!(
            "input {name:?} has the datatype {found}, expected {}",
            spec.datatype
        )));
    }
    // Many clients send a column as a matrix that is one element wide.
    if spec.shape.len() == 1 && tensor.shape.len() == 2 && tensor.shape.get(1) == Some(&1) {
        tensor.shape.truncate(1);
    }
    if !tensor.trail_fits(spec) || tensor.shape.contains(&0) {
        return Err(Refusal::invalid(format!(
            "input {name:?} has the shape {:?}, expected {:?}, where -1 stands for a length of at least 1",
            tensor.shape, spec.shape
        )));
    }
    if tensor.rows() > limits.rows {
        let (rows, most) = (tensor.rows(), limits.rows);
        let words =
            format!("input {name:?} has {rows} rows, a request may bring {most}; send several requests");
        return Err(Refusal::new(Kind::TooLarge, words));
    }
    Ok(tensor)
}

/// Refuses what is no number, and marks it where the card allows it to be missing.
fn finite(spec: &TensorSpec, mut tensor: Tensor) -> Result<Tensor, Refusal> {
    let bad = |at: usize, found: &dyn std::fmt::Display| {
        let allowed = if spec.missing {
            "a finite number, or null or NaN if it is missing"
        } else {
            "a finite number; this input may not be missing"
        };
        Err(Refusal::invalid(format!(
            "input {:?}, element {at} (the first is 0): found {found}, expected {allowed}",
            spec.name
        )))
    };
    if !spec.missing
        && let Some(at) = tensor.missing.iter().flatten().position(|&missing| missing)
    {
        return match tensor.data {
            Data::Fp32(_) | Data::Fp64(_) => bad(at, &"a missing value"),
            _ => Err(Refusal::invalid(format!(
                "input {:?}, element {at} (the first is 0): found null, expected a value; this input may not be missing",
                spec.name
            ))),
        };
    }
    let mut nans = Vec::new();
    match &tensor.data {
        Data::Fp32(numbers) => {
            for (at, number) in numbers.iter().enumerate() {
                if number.is_infinite() || (number.is_nan() && !spec.missing) {
                    return bad(at, number);
                }
                if number.is_nan() {
                    nans.push(at);
                }
            }
        }
        Data::Fp64(numbers) => {
            for (at, number) in numbers.iter().enumerate() {
                if number.is_infinite() || (number.is_nan() && !spec.missing) {
                    return bad(at, number);
                }
                if number.is_nan() {
                    nans.push(at);
                }
            }
        }
        _ => {}
    }
    if !nans.is_empty() {
        let marks = tensor
            .missing
            .get_or_insert_with(|| vec![false; tensor.data.len()]);
        for at in nans {
            if let Some(mark) = marks.get_mut(at) {
                *mark = true;
            }
        }
    }
    Ok(tensor)
}

/// The lengths of a shape that came from outside, and their product.
pub(crate) fn lengths(name: &str, shape: &[i64], limits: Limits) -> Result<(Vec<usize>, usize), Refusal> {
    let bad = |words: String| Refusal::invalid(format!("input {name:?} has the shape {shape:?}; {words}"));
    if shape.is_empty() || shape.len() > 8 {
        return Err(bad(
            "expected 1 to 8 dimensions, of which the first is the rows".to_owned()
        ));
    }
    let mut lengths = Vec::with_capacity(shape.len());
    for &length in shape {
        lengths.push(usize::try_from(length).map_err(|_| bad("expected lengths of at least 1".to_owned()))?);
    }
    match elements(&lengths, limits.elements) {
        Some(count) => Ok((lengths, count)),
        None => {
            let most = limits.elements;
            let words = bad(format!(
                "a tensor may have {most} elements; send several requests"
            ))
            .words;
            Err(Refusal::new(Kind::TooLarge, words))
        }
    }
}
