//! A page for the people of one bank: why rows got their scores. One file, without script or anything from elsewhere.

mod row;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use veilsum_pictures::{Picture, gallery};

use crate::attribution::Attribution;
use crate::counterfactual::{Goal, Outcome};
use crate::draw;
use crate::error::Invalid;
use crate::feature::{Feature, Value};
use crate::importance::{Dependence, importance};
use crate::reasons::Reasons;

const STYLE: &str = include_str!("report.css");
/// Nothing is fetched and nothing runs, whatever a name or a value may hold.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// Features of a waterfall and of a beeswarm; those beyond stand in the tables.
const WATERFALL: usize = 10;
const SWARM: usize = 14;

/// A page on rows of one model.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What it is about, such as the task's name.
    pub title: &'a str,
    /// What the model gives, such as "probability of default".
    pub score: &'a str,
    /// How the amounts were found, and compared with which rows.
    pub method: &'a str,
    /// Rows that are explained one by one.
    pub rows: &'a [ExplainedRow<'a>],
    /// Rows that are explained together, if any.
    pub many: Option<ManyRows<'a>>,
}

/// One row's explanation.
#[derive(Clone, Copy, Debug)]
pub struct ExplainedRow<'a> {
    /// Which row it is.
    pub name: &'a str,
    /// Its features; rows of words have their own.
    pub features: &'a [Feature],
    /// Its own values.
    pub values: &'a [Value],
    /// What each feature added.
    pub attribution: &'a Attribution,
    /// The reasons, if they were asked for.
    pub reasons: Option<&'a Reasons>,
    /// What would have to be otherwise for another decision, if that was asked for.
    pub counterfactual: Option<(Goal, &'a Outcome)>,
}

/// Many rows' explanations.
#[derive(Clone, Copy, Debug)]
pub struct ManyRows<'a> {
    /// The features of all rows.
    pub features: &'a [Feature],
    /// Of each row.
    pub attributions: &'a [Attribution],
    /// Of each row, in the features' order.
    pub values: &'a [Vec<Value>],
    /// Numbers whose dependence is drawn, by place.
    pub dependence: &'a [usize],
}

impl Report<'_> {
    /// The page.
    ///
    /// # Errors
    /// Lists of different sizes; values of another kind than the feature's; amounts that are not finite.
    pub fn html(&self) -> Result<String, Invalid> {
        let many = self.many.as_ref().map(|many| self.together(many)).transpose()?;
        let rows = self
            .rows
            .iter()
            .enumerate()
            .map(|(at, row)| row::section(self, at, row));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    title { (self.title) ": why rows got their scores" }
                    style { (PreEscaped(STYLE)) (PreEscaped(veilsum_pictures::STYLE)) (PreEscaped(draw::STYLE)) }
                }
                body {
                    a.skip href="#main" { "Skip to the explanations" }
                    header {
                        p.kicker { "Why rows got their scores" }
                        h1 { (self.title) }
                    }
                    main #main {
                        p.note { (self.method) }
                        @for row in &rows { (row) }
                        @if let Some(many) = &many { (many) }
                    }
                    footer {
                        p {
                            "What a feature added says how the model reads this row, not what causes what in the world. This page holds values of single rows: \
                             it is for this bank's own people."
                        }
                    }
                }
            }
        };
        Ok(page.into_string())
    }

    fn together(&self, many: &ManyRows<'_>) -> Result<Markup, Invalid> {
        let names: Vec<String> = many.features.iter().map(|feature| feature.name.clone()).collect();
        let means = importance(many.attributions)?;
        let mut pictures = vec![
            draw::importances(&names, &means, self.score, SWARM)?,
            draw::beeswarm(many.attributions, many.features, many.values, self.score, SWARM)?,
        ];
        for at in many.dependence {
            pictures.extend(self.dependence(many, *at)?);
        }
        let mut order: Vec<usize> = (0..means.len()).collect();
        order.sort_by(|one, two| means[*two].total_cmp(&means[*one]));
        let digits = draw::decimals(order.first().map_or(0.0, |at| means[*at]));
        let rows = many.attributions.len();
        Ok(html! {
            section aria-labelledby="many" {
                h2 #many { @if rows == 1 { "One row on the whole" } @else { (rows) " rows together" } }
                (gallery(&pictures))
                details {
                    summary { "All " (many.features.len()) " features as a table" }
                    div.scroll tabindex="0" role="region" aria-label="Importance of all features" {
                        table {
                            thead { tr { th scope="col" { "feature" } th.number scope="col" { "mean change of the " (self.score) } } }
                            tbody {
                                @for at in &order {
                                    tr { th scope="row" { (names[*at]) } td.number { (format!("{:.digits$}", means[*at])) } }
                                }
                            }
                        }
                    }
                }
            }
        })
    }

    /// Nothing of a feature that is missing in every row.
    fn dependence(&self, many: &ManyRows<'_>, at: usize) -> Result<Option<Picture>, Invalid> {
        let Some(feature) = many.features.get(at) else {
            return Err(Invalid::range(
                "dependence",
                at as f64,
                "a feature's place, counted from 0",
            ));
        };
        let number = |row: &Vec<Value>| match row.get(at) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        };
        let values: Vec<Option<f64>> = many.values.iter().map(number).collect();
        let found = Dependence::of(many.attributions, at, &values)?;
        if found.points.is_empty() {
            return Ok(None);
        }
        draw::dependence(&found, feature, self.score).map(Some)
    }
}
