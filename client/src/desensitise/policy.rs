//! The bank's own file `policy.toml`: what is done to a column before anything reads it, and what the table must keep for its rows to hide among
//! each other; and which tasks the bank takes part in, and when. It belongs to the bank: no task, schema or message has a word for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use veilsum_settings::{ConfigError, parse};

use super::dates::Order;
use super::kind::{Kind, Kinds};
use crate::consent::{Limits, LimitsFile};

/// What the bank has laid down.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Cells that hold no value, which rules leave as they are.
    pub missing: Vec<String>,
    /// What is done to a column, by its name.
    pub columns: BTreeMap<String, Rule>,
    /// What the report on anonymity looks at.
    pub anonymity: Option<Anonymity>,
    /// What a task must keep within for the bank to take part.
    pub limits: Limits,
    /// Why models are served that the log does not prove; none: they are not.
    pub unproven_models: Option<String>,
}

/// What is done to a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// It is taken out of the table.
    Drop,
    /// Each value becomes a pseudonym under the bank's key.
    Hash,
    /// Each value becomes a coarser one.
    Generalise(Coarser),
    /// Each number becomes that of its bin.
    Bin {
        /// Where bins begin, and the end of the last, in rising order.
        edges: Vec<f64>,
        /// What is written for a bin.
        write: BinText,
    },
    /// Each date is moved by a number of days that the bank's key chooses.
    ShiftDates {
        /// Most days, in either direction.
        days: u16,
        /// The column whose value chooses the shift; none: one shift for the whole table.
        by: Option<String>,
        /// Order of day and month where the year is last.
        order: Option<Order>,
    },
    /// Identifiers inside the text are replaced by their kind.
    Mask(Kinds),
    /// It is read as it is, for this reason.
    Allow(String),
}

/// How a value becomes a coarser one.
#[derive(Clone, Debug, PartialEq)]
pub enum Coarser {
    /// Its first characters.
    Keep(usize),
    /// The group that it is in; a value of no group becomes `other`, or is refused where there is none.
    Groups {
        /// Group by value.
        groups: BTreeMap<String, String>,
        /// For all other values.
        other: Option<String>,
    },
    /// The month or the year of a date.
    Date {
        /// True for the year alone.
        year: bool,
        /// Order of day and month where the year is last.
        order: Option<Order>,
    },
}

/// What stands for a bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BinText {
    /// Its middle, a number.
    #[default]
    Middle,
    /// Its lower edge, a number.
    Lower,
    /// Both edges, as in `18..30`: a word for a category.
    Range,
}

/// What the report on anonymity looks at.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anonymity {
    /// Columns by which somebody from outside could know a person again.
    pub quasi_identifiers: Vec<String>,
    /// The column that nobody shall learn of a person.
    pub sensitive: Option<String>,
    /// Least rows that must share the same quasi identifiers.
    pub k: u64,
    /// Least values of the sensitive column among them.
    pub l: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "only_the_empty_cell")]
    missing: Vec<String>,
    #[serde(default)]
    column: Vec<Entry>,
    anonymity: Option<Anonymity>,
    #[serde(default)]
    limits: LimitsFile,
    serving: Option<Serving>,
}

/// `[serving]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Serving {
    /// Why models are served that the log does not prove.
    unproven_models: String,
}

fn only_the_empty_cell() -> Vec<String> {
    vec![String::new()]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    Drop,
    Hash,
    Generalise,
    Bin,
    ShiftDates,
    Mask,
    Allow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Month,
    Year,
}

/// One `[[column]]`. Which keys a rule takes is checked by [`Entry::rule`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    rule: Name,
    keep: Option<usize>,
    groups: Option<BTreeMap<String, String>>,
    other: Option<String>,
    date: Option<Unit>,
    order: Option<Order>,
    edges: Option<Vec<f64>>,
    write: Option<BinText>,
    days: Option<u16>,
    by: Option<String>,
    kinds: Option<Vec<Kind>>,
    reason: Option<String>,
}

impl Policy {
    /// No rules.
    pub fn none() -> Self {
        Self {
            missing: only_the_empty_cell(),
            columns: BTreeMap::new(),
            anonymity: None,
            limits: Limits::default(),
            unproven_models: None,
        }
    }

