//! Clients that ask as fast as they are answered, over connections that stay.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How many answers a second, and how long half of them and 99 of 100 took at most, in microseconds.
pub(crate) async fn measured(
    address: SocketAddr,
    request: &str,
    connections: usize,
    length: Duration,
) -> (f64, u128, u128) {
    let began = Instant::now();
    let clients: Vec<_> = (0..connections)
        .map(|_| tokio::spawn(asked(address, request.to_owned(), length)))
        .collect();
    let mut times = Vec::new();
    for client in clients {
        times.append(&mut client.await.unwrap().0);
    }
    let passed = began.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_micros();
    #[allow(clippy::cast_precision_loss, reason = "a count of requests")]
    let rate = times.len() as f64 / passed;
    (rate, at(50), at(99))
}

/// How long each answer took on one connection, and the body of the last.
pub(crate) async fn asked(address: SocketAddr, request: String, length: Duration) -> (Vec<Duration>, Bytes) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (began, mut times, mut answer) = (Instant::now(), Vec::new(), Vec::new());
    loop {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        answer.clear();
        let body = loop {
            assert!(
                stream.read_buf(&mut answer).await.unwrap() > 0,
                "the server hung up"
            );
            if let Some(body) = whole(&answer) {
                break body;
            }
        };
        times.push(sent.elapsed());
        if began.elapsed() >= length {
            return (times, Bytes::copy_from_slice(&answer[body..]));
        }
    }
}

/// Where the body of a good answer begins that has come as a whole.
fn whole(answer: &[u8]) -> Option<usize> {
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..body]).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(answer)
    );
    let length = head
        .split("content-length: ")
        .nth(1)?
        .split("\r\n")
        .next()?
        .parse::<usize>()
        .unwrap();
    (answer.len() - body == length).then_some(body)
}
