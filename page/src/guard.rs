//! Who comes in: a browser with a link that the daemon's own socket gave, and after that with its cookie.
//!
//! Whoever can open the socket in the daemon's folder is its operator. Another user of the machine reaches the address too, so the address alone
//! opens nothing; a page of another site reaches it through the operator's browser, so a cookie alone changes nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{COOKIE, HOST, HeaderMap, HeaderName, ORIGIN};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

/// A link that nobody follows for so long opens nothing.
const LINK: Duration = Duration::from_secs(300);
/// Links that wait at once.
const MOST_LINKS: usize = 16;
/// Browsers that are in at once.
const MOST_SESSIONS: usize = 64;

/// The SHA-256 of a secret.
type Hash = [u8; 32];

/// Links and sessions, by the hashes of their secrets: a look into the table takes as long for a wrong one as for a right one.
#[derive(Debug)]
pub struct Guard {
    links: Mutex<HashMap<Hash, Instant>>,
    sessions: Mutex<HashMap<Hash, Session>>,
    lasts: Duration,
    cookie: String,
}

/// A browser that is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    token: String,
    until: Instant,
}

impl Session {
    /// What its forms carry, so that a request comes from a page of this program.
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl Guard {
    /// Nobody is in. Who comes in stays for `lasts`. `who` and `port` tell this daemon's cookie from that of another one on the same machine.
    pub fn new(who: &str, lasts: Duration, port: u16) -> Self {
        Self {
            links: Mutex::default(),
            sessions: Mutex::default(),
            lasts,
            cookie: format!("veilsum_{who}_{port}"),
        }
    }

    /// The word of a new link.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn link(&self) -> Result<String, String> {
        let word = secret()?;
        let mut links = lock(&self.links);
        links.retain(|_, made| made.elapsed() < LINK);
        while links.len() >= MOST_LINKS {
            let oldest = links.iter().min_by_key(|(_, made)| **made).map(|(key, _)| *key);
            oldest.map(|key| links.remove(&key));
        }
        links.insert(hash(&word), Instant::now());
        Ok(word)
    }

    /// Lets the holder of a link's word in, once; gives the line that sets its cookie.
    pub(crate) fn enter(&self, word: &str) -> Option<String> {
        let made = lock(&self.links).remove(&hash(word))?;
        if made.elapsed() >= LINK {
            return None;
        }
        let (cookie, token) = (secret().ok()?, secret().ok()?);
        let session = Session {
            token,
            until: Instant::now() + self.lasts,
        };
        let mut sessions = lock(&self.sessions);
        sessions.retain(|_, session| session.until > Instant::now());
        while sessions.len() >= MOST_SESSIONS {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.until);
            let oldest = oldest.map(|(key, _)| *key);
            oldest.map(|key| sessions.remove(&key));
        }
        sessions.insert(hash(&cookie), session);
        Some(format!(
            "{}={cookie}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict",
            self.cookie,
            self.lasts.as_secs()
        ))
    }

    /// The session of a request, if it has one.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Option<Session> {
        let key = self.key(headers)?;
        let sessions = lock(&self.sessions);
        sessions
            .get(&key)
            .filter(|session| session.until > Instant::now())
            .cloned()
    }

    /// Ends the session of a request; gives the line that takes its cookie away.
    pub(crate) fn leave(&self, headers: &HeaderMap) -> String {
        if let Some(key) = self.key(headers) {
            lock(&self.sessions).remove(&key);
        }
        format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict", self.cookie)
    }

    fn key(&self, headers: &HeaderMap) -> Option<Hash> {
        let lines = headers
            .get_all(COOKIE)
            .into_iter()
            .filter_map(|line| line.to_str().ok());
        let mut pairs = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == self.cookie)?;
        Some(hash(value))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hash(text: &str) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// Whether both texts are the same, in a time that does not tell where they differ.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    hash(one) == hash(other)
}

fn secret() -> Result<String, String> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| "the system gives no randomness; try again".to_owned())?;
    Ok(hex::encode(bytes))
}

/// The host that a request names, if it is a name of this machine: another one leads here only by a lie of the name service, with which a
/// foreign page would pass for this one.
pub(crate) fn host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(HOST).into_iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return None;
    };
    let host = host.to_str().ok()?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let ip: Option<IpAddr> = inner.unwrap_or(name).parse().ok();
    let here = name.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback());
    here.then_some(host)
}

/// Whether a request that changes something comes from a page of this very host.
pub(crate) fn is_own(headers: &HeaderMap, host: &str) -> bool {
    let site = headers.get(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    let mut origins = headers.get_all(ORIGIN).into_iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) => origin
            .to_str()
            .is_ok_and(|origin| origin == format!("http://{host}")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_link_opens_once_and_its_cookie_until_it_is_given_up() {
        let guard = Guard::new("operator", Duration::from_secs(60), 7480);
        let word = guard.link().unwrap();
        assert!(guard.enter("0").is_none());
        let line = guard.enter(&word).unwrap();
        assert!(line.starts_with("veilsum_operator_7480="), "{line}");
        assert!(
            line.ends_with("; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"),
            "{line}"
        );
        assert!(guard.enter(&word).is_none(), "a second time");
        let cookie = line.split(';').next().unwrap();
        let with = headers(&[("cookie", &format!("other=1; {cookie}"))]);
        let session = guard.session(&with).unwrap();
        assert_eq!(session.token.len(), 64);
        assert!(
            guard
                .session(&headers(&[("cookie", "veilsum_operator_7480=ab")]))
                .is_none()
        );
        assert!(guard.session(&headers(&[])).is_none());
        guard.leave(&with);
        assert!(guard.session(&with).is_none());
    }

    #[test]
    fn a_session_ends_by_itself_and_links_are_few() {
        let guard = Guard::new("operator", Duration::ZERO, 1);
        let first = guard.link().unwrap();
        let line = guard.enter(&first).unwrap();
        let cookie = line.split(';').next().unwrap().to_owned();
        assert!(guard.session(&headers(&[("cookie", &cookie)])).is_none());
        let old = guard.link().unwrap();
        for _ in 0..MOST_LINKS {
            guard.link().unwrap();
        }
        assert!(guard.enter(&old).is_none(), "the oldest made room");
    }

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        for good in [
            "127.0.0.1:7480",
            "localhost",
            "LOCALHOST:1",
            "[::1]:7480",
            "127.0.0.2",
        ] {
            assert_eq!(host(&headers(&[("host", good)])), Some(good));
        }
        for bad in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1:7480",
            "localhost.evil:80",
            "[::2]",
        ] {
            assert_eq!(host(&headers(&[("host", bad)])), None, "{bad}");
        }
        assert_eq!(host(&headers(&[])), None);
        assert_eq!(
            host(&headers(&[("host", "localhost"), ("host", "evil.example")])),
            None
        );
    }

    #[test]
    fn only_a_page_of_the_same_origin_may_change_something() {
        let own = |lines: &[(&'static str, &str)]| is_own(&headers(lines), "localhost:7480");
        assert!(own(&[("origin", "http://localhost:7480")]));
        assert!(own(&[
            ("origin", "http://localhost:7480"),
            ("sec-fetch-site", "same-origin")
        ]));
        for bad in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "http://localhost:7481")],
            &[("origin", "http://127.0.0.1:7480")],
            &[("origin", "https://localhost:7480")],
            &[
                ("origin", "http://localhost:7480"),
                ("sec-fetch-site", "same-site"),
            ],
            &[
                ("origin", "http://localhost:7480"),
                ("origin", "http://evil.example"),
            ],
        ] {
            assert!(!own(bad), "{bad:?}");
        }
    }
}
