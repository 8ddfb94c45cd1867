//! The way from a request to its answer: is there such a route, may whoever asks, does it come from a page of another site; and only then what is
//! asked.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN,
    RETRY_AFTER, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, Response, StatusCode};
use time::OffsetDateTime;
use tokio::time::timeout_at;

use super::routes::{Act, Found, Names, find};
use super::{infer, metadata, openapi, page};
use crate::callers::{Caller, Peer};
use crate::meters;
use crate::refusal::{Kind, Refusal};
use crate::registry::Served;
use crate::room::{FULL, Taken, Trouble};
use crate::service::Serving;

/// Nothing but our own files, and no script or style in the text, whatever a name may hold.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";
/// Longest body of a request for the index: it can say one thing.
const INDEX_BYTES: usize = 4096;
const TIMEOUT: &str = "x-request-timeout-ms";

pub(crate) type Answer = Response<Full<Bytes>>;

/// Answers a request, and counts it.
pub(crate) async fn answer<B>(serving: &Serving, peer: &Peer, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes> + Send,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let served = OnceLock::new();
    let (route, answered) = match find(&parts.method, parts.uri.path()) {
        Found::Route(route, names) => {
            let ask = Asked {
                serving,
                peer,
                parts: &parts,
                began,
                names,
                taken: Taken::default(),
            };
            let answered = match ask.comes_from_here() {
                Ok(()) => ask.act(route.act, route.open, body, &served).await,
                Err(refusal) => Err(refusal),
            };
            (route.path, answered)
        }
        Found::OtherMethod(allowed) => {
            let words = format!(
                "found the method {}, expected {allowed} on this path",
                parts.method
            );
            let mut answer = refused(&Refusal::new(Kind::Method, words));
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(allowed));
            ("other", Ok(answer))
        }
        Found::Nothing => {
            let words = "there is nothing on this path; /openapi.json lists every path";
            ("other", Err(Refusal::new(Kind::NotFound, words)))
        }
    };
    let mut answer = answered.unwrap_or_else(|refusal| refused(&refusal));
    if answer.status() == StatusCode::PAYLOAD_TOO_LARGE {
        // What is left of the body is not read.
        answer
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        answer
            .headers_mut()
            .insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let card = served.get().map(|served: &Arc<Served>| served.card());
    let model = card.map(|card| (card.name.as_str(), card.version.as_str()));
    serving
        .meters()
        .request(route, model, answer.status().as_u16(), began.elapsed());
    answer
}

/// A request without its body.
struct Asked<'a> {
    serving: &'a Serving,
    peer: &'a Peer,
    parts: &'a Parts,
    began: Instant,
    names: Names<'a>,
    /// Room for its body, until it is answered.
    taken: Taken,
}

