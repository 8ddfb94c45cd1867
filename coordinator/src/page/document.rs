//! The page from top to bottom, and the frame of every other one.

use std::sync::Arc;

use maud::{Markup, html};
use veilsum_page::words::moment;
use veilsum_page::{Frame, Live};

use super::office::{Office, Told};
use super::{banks, curves, log, now, roster, rounds, tasks};
use crate::engine::status::Status;

/// Styles of this page's own parts, and of its pictures.
const STYLES: &[&str] = &["/assets/operator.css", "/assets/pictures.css"];

/// What the sections are called.
const NAMES: &[(&str, &str)] = &[
    ("now", "Now"),
    ("tasks", "Tasks"),
    ("rounds", "Rounds"),
    ("banks", "Banks"),
    ("roster", "Roster"),
    ("curves", "Curves"),
    ("log", "Log"),
];

/// What the sections are made from.
pub(super) struct View {
    status: Arc<Status>,
    told: Arc<Told>,
}

impl View {
    /// The status, and what the published log tells beside it.
    pub(super) async fn of(office: &Arc<Office>, status: Arc<Status>) -> Self {
        let told = office.told(status.published).await;
        Self { status, told }
    }

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

    /// When all of it was so.
    pub(super) fn asof(&self) -> Markup {
        moment(self.status.at)
    }
}

/// The whole page. `notice` says what was done just now.
pub(super) fn page(view: &View, token: &str, notice: Option<&str>) -> Markup {
    let status = &view.status;
    let frame = Frame {
        title: &status.consortium,
        kicker: "Consortium",
        heading: &status.consortium,
        styles: STYLES,
    };
    Live {
        names: NAMES,
        sections: view.sections().into(),
        notice,
        silent: "The coordinator does not answer. What is shown is old; waiting until it is there again.",
        about: html! { "veilsum-coordinator " (status.version) ", running since " (moment(status.started)) "." },
        asof: view.asof(),
        token,
    }
    .page(&frame)
}

/// Another page under the same head: `inside` is its main part.
pub(super) fn sheet(consortium: &str, title: &str, inside: &Markup) -> Markup {
    let frame = Frame {
        title: &format!("{title} - {consortium}"),
        kicker: consortium,
        heading: title,
        styles: STYLES,
    };
    frame.sheet("Back to the consortium", inside)
}

/// What a browser sees that is not let in, or whose wish cannot be met now.
pub(super) fn refusal(title: &str, words: &Markup) -> Markup {
    let frame = Frame {
        title,
        kicker: "Operator's page",
        heading: title,
        styles: STYLES,
    };
    frame.still(&html! { p { (words) } })
}
