//! The policy's rules on rows of text, before anything parses them.

use std::path::{Path, PathBuf};

use csv::StringRecord;
use veilsum_settings::ConfigError;

use super::column::shape;
use super::dates::Dated;
use super::detect;
use super::key::{DesensitiseKey, Keyed};
use super::policy::{BinText, Coarser, Policy, Rule};

/// The bank's policy with its key: what is done to every table that is read.
pub struct Rules {
    file: PathBuf,
    policy: Policy,
    key: Option<DesensitiseKey>,
}

/// A cell that a rule cannot work on.
#[derive(Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The column's name.
    pub column: String,
    /// The shape of the cell, not what it says.
    pub found: String,
    /// What the rule takes.
    pub expected: String,
    /// What to do.
    pub advice: &'static str,
}

/// Rules for the rows under one header.
pub struct Applied<'a> {
    policy: &'a Policy,
    keyed: Option<Keyed>,
    header: StringRecord,
    /// For each column of the table, the rule and where the column stands that chooses its shift. Empty if no rule changes anything.
    steps: Vec<Step<'a>>,
    row: StringRecord,
}

struct Step<'a> {
    name: String,
    rule: Option<&'a Rule>,
    by: Option<usize>,
}

impl Rules {
    /// No rules: columns that look like identifiers are refused, and nothing is changed.
    pub fn none() -> Self {
        Self::new(PathBuf::from("policy.toml"), Policy::none(), None)
    }

    /// The rules of the policy in `file`, which has a key if it [needs](Policy::needs_key) one.
    pub fn new(file: PathBuf, policy: Policy, key: Option<DesensitiseKey>) -> Self {
        Self { file, policy, key }
    }

    /// The same rules for a table with fewer columns: those that `reads` names, and the columns by which their dates are shifted.
    #[must_use]
    pub fn of_columns(mut self, reads: impl Fn(&str) -> bool) -> Self {
        self.policy.columns.retain(|name, _| reads(name));
        self.policy.anonymity = None;
        self
    }

    /// The columns by which the dates of others are shifted.
    pub fn shifts_by(&self) -> impl Iterator<Item = &str> {
        self.policy.columns.values().filter_map(|rule| match rule {
            Rule::ShiftDates { by, .. } => by.as_deref(),
            _ => None,
        })
    }

    /// Where the policy is, or would be.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What the bank has laid down.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether the other gives the same rows.
    pub fn is_same(&self, other: &Self) -> bool {
        let fingerprint = |rules: &Self| rules.key.as_ref().map(DesensitiseKey::fingerprint);
        self.policy == other.policy && fingerprint(self) == fingerprint(other)
    }

    /// The rules for rows under `header`.
    ///
    /// # Errors
    /// A column of the policy that the table does not have: what was asked for it would silently not be done.
    pub fn for_header(&self, header: &StringRecord) -> Result<Applied<'_>, ConfigError> {
        let place = |name: &str| header.iter().position(|column| column == name);
        let absent = |name: &str, what: &str| ConfigError::Content {
            path: self.file.clone(),
            problem: format!(
                "found {what} {name:?}, which the table does not have; check its spelling: upper and lower case differ"
            ),
        };
        if let Some(name) = self.policy.columns.keys().find(|name| place(name).is_none()) {
            return Err(absent(name, "a rule for column"));
        }
        let mut steps = Vec::new();
        let is_changed = self
            .policy
            .columns
            .values()
            .any(|rule| !matches!(rule, Rule::Allow(_)));
        for name in header.iter().filter(|_| is_changed) {
            let rule = self.policy.columns.get(name);
            let by = match rule {
                Some(Rule::ShiftDates { by: Some(by), .. }) => Some(
                    place(by).ok_or_else(|| absent(by, &format!("for column {name:?} a shift by column")))?,
                ),
                _ => None,
            };
            steps.push(Step {
                name: name.to_owned(),
                rule,
                by,
            });
        }
        let stays = |name: &&str| self.policy.columns.get(*name) != Some(&Rule::Drop);
        let applied = Applied {
            policy: &self.policy,
            keyed: self.key.as_ref().map(DesensitiseKey::keyed),
            header: header.iter().filter(stays).collect(),
            steps,
            row: StringRecord::new(),
        };
        if let Some(anonymity) = &self.policy.anonymity {
            let looked_at = anonymity.quasi_identifiers.iter().chain(&anonymity.sensitive);
            for name in looked_at {
                if !applied.header.iter().any(|column| column == name) {
                    return Err(absent(
                        name,
                        "under [anonymity] a column (or one that is dropped),",
                    ));
                }
            }
        }
        Ok(applied)
    }
}

