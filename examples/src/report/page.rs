//! The page: sections from top to bottom.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use veilsum_auditor::pictures;

use super::chart::{self, ChartError, Picture, References};
use super::input::{Report, Role, TableRow};
use super::participation;
use super::verdict::Verdict;

const STYLE: &str = include_str!("style.css");

impl Report {
    /// The whole page as HTML, style and pictures inside. Sections without content are left out.
    pub fn render(&self) -> Result<String, ChartError> {
        let verdict = Verdict::of(&self.results);
        let auc = chart::by_round(
            "AUC curve",
            &self.rounds,
            |round| round.auc,
            References::auc(verdict.as_ref()),
        )?;
        let loss = chart::by_round(
            "loss curve",
            &self.rounds,
            |round| round.log_loss,
            self.loss_references(),
        )?;
        let calibration = chart::calibration(&self.calibration)?;
        let title = format!("{}: {}", self.consortium, self.task);
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) }
                    style { (PreEscaped(STYLE)) (PreEscaped(pictures::STYLE)) }
                }
                body {
                    header {
                        p.kicker { (self.consortium) }
                        h1 { (self.task) }
                        @if let Some(verdict) = &verdict { p.lead { (verdict.sentence()) } }
                    }
                    main {
                        @if let Some(verdict) = &verdict { (cards(verdict)) }
                        @if !self.facts.is_empty() {
                            dl.facts {
                                @for fact in &self.facts { div { dt { (fact.label) } dd { (fact.value) } } }
                            }
                        }
                        @if !self.results.is_empty() { (self.results_section()) }
                        @if auc.is_some() || loss.is_some() { (self.curves_section(auc.as_ref(), loss.as_ref())) }
                        @if !self.rounds.is_empty() { (self.participation_section()) }
                        @if let Some(picture) = &calibration { (self.calibration_section(picture)) }
                        @if let Some(section) = self.published.section() { (section) }
                        @if !self.checks.is_empty() || !self.checkpoint.is_empty() { (self.proof_section()) }
                        @if !self.rounds.is_empty() { (self.rounds_section()) }
                    }
                }
            }
        };
        Ok(page.into_string())
    }

    fn loss_references(&self) -> References {
        let of = |role| {
            self.results
                .iter()
                .filter(move |row| row.role == role)
                .map(|row| row.log_loss)
        };
        let alone: Vec<f64> = of(Role::Alone).collect();
        References {
            pooled: of(Role::Pooled).next(),
            alone: (!alone.is_empty()).then(|| {
                let mean = alone.iter().sum::<f64>() / alone.len() as f64;
                let least = alone.iter().copied().fold(f64::INFINITY, f64::min);
                let most = alone.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                (mean, least, most)
            }),
        }
    }

    fn results_section(&self) -> Markup {
        html! {
            section aria-labelledby="results" {
                h2 #results { "What each model is worth" }
                div.scroll tabindex="0" role="region" aria-labelledby="results" {
                    table.results {
                        caption { span { "Judged " (self.judged) ". AUC and KS: higher is better; log loss: lower." } }
                        thead {
                            tr {
                                th scope="col" { "Model" }
                                th.number scope="col" { "AUC" }
                                th.number scope="col" { "KS" }
                                th.number scope="col" { "Log loss" }
                                th.number scope="col" { "Trained on" span.spoken { ", rows" } }
                            }
                        }
                        tbody { @for row in &self.results { (result_row(row)) } }
                    }
                }
            }
        }
    }

    fn curves_section(&self, auc: Option<&Picture>, loss: Option<&Picture>) -> Markup {
        let references = References::auc(Verdict::of(&self.results).as_ref());
        html! {
            section aria-labelledby="curves" {
                h2 #curves { "Round by round" }
                p.note {
                    "Measured " (self.measured) "."
                    @if references.alone.is_some() { " The lines to compare with are judged " (self.judged) "." }
                }
                ul.legend aria-hidden="true" {
                    li { span.swatch.federated {} "federated" }
                    @if references.pooled.is_some() { li { span.swatch.pooled {} "pooled" } }
                    @if references.alone.is_some() { li { span.swatch.alone {} "alone: average, and from worst to best" } }
                }
                @if let Some(picture) = auc {
                    (figure(picture, "AUC, higher is better", &self.spoken("AUC", |round| round.auc)))
                }
                @if let Some(picture) = loss {
                    (figure(picture, "Log loss, lower is better", &self.spoken("log loss", |round| round.log_loss)))
                }
            }
        }
    }

    /// The curve in words, for those who do not see it.
    fn spoken(&self, what: &str, value: impl Fn(&super::RoundRow) -> Option<f64>) -> String {
        let measured: Vec<(u64, f64)> = self
            .rounds
            .iter()
            .filter_map(|round| Some((round.round, value(round)?)))
            .collect();
        match (measured.first(), measured.last()) {
            (Some(first), Some(last)) => format!(
                "Line chart of the federated model's {what}: {:.3} in round {}, {:.3} in round {}. \
                 The table of rounds below holds every value.",
                first.1, first.0, last.1, last.0
            ),
            _ => format!("Line chart of {what}, without values."),
        }
    }

    fn participation_section(&self) -> Markup {
        html! {
            section aria-labelledby="participation" {
                h2 #participation { "Who took part" }
                @if !self.incidents.is_empty() {
                    ul.incidents {
                        @for incident in &self.incidents {
                            li { strong { "Round " (incident.round) ", " (incident.bank) ": " } (incident.text) }
                        }
                    }
                }
                (participation::timeline(self))
            }
        }
    }

    fn calibration_section(&self, picture: &Picture) -> Markup {
        let spoken = format!(
            "Calibration curve of {} points. {}",
            self.calibration.len(),
            self.calibration
                .iter()
                .map(|point| format!(
                    "{:.1} % predicted, {:.1} % came.",
                    100.0 * point.predicted,
                    100.0 * point.observed
                ))
                .collect::<Vec<_>>()
                .join(" ")
        );
        html! {
            section aria-labelledby="calibration" {
                h2 #calibration { "Do its probabilities hold?" }
                p.note {
                    "Rows grouped by the federated model's prediction: on the dashed line as many default as predicted."
                }
                div.square { (figure(picture, "Default rate, predicted and observed", &spoken)) }
            }
        }
    }

    fn proof_section(&self) -> Markup {
        html! {
            section aria-labelledby="proof" {
                h2 #proof { "What the log proves" }
                @if !self.checks.is_empty() {
                    ul.checks {
                        @for check in &self.checks {
                            @if check.passed {
                                li.passed { span.sign aria-hidden="true" { "✓" } span.spoken { "Verified: " } span { (check.text) } }
                            } @else {
                                li.failed { span.sign aria-hidden="true" { "✕" } span { strong { "Failed: " } (check.text) } }
                            }
                        }
                    }
                }
                @if !self.checkpoint.is_empty() {
                    h3 #checkpoint { "The log's last checkpoint" }
                    pre { (self.checkpoint) }
                }
            }
        }
    }

    fn rounds_section(&self) -> Markup {
        html! {
            section aria-labelledby="rounds" {
                h2 #rounds { "All rounds" }
                details {
                    summary { "Show " (self.rounds.len()) " rounds" }
                    div.scroll tabindex="0" role="region" aria-labelledby="rounds" {
                        table {
                            caption { span { "Measured " (self.measured) "." } }
                            thead {
                                tr {
                                    th.number scope="col" { "Round" }
                                    th.number scope="col" { "Step" }
                                    th scope="col" { "Kind" }
                                    th.number scope="col" { "Cohort" }
                                    th.number scope="col" { "Survivors" }
                                    th scope="col" { "Dropped out" }
                                    th.number scope="col" { "AUC" }
                                    th.number scope="col" { "KS" }
                                    th.number scope="col" { "Log loss" }
                                    th.number scope="col" { "Seconds" }
                                }
                            }
                            tbody {
                                @for round in &self.rounds {
                                    tr {
                                        th.number scope="row" { (round.round) }
                                        td.number { (round.step) }
                                        td { (round.kind) }
                                        td.number { (round.cohort.len()) }
                                        td.number { (round.survivors) }
                                        td { @if round.dropped.is_empty() { "–" } @else { (round.dropped.join(", ")) } }
                                        td.number { (measured(round.auc)) }
                                        td.number { (measured(round.ks)) }
                                        td.number { (measured(round.log_loss)) }
                                        td.number { (format!("{:.1}", round.seconds)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cards(verdict: &Verdict) -> Markup {
    html! {
        div.cards {
            div.card {
                p.label { "A bank alone" }
                p.figure { (format!("{:.3}", verdict.alone)) }
                p.note { "AUC, mean of " (verdict.banks) "; from " (format!("{:.3} to {:.3}", verdict.alone_least, verdict.alone_most)) }
            }
            div.card.federated {
                p.label { "Federated, under masks" }
                p.figure { (format!("{:.3}", verdict.federated)) }
                p.note { "AUC, " (format!("{:+.3}", verdict.federated - verdict.alone)) " over a bank alone" }
            }
            @if let Some(pooled) = verdict.pooled {
                div.card {
                    p.label { "Pooled on one machine" }
                    p.figure { (format!("{pooled:.3}")) }
                    p.note { "AUC, if the banks might share their rows" }
                }
            }
        }
    }
}

fn result_row(row: &TableRow) -> Markup {
    let class = match row.role {
        Role::Alone => "alone",
        Role::Pooled => "pooled",
        Role::Federated => "federated",
        Role::Reference => "reference",
    };
    // The bar starts where a coin stands, at 0.5.
    let bar = (200.0 * (row.auc - 0.5)).clamp(0.0, 100.0);
    html! {
        tr.(class) {
            th scope="row" { (row.name) " " span.tag { (row.role.words()) } }
            td.number {
                (format!("{:.3}", row.auc))
                span.bar aria-hidden="true" { span style={ "width:" (format!("{bar:.0}")) "%" } {} }
            }
            td.number { (format!("{:.3}", row.ks)) }
            td.number { (format!("{:.3}", row.log_loss)) }
            td.number { (crate::table::grouped(row.rows)) span.unit { " rows" } }
        }
    }
}

fn figure(picture: &Picture, caption: &str, spoken: &str) -> Markup {
    html! {
        figure {
            figcaption { (caption) }
            div.wide role="img" aria-label=(spoken) { (PreEscaped(&picture.wide)) }
            div.narrow role="img" aria-label=(spoken) { (PreEscaped(&picture.narrow)) }
        }
    }
}

fn measured(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}
