//! A server on loopback, and requests written byte by byte.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use veilsum_serving::{Callers, DecisionLog, Model, Server, Serving, Settings, Tls};

/// Longer than anything takes that does not hang.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Running {
    pub(crate) serving: Serving,
    pub(crate) rest: SocketAddr,
    pub(crate) grpc: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

pub(crate) fn settings() -> Settings {
    Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        grpc_listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ..Settings::default()
    }
}

impl Running {
    /// Must be called within a runtime.
    pub(crate) fn start(
        settings: Settings,
        callers: Callers,
        decisions: Option<DecisionLog>,
        tls: Option<Tls>,
    ) -> Self {
        let serving = Serving::new(settings, callers, decisions).expect("good settings");
        let server = Server::bind(&serving, tls).expect("addresses of loopback");
        let (rest, grpc) = (server.rest_addr().unwrap(), server.grpc_addr().unwrap().unwrap());
        let (stop, stopped) = oneshot::channel();
        serving.take(true);
        let task = tokio::spawn(server.serve(async {
            let _ = stopped.await;
        }));
        Self {
            serving,
            rest,
            grpc,
            stop: Some(stop),
            task,
        }
    }

    pub(crate) fn open(models: Vec<Arc<dyn Model>>) -> Self {
        Self::with(settings(), models)
    }

    pub(crate) fn with(settings: Settings, models: Vec<Arc<dyn Model>>) -> Self {
        let running = Self::start(settings, Callers::new(None, None), None, None);
        for model in models {
            running.serving.registry().publish(model).expect("a good card");
        }
        running
    }

    pub(crate) async fn infer(&self, body: &Value) -> Answer {
        self.post("/v2/models/credit/infer", &[], body.to_string().as_bytes())
            .await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.ask("POST", path, &all, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"").await
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let stream = TcpStream::connect(self.rest).await.expect("a server");
        ask(stream, method, path, headers, body).await
    }

    pub(crate) fn stop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
    }

    pub(crate) async fn end(mut self) {
        self.stop();
        timeout(DEADLINE, self.task)
            .await
            .expect("it ends")
            .unwrap()
            .unwrap();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The error of an answer that must have this status.
    #[track_caller]
    pub(crate) fn refusal(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()["error"].as_str().expect("an error").to_owned()
    }

    /// The scores of an answer that must be good.
    #[track_caller]
    pub(crate) fn scores(&self) -> Vec<f64> {
        assert_eq!(self.status, 200, "{}", self.text());
        let json = self.json();
        let data = json["outputs"][0]["data"].as_array().expect("scores").clone();
        data.iter().map(|score| score.as_f64().unwrap()).collect()
    }
}

pub(crate) async fn ask<S>(
    stream: S,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head += "host: localhost\r\n";
    }
    if method == "POST"
        && !headers
            .iter()
            .any(|(name, _)| ["content-length", "no-length"].contains(name))
    {
        head += &format!("content-length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    timeout(DEADLINE, exchange(stream, &bytes))
        .await
        .expect("an answer in time")
}

pub(crate) async fn exchange<S>(mut stream: S, bytes: &[u8]) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(bytes).await.expect("a request can be sent");
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .await
        .expect("an answer can be read");
    parsed(&answer)
}

pub(crate) fn parsed(answer: &[u8]) -> Answer {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(answer)));
    let head = std::str::from_utf8(&answer[..end]).expect("a head in ASCII");
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok());
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").expect("a header");
        (name.to_ascii_lowercase(), value.to_owned())
    };
    Answer {
        status: status.expect("a status"),
        headers: lines.map(header).collect(),
        body: answer[end + 4..].to_vec(),
    }
}

/// Answers over one connection that stays, each by its own length.
pub(crate) async fn next(stream: &mut TcpStream, request: &[u8]) -> Answer {
    stream.write_all(request).await.unwrap();
    let mut bytes = Vec::new();
    loop {
        assert!(
            stream.read_buf(&mut bytes).await.unwrap() > 0,
            "the server hung up"
        );
        if !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            continue;
        }
        let answer = parsed(&bytes);
        let length: usize = answer.header("content-length").unwrap().parse().unwrap();
        if answer.body.len() == length {
            return answer;
        }
    }
}

/// Waits until something is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let wait = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, wait)
        .await
        .unwrap_or_else(|_| panic!("{what} did not come in time"));
}

/// The value of a line of the metrics that begins so.
pub(crate) async fn metric(running: &Running, begin: &str) -> Option<f64> {
    let text = running.get("/metrics").await.text();
    let line = text.lines().find(|line| line.starts_with(begin))?;
    line.rsplit(' ').next()?.parse().ok()
}
