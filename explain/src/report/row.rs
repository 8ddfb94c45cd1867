//! One row of the page: its score, the waterfall, the reasons, and what would have to be otherwise.

use maud::{Markup, html};
use veilsum_pictures::gallery;

use super::{ExplainedRow, Report, WATERFALL};
use crate::counterfactual::{Goal, Outcome};
use crate::draw::{self, decimals, signed, told};
use crate::error::Invalid;
use crate::feature::Feature;
use crate::reasons::Reasons;

pub(super) fn section(report: &Report<'_>, at: usize, row: &ExplainedRow<'_>) -> Result<Markup, Invalid> {
    let attribution = row.attribution;
    // Refuses lists that do not fit each other, before anything is taken out of them.
    let picture = draw::waterfall(attribution, row.features, row.values, report.score, WATERFALL)?;
    let span = attribution.values.iter().map(|value| value.abs()).sum::<f64>();
    let digits = decimals(span.max(0.1 * attribution.base.abs()));
    let tell = |value: f64| told(value, digits);
    let id = format!("row-{at}");
    Ok(html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (row.name) }
            dl.score {
                div { dt { (report.score) } dd { (tell(attribution.score)) } }
                div { dt { "mean of the rows compared with" } dd { (tell(attribution.base)) } }
                div { dt { "difference" } dd { (signed(attribution.score - attribution.base, digits)) } }
            }
            div.beside {
                (gallery(std::slice::from_ref(&picture)))
                div {
                    @if let Some(reasons) = row.reasons { (reasons_of(reasons)) }
                    @if let Some((goal, outcome)) = row.counterfactual { (otherwise(report.score, row.features, goal, outcome, digits)) }
                }
            }
            details {
                summary { "All " (row.features.len()) " features as a table" }
                div.scroll tabindex="0" role="region" aria-label="What each feature added" {
                    table {
                        thead { tr { th scope="col" { "feature" } th scope="col" { "value" } th.number scope="col" { "added" } } }
                        tbody {
                            @for place in attribution.ranked() {
                                @let amount = attribution.values[place];
                                @let class = if amount > 0.0 { "number raises" } else if amount < 0.0 { "number lowers" } else { "number" };
                                tr {
                                    th scope="row" { (row.features[place].name) }
                                    td { (row.features[place].tell_value(&row.values[place])) }
                                    td.(class) { (signed(amount, digits)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    })
}

fn reasons_of(reasons: &Reasons) -> Markup {
    html! {
        h3 { "Reasons" }
        @if !reasons.reasons.is_empty() {
            ol.reasons {
                @for reason in &reasons.reasons { li { (reason.sentence) small { (reason.detail) } } }
            }
        }
        @for remark in &reasons.remarks { p.note { (remark) } }
    }
}

fn otherwise(what: &str, features: &[Feature], goal: Goal, outcome: &Outcome, digits: usize) -> Markup {
    let tell = |value: f64| told(value, digits);
    let wanted = match goal {
        Goal::AtLeast(threshold) => format!("a {} of at least {}", what, tell(threshold)),
        Goal::AtMost(threshold) => format!("a {} of at most {}", what, tell(threshold)),
    };
    html! {
        h3 { "What would have to be otherwise" }
        @match outcome {
            Outcome::AlreadyMet { score } => p { "Nothing: " (tell(*score)) " is " (wanted) " already." },
            Outcome::NotFound { score, nearest, is_certain } => p {
                "None within these limits: "
                @if *is_certain { "no allowed change gives " } @else { "no allowed change that was tried gives " }
                (wanted) ". The row has " (tell(*score)) ", and the nearest that was reached is " (tell(*nearest)) "."
            },
            Outcome::Found(found) => {
                p {
                    @if found.is_smallest { "The smallest allowed change that gives " } @else { "The smallest change that was found and gives " }
                    (wanted) ":"
                }
                div.scroll tabindex="0" role="region" aria-label="Changes" {
                    table {
                        thead { tr { th scope="col" { "feature" } th scope="col" { "is" } th scope="col" { "would have to be" } } }
                        tbody {
                            @for change in &found.changes {
                                @if let Some(feature) = features.get(change.feature) {
                                    tr {
                                        th scope="row" { (feature.name) }
                                        td { (feature.tell_value(&change.from)) }
                                        td { (feature.tell_value(&change.to)) }
                                    }
                                }
                            }
                        }
                    }
                }
                p.note { "Then the " (what) " is " (tell(found.score)) ", with all else as it is." }
            }
        }
    }
}
