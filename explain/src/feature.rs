//! Features as people know them: a name, a kind, and values before they became inputs.

use crate::error::Invalid;

/// A feature of the raw row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// As it is told to people.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
}

/// What a feature's values are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Number {
        /// Behind the number, such as "%" or "EUR"; empty for none.
        unit: String,
        /// Digits behind the point, at most 9.
        decimals: u8,
    },
    /// One of several names.
    Category,
    /// A day, as the caller writes it.
    Date,
    /// Words.
    Text,
}

/// A feature's value in a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a number; finite.
    Number(f64),
    /// Of a category.
    Category(String),
    /// Of a date, as it is told to people.
    Date(String),
    /// Of a text.
    Text(String),
    /// Of any kind: the row has none.
    Missing,
}

impl Feature {
    /// A number with its unit.
    pub fn number(name: &str, unit: &str, decimals: u8) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Number {
                unit: unit.to_owned(),
                decimals,
            },
        }
    }

    /// A category.
    pub fn category(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Category,
        }
    }

    /// A number in the feature's unit and digits.
    pub fn tell(&self, number: f64) -> String {
        let (unit, decimals) = match &self.kind {
            Kind::Number { unit, decimals } => (unit.as_str(), usize::from(*decimals).min(9)),
            _ => ("", 2),
        };
        let text = format!("{number:.decimals$}");
        // What rounds to nothing has no sign.
        let text = match text.strip_prefix('-') {
            Some(digits) if digits.chars().all(|digit| matches!(digit, '0' | '.')) => digits.to_owned(),
            _ => text,
        };
        if unit.is_empty() {
            text
        } else {
            format!("{text} {unit}")
        }
    }

    /// A value in words; texts are cut.
    pub fn tell_value(&self, value: &Value) -> String {
        match value {
            Value::Number(number) => self.tell(*number),
            Value::Category(name) | Value::Date(name) => name.clone(),
            Value::Text(text) => shortened(text, 60),
            Value::Missing => "missing".to_owned(),
        }
    }

    /// Refuses a value of another kind, and a number that is not finite.
    pub(crate) fn check(&self, value: &Value) -> Result<(), Invalid> {
        let expected = match &self.kind {
            Kind::Number { .. } => "a number",
            Kind::Category => "a category",
            Kind::Date => "a date",
            Kind::Text => "a text",
        };
        let found = match value {
            Value::Missing => return Ok(()),
            Value::Number(number) if !number.is_finite() => "a number that is not finite",
            Value::Number(_) => "a number",
            Value::Category(_) => "a category",
            Value::Date(_) => "a date",
            Value::Text(_) => "a text",
        };
        if found == expected {
            return Ok(());
        }
        Err(Invalid::Kind {
            feature: self.name.clone(),
            found,
            expected,
        })
    }
}

/// At most `most` letters, with a mark where it was cut.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
