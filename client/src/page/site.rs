//! What is answered on each path.

use std::sync::Arc;

use hyper::StatusCode;
use maud::{Markup, html};
use veilsum_page::{Answer, Form, Guard, Route, Shown, Site, Visit, Words};
use veilsum_page::{events, file, page as page_of, plain, stream};

use super::document::{page, refusal};
use super::office::{Absent, Office, milliseconds};
use super::routes::{Act, ROUTES};
use super::{data, left, tasks};
use crate::metrics;

impl Site for Office {
    type Act = Act;

    const WORDS: Words = Words {
        name: "bank's page",
        daemon: "bank's daemon",
        most: "page.max_connections",
    };
    const ROUTES: &'static [Route<Act>] = ROUTES;
    /// The token alone.
    const FORM_LIMIT: usize = 1 << 12;

    fn guard(&self) -> &Guard {
        &self.guard
    }

    fn stranger(&self) -> Markup {
        let words = html! {
            "This browser is not let in, or its time is over. Run " code { "veilsum-client page --dir DIR" }
            " on this machine, as the daemon's user, and open the address that it prints. Each address works once, for five minutes."
        };
        refusal("Not logged in", &words)
    }

    async fn open(self: &Arc<Self>, act: Act) -> Answer {
        match act {
            Act::Health => match self.healthy() {
                // A daemon that starts or stops is no reason to kill it.
                Err(Absent::Hangs) => plain(StatusCode::SERVICE_UNAVAILABLE, Absent::Hangs.words()),
                _ => plain(StatusCode::OK, "ok"),
            },
            Act::Ready => ready(self),
            Act::Metrics => match metrics::text(&self.facts()) {
                Ok(text) => file(metrics::CONTENT_TYPE, text),
                Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written"),
            },
            _ => plain(StatusCode::NOT_FOUND, "there is nothing here"),
        }
    }

    async fn look(self: &Arc<Self>, act: Act, visit: Visit<'_>) -> Answer {
        if act == Act::Events {
            let office = Arc::clone(self);
            let draw = move |_: u64| {
                let office = Arc::clone(&office);
                async move {
                    let view = office.view().await.ok()?;
                    Some(Shown {
                        sections: view.sections(),
                        asof: view.asof(),
                    })
                }
            };
            return events(stream(self, visit.headers.clone(), self.watch(), draw));
        }
        let view = match self.view().await {
            Ok(view) => view,
            Err(absent) => {
                let words = html! { (absent.words()) ". Load this page again in a moment." };
                return page_of(StatusCode::SERVICE_UNAVAILABLE, &refusal("Not now", &words));
            }
        };
        match act {
            Act::Page => page_of(StatusCode::OK, &page(&view, visit.session.token())),
            Act::Data => page_of(StatusCode::OK, &data::sheet(&view)),
            Act::Left => page_of(StatusCode::OK, &left::sheet(&view)),
            Act::Task => {
                match tasks::sheet(&view, visit.hash, &self.shown(visit.hash.to_lowercase()).await) {
                    Some(page) => page_of(StatusCode::OK, &page),
                    None => {
                        let words = html! { "No task with this hash was offered to this bank." };
                        page_of(StatusCode::NOT_FOUND, &refusal("No such task", &words))
                    }
                }
            }
            _ => plain(StatusCode::NOT_FOUND, "there is nothing here"),
        }
    }

    async fn act(self: &Arc<Self>, _: Act, _: Visit<'_>, _: &Form) -> Answer {
        plain(StatusCode::NOT_FOUND, "there is nothing here")
    }
}

/// Ready means: the bank can take part in a round.
fn ready(office: &Office) -> Answer {
    let not = |words: &str| plain(StatusCode::SERVICE_UNAVAILABLE, words);
    let status = match office.healthy() {
        Ok(status) => status,
        Err(absent) => return not(absent.words()),
    };
    let now = milliseconds();
    let seconds = i64::try_from(now / 1000).unwrap_or(i64::MAX);
    if status.certificate_not_after.is_some_and(|end| end <= seconds) {
        return not("the bank's certificate has expired, so the coordinator does not admit it");
    }
    if status.connection.is_none() {
        return not(&format!("no connection: {}", status.link_words(now)));
    }
    // What is wrong with the data quotes cells, and this page asks for no login.
    if status.data.is_some() {
        return not("the bank's table or schema cannot be used; `veilsum-client status` says why");
    }
    plain(StatusCode::OK, "ready")
}
