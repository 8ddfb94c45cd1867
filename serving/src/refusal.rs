//! Why a request gets no scores, for REST and gRPC alike.

use std::fmt;
use std::time::Duration;

/// What kind of trouble it is, and with that the status of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request itself is wrong.
    Invalid,
    /// Nobody known asks.
    Unknown,
    /// Whoever asks may not.
    Forbidden,
    /// There is no such model, version or path.
    NotFound,
    /// The path is there, but not by this method.
    Method,
    /// The body has no length and is no stream of chunks either.
    Length,
    /// More than is taken at once.
    TooLarge,
    /// The body is of another media type.
    MediaType,
    /// More than can be done now, or than the caller may ask for.
    TooMany,
    /// A model broke what its card promises.
    Model,
    /// The server takes nothing now.
    Unavailable,
    /// The time that the caller gave is over.
    Late,
}

impl Kind {
    /// Status of HTTP (RFC 9110, section 15; 429: RFC 6585).
    pub fn http(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unknown => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Method => 405,
            Self::Length => 411,
            Self::TooLarge => 413,
            Self::MediaType => 415,
            Self::TooMany => 429,
            Self::Model => 500,
            Self::Unavailable => 503,
            Self::Late => 504,
        }
    }

    /// Code of gRPC.
    pub fn grpc(self) -> tonic::Code {
        match self {
            Self::Invalid | Self::Length | Self::MediaType => tonic::Code::InvalidArgument,
            Self::Unknown => tonic::Code::Unauthenticated,
            Self::Forbidden => tonic::Code::PermissionDenied,
            Self::NotFound => tonic::Code::NotFound,
            Self::Method => tonic::Code::Unimplemented,
            Self::TooLarge | Self::TooMany => tonic::Code::ResourceExhausted,
            Self::Model => tonic::Code::Internal,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::Late => tonic::Code::DeadlineExceeded,
        }
    }
}

/// Why a request gets no scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of trouble it is.
    pub kind: Kind,
    /// What was found, what was expected, what to do.
    pub words: String,
    /// After how long the same request may get through.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal that holds however often the request comes again.
    pub fn new(kind: Kind, words: impl Into<String>) -> Self {
        Self {
            kind,
            words: words.into(),
            retry_after: None,
        }
    }

    /// The request itself is wrong.
    pub fn invalid(words: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, words)
    }

    /// A refusal that the same request need not get later.
    pub fn later(kind: Kind, after: Duration, words: impl Into<String>) -> Self {
        Self {
            kind,
            words: words.into(),
            retry_after: Some(after),
        }
    }

    /// Whole seconds for `Retry-After` (RFC 9110, section 10.2.3), at least one.
    pub fn retry_seconds(&self) -> Option<u64> {
        self.retry_after.map(|after| {
            after
                .as_secs()
                .saturating_add(u64::from(after.subsec_nanos() > 0))
                .max(1)
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.words)
    }
}

impl std::error::Error for Refusal {}
