//! A tap in the bank's line: it ends the bank's TLS with the coordinator's key and the coordinator's with the bank's, and keeps what it
//! passes on. So it sees all that leaves the bank, as the coordinator does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use veilsum_tests::peer::Call;

/// What one connection carried to the coordinator, with the records around it.
pub type Conversation = Arc<Mutex<Vec<u8>>>;

pub struct Tap {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<Conversation>>>,
}

impl Tap {
    /// Listens for the bank that `call` calls as. Must be called within a runtime.
    pub fn listen(server: rustls::ServerConfig, call: Call) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let heard = Arc::<Mutex<Vec<Conversation>>>::default();
        let tap = Self {
            address: listener.local_addr().unwrap(),
            heard: Arc::clone(&heard),
        };
        let acceptor = TlsAcceptor::from(Arc::new(server));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let conversation = Conversation::default();
                heard.lock().unwrap().push(Arc::clone(&conversation));
                tokio::spawn(pass_on(stream, acceptor.clone(), call.clone(), conversation));
            }
        });
        tap
    }

    /// What every connection carried so far, in the order in which they came.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|it| it.lock().unwrap().clone()).collect()
    }
}

async fn pass_on(stream: TcpStream, acceptor: TlsAcceptor, call: Call, conversation: Conversation) {
    // Either side may be killed in the middle of it.
    let (Ok(bank), Ok(coordinator)) = tokio::join!(acceptor.accept(stream), call.tls()) else {
        return;
    };
    let (mut from_bank, mut to_bank) = split(bank);
    let (mut from_coordinator, mut to_coordinator) = split(coordinator);
    tokio::select! {
        () = copy(&mut from_bank, &mut to_coordinator, |bytes| conversation.lock().unwrap().extend(bytes)) => {}
        () = copy(&mut from_coordinator, &mut to_bank, |_| ()) => {}
    }
    let _ = tokio::join!(to_bank.shutdown(), to_coordinator.shutdown());
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut keep: impl FnMut(&[u8]),
) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        keep(&bytes[..count]);
        if to.write_all(&bytes[..count]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// The stream inside the records of a connection (`link/src/record.rs`): the content of those that are data.
pub fn stream_in(mut records: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    while let Some(([kind, length @ ..], rest)) = records.split_first_chunk::<4>() {
        let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        // The last may have been cut off.
        let Some((content, rest)) = rest.split_at_checked(length) else {
            break;
        };
        if *kind == 0 {
            stream.extend_from_slice(content);
        }
        records = rest;
    }
    stream
}
