//! One request, one answer (HTTP semantics: RFC 9110).

use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::body::{Body, Bytes};
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE, RETRY_AFTER,
};
use hyper::{Method, Request, Response, StatusCode};
use time::OffsetDateTime;
use tokio::io::AsyncSeekExt as _;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use veilsum_protocol::ids::Digest;

use super::body::Content;
use super::door::{Door, Refusal};
use super::named::{Named, open};
use super::path::Asked;
use crate::enrol::inspect::CertificateFacts;
use crate::log::CHECKPOINT_FILE;
use crate::store::blobs;

/// After so many seconds a peer that was turned away may come back.
const LATER: HeaderValue = HeaderValue::from_static("5");

/// What is read, and who may.
#[derive(Debug)]
pub(super) struct Library {
    pub(super) log: PathBuf,
    pub(super) data: PathBuf,
    pub(super) door: Door,
    /// Not held while anything is sent.
    pub(super) named: Arc<Mutex<Named>>,
}

/// The answer, and who got it.
pub(super) struct Answered {
    pub(super) response: Response<Content>,
    pub(super) reader: Result<String, Refusal>,
}

/// A file that is open, with what stands for its contents.
struct Found {
    file: std::fs::File,
    length: u64,
    tag: String,
}

impl Library {
    /// Answers a request of the holder of a certificate.
    pub(super) async fn answer<B: Body>(
        self: &Arc<Self>,
        certificate: &Arc<CertificateFacts>,
        request: &Request<B>,
    ) -> Answered {
        let reader = self.who(certificate).await;
        let response = match &reader {
            Err(refusal) => refuse(refusal),
            Ok(_) => self.read(request).await,
        };
        Answered { response, reader }
    }

    /// Who holds this certificate.
    pub(super) async fn who(
        self: &Arc<Self>,
        certificate: &Arc<CertificateFacts>,
    ) -> Result<String, Refusal> {
        let (library, certificate) = (Arc::clone(self), Arc::clone(certificate));
        let asked = spawn_blocking(move || library.door.who(&certificate, OffsetDateTime::now_utc()));
        asked
            .await
            .unwrap_or_else(|error| Err(Refusal::Later(error.to_string())))
    }

    async fn read<B: Body>(self: &Arc<Self>, request: &Request<B>) -> Response<Content> {
        if *request.method() != Method::GET && *request.method() != Method::HEAD {
            let mut response = say(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered");
            put(&mut response, ALLOW, HeaderValue::from_static("GET, HEAD"));
            return closed(response);
        }
        if !request.body().is_end_stream() {
            return closed(say(StatusCode::BAD_REQUEST, "expected a request without a body"));
        }
        let asked = Asked::from_path(request.uri().path()).filter(|_| request.uri().query().is_none());
        let Some(asked) = asked else { return missing() };
        match self.find(asked).await {
            Ok(Some(found)) => tell(asked, found, request.method(), request.headers()).await,
            Ok(None) => missing(),
            Err(problem) => {
                tracing::error!("auditors cannot be answered: {problem}");
                let text = "the coordinator cannot read this from its disk; its operator finds the reason in its log";
                let mut response = say(StatusCode::SERVICE_UNAVAILABLE, text);
                put(&mut response, RETRY_AFTER, LATER);
                response
            }
        }
    }

    /// The file, if there is one and the log names it.
    async fn find(&self, asked: Asked) -> Result<Option<Found>, String> {
        let is_named = match asked {
            Asked::Checkpoint | Asked::Tile(_) => true,
            Asked::Blob(hash) => self.names(move |named| named.blob(&hash)).await?,
            Asked::Round(round) => self.names(move |named| named.round(round)).await?,
        };
        if !is_named {
            return Ok(None);
        }
        let path = match asked {
            Asked::Checkpoint => self.log.join(CHECKPOINT_FILE),
            Asked::Tile(tile) => self.log.join(tile.path()),
            Asked::Blob(hash) => blobs::path_in(&self.data, &hash),
            Asked::Round(round) => self.data.join("rounds").join(format!("{round}.json")),
        };
        let opened = spawn_blocking(move || {
            let opened = open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(opened.map(|(file, facts)| Found {
                file,
                length: facts.len(),
                tag: match asked {
                    Asked::Blob(hash) => hash_tag(&hash),
                    _ => file_tag(facts.len(), facts.modified()),
                },
            }))
        });
        opened.await.map_err(|error| error.to_string())?
    }

    async fn names(&self, has: impl Fn(&Named) -> bool) -> Result<bool, String> {
        let mut named = Arc::clone(&self.named).lock_owned().await;
        if !has(&named) {
            let (followed, result) = spawn_blocking(move || {
                let result = named.follow();
                (named, result)
            })
            .await
            .map_err(|error| error.to_string())?;
            result?;
            named = followed;
        }
        Ok(has(&named))
    }
}

fn hash_tag(hash: &Digest) -> String {
    format!("\"{hash}\"")
}

/// Every file is replaced by rename, so another content has another moment or another length.
fn file_tag(length: u64, modified: io::Result<SystemTime>) -> String {
    let moment = modified.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    format!("\"{length:x}-{:x}\"", moment.unwrap_or_default().as_nanos())
}

/// The file or the part of it that was asked for.
async fn tell(asked: Asked, found: Found, method: &Method, headers: &HeaderMap) -> Response<Content> {
    let Found { file, length, tag } = found;
    let mut response = Response::new(Content::nothing());
    // A tag is hex digits, a dash and quotation marks, and so a header's value.
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        put(&mut response, ETAG, tag);
    }
    put(
        &mut response,
        CACHE_CONTROL,
        HeaderValue::from_static(asked.cache_control()),
    );
    if text_of(headers, IF_NONE_MATCH).is_some_and(|tags| matches_tag(tags, &tag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    put(
        &mut response,
        CONTENT_TYPE,
        HeaderValue::from_static(asked.media_type()),
    );
    put(&mut response, ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let same = text_of(headers, IF_RANGE).is_none_or(|it| it == tag);
    let range = text_of(headers, RANGE).filter(|_| same && *method == Method::GET);
    let (first, count) = match range.map_or(Part::Whole, |range| part(range, length)) {
        Part::Whole => (0, length),
        Part::Of { first, count } => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let last = first.saturating_add(count).saturating_sub(1);
            put_text(
                &mut response,
                CONTENT_RANGE,
                &format!("bytes {first}-{last}/{length}"),
            );
            (first, count)
        }
        Part::Outside => {
            let mut outside = say(
                StatusCode::RANGE_NOT_SATISFIABLE,
                &format!("there are {length} bytes"),
            );
            put_text(&mut outside, CONTENT_RANGE, &format!("bytes */{length}"));
            return outside;
        }
    };
    put_text(&mut response, CONTENT_LENGTH, &count.to_string());
    if *method == Method::HEAD {
        return response;
    }
    let mut file = tokio::fs::File::from_std(file);
    if first > 0
        && let Err(error) = file.seek(SeekFrom::Start(first)).await
    {
        tracing::error!("auditors cannot be answered: {error}");
        return say(
            StatusCode::SERVICE_UNAVAILABLE,
            "the coordinator cannot read this from its disk",
        );
    }
    *response.body_mut() = Content::File { file, left: count };
    response
}

/// What of a file is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Of { first: u64, count: u64 },
    Outside,
}

/// Reads the header `Range` (RFC 9110, section 14.2). One range is answered; where there are more, or another unit, the header counts as
/// not there, which the RFC allows.
fn part(range: &str, length: u64) -> Part {
    let Some((unit, range)) = range.split_once('=') else {
        return Part::Whole;
    };
    let Some((first, last)) = range
        .trim()
        .split_once('-')
        .filter(|_| unit.eq_ignore_ascii_case("bytes"))
    else {
        return Part::Whole;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number beyond 64 bits lies beyond every file.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (first, end) = match (number(first), number(last)) {
        (None, Some(count)) if first.is_empty() => (length.saturating_sub(count), length),
        (Some(first), None) if last.is_empty() => (first, length),
        (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1).min(length)),
        _ => return Part::Whole,
    };
    match end.checked_sub(first) {
        Some(count @ 1..) => Part::Of { first, count },
        _ => Part::Outside,
    }
}

/// Whether a list of tags holds this one (RFC 9110, section 13.1.2).
fn matches_tag(tags: &str, tag: &str) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|it| it == "*" || it.strip_prefix("W/").unwrap_or(it) == tag)
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The answer to somebody who may not read, or not now. The connection ends with it.
pub(super) fn refuse(refusal: &Refusal) -> Response<Content> {
    let (status, later) = match refusal {
        Refusal::Stranger(_) => (StatusCode::FORBIDDEN, false),
        Refusal::Later(_) => (StatusCode::SERVICE_UNAVAILABLE, true),
    };
    let mut response = say(status, refusal.words());
    if later {
        put(&mut response, RETRY_AFTER, LATER);
    }
    closed(response)
}

