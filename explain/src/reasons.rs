//! Reasons for a decision, in sentences that a notice of adverse action can name.
//!
//! Regulation B of the Equal Credit Opportunity Act asks for the specific principal reasons (12 CFR 1002.9(b)(2)), and its official interpretation says
//! that more than four are not likely to help. Which words a notice must have is the lender's own business.

use crate::attribution::Attribution;
use crate::distribution::Distribution;
use crate::error::Invalid;
use crate::feature::{Feature, Value};

/// Which way of the score is against the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adverse {
    /// A higher score is, such as a probability of default.
    Higher,
    /// A lower score is, such as a credit score.
    Lower,
}

/// What reasons are made from. All lists are in the features' order.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// The features.
    pub features: &'a [Feature],
    /// The row's own values.
    pub values: &'a [Value],
    /// The background's values of each number; `None` for other kinds, or where they are not to be told.
    pub background: &'a [Option<Distribution>],
    /// Names of features that are never a reason, such as age.
    pub protected: &'a [&'a str],
    /// Which way is against the person.
    pub adverse: Adverse,
    /// Reasons at most; 4 are usual.
    pub most: usize,
}

/// One reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The feature's place.
    pub feature: usize,
    /// What it did to the score, in the score's unit; always in the adverse direction.
    pub amount: f64,
    /// Its share of everything that went in the adverse direction, protected features and those below the limit among it: above 0 and at most 1.
    pub share: f64,
    /// Such as "Utilisation above 80 % raised the score most".
    pub sentence: String,
    /// The value and where it lies in the background.
    pub detail: String,
}

/// The reasons of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Reasons {
    /// The largest first; of equal ones the first name.
    pub reasons: Vec<Reason>,
    /// Protected features that went against the person and were not given as a reason, by place.
    pub withheld: Vec<usize>,
    /// What else must be known: protected features that were passed over, or that nothing went against the person.
    pub remarks: Vec<String>,
}

