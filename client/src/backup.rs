//! Backup and restore of a bank's folder. What an archive holds, and above all what it must not hold, stands in [decision
//! 16](../../docs/decisions/0016-what-a-backup-may-hold.md): the protocol's state is never in it, for an old copy put back would answer a round
//! differently from what the bank has answered, and use masks twice.
//!
//! In its place the archive has the largest head of the log that the bank had seen. A bank that was restored follows the log from its start, derives
//! every state again, agrees on new keys with the others, and refuses a log that was set back or forked since.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use veilsum_admission::keyfile;
use veilsum_backup::{BackupError, Head, Kind, Writer, Written, unpack, within};
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::round::participant::{Participant, Pinned};
use zeroize::Zeroizing;

use crate::app::{self, AppError, SOFTWARE};
use crate::config::Config;
use crate::enrol::init::CONFIG_FILE;
use crate::participant::Home;

/// Folders of the state that are neither secret nor of use to a round: what was approved, refused and decided, what was offered, proofs, evidence, and
/// the account of what left the bank. The history of rounds is not among them: it has the bank's own scores, which are derived from its rows.
const KEPT: [&str; 7] = [
    "approvals",
    "refusals",
    "rosters",
    "tasks",
    "receipts",
    "evidence",
    "egress",
];

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] BackupError),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] AppError),
    /// It is of another bank.
    #[error("{}: this is a backup of bank {found:?}, expected one of {expected:?}; name the bank whose backup it is", path.display())]
    OtherBank {
        /// The archive.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// A file in the archive is not what it should be.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The archive.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
}

impl Error {
    /// True if the operator has to give another path or another file: exit code 2 instead of 1.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Archive(error) => error.is_usage(),
            Self::Folder(error) => error.is_usage(),
            Self::OtherBank { .. } | Self::Content { .. } => true,
        }
    }
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Saved {
    /// The archive.
    #[serde(flatten)]
    pub written: Written,
    /// Entries under the head of the log that the bank had seen; none if it had seen none, or it cannot be told.
    pub log_entries: Option<u64>,
    /// Why it cannot be told.
    pub no_head: Option<String>,
    /// Private files that are in it.
    pub keys: Vec<String>,
    /// Private files that are not in it.
    pub keys_left_out: Vec<PathBuf>,
}

/// What was restored.
#[derive(Clone, Debug, Serialize)]
pub struct Returned {
    /// The bank.
    pub name: String,
    /// When the backup was made, Unix seconds.
    pub made_at: i64,
    /// The folder.
    pub dir: PathBuf,
    /// Files that were verified.
    pub files: usize,
    /// Private files that are not in the backup and must be put back.
    pub missing: Vec<PathBuf>,
    /// Files that the configuration puts elsewhere, with where they lie now.
    pub elsewhere: Vec<String>,
    /// The table, which is in no backup.
    pub data: PathBuf,
}

/// A file of the configuration: its key, its place, its usual name.
fn public(config: &Config) -> [(&'static str, &Path, &'static str); 4] {
    [
        ("consortium", &config.consortium, "consortium.toml"),
        (
            "identity.certificate",
            &config.identity.certificate,
            "bank.crt.pem",
        ),
        ("data.schema", &config.data.schema, "schema.toml"),
        ("data.policy", &config.data.policy, "policy.toml"),
    ]
}

fn private(config: &Config) -> [(&'static str, &Path, &'static str); 5] {
    let identity = &config.identity;
    [
        ("identity.key", &identity.key, "identity/tls.key.pem"),
        (
            "identity.signing_key",
            &identity.signing_key,
            "identity/signing.key.pem",
        ),
        (
            "identity.witness_key",
            &identity.witness_key,
            "identity/witness.key.pem",
        ),
        (
            "identity.hold_out_salt",
            &identity.hold_out_salt,
            "identity/hold-out.salt",
        ),
        (
            "identity.desensitise_key",
            &identity.desensitise_key,
            "identity/desensitise.key",
        ),
    ]
}

