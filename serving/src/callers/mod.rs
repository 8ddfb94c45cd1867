//! Who asks, and how much each may ask for.

mod keys;
mod quota;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use hyper::HeaderMap;
use time::OffsetDateTime;

use crate::refusal::{Kind, Refusal};

pub use keys::{Key, Keys, make_key};
use quota::Bucket;
pub use quota::Quota;

/// Name of whoever asks where nobody has to say who it is.
pub const ANYONE: &str = "anyone";

type SharedBucket = Arc<Mutex<Bucket>>;

/// Whoever asks.
#[derive(Clone)]
pub struct Caller {
    name: Arc<str>,
    bucket: Option<SharedBucket>,
}

impl Caller {
    /// By which name it is counted and written down.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes so many rows out of the caller's quota.
    pub(crate) fn spend(&self, rows: usize, now: Instant) -> Result<(), Refusal> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(rows, now).map_err(|mut refusal| {
            refusal.words = format!("caller {:?}: {}", self.name, refusal.words);
            refusal
        })
    }
}

/// How whoever asks is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Over a connection where no certificate is asked for.
    Nobody,
    /// Without a certificate where one is asked for; a key does in its place.
    Uncertified,
    /// By a certificate that names nobody who may ask.
    Stranger,
    /// By a certificate that was checked.
    Certified(String),
}

/// Everybody who may ask.
pub struct Callers {
    keys: RwLock<Option<Arc<Keys>>>,
    default: Option<Quota>,
    buckets: Mutex<HashMap<String, (Quota, SharedBucket)>>,
}

impl Callers {
    /// Whoever has one of the keys, or a certificate. Without keys anybody is let in, so that only loopback may be listened on without TLS.
    /// `default` is the quota of callers that have none of their own.
    pub fn new(keys: Option<Keys>, default: Option<Quota>) -> Self {
        Self {
            keys: RwLock::new(keys.map(Arc::new)),
            default,
            buckets: Mutex::default(),
        }
    }

    /// Whether a key is asked for where no certificate says who asks.
    pub fn has_keys(&self) -> bool {
        self.keys().is_some()
    }

    /// Puts other keys in the place of those before. What callers have used of their quota stays used.
    pub fn replace_keys(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
    }

    fn keys(&self) -> Option<Arc<Keys>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who sends these headers: the certificate's holder, else the key's.
    ///
    /// # Errors
    /// If a key is needed, and there is none, or it is unknown or has expired.
    pub fn known(&self, peer: &Peer, headers: &HeaderMap, now: OffsetDateTime) -> Result<Caller, Refusal> {
        let keys = match (peer, self.keys()) {
            (Peer::Certified(name), _) => return Ok(self.caller(name, None)),
            (Peer::Stranger, _) => {
                let words =
                    "this certificate is of nobody who may ask; ask the bank's operator to let you in";
                return Err(Refusal::new(Kind::Forbidden, words));
            }
            (Peer::Nobody, None) => return Ok(self.caller(ANYONE, None)),
            (Peer::Uncertified, None) => {
                let words = "found no certificate; connect with that of an application that may ask";
                return Err(Refusal::new(Kind::Unknown, words));
            }
            (Peer::Nobody | Peer::Uncertified, Some(keys)) => keys,
        };
        let presented = presented(headers)?;
        let key = keys.find(presented).ok_or_else(|| {
            Refusal::new(
                Kind::Unknown,
                "this key is unknown; ask the bank's operator for one",
            )
        })?;
        if key.has_expired(now) {
            let words = format!(
                "the key of {:?} has expired; ask the bank's operator for a new one",
                key.name()
            );
            return Err(Refusal::new(Kind::Unknown, words));
        }
        Ok(self.caller(key.name(), key.quota()))
    }

    fn caller(&self, name: &str, own: Option<Quota>) -> Caller {
        let quota = own.or(self.default);
        let bucket = quota.map(|quota| {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            match buckets.get(name) {
                Some((before, bucket)) if *before == quota => Arc::clone(bucket),
                _ => {
                    let bucket = Arc::new(Mutex::new(Bucket::full(quota, Instant::now())));
                    buckets.insert(name.to_owned(), (quota, Arc::clone(&bucket)));
                    bucket
                }
            }
        });
        Caller {
            name: Arc::from(name),
            bucket,
        }
    }
}

/// The key that a request brings: `Authorization: Bearer KEY` (RFC 6750, section 2.1), or `x-api-key: KEY`.
fn presented(headers: &HeaderMap) -> Result<&str, Refusal> {
    let missing = || {
        Refusal::new(
            Kind::Unknown,
            "found no key; expected the header \"Authorization: Bearer KEY\" or \"x-api-key: KEY\"",
        )
    };
    if let Some(value) = headers.get(hyper::header::AUTHORIZATION) {
        let (scheme, key) = value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .ok_or_else(missing)?;
        return scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(key.trim())
            .ok_or_else(missing);
    }
    headers
        .get("x-api-key")
        .and_then(|value| value.to_str().ok())
        .ok_or_else(missing)
}
