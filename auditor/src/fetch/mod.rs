//! Where a log or an archive is read from: a folder, or a web server with the same files. Nothing here judges what comes.

mod tls;
mod web;

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use ureq::Proxy;

pub use self::tls::{TlsError, TlsFiles};
pub use self::web::Web;

/// How a web server is asked.
#[derive(Clone, Debug)]
pub struct WebOptions {
    /// The server's authority and this reader's certificate.
    pub tls: TlsFiles,
    /// The proxy to take; none: as the environment says.
    pub proxy: Option<Proxy>,
    /// Longest silence of the server.
    pub timeout: Duration,
    /// How often a file is asked for before it counts as not reachable.
    pub tries: u32,
}

/// Why a file is not to be had.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The address is none.
    #[error("{found:?}: {problem}; expected a folder, or an address like https://log.example/log/")]
    Address {
        /// What was given.
        found: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate or key is not what it should be.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server does not answer, or not now.
    #[error("{address}: not reachable after {tries} tries: {reason}; try again later")]
    Unreachable {
        /// What was asked for.
        address: String,
        /// How often.
        tries: u32,
        /// What came of the last try.
        reason: String,
    },
    /// No TLS connection to this server.
    #[error(
        "{address}: no TLS connection: {reason}; expected a server of the authority in --tls-ca that accepts the certificate in --tls-cert"
    )]
    Untrusted {
        /// What was asked for.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// The server answers with a refusal.
    #[error("{address}: the server answered {status}, expected 200 or 404")]
    Status {
        /// What was asked for.
        address: String,
        /// The HTTP status.
        status: u16,
    },
    /// The file is longer than any of its kind.
    #[error("{address}: found more than {limit} bytes, expected at most that")]
    TooLong {
        /// What was asked for.
        address: String,
        /// Most bytes that such a file has.
        limit: u64,
    },
    /// A file of the source cannot be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// What arrived cannot be written.
    #[error("{address}: cannot keep what arrived: {source}")]
    Write {
        /// What was asked for.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl FetchError {
    /// Whether the same may work later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Where a piece of a file belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Behind those that are there already.
    Onward,
    /// With the first one: what is there already is to be dropped.
    Anew,
}

/// A place with files.
#[derive(Debug)]
pub enum Origin {
    /// A folder.
    Folder(PathBuf),
    /// A web server.
    Web(Box<Web>),
}

impl Origin {
    /// A web server if `text` is the address of one, else a folder.
    ///
    /// # Errors
    /// If it is an address that cannot be used, or a certificate cannot.
    pub fn new(text: &str, options: &WebOptions) -> Result<Self, FetchError> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            None => Ok(Self::Folder(PathBuf::from(text))),
            Some("http" | "https") => Ok(Self::Web(Box::new(Web::new(text, options)?))),
            Some(other) => Err(FetchError::Address {
                found: text.to_owned(),
                problem: format!("found the scheme {other:?}"),
            }),
        }
    }

    /// Path or address of a file in it, for messages.
    pub fn address(&self, path: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(path).display().to_string(),
            Self::Web(web) => web.address(path),
        }
    }

    /// The contents of a file, or `None` if it is not there.
    ///
    /// # Errors
    /// [`FetchError`] with the file; never more than `limit` bytes are taken.
    pub fn get(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, FetchError> {
        let mut bytes = Vec::new();
        let mut sink = |begin: Begin, chunk: &[u8]| {
            if begin == Begin::Anew {
                bytes.clear();
            }
            bytes.extend_from_slice(chunk);
            Ok(())
        };
        let there = match self {
            Self::Folder(folder) => copy(&folder.join(path), 0, limit, &mut sink)?,
            // Such a file may be another one at the next try, so the parts of two answers are never joined.
            Self::Web(web) => web.stream(path, web::From::Start, limit, &mut sink)?,
        };
        Ok(there.then_some(bytes))
    }

    /// Hands a file that never changes over in pieces, from byte `from` on where that can be had; says whether the file is there. `sink` is
    /// told with each piece whether it goes on behind those before it, and drops everything before it where it does not.
    ///
    /// # Errors
    /// As [`Origin::get`].
    pub fn stream(
        &self,
        path: &str,
        from: u64,
        limit: u64,
        mut sink: impl FnMut(Begin, &[u8]) -> io::Result<()>,
    ) -> Result<bool, FetchError> {
        match self {
            Self::Folder(folder) => copy(&folder.join(path), from, limit, &mut sink),
            Self::Web(web) => web.stream(path, web::From::Byte(from), limit, &mut sink),
        }
    }
}

/// The same of a folder.
fn copy(
    path: &std::path::Path,
    from: u64,
    limit: u64,
    sink: &mut dyn FnMut(Begin, &[u8]) -> io::Result<()>,
) -> Result<bool, FetchError> {
    let refuse = |source| FetchError::Read {
        path: path.to_owned(),
        source,
    };
    if !fs::exists(path).map_err(refuse)? {
        return Ok(false);
    }
    let mut file = File::open(path).map_err(refuse)?;
    file.seek(SeekFrom::Start(from)).map_err(refuse)?;
    let mut taken = from;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(refuse)?;
        if read == 0 {
            return Ok(true);
        }
        taken = taken.saturating_add(read as u64);
        let address = || path.display().to_string();
        if taken > limit {
            return Err(FetchError::TooLong {
                address: address(),
                limit,
            });
        }
        sink(Begin::Onward, buffer.get(..read).unwrap_or_default()).map_err(|source| FetchError::Write {
            address: address(),
            source,
        })?;
    }
}