    /// Reads the text of the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError::Content`] with line and column, or with the column's name, what was found and what is expected.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let wrong = |problem: String| ConfigError::Content {
            path: path.to_owned(),
            problem,
        };
        let file: File = parse(path, text)?;
        let mut columns = BTreeMap::new();
        for entry in file.column {
            let name = entry.name.clone();
            let rule = entry
                .rule()
                .map_err(|problem| wrong(format!("column {name:?}: {problem}")))?;
            if columns.insert(name.clone(), rule).is_some() {
                return Err(wrong(format!("column {name:?}: a second rule; a column has one")));
            }
        }
        if let Some(anonymity) = &file.anonymity {
            anonymity
                .check()
                .map_err(|problem| wrong(format!("[anonymity] {problem}")))?;
        }
        let limits = file
            .limits
            .check()
            .map_err(|problem| wrong(format!("[limits] {problem}")))?;
        let unproven_models = file.serving.map(|serving| serving.unproven_models);
        if unproven_models
            .as_ref()
            .is_some_and(|reason| reason.trim().is_empty())
        {
            return Err(wrong(
                "[serving] unproven_models: found no text, expected the reason why models are served that the log does not prove; leave the table out to serve proven ones alone".to_owned(),
            ));
        }
        Ok(Self {
            missing: file.missing,
            columns,
            anonymity: file.anonymity,
            limits,
            unproven_models,
        })
    }

    /// Whether a rule needs the bank's key.
    pub fn needs_key(&self) -> bool {
        let keyed = |rule: &Rule| matches!(rule, Rule::Hash | Rule::ShiftDates { .. });
        self.columns.values().any(keyed)
    }

    /// Whether the cell holds no value.
    pub fn is_missing(&self, cell: &str) -> bool {
        self.missing.iter().any(|missing| missing == cell)
    }
}

impl Entry {
    fn rule(self) -> Result<Rule, String> {
        self.check_keys()?;
        Ok(match self.rule {
            Name::Drop => Rule::Drop,
            Name::Hash => Rule::Hash,
            Name::Generalise => Rule::Generalise(self.coarser()?),
            Name::Bin => Rule::Bin {
                edges: edges(self.edges)?,
                write: self.write.unwrap_or_default(),
            },
            Name::ShiftDates => match self.days {
                Some(days @ 1..=3660) => Rule::ShiftDates {
                    days,
                    by: self.by,
                    order: self.order,
                },
                found => {
                    let found = found.map_or("no `days`".to_owned(), |days| format!("days = {days}"));
                    return Err(format!("{found}, expected 1 to 3660 days"));
                }
            },
            Name::Mask => match self.kinds {
                Some(kinds) if kinds.is_empty() => {
                    return Err("kinds = [] masks nothing; leave `kinds` out to mask all kinds".to_owned());
                }
                Some(kinds) => Rule::Mask(kinds.into_iter().collect()),
                None => Rule::Mask(Kinds::all()),
            },
            Name::Allow => match self.reason.as_deref().map(str::trim) {
                Some(reason) if !reason.is_empty() => Rule::Allow(reason.to_owned()),
                _ => {
                    return Err(
                        "rule \"allow\" without a reason; write into `reason` why the column may be read as it is".to_owned(),
                    );
                }
            },
        })
    }

    /// A key that the rule does not look at is a mistake: what it asks for would not be done.
    fn check_keys(&self) -> Result<(), String> {
        let (rule, takes): (_, &[&str]) = match self.rule {
            Name::Drop => ("drop", &[]),
            Name::Hash => ("hash", &[]),
            Name::Generalise => ("generalise", &["keep", "groups", "other", "date", "order"]),
            Name::Bin => ("bin", &["edges", "write"]),
            Name::ShiftDates => ("shift_dates", &["days", "by", "order"]),
            Name::Mask => ("mask", &["kinds"]),
            Name::Allow => ("allow", &["reason"]),
        };
        for (key, present) in [
            ("keep", self.keep.is_some()),
            ("groups", self.groups.is_some()),
            ("other", self.other.is_some()),
            ("date", self.date.is_some()),
            ("order", self.order.is_some()),
            ("edges", self.edges.is_some()),
            ("write", self.write.is_some()),
            ("days", self.days.is_some()),
            ("by", self.by.is_some()),
            ("kinds", self.kinds.is_some()),
            ("reason", self.reason.is_some()),
        ] {
            if present && !takes.contains(&key) {
                let takes = if takes.is_empty() {
                    "no other key".to_owned()
                } else {
                    format!("`{}`", takes.join("`, `"))
                };
                return Err(format!("`{key}` is no key of rule {rule:?}, which takes {takes}"));
            }
        }
        Ok(())
    }

