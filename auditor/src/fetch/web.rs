//! Files of a web server, over HTTP/1.1 and TLS. The server is believed in nothing: answers are bounded, redirections are not followed.

use std::io::{self, Read as _};
use std::thread;
use std::time::Duration;

use ureq::http::Uri;
use ureq::tls::TlsConfig;
use ureq::{Agent, Error};

use super::{Begin, FetchError, WebOptions};

/// Wait before the second try; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest time for one answer: a server that sends a byte now and then does not hold a reader for ever.
const LONGEST_ANSWER: Duration = Duration::from_secs(600);
/// Longest head of an answer, in bytes.
const HEAD_LIMIT: usize = 16 << 10;
/// Connections that stay open between requests; as many as there are workers.
const IDLE_CONNECTIONS: usize = 4;

/// A folder that a web server serves.
#[derive(Debug)]
pub struct Web {
    agent: Agent,
    /// Ends with a slash.
    base: String,
    tries: u32,
}

/// Where the bytes of a file are taken up.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// Behind those that are there already: the file never changes.
    Byte(u64),
    /// Always at its start: it may be another file at the next try.
    Start,
}

/// What came of one try.
enum Try {
    Done,
    NotThere,
    /// It may work if it is tried again.
    Broken(String),
}

impl Web {
    pub(super) fn new(text: &str, options: &WebOptions) -> Result<Self, FetchError> {
        let problem = |problem: String| FetchError::Address {
            found: text.to_owned(),
            problem,
        };
        let uri: Uri = text
            .parse()
            .map_err(|error| problem(format!("not an address: {error}")))?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(problem("found no host".to_owned()));
        }
        if uri.query().is_some() {
            return Err(problem("found a query".to_owned()));
        }
        let tls = match uri.scheme_str() {
            Some("https") => options.tls.config()?,
            _ => TlsConfig::default(),
        };
        let mut config = Agent::config_builder();
        if let Some(proxy) = &options.proxy {
            config = config.proxy(Some(proxy.clone()));
        }
        let config = config
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(HEAD_LIMIT)
            .max_idle_connections(IDLE_CONNECTIONS)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            .timeout_connect(Some(options.timeout))
            .timeout_recv_response(Some(options.timeout))
            .timeout_per_read(Some(options.timeout))
            .timeout_per_write(Some(options.timeout))
            .timeout_global(Some(LONGEST_ANSWER))
            .build();
        Ok(Self {
            agent: config.new_agent(),
            base: format!("{}/", text.trim_end_matches('/')),
            tries: options.tries.max(1),
        })
    }

    /// The address of a file.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Tries until the file is here, or a number of times without coming on. Every try goes on where the last one stopped, or starts from the
    /// first byte where the file may have changed.
    pub(super) fn stream(
        &self,
        path: &str,
        from: From,
        limit: u64,
        sink: &mut dyn FnMut(Begin, &[u8]) -> io::Result<()>,
    ) -> Result<bool, FetchError> {
        let address = self.address(path);
        let mut have = match from {
            From::Byte(from) => from,
            From::Start => 0,
        };
        let mut failures = 0;
        let mut pause = FIRST_PAUSE;
        loop {
            if let From::Start = from {
                have = 0;
            }
            let before = have;
            match self.attempt(&address, &mut have, limit, sink)? {
                Try::Done => return Ok(true),
                Try::NotThere => return Ok(false),
                Try::Broken(reason) => {
                    // A long file over a bad line comes to its end as long as every try brings it on.
                    let further = have > before && matches!(from, From::Byte(_));
                    failures = if further { 1 } else { failures + 1 };
                    if failures >= self.tries {
                        return Err(FetchError::Unreachable {
                            address,
                            tries: failures,
                            reason,
                        });
                    }
                    thread::sleep(pause);
                    pause = pause.saturating_mul(2).min(FIRST_PAUSE * 16);
                }
            }
        }
    }

    fn attempt(
        &self,
        address: &str,
        have: &mut u64,
        limit: u64,
        sink: &mut dyn FnMut(Begin, &[u8]) -> io::Result<()>,
    ) -> Result<Try, FetchError> {
        let mut request = self.agent.get(address);
        if *have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let mut response = match request.call() {
            Ok(response) => response,
            Err(error) => return broken(address, error),
        };
        let status = response.status().as_u16();
        let mut begin = match status {
            200 => Begin::Anew,
            206 if *have > 0 && starts_at(&response, *have) => Begin::Onward,
            404 | 410 => return Ok(Try::NotThere),
            // What is there already does not fit the file: from the start.
            206 | 416 if *have > 0 => {
                *have = 0;
                return self.attempt(address, have, limit, sink);
            }
            408 | 425 | 429 | 500..=599 => return Ok(Try::Broken(format!("the server answered {status}"))),
            _ => {
                return Err(FetchError::Status {
                    address: address.to_owned(),
                    status,
                });
            }
        };
        if begin == Begin::Anew {
            *have = 0;
        }
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = match body.read(&mut buffer) {
                Ok(read) => read,
                Err(error) => return broken(address, Error::Io(error)),
            };
            let total = have.saturating_add(read as u64);
            if total > limit {
                return Err(FetchError::TooLong {
                    address: address.to_owned(),
                    limit,
                });
            }
            // An empty file drops what is there as well.
            if read > 0 || begin == Begin::Anew {
                sink(begin, buffer.get(..read).unwrap_or_default()).map_err(|source| FetchError::Write {
                    address: address.to_owned(),
                    source,
                })?;
            }
            if read == 0 {
                return Ok(Try::Done);
            }
            *have = total;
            begin = Begin::Onward;
        }
    }
}

fn starts_at<T>(response: &ureq::http::Response<T>, from: u64) -> bool {
    let range = response
        .headers()
        .get("content-range")
        .and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")))
}

/// Whether it may work if it is tried again.
fn broken(address: &str, error: Error) -> Result<Try, FetchError> {
    let untrusted = |reason: String| FetchError::Untrusted {
        address: address.to_owned(),
        reason,
    };
    match error {
        Error::Io(error) => match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(tls) => Err(untrusted(tls.to_string())),
            None => Ok(Try::Broken(error.to_string())),
        },
        Error::Rustls(error) => Err(untrusted(error.to_string())),
        Error::Tls(reason) => Err(untrusted(reason.to_owned())),
        Error::BadUri(problem) => Err(FetchError::Address {
            found: address.to_owned(),
            problem,
        }),
        other => Ok(Try::Broken(other.to_string())),
    }
}
