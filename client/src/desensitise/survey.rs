//! All columns of a table, before and after the rules: what `veilsum-client data check` tells.

use csv::StringRecord;
use serde::Serialize;
use veilsum_protocol::task::Schema;
use veilsum_settings::ConfigError;

use super::anonymity::{AnonymityReport, Groups};
use super::column::Column;
use super::guard::{in_words, reason, refused};
use super::kind::Kind;
use super::policy::{Coarser, Policy, Rule};
use super::rules::{Applied, Rules, Unfit};

/// What was found of a table.
#[derive(Debug, Serialize)]
pub struct Survey {
    /// Rows below the header.
    pub rows: u64,
    /// In the table's order.
    pub columns: Vec<ColumnReport>,
    /// If the policy asks for it.
    pub anonymity: Option<AnonymityReport>,
}

/// What was found of a column.
#[derive(Debug, Serialize)]
pub struct ColumnReport {
    /// The column's name.
    pub name: String,
    /// Whether the schema reads it.
    pub read: bool,
    /// What its cells looked like before the rules.
    pub found: Vec<FoundReport>,
    /// Share of the cells that differ from all others, about.
    pub distinct_share: f64,
    /// The policy's rule, if there is one, in its word.
    pub rule: Option<&'static str>,
    /// What the rule does, in words.
    pub rule_does: Option<String>,
    /// The verdict on what the rules leave.
    pub verdict: Verdict,
    /// Why it looks like an identifier after the rules, in words; also where it is not refused for it.
    pub looks_like: Option<String>,
}

/// A kind of identifier in a column.
#[derive(Debug, Serialize)]
pub struct FoundReport {
    /// The kind.
    pub kind: Kind,
    /// Share of the cells.
    pub share: f64,
    /// Whether the column's name says so, and not the cells alone.
    pub by_name: bool,
    /// The shape of a cell, without a letter or digit of it.
    pub example: String,
}

/// Whether a column may be trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is read.
    Read,
    /// It is read because the policy says why, whatever it looks like.
    Allowed,
    /// It is read to group rows or to order those of a group, and nothing is trained on it.
    Sequence,
    /// It would be read, and is refused.
    Refused,
    /// Nothing reads it.
    NotRead,
}

/// Looks at the rows of one table.
pub struct Surveyor<'a> {
    policy: &'a Policy,
    applied: Applied<'a>,
    schema: &'a Schema,
    names: Vec<String>,
    before: Vec<Column>,
    /// By the position under the rules' header; none where a column is as it was.
    after: Vec<Option<Column>>,
    groups: Option<Groups<'a>>,
    rows: u64,
}

impl<'a> Surveyor<'a> {
    /// For the rows under `header`.
    ///
    /// # Errors
    /// A policy that does not fit the table.
    pub fn new(rules: &'a Rules, header: &StringRecord, schema: &'a Schema) -> Result<Self, ConfigError> {
        let applied = rules.for_header(header)?;
        let wanted = rules.policy().anonymity.as_ref();
        Ok(Self {
            policy: rules.policy(),
            schema,
            names: header.iter().map(str::to_owned).collect(),
            before: header.iter().map(Column::new).collect(),
            after: applied
                .header()
                .iter()
                .map(|name| applied.changes(name).then(|| Column::new(name)))
                .collect(),
            groups: wanted.map(|wanted| Groups::new(wanted, applied.header())),
            applied,
            rows: 0,
        })
    }

    /// Looks at a row, before and after the rules.
    ///
    /// # Errors
    /// A cell that its rule cannot work on.
    pub fn row(&mut self, record: &mut StringRecord) -> Result<(), Unfit> {
        self.rows += 1;
        let (policy, schema) = (self.policy, self.schema);
        let holds = |cell: &str| {
            !cell.is_empty()
                && !policy.is_missing(cell)
                && !schema.missing.iter().any(|missing| missing == cell)
        };
        for (column, cell) in self
            .before
            .iter_mut()
            .zip(record.iter().map(str::trim))
            .filter(|(_, cell)| holds(cell))
        {
            column.see(cell);
        }
        self.applied.apply(record)?;
        for (column, cell) in self
            .after
            .iter_mut()
            .zip(record.iter().map(str::trim))
            .filter(|(_, cell)| holds(cell))
        {
            if let Some(column) = column {
                column.see(cell);
            }
        }
        if let Some(groups) = &mut self.groups {
            groups.see(record);
        }
        Ok(())
    }

    /// What was found.
    pub fn report(&self) -> Survey {
        let columns = self.names.iter().zip(&self.before);
        Survey {
            rows: self.rows,
            columns: columns.map(|(name, before)| self.column(name, before)).collect(),
            anonymity: self.groups.as_ref().map(Groups::report),
        }
    }

    fn column(&self, name: &str, before: &Column) -> ColumnReport {
        let read = self.schema.reads(name);
        let rule = self.policy.columns.get(name);
        let place = self.applied.header().iter().position(|left| left == name);
        let after = place
            .and_then(|place| self.after.get(place)?.as_ref())
            .unwrap_or(before);
        let looks = match rule {
            Some(Rule::Drop) => None,
            _ => refused(after, rule == Some(&Rule::Hash)),
        };
        let verdict = match (read, &looks, rule) {
            (false, ..) => Verdict::NotRead,
            // The schema wants what the policy takes out.
            (true, _, Some(Rule::Drop)) => Verdict::Refused,
            _ if !self.schema.trains_on(name) => Verdict::Sequence,
            (true, Some(_), _) if reason(self.policy, name).is_some() => Verdict::Allowed,
            (true, Some(_), _) => Verdict::Refused,
            (true, None, _) => Verdict::Read,
        };
        ColumnReport {
            name: name.to_owned(),
            read,
            found: before
                .seen()
                .into_iter()
                .map(|seen| FoundReport {
                    kind: seen.kind,
                    share: seen.share,
                    by_name: seen.by_name,
                    example: seen.example,
                })
                .collect(),
            distinct_share: before.distinct_share(),
            rule: rule.map(word),
            rule_does: rule.map(does),
            verdict,
            looks_like: looks.map(|looks| in_words(after, &looks)),
        }
    }
}

fn word(rule: &Rule) -> &'static str {
    match rule {
        Rule::Drop => "drop",
        Rule::Hash => "hash",
        Rule::Generalise(_) => "generalise",
        Rule::Bin { .. } => "bin",
        Rule::ShiftDates { .. } => "shift_dates",
        Rule::Mask(_) => "mask",
        Rule::Allow(_) => "allow",
    }
}

fn does(rule: &Rule) -> String {
    match rule {
        Rule::Drop => "dropped".to_owned(),
        Rule::Hash => "a pseudonym under the bank's key".to_owned(),
        Rule::Generalise(Coarser::Keep(keep)) => format!("its first {keep} characters"),
        Rule::Generalise(Coarser::Groups { groups, .. }) => format!("the group of {} values", groups.len()),
        Rule::Generalise(Coarser::Date { year: true, .. }) => "the year of the date".to_owned(),
        Rule::Generalise(Coarser::Date { year: false, .. }) => "the month of the date".to_owned(),
        Rule::Bin { edges, .. } => format!("one of {} bins", edges.len().saturating_sub(1)),
        Rule::ShiftDates { days, by: None, .. } => {
            format!("shifted by up to {days} days, the whole table alike")
        }
        Rule::ShiftDates {
            days, by: Some(by), ..
        } => format!("shifted by up to {days} days, by {by:?}"),
        Rule::Mask(_) => "identifiers in the text masked".to_owned(),
        Rule::Allow(reason) => format!("read as it is: {reason}"),
    }
}