    fn coarser(self) -> Result<Coarser, String> {
        let date = self.date.map(|unit| Coarser::Date {
            year: unit == Unit::Year,
            order: self.order,
        });
        if date.is_none() && self.order.is_some() {
            return Err("`order` without `date`".to_owned());
        }
        if self.groups.is_none() && self.other.is_some() {
            return Err("`other` without `groups`".to_owned());
        }
        match (self.keep, self.groups, date) {
            (Some(0), None, None) => Err("keep = 0 leaves nothing; use rule \"drop\"".to_owned()),
            (Some(keep), None, None) => Ok(Coarser::Keep(keep)),
            (None, Some(groups), None) if groups.is_empty() => {
                Err("`groups` is empty, expected value = \"group\"".to_owned())
            }
            (None, Some(groups), None) => Ok(Coarser::Groups {
                groups,
                other: self.other,
            }),
            (None, None, Some(date)) => Ok(date),
            _ => Err("rule \"generalise\" takes exactly one of `keep`, `groups` and `date`".to_owned()),
        }
    }
}

fn edges(edges: Option<Vec<f64>>) -> Result<Vec<f64>, String> {
    let edges = edges.unwrap_or_default();
    let rising = edges.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
    if edges.len() < 2 || !rising || !edges.iter().all(|edge| edge.is_finite()) {
        return Err(format!(
            "edges = {edges:?}, expected two or more numbers in rising order"
        ));
    }
    Ok(edges)
}

impl Anonymity {
    fn check(&self) -> Result<(), String> {
        let columns = &self.quasi_identifiers;
        if columns.is_empty() {
            return Err("quasi_identifiers = [], expected one column or more".to_owned());
        }
        if columns.iter().collect::<BTreeSet<_>>().len() < columns.len() {
            return Err("a column stands in quasi_identifiers twice".to_owned());
        }
        if self
            .sensitive
            .as_ref()
            .is_some_and(|sensitive| columns.contains(sensitive))
        {
            return Err("the sensitive column is a quasi identifier as well; it is one of both".to_owned());
        }
        if self.k < 2 {
            return Err(format!("k = {}, expected 2 or more", self.k));
        }
        match (self.l, &self.sensitive) {
            (Some(l), Some(_)) if l < 2 => Err(format!("l = {l}, expected 2 or more")),
            (Some(_), None) => Err("`l` without `sensitive`, the column that it is about".to_owned()),
            _ => Ok(()),
        }
    }
}

/// The file that `init` writes: no rule, and how to write one.
pub fn template() -> &'static str {
    r#"# What is done to the columns of this bank's table before anything is trained on. This file is the bank's own: no task can change
