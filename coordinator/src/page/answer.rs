//! What is answered on each path.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::StatusCode;
use maud::{Markup, html};
use time::OffsetDateTime;
use tokio::sync::oneshot;
use veilsum_page::{Answer, Form, Guard, Route, Session, Shown, Site, Visit, Words};
use veilsum_page::{events, file, page as page_of, plain, see_other, stream};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::task::Task;

use super::document::{View, page, refusal};
use super::office::{Absent, Office};
use super::routes::{Act, ROUTES};
use super::{confirm, create, task};
use crate::engine::driver::Input;
use crate::metrics;

/// What was done just now, by the word in the address.
const DONE: [(&str, &str); 4] = [
    ("paused", "The task is paused."),
    ("resumed", "The task is resumed."),
    ("stopped", "The task is stopped."),
    (
        "offered",
        "The task is offered. Each bank's operator approves it on the bank's machine.",
    ),
];

impl Site for Office {
    type Act = Act;

    const WORDS: Words = Words {
        name: "operator's page",
        daemon: "coordinator",
        most: "operator.max_connections",
    };
    const ROUTES: &'static [Route<Act>] = ROUTES;
    /// A task's text, of which each byte may take three, and the form's token.
    const FORM_LIMIT: usize = 3 * Task::TEXT_LIMIT + (1 << 12);

    fn guard(&self) -> &Guard {
        &self.guard
    }

    fn stranger(&self) -> Markup {
        let words = html! {
            "This browser is not let in, or its time is over. Run " code { "veilsum-coordinator page --dir DIR" }
            " on this machine, as the coordinator's user, and open the address that it prints. Each address works once, for five minutes."
        };
        refusal("Not logged in", &words)
    }

    async fn open(self: &Arc<Self>, act: Act) -> Answer {
        match act {
            Act::Health => match self.status().await {
                Err(Absent::Silent) => plain(StatusCode::SERVICE_UNAVAILABLE, Absent::Silent.words()),
                _ => plain(StatusCode::OK, "ok"),
            },
            Act::Ready => ready(self).await,
            Act::Metrics => {
                let status = self.status().await.ok();
                match self.meters.text(status.as_ref()) {
                    Ok(text) => file(metrics::CONTENT_TYPE, text),
                    Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written"),
                }
            }
            _ => plain(StatusCode::NOT_FOUND, "there is nothing here"),
        }
    }

    async fn look(self: &Arc<Self>, act: Act, visit: Visit<'_>) -> Answer {
        if act == Act::Events {
            return match event_stream(self, visit).await {
                Ok(answer) => answer,
                Err(absent) => plain(StatusCode::SERVICE_UNAVAILABLE, absent.words()),
            };
        }
        let wish = Wish::of(self, visit);
        wish.look(act).await.unwrap_or_else(absent)
    }

    async fn act(self: &Arc<Self>, act: Act, visit: Visit<'_>, form: &Form) -> Answer {
        let wish = Wish::of(self, visit);
        wish.act(act, form).await.unwrap_or_else(absent)
    }
}

/// Ready means: banks are served. That some of them are away is no reason, for a new start would not bring them.
async fn ready(office: &Office) -> Answer {
    if let Err(absent) = office.status().await {
        return plain(StatusCode::SERVICE_UNAVAILABLE, absent.words());
    }
    if office.expires.load(Ordering::Relaxed) <= OffsetDateTime::now_utc().unix_timestamp() {
        let words =
            "the coordinator's certificate has expired, so no bank connects; run `veilsum-coordinator renew`";
        return plain(StatusCode::SERVICE_UNAVAILABLE, words);
    }
    plain(StatusCode::OK, "ready")
}

fn absent(absent: Absent) -> Answer {
    let words = html! { (absent.words()) ". Load this page again in a moment." };
    page_of(StatusCode::SERVICE_UNAVAILABLE, &refusal("Not now", &words))
}

async fn event_stream(office: &Arc<Office>, visit: Visit<'_>) -> Result<Answer, Absent> {
    let latest = office.watch()?;
    // Makes the engine send a first status to who watches, no older than the page that the browser shows.
    office.status().await?;
    let shown = Arc::clone(office);
    let draw = move |status: Option<_>| {
        let office = Arc::clone(&shown);
        async move {
            let view = View::of(&office, status?).await;
            Some(Shown {
                sections: view.sections().into(),
                asof: view.asof(),
            })
        }
    };
    Ok(events(stream(office, visit.headers.clone(), latest, draw)))
}

