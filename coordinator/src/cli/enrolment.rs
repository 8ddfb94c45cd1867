//! The operator's commands of enrolment by invitation.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use time::OffsetDateTime;
use veilsum_protocol::enrolment::Party;

use super::{Failure, print};
use crate::config::Renewal;
use crate::enrol::form::{self, Outside};
use crate::enrol::invite::{self, InviteOptions, Listed};
use crate::enrol::renewal::{Asked, Renewals};
use crate::enrol::{date_and_time, decide, revoked};

#[derive(Debug, Subcommand)]
pub(crate) enum EnrolmentCommand {
    /// Invite a bank, an auditor or an operator: prints one line to hand over, which is as good as a key until it is used
    ///
    /// The line names this coordinator and its authority. Whoever uses it first binds it to its own keys, and nobody else can use it then. Works
    /// while the coordinator runs and while it does not.
    Invite {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// The name to be enrolled under: 1 to 28 of a-z, 0-9 and -
        #[arg(required_unless_present = "withdraw")]
        name: Option<String>,
        /// What it will be
        #[arg(long, value_enum, default_value_t = Role::Bank)]
        role: Role,
        /// For so many hours the invitation can be used
        #[arg(long, default_value_t = 72)]
        expires_hours: u32,
        /// Admit whoever uses it without another question; only for lines that are handed over safely
        #[arg(long)]
        approved: bool,
        /// Validity of the certificate, in days
        #[arg(long, default_value_t = 397)]
        days: u32,
        /// Take an invitation back
        #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "role", "expires_hours", "approved", "days"])]
        withdraw: Option<String>,
    },
    /// List the invitations, and what became of them
    Invitations {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
    },
    /// List the requests that wait for approval, with the fingerprint to compare by telephone
    Requests {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
    },
    /// List the certificates that members asked to have renewed: those that wait for `renew --member`, then those that were issued
    Renewals {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
    },
    /// Approve the keys that asked under a name, and issue their certificate; this needs the authority's key
    Approve {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// The name, as `requests` lists it
        name: String,
    },
    /// Refuse the keys that asked under a name; they are told the reason
    Refuse {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// The name, as `requests` lists it
        name: String,
        /// Why, for whoever asked
        reason: String,
    },
    /// Take the access of a bank, an auditor or an operator away, at once: its connections are closed and its key is refused, whatever the roster says
    Revoke {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// The name that was admitted
        name: String,
    },
    /// Fix the first roster: the banks that are admitted, at least three; a running coordinator goes into service then
    Form {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Takes part in rounds
    Bank,
    /// Reads log and archive
    Auditor,
    /// Has the operator's page from another machine
    Operator,
}

impl From<Role> for Party {
    fn from(role: Role) -> Self {
        match role {
            Role::Bank => Self::Bank,
            Role::Auditor => Self::Auditor,
            Role::Operator => Self::Operator,
        }
    }
}

pub(crate) fn execute(command: &EnrolmentCommand, json: bool, now: OffsetDateTime) -> Result<(), Failure> {
    match command {
        EnrolmentCommand::Invite {
            dir,
            withdraw: Some(name),
            ..
        } => {
            invite::withdraw(dir, name, now)?;
            print(json, &serde_json::json!({ "withdrawn": name }), || {
                format!("the invitation of {name} is taken back")
            })
        }
        EnrolmentCommand::Invite {
            dir,
            name,
            role,
            expires_hours,
            approved,
            days,
            withdraw: None,
        } => {
            let options = InviteOptions {
                name: name.clone().unwrap_or_default(),
                party: (*role).into(),
                hours: *expires_hours,
                approved: *approved,
                days: *days,
            };
            let report = invite::invite(dir, &options, now)?;
            // The line alone goes to standard output, so that it can be piped.
            if !json {
                let command = report.party.command();
                say(&format!(
                    "invitation of {} {}, to be used until {}; {}\nauthority sha256 {}\nhand the line below to {} alone: `{command} INVITATION --dir DIR`",
                    report.party,
                    report.name,
                    date_and_time(report.expires_at),
                    if report.approved {
                        "whoever uses it first is admitted"
                    } else {
                        "you approve the keys that use it"
                    },
                    report.authority_sha256,
                    report.name,
                ));
            }
            print(json, &report, || report.invitation.clone())
        }
        EnrolmentCommand::Invitations { dir } => {
            let listed = invite::invitations(dir, now)?;
            print(json, &listed, || {
                lines(&listed, Listed::line, "nobody was invited yet")
            })
        }
        EnrolmentCommand::Requests { dir } => {
            let waiting = decide::requests(dir, now)?;
            print(json, &waiting, || {
                lines(&waiting, decide::Waiting::line, "no request waits")
            })
        }
        EnrolmentCommand::Renewals { dir } => {
            let all = renewals_of(dir).all()?;
            print(json, &all, || {
                lines(
                    &all,
                    Asked::line,
                    "no certificate was renewed yet, and none waits for it",
                )
            })
        }
        EnrolmentCommand::Approve { dir, name } => {
            let approved = decide::approve(dir, name, now)?;
            print(json, &approved, || {
                let done = if approved.again {
                    "was approved already"
                } else {
                    "is approved"
                };
                format!(
                    "{} {} {done}: fingerprint {}; it fetches its certificate by itself",
                    approved.party, approved.name, approved.fingerprint
                )
            })
        }
        EnrolmentCommand::Refuse { dir, name, reason } => {
            decide::refuse(dir, name, reason, now)?;
            print(json, &serde_json::json!({ "refused": name }), || {
                format!("the request of {name} is refused, and it is told why")
            })
        }
        EnrolmentCommand::Revoke { dir, name } => {
            let keys = revoked::revoke(dir, name, now)?;
            print(json, &keys, || {
                let line = |key: &revoked::RevokedKey| {
                    format!(
                        "{} {} with TLS key {} is let in no more",
                        key.party, key.name, key.tls_key
                    )
                };
                lines(&keys, line, "")
            })
        }
        EnrolmentCommand::Form { dir, yes } => form_roster(dir, *yes, json),
    }
}

fn renewals_of(dir: &Path) -> Renewals {
    // Who decides here is the operator, whatever the daemon does by itself.
    Renewals::at(dir, Renewal::Ask)
}

pub(super) fn renew_member(dir: &Path, name: &str, json: bool, now: OffsetDateTime) -> Result<(), Failure> {
    let issued = renewals_of(dir).allow(name, now)?;
    print(json, &issued, || {
        format!(
            "{} {}: a certificate for the same key is issued; it fetches it by itself within an hour",
            issued.party, issued.name
        )
    })
}

fn form_roster(dir: &Path, yes: bool, json: bool) -> Result<(), Failure> {
    let banks = form::proposal(dir)?;
    let line = |bank: &Outside| format!("  {:<28} {}", bank.name, bank.fingerprint);
    if !yes {
        say(&format!(
            "the roster will have {}:\n{}",
            form::number_of(banks.len()),
            lines(&banks, line, "")
        ));
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(
                "nobody can be asked here; look at the banks and run it again with --yes",
            ));
        }
        if !asked("Fix it? Every bank pins it. [y/N] ")? {
            return Err(Failure::finding("nothing was changed"));
        }
    }
    let report = form::form(dir, &banks)?;
    print(json, &report, || {
        format!(
            "{}\nroster of {}, consortium.toml sha256 {}\nnext: a running coordinator goes into service by itself, waiting banks fetch consortium.toml; tell every bank this SHA-256, they compare it with each other",
            lines(&report.banks, line, ""),
            form::number_of(report.banks.len()),
            report.consortium_sha256
        )
    })
}

fn lines<T>(items: &[T], line: impl Fn(&T) -> String, none: &str) -> String {
    if items.is_empty() {
        return none.to_owned();
    }
    items.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn asked(question: &str) -> Result<bool, Failure> {
    let failed = |error: std::io::Error| Failure::finding(format!("the terminal: {error}"));
    let mut terminal = std::io::stderr();
    terminal.write_all(question.as_bytes()).map_err(failed)?;
    terminal.flush().map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "yes"))
}

fn say(text: &str) {
    // Who closed standard error does not want it.
    let _ = writeln!(std::io::stderr(), "{text}");
}