# or overrule it. See docs/desensitisation.md, and `veilsum-client data check` for what it does to the table.
#
# A column that the schema reads and that looks like an identifier is refused until it has a rule here.
#
# missing = ["", "NA"]                # cells without a value, which rules leave as they are
#
# [[column]]
# name = "card_number"
# rule = "drop"                       # the column is taken out of the table
#
# rule = "hash"                       # a pseudonym under identity/desensitise.key
# rule = "generalise"                 # with one of: keep = 3 (first characters), date = "month" or "year",
#                                     # groups = { clerk = "office", driver = "field" } and other = "else"
# rule = "bin"                        # with edges = [18, 30, 45, 65], and write = "middle", "lower" or "range"
# rule = "shift_dates"                # with days = 30, and by = "customer_id": one shift for each customer
# rule = "mask"                       # identifiers inside the text become [card], [name], ...; kinds = ["card"] for some
# rule = "allow"                      # with reason = "why it may be read as it is"
#
# [anonymity]                         # what `data check` reports on, after the rules
# quasi_identifiers = ["age", "postcode"]
# sensitive = "default"
# k = 5
# l = 2
#
# [limits]                            # a task beyond one of these is refused by itself; the coordinator hears a reason in general words alone
# min_banks = 5                       # least banks in every sum
# never_read = ["salary"]             # columns that no task may read
# models = ["logistic", "mlp"]        # families of models; no other is trained
# max_parameters = 100_000            # of the model
# max_rounds = 200                    # training rounds of the task
# max_local_epochs = 5                # passes over the bank's rows in a round
# max_upload_bytes = 50_000_000       # masked update of one round
# max_archive_rounds = 100            # rounds whose masked updates the coordinator keeps
# hours = ["22:00-06:00"]             # UTC; outside of these the bank sits rounds out
#
# [serving]                           # of `veilsum-client serve`
# unproven_models = "the reason why"  # models are served that the log does not prove; left out, proven ones alone
"#
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> Result<Policy, String> {
        Policy::parse(Path::new("policy.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_template_has_no_rules_and_names_each() {
        assert_eq!(read(template()).unwrap(), Policy::none());
        for rule in [
            "drop",
            "hash",
            "generalise",
            "bin",
            "shift_dates",
            "mask",
            "allow",
        ] {
            assert!(template().contains(&format!("rule = {rule:?}")), "{rule}");
        }
    }

    #[test]
    fn rules_are_read() {
        let policy = read(
            r#"
            missing = ["", "NA"]
            [[column]]
            name = "card"
            rule = "hash"
            [[column]]
            name = "job"
            rule = "generalise"
            groups = { clerk = "office" }
            other = "else"
            [[column]]
            name = "age"
            rule = "bin"
            edges = [18, 30.5]
            write = "range"
            [[column]]
            name = "opened"
            rule = "shift_dates"
            days = 30
            by = "customer"
            order = "dmy"
            [[column]]
            name = "notes"
            rule = "mask"
            kinds = ["card", "national-id"]
            [anonymity]
            quasi_identifiers = ["age"]
            sensitive = "y"
            k = 5
            l = 2
            "#,
        )
        .unwrap();
        assert!(policy.needs_key() && policy.is_missing("NA") && !policy.is_missing("0"));
        assert_eq!(policy.columns["card"], Rule::Hash);
        assert_eq!(
            policy.columns["age"],
            Rule::Bin {
                edges: vec![18.0, 30.5],
                write: BinText::Range
            }
        );
        let kinds = [Kind::Card, Kind::NationalId].into_iter().collect();
        assert_eq!(policy.columns["notes"], Rule::Mask(kinds));
        assert_eq!(policy.anonymity.unwrap().k, 5);
    }

    #[test]
    fn mistakes_are_named() {
        let column = |rest: &str| format!("[[column]]\nname = \"a\"\n{rest}\n");
        for (text, parts) in [
            ("[[columns]]\n".to_owned(), ["policy.toml", "line 1", "columns"]),
            (column("rule = \"hush\""), ["line 3", "hush", "shift_dates"]),
            (
                column("rule = \"hash\"\nlenght = 3"),
                ["line 4", "lenght", "keep"],
            ),
            (
                column("rule = \"hash\"\nkeep = 3"),
                [
                    "column \"a\"",
                    "`keep` is no key of rule \"hash\"",
                    "no other key",
                ],
            ),
            (
                column("rule = \"allow\""),
                ["column \"a\"", "without a reason", "may be read"],
            ),
            (
                column("rule = \"allow\"\nreason = \"  \""),
                ["column \"a\"", "without a reason", "may be read"],
            ),
            (
                column("rule = \"generalise\""),
                ["exactly one of", "`keep`", "`date`"],
            ),
            (
                column("rule = \"generalise\"\nkeep = 1\ndate = \"year\""),
                ["exactly one of", "`keep`", "`date`"],
            ),
            (
                column("rule = \"generalise\"\nkeep = 1\nother = \"x\""),
                ["column \"a\"", "`other` without", "`groups`"],
            ),
            (
                column("rule = \"bin\"\nedges = [2, 1]"),
                ["edges = [2.0, 1.0]", "rising", "two or more"],
            ),
            (
                column("rule = \"bin\"\nedges = [1, nan]"),
                ["edges", "rising", "two or more"],
            ),
            (
                column("rule = \"shift_dates\""),
                ["no `days`", "1 to 3660", "column \"a\""],
            ),
            (
                column("rule = \"mask\"\nkinds = []"),
                ["kinds = []", "masks nothing", "column \"a\""],
            ),
            (
                column("rule = \"drop\"") + &column("rule = \"hash\""),
                ["column \"a\"", "a second rule", "has one"],
            ),
            (
                "[anonymity]\nquasi_identifiers = []\nk = 5".to_owned(),
                ["[anonymity]", "quasi_identifiers = []", "one column"],
            ),
            (
                "[anonymity]\nquasi_identifiers = [\"a\"]\nk = 1".to_owned(),
                ["[anonymity]", "k = 1", "2 or more"],
            ),
            (
                "[anonymity]\nquasi_identifiers = [\"a\"]\nk = 2\nl = 2".to_owned(),
                ["[anonymity]", "`l` without", "`sensitive`"],
            ),
            (
                "[anonymity]\nquasi_identifiers = [\"a\"]\nsensitive = \"a\"\nk = 2".to_owned(),
                ["[anonymity]", "sensitive", "one of both"],
            ),
        ] {
            let error = read(&text).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{part:?} is not in: {error}");
            }
        }
    }
}
