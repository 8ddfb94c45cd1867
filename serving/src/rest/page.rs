//! A page for people: which models there are, what they take, where they come from, and a way to try one.
//!
//! Whoever has no key sees nothing of the models: the script asks for this page again with the key that was typed, and puts its models in place.

use maud::{DOCTYPE, Markup, html};
use serde_json::json;

use super::answer::{Answer, content};
use crate::card::{Card, Fact, TensorSpec};
use crate::service::Serving;
use crate::tensor::Datatype;

pub(super) const STYLE: &str = include_str!("page.css");
pub(super) const SCRIPT: &str = include_str!("page.js");

pub(super) fn page(serving: &Serving, known: bool) -> Answer {
    let inside = if known { models(serving) } else { stranger() };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Models" }
                link rel="stylesheet" href="/assets/page.css";
                script src="/assets/page.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to the models" }
                header {
                    p.kicker { "Veilsum serving" }
                    h1 { "Models" }
                }
                @if serving.callers().has_keys() {
                    form #key {
                        label for="word" { "Your key" }
                        div.line {
                            input #word type="password" autocomplete="off" required;
                            button type="submit" { "Show the models" }
                        }
                        p.note { "It stays in this page, and is gone when the page is closed." }
                    }
                }
                main #main { (inside) }
                footer { p { "The interface is described in " a href="/openapi.json" { "openapi.json" } "." } }
            }
        }
    };
    content("text/html; charset=utf-8", page.into_string())
}

fn stranger() -> Markup {
    html! { p.lead role="status" { "Who has a key sees the models. The bank's operator gives keys out." } }
}

fn models(serving: &Serving) -> Markup {
    let standings = serving.registry().standings();
    html! {
        @if standings.is_empty() { p.lead { "No model is served yet." } }
        @for standing in &standings {
            @for card in &standing.cards {
                @let current = card.version == standing.current;
                section aria-label={ (card.name) ", version " (card.version) } {
                    h2 { (card.name) " " span.soft { "version " (card.version) } }
                    p {
                        @if current { span.tag { "answers now" } " " }
                        @if current && standing.pinned { span.tag { "pinned" } " " }
                        @if standing.shadow.as_ref() == Some(&card.version) { span.tag { "shadow" } " " }
                        @for share in standing.split.iter().filter(|share| share.version == card.version) {
                            span.tag { "share of requests: weight " (share.weight) }
                        }
                    }
                    (provenance(card))
                    (specs("Inputs", &card.inputs, true))
                    (specs("Outputs", &card.outputs, false))
                    (attempt(card))
                }
            }
        }
    }
}

fn provenance(card: &Card) -> Markup {
    let facts = card.provenance.facts();
    html! {
        h3 { "Where it comes from" }
        @if facts.is_empty() { p.note { "Nothing is known of it." } }
        dl {
            @for (name, fact) in facts {
                div {
                    dt { (name.replace('_', " ")) }
                    dd { code { @match fact { Fact::Text(text) => (text), Fact::Number(number) => (number) } } }
                }
            }
        }
    }
}

fn specs(what: &str, specs: &[TensorSpec], asked: bool) -> Markup {
    html! {
        h3 { (what) }
        // A wide table scrolls by itself, with the keyboard too.
        div.wide tabindex="0" role="region" aria-label=(what) {
            table {
                caption.unseen { (what) }
                thead { tr { th scope="col" { "name" } th scope="col" { "datatype" } th scope="col" { "shape" } @if asked { th scope="col" { "may be missing" } } } }
                tbody {
                    @for spec in specs {
                        tr {
                            th scope="row" { (spec.name) }
                            td { (spec.datatype) }
                            td { (format!("{:?}", spec.shape)) }
                            @if asked { td { @if spec.missing { "yes" } @else { "no" } } }
                        }
                    }
                }
            }
        }
    }
}

fn attempt(card: &Card) -> Markup {
    let id = format!("try-{}-{}", card.name, card.version);
    html! {
        form.try data-path={ "/v2/models/" (card.name) "/versions/" (card.version) } {
            h3 { label for=(id) { "Try a request" } }
            textarea #(id) rows="12" spellcheck="false" { (example(card)) }
            div.line {
                button type="submit" value="infer" { "Score" }
                button.second type="submit" value="explain" { "Explain" }
            }
            p.said role="status" {}
            div.why hidden {}
            pre hidden tabindex="0" aria-label="The answer as it came" {}
        }
    }
}

/// A request of one row that has the right form. What stands in it means nothing.
pub(super) fn example(card: &Card) -> String {
    let input = |spec: &TensorSpec| {
        let shape: Vec<i64> = spec.shape.iter().map(|&length| length.max(1)).collect();
        let count = shape.iter().copied().fold(1, i64::saturating_mul).clamp(1, 4096);
        let element = match spec.datatype {
            Datatype::Bool => "false",
            Datatype::Bytes => "\"\"",
            Datatype::Fp32 | Datatype::Fp64 => "0.0",
            _ => "0",
        };
        let data = (0..count).map(|_| element).collect::<Vec<_>>().join(", ");
        // In the order in which a person reads it.
        let (name, datatype) = (json!(spec.name), spec.datatype);
        format!(
            "    {{ \"name\": {name}, \"datatype\": \"{datatype}\", \"shape\": {shape:?}, \"data\": [{data}] }}"
        )
    };
    let lines: Vec<String> = card.inputs.iter().map(input).collect();
    format!("{{\n  \"inputs\": [\n{}\n  ]\n}}", lines.join(",\n"))
}
