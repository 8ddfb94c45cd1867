//! Columns that tell groups of people apart, as texts.

use std::collections::BTreeMap;

use veilsum_monitoring::Grouping;

use super::watched::MonitorError;

/// Most groups of a column; what has more is no column of groups.
const MOST: usize = 50;
/// What an empty cell is called.
const MISSING: &str = "missing";

/// A column of groups as its rows come.
pub(super) struct Gathered {
    name: String,
    of: Vec<Option<String>>,
}

impl Gathered {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            of: Vec::new(),
        }
    }

    /// The next row's group; `None` where nothing is known of the row.
    pub(super) fn push(&mut self, group: Option<String>) {
        self.of.push(group.map(|group| match group.trim() {
            "" => MISSING.to_owned(),
            text => text.to_owned(),
        }));
    }

    /// The groups in the order of their names, the rows in that of `order`.
    pub(super) fn grouping(self, order: &[usize]) -> Result<Grouping, MonitorError> {
        let mut places: BTreeMap<&str, u16> =
            self.of.iter().flatten().map(|name| (name.as_str(), 0)).collect();
        if places.len() > MOST {
            return Err(MonitorError::Groups {
                column: self.name.clone(),
                found: places.len(),
                most: MOST,
            });
        }
        for (at, place) in (0..).zip(places.values_mut()) {
            *place = at;
        }
        let of = order.iter().map(|row| {
            let name = self.of.get(*row)?.as_deref()?;
            places.get(name).copied()
        });
        Ok(Grouping {
            of: of.collect(),
            groups: places.keys().map(|name| (*name).to_owned()).collect(),
            name: self.name.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn groups_have_places_by_name_and_too_many_are_none() {
        let mut gathered = Gathered::new("home");
        for group in [Some("rent"), Some(""), None, Some("own")] {
            gathered.push(group.map(str::to_owned));
        }
        let found = gathered.grouping(&[3, 2, 1, 0]).unwrap();
        assert_eq!(found.groups, ["missing", "own", "rent"]);
        assert_eq!(found.of, [Some(1), None, Some(0), Some(2)]);
        let mut many = Gathered::new("income");
        (0..51).for_each(|income| many.push(Some(income.to_string())));
        let told = many.grouping(&[]).unwrap_err().to_string();
        assert!(told.contains("51") && told.contains("outcomes"), "{told}");
    }
}