impl Applied<'_> {
    /// The columns that are left.
    pub fn header(&self) -> &StringRecord {
        &self.header
    }

    /// Whether this column of the [header](Self::header) has a rule that changes its cells.
    pub fn changes(&self, name: &str) -> bool {
        !matches!(self.policy.columns.get(name), None | Some(Rule::Allow(_)))
    }

    /// Whether any column is dropped or has such a rule.
    pub(crate) fn changes_rows(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Puts the row in the form that the policy wants, under [`Applied::header`].
    ///
    /// # Errors
    /// The first cell that its rule cannot work on.
    pub fn apply(&mut self, record: &mut StringRecord) -> Result<(), Unfit> {
        if self.steps.is_empty() {
            return Ok(());
        }
        self.row.clear();
        for (step, cell) in self.steps.iter().zip(record.iter().map(str::trim)) {
            match step.rule {
                Some(Rule::Drop) => {}
                Some(rule) if !self.policy.is_missing(cell) => {
                    let by = step.by.and_then(|place| record.get(place));
                    let by = by.unwrap_or_default().trim();
                    self.row
                        .push_field(&changed(rule, &step.name, cell, by, self.keyed.as_ref())?);
                }
                _ => self.row.push_field(cell),
            }
        }
        std::mem::swap(&mut self.row, record);
        Ok(())
    }
}

fn changed(rule: &Rule, column: &str, cell: &str, by: &str, keyed: Option<&Keyed>) -> Result<String, Unfit> {
    let unfit = |expected: &str, advice| Unfit {
        column: column.to_owned(),
        found: format!("a cell of the shape {:?}", shape(cell)),
        expected: expected.to_owned(),
        advice,
    };
    let no_key = || unfit("the bank's key", "set identity.desensitise_key in bank.toml");
    let no_date = || {
        unfit(
            "a date with the year first, or with points, or any with `order` in policy.toml",
            "correct it, or list what stands for no value under `missing` in policy.toml",
        )
    };
    Ok(match rule {
        Rule::Drop => String::new(),
        Rule::Allow(_) => cell.to_owned(),
        Rule::Hash => keyed.ok_or_else(no_key)?.pseudonym(column, cell),
        Rule::Mask(kinds) => detect::masked(cell, *kinds).unwrap_or_else(|| cell.to_owned()),
        Rule::Generalise(Coarser::Keep(first)) => cell.chars().take(*first).collect(),
        Rule::Generalise(Coarser::Groups { groups, other }) => {
            let group = groups.get(cell).or(other.as_ref());
            group.cloned().ok_or_else(|| {
                unfit(
                    "a value of `groups` in policy.toml",
                    "add it to the groups, or give `other` for all that are in none",
                )
            })?
        }
        Rule::Generalise(Coarser::Date { year, order }) => {
            let date = Dated::read(cell, *order).ok_or_else(no_date)?;
            if *year { date.year() } else { date.month() }
        }
        Rule::ShiftDates { days, order, .. } => {
            let shift = keyed.ok_or_else(no_key)?.shift(by, *days);
            let date = Dated::read(cell, *order).ok_or_else(no_date)?;
            date.moved(shift).ok_or_else(|| {
                unfit(
                    "a date that can be shifted within the years 0 to 9999",
                    "list what stands for no value under `missing` in policy.toml",
                )
            })?
        }
        Rule::Bin { edges, write } => {
            let number = cell.parse().ok().filter(|number: &f64| number.is_finite());
            let number = number.ok_or_else(|| {
                unfit(
                    "a number, which has a bin",
                    "correct it, or list what stands for no value under `missing` in policy.toml",
                )
            })?;
            bin(edges, *write, number)
        }
    })
}

