use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// An end of a column's agreed range as it stands in the file: which of both it has to be, the column's type says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    Number(f64),
    Text(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl<'de> Deserialize<'de> for End {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EndVisitor)
    }
}

struct EndVisitor;

impl Visitor<'_> for EndVisitor {
    type Value = End;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a date in quotes")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<End, E> {
        Ok(End::Number(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<End, E> {
        Ok(End::Number(number as f64))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<End, E> {
        Ok(End::Number(number as f64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<End, E> {
        Ok(End::Text(text.to_owned()))
    }
}
