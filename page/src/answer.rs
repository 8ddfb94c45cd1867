//! The way from a request to its answer: is the host ours, is there such a route, may this browser ask, does the wish come from our own page;
//! and only then what is asked.

use std::sync::Arc;

use hyper::body::{Body, Bytes};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use maud::Markup;
use tokio::sync::mpsc;

use super::body::{Content, Form};
use super::guard::{Guard, Session, host, is_own, is_same};
use super::routes::{Found, Role, Route, Step, find};

/// Nothing but our own files, and no script or style in the text, whatever a name from outside may hold.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// An answer to a request.
pub type Answer = Response<Content>;

/// How a page is spoken of.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Whose page it is, such as "operator's page".
    pub name: &'static str,
    /// What serves it, such as "coordinator".
    pub daemon: &'static str,
    /// The key of the configuration that bounds its connections.
    pub most: &'static str,
}

/// What a daemon shows, and what can be done there.
pub trait Site: Send + Sync + Sized + 'static {
    /// What its routes lead to.
    type Act: Copy + Send + Sync + 'static;

    /// How it is spoken of.
    const WORDS: Words;
    /// Every path that there is, with its role.
    const ROUTES: &'static [Route<Self::Act>];
    /// Longest form in bytes.
    const FORM_LIMIT: usize;

    /// Who is in.
    fn guard(&self) -> &Guard;

    /// What a browser sees that is not let in.
    fn stranger(&self) -> Markup;

    /// Answers whoever reaches the address.
    fn open(self: &Arc<Self>, act: Self::Act) -> impl Future<Output = Answer> + Send;

    /// Shows something to who is logged in.
    fn look(self: &Arc<Self>, act: Self::Act, visit: Visit<'_>) -> impl Future<Output = Answer> + Send;

    /// Does what a form of an own page asks.
    fn act(
        self: &Arc<Self>,
        act: Self::Act,
        visit: Visit<'_>,
        form: &Form,
    ) -> impl Future<Output = Answer> + Send;
}

/// A request of who is logged in.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// By whom.
    pub session: &'a Session,
    /// The part of the path that stands for a hash, empty where there is none.
    pub hash: &'a str,
    /// What follows the path.
    pub query: &'a str,
    /// Its head.
    pub headers: &'a HeaderMap,
}

impl Visit<'_> {
    /// What follows the path under a name; `None` if there is none.
    pub fn field(&self, name: &str) -> Option<String> {
        let mut fields = form_urlencoded::parse(self.query.as_bytes());
        fields.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    }
}

/// Answers one request.
pub(crate) async fn answer<S, B>(site: &Arc<S>, request: Request<B>) -> Answer
where
    S: Site,
    B: Body<Data = Bytes> + Send + Unpin,
{
    let head = *request.method() == Method::HEAD;
    let mut answer = decide(site, request).await;
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

async fn decide<S, B>(site: &Arc<S>, request: Request<B>) -> Answer
where
    S: Site,
    B: Body<Data = Bytes> + Send + Unpin,
{
    let (parts, body) = request.into_parts();
    let Some(host) = host(&parts.headers) else {
        let words = "this server answers for localhost and loopback addresses alone";
        return plain(StatusCode::MISDIRECTED_REQUEST, words);
    };
    let (route, hash) = match find(S::ROUTES, &parts.method, parts.uri.path()) {
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
    let query = parts.uri.query().unwrap_or("");
    if route.role == Role::None {
        return match route.step {
            // Who only looks at a link does not use it up.
            Step::Login if parts.method == Method::HEAD => plain(StatusCode::OK, ""),
            Step::Login => login(site, query),
            Step::File(kind, text) => file(kind, text),
            Step::Site(act) => site.open(act).await,
            Step::Logout => stranger(site),
        };
    }
    let Some(session) = site.guard().session(&parts.headers) else {
        return stranger(site);
    };
    let visit = Visit {
        session: &session,
        hash,
        query,
        headers: &parts.headers,
    };
    if route.method == "GET" {
        return match route.step {
            Step::Site(act) => site.look(act, visit).await,
            Step::File(kind, text) => file(kind, text),
            Step::Login | Step::Logout => plain(StatusCode::NOT_FOUND, "there is nothing here"),
        };
    }
    if !is_own(&parts.headers, host) {
        let words = format!(
            "this request does not come from a page of this {}",
            S::WORDS.daemon
        );
        return plain(StatusCode::FORBIDDEN, &words);
    }
    let form = match Form::read(body, S::FORM_LIMIT).await {
        Ok(form) => form,
        Err(problem) => return plain(StatusCode::PAYLOAD_TOO_LARGE, problem),
    };
    if !is_same(form.field("token"), session.token()) {
        return plain(
            StatusCode::FORBIDDEN,
            "the form is of another login; load the page again",
        );
    }
    match route.step {
        Step::Logout => {
            let mut answer = see_other("/");
            let line = site.guard().leave(&parts.headers);
            if let Ok(line) = HeaderValue::from_str(&line) {
                answer.headers_mut().insert(SET_COOKIE, line);
            }
            answer
        }
        Step::Site(act) => site.act(act, visit, &form).await,
        Step::Login | Step::File(..) => plain(StatusCode::NOT_FOUND, "there is nothing here"),
    }
}

fn login<S: Site>(site: &Arc<S>, query: &str) -> Answer {
    let word = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "word");
    let line = word.and_then(|(_, word)| site.guard().enter(&word));
    match line.and_then(|line| HeaderValue::from_str(&line).ok()) {
        Some(line) => {
            tracing::info!("a browser was let in to the {}", S::WORDS.name);
            let mut answer = see_other("/");
            answer.headers_mut().insert(SET_COOKIE, line);
            answer
        }
        None => {
            tracing::warn!(
                "a link to the {} was refused: it is used, old or wrong",
                S::WORDS.name
            );
            stranger(site)
        }
    }
}

fn stranger<S: Site>(site: &Arc<S>) -> Answer {
    page(StatusCode::UNAUTHORIZED, &site.stranger())
}

/// A line of text.
pub fn plain(status: StatusCode, words: &str) -> Answer {
    let mut answer = file("text/plain; charset=utf-8", format!("{words}\n"));
    *answer.status_mut() = status;
    answer
}

/// A page.
pub fn page(status: StatusCode, page: &Markup) -> Answer {
    let mut answer = file("text/html; charset=utf-8", page.0.clone());
    *answer.status_mut() = status;
    answer
}

/// A text of some media type.
pub fn file(kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Content::Text(text.into()));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// Leads a browser that did something to what it sees then.
pub fn see_other(place: &'static str) -> Answer {
    let mut answer = plain(StatusCode::SEE_OTHER, "go on there");
    answer
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static(place));
    answer
}

/// Events as they come.
pub fn events(events: mpsc::Receiver<Bytes>) -> Answer {
    let mut answer = Response::new(Content::Events(events));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer
}
