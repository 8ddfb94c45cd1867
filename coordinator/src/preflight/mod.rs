//! `preflight`: everything that would keep the coordinator from serving, or banks from reaching it, each cause by its name, and what firewalls must let
//! in.

mod clock;
mod doors;
mod host;
mod identity;
mod machine;
mod openings;

use std::path::Path;

use time::OffsetDateTime;
use veilsum_preflight::{Report, Whose, Wrong};
use veilsum_protocol::task::Task;

use crate::config::Config;
use crate::enrol::init;

/// Looks at the operator's folder, this machine, and the way in; with `task`, at what that needs.
pub(crate) fn preflight(report: &mut Report, dir: &Path, task: Option<&Task>, now: OffsetDateTime) {
    let config = match Config::load(&init::Folder::at(dir).config(), std::env::vars_os()) {
        Ok(config) => config,
        Err(error) => {
            report.fail("configuration", Whose::Ours, Wrong::told("configuration", error));
            return report.skip("the rest", "the configuration cannot be read");
        }
    };
    report.ok(
        "configuration",
        format!("{}, served on {}", dir.display(), config.listen),
    );
    let Some(known) = identity::consortium(report, &config) else {
        return report.skip("the rest", "the consortium file cannot be read");
    };
    identity::certificate(report, &config, &known, now);
    identity::keys(report, dir, &config, &known);
    identity::log(report, &config, &known);
    clock::clock(report, &config, &known, now);
    let place = host::host(report, &config, &known);
    doors::doors(report, &config, &known);
    let banks = known.banks();
    machine::disk(report, &config, banks, task);
    machine::memory(report, banks, task);
    machine::files(report, &config, banks);
    report.firewall = Some(openings::of(&place, &config));
}
