//! The page from top to bottom, and the frame of every other one.

use maud::{Markup, html};
use veilsum_page::words::moment;
use veilsum_page::{Frame, Live};

use super::office::View;
use super::{data, left, now, rounds, scores, tasks};

/// Styles of this page's own parts, and of its pictures.
const STYLES: &[&str] = &["/assets/bank.css", "/assets/pictures.css"];

/// What the sections are called.
const NAMES: &[(&str, &str)] = &[
    ("now", "Now"),
    ("left", "What left"),
    ("scores", "Scores"),
    ("tasks", "Tasks"),
    ("rounds", "Rounds"),
    ("data", "Data and policy"),
];

impl View {
    /// The sections that change while the page is open, by the id of their place.
    pub(super) fn sections(&self) -> Vec<(&'static str, Markup)> {
        vec![
            ("now", now::section(self)),
            ("left", left::section(self)),
            ("scores", scores::section(self)),
            ("tasks", tasks::section(self)),
            ("rounds", rounds::section(self)),
            ("data", data::section(self)),
        ]
    }

    /// When all of it was so.
    pub(super) fn asof(&self) -> Markup {
        moment(self.now)
    }
}

/// The whole page. `notice` says what was done just now.
pub(super) fn page(view: &View, token: &str, notice: Option<&str>) -> Markup {
    let status = &view.status;
    let frame = Frame {
        title: &status.bank,
        kicker: "Bank, for its own people",
        heading: &status.bank,
        styles: STYLES,
    };
    Live {
        names: NAMES,
        sections: view.sections(),
        notice,
        silent: "The daemon does not answer. What is shown is old; waiting until it is there again.",
        about: html! {
            "veilsum-client " (env!("CARGO_PKG_VERSION")) ", running since " (moment(status.started_at.saturating_mul(1000)))
            ". Nothing on this page is sent to the coordinator; your word on a task it hears from the daemon."
        },
        asof: view.asof(),
        token,
    }
    .page(&frame)
}

/// Another page under the same head: `inside` is its main part.
pub(super) fn sheet(view: &View, title: &str, inside: &Markup) -> Markup {
    let bank = &view.status.bank;
    let frame = Frame {
        title: &format!("{title} - {bank}"),
        kicker: bank,
        heading: title,
        styles: STYLES,
    };
    frame.sheet("Back to the bank", inside)
}

/// What a browser sees that is not let in, or whose wish cannot be met now.
pub(super) fn refusal(title: &str, words: &Markup) -> Markup {
    told(title, &html! { p { (words) } })
}

/// The same in more than a paragraph.
pub(super) fn told(title: &str, inside: &Markup) -> Markup {
    let frame = Frame {
        title,
        kicker: "Bank's page",
        heading: title,
        styles: STYLES,
    };
    frame.still(inside)
}
