//! The page from top to bottom, and the frame of every other one.

use std::sync::Arc;

use maud::{DOCTYPE, Markup, html};

use super::office::Told;
use super::words::moment;
use super::{banks, curves, log, now, roster, rounds, tasks};
use crate::engine::status::Status;

/// What the sections are made from.
pub(super) struct View {
    pub(super) status: Arc<Status>,
    pub(super) told: Arc<Told>,
}

impl View {
    /// The sections that change while the page is open, by the id of their place.
    pub(super) fn sections(&self) -> [(&'static str, Markup); 7] {
        [
            ("now", now::section(&self.status)),
            ("tasks", tasks::section(&self.status)),
            ("rounds", rounds::section(&self.status)),
            ("banks", banks::section(&self.status, &self.told)),
            ("roster", roster::section(&self.status)),
            ("curves", curves::section(&self.told)),
            ("log", log::section(&self.status)),
        ]
    }
}

/// The whole page. `notice` says what was done just now.
pub(super) fn page(view: &View, token: &str, notice: Option<&str>) -> Markup {
    let status = &view.status;
    let inside = html! {
        nav aria-label="On this page" {
            ul {
                li { a href="#now" { "Now" } }
                li { a href="#tasks" { "Tasks" } }
                li { a href="#rounds" { "Rounds" } }
                li { a href="#banks" { "Banks" } }
                li { a href="#roster" { "Roster" } }
                li { a href="#curves" { "Curves" } }
                li { a href="#log" { "Log" } }
            }
        }
        main #main {
            @if let Some(notice) = notice { p.notice role="status" { (notice) } }
            // Said aloud when the phase changes; the sections themselves are replaced silently.
            p #said .spoken aria-live="polite" {}
            p #link .notice.bad hidden role="status" {}
            @for (id, section) in view.sections() {
                section id=(id) aria-labelledby={ (id) "-title" } data-live { (section) }
            }
        }
        dialog #ask aria-labelledby="confirm-title" {}
        footer {
            p {
                "veilsum-coordinator " (status.version) ", running since " (moment(status.started)) ". "
                "This page is as of " span #asof { (moment(status.at)) } "."
            }
            form method="post" action="/logout" {
                input type="hidden" name="token" value=(token);
                button.plain type="submit" { "Log this browser out" }
            }
        }
    };
    frame(
        &status.consortium,
        "Consortium",
        &status.consortium,
        true,
        &inside,
    )
}

/// Another page under the same head: `inside` is its main part.
pub(super) fn sheet(consortium: &str, title: &str, inside: &Markup) -> Markup {
    let inside = html! {
        p.back { a href="/" { "Back to the consortium" } }
        main #main { (inside) }
    };
    frame(
        &format!("{title} - {consortium}"),
        consortium,
        title,
        false,
        &inside,
    )
}

/// What a browser sees that is not let in, or whose wish cannot be met now.
pub(super) fn refusal(title: &str, words: &Markup) -> Markup {
    let inside = html! { main #main { p { (words) } } };
    frame(title, "Operator's page", title, false, &inside)
}

fn frame(title: &str, kicker: &str, heading: &str, live: bool, inside: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="stylesheet" href="/assets/style.css";
                link rel="stylesheet" href="/assets/pictures.css";
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                @if live {
                    noscript { meta http-equiv="refresh" content="15"; }
                }
                script src="/assets/script.js" defer {}
            }
            body data-live[live] {
                a.skip href="#main" { "Skip to the content" }
                header {
                    p.kicker { (kicker) }
                    h1 { (heading) }
                }
                (inside)
            }
        }
    }
}
