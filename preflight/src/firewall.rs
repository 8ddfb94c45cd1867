//! What firewalls must let through, as a block to copy into a request to those who run them.

use serde::Serialize;

/// One opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// `outgoing`, `incoming`, or where else.
    pub direction: &'static str,
    /// `UDP`, `TCP` or `CONNECT`.
    pub protocol: &'static str,
    /// Name or address.
    pub host: String,
    /// What the name resolves to here, as far as it does.
    pub addresses: Vec<String>,
    /// Port there.
    pub port: u16,
    /// What for.
    pub why: &'static str,
}

/// A host as it is dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What it resolves to here.
    pub addresses: Vec<String>,
}

impl Place {
    /// Of `host:port`, an IPv6 address in brackets.
    pub fn of(address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        let port = port.parse().ok()?;
        (!host.is_empty()).then(|| Self {
            host: host.to_owned(),
            port,
            addresses: Vec::new(),
        })
    }

    /// An opening to it.
    pub fn rule(&self, direction: &'static str, protocol: &'static str, why: &'static str) -> Rule {
        Rule {
            direction,
            protocol,
            host: self.host.clone(),
            addresses: self.addresses.clone(),
            port: self.port,
            why,
        }
    }
}

/// What has to be open, with what to say around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Block {
    #[serde(skip)]
    title: &'static str,
    /// The openings.
    pub rules: Vec<Rule>,
    #[serde(skip)]
    notes: Vec<&'static str>,
}

impl Block {
    /// Openings with a line above them and notes below.
    pub fn new(title: &'static str, rules: Vec<Rule>, notes: Vec<&'static str>) -> Self {
        Self { title, rules, notes }
    }

    /// To be copied.
    pub fn text(&self) -> String {
        let width = |of: &dyn Fn(&Rule) -> usize, least: usize| {
            self.rules.iter().map(of).max().unwrap_or(0).max(least)
        };
        let direction = width(&|rule| rule.direction.chars().count(), "direction".len());
        let host = width(&|rule| named(rule).chars().count(), "host".len());
        let mut lines = vec![
            self.title.to_owned(),
            format!(
                "  {:direction$}  {:8}  {:host$}  port   why",
                "direction", "protocol", "host"
            ),
        ];
        lines.extend(self.rules.iter().map(|rule| {
            format!(
                "  {:direction$}  {:8}  {:host$}  {:<5}  {}",
                rule.direction,
                rule.protocol,
                named(rule),
                rule.port,
                rule.why
            )
        }));
        lines.extend(self.notes.iter().map(|note| format!("  {note}")));
        lines.join("\n")
    }
}

/// The host with what it resolves to.
fn named(rule: &Rule) -> String {
    match rule.addresses.as_slice() {
        [] => rule.host.clone(),
        [one] if *one == rule.host => rule.host.clone(),
        addresses => format!("{} ({})", rule.host, addresses.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_block_names_direction_protocol_host_port_and_reason() {
        let mut place = Place::of("fl.example.org:7443").unwrap();
        place.addresses = vec!["192.0.2.7".to_owned(), "2001:db8::7".to_owned()];
        let rules = vec![
            place.rule("outgoing", "UDP", "QUIC"),
            Place::of("192.0.2.9:80")
                .unwrap()
                .rule("at the proxy", "CONNECT", "a tunnel"),
        ];
        assert_eq!(
            Block::new("Open this:", rules, vec!["And nothing else."]).text(),
            "Open this:\n\
             \x20 direction     protocol  host                                     port   why\n\
             \x20 outgoing      UDP       fl.example.org (192.0.2.7, 2001:db8::7)  7443   QUIC\n\
             \x20 at the proxy  CONNECT   192.0.2.9                                80     a tunnel\n\
             \x20 And nothing else."
        );
    }

    #[test]
    fn an_address_is_a_place_and_a_host_without_a_port_is_none() {
        assert_eq!(Place::of("[2001:db8::7]:7443").unwrap().host, "[2001:db8::7]");
        for text in ["fl.example.org", "fl.example.org:", ":7443", "host:99999"] {
            assert_eq!(Place::of(text), None, "{text}");
        }
    }
}
