//! HTTP CONNECT (RFC 9110, section 9.3.6): what is said to a proxy, and what its answer means. Client and auditor bring the bytes.

use std::fmt;
use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::ask::harmless;

/// Most bytes of an answer's head.
const HEAD_LIMIT: usize = 8 << 10;

/// Most header lines of an answer.
const HEADERS: usize = 64;

/// User and password as basic authentication wants them (RFC 7617).
#[derive(Clone)]
pub struct Credentials(Zeroizing<String>);

impl fmt::Debug for Credentials {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        form.write_str("Credentials(...)")
    }
}

impl Credentials {
    /// Of a user.
    pub fn new(user: &str, password: &str) -> Self {
        let pair = Zeroizing::new(format!("{user}:{password}"));
        Self(Zeroizing::new(STANDARD.encode(pair.as_bytes())))
    }
}

/// What the settings are called where the proxy is set.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// Its address.
    pub proxy: &'static str,
    /// The user.
    pub user: &'static str,
    /// The password.
    pub password: &'static str,
}

/// Why a proxy is of no use, sorted by who has to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyCause {
    /// Its name has no address.
    Unresolved,
    /// It cannot be reached.
    Unreachable,
    /// It took the connection and did not answer in time.
    Silent,
    /// What answers is no HTTP proxy.
    NotHttp,
    /// It wants credentials, and none are set.
    WantsCredentials,
    /// It refuses those that are set.
    RefusesCredentials,
    /// It does not allow this tunnel, with this status.
    Refuses(u16),
    /// It cannot reach the coordinator, with this status.
    CannotReach(u16),
}

/// A proxy that opens no tunnel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct NoTunnel {
    /// Why.
    pub cause: ProxyCause,
    /// The same in words, and what to do.
    pub text: String,
}

impl NoTunnel {
    fn new(cause: ProxyCause, text: String) -> Self {
        Self { cause, text }
    }

    /// The connection broke before the answer was whole.
    pub fn lost(error: &io::Error, target: &str, names: &Names) -> Self {
        let proxy = names.proxy;
        Self::new(
            ProxyCause::NotHttp,
            format!(
                "{error} while it was asked to CONNECT to {target}; it must be an HTTP proxy, and {proxy} name its port"
            ),
        )
    }
}

/// The request for a tunnel to `target` (`host:port`).
pub fn request(target: &str, credentials: Option<&Credentials>) -> Zeroizing<String> {
    let mut request = Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"));
    if let Some(Credentials(credentials)) = credentials {
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(credentials);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

/// Whether the head of an answer is whole, and then the tunnel is open.
///
/// # Errors
/// [`NoTunnel`] for any other answer. `has_credentials`: whether the request had some.
pub fn answer(head: &[u8], target: &str, has_credentials: bool, names: &Names) -> Result<bool, NoTunnel> {
    let not_http = |text: String| NoTunnel::new(ProxyCause::NotHttp, text);
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(head) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if head.len() > HEAD_LIMIT => {
            return Err(not_http(format!(
                "its answer has more than {HEAD_LIMIT} bytes of headers"
            )));
        }
        Ok(httparse::Status::Partial) => return Ok(false),
        Err(error) => {
            let proxy = names.proxy;
            return Err(not_http(format!(
                "its answer is not HTTP ({error}); {proxy} must name an HTTP proxy"
            )));
        }
    };
    let status = response.code.unwrap_or(0);
    let said = harmless(response.reason.unwrap_or(""));
    let (cause, advice) = match status {
        // The coordinator waits for the first words of this side, so whatever came already is not its.
        200..=299 if head.len() > length => {
            return Err(not_http(
                "it sends more than its answer before the tunnel is used".to_owned(),
            ));
        }
        200..=299 => return Ok(true),
        407 if has_credentials => (
            ProxyCause::RefusesCredentials,
            format!(
                "it refuses the credentials: correct {} and the password",
                names.user
            ),
        ),
        407 => (
            ProxyCause::WantsCredentials,
            format!(
                "it wants credentials: set {}, and the password in {}",
                names.user, names.password
            ),
        ),
        403 | 405 => (
            ProxyCause::Refuses(status),
            format!("its administrator must allow CONNECT to {target}"),
        ),
        502..=504 => (
            ProxyCause::CannotReach(status),
            format!(
                "it cannot reach {target}: the coordinator is down, or the proxy's network blocks TCP to it"
            ),
        ),
        _ => (
            ProxyCause::Refuses(status),
            format!("ask its administrator whether CONNECT to {target} is allowed"),
        ),
    };
    Err(NoTunnel::new(cause, format!("{status} {said}; {advice}")))
}

/// Asks for a tunnel over a blocking stream. Afterwards it is the way to `target`.
///
/// # Errors
/// [`NoTunnel`].
pub fn tunnel<S: Read + Write>(
    stream: &mut S,
    target: &str,
    credentials: Option<&Credentials>,
    names: &Names,
) -> Result<(), NoTunnel> {
    let lost = |error: io::Error| NoTunnel::lost(&error, target, names);
    stream
        .write_all(request(target, credentials).as_bytes())
        .map_err(lost)?;
    stream.flush().map_err(lost)?;
    let mut head = Vec::new();
    loop {
        let mut part = [0; 1024];
        let count = stream.read(&mut part).map_err(lost)?;
        let Some(part) = part.get(..count).filter(|part| !part.is_empty()) else {
            return Err(lost(io::ErrorKind::UnexpectedEof.into()));
        };
        head.extend_from_slice(part);
        if answer(&head, target, credentials.is_some(), names)? {
            return Ok(());
        }
    }
}
