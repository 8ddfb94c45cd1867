//! Tensors and their forms: known ones, made ones, and bytes that mean nothing.

use proptest::prelude::*;
use prost::Message;
use serde::Deserialize;
use serde_json::value::RawValue;
use veilsum_serving::messages::{
    InferInputTensor, InferParameter, InferRequestedOutputTensor, InferTensorContents, ModelInferRequest,
    ParameterChoice,
};
use veilsum_serving::tensor::{Limits, from_binary, from_json, to_binary, to_json};
use veilsum_serving::{Data, Datatype, Tensor};

const LIMITS: Limits = Limits {
    rows: 1 << 20,
    elements: 1 << 20,
};

#[derive(Deserialize)]
struct Case {
    datatype: String,
    shape: Vec<i64>,
    flat: Box<RawValue>,
    nested: Box<RawValue>,
    binary: String,
    request: String,
}

/// Written by `tests/answers/binary.py`.
fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../answers/binary.json")).expect("known answers")
}

#[test]
fn the_forms_of_known_tensors_are_those_of_the_protocol() {
    let cases = cases();
    assert_eq!(cases.len(), Datatype::ALL.len());
    for case in &cases {
        let datatype: Datatype = case.datatype.parse().unwrap();
        let flat = from_json("x", datatype, &case.shape, &case.flat, LIMITS).unwrap();
        assert_eq!(
            from_json("x", datatype, &case.shape, &case.nested, LIMITS).unwrap(),
            flat
        );
        let bytes = hex::decode(&case.binary).unwrap();
        assert_eq!(
            from_binary("x", datatype, &case.shape, &bytes, LIMITS).unwrap(),
            flat,
            "{datatype}"
        );
        assert_eq!(to_binary(&flat.data).unwrap(), bytes, "{datatype}");
        let again = to_json(&flat).unwrap();
        assert_eq!(
            from_json("x", datatype, &case.shape, &again, LIMITS).unwrap(),
            flat,
            "{datatype}"
        );
    }
}

#[test]
fn messages_have_the_published_field_numbers() {
    for case in cases() {
        let datatype: Datatype = case.datatype.parse().unwrap();
        let tensor = from_json("x", datatype, &case.shape, &case.flat, LIMITS).unwrap();
        let mut contents = InferTensorContents::default();
        match tensor.data {
            Data::Bool(v) => contents.bool_contents = v,
            Data::Uint8(v) => contents.uint_contents = v.into_iter().map(u32::from).collect(),
            Data::Uint16(v) => contents.uint_contents = v.into_iter().map(u32::from).collect(),
            Data::Uint32(v) => contents.uint_contents = v,
            Data::Uint64(v) => contents.uint64_contents = v,
            Data::Int8(v) => contents.int_contents = v.into_iter().map(i32::from).collect(),
            Data::Int16(v) => contents.int_contents = v.into_iter().map(i32::from).collect(),
            Data::Int32(v) => contents.int_contents = v,
            Data::Int64(v) => contents.int64_contents = v,
            Data::Fp32(v) => contents.fp32_contents = v,
            Data::Fp64(v) => contents.fp64_contents = v,
            Data::Bytes(v) => contents.bytes_contents = v.into_iter().map(String::into_bytes).collect(),
        }
        let key = InferParameter {
            parameter_choice: Some(ParameterChoice::StringParam("k".to_owned())),
        };
        let request = ModelInferRequest {
            model_name: "credit".to_owned(),
            model_version: "7".to_owned(),
            id: "r-1".to_owned(),
            parameters: [("routing_key".to_owned(), key)].into(),
            inputs: vec![InferInputTensor {
                name: "x".to_owned(),
                datatype: case.datatype.clone(),
                shape: case.shape.clone(),
                parameters: Default::default(),
                contents: Some(contents),
            }],
            outputs: vec![InferRequestedOutputTensor {
                name: "score".to_owned(),
                parameters: Default::default(),
            }],
            raw_input_contents: Vec::new(),
        };
        let bytes = hex::decode(&case.request).unwrap();
        assert_eq!(
            ModelInferRequest::decode(bytes.as_slice()).unwrap(),
            request,
            "{}",
            case.datatype
        );
        assert_eq!(request.encode_to_vec(), bytes, "{}", case.datatype);
    }
}

fn data(count: usize) -> BoxedStrategy<Data> {
    let many = |count| proptest::collection::SizeRange::from(count);
    prop_oneof![
        proptest::collection::vec(any::<bool>(), many(count)).prop_map(Data::Bool),
        proptest::collection::vec(any::<u8>(), many(count)).prop_map(Data::Uint8),
        proptest::collection::vec(any::<u16>(), many(count)).prop_map(Data::Uint16),
        proptest::collection::vec(any::<u32>(), many(count)).prop_map(Data::Uint32),
        proptest::collection::vec(any::<u64>(), many(count)).prop_map(Data::Uint64),
        proptest::collection::vec(any::<i8>(), many(count)).prop_map(Data::Int8),
        proptest::collection::vec(any::<i16>(), many(count)).prop_map(Data::Int16),
        proptest::collection::vec(any::<i32>(), many(count)).prop_map(Data::Int32),
        proptest::collection::vec(any::<i64>(), many(count)).prop_map(Data::Int64),
        proptest::collection::vec(any::<f32>(), many(count)).prop_map(Data::Fp32),
        proptest::collection::vec(any::<f64>(), many(count)).prop_map(Data::Fp64),
        proptest::collection::vec(any::<String>(), many(count)).prop_map(Data::Bytes),
    ]
    .boxed()
}

fn tensor() -> impl Strategy<Value = Tensor> {
    proptest::collection::vec(1_usize..4, 1..4).prop_flat_map(|shape| {
        let count = shape.iter().product();
        data(count).prop_map(move |data| Tensor {
            name: "x".to_owned(),
            shape: shape.clone(),
            data,
            missing: None,
        })
    })
}

fn lengths(tensor: &Tensor) -> Vec<i64> {
    tensor
        .shape
        .iter()
        .map(|&length| i64::try_from(length).unwrap())
        .collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(tensor in tensor()) {
        let datatype = tensor.data.datatype();
        let bytes = to_binary(&tensor.data).unwrap();
        let read = from_binary("x", datatype, &lengths(&tensor), &bytes, LIMITS).unwrap();
        prop_assert_eq!(&to_binary(&read.data).unwrap(), &bytes);
        let read = from_json("x", datatype, &lengths(&tensor), &to_json(&tensor).unwrap(), LIMITS);
        let is_finite = match &tensor.data {
            Data::Fp32(numbers) => numbers.iter().all(|number| number.is_finite()),
            Data::Fp64(numbers) => numbers.iter().all(|number| number.is_finite()),
            _ => true,
        };
        if is_finite {
            // Bit for bit, negative zero too.
            prop_assert_eq!(to_binary(&read.unwrap().data).unwrap(), bytes);
        } else {
            prop_assert!(read.unwrap().missing.is_some());
        }
    }

    #[test]
    fn nothing_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
        text in "[\\[\\]0-9,.eE\"a-z+-]{0,40}",
        shape in proptest::collection::vec(any::<i64>(), 0..4),
        small in proptest::collection::vec(0_i64..4, 0..4),
    ) {
        for shape in [&shape, &small] {
            for datatype in Datatype::ALL {
                let _ = from_binary("x", datatype, shape, &bytes, LIMITS);
                if let Ok(raw) = RawValue::from_string(text.clone()) {
                    let _ = from_json("x", datatype, shape, &raw, LIMITS);
                }
            }
        }
        let _ = ModelInferRequest::decode(bytes.as_slice());
    }
}
