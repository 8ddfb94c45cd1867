//! A web server on the loopback that serves a folder, with TLS or without, and misbehaves as it is told.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What is wrong with the answers for one path.
#[derive(Clone)]
pub(crate) enum Fault {
    /// The connection breaks after so many bytes of the body.
    CutAfter(usize),
    /// The body is another one.
    Body(Vec<u8>),
    /// The status is another one.
    Status(u16),
    /// Part of the file is asked for, and all of it comes.
    WholeFile,
    /// The head of the answer comes, and then nothing until the reader goes away.
    Silence,
}

struct State {
    folder: PathBuf,
    /// By path: the fault and how many more answers have it.
    faults: Mutex<BTreeMap<String, (Fault, usize)>>,
    /// Paths that were asked for, with the range if there was one.
    asked: Mutex<Vec<String>>,
    /// Something was asked for.
    asking: Condvar,
    stopped: AtomicBool,
    tls: Option<Arc<ServerConfig>>,
}

pub(crate) struct Server {
    port: u16,
    state: Arc<State>,
    listener: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(folder: &Path, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            folder: folder.to_owned(),
            faults: Mutex::default(),
            asked: Mutex::default(),
            asking: Condvar::new(),
            stopped: AtomicBool::new(false),
            tls,
        });
        let shared = Arc::clone(&state);
        let listener = thread::spawn(move || {
            for connection in listener.incoming() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (state, connection) = (Arc::clone(&shared), connection.unwrap());
                // Readers that go away break the pipe; that is theirs to judge.
                thread::spawn(move || drop(state.connection(connection)));
            }
        });
        Self {
            port,
            state,
            listener: Some(listener),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.state.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}/{path}", self.port)
    }

    /// The next `times` answers for this path are wrong.
    pub(crate) fn spoil(&self, path: &str, fault: Fault, times: usize) {
        let mut faults = self.state.faults.lock().unwrap();
        faults.insert(path.to_owned(), (fault, times));
    }

    /// Waits until somebody asks for this path.
    pub(crate) fn wait_for(&self, path: &str) {
        let asked = self.state.asked.lock().unwrap();
        let not_yet = |asked: &mut Vec<String>| !asked.iter().any(|asked| asked == path);
        let patience = Duration::from_secs(60);
        let (asked, waited) = self
            .state
            .asking
            .wait_timeout_while(asked, patience, not_yet)
            .unwrap();
        assert!(!waited.timed_out(), "nobody asked for {path}, but for {asked:?}");
    }

    /// What was asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.asked.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(listener) = self.listener.take() {
            listener.join().unwrap();
        }
    }
}

impl State {
    fn connection(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        match &self.tls {
            None => self.serve(stream),
            Some(config) => {
                let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                self.serve(StreamOwned::new(connection, stream))
            }
        }
    }

    /// One answer after the other, until the reader has enough or an answer breaks.
    fn serve(&self, mut stream: impl Read + Write) -> io::Result<()> {
        let mut received = Vec::new();
        loop {
            let (path, range, length) = loop {
                let mut headers = [httparse::EMPTY_HEADER; 32];
                let mut request = httparse::Request::new(&mut headers);
                if let httparse::Status::Complete(length) =
                    request.parse(&received).map_err(io::Error::other)?
                {
                    let range = request
                        .headers
                        .iter()
                        .find(|header| header.name.eq_ignore_ascii_case("range"))
                        .map(|header| String::from_utf8_lossy(header.value).into_owned());
                    break (
                        request
                            .path
                            .unwrap_or_default()
                            .trim_start_matches('/')
                            .to_owned(),
                        range,
                        length,
                    );
                }
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer)?;
                if read == 0 {
                    return Ok(());
                }
                received.extend_from_slice(&buffer[..read]);
            };
            received.drain(..length);
            if !self.answer(&mut stream, &path, range.as_deref())? {
                return Ok(());
            }
        }
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let (fault, times) = faults.get_mut(path)?;
        *times = times.checked_sub(1)?;
        Some(fault.clone())
    }

    /// Whether the connection goes on.
    fn answer(&self, stream: &mut (impl Read + Write), path: &str, range: Option<&str>) -> io::Result<bool> {
        let told = range.map_or(path.to_owned(), |range| format!("{path} {range}"));
        self.asked.lock().unwrap().push(told);
        self.asking.notify_all();
        let fault = self.fault(path);
        let silent = matches!(fault, Some(Fault::Silence));
        let (mut status, mut body, mut extra, mut cut) = (200, Vec::new(), String::new(), None);
        match fs::read(self.folder.join(path)) {
            Ok(contents) => body = contents,
            Err(_) => status = 404,
        }
        let from = range
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
            .filter(|_| status == 200 && !matches!(fault, Some(Fault::WholeFile | Fault::Body(_))));
        if let Some(from) = from {
            if from < body.len() {
                extra = format!(
                    "Content-Range: bytes {from}-{}/{}\r\n",
                    body.len() - 1,
                    body.len()
                );
                (status, body) = (206, body[from..].to_vec());
            } else {
                (status, body) = (416, Vec::new());
            }
        }
        match fault {
            Some(Fault::CutAfter(bytes)) => cut = Some(bytes),
            Some(Fault::Body(other)) => body = other,
            Some(Fault::Status(other)) => (status, body) = (other, b"no".to_vec()),
            Some(Fault::Silence) => cut = Some(0),
            Some(Fault::WholeFile) | None => {}
        }
        let head = format!(
            "HTTP/1.1 {status} Answer\r\nContent-Length: {}\r\n{extra}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body[..cut.unwrap_or(body.len()).min(body.len())])?;
        stream.flush()?;
        if silent {
            // Nothing more is asked for, so this ends with the connection.
            let _ = stream.read(&mut [0])?;
        }
        Ok(cut.is_none())
    }
}