/// A request of the operator.
struct Wish<'a> {
    office: &'a Arc<Office>,
    session: &'a Session,
    hash: &'a str,
    query: &'a str,
}

impl<'a> Wish<'a> {
    fn of(office: &'a Arc<Office>, visit: Visit<'a>) -> Self {
        Self {
            office,
            session: visit.session,
            hash: visit.hash,
            query: visit.query,
        }
    }

    async fn look(&self, act: Act) -> Result<Answer, Absent> {
        let status = Arc::new(self.office.status().await?);
        let token = self.session.token();
        Ok(match act {
            Act::Page => {
                let view = View::of(self.office, status).await;
                let done = form_urlencoded::parse(self.query.as_bytes()).find(|(name, _)| name == "done");
                let notice = done.and_then(|(_, done)| DONE.iter().find(|(word, _)| *word == done));
                page_of(
                    StatusCode::OK,
                    &page(&view, token, notice.map(|(_, notice)| *notice)),
                )
            }
            Act::NewTask => page_of(StatusCode::OK, &create::form(&status.consortium, "", None, token)),
            act => {
                let hash = self.hash.to_owned();
                let detail = match self.office.tell(|to| Input::ShowTask(hash, to)).await? {
                    Ok(detail) => detail,
                    Err(problem) => {
                        return Ok(page_of(
                            StatusCode::NOT_FOUND,
                            &refusal("No such task", &html! { (problem) "." }),
                        ));
                    }
                };
                if act == Act::Task {
                    let told = self.office.told(status.published).await;
                    return Ok(page_of(StatusCode::OK, &task::page(&detail, &status, &told)));
                }
                match confirm::page(act, &detail.line, &status, token) {
                    Some(page) => page_of(StatusCode::OK, &page),
                    None => plain(StatusCode::NOT_FOUND, "there is nothing here"),
                }
            }
        })
    }

    async fn act(&self, act: Act, form: &Form) -> Result<Answer, Absent> {
        let hash = self.hash.to_owned();
        match act {
            Act::Pause => self.done(|to| Input::PauseTask(hash, to), "/?done=paused").await,
            Act::Resume => {
                self.done(|to| Input::ResumeTask(hash, to), "/?done=resumed")
                    .await
            }
            Act::Stop => self.done(|to| Input::StopTask(hash, to), "/?done=stopped").await,
            Act::CheckTask | Act::CreateTask => self.offer(act, form.field("text")).await,
            _ => Ok(plain(StatusCode::NOT_FOUND, "there is nothing here")),
        }
    }

    async fn done(
        &self,
        question: impl FnOnce(oneshot::Sender<Result<Digest, String>>) -> Input,
        then: &'static str,
    ) -> Result<Answer, Absent> {
        Ok(match self.office.tell(question).await? {
            Ok(_) => see_other(then),
            Err(problem) => {
                let words = html! { (problem) ". " a href="/" { "Back to the consortium" } };
                page_of(StatusCode::CONFLICT, &refusal("Not done", &words))
            }
        })
    }

    /// Nothing is offered before the operator has seen what the banks will read.
    async fn offer(&self, act: Act, text: &str) -> Result<Answer, Absent> {
        let consortium = self.office.status().await?.consortium;
        let token = self.session.token();
        let again = |problem: &str| {
            let page = create::form(&consortium, text, Some(problem), token);
            page_of(StatusCode::UNPROCESSABLE_ENTITY, &page)
        };
        // Browsers send the ends of lines as two bytes.
        let lines = text.replace("\r\n", "\n");
        let task = match Task::parse(&lines) {
            Ok(task) => task,
            Err(error) => return Ok(again(&error.to_string())),
        };
        if act == Act::CheckTask {
            return Ok(page_of(
                StatusCode::OK,
                &create::preview(&consortium, &task, token),
            ));
        }
        let canonical = task.canonical_text();
        Ok(
            match self.office.tell(|to| Input::CreateTask(canonical, to)).await? {
                Ok(_) => see_other("/?done=offered"),
                Err(problem) => again(&problem),
            },
        )
    }
}