fn missing() -> Response<Content> {
    say(StatusCode::NOT_FOUND, "nothing is served at this path")
}

fn say(status: StatusCode, text: &str) -> Response<Content> {
    let mut response = Response::new(Content::Text(Bytes::from(format!("{text}\n"))));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    put(&mut response, CONTENT_TYPE, plain);
    put(&mut response, CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn closed(mut response: Response<Content>) -> Response<Content> {
    put(&mut response, CONNECTION, HeaderValue::from_static("close"));
    response
}

fn put(response: &mut Response<Content>, name: HeaderName, value: HeaderValue) {
    response.headers_mut().insert(name, value);
}

fn put_text(response: &mut Response<Content>, name: HeaderName, value: &str) {
    // Digits and a few signs, which every header takes.
    if let Ok(value) = HeaderValue::from_str(value) {
        put(response, name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_answered_and_what_is_none_is_passed_over() {
        let of = |first, count| Part::Of { first, count };
        // The examples of RFC 9110, section 14.1.2, over 10000 bytes, and the ends.
        for (range, expected) in [
            ("bytes=0-499", of(0, 500)),
            ("bytes=500-999", of(500, 500)),
            ("bytes=-500", of(9500, 500)),
            ("bytes=9500-", of(9500, 500)),
            ("bytes=0-0", of(0, 1)),
            ("bytes=-1", of(9999, 1)),
            ("Bytes=0-", of(0, 10_000)),
            ("bytes=9999-20000", of(9999, 1)),
            ("bytes=-20000", of(0, 10_000)),
            ("bytes=0-99999999999999999999", of(0, 10_000)),
            ("bytes=10000-", Part::Outside),
            ("bytes=99999999999999999999-", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=500-499", Part::Whole),
            ("bytes=0-0,-1", Part::Whole),
            ("bytes=", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=--1", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("0-1", Part::Whole),
        ] {
            assert_eq!(part(range, 10_000), expected, "{range}");
        }
        assert_eq!(part("bytes=0-", 0), Part::Outside);
    }

    #[test]
    fn tags_are_compared_one_by_one() {
        assert!(matches_tag("\"a\", W/\"b\" ,\"c\"", "\"b\""));
        assert!(matches_tag("*", "\"b\""));
        assert!(!matches_tag("\"a\",\"bb\"", "\"b\""));
        assert!(!matches_tag("", "\"b\""));
    }
}
