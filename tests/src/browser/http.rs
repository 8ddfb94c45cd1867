//! One request over a connection of its own, written by hand.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The code.
    pub status: u16,
    /// By their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// The rest; of a stream of events, what came with the head.
    pub body: String,
}

/// Asks. Lines of `headers` replace those that are there by default.
pub fn request(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut lines: BTreeMap<&str, String> = BTreeMap::from([
        ("host", format!("127.0.0.1:{port}")),
        ("connection", "close".to_owned()),
    ]);
    if method == "POST" {
        lines.insert("content-length", body.len().to_string());
        lines.insert("content-type", "application/x-www-form-urlencoded".to_owned());
    }
    for (name, value) in headers {
        lines.insert(name, (*value).to_owned());
    }
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    if method == "POST" {
        text.push_str(body);
    }
    stream.write_all(text.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // A stream of events has no end: its head is enough.
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part).unwrap();
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes);
        if read == 0 || (text.contains("text/event-stream") && text.contains("\r\n\r\n")) {
            break;
        }
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    Answer {
        status,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

/// Follows a link and gives the cookie.
pub fn enter(port: u16, link: &str) -> String {
    let path = link.split_once(&format!(":{port}")).unwrap().1;
    let answer = request(port, "GET", path, &[], "");
    assert_eq!((answer.status, answer.headers["location"].as_str()), (303, "/"));
    answer.headers["set-cookie"].split(';').next().unwrap().to_owned()
}

/// The word that the forms of a page carry.
pub fn token(page: &str) -> String {
    let after = page.split_once("name=\"token\" value=\"").unwrap().1;
    after.split_once('"').unwrap().0.to_owned()
}
