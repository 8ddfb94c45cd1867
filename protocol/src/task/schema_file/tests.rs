#![allow(clippy::unwrap_used)]
use super::*;

const GOOD: &str = r#"
version = 1
label = "y"
leave_out = ["id"]
[[column]]
name = "x"
type = "integer"
min = -3
max = 5
[[column]]
name = "c"
type = "category"
values = ["a", "b"]
"#;

#[test]
fn defaults_are_the_strict_ones() {
    let schema = parse(GOOD).unwrap();
    assert_eq!(schema.missing, [""]);
    let ColumnKind::Number(x) = &schema.columns[0].kind else {
        panic!("{schema:?}")
    };
    assert_eq!(
        (x.outside, x.when_missing, x.scale),
        (Outside::Refuse, WhenMissing::Refuse, Scale::Linear)
    );
    assert_eq!((x.min, x.max, x.integer), (-3.0, 5.0, true));
}

#[test]
fn each_mistake_is_named() {
    for (from, to, message) in [
        (
            "version = 1",
            "version = 0",
            "version: 0 is out of range, expected 1..=4294967295",
        ),
        (
            "min = -3",
            "min = 0.5",
            "column \"x\".min: found 0.5, expected a whole number",
        ),
        (
            "min = -3",
            "min = 5",
            "column \"x\".max: found 5.0, expected more than min, 5.0",
        ),
        (
            "max = 5",
            "max = inf",
            "column \"x\".max: inf is out of range, expected -1000000000000000.0..=",
        ),
        (
            "max = 5",
            "",
            "column \"x\".max: found nothing, expected the agreed range of the column",
        ),
        (
            "max = 5",
            "max = 5\nvalues = [\"a\"]",
            "column \"x\".values: found a value, expected none: only a category",
        ),
        (
            "[\"a\", \"b\"]",
            "[\"a\"]",
            "column \"c\".values: found 1 entries, expected 2 to 1000",
        ),
        (
            "[\"a\", \"b\"]",
            "[\"a\", \"a\"]",
            "column \"c\".values: found \"a\" a second time, expected each once",
        ),
        (
            "[\"a\", \"b\"]",
            "[\"a\", \" b\"]",
            "column \"c\".values: found \" b\", expected no blanks",
        ),
        (
            "[\"id\"]",
            "[\"x\"]",
            "column: found the column \"x\" a second time",
        ),
        (
            "[\"id\"]",
            "[\"y\"]",
            "leave_out: found the column \"y\" a second time",
        ),
        (
            "label = \"y\"",
            "label = \"\"",
            "label: found a text of 0 characters",
        ),
        (
            "name = \"x\"",
            "name = \"x\\u001b[2J\"",
            "found the control character '\\u{1b}'",
        ),
        (
            "name = \"x\"",
            "name = \"c = a\"",
            "found \"c = a\" a second time",
        ),
        (
            "label = \"y\"",
            "label = \"y\"\nlabel_classes = [\"a\", \"b\"]",
            "label_classes: found 2 entries, expected 3 to 256",
        ),
        (
            "leave_out = [\"id\"]",
            "label_number = { min = 0 }",
            "label_number.max: found nothing, expected the agreed range",
        ),
        (
            "leave_out = [\"id\"]",
            "label_number = { min = 0, max = 1 }\nlabel_classes = [\"a\", \"b\", \"c\"]",
            "label_number: found a range beside label_classes",
        ),
        (
            "name = \"x\"",
            "name = \"x\"\nsteps = [\"y\", \"x1\"]",
            "column: steps: found the column \"y\" a second time",
        ),
        (
            "name = \"x\"",
            "name = \"x\"\nsteps = [\"x1\"]",
            "column \"x\".steps: found 1 entries, expected 2 to 1024",
        ),
        (
            "values = [\"a\", \"b\"]",
            "values = [\"a\", \"b\"]\nvocabulary = { support = 3, most = 5 }",
            "column \"c\".values: found a value, expected none: the banks find them out",
        ),
        (
            "values = [\"a\", \"b\"]",
            "vocabulary = { support = 2, most = 5 }",
            "column \"c\".vocabulary.support: 2 is out of range, expected 3..=500",
        ),
        (
            "values = [\"a\", \"b\"]",
            "vocabulary = { support = 3, most = 1001 }",
            "column \"c\".vocabulary.most: 1001 is out of range, expected 2..=1000",
        ),
        (
            "values = [\"a\", \"b\"]",
            "vocabulary = { support = 3 }",
            "missing field `most`",
        ),
        (
            "values = [\"a\", \"b\"]",
            "other = \"refuse\"\nvocabulary = { support = 3, most = 5 }",
            "column \"c\".other: found \"refuse\" beside vocabulary",
        ),
        (
            "values = [\"a\", \"b\"]",
            "vocabulary = [\"a\", \"b\"]",
            "column \"c\".vocabulary: found a list, expected a table of support and most",
        ),
        (
            "min = -3",
            "min = -3\nvocabulary = { support = 3, most = 5 }",
            "column \"x\".vocabulary: found a value, expected none: only a category or a text has it",
        ),
        (
            "type = \"category\"\nvalues = [\"a\", \"b\"]",
            "type = \"category\"\nvocabulary = { support = 3, most = 1000 }\n[[column]]\nname = \"d\"\ntype = \"category\"\n\
             vocabulary = { support = 3, most = 1000 }\n[[column]]\nname = \"e\"\ntype = \"category\"\n\
             vocabulary = { support = 3, most = 1000 }\n[[column]]\nname = \"f\"\ntype = \"category\"\n\
             vocabulary = { support = 3, most = 1000 }\n[[column]]\nname = \"g\"\ntype = \"category\"\n\
             vocabulary = { support = 3, most = 1000 }",
            "column: vocabulary.most: found 5000 in all columns together, expected at most 4096",
        ),
        ("name = \"x\"", "nam = \"x\"", "unknown field `nam`"),
        ("type = \"integer\"", "type = \"int\"", "unknown variant `int`"),
    ] {
        let error = parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(message), "{to}: {error}");
    }
}
