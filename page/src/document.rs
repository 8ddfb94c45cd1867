//! The frame of every page, and the parts of the one that stays up to date.

use maud::{DOCTYPE, Markup, html};

/// What stands around a page's own parts.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// In the browser's tab.
    pub title: &'a str,
    /// Above the heading.
    pub kicker: &'a str,
    /// The heading.
    pub heading: &'a str,
    /// Style sheets beside the one of every page, by their paths.
    pub styles: &'a [&'a str],
}

impl Frame<'_> {
    /// A page that stays as it is; `inside` is its main part.
    pub fn still(&self, inside: &Markup) -> Markup {
        self.around(false, &html! { main #main { (inside) } })
    }

    /// One that a way leads back from. A question that it leads to becomes a dialog, as on the page that stays up to date.
    pub fn sheet(&self, back: &str, inside: &Markup) -> Markup {
        let inside = html! {
            p.back { a href="/" { (back) } }
            main #main { (inside) }
            (dialog())
        };
        self.around(false, &inside)
    }

    fn around(&self, live: bool, inside: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    link rel="stylesheet" href="/assets/page.css";
                    @for style in self.styles { link rel="stylesheet" href=(style); }
                    link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                    @if live {
                        noscript { meta http-equiv="refresh" content="15"; }
                    }
                    script src="/assets/script.js" defer {}
                }
                body data-live[live] {
                    a.skip href="#main" { "Skip to the content" }
                    header {
                        p.kicker { (self.kicker) }
                        h1 { (self.heading) }
                    }
                    (inside)
                }
            }
        }
    }
}

/// The page that stays up to date. A section's heading has its id with `-title` behind it; an element with `data-said` in the first holds what
/// is said aloud when it changes.
#[derive(Clone, Debug)]
pub struct Live<'a> {
    /// What each section is called in the list of them.
    pub names: &'a [(&'static str, &'static str)],
    /// The sections, by their ids.
    pub sections: Vec<(&'static str, Markup)>,
    /// What was done just now.
    pub notice: Option<&'a str>,
    /// What is told while the daemon does not answer.
    pub silent: &'a str,
    /// The program, at the end; the moment of it all follows.
    pub about: Markup,
    /// The moment of it all.
    pub asof: Markup,
    /// What its forms carry.
    pub token: &'a str,
}

impl Live<'_> {
    /// The whole page.
    pub fn page(&self, frame: &Frame<'_>) -> Markup {
        let inside = html! {
            nav aria-label="On this page" {
                ul { @for (id, name) in self.names { li { a href={ "#" (id) } { (name) } } } }
            }
            main #main {
                @if let Some(notice) = self.notice { p.notice role="status" { (notice) } }
                // Said aloud when what goes on changes; the sections themselves are replaced silently.
                p #said .spoken aria-live="polite" {}
                p #link .notice.bad hidden role="status" data-silent=(self.silent) {}
                @for (id, section) in &self.sections {
                    section id=(id) aria-labelledby={ (id) "-title" } data-live { (section) }
                }
            }
            (dialog())
            footer {
                p { (self.about) " This page is as of " span #asof { (self.asof) } "." }
                form method="post" action="/logout" {
                    input type="hidden" name="token" value=(self.token);
                    button.plain type="submit" { "Log this browser out" }
                }
            }
        };
        frame.around(true, &inside)
    }
}

/// Where the script puts a question.
fn dialog() -> Markup {
    html! { dialog #ask aria-labelledby="confirm-title" {} }
}
