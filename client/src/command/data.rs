//! `data check`: what the bank's table holds that points to persons, and what the bank's policy does about it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::app::{self, AppError};
use crate::config::Config;
use crate::data::{DataError, Dataset, HoldOut, Table};
use crate::desensitise::{AnonymityReport, ColumnReport, Survey, Surveyor, Verdict};

/// Of what a picture shows nothing is known here.
const IMAGES: &str = "no columns that rules could change, and nobody looks for identifiers in pictures: see to it that they show none";

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    table: PathBuf,
    policy: PathBuf,
    rules: usize,
    /// How many images were read, if rows are images.
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<usize>,
    #[serde(flatten)]
    survey: Survey,
}

/// Looks at the table of the folder.
pub(crate) fn check(dir: &Path) -> Result<Report, AppError> {
    Ok(survey(&app::config(dir)?)?)
}

/// Reads the whole table twice over: as it is, and under the policy.
pub(crate) fn survey(config: &Config) -> Result<Report, DataError> {
    survey_first(config, u64::MAX)
}

/// The same for the first so many rows of a table.
pub(crate) fn survey_first(config: &Config, most: u64) -> Result<Report, DataError> {
    let schema = app::schema(config)?;
    let rules = app::policy(config).rules()?;
    let table = &config.data.file;
    let report = |images, survey| Report {
        table: table.clone(),
        policy: rules.file().to_owned(),
        rules: rules.policy().columns.len(),
        images,
        survey,
    };
    if schema.image().is_some() {
        // Both files are read, and a policy with rules for columns is refused.
        let rows = Dataset::read_files(
            &app::files(config),
            &schema,
            &HoldOut::new([0; 32], 0.0),
            None,
            &rules,
            &app::room(config),
        )?;
        let survey = Survey {
            rows: rows.len() as u64,
            columns: Vec::new(),
            anonymity: None,
        };
        return Ok(report(Some(rows.len()), survey));
    }
    let rows = Table::open(table)?;
    let mut surveyor = Surveyor::new(&rules, rows.header(), &schema)?;
    rows.for_the_first(most, |at, row| {
        surveyor.row(row).map_err(|unfit| unfit.at(table, at))
    })?;
    Ok(report(None, surveyor.report()))
}

impl Report {
    /// What was found of each column.
    pub(crate) fn columns(&self) -> &[ColumnReport] {
        &self.survey.columns
    }

    /// 0: in order. 2: a column that is read is refused. 1: rows do not hide as well as the policy asks.
    pub(crate) fn exit_code(&self) -> u8 {
        match (self.refuses(), self.is_anonymous_enough()) {
            (true, _) => 2,
            (false, false) => 1,
            (false, true) => 0,
        }
    }

    pub(crate) fn is_anonymous_enough(&self) -> bool {
        self.survey
            .anonymity
            .as_ref()
            .is_none_or(AnonymityReport::is_enough)
    }

    /// Whether a column that would be read is refused.
    pub(crate) fn refuses(&self) -> bool {
        self.refused().next().is_some()
    }

    fn refused(&self) -> impl Iterator<Item = &ColumnReport> {
        self.survey
            .columns
            .iter()
            .filter(|column| column.verdict == Verdict::Refused)
    }

    /// One line for `preflight`.
    pub(crate) fn in_short(&self) -> String {
        if let Some(images) = self.images {
            return format!("{images} images: {IMAGES}");
        }
        let reads = self.survey.columns.iter().filter(|column| column.read).count();
        let refused: Vec<_> = self
            .refused()
            .map(|column| format!("{:?}", column.name))
            .collect();
        let verdict = if refused.is_empty() {
            "none of those read looks like an identifier, or the policy says why".to_owned()
        } else {
            format!("of those read, {} must not be as it is", refused.join(", "))
        };
        format!(
            "{} with {} for {} columns, of which {reads} are read: {verdict}",
            self.policy.display(),
            count(self.rules, "rule"),
            self.survey.columns.len()
        )
    }

