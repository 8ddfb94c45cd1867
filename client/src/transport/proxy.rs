//! HTTP CONNECT (RFC 9110, section 9.3.6): a tunnel for TCP through the bank's own proxy.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use veilsum_admission::{Credentials, Names, NoTunnel, answer, request};

use super::reason::DownReason;

/// What the settings are called in `bank.toml`.
const NAMES: Names = Names {
    proxy: "link.proxy",
    user: "link.proxy_user",
    password: "link.proxy_password_file",
};

/// The proxy and how to be let through.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// `host:port`.
    pub address: String,
    credentials: Option<Credentials>,
}

impl Proxy {
    /// A proxy at `host:port`.
    pub fn new(address: String, user: Option<(&str, &str)>) -> Self {
        let credentials = user.map(|(user, password)| Credentials::new(user, password));
        Self { address, credentials }
    }

    fn failed(&self, why: NoTunnel) -> DownReason {
        DownReason::Proxy {
            proxy: self.address.clone(),
            cause: why.cause,
            problem: why.text,
        }
    }

    /// Asks for a tunnel to `target` (`host:port`). Afterwards `stream` is the way to it.
    pub(crate) async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        target: &str,
    ) -> Result<(), DownReason> {
        let lost = |error: std::io::Error| self.failed(NoTunnel::lost(&error, target, &NAMES));
        let credentials = self.credentials.as_ref();
        stream
            .write_all(request(target, credentials).as_bytes())
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
            let whole = answer(&head, target, credentials.is_some(), &NAMES);
            if whole.map_err(|why| self.failed(why))? {
                return Ok(());
            }
        }
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
            request("host:7443", proxy.credentials.as_ref()).as_str(),
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
