//! The page: sections from top to bottom.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use veilsum_pictures as pictures;

use veilsum_protocol::model::{Better, Figure};

use super::chart::{self, ChartError, Picture, References};
use super::columns;
use super::input::{Report, Role, RoundRow, TableRow};
use super::participation;
use super::verdict::Verdict;
use crate::score::{digits, in_words};

const STYLE: &str = include_str!("style.css");

/// Places of the figures that are drawn round by round, among the three of a score: the main one, and log loss or explained variance.
const MAIN: usize = 0;
const SECOND: usize = 2;

/// The columns of a table without rows.
const NOTHING_JUDGED: [Figure; 3] = [Figure::Auc, Figure::Ks, Figure::LogLoss];

impl Report {
    /// The whole page as HTML, style and pictures inside. Sections without content are left out.
    pub fn render(&self) -> Result<String, ChartError> {
        let verdict = Verdict::of(&self.results);
        let curves = [("main", MAIN), ("second", SECOND)].map(|(name, place)| {
            let references = References::of(&self.results, place);
            chart::by_round(name, &self.rounds, place, references)
        });
        let [main, second] = curves;
        let (main, second) = (main?, second?);
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
                        @if !self.notes.is_empty() {
                            div.about { @for note in &self.notes { p { (note) } } }
                        }
                        @if !self.facts.is_empty() {
                            dl.facts {
                                @for fact in &self.facts { div { dt { (fact.label) } dd { (fact.value) } } }
                            }
                        }
                        @if !self.results.is_empty() { (self.results_section()) }
                        @if main.is_some() || second.is_some() { (self.curves_section([main, second])) }
                        @if !self.rounds.is_empty() { (self.participation_section()) }
                        @if let Some(section) = columns::section(&self.columns) { (section) }
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

    /// The figures by which rounds and models are judged; `None` if nothing was judged.
    fn figures(&self) -> Option<[Figure; 3]> {
        let results = self.results.iter().map(|row| row.score);
        let mut scores = results.chain(self.rounds.iter().filter_map(|round| round.score));
        Some(scores.next()?.figures.map(|(figure, _)| figure))
    }

    fn results_section(&self) -> Markup {
        let figures = self.figures().unwrap_or(NOTHING_JUDGED);
        let worst = self
            .results
            .iter()
            .map(|row| row.score.main().1)
            .fold(0.0, f64::max);
        html! {
            section aria-labelledby="results" {
                h2 #results { "What each model is worth" }
                div.scroll tabindex="0" role="region" aria-labelledby="results" {
                    table.results {
                        caption { span { "Judged " (self.judged) ". " (directions(figures)) } }
                        thead {
                            tr {
                                th scope="col" { "Model" }
                                @for figure in figures { th.number scope="col" { (figure.title()) } }
                                th.number scope="col" { "Trained on" span.spoken { ", rows" } }
                            }
                        }
                        tbody { @for row in &self.results { (result_row(row, worst)) } }
                    }
                }
            }
        }
    }

    fn curves_section(&self, pictures: [Option<Picture>; 2]) -> Markup {
        let references = References::of(&self.results, MAIN);
        let figures = self.figures().unwrap_or(NOTHING_JUDGED);
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
                @for (picture, place) in pictures.iter().zip([MAIN, SECOND]) {
                    @if let Some(picture) = picture {
                        @let figure = figures[place];
                        (figure_of(picture, &format!("{}, {} is better", figure.title(), direction(figure)), &self.spoken(place, figure)))
                    }
                }
            }
        }
    }

    /// The curve in words, for those who do not see it.
    fn spoken(&self, place: usize, figure: Figure) -> String {
        let what = in_words(figure);
        let measured: Vec<(u64, f64)> = self
            .rounds
            .iter()
            .filter_map(|round| Some((round.round, round.score?.figures[place].1)))
            .collect();
        match (measured.first(), measured.last()) {
            (Some(first), Some(last)) => format!(
                "Line chart of the federated model's {what}: {} in round {}, {} in round {}. \
                 The table of rounds below holds every value.",
                shown(figure, first.1),
                first.0,
                shown(figure, last.1),
                last.0
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
                    "Rows grouped by the federated model's prediction: on the dashed line as many have label 1 as predicted."
                }
                div.square { (figure_of(picture, "Share of rows with label 1, predicted and observed", &spoken)) }
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
        let figures = self.figures();
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
                                    @for figure in figures.iter().flatten() { th.number scope="col" { (figure.title()) } }
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
                                        @for place in 0..figures.map_or(0, |figures| figures.len()) {
                                            td.number { (measured(round, place)) }
                                        }
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
    let figure = verdict.figure;
    let shown = |value| shown(figure, value);
    let (title, digits) = (figure.title(), digits(figure));
    let way = if verdict.gain() < 0.0 { "worse" } else { "better" };
    html! {
        div.cards {
            div.card {
                p.label { "A bank alone" }
                p.figure { (shown(verdict.alone)) }
                p.note { (title) ", mean of " (verdict.banks) "; from " (shown(verdict.alone_worst)) " to " (shown(verdict.alone_best)) }
            }
            div.card.federated {
                p.label { "Federated, under masks" }
                p.figure { (shown(verdict.federated)) }
                p.note { (title) ", " (format!("{:.digits$}", verdict.gain().abs())) " " (way) " than a bank alone" }
            }
            @if let Some(pooled) = verdict.pooled {
                div.card {
                    p.label { "Pooled on one machine" }
                    p.figure { (shown(pooled)) }
                    p.note { (title) ", if the banks might share their rows" }
                }
            }
        }
    }
}

/// `worst`: the largest main figure of all models, the whole bar of an error.
fn result_row(row: &TableRow, worst: f64) -> Markup {
    let class = match row.role {
        Role::Alone => "alone",
        Role::Pooled => "pooled",
        Role::Federated => "federated",
        Role::Reference => "reference",
    };
    let (figure, value) = row.score.main();
    let bar = match (figure, figure.better()) {
        // The bar starts where a coin stands.
        (Figure::Auc, _) => 2.0 * (value - 0.5),
        (_, Better::Lower) => value / worst,
        _ => value,
    };
    let bar = (100.0 * bar).clamp(0.0, 100.0);
    let [main, others @ ..] = row.score.figures;
    html! {
        tr.(class) {
            th scope="row" { (row.name) " " span.tag { (row.role.words()) } }
            td.number {
                (shown(main.0, main.1))
                span.bar aria-hidden="true" { span style={ "width:" (format!("{bar:.0}")) "%" } {} }
            }
            @for (figure, value) in others { td.number { (shown(figure, value)) } }
            td.number {
                @if row.rows > 0 { (crate::table::grouped(row.rows)) span.unit { " rows" } } @else { "–" }
            }
        }
    }
}

fn figure_of(picture: &Picture, caption: &str, spoken: &str) -> Markup {
    html! {
        figure {
            figcaption { (caption) }
            div.wide role="img" aria-label=(spoken) { (PreEscaped(&picture.wide)) }
            div.narrow role="img" aria-label=(spoken) { (PreEscaped(&picture.narrow)) }
        }
    }
}

fn measured(round: &RoundRow, place: usize) -> String {
    let score = round.score.map(|score| score.figures[place]);
    score.map_or_else(|| "–".to_owned(), |(figure, value)| shown(figure, value))
}

fn shown(figure: Figure, value: f64) -> String {
    format!("{value:.digits$}", digits = digits(figure))
}

fn direction(figure: Figure) -> &'static str {
    match figure.better() {
        Better::Lower => "lower",
        Better::Higher | Better::Neither => "higher",
    }
}

/// Which way each figure should go, such as `AUC and KS: higher is better; log loss: lower.`
fn directions(figures: [Figure; 3]) -> String {
    let going = |way: &str| {
        let going = figures.into_iter().filter(|figure| direction(*figure) == way);
        going.map(in_words).collect::<Vec<_>>().join(" and ")
    };
    let mut sides = [("higher", going("higher")), ("lower", going("lower"))];
    // The main figure's side first.
    if direction(figures[0]) == "lower" {
        sides.reverse();
    }
    let [(first, some), (other, rest)] = sides;
    let mut words: Vec<char> = format!("{some}: {first} is better; {rest}: {other}.")
        .chars()
        .collect();
    if let Some(start) = words.first_mut() {
        *start = start.to_ascii_uppercase();
    }
    words.into_iter().collect()
}
