//! How well rows hide among each other: k-anonymity (Samarati and Sweeney 1998) and l-diversity (Machanavajjhala et al. 2006) of the table after
//! the rules.

use std::collections::HashMap;

use csv::StringRecord;
use ring::digest::{Context, SHA256};
use serde::Serialize;

use super::policy::Anonymity;

/// Counts rows by their quasi identifiers.
pub(super) struct Groups<'a> {
    wanted: &'a Anonymity,
    positions: Vec<usize>,
    sensitive: Option<usize>,
    values: HashMap<String, u32>,
    /// By a hash of the quasi identifiers: a table may have as many groups as rows.
    groups: HashMap<[u8; 16], Group>,
}

#[derive(Default)]
struct Group {
    rows: u64,
    /// Rows by the number of their sensitive value, in order.
    values: Vec<(u32, u64)>,
}

/// What was found of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnonymityReport {
    /// Columns by which somebody from outside could know a person again.
    pub quasi_identifiers: Vec<String>,
    /// The column that nobody shall learn of a person.
    pub sensitive: Option<String>,
    /// Least rows of a group that the policy wants.
    pub k: u64,
    /// Least values of the sensitive column in a group that the policy wants.
    pub l: Option<u64>,
    /// All rows.
    pub rows: u64,
    /// Groups of rows with the same quasi identifiers.
    pub groups: u64,
    /// Rows of the smallest group: the table is k-anonymous for this k and any smaller one.
    pub smallest_group: u64,
    /// Groups of fewer than `k` rows.
    pub groups_below_k: u64,
    /// Rows in them.
    pub rows_below_k: u64,
    /// Fewest values of the sensitive column in a group: distinct l-diversity.
    pub distinct_values: Option<u64>,
    /// The same by entropy: e to the power of the least entropy of the sensitive column in a group. It is below the number of distinct values
    /// where some of them are rare.
    pub entropy_values: Option<f64>,
    /// Groups of fewer than `l` distinct values.
    pub groups_below_l: Option<u64>,
}

impl<'a> Groups<'a> {
    /// For rows under `header`, which has the columns.
    pub(super) fn new(wanted: &'a Anonymity, header: &StringRecord) -> Self {
        let place = |name: &String| header.iter().position(|column| column == name);
        Self {
            wanted,
            positions: wanted.quasi_identifiers.iter().filter_map(place).collect(),
            sensitive: wanted.sensitive.as_ref().and_then(place),
            values: HashMap::new(),
            groups: HashMap::new(),
        }
    }

    /// Counts a row. A missing value is a value: rows that lack it hide among each other.
    pub(super) fn see(&mut self, record: &StringRecord) {
        let mut context = Context::new(&SHA256);
        for &position in &self.positions {
            let cell = record.get(position).unwrap_or_default().trim();
            // With the length, so that cells do not run into each other.
            context.update(&(cell.len() as u64).to_be_bytes());
            context.update(cell.as_bytes());
        }
        let mut key = [0; 16];
        let digest = context.finish();
        key.copy_from_slice(&digest.as_ref()[..16]);
        let group = self.groups.entry(key).or_default();
        group.rows += 1;
        if let Some(position) = self.sensitive {
            let next = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
            let value = record.get(position).unwrap_or_default().trim();
            let number = match self.values.get(value) {
                Some(known) => *known,
                None => {
                    self.values.insert(value.to_owned(), next);
                    next
                }
            };
            match group.values.binary_search_by_key(&number, |&(value, _)| value) {
                Ok(place) => group.values[place].1 += 1,
                Err(place) => group.values.insert(place, (number, 1)),
            }
        }
    }