/// Writes the bank's folder into the archive `out`, which must not exist, whether its daemon runs or not.
///
/// # Errors
/// [`Error`]; there is no archive then.
pub fn save(dir: &Path, out: &Path, with_keys: bool) -> Result<Saved, Error> {
    let config = app::config(dir)?;
    let now = i64::try_from(app::now().0).unwrap_or(i64::MAX);
    let head = Head::new(Kind::Bank, &config.name, SOFTWARE, now, with_keys);
    let mut archive = Writer::create(out, &head)?;
    archive.add_file(CONFIG_FILE, &dir.join(CONFIG_FILE))?;
    for (_, path, usual) in public(&config) {
        archive.add_file(&within(dir, path, usual), path)?;
    }
    let request = format!("{}.request.toml", config.name);
    archive.add_file(&request, &dir.join(&request))?;
    let state = within(dir, &config.state, "state");
    let whole = |path: &Path| {
        path.extension()
            .is_none_or(|ending| ending != "new" && ending != "old")
    };
    for folder in KEPT {
        archive.add_folder(&format!("{state}/{folder}"), &config.state.join(folder), &whole)?;
    }
    let (mut log_entries, mut no_head) = (None, None);
    match seen(&config) {
        Ok(Some((size, note))) => {
            log_entries = Some(size);
            archive.add(
                &within(dir, &Home::seen(&config.state), "state/seen.note"),
                0o644,
                note.as_bytes(),
            )?;
        }
        Ok(None) => {}
        Err(problem) => no_head = Some(problem),
    }
    let (mut keys, mut keys_left_out) = (Vec::new(), Vec::new());
    for (_, path, usual) in private(&config) {
        let name = within(dir, path, usual);
        if !with_keys {
            keys_left_out.extend(path.exists().then(|| path.to_owned()));
        } else if archive.add_file(&name, path)? {
            keys.push(name);
        }
    }
    Ok(Saved {
        written: archive.finish()?,
        log_entries,
        no_head,
        keys,
        keys_left_out,
    })
}

/// Of the protocol's state the public part alone: the largest head of the log that was seen, with its size. The daemon may run meanwhile, and replaces
/// the state as a whole.
fn seen(config: &Config) -> Result<Option<(u64, String)>, String> {
    let said = |error: &dyn ToString| error.to_string();
    let path = Home::state_file(&config.state);
    let state = match fs::read(&path) {
        Ok(state) => Zeroizing::new(state),
        // A bank that was restored and has not spoken since.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let (consortium, _) = app::consortium(config).map_err(|error| said(&error))?;
            let head = Home::seen_head(&config.state, &consortium.log_key).map_err(|error| said(&error))?;
            return Ok(head.map(|head| (head.checkpoint().size, head.note().as_str().to_owned())));
        }
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let (consortium, roster) = app::consortium(config).map_err(|error| said(&error))?;
    let key = |path: &Path| {
        let document = keyfile::read_pkcs8(path).map_err(|error| said(&error))?;
        SigningKey::from_pkcs8(&document).map_err(|error| format!("{}: {error}", path.display()))
    };
    let bank = roster.named(&config.name).map(|entry| entry.index);
    let pinned = Pinned {
        bank: bank.ok_or_else(|| format!("bank {:?} is not in the roster", config.name))?,
        roster,
        log_key: consortium.log_key,
        key: key(&config.identity.signing_key)?,
        witness_key: key(&config.identity.witness_key)?,
    };
    let participant = Participant::restore(pinned, &state).map_err(|error| said(&error))?;
    let head = participant.seen();
    Ok(head.map(|head| (head.checkpoint().size, head.note().as_str().to_owned())))
}

/// Restores the archive of the bank `name` into `dir`, which must not exist. Everything is verified before the folder gets its name.
///
/// # Errors
/// [`Error`]; there is no folder then.
pub fn restore(archive: &Path, name: &str, dir: &Path) -> Result<Returned, Error> {
    let restored = unpack(archive, dir, Kind::Bank)?;
    if restored.head.name != name {
        return Err(Error::OtherBank {
            path: archive.to_owned(),
            found: restored.head.name.clone(),
            expected: name.to_owned(),
        });
    }
    let staging = restored.staging().to_owned();
    let content = |problem: String| Error::Content {
        path: archive.to_owned(),
        problem,
    };
    let config = Config::load(&staging.join(CONFIG_FILE), []).map_err(|error| content(error.to_string()))?;
    let is_inside = |path: &Path| path.starts_with(&staging);
    if Home::state_file(&config.state).exists() || staging.join("state/participant.state").exists() {
        return Err(content(
            "it holds the protocol's state, which no backup may: an old copy put back is worse than a loss"
                .to_owned(),
        ));
    }
    let at_home = |path: &Path| {
        path.strip_prefix(&staging)
            .map_or_else(|_| path.to_owned(), |path| dir.join(path))
    };
    let missing = private(&config)
        .iter()
        .filter(|(_, path, usual)| !path.exists() && !staging.join(usual).exists())
        .map(|(_, path, _)| at_home(path))
        .collect();
    let elsewhere = public(&config)
        .iter()
        .chain(&private(&config))
        .chain(&[("state", config.state.as_path(), "state")])
        .filter(|(_, path, usual)| !is_inside(path) && staging.join(usual).exists())
        .map(|(key, path, usual)| {
            format!(
                "{key} is {}; what was restored is in {}: move it there, or change the key",
                path.display(),
                dir.join(usual).display()
            )
        })
        .collect();
    let files = restored.files;
    let data = at_home(&config.data.file);
    let head = restored.finish()?;
    Ok(Returned {
        name: head.name,
        made_at: head.made_at,
        dir: dir.to_owned(),
        files,
        missing,
        elsewhere,
        data,
    })
}
