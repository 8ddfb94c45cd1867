#![allow(clippy::unwrap_used)]
use super::*;

const TEXT: &str = r#"
    version = 3
    label = "default"
    leave_out = ["ID"]
    missing = ["", "NA"]
    [[column]]
    name = "region"
    type = "category"
    values = ["north", "south"]
    other = "bucket"
    [[column]]
    name = "income"
    type = "number"
    min = 0
    max = 1e7
    scale = "log"
    when_missing = "mean"
    [[column]]
    name = "age"
    type = "integer"
    min = 18
    max = 120
    outside = "clip"
"#;

#[test]
fn inputs_follow_the_columns_in_order() {
    let schema = Schema::parse(TEXT).unwrap();
    let inputs = schema.inputs();
    let names: Vec<_> = inputs
        .iter()
        .map(|input| (input.name.as_str(), input.column, input.kind))
        .collect();
    assert_eq!(
        names,
        [
            ("region = north", 0, InputKind::Category(0)),
            ("region = south", 0, InputKind::Category(1)),
            ("region is another", 0, InputKind::OtherCategory),
            ("income", 1, InputKind::Standardised),
            ("income is missing", 1, InputKind::Missing),
            ("age", 2, InputKind::Standardised),
        ]
    );
    assert_eq!(schema.standardised(), ["income", "age"]);
    assert_eq!(schema.input_shape(false), InputShape::numbers(6));
    assert_eq!(
        schema.input_shape(true),
        InputShape::Table {
            numbers: 3,
            categories: vec![3]
        }
    );
}

#[test]
fn a_difference_names_both_lines() {
    let schema = Schema::parse(TEXT).unwrap();
    assert_eq!(schema.difference(&schema), None);
    let older = Schema::parse(&TEXT.replace("version = 3", "version = 2")).unwrap();
    assert_eq!(
        schema.difference(&older),
        Some(("version = 3".to_owned(), "version = 2".to_owned()))
    );
}