impl Asked<'_> {
    /// A page of another site reaches this server through a person's browser, by this machine's name or by one that it made point here. A browser
    /// tells of the first by `Origin`, and of the second by `Host`, which counts where nothing else says who asks.
    fn comes_from_here(&self) -> Result<(), Refusal> {
        let headers = &self.parts.headers;
        let host = headers
            .get(HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or("");
        if *self.peer == Peer::Nobody && !self.serving.callers().has_keys() && !is_loopback(host) {
            let words = format!(
                "found the host {host:?}; without keys this server answers for localhost and loopback addresses alone"
            );
            return Err(Refusal::new(Kind::Forbidden, words));
        }
        let Some(origin) = headers.get(ORIGIN) else {
            return Ok(());
        };
        let site = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        if site.is_some_and(|(_, site)| site.eq_ignore_ascii_case(host)) {
            return Ok(());
        }
        let words = "this request comes from a page of another site; ask from the application itself";
        Err(Refusal::new(Kind::Forbidden, words))
    }

    async fn act<B>(
        &self,
        act: Act,
        open: bool,
        body: B,
        served: &OnceLock<Arc<Served>>,
    ) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let serving = self.serving;
        let known = serving
            .callers()
            .known(self.peer, &self.parts.headers, OffsetDateTime::now_utc());
        if act == Act::Page {
            return Ok(page::page(serving, known.is_ok()));
        }
        let caller = match known {
            Err(refusal) if !open => return Err(refusal),
            known => known.ok(),
        };
        let (model, version) = (self.names.model, self.names.version);
        match act {
            Act::Server => json(&metadata::server()),
            Act::Live => json(&serde_json::json!({ "live": true })),
            Act::Ready => {
                let ready = serving.is_ready();
                let mut answer = json(&serde_json::json!({ "ready": ready }))?;
                if !ready {
                    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                    answer
                        .headers_mut()
                        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
                }
                Ok(answer)
            }
            Act::Model => {
                let found = serving.registry().find(model, version)?;
                let versions = match version {
                    Some(version) => vec![version.to_owned()],
                    None => serving.registry().versions(model),
                };
                json(&metadata::model(found.card(), &versions))
            }
            Act::ModelReady => {
                let found = serving.registry().find(model, version)?;
                json(&serde_json::json!({ "name": found.card().name, "ready": serving.is_ready() }))
            }
            Act::Infer | Act::Explain => match caller {
                Some(caller) => self.infer(&caller, body, served, act == Act::Explain).await,
                None => Err(Refusal::new(Kind::Unknown, "found nobody who asks")),
            },
            Act::Index => {
                // No body is one of any type.
                if body.size_hint().exact() != Some(0) {
                    infer::is_media_type(&self.parts.headers, false)?;
                }
                let body = self.read(body, INDEX_BYTES, self.until()?).await?;
                json(&metadata::index(serving, &body)?)
            }
            Act::Metrics => {
                let text = serving.metrics();
                let text =
                    text.map_err(|_| Refusal::new(Kind::Unavailable, "the counts could not be written"))?;
                Ok(content(meters::CONTENT_TYPE, text))
            }
            Act::OpenApi => json(&openapi::document(serving, caller.is_some())),
            Act::Page => Ok(page::page(serving, caller.is_some())),
            Act::Style => Ok(content("text/css; charset=utf-8", page::STYLE)),
            Act::Script => Ok(content("text/javascript; charset=utf-8", page::SCRIPT)),
        }
    }

    async fn infer<B>(
        &self,
        caller: &Caller,
        body: B,
        served: &OnceLock<Arc<Served>>,
        explain: bool,
    ) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let headers = &self.parts.headers;
        let coming = self.serving.coming();
        let until = self.until()?;
        let head = infer::head_bytes(headers)?;
        infer::is_media_type(headers, head.is_some())?;
        if !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING) {
            let words = "found no Content-Length, expected the length of the body in bytes";
            return Err(Refusal::new(Kind::Length, words));
        }
        // A model that is not there is told before its rows are taken.
        self.serving
            .registry()
            .find(self.names.model, self.names.version)?;
        let body = self
            .read(body, self.serving.settings().max_body_bytes, until)
            .await?;
        let request = infer::read_request(&body, head, self.serving.settings().limits())?;
        let (ask, form) = request.of(self.names, until);
        if explain {
            // It is in no queue for scores.
            drop(coming);
            let wishes = form.explain.unwrap_or_default();
            let explained = self.serving.explain(caller, ask, wishes, served).await?;
            return infer::told(&explained);
        }
        if form.explain.is_some() {
            let words =
                "found explain, which is for the path that ends in /explain; leave it out, or ask there";
            return Err(Refusal::invalid(words));
        }
        let answered = self.serving.infer(caller, ask, coming, served).await?;
        infer::written(&answered, &form)
    }

    /// When the time that the request gives itself is over.
    fn until(&self) -> Result<Instant, Refusal> {
        let wished = match self.parts.headers.get(TIMEOUT) {
            None => None,
            Some(value) => {
                let millis = value.to_str().ok().and_then(whole::<u64>);
                let millis = millis.filter(|&millis| millis > 0).ok_or_else(|| {
                    Refusal::invalid(format!(
                        "found the header {TIMEOUT} {value:?}, expected milliseconds, at least 1"
                    ))
                })?;
                Some(Duration::from_millis(millis))
            }
        };
        Ok(self.began + self.serving.settings().timeout(wished))
    }

    async fn read<B>(&self, body: B, limit: usize, until: Instant) -> Result<Bytes, Refusal>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let too_large = |found: &str| {
            let words =
                format!("the body has {found}, at most {limit} bytes are taken; send several requests");
            Refusal::new(Kind::TooLarge, words)
        };
        let least = body.size_hint().lower();
        if least > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(too_large(&format!("{least} bytes")));
        }
        let body = self.serving.room().measured(body, &self.taken);
        match timeout_at(until.into(), Limited::new(body, limit).collect()).await {
            Err(_) => Err(Refusal::new(
                Kind::Late,
                "the body did not come in the time that the request had",
            )),
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large("more")),
            Ok(Err(error)) if matches!(error.downcast_ref(), Some(Trouble::<B::Error>::Full(_))) => {
                Err(Refusal::later(Kind::Unavailable, Duration::from_secs(1), FULL))
            }
            Ok(Err(error)) => Err(Refusal::invalid(format!("the body broke off: {error}"))),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A refusal as an answer.
pub(super) fn refused(refusal: &Refusal) -> Answer {
    let text = serde_json::json!({ "error": refusal.words }).to_string();
    let mut answer = content("application/json", text);
    *answer.status_mut() =
        StatusCode::from_u16(refusal.kind.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(seconds) = refusal.retry_seconds() {
        answer
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.kind == Kind::Unknown {
        answer
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

fn json(value: &serde_json::Value) -> Result<Answer, Refusal> {
    Ok(content("application/json", value.to_string()))
}

pub(super) fn content(kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// A whole number in digits alone: Rust would take one with a plus as well.
pub(super) fn whole<N: std::str::FromStr>(text: &str) -> Option<N> {
    let text = text.trim();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A header that must come once at most, as text.
pub(super) fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        _ => Err(Refusal::invalid(format!(
            "the header {name} must come once, and hold ASCII alone"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn a_loopback_host_is_one_with_or_without_a_port() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:8470",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "localhost.evil.example",
            "10.0.0.1:80",
            "127.0.0.1.evil.example",
            "evil:80",
            "[::2]:1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
