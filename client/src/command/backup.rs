//! `backup`, `restore` and `renew`: what keeps a bank's folder going.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use crate::app;
use crate::backup::{self, Error, Returned, Saved};
use crate::cli::Failure;
use crate::renewal::{NotRenewed, Renewed};

#[derive(Debug, Subcommand)]
pub(crate) enum KeepCommand {
    /// Write the bank's folder into an archive, whether the daemon runs or not
    ///
    /// In it: configuration, consortium file, certificate, schema, policy, approvals and refusals, receipts, evidence, and the account of what left the bank. Never in it: the
    /// protocol's state, which must not be put back, the history with the bank's own scores, and the table. Private keys are in it with --with-keys alone.
    Backup {
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// The archive to write, a tar file of mode 0600
        #[arg(long)]
        out: PathBuf,
        /// Put the private keys in as well: who reads the archive can then speak as this bank
        #[arg(long)]
        with_keys: bool,
    },
    /// Restore an archive into a new folder; everything in it is verified first
    ///
    /// The daemon then follows the log from its start and agrees on new keys with the other banks, which must all be connected for that. The daemon
    /// before must not run any more.
    Restore {
        /// The archive
        archive: PathBuf,
        /// The bank whose backup it is
        #[arg(long)]
        name: String,
        /// The folder to make; it must not exist
        #[arg(long)]
        dir: PathBuf,
    },
    /// Ask for another certificate of the same key and name now
    ///
    /// The daemon does so by itself when a third of the validity is left; before that it is refused.
    Renew {
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error.is_usage() {
            Self::usage(error)
        } else {
            Self::finding(error)
        }
    }
}

/// What is printed: as JSON, and for people.
pub(crate) struct Report {
    pub(crate) json: serde_json::Value,
    pub(crate) text: String,
}

fn report(value: &impl Serialize, text: String) -> Result<Report, Failure> {
    let json = serde_json::to_value(value).map_err(Failure::finding)?;
    Ok(Report { json, text })
}

pub(crate) fn execute(command: &KeepCommand) -> Result<Report, Failure> {
    match command {
        KeepCommand::Backup { dir, out, with_keys } => {
            let saved = backup::save(dir, out, *with_keys)?;
            let text = saved_text(&saved);
            report(&saved, text)
        }
        KeepCommand::Restore { archive, name, dir } => {
            let returned = backup::restore(archive, name, dir)?;
            let text = returned_text(&returned);
            report(&returned, text)
        }
        KeepCommand::Renew { dir } => renew(dir),
    }
}

fn saved_text(saved: &Saved) -> String {
    let written = &saved.written;
    let mut lines = vec![
        format!("backup  {}", written.path.display()),
        format!("files   {} with {} bytes", written.files, written.bytes),
        format!("sha256  {}", written.sha256),
    ];
    lines.push(match (&saved.log_entries, &saved.no_head) {
        (Some(size), _) => format!("log     the head of {size} entries, which a restored bank goes on from"),
        (None, Some(problem)) => format!(
            "log     NO HEAD IS IN IT ({problem}): a bank that is restored from it cannot tell a log that was set back"
        ),
        (None, None) => "log     none was seen yet".to_owned(),
    });
    if saved.keys.is_empty() {
        let left: Vec<String> = saved
            .keys_left_out
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        lines.push(format!(
            "PRIVATE KEYS ARE NOT IN IT: keep {} in a safe place of their own, once; they never change",
            left.join(", ")
        ));
    } else {
        lines.push(format!(
            "PRIVATE KEYS ARE IN IT ({}): keep it as you keep the keys",
            saved.keys.join(", ")
        ));
    }
    lines.join("\n")
}

fn returned_text(returned: &Returned) -> String {
    let dir = returned.dir.display();
    let mut lines = vec![
        format!(
            "restored bank {} from a backup of {}: {} files verified",
            returned.name,
            app::date(returned.made_at),
            returned.files
        ),
        format!("folder   {dir}"),
    ];
    lines.extend(returned.missing.iter().map(|path| {
        format!(
            "PUT BACK {}, mode 0600: private keys are not in the backup",
            path.display()
        )
    }));
    lines.extend(returned.elsewhere.iter().map(|line| format!("MOVE     {line}")));
    lines.push(format!(
        "data     {} is in no backup; put it there",
        returned.data.display()
    ));
    lines.push(format!(
        "next: make sure that the daemon before does not run any more, then\n  veilsum-client preflight --dir '{dir}'\n  veilsum-client run --dir '{dir}'\nthe open round goes on without this bank; then all banks agree on new keys"
    ));
    lines.join("\n")
}

#[derive(Serialize)]
struct Issued {
    certificate: PathBuf,
    not_after: i64,
}

fn renew(dir: &Path) -> Result<Report, Failure> {
    let config = app::config(dir)?;
    let (consortium, roster) = app::consortium(&config)?;
    let identity = app::identity(&config, &consortium, &roster)?;
    let options = app::link_options(&config, &consortium, &identity)?;
    let renewal = app::renewal(&config, &consortium, &options);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::finding)?;
    let certificate = config.identity.certificate.clone();
    match runtime.block_on(renewal.ask()) {
        Ok(Renewed::Until(not_after)) => {
            let text = format!(
                "renewed {}: valid until {}; a running daemon takes it up within a minute",
                certificate.display(),
                app::date(not_after)
            );
            report(
                &Issued {
                    certificate,
                    not_after,
                },
                text,
            )
        }
        Ok(Renewed::WaitsFor(what)) => {
            Err(Failure::try_again(format!("waiting for {what}; ask again later")))
        }
        Err(NotRenewed::Later(problem)) => Err(Failure::try_again(problem)),
        Err(NotRenewed::Refused(problem)) => Err(Failure::finding(problem)),
        Err(NotRenewed::Own(problem)) => Err(Failure::usage(problem)),
    }
}
