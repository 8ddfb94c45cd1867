//! What can be seen without a runtime; the client holds every family against libtorch in onnxruntime.
#![allow(clippy::unwrap_used)]

use prost::Message as _;
use veilsum_protocol::model::{Cell, InputShape, ModelSpec, Recurrent};

use super::*;

const SEQUENCE: InputShape = InputShape::Sequence { steps: 2, width: 1 };

fn lstm() -> ModelSpec {
    ModelSpec::Recurrent(Recurrent {
        cell: Cell::Lstm,
        units: 1,
        layers: 1,
        dropout: 0.0,
    })
}

#[test]
fn the_bytes_are_those_of_the_form() {
    let about = About {
        name: "a".to_owned(),
        ..About::default()
    };
    let file = |values: &[f32]| {
        let shape = InputShape::numbers(2);
        model(&ModelSpec::Logistic, &shape, &Answer::Probability, values, &about).unwrap()
    };
    let bytes = file(&[1.0, 2.0, 3.0]);
    // By onnx.proto3: field 1 is ir_version, a varint; field 2 producer_name, with its length.
    assert_eq!(bytes[..11], [&[0x08, 8, 0x12, 7][..], b"veilsum"].concat());
    // The weights 1 and 2 one behind the other, little-endian: field 9 of TensorProto.
    let weights = [0x4a, 8, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40];
    assert!(bytes.windows(weights.len()).any(|part| part == weights));
    assert_eq!(
        bytes,
        file(&[1.0, 2.0, 3.0]),
        "the same arguments give the same bytes"
    );
}

#[test]
fn gates_stand_in_onnx_s_order() {
    // PyTorch: input, forget, cell, output. Of each: input weight, recurrent weight, both biases; then the output layer.
    let values = [
        [0.0, 1.0, 2.0, 3.0],
        [10.0, 11.0, 12.0, 13.0],
        [20.0, 21.0, 22.0, 23.0],
        [30.0, 31.0, 32.0, 33.0],
    ];
    let values = [values.as_flattened(), &[7.0, 8.0]].concat();
    let bytes = model(
        &lstm(),
        &SEQUENCE,
        &Answer::Probability,
        &values,
        &About::default(),
    )
    .unwrap();
    let graph = Model::decode(&bytes[..]).unwrap().graph.unwrap();
    let array = |name: &str| {
        let array = graph.initializer.iter().find(|array| array.name == name).unwrap();
        let (words, _) = array.raw_data.as_chunks::<4>();
        let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        (array.dims.clone(), values)
    };
    // ONNX: input, output, forget, cell.
    assert_eq!(
        array("recurrent.weight_ih_l0"),
        (vec![1, 4, 1], vec![0.0, 3.0, 1.0, 2.0])
    );
    assert_eq!(
        array("recurrent.weight_hh_l0"),
        (vec![1, 4, 1], vec![10.0, 13.0, 11.0, 12.0])
    );
    let (dims, biases) = array("recurrent.bias_ih_l0 and recurrent.bias_hh_l0");
    assert_eq!(
        (dims, biases),
        (vec![1, 8], vec![20.0, 23.0, 21.0, 22.0, 30.0, 33.0, 31.0, 32.0])
    );
}

#[test]
fn another_model_s_parameters_and_rows_are_refused() {
    let told = |spec: &ModelSpec, shape: &InputShape, values: &[f32]| {
        model(spec, shape, &Answer::Probability, values, &About::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        told(&lstm(), &SEQUENCE, &[0.0]),
        "found 1 parameters, expected 18 for this model"
    );
    let rows = told(&lstm(), &InputShape::numbers(2), &[0.0]);
    assert!(
        rows.contains("lstm") && rows.contains("expected sequences"),
        "{rows}"
    );
}