impl Notice<'_> {
    /// The features that moved the score against the person most. One that helped, or did nothing, is never named.
    ///
    /// # Errors
    /// Lists of different sizes; an attribution that is not finite; a value of another kind than its feature's; a protected name that no feature has.
    pub fn reasons(&self, attribution: &Attribution) -> Result<Reasons, Invalid> {
        self.check(attribution)?;
        let sign = match self.adverse {
            Adverse::Higher => 1.0,
            Adverse::Lower => -1.0,
        };
        let mut against: Vec<(usize, f64, &Feature)> = Vec::new();
        for ((at, value), feature) in attribution.values.iter().enumerate().zip(self.features) {
            if sign * value > 0.0 {
                against.push((at, *value, feature));
            }
        }
        against.sort_by(|one, two| {
            two.1
                .abs()
                .total_cmp(&one.1.abs())
                .then_with(|| one.2.name.cmp(&two.2.name))
        });
        let all: f64 = against.iter().map(|(_, amount, _)| amount.abs()).sum();
        let is_protected = |feature: &Feature| self.protected.contains(&feature.name.as_str());
        let (withheld, open): (Vec<_>, Vec<_>) = against
            .into_iter()
            .partition(|(_, _, feature)| is_protected(feature));
        let named = open.iter().take(self.most).enumerate();
        let reasons = named.map(|(rank, (at, amount, feature))| Reason {
            feature: *at,
            amount: *amount,
            share: amount.abs() / all,
            sentence: format!(
                "{} {} the score{}",
                self.subject(*at, feature),
                self.did(),
                place(rank)
            ),
            detail: self.detail(*at, feature),
        });
        let reasons: Vec<Reason> = reasons.collect();
        let mut remarks = Vec::new();
        if !withheld.is_empty() {
            let names: Vec<&str> = withheld
                .iter()
                .map(|(_, _, feature)| feature.name.as_str())
                .collect();
            remarks.push(format!(
                "Protected and therefore not given as a reason, though the score moved against the person by it: {}.",
                names.join(", ")
            ));
        }
        if reasons.is_empty() && self.most > 0 {
            remarks.push("No feature that may be named moved the score against the person.".to_owned());
        }
        Ok(Reasons {
            reasons,
            withheld: withheld.into_iter().map(|(at, _, _)| at).collect(),
            remarks,
        })
    }

    fn check(&self, attribution: &Attribution) -> Result<(), Invalid> {
        let features = self.features.len();
        let remedy = "give one for each feature, in one order";
        Invalid::size(("values", "values"), self.values.len(), features, remedy)?;
        Invalid::size(("background", "columns"), self.background.len(), features, remedy)?;
        Invalid::size(
            ("attribution", "features"),
            attribution.values.len(),
            features,
            remedy,
        )?;
        if let Some(found) = attribution.values.iter().find(|value| !value.is_finite()) {
            return Err(Invalid::range("attribution", *found, "finite numbers"));
        }
        for (feature, value) in self.features.iter().zip(self.values) {
            feature.check(value)?;
        }
        // A misspelt name would let what must be withheld be told.
        let known = |name: &str| self.features.iter().any(|feature| feature.name == name);
        match self.protected.iter().find(|name| !known(name)) {
            Some(name) => Err(Invalid::Unknown {
                field: "protected",
                name: (*name).to_owned(),
            }),
            None => Ok(()),
        }
    }

    fn did(&self) -> &'static str {
        match self.adverse {
            Adverse::Higher => "raised",
            Adverse::Lower => "lowered",
        }
    }

    /// What about the feature it is.
    fn subject(&self, at: usize, feature: &Feature) -> String {
        let name = &feature.name;
        match self.values.get(at) {
            Some(Value::Number(number)) => match self.distribution(at) {
                Some(distribution) => format!("{name} {}", band(feature, *number, distribution)),
                None => format!("{name} of {}", feature.tell(*number)),
            },
            Some(value @ Value::Category(_)) => format!("{name} “{}”", feature.tell_value(value)),
            Some(value @ Value::Date(_)) => format!("{name} {}", feature.tell_value(value)),
            Some(Value::Text(_)) => format!("The words of {name}"),
            Some(Value::Missing) | None => format!("Missing {name}"),
        }
    }

    fn detail(&self, at: usize, feature: &Feature) -> String {
        let Some(value) = self.values.get(at) else {
            return String::new();
        };
        let told = match value {
            Value::Category(_) | Value::Text(_) => format!("“{}”", feature.tell_value(value)),
            _ => feature.tell_value(value),
        };
        match (value, self.distribution(at)) {
            (Value::Number(number), Some(distribution)) => format!(
                "{}: {told}; {:.0} % of the rows compared with have at most that",
                feature.name,
                100.0 * distribution.up_to(*number)
            ),
            _ => format!("{}: {told}", feature.name),
        }
    }

    fn distribution(&self, at: usize) -> Option<&Distribution> {
        self.background.get(at).and_then(Option::as_ref)
    }
}

/// Where a number lies among the background's: above nine tenths, three quarters or half of them, or below as many; by the outermost that holds.
fn band(feature: &Feature, number: f64, distribution: &Distribution) -> String {
    let above = [0.9, 0.75, 0.5].map(|share| distribution.quantile(share));
    let below = [0.1, 0.25, 0.5].map(|share| distribution.quantile(share));
    // Words that round to the number itself would say that it is above itself.
    let told = |edge: &f64| feature.tell(*edge) != feature.tell(number);
    if let Some(edge) = above.iter().find(|edge| number > **edge && told(edge)) {
        return format!("above {}", feature.tell(*edge));
    }
    if let Some(edge) = below.iter().find(|edge| number < **edge && told(edge)) {
        return format!("below {}", feature.tell(*edge));
    }
    format!("of {}", feature.tell(number))
}

fn place(rank: usize) -> String {
    match rank {
        0 => " most".to_owned(),
        1 => " second most".to_owned(),
        2 => " third most".to_owned(),
        3 => " fourth most".to_owned(),
        _ => " too".to_owned(),
    }
}
