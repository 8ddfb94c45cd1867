//! One row a request: the program beside MLServer and FastAPI with PyTorch, each a process of its own with the same network, asked in turns by the same
//! clients. Then a swap of versions under load.
//!
//! `scripts/bench-serving` makes what it needs and runs it: `VEILSUM_BENCH_SERVE`, the address of `veilsum-client serve` and the path of its model;
//! `VEILSUM_BENCH_ROW`, a request of raw columns; `VEILSUM_BENCH_MODEL`, the network as TorchScript; `VEILSUM_BENCH_WIDTH`, numbers of an encoded row;
//! `VEILSUM_BENCH_PYTHON`.

#![allow(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]

mod load;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/serving/toy.rs"]
mod toy;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use load::{asked, measured};
use veilsum_serving::{Callers, Server, Serving, Settings};

const CONNECTIONS: [usize; 3] = [1, 8, 64];
/// Of each server at each number of connections, in turns.
const TURNS: usize = 3;
const TURN: Duration = Duration::from_secs(3);
/// Of the swaps.
const REQUESTS: usize = 100_000;
const SWAPS: u32 = 10;

/// A server of another make, which ends with this value.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Asked {
    name: &'static str,
    address: SocketAddr,
    request: String,
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        match std::env::var("VEILSUM_BENCH_SERVE") {
            Ok(serve) => peers(&serve).await,
            Err(_) => eprintln!("no VEILSUM_BENCH_SERVE: the peers are left out; scripts/bench-serving sets all that is needed"),
        }
        swaps().await;
    });
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run scripts/bench-serving"))
}

fn request(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn start(kind: &str, more: &[&str]) -> (Peer, SocketAddr) {
    // Three ports in a row, for MLServer.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers.py");
    let child = Command::new(variable("VEILSUM_BENCH_PYTHON"))
        .args([script, kind, &variable("VEILSUM_BENCH_MODEL"), &port.to_string()])
        .args(more)
        .env("OMP_NUM_THREADS", "1")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let peer = Peer(child);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let until = Instant::now() + Duration::from_secs(120);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < until, "{kind} did not come up");
        std::thread::sleep(Duration::from_millis(100));
    }
    (peer, address)
}

async fn peers(serve: &str) {
    let (address, path) = serve.split_once(' ').unwrap();
    let width: usize = variable("VEILSUM_BENCH_WIDTH").parse().unwrap();
    let zeros = vec!["0.25"; width].join(",");
    let folder = tempfile::tempdir().unwrap();
    let (_fastapi, of_fastapi) = start("fastapi", &[]);
    let (_mlserver, of_mlserver) = start("mlserver", &[folder.path().to_str().unwrap()]);
    let all = [
        Asked {
            name: "veilsum-client serve",
            address: address.parse().unwrap(),
            request: request(path, &variable("VEILSUM_BENCH_ROW")),
        },
        Asked {
            name: "MLServer",
            address: of_mlserver,
            request: request(
                "/v2/models/mlp/infer",
                &format!(
                    r#"{{"inputs":[{{"name":"inputs","datatype":"FP32","shape":[1,{width}],"data":[{zeros}]}}]}}"#
                ),
            ),
        },
        Asked {
            name: "FastAPI + PyTorch",
            address: of_fastapi,
            request: request("/score", &format!(r#"{{"inputs":[[{zeros}]]}}"#)),
        },
    ];
    for one in &all {
        // The first answers take longest everywhere.
        asked(one.address, one.request.clone(), Duration::from_secs(2)).await;
    }
    println!(
        "| server | connections | requests/s | p50, ms | p99, ms | its rate to ours | its p99 to ours |\n| --- | --- | --- | --- | --- | --- | --- |"
    );
    for connections in CONNECTIONS {
        let mut found: Vec<Vec<(f64, u128, u128)>> = vec![Vec::new(); all.len()];
        for _ in 0..TURNS {
            for (one, found) in all.iter().zip(&mut found) {
                found.push(measured(one.address, &one.request, connections, TURN).await);
            }
        }
        let medians: Vec<_> = found.iter_mut().map(|turns| median(turns)).collect();
        let ours = medians[0];
        for (one, (rate, p50, p99)) in all.iter().zip(medians) {
            #[allow(clippy::cast_precision_loss, reason = "microseconds")]
            let (p50, p99, ours_p99) = (p50 as f64 / 1e3, p99 as f64 / 1e3, ours.2 as f64 / 1e3);
            println!(
                "| {} | {connections} | {rate:.0} | {p50:.2} | {p99:.2} | {:.3} | {:.1} |",
                one.name,
                rate / ours.0,
                p99 / ours_p99
            );
        }
    }
}

/// By the rate.
fn median(turns: &mut [(f64, u128, u128)]) -> (f64, u128, u128) {
    turns.sort_by(|a, b| a.0.total_cmp(&b.0));
    turns[turns.len() / 2]
}

/// Each answer must be good: a client stops at the first that is not, and so does the benchmark.
async fn swaps() {
    let settings = Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..Settings::default()
    };
    let serving = Serving::new(settings, Callers::new(None, None), None).unwrap();
    let registry = serving.registry();
    registry
        .publish(Arc::new(toy::Linear::version("0", 1.0)))
        .unwrap();
    let server = Server::bind(&serving, None).unwrap();
    let address = server.rest_addr().unwrap();
    serving.take(true);
    tokio::spawn(server.serve(std::future::pending()));
    let request = request("/v2/models/credit/infer", &toy::one_row().to_string());
    let (mut answered, mut swapped) = (0, 0);
    while answered < REQUESTS || swapped < SWAPS {
        let clients: Vec<_> = (0..16)
            .map(|_| tokio::spawn(asked(address, request.clone(), Duration::from_millis(400))))
            .collect();
        tokio::time::sleep(Duration::from_millis(200)).await;
        if swapped < SWAPS {
            swapped += 1;
            let version = toy::Linear::version(&swapped.to_string(), f64::from(swapped));
            registry.publish(Arc::new(version)).unwrap();
        }
        for client in clients {
            answered += client.await.unwrap().0.len();
        }
    }
    println!(
        "\n{answered} requests by 16 connections, {swapped} swaps under them: every one was answered with its score."
    );
}
