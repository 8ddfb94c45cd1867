//! Requests of one row over connections that stay, beside what the transport alone allows: the same hyper, the same runtime and the same clients, but
//! each request answered with a fixed body as long as the model's.
//!
//! `cargo bench -p veilsum-serving --bench one_row [-- SECONDS]`

#![allow(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]

mod load;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/serving/toy.rs"]
mod toy;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use load::{asked, measured};
use tokio::net::TcpListener;
use veilsum_serving::{Callers, Server, Serving, Settings};

const CONNECTIONS: [usize; 3] = [1, 8, 64];

fn main() {
    // cargo gives `--bench` along.
    let seconds = std::env::args()
        .filter_map(|word| word.parse::<f64>().ok())
        .next()
        .unwrap_or(3.0);
    let length = Duration::from_secs_f64(seconds);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let body = toy::one_row().to_string();
        let request = format!(
            "POST /v2/models/credit/infer HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let served = serve();
        let answer = asked(served, request.clone(), Duration::ZERO).await.1;
        let limit = fixed(answer).await;
        println!("{:<28}{:>12}{:>12}{:>12}{:>12}", "one row a request", "connections", "requests/s", "p50 us", "p99 us");
        for connections in CONNECTIONS {
            for (name, address) in [("fixed body", limit), ("model", served)] {
                let (rate, p50, p99) = measured(address, &request, connections, length).await;
                println!("{name:<28}{connections:>12}{rate:>12.0}{p50:>12}{p99:>12}");
            }
        }
    });
}

fn serve() -> SocketAddr {
    let settings = Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..Settings::default()
    };
    let serving = Serving::new(settings, Callers::new(None, None), None).unwrap();
    serving
        .registry()
        .publish(Arc::new(toy::Linear::version("1", 1.0)))
        .unwrap();
    let server = Server::bind(&serving, None).unwrap();
    let address = server.rest_addr().unwrap();
    serving.take(true);
    tokio::spawn(server.serve(std::future::pending()));
    address
}

/// A server that reads each request to its end, and answers with the same bytes.
async fn fixed(body: Bytes) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let body = body.clone();
            tokio::spawn(async move {
                let service = service_fn(|request: Request<Incoming>| {
                    let body = body.clone();
                    async move {
                        request.into_body().collect().await.unwrap();
                        Ok::<_, Infallible>(Response::new(Full::new(body)))
                    }
                });
                let http = hyper::server::conn::http1::Builder::new();
                // A client that has what it wants hangs up.
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}
