//! What needs no certificate: connections that do not get as far as a handshake, or take their time over it.

use std::net::{SocketAddr, UdpSocket as StdUdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::Endpoint;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::ClientConnection;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::interval;
use veilsum_tests::peer::{Call, soon};

use crate::scene::Hits;

/// Between two bytes of somebody who takes his time.
const DRIP: Duration = Duration::from_millis(20);

/// Connections by TCP that never say a word, more at once than there are places. A hit is one that the coordinator ended.
pub async fn half_open(address: SocketAddr, at_once: usize, hits: Hits) {
    let mut mute = JoinSet::new();
    loop {
        while mute.len() < at_once {
            let hits = hits.clone();
            mute.spawn(async move {
                if let Ok(mut stream) = TcpStream::connect(address).await {
                    let _ = soon(stream.read(&mut [0; 64])).await;
                    hits.hit();
                }
            });
        }
        mute.join_next().await.unwrap().unwrap();
    }
}

/// A greeting of TLS, one byte at a time, on as many connections as there are places. A hit is one that was cut off before its end.
pub async fn slow_greetings(call: Call, at_once: usize, hits: Hits) {
    let greeting = Arc::new(greeting(&call));
    let mut slow = JoinSet::new();
    loop {
        while slow.len() < at_once {
            slow.spawn(drip(call.address, Arc::clone(&greeting), hits.clone()));
        }
        slow.join_next().await.unwrap().unwrap();
    }
}

async fn drip(address: SocketAddr, greeting: Arc<Vec<u8>>, hits: Hits) {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return;
    };
    let mut pace = interval(DRIP);
    for byte in greeting.iter() {
        let mut heard = [0; 1];
        tokio::select! {
            _ = pace.tick() => {}
            _ = stream.read(&mut heard) => return hits.hit(),
        }
        if stream.write_all(&[*byte]).await.is_err() {
            return hits.hit();
        }
    }
    panic!(
        "the coordinator waited for a greeting of {} bytes",
        greeting.len()
    );
}

/// The first bytes of a handshake by TCP.
fn greeting(call: &Call) -> Vec<u8> {
    let name = ServerName::try_from(call.server_name.clone()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(call.tls.clone()), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// Datagrams of random bytes and of every length, and first packets of QUIC: whole ones that nothing follows, some that are cut, and some
/// with a byte that is changed; each from a port of its own. A hit is a datagram that was sent.
pub async fn datagrams(call: Call, hits: Hits) {
    let initial = initial(&call).await;
    let random = SystemRandom::new();
    let mut number = 0;
    loop {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for _ in 0..50 {
            number += 1;
            let mut datagram = initial.clone();
            match number % 4 {
                0 => {
                    datagram.truncate(number % 1400);
                    random.fill(&mut datagram).unwrap();
                }
                1 => datagram.truncate(number % initial.len()),
                2 => datagram[number % initial.len()] ^= 1 << (number % 8),
                _ => {}
            }
            let _ = socket.send_to(&datagram, call.address).await;
            hits.hit();
        }
        tokio::task::yield_now().await;
    }
}

/// The first datagram of a handshake by QUIC, sent to nobody.
async fn initial(call: &Call) -> Vec<u8> {
    let nobody = StdUdpSocket::bind("127.0.0.1:0").unwrap();
    nobody.set_nonblocking(true).unwrap();
    let nobody = UdpSocket::from_std(nobody).unwrap();
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(call.tls.clone()).unwrap();
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let connecting = endpoint.connect_with(
        quinn::ClientConfig::new(Arc::new(crypto)),
        nobody.local_addr().unwrap(),
        &call.server_name,
    );
    let mut datagram = vec![0; 2048];
    let length = soon(nobody.recv(&mut datagram)).await.unwrap();
    drop(connecting);
    datagram.truncate(length);
    datagram
}