/// What stands for the bin of a number. Numbers beyond the edges go to the first and the last bin.
fn bin(edges: &[f64], write: BinText, number: f64) -> String {
    let inner = edges.get(1..edges.len() - 1).unwrap_or_default();
    let place = inner.partition_point(|edge| *edge <= number);
    let (lower, upper) = (edges[place], edges[place + 1]);
    match write {
        BinText::Lower => lower.to_string(),
        BinText::Middle => (lower + (upper - lower) / 2.0).to_string(),
        BinText::Range => format!("{lower}..{upper}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use veilsum_protocol::crypto::secret::Secret;

    use super::*;

    fn rules(text: &str) -> Rules {
        let policy = Policy::parse(Path::new("policy.toml"), text).unwrap();
        let key = DesensitiseKey::new(Secret::from_bytes([7; 32]));
        Rules::new("policy.toml".into(), policy, Some(key))
    }

    fn one(rule: &str, cell: &str) -> Result<String, String> {
        let rules = rules(&format!("[[column]]\nname = \"a\"\n{rule}"));
        let mut applied = rules.for_header(&StringRecord::from(vec!["a"])).unwrap();
        let mut row = StringRecord::from(vec![cell]);
        match applied.apply(&mut row) {
            Ok(()) => Ok(row[0].to_owned()),
            Err(Unfit { found, expected, .. }) => Err(format!("{found}, {expected}")),
        }
    }

    #[test]
    fn each_rule_does_what_it_says() {
        let groups = "rule = \"generalise\"\ngroups = { clerk = \"office\" }";
        for (rule, cell, expected) in [
            ("rule = \"generalise\"\nkeep = 3", "94105", "941"),
            ("rule = \"generalise\"\nkeep = 2", "北京市", "北京"),
            ("rule = \"generalise\"\nkeep = 9", "ab", "ab"),
            (groups, "clerk", "office"),
            (&format!("{groups}\nother = \"else\""), "driver", "else"),
            ("rule = \"generalise\"\ndate = \"month\"", "2024-01-31", "2024-01"),
            ("rule = \"generalise\"\ndate = \"year\"", "31.01.2024", "2024"),
            ("rule = \"bin\"\nedges = [18, 30, 45]", "18", "24"),
            ("rule = \"bin\"\nedges = [18, 30, 45]", "30", "37.5"),
            ("rule = \"bin\"\nedges = [18, 30, 45]", "99.5", "37.5"),
            ("rule = \"bin\"\nedges = [18, 30, 45]", "-3", "24"),
            ("rule = \"bin\"\nedges = [18, 30]\nwrite = \"lower\"", "20", "18"),
            (
                "rule = \"bin\"\nedges = [18, 30, 45]\nwrite = \"range\"",
                "44",
                "30..45",
            ),
            (
                "rule = \"mask\"",
                "card 4111 1111 1111 1111, ask ann.lee@bank.example",
                "card [card], ask [email]",
            ),
            (
                "rule = \"mask\"\nkinds = [\"email\"]",
                "4111111111111111 a@b.example",
                "4111111111111111 [email]",
            ),
            ("rule = \"mask\"", "nothing here", "nothing here"),
            (
                "rule = \"allow\"\nreason = \"public\"",
                "4111111111111111",
                "4111111111111111",
            ),
            ("rule = \"hash\"", "", ""),
        ] {
            assert_eq!(one(rule, cell).unwrap(), expected, "{rule}: {cell}");
        }
    }

    #[test]
    fn a_cell_that_does_not_fit_is_told_without_its_content() {
        for (rule, cell, expected) in [
            (
                "rule = \"generalise\"\ngroups = { clerk = \"office\" }",
                "Ann Lee",
                "\"xxx xxx\", a value of `groups`",
            ),
            (
                "rule = \"generalise\"\ndate = \"year\"",
                "03/04/2024",
                "\"##/##/####\", a date with the year first",
            ),
            (
                "rule = \"shift_dates\"\ndays = 3",
                "soon",
                "\"xxxx\", a date with the year first",
            ),
            (
                "rule = \"shift_dates\"\ndays = 3",
                "9999-12-31",
                "within the years 0 to 9999",
            ),
            ("rule = \"bin\"\nedges = [0, 1]", "inf", "\"xxx\", a number"),
        ] {
            match one(rule, cell) {
                Err(told) => assert!(told.contains(expected) && !told.contains(cell), "{told}"),
                // The key's shift of the last day of all goes back.
                Ok(moved) => assert!(cell == "9999-12-31" && moved.as_str() < cell, "{moved}"),
            }
        }
    }

    #[test]
    fn columns_are_dropped_and_intervals_kept() {
        let rules = rules(
            r#"
            [[column]]
            name = "customer"
            rule = "drop"
            [[column]]
            name = "opened"
            rule = "shift_dates"
            days = 30
            by = "customer"
            [[column]]
            name = "closed"
            rule = "shift_dates"
            days = 30
            by = "customer"
            "#,
        );
        let header = StringRecord::from(vec!["opened", "customer", "closed", "y"]);
        let mut applied = rules.for_header(&header).unwrap();
        assert_eq!(applied.header(), vec!["opened", "closed", "y"]);
        let mut shifted = |customer: &str| {
            let mut row = StringRecord::from(vec!["2024-02-01", customer, "2024-03-01", "1"]);
            applied.apply(&mut row).unwrap();
            row.iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let mut seen = std::collections::BTreeSet::new();
        for customer in 0..50 {
            let row = shifted(&customer.to_string());
            assert_eq!(row, shifted(&customer.to_string()));
            let days = |from: &str| {
                (-30..=30)
                    .find(|days| Dated::read(from, None).unwrap().moved(*days).as_deref() == Some(&row[0]))
                    .unwrap()
            };
            let moved = days("2024-02-01");
            // 29 days lie between the two, before and after.
            assert_eq!(
                Dated::read("2024-03-01", None).unwrap().moved(moved).as_deref(),
                Some(row[1].as_str())
            );
            assert!(moved != 0 && row[2] == "1");
            seen.insert(moved);
        }
        assert!(seen.len() > 20, "{seen:?}");
    }

    #[test]
    fn a_rule_for_what_is_not_there_is_refused() {
        let header = StringRecord::from(vec!["a", "b"]);
        let refused = |text: &str| rules(text).for_header(&header).err().unwrap().to_string();
        let typo = refused("[[column]]\nname = \"A\"\nrule = \"drop\"");
        assert!(
            typo.contains("policy.toml: found a rule for column \"A\", which the table does not have"),
            "{typo}"
        );
        let by = refused("[[column]]\nname = \"a\"\nrule = \"shift_dates\"\ndays = 2\nby = \"c\"");
        assert!(by.contains("for column \"a\" a shift by column \"c\""), "{by}");
        let dropped = refused(
            "[[column]]\nname = \"a\"\nrule = \"drop\"\n[anonymity]\nquasi_identifiers = [\"a\"]\nk = 2",
        );
        assert!(
            dropped.contains("under [anonymity] a column (or one that is dropped), \"a\""),
            "{dropped}"
        );
    }

    #[test]
    fn other_rules_and_other_keys_are_noticed() {
        let one = rules("[[column]]\nname = \"a\"\nrule = \"hash\"");
        let policy = one.policy().clone();
        assert!(one.is_same(&rules("# a remark\n[[column]]\nname = \"a\"\nrule = \"hash\"")));
        assert!(!one.is_same(&rules("[[column]]\nname = \"a\"\nrule = \"drop\"")));
        let key = DesensitiseKey::new(Secret::from_bytes([8; 32]));
        assert!(!one.is_same(&Rules::new("policy.toml".into(), policy, Some(key))));
    }
}