    /// One line for `preflight`, if the policy asks for a report.
    pub(crate) fn anonymity_in_short(&self) -> Option<String> {
        self.survey.anonymity.as_ref().map(|found| {
            let l = found.l.map_or(String::new(), |l| {
                format!(
                    "; the fewest values of {:?} in a group are {}, wanted {l}",
                    found.sensitive.as_deref().unwrap_or_default(),
                    found.distinct_values.unwrap_or_default()
                )
            });
            format!(
                "the smallest group of rows with the same {} has {}, wanted {}; {} of {} rows are in smaller groups{l}",
                found.quasi_identifiers.join(", "),
                found.smallest_group,
                found.k,
                found.rows_below_k,
                found.rows
            )
        })
    }

    /// A line for each column, then the anonymity of the rows.
    pub(crate) fn text(&self) -> String {
        if let Some(images) = self.images {
            return format!("{}, {images} images\n{IMAGES}", self.table.display());
        }
        let mut lines = vec![
            format!(
                "table   {}, {} rows, {} columns",
                self.table.display(),
                self.survey.rows,
                self.survey.columns.len()
            ),
            format!("policy  {}, {}", self.policy.display(), count(self.rules, "rule")),
            String::new(),
        ];
        let names = self
            .survey
            .columns
            .iter()
            .map(|column| column.name.chars().count());
        let width = names.max().unwrap_or_default().min(32);
        for column in &self.survey.columns {
            let mark = match column.verdict {
                Verdict::Read => "ok      ",
                Verdict::Allowed => "allowed ",
                Verdict::Sequence => "sequence",
                Verdict::Refused => "REFUSED ",
                Verdict::NotRead => "not read",
            };
            lines.push(format!(
                "{mark}  {:width$}  {}",
                column.name,
                column_in_words(column)
            ));
        }
        if self.refuses() {
            lines.push(String::new());
            lines.push(format!(
                "REFUSED: no task can read these columns until {} has a rule for each, or the schema leaves them out",
                self.policy.display()
            ));
        }
        if let Some(found) = &self.survey.anonymity {
            lines.push(String::new());
            lines.extend(anonymity(found));
        }
        lines.join("\n")
    }
}

fn column_in_words(column: &ColumnReport) -> String {
    let mut parts: Vec<String> = column
        .found
        .iter()
        .map(|found| {
            let by_name = if found.by_name {
                ", by the column's name"
            } else {
                ""
            };
            format!(
                "{} in {:.1} %{by_name} ({})",
                found.kind.plural(),
                found.share * 100.0,
                found.example
            )
        })
        .collect();
    if parts.is_empty() {
        parts.push(format!(
            "nothing found, {:.1} % of the cells differ",
            column.distinct_share * 100.0
        ));
    }
    parts.extend(column.rule_does.as_ref().map(|does| format!("rule: {does}")));
    if column.verdict != Verdict::Read {
        let then = if column.rule.is_some() {
            "after the rule "
        } else {
            ""
        };
        parts.extend(
            column
                .looks_like
                .as_ref()
                .map(|looks| format!("{then}looks like {looks}")),
        );
    }
    parts.join("; ")
}

fn anonymity(found: &AnonymityReport) -> Vec<String> {
    let mark = |ok: bool| if ok { "ok     " } else { "TOO FEW" };
    let mut lines = vec![
        format!(
            "anonymity after the rules, by {}: {} rows in {} groups",
            found.quasi_identifiers.join(", "),
            found.rows,
            found.groups
        ),
        format!(
            "{}  k   smallest group {}, wanted {}; {} rows in {} below it",
            mark(found.rows_below_k == 0),
            found.smallest_group,
            found.k,
            found.rows_below_k,
            count(
                usize::try_from(found.groups_below_k).unwrap_or(usize::MAX),
                "group"
            )
        ),
    ];
    if let (Some(sensitive), Some(distinct), Some(entropy)) =
        (&found.sensitive, found.distinct_values, found.entropy_values)
    {
        let wanted = found.l.map_or(String::new(), |l| {
            format!(
                ", wanted {l}; {} groups below it",
                found.groups_below_l.unwrap_or_default()
            )
        });
        lines.push(format!(
            "{}  l   fewest values of {sensitive:?} in a group {distinct}, by entropy {entropy:.2}{wanted}",
            mark(found.groups_below_l.unwrap_or_default() == 0)
        ));
    }
    lines
}

fn count(number: usize, of: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {of}{plural}")
}
