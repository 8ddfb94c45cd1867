//! Writing a backup, whether the daemon runs or not.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;
use veilsum_backup::{Head, Kind, Writer, Written, within};
use veilsum_protocol::consortium::Consortium;

use super::{Error, STORE};
use crate::atomic_file::TEMPORARY_SUFFIX;
use crate::config::Config;
use crate::engine::driver::SOFTWARE;
use crate::engine::ports::{Store as _, StoreError};
use crate::enrol::init::{CONFIG_FILE, Folder};
use crate::store::sled::SledStore;
use crate::store_copy;

/// Where the copy of the store comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreFrom {
    /// The running daemon made it, between two steps of its work.
    Daemon,
    /// The daemon was not running.
    Disk,
    /// There is none yet: no roster was formed, or the daemon never ran.
    Nowhere,
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct SaveReport {
    /// The archive.
    #[serde(flatten)]
    pub written: Written,
    /// Where the store's copy comes from.
    pub store: StoreFrom,
    /// Private keys that are in it.
    pub keys: Vec<String>,
    /// Private keys that are not in it.
    pub keys_left_out: Vec<PathBuf>,
}

/// Removes the copy of the store when the archive has it, or when there is none.
struct Scrap<'a>(&'a Path);

impl Drop for Scrap<'_> {
    fn drop(&mut self) {
        // The next backup replaces it, and the daemon removes it when it starts.
        let _ = store_copy::forget_in(self.0);
    }
}

/// Writes the operator's folder into the archive `out`, which must not exist. A running daemon is asked by `ask_daemon` for a copy of its store.
///
/// The order matters: the store first, then the blobs that it names, which are never changed.
///
/// # Errors
/// [`Error`]; there is no archive then.
pub fn save(
    dir: &Path,
    config: &Config,
    out: &Path,
    with_keys: bool,
    now: OffsetDateTime,
    ask_daemon: impl FnOnce() -> Result<PathBuf, Error>,
) -> Result<SaveReport, Error> {
    let folder = Folder::at(dir);
    let consortium = read_consortium(&config.identity.consortium)?;
    let head = Head::new(
        Kind::Coordinator,
        &consortium.name,
        SOFTWARE,
        now.unix_timestamp(),
        with_keys,
    );
    let data = &config.folders.data;
    let mut archive = Writer::create(out, &head)?;
    let scrap = Scrap(data);
    let (store, copy) = copy_store(data, ask_daemon)?;
    if let Some(copy) = &copy
        && !archive.add_file(STORE, copy)?
    {
        return Err(Error::Daemon(format!(
            "{}: it is gone: another backup or a start of the coordinator removed it; run the command again",
            copy.display()
        )));
    }
    drop(scrap);

    // After the store: a roster that came into force since is named by the file and followed from the log.
    archive.add_file(CONFIG_FILE, &folder.config())?;
    let identity = &config.identity;
    let ca = folder.identity("ca.crt.pem");
    for (path, name) in [
        (&identity.consortium, "consortium.toml"),
        (&folder.admitted(), "admitted.toml"),
        (&config.auditors.admitted, "auditors.toml"),
        (&identity.certificate, "identity/server.crt.pem"),
        (&ca, "identity/ca.crt.pem"),
    ] {
        archive.add_file(&within(dir, path, name), path)?;
    }
    let not_scrap = |path: &Path| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name != "lock" && !name.ends_with(TEMPORARY_SUFFIX) && !name.ends_with(".new")
    };
    archive.add_folder("enrolment", &dir.join("enrolment"), &not_scrap)?;
    archive.add_folder("admissions", &dir.join("admissions"), &not_scrap)?;
    for kept in ["blobs", "rounds"] {
        let name = format!("{}/{kept}", within(dir, data, "data"));
        archive.add_folder(&name, &data.join(kept), &not_scrap)?;
    }
    let (mut keys, mut keys_left_out) = (Vec::new(), Vec::new());
    let ca_key = folder.identity("ca.key.pem");
    for (path, name) in [
        (&identity.key, "identity/server.key.pem"),
        (&identity.log_key, "identity/log.key.pem"),
        (&ca_key, "identity/ca.key.pem"),
    ] {
        let name = within(dir, path, name);
        if !with_keys {
            keys_left_out.extend(path.exists().then(|| path.clone()));
        } else if archive.add_file(&name, path)? {
            keys.push(name);
        }
    }
    Ok(SaveReport {
        written: archive.finish()?,
        store,
        keys,
        keys_left_out,
    })
}

/// A copy of the store as a file in the data folder.
fn copy_store(
    data: &Path,
    ask_daemon: impl FnOnce() -> Result<PathBuf, Error>,
) -> Result<(StoreFrom, Option<PathBuf>), Error> {
    let folder = data.join("store");
    if !folder.exists() {
        return Ok((StoreFrom::Nowhere, None));
    }
    match SledStore::open(&folder) {
        Ok(store) => Ok((StoreFrom::Disk, Some(store_copy::write_in(data, &store.view()?)?))),
        Err(StoreError::InUse { .. }) => Ok((StoreFrom::Daemon, Some(ask_daemon()?))),
        Err(error) => Err(error.into()),
    }
}

fn read_consortium(path: &Path) -> Result<Consortium, Error> {
    let named = |problem: String| Error::Content(format!("{}: {problem}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    toml::from_str(&text).map_err(|error| named(error.to_string()))
}
