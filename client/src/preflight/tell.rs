//! What came of each step of the way, in words: the cause, and who has to do what.

use std::net::SocketAddr;

use rustls_pki_types::CertificateDer;
use veilsum_admission::{Dates, Look, LookProblem};
use veilsum_preflight::{Report, Whose, Wrong};
use veilsum_protocol::ids::{Digest, Timestamp};

use super::clock;
use super::dial::{NoTcp, Udp};
use super::way::{Destination, Seen};
use crate::config::LinkTransport;
use crate::enrol::inspect;
use crate::peer_text::shown;

/// TCP. Where QUIC gets there, the daemon does without.
pub(super) fn tcp(
    report: &mut Report,
    there: &Destination<'_>,
    failed: Option<&(NoTcp, Vec<(SocketAddr, NoTcp)>)>,
    udp_carries: bool,
) {
    let address = &there.address;
    let Some((why, each)) = failed else {
        return report.ok("tcp", format!("{address} takes connections"));
    };
    let tried: Vec<String> = each.iter().map(|(at, why)| format!("{at}: {why}")).collect();
    let tried = tried.join(", ");
    let (cause, found, todo) = match why {
        NoTcp::Refused => (
            "tcp-refused",
            format!("TCP to {address} is refused ({tried})"),
            format!(
                "nobody listens there, or a firewall refuses in its place: ask the operator whether the coordinator runs at this port, then your firewall team for what stands below{}",
                proxy_hint()
            ),
        ),
        NoTcp::NoAnswer => (
            "tcp-blocked",
            format!(
                "TCP to {address} gets no answer in {} s ({tried})",
                there.limits.connect_s
            ),
            format!(
                "a firewall drops it, or the coordinator's machine is down: ask your firewall team for what stands below{}",
                proxy_hint()
            ),
        ),
        NoTcp::Unreachable => (
            "no-route",
            format!("there is no route to {address} ({tried})"),
            format!(
                "this machine's network has no way to that address: ask your network team{}",
                proxy_hint()
            ),
        ),
        NoTcp::Local(kind) => (
            "system",
            format!("this machine cannot connect to {address}: {kind} ({tried})"),
            "a firewall or sandbox on this machine may forbid it".to_owned(),
        ),
    };
    if udp_carries {
        let found = format!("{found}; UDP passes, and the daemon uses QUIC");
        report.warn("tcp", Wrong::new(cause, found, todo));
    } else {
        report.fail("tcp", Whose::Network, Wrong::new(cause, found, todo));
    }
}

/// A machine whose other programs go through a proxy is behind one.
fn proxy_hint() -> &'static str {
    let set = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    if set {
        ". Other programs on this machine go through a proxy (HTTPS_PROXY is set, which is not looked at): name it in link.proxy"
    } else {
        ", or set link.proxy if this network has an HTTP proxy"
    }
}

/// TLS and the clock. Gives whether it is the coordinator.
pub(super) fn tls(
    report: &mut Report,
    there: &Destination<'_>,
    look: &Look,
    now: Timestamp,
    udp_carries: bool,
    seen: &mut Seen,
) -> bool {
    let time = match &look.time {
        Ok(time) => *time,
        Err(problem) => {
            let mut wrong = not_it(there, look, problem);
            if udp_carries {
                wrong.detail += "; QUIC gets there, and the daemon uses it";
                report.warn("tls", wrong);
            } else {
                report.fail("tls", Whose::Network, wrong);
            }
            report.skip("clock", "nobody who can be believed told the time");
            return false;
        }
    };
    let ahead = i64::try_from(now.0)
        .unwrap_or(i64::MAX)
        .saturating_sub(i64::try_from(time.0).unwrap_or(i64::MAX));
    seen.clock_ahead_s = Some(ahead);
    let mut is_it = true;
    let expired = match look.dates {
        Some(Dates::NotAfter(end)) if time.0 > end => Some(format!(
            "the coordinator's certificate expired on {}",
            clock::moment(end)
        )),
        Some(Dates::NotBefore(begin)) if time.0 < begin => Some(format!(
            "the coordinator's certificate is not valid before {}",
            clock::moment(begin)
        )),
        _ => None,
    };
    match expired {
        Some(found) => {
            let todo =
                "tell its operator: `veilsum-coordinator renew` issues another, and banks have nothing to do";
            let wrong = Wrong::new("coordinator-certificate-expired", found, todo);
            report.fail("tls", Whose::Network, wrong);
            is_it = false;
        }
        None => report.ok("tls", proven(there, look, now)),
    }
    let here = clock::compare(ahead, now, time, look.dates);
    match here {
        clock::Told::Same(text) => report.ok("clock", text),
        clock::Told::Differs(wrong) => report.warn("clock", wrong),
        clock::Told::Wrong(wrong) => {
            report.fail("clock", Whose::Ours, wrong);
            is_it &= look.dates.is_none();
        }
    }
    is_it
}

fn proven(there: &Destination<'_>, look: &Look, now: Timestamp) -> String {
    let shown = look.authority.as_ref().map(|it| Digest::of(it).to_hex());
    let shown = shown.unwrap_or_default();
    let facts = look.chain.first().and_then(|own| inspect::facts_of_der(own).ok());
    let days = facts.map_or(String::new(), |facts| {
        format!(
            ", its certificate is valid for {} more days",
            facts.days_left(now)
        )
    });
    match there.authority {
        Some(_) => format!(
            "{} proves to be {} of the consortium's authority (SHA-256 {shown}){days}",
            there.address, there.server_name
        ),
        None => format!(
            "{} is a coordinator, of the authority with SHA-256 {shown}{days}; nothing is pinned yet: an invitation carries the same SHA-256, and the operator tells it on the telephone",
            there.address
        ),
    }
}

