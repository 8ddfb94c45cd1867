//! The operator's commands of backup and restore.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use time::OffsetDateTime;

use super::{Failure, load, print, unexpected};
use crate::admin::{self, Answer, Request};
use crate::backup::{self, Error, StoreFrom};
use crate::enrol::date_and_time;

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Write the folder into an archive, whether the coordinator runs or not
    ///
    /// In it: configuration, consortium file, lists, enrolment, certificates, the store with the whole log, and the archive of rounds. Private keys
    /// are in it with --with-keys alone. The published log is not: it is written again from the store.
    Backup {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// The archive to write, a tar file of mode 0600
        #[arg(long)]
        out: PathBuf,
        /// Put the private keys in as well: who reads the archive can then be the coordinator and, with the authority's key, let anybody in
        #[arg(long)]
        with_keys: bool,
    },
    /// Restore an archive into a new folder; everything in it is verified first
    ///
    /// The coordinator then goes on when every bank has cosigned the restored log: a store that is older than what banks have seen can never go on.
    Restore {
        /// The archive
        archive: PathBuf,
        /// The folder to make; it must not exist
        #[arg(long)]
        dir: PathBuf,
    },
    /// After a restore, go on without a bank that is gone for good
    ///
    /// If it has seen more of the log than was restored, it will hold proof that the log's key signed two logs.
    GoOn {
        /// The folder
        #[arg(long)]
        dir: PathBuf,
        /// The bank, which may be repeated
        #[arg(long, required = true, value_name = "BANK")]
        without: Vec<String>,
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

pub(crate) fn execute(command: &BackupCommand, json: bool, now: OffsetDateTime) -> Result<(), Failure> {
    match command {
        BackupCommand::Backup { dir, out, with_keys } => save(dir, out, *with_keys, json, now),
        BackupCommand::Restore { archive, dir } => restore(archive, dir, json),
        BackupCommand::GoOn { dir, without } => {
            let request = Request::GoOnWithout(without.clone());
            match admin::ask(&load(dir)?.folders.data, &request)? {
                Answer::Waits(waits) => print(json, &serde_json::json!({ "waiting_for": waits }), || {
                    waits.clone()
                }),
                other => Err(unexpected(other)),
            }
        }
    }
}

fn save(dir: &Path, out: &Path, with_keys: bool, json: bool, now: OffsetDateTime) -> Result<(), Failure> {
    let config = load(dir)?;
    let ask = || match admin::ask_patiently(&config.folders.data, &Request::CopyStore) {
        Ok(Answer::Copy(path)) => Ok(path),
        Ok(Answer::Refused(problem)) => Err(Error::Daemon(problem)),
        Ok(_) => Err(Error::Daemon(
            "the coordinator answered something else; is it of the same version?".to_owned(),
        )),
        Err(error) => Err(Error::Daemon(error.to_string())),
    };
    let report = backup::save(dir, &config, out, with_keys, now, ask)?;
    print(json, &report, || {
        let written = &report.written;
        let mut lines = vec![
            format!("backup  {}", written.path.display()),
            format!("files   {} with {} bytes", written.files, written.bytes),
            format!("sha256  {}", written.sha256),
            match report.store {
                StoreFrom::Daemon => {
                    "store   copied by the running coordinator, between two steps".to_owned()
                }
                StoreFrom::Disk => "store   copied from the disk; no coordinator runs".to_owned(),
                StoreFrom::Nowhere => "store   none yet".to_owned(),
            },
        ];
        if report.keys.is_empty() {
            let left: Vec<String> = report
                .keys_left_out
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            lines.push(format!(
                "PRIVATE KEYS ARE NOT IN IT: keep {} in a safe place of their own, once; without the log's key the log ends",
                left.join(", ")
            ));
        } else {
            lines.push(format!(
                "PRIVATE KEYS ARE IN IT ({}): keep it as you keep the keys",
                report.keys.join(", ")
            ));
        }
        lines.push(
            "it is worth something until a bank sees the next entry of the log: make one after each round, or better, keep a second copy of the disk"
                .to_owned(),
        );
        lines.join("\n")
    })
}

fn restore(archive: &Path, dir: &Path, json: bool) -> Result<(), Failure> {
    let report = backup::restore(archive, dir)?;
    print(json, &report, || {
        let mut lines = vec![
            format!(
                "restored {} from a backup of {}: {} files verified, {} log entries",
                report.consortium,
                date_and_time(report.made_at),
                report.files,
                report.log_entries
            ),
            format!("folder   {}", report.dir.display()),
        ];
        lines.extend(report.missing_keys.iter().map(|path| {
            format!(
                "PUT BACK {}, mode 0600: private keys are not in the backup",
                path.display()
            )
        }));
        lines.extend(report.elsewhere.iter().map(|line| format!("MOVE     {line}")));
        lines.push(format!(
            "next: make sure that the coordinator before does not run any more, then veilsum-coordinator run --dir '{}'",
            report.dir.display()
        ));
        if report.waits_for_banks {
            lines.push(
                "nothing goes on before every bank has cosigned the restored log; `status` says who is waited for"
                    .to_owned(),
            );
        }
        lines.join("\n")
    })
}
