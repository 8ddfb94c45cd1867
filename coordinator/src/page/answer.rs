//! The way from a request to its answer: is the host ours, is there such a route, may this browser ask, does the wish come from our own page;
//! and only then what is asked.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::body::{Body, Bytes};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use hyper::{Method, Request, Response, StatusCode};
use maud::{Markup, html};
use time::OffsetDateTime;
use tokio::sync::oneshot;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::task::Task;

use super::body::{Content, Form};
use super::document::{View, page, refusal};
use super::guard::{Session, host, is_own};
use super::office::{Absent, Office};
use super::routes::{Act, Found, Role, Route, find};
use super::{confirm, create, events, task};
use crate::engine::driver::Input;
use crate::metrics;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
const ICON: &str = include_str!("icon.svg");

/// Nothing but our own files, and no script or style in the text, whatever a name in the log may hold.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

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

type Answer = Response<Content>;

/// Answers one request.
pub(super) async fn answer<B>(office: &Arc<Office>, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
{
    let head = *request.method() == Method::HEAD;
    let mut answer = decide(office, request).await;
    let headers = answer.headers_mut();
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if head {
        *answer.body_mut() = Content::Text(Bytes::new());
    }
    answer
}

async fn decide<B>(office: &Arc<Office>, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes> + Unpin,
{
    let (parts, body) = request.into_parts();
    let Some(host) = host(&parts.headers) else {
        let words = "this server answers for localhost and loopback addresses alone";
        return plain(StatusCode::MISDIRECTED_REQUEST, words);
    };
    let (route, hash) = match find(&parts.method, parts.uri.path()) {
        Found::Route(route, hash) => (route, hash),
        Found::OtherMethod => {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "not by this method");
            let allowed = if parts.method == Method::GET {
                "POST"
            } else {
                "GET, HEAD"
            };
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(allowed));
            return answer;
        }
        Found::Nothing => return plain(StatusCode::NOT_FOUND, "there is nothing here"),
    };
    let session = match route.role {
        // Who only looks at a link does not use it up.
        Role::None if route.act == Act::Login && parts.method == Method::HEAD => {
            return plain(StatusCode::OK, "");
        }
        Role::None => return open_to_all(office, route, parts.uri.query()).await,
        Role::Operator => office.guard.session(&parts.headers),
    };
    let Some(session) = session else {
        return stranger();
    };
    if route.method == "GET" {
        let wish = Wish {
            office,
            session: &session,
            hash,
            query: parts.uri.query().unwrap_or(""),
        };
        return if route.act == Act::Events {
            event_stream(office, parts.headers)
        } else {
            wish.look(route.act).await.unwrap_or_else(absent)
        };
    }
    if !is_own(&parts.headers, host) {
        return plain(
            StatusCode::FORBIDDEN,
            "this request does not come from a page of this coordinator",
        );
    }
    let form = match Form::read(body).await {
        Ok(form) => form,
        Err(problem) => return plain(StatusCode::PAYLOAD_TOO_LARGE, problem),
    };
    if Digest::of(form.field("token").as_bytes()) != Digest::of(session.token.as_bytes()) {
        return plain(
            StatusCode::FORBIDDEN,
            "the form is of another login; load the page again",
        );
    }
    if route.act == Act::Logout {
        let mut answer = see_other("/");
        let line = office.guard.leave(&parts.headers);
        if let Ok(line) = HeaderValue::from_str(&line) {
            answer.headers_mut().insert(SET_COOKIE, line);
        }
        return answer;
    }
    let wish = Wish {
        office,
        session: &session,
        hash,
        query: "",
    };
    wish.act(route.act, &form).await.unwrap_or_else(absent)
}

async fn open_to_all(office: &Arc<Office>, route: &Route, query: Option<&str>) -> Answer {
    match route.act {
        Act::Health => match office.status().await {
            Err(Absent::Silent) => plain(StatusCode::SERVICE_UNAVAILABLE, Absent::Silent.words()),
            _ => plain(StatusCode::OK, "ok"),
        },
        Act::Ready => ready(office).await,
        Act::Metrics => {
            let status = office.status().await.ok();
            match office.meters.text(status.as_ref()) {
                Ok(text) => file(metrics::CONTENT_TYPE, text),
                Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written"),
            }
        }
        Act::Style => file("text/css; charset=utf-8", STYLE),
        Act::Pictures => file("text/css; charset=utf-8", veilsum_pictures::STYLE),
        Act::Script => file("text/javascript; charset=utf-8", SCRIPT),
        Act::Icon => file("image/svg+xml", ICON),
        Act::Login => login(office, query.unwrap_or("")),
        _ => plain(StatusCode::NOT_FOUND, "there is nothing here"),
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

fn login(office: &Office, query: &str) -> Answer {
    let word = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "word");
    let line = word.and_then(|(_, word)| office.guard.enter(&word));
    match line.and_then(|line| HeaderValue::from_str(&line).ok()) {
        Some(line) => {
            tracing::info!("a browser was let in to the operator's page");
            let mut answer = see_other("/");
            answer.headers_mut().insert(SET_COOKIE, line);
            answer
        }
        None => {
            tracing::warn!("a link to the operator's page was refused: it is used, old or wrong");
            stranger()
        }
    }
}

fn stranger() -> Answer {
    let words = html! {
        "This browser is not let in, or its time is over. Run " code { "veilsum-coordinator page --dir DIR" }
        " on this machine, as the coordinator's user, and open the address that it prints. Each address works once, for five minutes."
    };
    page_of(StatusCode::UNAUTHORIZED, &refusal("Not logged in", &words))
}

fn absent(absent: Absent) -> Answer {
    let words = html! { (absent.words()) ". Load this page again in a moment." };
    page_of(StatusCode::SERVICE_UNAVAILABLE, &refusal("Not now", &words))
}

fn event_stream(office: &Arc<Office>, headers: hyper::HeaderMap) -> Answer {
    match events::stream(Arc::clone(office), headers) {
        Ok(events) => {
            let mut answer = Response::new(Content::Events(events));
            answer
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            answer
        }
        Err(absent) => plain(StatusCode::SERVICE_UNAVAILABLE, absent.words()),
    }
}

/// A request of the operator.
struct Wish<'a> {
    office: &'a Arc<Office>,
    session: &'a Session,
    hash: &'a str,
    query: &'a str,
}

impl Wish<'_> {
    async fn look(&self, act: Act) -> Result<Answer, Absent> {
        let status = Arc::new(self.office.status().await?);
        let token = &self.session.token;
        Ok(match act {
            Act::Page => {
                let told = self.office.told(status.published).await;
                let done = form_urlencoded::parse(self.query.as_bytes()).find(|(name, _)| name == "done");
                let notice = done.and_then(|(_, done)| DONE.iter().find(|(word, _)| *word == done));
                let view = View { status, told };
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
        let token = &self.session.token;
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

fn plain(status: StatusCode, words: &'static str) -> Answer {
    let mut answer = file("text/plain; charset=utf-8", format!("{words}\n"));
    *answer.status_mut() = status;
    answer
}

fn page_of(status: StatusCode, page: &Markup) -> Answer {
    let mut answer = file("text/html; charset=utf-8", page.0.clone());
    *answer.status_mut() = status;
    answer
}

fn file(kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Content::Text(text.into()));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn see_other(place: &'static str) -> Answer {
    let mut answer = plain(StatusCode::SEE_OTHER, "go on there");
    answer
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static(place));
    answer
}
