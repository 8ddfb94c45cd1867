//! The name under which banks reach this machine.

use std::net::{IpAddr, ToSocketAddrs as _, UdpSocket};

use veilsum_preflight::{Place, Report, Whose, Wrong};

use super::identity::Known;
use crate::config::Config;

/// Looks where the advertised name leads. Gives it for the firewall's block.
pub(super) fn host(report: &mut Report, config: &Config, known: &Known) -> Place {
    let address = &known.consortium.address;
    let Some(mut place) = Place::of(address) else {
        let found = format!("{address:?} is no host:port");
        report.fail("host", Whose::Ours, Wrong::told("address", found));
        return Place {
            host: address.clone(),
            port: config.listen.port(),
            addresses: Vec::new(),
        };
    };
    report.looking("host", &place.host, None);
    let found: Vec<IpAddr> = match address.to_socket_addrs() {
        Ok(found) => found.map(|found| found.ip()).collect(),
        Err(error) => {
            let found = format!("{}, which banks dial, does not resolve here: {error}", place.host);
            let todo = "make a DNS entry for it, or tell banks behind other name servers to look: where it does not resolve, no bank gets here. `renew --host` takes another name into the certificate";
            report.fail("host", Whose::Network, Wrong::new("dns", found, todo));
            return place;
        }
    };
    place.addresses = found.iter().map(ToString::to_string).collect();
    let addresses = place.addresses.join(", ");
    let ours = found.iter().filter(|ip| is_own(**ip)).count();
    let mut text = format!("{} is {addresses}", place.host);
    let port = config.listen.port();
    if place.port != port {
        text += &format!(
            "; banks dial port {}, and the coordinator listens on {port}: something on the way must hand it on, UDP and TCP alike",
            place.port
        );
    }
    let loopback_only = found.iter().all(IpAddr::is_loopback);
    if loopback_only && !config.listen.ip().is_loopback() {
        let todo = "no other machine gets here by that name: correct DNS or /etc/hosts";
        report.warn("host", Wrong::new("host-is-loopback", text, todo));
    } else if config.listen.ip().is_loopback() && !loopback_only {
        let found = format!(
            "{text}, and `listen` is {}, which no other machine reaches",
            config.listen
        );
        let todo = "set listen = \"0.0.0.0:PORT\" in coordinator.toml, unless something on this machine hands UDP and TCP on";
        report.warn("host", Wrong::new("listens-on-loopback", found, todo));
    } else if ours == 0 {
        let found = format!("{text}, none of which is an address of this machine");
        let todo = "right behind address translation (NAT) or a load balancer that hands UDP and TCP on to this machine; wrong otherwise: correct the DNS entry";
        report.warn("host", Wrong::new("host-is-elsewhere", found, todo));
    } else {
        let which = if ours == found.len() { "of" } else { "partly of" };
        report.ok("host", format!("{text}, {which} this machine"));
    }
    place
}

/// Only an address of this machine can be bound.
fn is_own(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}
