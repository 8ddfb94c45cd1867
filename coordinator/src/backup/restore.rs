//! Restoring a backup into a new folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use veilsum_backup::{Kind, unpack};
use veilsum_protocol::consortium::Consortium;

use super::{Error, STORE};
use crate::config::Config;
use crate::engine::restored::Mark;
use crate::enrol::init::Folder;
use crate::log::recover;
use crate::store::sled::SledStore;
use crate::store_copy;

/// What was restored.
#[derive(Clone, Debug, Serialize)]
pub struct RestoreReport {
    /// Name of the consortium.
    pub consortium: String,
    /// When the backup was made, Unix seconds.
    pub made_at: i64,
    /// The folder.
    pub dir: PathBuf,
    /// Files that were verified.
    pub files: usize,
    /// Entries of the log.
    pub log_entries: u64,
    /// Whether every bank must cosign the log before the coordinator goes on.
    pub waits_for_banks: bool,
    /// Private keys that are not in the backup and must be put back.
    pub missing_keys: Vec<PathBuf>,
    /// Folders and files that the configuration puts elsewhere, with where they lie now.
    pub elsewhere: Vec<String>,
}

/// Restores the archive into `dir`, which must not exist. Every file is verified against the archive's list and the log against its own signed head
/// before the folder gets its name; the published log is written again from the store.
///
/// # Errors
/// [`Error`]; there is no folder then.
pub fn restore(archive: &Path, dir: &Path) -> Result<RestoreReport, Error> {
    let restored = unpack(archive, dir, Kind::Coordinator)?;
    let staging = restored.staging().to_owned();
    let told = |problem: String| Error::Content(format!("{}: {problem}", archive.display()));
    let config = Config::load(&Folder::at(&staging).config(), []).map_err(|error| told(error.to_string()))?;
    // A path that the configuration puts outside the folder was archived under its usual name.
    let place = |configured: &Path, usual: &str| {
        if configured.starts_with(&staging) {
            configured.to_owned()
        } else {
            staging.join(usual)
        }
    };
    let consortium_file = place(&config.identity.consortium, "consortium.toml");
    let text =
        fs::read_to_string(&consortium_file).map_err(|error| told(format!("consortium.toml: {error}")))?;
    let consortium: Consortium =
        toml::from_str(&text).map_err(|error| told(format!("consortium.toml: {error}")))?;

    let data = place(&config.folders.data, "data");
    let log = place(&config.folders.log, "log");
    let copy = staging.join(STORE);
    let mark = Mark {
        made_at: restored.head.made_at,
    };
    let mark = mark.put().map_err(|fault| told(fault.to_string()))?;
    let mut log_entries = 0;
    let has_copy = copy.exists();
    let waits_for_banks = has_copy || !consortium.banks.is_empty();
    if waits_for_banks {
        let mut store = SledStore::open(&data.join("store"))?;
        if has_copy {
            log_entries = store_copy::fill(&mut store, &copy, mark)?.entries;
            fs::remove_file(&copy).map_err(|error| told(format!("{STORE}: {error}")))?;
        } else {
            let commit = crate::engine::ports::Commit {
                puts: vec![mark],
                ..Default::default()
            };
            crate::engine::ports::Store::commit(&mut store, &commit)?;
        }
        // The same look at it that a start takes; it writes the published log, and its head when banks have cosigned it again.
        recover(&store, &log, &consortium.log_key)
            .map_err(|error| told(format!("the log in it is not in order: {error}")))?;
    }

    let identity = &config.identity;
    let ca_key = Folder::at(&staging).identity("ca.key.pem");
    let mut missing_keys = Vec::new();
    let mut elsewhere = Vec::new();
    let at_home = |path: &Path| {
        path.strip_prefix(&staging)
            .map_or_else(|_| path.to_owned(), |path| dir.join(path))
    };
    for (path, usual, needed) in [
        (&identity.key, "identity/server.key.pem", true),
        (&identity.log_key, "identity/log.key.pem", true),
        (&ca_key, "identity/ca.key.pem", false),
    ] {
        if !place(path, usual).exists() && (needed || !restored.head.with_keys) {
            missing_keys.push(at_home(path));
        }
    }
    for (key, path, usual) in [
        ("folders.data", &config.folders.data, "data"),
        ("folders.log", &config.folders.log, "log"),
        ("identity.consortium", &identity.consortium, "consortium.toml"),
        (
            "identity.certificate",
            &identity.certificate,
            "identity/server.crt.pem",
        ),
        ("identity.key", &identity.key, "identity/server.key.pem"),
        ("identity.log_key", &identity.log_key, "identity/log.key.pem"),
        ("auditors.admitted", &config.auditors.admitted, "auditors.toml"),
    ] {
        if !path.starts_with(&staging) && place(path, usual).exists() {
            elsewhere.push(format!(
                "{key} is {}; what was restored is in {}: move it there, or change the key",
                path.display(),
                dir.join(usual).display()
            ));
        }
    }
    let files = restored.files;
    let head = restored.finish()?;
    Ok(RestoreReport {
        consortium: head.name,
        made_at: head.made_at,
        dir: dir.to_owned(),
        files,
        log_entries,
        waits_for_banks,
        missing_keys,
        elsewhere,
    })
}
