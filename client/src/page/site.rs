//! What is answered on each path.

use std::sync::Arc;

use hyper::StatusCode;
use maud::{Markup, html};
use veilsum_page::{Answer, Form, Guard, Route, Shown, Site, Visit, Words};
use veilsum_page::{events, file, page as page_of, plain, see_other, stream};
use veilsum_protocol::wire::refusal::RefusalReason;

use super::decide::{self, Wish};
use super::document::{page, refusal};
use super::office::{Absent, Office, View, milliseconds};
use super::routes::{Act, ROUTES};
use super::{data, left, task};
use crate::consent::ConsentError;
use crate::metrics;

impl Site for Office {
    type Act = Act;

    const WORDS: Words = Words {
        name: "bank's page",
        daemon: "bank's daemon",
        most: "page.max_connections",
    };
    const ROUTES: &'static [Route<Act>] = ROUTES;
    /// The token, the mark of what was looked at and a reason.
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
        match self.view().await {
            Ok(view) => look(self, act, &view, visit).await.unwrap_or_else(absent),
            Err(nothing) => absent(nothing),
        }
    }

    async fn act(self: &Arc<Self>, act: Act, visit: Visit<'_>, form: &Form) -> Answer {
        let decided = match act {
            Act::Approve => say(self, visit, Word::Yes, form).await,
            Act::Refuse => match RefusalReason::from_name(form.field("reason")) {
                Some(reason) => say(self, visit, Word::No(reason), form).await,
                None => return decide::no_such_reason(visit.hash, form.field("reason")),
            },
            _ => return plain(StatusCode::NOT_FOUND, "there is nothing here"),
        };
        decided.unwrap_or_else(absent)
    }
}

/// The operator's word on a task.
#[derive(Clone, Copy)]
enum Word {
    Yes,
    No(RefusalReason),
}

fn absent(absent: Absent) -> Answer {
    let words = html! { (absent.words()) ". Load this page again in a moment." };
    page_of(StatusCode::SERVICE_UNAVAILABLE, &refusal("Not now", &words))
}

async fn look(office: &Arc<Office>, act: Act, view: &View, visit: Visit<'_>) -> Result<Answer, Absent> {
    let token = visit.session.token();
    Ok(match act {
        Act::Page => {
            let done = visit.field("done");
            let notice = decide::DONE
                .iter()
                .find(|(word, _)| Some(*word) == done.as_deref());
            page_of(
                StatusCode::OK,
                &page(view, token, notice.map(|(_, notice)| *notice)),
            )
        }
        Act::Data => page_of(StatusCode::OK, &data::sheet(view)),
        Act::Left => page_of(StatusCode::OK, &left::sheet(view)),
        Act::Task => {
            let hash = visit.hash.to_lowercase();
            let wanted = hash.clone();
            let shown = office.consent(move |consent| consent.show(&wanted)).await?;
            match task::sheet(view, &hash, &shown.map_err(|error| error.to_string())) {
                Some(page) => page_of(StatusCode::OK, &page),
                None => decide::unknown(),
            }
        }
        Act::AskApprove => {
            ask(
                office,
                Wish::Approve,
                view,
                visit,
                visit.field("shown").as_deref(),
            )
            .await?
        }
        Act::AskRefuse => ask(office, Wish::Refuse, view, visit, visit.field("shown").as_deref()).await?,
        _ => plain(StatusCode::NOT_FOUND, "there is nothing here"),
    })
}

/// The question; not where it could only be answered in vain.
async fn ask(
    office: &Arc<Office>,
    wish: Wish,
    view: &View,
    visit: Visit<'_>,
    seen: Option<&str>,
) -> Result<Answer, Absent> {
    let hash = visit.hash.to_lowercase();
    let shown = office.consent(move |consent| match wish {
        Wish::Approve => consent.may_approve(&hash),
        Wish::Refuse => consent.show(&hash),
    });
    Ok(match shown.await? {
        Err(error) => decide::undecided(visit.hash, &error),
        Ok(shown) if seen.is_some_and(|seen| seen != shown.mark()) => {
            let name = shown.offered.name;
            decide::undecided(visit.hash, &ConsentError::Changed { name })
        }
        Ok(shown) => {
            let question = decide::question(view, wish, &shown, seen.is_some(), visit.session.token());
            page_of(StatusCode::OK, &question)
        }
    })
}

/// Takes the word as the command does. A form that does not name what was looked at decides nothing.
async fn say(office: &Arc<Office>, visit: Visit<'_>, word: Word, form: &Form) -> Result<Answer, Absent> {
    office.status()?;
    let (hash, seen) = (visit.hash.to_lowercase(), form.field("shown").to_owned());
    let decided = office.consent(move |consent| match word {
        Word::Yes => consent.approve(&hash, Some(&seen)),
        Word::No(reason) => consent.refuse(&hash, reason, Some(&seen)),
    });
    Ok(match decided.await? {
        Ok(decided) => {
            tracing::info!("on the bank's page: {}", decided.text());
            office.stir();
            see_other(match word {
                Word::Yes => "/?done=approved",
                Word::No(_) => "/?done=refused",
            })
        }
        Err(error) => decide::undecided(visit.hash, &error),
    })
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
