//! The HTTP proxy of `link.proxy`, and the tunnel through it.

use std::time::Duration;

use tokio::time::timeout;
use veilsum_admission::ProxyCause;
use veilsum_preflight::{Place, Report, Whose, Wrong};

use super::dial;
use super::way::{Destination, Tcp};
use crate::transport::{DownReason, Proxy};

/// To the proxy, and through it.
pub(super) async fn through(
    report: &mut Report,
    there: &Destination<'_>,
    proxy: &Proxy,
    place: &mut Option<Place>,
    most: Duration,
) -> Tcp {
    let name = &proxy.address;
    report.looking(
        "proxy",
        &format!("{name}, a tunnel to {}", there.address),
        Some(most),
    );
    let failed = |report: &mut Report, whose, wrong| {
        report.fail("proxy", whose, wrong);
        Tcp::NoProxy
    };
    let addresses = match dial::resolve(name, most).await {
        Ok(addresses) => addresses,
        Err(problem) => {
            let wrong = Wrong::new(
                "proxy-dns",
                format!("the proxy {name} does not resolve: {problem}"),
                "check the name in link.proxy, and this machine's DNS",
            );
            return failed(report, Whose::Ours, wrong);
        }
    };
    if let Some(place) = place {
        place.addresses = addresses.iter().map(|found| found.ip().to_string()).collect();
    }
    let (mut stream, _) = match dial::tcp(&addresses, most).await {
        Ok(open) => open,
        Err(each) => {
            let why = dial::most_telling(&each);
            let wrong = Wrong::new(
                "proxy-unreachable",
                format!("the proxy {name} cannot be reached: {why}"),
                format!(
                    "it is down, link.proxy names the wrong host or port, or a firewall blocks TCP from this machine to {name}"
                ),
            );
            return failed(report, Whose::Network, wrong);
        }
    };
    match timeout(most, proxy.tunnel(&mut stream, &there.address)).await {
        Ok(Ok(())) => {
            report.ok("proxy", format!("{name} opens a tunnel to {}", there.address));
            Tcp::Open(stream)
        }
        Ok(Err(DownReason::Proxy { cause, problem, .. })) => {
            let (name_of, whose) = match cause {
                ProxyCause::WantsCredentials => ("proxy-wants-password", Whose::Ours),
                ProxyCause::RefusesCredentials => ("proxy-refuses-password", Whose::Ours),
                ProxyCause::Refuses(_) => ("proxy-refuses", Whose::Network),
                ProxyCause::CannotReach(_) => ("proxy-cannot-reach", Whose::Network),
                ProxyCause::NotHttp => ("proxy-not-http", Whose::Ours),
                ProxyCause::Unresolved | ProxyCause::Unreachable | ProxyCause::Silent => {
                    ("proxy-unreachable", Whose::Network)
                }
            };
            failed(
                report,
                whose,
                Wrong::told(name_of, format!("the proxy {name}: {problem}")),
            )
        }
        Ok(Err(other)) => failed(report, Whose::Network, Wrong::told("proxy-unreachable", other)),
        Err(_) => {
            let wrong = Wrong::new(
                "proxy-silent",
                format!(
                    "the proxy {name} takes the connection, and says nothing to CONNECT {} in {} s",
                    there.address,
                    most.as_secs()
                ),
                "it may not be an HTTP proxy, or its network may drop what it sends on: ask its administrator",
            );
            failed(report, Whose::Network, wrong)
        }
    }
}
