//! JSON objects that must be objects.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A value that is read from an object alone. What serde derives would take an array of the members in their order as well, which no description
/// of the interface says.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Members(PhantomData)).map(Self)
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object in braces")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::Object;

    #[derive(Deserialize)]
    struct Two<'a> {
        one: u8,
        #[serde(borrow)]
        other: Option<&'a RawValue>,
    }

    #[test]
    fn an_array_of_the_members_is_no_object() {
        let text = r#"{"one": 1, "other": [2.50]}"#;
        let Object(two): Object<Two<'_>> = serde_json::from_str(text).expect("an object");
        assert_eq!((two.one, two.other.map(RawValue::get)), (1, Some("[2.50]")));
        // What is derived takes it.
        assert!(serde_json::from_str::<Two<'_>>("[1, null]").is_ok());
        let Err(problem) = serde_json::from_str::<Object<Two<'_>>>("[1, null]") else {
            panic!("an array was taken");
        };
        assert!(
            problem
                .to_string()
                .starts_with("invalid type: sequence, expected an object in braces"),
            "{problem}"
        );
    }
}
