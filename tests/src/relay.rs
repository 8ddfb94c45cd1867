//! A network between a bank and the coordinator that does what real ones do: delay, throttle, lose, drop and cut. With feature `relay`,
//! so that the protocol's tests need no network.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// What becomes of one protocol.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// It passes, this late.
    Pass {
        /// In each direction.
        delay: Duration,
    },
    /// It vanishes without a word.
    Vanish,
    /// The machine says that nobody listens.
    Refuse,
}

/// It passes at once.
pub const PASS: Fate = Fate::Pass {
    delay: Duration::ZERO,
};

/// How the network is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// What becomes of UDP.
    pub udp: Fate,
    /// What becomes of TCP.
    pub tcp: Fate,
    /// Bytes per second in each direction; 0 is as many as come.
    pub rate: u64,
    /// Of 100 datagrams so many are lost.
    pub loss: u64,
}

/// A network that nobody notices.
pub const FAIR: Weather = Weather {
    udp: PASS,
    tcp: PASS,
    rate: 0,
    loss: 0,
};

/// A datagram that would wait longer is dropped, as by a router's queue.
const QUEUE: Duration = Duration::from_millis(400);

/// The network. Dropping it ends every connection that goes through it.
#[derive(Debug)]
pub struct Relay {
    /// Where banks find it.
    pub address: SocketAddr,
    /// TCP connections that were made through it.
    pub tcp_connections: Arc<AtomicU64>,
    /// TCP bytes on their way to the coordinator.
    pub tcp_upward: watch::Receiver<u64>,
    /// Bytes of both protocols that came from banks and from the coordinator, without the headers of IP, UDP and TCP.
    pub carried: Arc<Carried>,
    cut: watch::Sender<u64>,
    tasks: Vec<JoinHandle<()>>,
}

/// Bytes that a relay has carried.
#[derive(Debug, Default)]
pub struct Carried {
    /// From banks to the coordinator.
    pub up: AtomicU64,
    /// From the coordinator to banks.
    pub down: AtomicU64,
}

impl Drop for Relay {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// When bytes that come now go out, at a rate.
struct Clock {
    rate: u64,
    free: Instant,
}

impl Clock {
    fn new(rate: u64) -> Self {
        Self {
            rate,
            free: Instant::now(),
        }
    }