    /// What was found.
    pub(super) fn report(&self) -> AnonymityReport {
        let below = |group: &&Group| group.rows < self.wanted.k;
        let least = |of: &dyn Fn(&Group) -> f64| self.groups.values().map(of).min_by(f64::total_cmp);
        let has_sensitive = self.sensitive.is_some();
        let count = |groups: usize| u64::try_from(groups).unwrap_or(u64::MAX);
        let distinct = |group: &Group| count(group.values.len());
        AnonymityReport {
            quasi_identifiers: self.wanted.quasi_identifiers.clone(),
            sensitive: self.wanted.sensitive.clone(),
            k: self.wanted.k,
            l: self.wanted.l,
            rows: self.groups.values().map(|group| group.rows).sum(),
            groups: count(self.groups.len()),
            smallest_group: self
                .groups
                .values()
                .map(|group| group.rows)
                .min()
                .unwrap_or_default(),
            groups_below_k: count(self.groups.values().filter(below).count()),
            rows_below_k: self.groups.values().filter(below).map(|group| group.rows).sum(),
            distinct_values: self.groups.values().map(distinct).min().filter(|_| has_sensitive),
            entropy_values: least(&|group| entropy(group).exp()).filter(|_| has_sensitive),
            groups_below_l: self
                .wanted
                .l
                .map(|l| count(self.groups.values().filter(|group| distinct(group) < l).count())),
        }
    }
}

/// Entropy of the sensitive values of a group, in nats. The counts go in by size, so that the sum is the same in every run.
fn entropy(group: &Group) -> f64 {
    let mut counts: Vec<u64> = group.values.iter().map(|&(_, rows)| rows).collect();
    counts.sort_unstable();
    let term = |count: u64| {
        let share = count as f64 / group.rows as f64;
        -share * share.ln()
    };
    counts.into_iter().map(term).sum()
}

impl AnonymityReport {
    /// Whether the table has what the policy wants.
    pub fn is_enough(&self) -> bool {
        self.rows_below_k == 0 && self.groups_below_l.unwrap_or_default() == 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn report(l: Option<u64>) -> AnonymityReport {
        let wanted = Anonymity {
            quasi_identifiers: vec!["zip".to_owned(), "age".to_owned()],
            sensitive: Some("disease".to_owned()),
            k: 4,
            l,
        };
        // The example of Machanavajjhala et al. 2006, figure 2: 4-anonymous groups of their 12 patients, with one more of a group of its own.
        let rows = [
            ("130**", "<30", ["heart", "heart", "viral", "viral"]),
            ("1485*", ">=40", ["cancer", "heart", "viral", "viral"]),
            ("130**", "3*", ["cancer", "cancer", "cancer", "cancer"]),
        ];
        let header = StringRecord::from(vec!["zip", "name", "age", "disease"]);
        let mut groups = Groups::new(&wanted, &header);
        for (row, (zip, age, diseases)) in rows.into_iter().enumerate() {
            for disease in diseases {
                groups.see(&StringRecord::from(vec![zip, &row.to_string(), age, disease]));
            }
        }
        groups.see(&StringRecord::from(vec!["1485*", "x", "3*", "viral"]));
        groups.report()
    }

    #[test]
    fn groups_are_counted_as_in_the_paper() {
        let report = report(Some(3));
        assert_eq!((report.rows, report.groups), (13, 4));
        assert_eq!(
            (report.smallest_group, report.groups_below_k, report.rows_below_k),
            (1, 1, 1)
        );
        assert_eq!(report.distinct_values, Some(1));
        assert_eq!(report.entropy_values, Some(1.0));
        // All but the second, which has three.
        assert_eq!(report.groups_below_l, Some(3));
        assert!(!report.is_enough());
    }

    #[test]
    fn entropy_counts_rare_values_for_less() {
        let group = |counts: [u64; 2]| Group {
            rows: counts.iter().sum(),
            values: counts
                .into_iter()
                .enumerate()
                .map(|(value, rows)| (u32::try_from(value).unwrap(), rows))
                .collect(),
        };
        assert!((entropy(&group([5, 5])).exp() - 2.0).abs() < 1e-12);
        // 0.9 ln 0.9 + 0.1 ln 0.1 = -0.3250829734
        assert!((entropy(&group([9, 1])) - 0.325_082_973_4).abs() < 1e-9);
    }

    #[test]
    fn cells_do_not_run_into_each_other() {
        let wanted = Anonymity {
            quasi_identifiers: vec!["a".to_owned(), "b".to_owned()],
            sensitive: None,
            k: 2,
            l: None,
        };
        let header = StringRecord::from(vec!["a", "b"]);
        let mut groups = Groups::new(&wanted, &header);
        for row in [["1", "23"], ["12", "3"], ["1", "23"]] {
            groups.see(&StringRecord::from(row.to_vec()));
        }
        let report = groups.report();
        assert_eq!(
            (report.groups, report.smallest_group, report.distinct_values),
            (2, 1, None)
        );
    }
}
