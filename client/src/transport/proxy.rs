//! HTTP CONNECT (RFC 9110, section 9.3.6): a tunnel for TCP through the bank's own proxy.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

use super::reason::DownReason;
use crate::peer_text;

/// Most bytes of an answer's head.
const HEAD_LIMIT: usize = 8 << 10;

/// Most header lines of an answer.
const HEADERS: usize = 64;

/// The proxy and how to be let through.
#[derive(Clone)]
pub struct Proxy {
    /// `host:port`.
    pub address: String,
    /// User and password as basic authentication wants them (RFC 7617).
    credentials: Option<Zeroizing<String>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = self.credentials.as_ref().map(|_| "...");
        form.debug_struct("Proxy")
            .field("address", &self.address)
            .field("credentials", &secret)
            .finish()
    }
}

impl Proxy {
    /// A proxy at `host:port`.
    pub fn new(address: String, user: Option<(&str, &str)>) -> Self {
        let credentials = user.map(|(user, password)| {
            let pair = Zeroizing::new(format!("{user}:{password}"));
            Zeroizing::new(STANDARD.encode(pair.as_bytes()))
        });
        Self { address, credentials }
    }

    fn failed(&self, problem: String) -> DownReason {
        DownReason::Proxy {
            proxy: self.address.clone(),
            problem,
        }
    }

    /// Asks for a tunnel to `target` (`host:port`). Afterwards `stream` is the way to it.
    pub(super) async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        target: &str,
    ) -> Result<(), DownReason> {
        let lost = |error: std::io::Error| {
            self.failed(format!(
                "{error} while it was asked to CONNECT to {target}; it must be an HTTP proxy, and link.proxy name its port"
            ))
        };
        stream
            .write_all(self.request(target).as_bytes())
            .await
            .map_err(lost)?;
        stream.flush().await.map_err(lost)?;
        let mut head = Vec::new();
        loop {
            let mut part = [0; 1024];
            let count = stream.read(&mut part).await.map_err(lost)?;
            let Some(part) = part.get(..count).filter(|part| !part.is_empty()) else {
                return Err(lost(std::io::ErrorKind::UnexpectedEof.into()));
            };
            head.extend_from_slice(part);
            if let Some(answer) = self.answer(&head, target)? {
                return answer;
            }
            if head.len() > HEAD_LIMIT {
                return Err(self.failed(format!("its answer has more than {HEAD_LIMIT} bytes of headers")));
            }
        }
    }

    fn request(&self, target: &str) -> Zeroizing<String> {
        let mut request = Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"));
        if let Some(credentials) = &self.credentials {
            request.push_str("Proxy-Authorization: Basic ");
            request.push_str(credentials);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        request
    }

    /// What the head says; `None` while it is not whole.
    fn answer(&self, head: &[u8], target: &str) -> Result<Option<Result<(), DownReason>>, DownReason> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(head) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => {
                let text = format!("its answer is not HTTP ({error}); link.proxy must name an HTTP proxy");
                return Err(self.failed(text));
            }
        };
        let status = response.code.unwrap_or(0);
        let said = peer_text::shown(response.reason.unwrap_or(""));
        let advice = match status {
            // The coordinator waits for the bank's first words, so whatever came already is not its.
            200..=299 if head.len() > length => {
                return Err(self.failed("it sends more than its answer before the tunnel is used".to_owned()));
            }
            200..=299 => return Ok(Some(Ok(()))),
            407 if self.credentials.is_some() => {
                "it refuses the credentials: correct link.proxy_user and the password".to_owned()
            }
            407 => "it wants credentials: set link.proxy_user, and the password in link.proxy_password_file"
                .to_owned(),
            403 | 405 => format!("its administrator must allow CONNECT to {target}"),
            502..=504 => format!(
                "it cannot reach {target}: the coordinator is down, or the proxy's network blocks TCP to it"
            ),
            _ => format!("ask its administrator whether CONNECT to {target} is allowed"),
        };
        Ok(Some(Err(self.failed(format!("{status} {said}; {advice}")))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The pair of RFC 7617, section 2.
    #[test]
    fn the_request_is_the_one_of_the_standards() {
        let proxy = Proxy::new("proxy:3128".to_owned(), Some(("Aladdin", "open sesame")));
        assert_eq!(
            proxy.request("host:7443").as_str(),
            "CONNECT host:7443 HTTP/1.1\r\nHost: host:7443\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
        );
        assert!(!format!("{proxy:?}").contains("QWxh"));
    }

    async fn asked(answer: &[u8], user: bool) -> Result<(), String> {
        let proxy = Proxy::new("p:1".to_owned(), user.then_some(("u", "p")));
        let (mut here, mut there) = tokio::io::duplex(1 << 16);
        there.write_all(answer).await.unwrap();
        drop(tokio::spawn(async move {
            let mut scrap = Vec::new();
            there.read_buf(&mut scrap).await.unwrap();
        }));
        proxy
            .tunnel(&mut here, "c:7443")
            .await
            .map_err(|reason| reason.to_string())
    }

    #[tokio::test]
    async fn what_the_proxy_says_becomes_what_to_do() {
        assert_eq!(asked(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n", false).await, Ok(()));
        for (answer, user, part) in [
            (
                &b"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic\r\n\r\nbody"[..],
                false,
                "407 Auth; it wants credentials",
            ),
            (b"HTTP/1.1 407 Auth\r\n\r\n", true, "correct link.proxy_user"),
            (
                b"HTTP/1.0 403 No\r\n\r\n",
                false,
                "the proxy p:1: 403 No; its administrator must allow CONNECT to c:7443",
            ),
            (b"HTTP/1.1 502 \x1b[31m\r\n\r\n", false, "not HTTP"),
            (b"HTTP/1.1 503 down\r\n\r\n", false, "cannot reach c:7443"),
            (b"SSH-2.0-OpenSSH\r\n", false, "not HTTP"),
            (b"HTTP/1.1 200 OK\r\n\r\nmore", false, "more than its answer"),
            (b"HTTP/1.1 200", false, "unexpected end of file"),
        ] {
            let error = asked(answer, user).await.unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        let long = [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; 20_000]].concat();
        let error = asked(&long, false).await.unwrap_err();
        assert!(error.contains("more than 8192 bytes"), "{error}");
        let many = [&b"HTTP/1.1 200 OK\r\n"[..], &b"X: y\r\n".repeat(65), b"\r\n"].concat();
        assert!(asked(&many, false).await.unwrap_err().contains("not HTTP"));
    }
}