/// Whoever answers is not the coordinator.
fn not_it(there: &Destination<'_>, look: &Look, problem: &LookProblem) -> Wrong {
    let address = &there.address;
    match problem {
        LookProblem::Authority => wrong_authority(there, look),
        LookProblem::Certificate(problem) => Wrong::new(
            "coordinator-certificate",
            format!("{address} shows a certificate of the right authority, and {problem}"),
            format!(
                "the coordinator must carry the name {:?}: tell its operator, or correct server_name in {}",
                there.server_name, there.named_in
            ),
        ),
        LookProblem::Protocol => Wrong::new(
            "other-version",
            format!("{address}: {problem}"),
            "the address is of another service, or the coordinator runs another release: ask its operator",
        ),
        LookProblem::NotTls(_) => Wrong::new(
            "not-tls",
            format!("{address}: {problem}"),
            "another service has this port, or a device on the way answers in the coordinator's place: compare host and port with the operator, and ask your network team whether something opens TLS",
        ),
        LookProblem::HungUp => Wrong::new(
            "hung-up",
            format!("{address}: {problem}"),
            "the coordinator is stopping or has too many at its door, or a firewall lets the connection come to pass and cuts it: try again in a minute, then ask your network team whether TLS to this port is inspected",
        ),
        LookProblem::Silent => Wrong::new(
            "silent",
            format!("{address}: {problem} for {} s", there.limits.connect_s),
            "a firewall or load balancer takes the connection in the coordinator's place and lets nothing through, or the coordinator hangs: ask your network team, then the operator",
        ),
        LookProblem::Lost(_) => Wrong::new(
            "broken",
            format!("{address}: {problem}"),
            "a device on the way may cut connections that it cannot read: ask your network team, then the operator",
        ),
    }
}

fn wrong_authority(there: &Destination<'_>, look: &Look) -> Wrong {
    let address = &there.address;
    let facts = look.chain.first().and_then(|own| inspect::facts_of_der(own).ok());
    let named = facts.map_or("a certificate that cannot be read".to_owned(), |facts| {
        format!(
            "a certificate of {:?}, issued by {:?}",
            shown(&facts.subject),
            shown(&facts.issuer)
        )
    });
    let last = |chain: &[CertificateDer<'static>]| chain.last().map(|it| Digest::of(it).to_hex());
    let found = last(&look.chain).unwrap_or("none".to_owned());
    let detail = match there.authority {
        Some(expected) if look.authority.is_none() => format!(
            "whoever answers at {address} is not the coordinator: it shows {named}, with an authority of SHA-256 {found}, expected {expected}"
        ),
        _ => format!(
            "whoever answers at {address} shows {named}, which the authority that it shows (SHA-256 {found}) did not sign"
        ),
    };
    Wrong::new(
        "wrong-authority",
        detail,
        format!(
            "an intercepting proxy or firewall that opens TLS is the usual cause: ask your network team to let connections to {address} pass unopened. If nobody inspects here, compare both SHA-256 with the operator by telephone: {} may be of another consortium",
            there.named_in
        ),
    )
}

pub(super) fn udp(report: &mut Report, there: &Destination<'_>, udp: Option<&Udp>, tls: bool) {
    let address = &there.address;
    let Some(udp) = udp else {
        let because = match there.proxy {
            Some(_) => "an HTTP proxy carries TCP only",
            None => "link.transport is \"tcp\"",
        };
        return report.skip("udp", because);
    };
    let only = there.limits.transport == LinkTransport::Quic;
    let (cause, found) = match udp {
        Udp::Answers => {
            return report.ok("udp", format!("QUIC to {address} gets an answer"));
        }
        Udp::Foreign(text) => (
            "wrong-authority",
            format!("QUIC to {address} gets an answer, with a certificate that is refused ({text})"),
        ),
        Udp::NoAnswer => (
            "udp-blocked",
            format!(
                "UDP port {} to {} is blocked: QUIC got no answer in {} s",
                port(address),
                host(address),
                there.limits.connect_s
            ),
        ),
        Udp::Refused => (
            "udp-refused",
            format!(
                "UDP to {address} is refused: the machine there, or a firewall, says that nobody listens"
            ),
        ),
        Udp::Local(problem) => ("system", format!("this machine sends no UDP: {problem}")),
    };
    if let Udp::Foreign(_) = udp {
        let todo = "as for TLS over TCP: compare the authority's SHA-256 with the operator";
        return report.fail("udp", Whose::Network, Wrong::new(cause, found, todo));
    }
    let ask = format!(
        "ask your firewall team for outgoing UDP to {} port {}, and the answers to it, as it stands below",
        host(address),
        port(address)
    );
    if only {
        let todo = format!("{ask}; or set link.transport = \"auto\", and the daemon uses TCP");
        report.fail("udp", Whose::Network, Wrong::new(cause, found, todo));
    } else if tls {
        let found = format!("{found}; TLS over TCP answers at the same port, and the daemon uses TCP");
        report.warn("udp", Wrong::new(cause, found, ask));
    } else {
        report.fail("udp", Whose::Network, Wrong::new(cause, found, ask));
    }
}

fn host(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

fn port(address: &str) -> &str {
    address.rsplit_once(':').map_or("", |(_, port)| port)
}