    fn take(&mut self, bytes: usize) -> Instant {
        let now = Instant::now();
        self.free = self.free.max(now);
        if self.rate > 0 {
            self.free += Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        }
        self.free
    }
}

impl Relay {
    /// Between banks and `coordinator`, at some port of loopback.
    pub async fn start(coordinator: SocketAddr, weather: Weather) -> Self {
        // The same port for both, as at the coordinator.
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (tcp, udp);
            }
        };
        Self::between(tcp, udp, coordinator, weather)
    }

    /// At sockets that are bound to the same port.
    pub fn between(tcp: TcpListener, udp: UdpSocket, coordinator: SocketAddr, weather: Weather) -> Self {
        let address = tcp.local_addr().unwrap();
        let tcp_connections = Arc::new(AtomicU64::new(0));
        let (upward, tcp_upward) = watch::channel(0);
        let (cut, cuts) = watch::channel(0);
        let carried = Arc::<Carried>::default();
        let mut tasks = Vec::new();
        match weather.tcp {
            Fate::Refuse => drop(tcp),
            Fate::Vanish => tasks.push(tokio::spawn(async move {
                let mut taken = Vec::new();
                while let Ok(connection) = tcp.accept().await {
                    taken.push(connection);
                }
            })),
            Fate::Pass { delay } => {
                let count = Arc::clone(&tcp_connections);
                let (upward, carried) = (Arc::new(upward), Arc::clone(&carried));
                tasks.push(tokio::spawn(async move {
                    let mut connections = JoinSet::new();
                    while let Ok((bank, _)) = tcp.accept().await {
                        count.fetch_add(1, Ordering::Relaxed);
                        let (mut cuts, upward) = (cuts.clone(), Arc::clone(&upward));
                        let carried = Arc::clone(&carried);
                        cuts.mark_unchanged();
                        connections.spawn(async move {
                            let there = TcpStream::connect(coordinator).await.unwrap();
                            let ((from_bank, to_bank), (from_there, to_there)) =
                                (bank.into_split(), there.into_split());
                            tokio::select! {
                                _ = cuts.changed() => {}
                                _ = async { tokio::join!(
                                    pass(from_bank, to_there, weather.rate, delay, |bytes| {
                                        carried.up.fetch_add(bytes, Ordering::Relaxed);
                                        upward.send_modify(|all| *all += bytes);
                                    }),
                                    pass(from_there, to_bank, weather.rate, delay, |bytes| {
                                        carried.down.fetch_add(bytes, Ordering::Relaxed);
                                    }),
                                ) } => {}
                            }
                        });
                    }
                }));
            }
        }
        match weather.udp {
            Fate::Refuse => drop(udp),
            Fate::Vanish => tasks.push(tokio::spawn(async move {
                let mut scrap = [0; 2048];
                while udp.recv_from(&mut scrap).await.is_ok() {}
            })),
            Fate::Pass { delay } => {
                tasks.push(tokio::spawn(datagrams(
                    udp,
                    coordinator,
                    weather,
                    delay,
                    Arc::clone(&carried),
                )));
            }
        }
        Self {
            address,
            tcp_connections,
            tcp_upward,
            carried,
            cut,
            tasks,
        }
    }

    /// Cuts every TCP connection that stands.
    pub fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    rate: u64,
    delay: Duration,
    count: impl Fn(u64),
) {
    let (late, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let read = async move {
        let mut clock = Clock::new(rate);
        let mut part = vec![0; 4096];
        while let Ok(length @ 1..) = from.read(&mut part).await {
            let out = clock.take(length);
            sleep_until(out).await;
            count(length as u64);
            if late.send((out + delay, part[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((when, bytes)) = due.recv().await {
            sleep_until(when).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

/// One datagram later, unless it is lost.
struct Post {
    clock: Clock,
    loss: u64,
    dice: u64,
    delay: Duration,
}

impl Post {
    /// When it arrives.
    fn arrival(&mut self, length: usize) -> Option<Instant> {
        // Knuth's MMIX generator: the same losses in every run.
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let lost = (self.dice >> 33) % 100 < self.loss;
        let full = self.clock.free > Instant::now() + QUEUE;
        (!lost && !full).then(|| self.clock.take(length) + self.delay)
    }
}

async fn datagrams(
    udp: UdpSocket,
    coordinator: SocketAddr,
    weather: Weather,
    delay: Duration,
    carried: Arc<Carried>,
) {
    let udp = Arc::new(udp);
    let post = |dice| Post {
        clock: Clock::new(weather.rate),
        loss: weather.loss,
        dice,
        delay,
    };
    let (mut up, down) = (post(1), Arc::new(tokio::sync::Mutex::new(post(2))));
    let mut ways: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut work = JoinSet::new();
    let mut datagram = vec![0; 1 << 16];
    while let Ok((length, bank)) = udp.recv_from(&mut datagram).await {
        carried.up.fetch_add(length as u64, Ordering::Relaxed);
        let there = match ways.get(&bank) {
            Some(there) => Arc::clone(there),
            None => {
                let there = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
                there.connect(coordinator).await.unwrap();
                ways.insert(bank, Arc::clone(&there));
                let (udp, back, down) = (Arc::clone(&udp), Arc::clone(&there), Arc::clone(&down));
                let carried = Arc::clone(&carried);
                work.spawn(async move {
                    let mut replies = JoinSet::new();
                    let mut datagram = vec![0; 1 << 16];
                    while let Ok(length) = back.recv(&mut datagram).await {
                        carried.down.fetch_add(length as u64, Ordering::Relaxed);
                        let Some(when) = down.lock().await.arrival(length) else {
                            continue;
                        };
                        let (udp, bytes) = (Arc::clone(&udp), datagram[..length].to_vec());
                        replies.spawn(async move {
                            sleep_until(when).await;
                            let _ = udp.send_to(&bytes, bank).await;
                        });
                        while replies.try_join_next().is_some() {}
                    }
                });
                there
            }
        };
        let Some(when) = up.arrival(length) else { continue };
        let bytes = datagram[..length].to_vec();
        work.spawn(async move {
            sleep_until(when).await;
            let _ = there.send(&bytes).await;
        });
        while work.try_join_next().is_some() {}
    }
}
