//! `preflight`: everything that would keep the daemon from taking part, each cause by its name, and what firewalls must let out. Nothing that is
//! derived from data is sent.

mod bank;
mod clock;
mod compute;
mod dial;
mod machine;
mod openings;
mod proxy;
mod tell;
mod way;

use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use veilsum_preflight::ports::{self, Port, Setting};
use veilsum_preflight::{Report, Whose, Wrong, files};
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::enrolment::Invitation;
use veilsum_protocol::ids::{Digest, Timestamp};
use veilsum_protocol::task::Task;

use self::machine::Load;
use self::way::{Destination, Seen};
use crate::app;
use crate::config::{Config, Link};
use crate::enrol::init::CONFIG_FILE;
use crate::participant::{FolderLock, Home};
use crate::transport::Proxy;

/// Looks at the bank's folder, this machine and the way to the coordinator; without the way unless `network`.
pub(crate) fn of_folder(report: &mut Report, dir: &Path, network: bool, now: &dyn Fn() -> Timestamp) {
    let config = bank::note(
        report,
        "configuration",
        "configuration",
        app::config(dir),
        |config| format!("bank {} in {}", config.name, dir.display()),
    );
    let Some(config) = config else {
        return report.skip("the rest", "the configuration cannot be read");
    };
    let consortium = bank::note(
        report,
        "consortium",
        "consortium-file",
        app::consortium(&config),
        |(consortium, roster)| {
            format!(
                "{}, {} banks, coordinator {}",
                consortium.name,
                roster.banks().len(),
                consortium.address
            )
        },
    );
    let mut seen = Seen::default();
    match &consortium {
        Some((consortium, _)) if network => seen = way_of_bank(report, &config, consortium, now),
        Some(_) => report.skip("the way", "of --no-network"),
        None => report.skip("the way", "the consortium file cannot be read"),
    }
    let identity = match &consortium {
        None => {
            report.skip("identity", "the consortium file cannot be read");
            None
        }
        Some((consortium, roster)) => bank::identity(report, &config, consortium, roster, now(), &seen),
    };
    bank::table(report, &config);
    let runtime = compute::libtorch(report, &config);
    compute::gpu(report, &config, runtime);
    if let Some(runtime) = runtime {
        bank::note(
            report,
            "hold-out",
            "hold-out",
            app::source(&config, runtime),
            |_| "the salt is there, of mode 0600".to_owned(),
        );
    }
    let load = Load::largest(&tasks(&config));
    machine::disk(report, &config.state, load.as_ref());
    machine::memory(report, config.data.memory_bytes, load.as_ref());
    files(report, machine::FILES);
    page_port(report, &config);
    match (&consortium, &identity) {
        _ if !network => report.skip("connection", "of --no-network"),
        (Some((consortium, _)), Some(identity)) if seen.stands => {
            bank::admission(report, &config, consortium, identity);
        }
        (Some(_), Some(_)) => {
            report.skip_for("connection", Whose::Network, "no way leads to the coordinator")
        }
        _ => report.skip("connection", "the identity is not in order"),
    }
}

/// Where the bank's page would be served.
fn page_port(report: &mut Report, config: &Config) {
    let Some(address) = config.page.listen else {
        return report.ok("page", "not wanted (page.listen is empty)");
    };
    match Port::tcp(address) {
        Port::Free => report.ok("page", format!("TCP {address} is free")),
        Port::Held if FolderLock::is_taken(&config.state) => report.ok(
            "page",
            format!("TCP {address} is held, and this bank's daemon is running"),
        ),
        held => {
            let setting = Setting {
                key: "page.listen",
                file: CONFIG_FILE,
            };
            ports::port(report, "page", "TCP", address, setting, held);
        }
    }
}

/// The tasks that the daemon has heard of; none where it never ran.
fn tasks(config: &Config) -> Vec<Task> {
    if !config.state.is_dir() {
        return Vec::new();
    }
    // What cannot be read is told by `tasks`, and by the daemon.
    let tasks = Home::tasks(&config.state).ok();
    tasks.and_then(|tasks| tasks.offered().ok()).unwrap_or_default()
}

fn way_of_bank(
    report: &mut Report,
    config: &Config,
    consortium: &Consortium,
    now: &dyn Fn() -> Timestamp,
) -> Seen {
    let authority = CertificateDer::from_pem_slice(consortium.ca_pem.as_bytes());
    let proxy = match app::proxy(&config.link) {
        Ok(proxy) => proxy,
        Err(error) => {
            report.fail("proxy", Whose::Ours, Wrong::told("proxy-password", error));
            return Seen::default();
        }
    };
    let there = Destination {
        address: consortium.address.clone(),
        server_name: consortium.server_name.clone(),
        authority: authority.as_ref().ok().map(|authority| Digest::of(authority)),
        ca: authority.ok(),
        named_in: "consortium.toml",
        enrols: false,
        limits: &config.link,
        proxy,
    };
    way::look_at(report, &there, now)
}

/// Where a bank that is not enrolled yet wants to go.
pub(crate) enum Wanted {
    /// Where its invitation says.
    Invited(Box<Invitation>),
    /// To this `host:port`.
    At(String),
}

/// Looks at the way alone, before the bank is enrolled.
pub(crate) fn of_way(
    report: &mut Report,
    wanted: &Wanted,
    link: &Link,
    proxy: Option<Proxy>,
    now: &dyn Fn() -> Timestamp,
) {
    let there = match wanted {
        Wanted::Invited(invitation) => {
            let left = i64::try_from(invitation.expires.0)
                .unwrap_or(i64::MAX)
                .saturating_sub(i64::try_from(now().0).unwrap_or(i64::MAX));
            let found = format!(
                "for {} {} in {}, to be used until {}",
                invitation.party,
                invitation.name,
                invitation.consortium,
                clock::moment(invitation.expires.0)
            );
            if left < 0 {
                let todo = "ask the operator for a new one, unless the clock below is wrong";
                report.fail(
                    "invitation",
                    Whose::Ours,
                    Wrong::new("invitation-expired", found, todo),
                );
            } else {
                report.ok("invitation", found);
            }
            Destination {
                address: invitation.address.clone(),
                server_name: invitation.server_name.clone(),
                authority: Some(invitation.authority),
                ca: None,
                named_in: "the invitation",
                enrols: true,
                limits: link,
                proxy,
            }
        }
        Wanted::At(address) => {
            let host = address
                .rsplit_once(':')
                .map_or(address.as_str(), |(host, _)| host);
            Destination {
                server_name: host.trim_matches(['[', ']']).to_owned(),
                address: address.clone(),
                authority: None,
                ca: None,
                named_in: "--coordinator",
                enrols: true,
                limits: link,
                proxy,
            }
        }
    };
    way::look_at(report, &there, now);
}
