//! The way to the coordinator, step by step: name, proxy, TCP, TLS, clock, UDP. Each step that fails is named by its own cause.

use std::net::SocketAddr;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use veilsum_admission::{Look, look};
use veilsum_preflight::{Place, Report, Whose, Wrong};
use veilsum_protocol::ids::{Digest, Timestamp};

use super::dial::{self, NoTcp, Udp};
use super::{openings, proxy, tell};
use crate::config::{Link, LinkTransport};
use crate::transport::Proxy;

/// Where the coordinator is, and how it is known.
pub(super) struct Destination<'a> {
    /// `host:port`.
    pub(super) address: String,
    /// The name that its certificate must carry.
    pub(super) server_name: String,
    /// SHA-256 of the authority's certificate, if it is known.
    pub(super) authority: Option<Digest>,
    /// The certificate itself, where it is here.
    pub(super) ca: Option<CertificateDer<'static>>,
    /// The file or option that says so.
    pub(super) named_in: &'static str,
    /// Whether the bank still has to enrol, which goes by TCP alone.
    pub(super) enrols: bool,
    pub(super) limits: &'a Link,
    pub(super) proxy: Option<Proxy>,
}

/// What the rest of the report goes by.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Seconds by which this machine's clock is ahead of the coordinator's, where that was told.
    pub(super) clock_ahead_s: Option<i64>,
    /// Whether a daemon would find a way, and the coordinator at its end.
    pub(super) stands: bool,
}

/// What came of TCP.
pub(super) enum Tcp {
    Open(TcpStream),
    Failed(NoTcp, Vec<(SocketAddr, NoTcp)>),
    /// The proxy is told by a finding of its own.
    NoProxy,
}

/// Looks at the whole way, and puts what firewalls must let out into the report.
pub(super) fn look_at(report: &mut Report, there: &Destination<'_>, now: &dyn Fn() -> Timestamp) -> Seen {
    let Some(mut place) = Place::of(&there.address) else {
        let wrong = Wrong::new(
            "address",
            format!("{:?} is no host:port", there.address),
            format!("correct the address in {}", there.named_in),
        );
        report.fail("dns", Whose::Ours, wrong);
        return Seen::default();
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            report.fail("network", Whose::Ours, Wrong::told("system", error));
            return Seen::default();
        }
    };
    let seen = runtime.block_on(steps(report, there, &mut place, now));
    runtime.shutdown_timeout(Duration::from_millis(500));
    seen
}

async fn steps(
    report: &mut Report,
    there: &Destination<'_>,
    place: &mut Place,
    now: &dyn Fn() -> Timestamp,
) -> Seen {
    let most = Duration::from_secs(there.limits.connect_s.into());
    let addresses = match &there.proxy {
        Some(proxy) => {
            report.ok(
                "dns",
                format!(
                    "not needed here: the proxy {} resolves {}",
                    proxy.address, place.host
                ),
            );
            Vec::new()
        }
        None => match names(report, there, place, most).await {
            Some(addresses) => addresses,
            None => {
                report.firewall = Some(openings::of(place, None));
                for what in ["tcp", "tls", "clock", "udp"] {
                    report.skip(what, "the coordinator's name has no address");
                }
                return Seen::default();
            }
        },
    };
    let mut proxy_place = there.proxy.as_ref().and_then(|proxy| Place::of(&proxy.address));
    let tcp = match &there.proxy {
        Some(proxy) => proxy::through(report, there, proxy, &mut proxy_place, most).await,
        None => {
            report.looking("tcp", &there.address, Some(most));
            match dial::tcp(&addresses, most).await {
                Ok((stream, _)) => Tcp::Open(stream),
                Err(failed) => Tcp::Failed(dial::most_telling(&failed), failed),
            }
        }
    };
    report.firewall = Some(openings::of(place, proxy_place.as_ref()));
    let (looked, tcp_failed) = match tcp {
        Tcp::Open(stream) => (who(report, there, stream, most), None),
        Tcp::Failed(why, each) => (None, Some((why, each))),
        Tcp::NoProxy => (None, None),
    };
    // When the coordinator has just told its time.
    let now = now();
    let shown = looked.as_ref().and_then(|look| look.authority.clone());
    let authority = there.ca.clone().or(shown);
    let is_it = looked.as_ref().is_some_and(|look| look.time.is_ok());
    let udp = if wants_udp(there) {
        report.looking("udp", &format!("QUIC to {}", there.address), Some(most));
        let udp = dial::udp(&addresses, &there.server_name, authority.as_ref(), most).await;
        // Where no authority is known, every one is another.
        Some(match udp {
            Udp::Foreign(_) if authority.is_none() => Udp::Answers,
            told => told,
        })
    } else {
        None
    };
    // Enrolment goes by TCP alone; a daemon goes by QUIC.
    let udp_carries = matches!(udp, Some(Udp::Answers)) && !there.enrols;
    if there.proxy.is_none() {
        tell::tcp(report, there, tcp_failed.as_ref(), udp_carries);
    }
    let mut seen = Seen::default();
    let mut identity = false;
    match &looked {
        Some(look) => identity = tell::tls(report, there, look, now, udp_carries, &mut seen),
        None => {
            // Otherwise it is told already what is in the way.
            if tcp_failed.is_some() || there.proxy.is_some() {
                report.skip("tls", "TCP does not get there");
            }
            report.skip("clock", "nobody told the time");
        }
    }
    tell::udp(report, there, udp.as_ref(), is_it);
    seen.stands = udp_carries || (identity && there.limits.transport != LinkTransport::Quic);
    seen
}

fn wants_udp(there: &Destination<'_>) -> bool {
    there.proxy.is_none() && there.limits.transport != LinkTransport::Tcp
}

async fn names(
    report: &mut Report,
    there: &Destination<'_>,
    place: &mut Place,
    most: Duration,
) -> Option<Vec<SocketAddr>> {
    report.looking("dns", &place.host, Some(most));
    match dial::resolve(&there.address, most).await {
        Ok(addresses) => {
            place.addresses = addresses.iter().map(|found| found.ip().to_string()).collect();
            report.ok("dns", format!("{} is {}", place.host, place.addresses.join(", ")));
            Some(addresses)
        }
        Err(problem) => {
            let todo = format!(
                "check the name in {}, and this machine's DNS (/etc/resolv.conf, /etc/hosts): ask your network team that {} resolves here, or that a proxy reaches it (link.proxy)",
                there.named_in, place.host
            );
            let detail = format!("{} does not resolve: {problem}", place.host);
            report.fail("dns", Whose::Network, Wrong::new("dns", detail, todo));
            None
        }
    }
}

/// Who is at the other end, and what time it has there.
fn who(report: &mut Report, there: &Destination<'_>, stream: TcpStream, most: Duration) -> Option<Look> {
    report.looking("tls", &there.address, Some(most));
    let blocking = || {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(most))?;
        stream.set_write_timeout(Some(most))?;
        Ok::<_, std::io::Error>(stream)
    };
    let stream = match blocking() {
        Ok(stream) => stream,
        Err(error) => {
            report.fail("tls", Whose::Ours, Wrong::told("system", error));
            return None;
        }
    };
    match look(stream, &there.server_name, there.authority) {
        Ok(look) => Some(look),
        Err(error) => {
            report.fail("tls", Whose::Ours, Wrong::told("server-name", error));
            None
        }
    }
}
