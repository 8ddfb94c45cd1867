//! `check`: finds what would keep the daemon from taking part. Nothing that is derived from data is sent.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};

use crate::app::{self, AppError, BankIdentity};
use crate::command::data;
use crate::config::Config;
use crate::participant::{FolderLock, Home, Status};
use crate::transport::{self, DownReason, Event, LinkOptions, Way};

/// One line of the result.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) what: &'static str,
    /// Whether it is in order.
    pub(crate) ok: bool,
    /// What was found, and what to do if it is not in order.
    pub(crate) detail: String,
}

/// Everything that was looked at.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// In the order in which the daemon needs them.
    pub(crate) findings: Vec<Finding>,
    /// True if configuration, identity or data have to be corrected.
    #[serde(skip)]
    usage: bool,
}

impl Report {
    /// 0: in order. 2: the bank has something to correct. 1: the bank is in order, but there is no connection.
    pub(crate) fn exit_code(&self) -> u8 {
        match (self.usage, self.findings.iter().all(|finding| finding.ok)) {
            (true, _) => 2,
            (false, false) => 1,
            (false, true) => 0,
        }
    }

    /// A line for each finding.
    pub(crate) fn text(&self) -> String {
        let line = |finding: &Finding| {
            let mark = if finding.ok { "ok    " } else { "FAILED" };
            format!("{mark} {:13} {}", finding.what, finding.detail)
        };
        self.findings.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn note<T>(
        &mut self,
        what: &'static str,
        outcome: Result<T, AppError>,
        detail: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let (ok, detail) = match &outcome {
            Ok(value) => (true, detail(value)),
            Err(error) => (false, error.to_string()),
        };
        self.usage |= outcome.as_ref().is_err_and(AppError::is_usage);
        self.findings.push(Finding { what, ok, detail });
        outcome.ok()
    }

    /// The table as a whole, as `data check` shows it by columns. Refused columns are told by the finding on the data.
    fn policy(&mut self, config: &Config) {
        let surveyed = data::survey(config).map_err(AppError::from);
        let Some(table) = self.note("policy", surveyed, data::Report::in_short) else {
            return;
        };
        if table.refuses() {
            self.usage = true;
            if let Some(finding) = self.findings.last_mut() {
                finding.ok = false;
            }
        }
        if let Some(short) = table.anonymity_in_short() {
            self.findings.push(Finding {
                what: "anonymity",
                ok: table.is_anonymous_enough(),
                detail: short,
            });
        }
    }

    fn skip(&mut self, what: &'static str, because: &str) {
        self.findings.push(Finding {
            what,
            ok: false,
            detail: format!("not looked at, because {because}"),
        });
    }
}

/// Looks at everything in the folder, then at the connection.
pub(crate) fn check(dir: &Path) -> Report {
    let mut report = Report::default();
    let config = report.note("configuration", app::config(dir), |config| {
        format!("bank {} in {}", config.name, dir.display())
    });
    let Some(config) = config else {
        report.skip("the rest", "the configuration cannot be read");
        return report;
    };
    let consortium = report.note("consortium", app::consortium(&config), |(consortium, roster)| {
        format!(
            "{}, {} banks, coordinator {}",
            consortium.name,
            roster.banks().len(),
            consortium.address
        )
    });
    let identity = match &consortium {
        None => {
            report.skip("identity", "the consortium file cannot be read");
            None
        }
        Some((consortium, roster)) => {
            let identity = app::identity(&config, consortium, roster);
            report.note("identity", identity, |identity| {
                let days = identity.certificate.days_left(app::now());
                format!(
                    "keys of mode 0600 that are those of position {} in the roster; the certificate of this consortium's \
                     authority is valid for {days} more days",
                    identity.position
                )
            })
        }
    };
    report.policy(&config);
    report.note("data", app::data(&config).map_err(AppError::from), |facts| {
        format!(
            "{}: {} rows, {}, {} columns as in {}",
            config.data.file.display(),
            facts.rows,
            facts.labels,
            facts.columns,
            config.data.schema.display()
        )
    });
    let runtime = report.note("libtorch", app::runtime(&config), |runtime| {
        format!("training on {runtime}")
    });
    if let Some(runtime) = runtime {
        report.note("hold-out", app::source(&config, runtime), |_| {
            "the salt is there, of mode 0600".to_owned()
        });
    }
    match (&consortium, &identity) {
        (Some((consortium, _)), Some(identity)) => match app::link_options(&config, consortium, identity) {
            Ok(options) => connection(&mut report, &config, options, identity),
            Err(error) => drop(report.note::<()>("connection", Err(error), |()| String::new())),
        },
        _ => report.skip("connection", "the identity is not in order"),
    }
    report
}

fn connection(report: &mut Report, config: &Config, options: LinkOptions, identity: &BankIdentity) {
    if FolderLock::is_taken(&config.state) {
        // A second connection with the same key would push the daemon's aside.
        let link = match Status::read(&Home::status(&config.state)) {
            Ok(Some(status)) => status.link,
            _ => "not known".to_owned(),
        };
        report.findings.push(Finding {
            what: "connection",
            ok: link.starts_with("up"),
            detail: format!("the daemon is running; its link is {link}"),
        });
        return;
    }
    let address = options.address.clone();
    let position = identity.position;
    report.note("connection", reach(options).map_err(AppError::Unreachable), |way| {
        format!("{address} answers, proves to be the consortium's coordinator, and admits this bank at position {position}, {way}")
    });
}

/// One attempt to connect, ended as soon as the coordinator has admitted the bank. No message is sent.
fn reach(options: LinkOptions) -> Result<Way, DownReason> {
    let local = |error: std::io::Error| DownReason::Local(error.to_string());
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(local)?;
    let outcome = tokio.block_on(async {
        let (_link, mut events) =
            transport::start::<ToCoordinator, ToBank>(options, |message| message.into())?;
        match events.recv().await {
            Some(Event::Up(way)) => Ok(way),
            Some(Event::Down { reason, .. }) => Err(reason),
            Some(Event::Message(_)) | None => Err(DownReason::Local("the link ended".to_owned())),
        }
    });
    tokio.shutdown_timeout(Duration::from_millis(500));
    outcome
}
