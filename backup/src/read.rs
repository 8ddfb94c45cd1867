//! Reading an archive into a folder that does not exist yet.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use tar::{Archive, EntryType};

use crate::write::Hashing;
use crate::{
    BackupError, FORMAT, HEAD, HEAD_LIMIT, Head, Kind, Listed, MANIFEST, MANIFEST_LIMIT, Manifest, NAME_LIMIT,
};

/// What was read and verified, in a folder beside the one to be made. Dropped before [`Restored::finish`] it leaves nothing behind.
#[derive(Debug)]
pub struct Restored {
    /// What the archive says of itself.
    pub head: Head,
    /// Files in it.
    pub files: usize,
    staging: PathBuf,
    target: PathBuf,
    done: bool,
}

impl Restored {
    /// Where everything lies until it gets its name.
    pub fn staging(&self) -> &Path {
        &self.staging
    }

    /// Gives the folder its name, durably.
    ///
    /// # Errors
    /// [`BackupError`]; nothing is there then.
    pub fn finish(mut self) -> Result<Head, BackupError> {
        refuse_existing(&self.target)?;
        sync_all_below(&self.staging)?;
        // A folder that came to be meanwhile and is not empty is not replaced.
        fs::rename(&self.staging, &self.target)
            .map_err(BackupError::at("give the restored folder its name", &self.target))?;
        self.done = true;
        sync_folder(parent(&self.target))?;
        Ok(self.head.clone())
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        if !self.done {
            // What is left of it is of no use, and may hold keys.
            let _ = fs::remove_dir_all(&self.staging);
        }
    }
}

fn refuse_existing(target: &Path) -> Result<(), BackupError> {
    match target.symlink_metadata() {
        Ok(_) => Err(BackupError::Exists {
            path: target.to_owned(),
        }),
        Err(_) => Ok(()),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn sync_folder(path: &Path) -> Result<(), BackupError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(BackupError::at("make durable the folder", path))
}

fn sync_all_below(path: &Path) -> Result<(), BackupError> {
    let at = BackupError::at("make durable the folder", path);
    for entry in fs::read_dir(path).map_err(&at)? {
        let entry = entry.map_err(&at)?;
        if entry.file_type().map_err(&at)?.is_dir() {
            sync_all_below(&entry.path())?;
        }
    }
    sync_folder(path)
}

/// Reads the archive of a `kind` into a folder beside `target`, which must not exist, and verifies every file against the archive's own list.
///
/// # Errors
/// [`BackupError`]; nothing is left then.
pub fn unpack(archive: &Path, target: &Path, kind: Kind) -> Result<Restored, BackupError> {
    refuse_existing(target)?;
    let file = File::open(archive).map_err(BackupError::at("read the file", archive))?;
    let mut tar = Archive::new(file);
    let reading = Reading { archive };
    let mut entries = tar.entries().map_err(|error| reading.broken(&error))?;
    let first = entries
        .next()
        .ok_or_else(|| reading.none("it is empty".to_owned()))?
        .map_err(|error| reading.none(format!("no tar file: {error}")))?;
    let head = reading.head(first, kind)?;
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".{}.restoring", std::process::id()));
    let staging = PathBuf::from(name);
    fs::create_dir(&staging).map_err(BackupError::at("make the folder", &staging))?;
    let mut restored = Restored {
        head,
        files: 0,
        staging,
        target: target.to_owned(),
        done: false,
    };
    let mut found: BTreeMap<String, Listed> = BTreeMap::new();
    let mut manifest = None;
    for entry in entries {
        let entry = entry.map_err(|error| reading.broken(&error))?;
        if manifest.is_some() {
            return Err(reading.damaged("something comes behind its list of files".to_owned()));
        }
        let name = reading.name(&entry)?;
        if name == MANIFEST {
            manifest = Some(reading.manifest(entry)?);
            continue;
        }
        let listed = reading.file(entry, &name, &restored.staging)?;
        if found.insert(name.clone(), listed).is_some() {
            return Err(reading.damaged(format!("{name} is in it twice")));
        }
    }
    let Some(manifest) = manifest else {
        return Err(reading.damaged("its list of files is missing: it was cut off".to_owned()));
    };
    restored.files = manifest.files.len();
    for listed in &manifest.files {
        match found.remove(&listed.name) {
            Some(there) if there == *listed => {}
            Some(there) => {
                return Err(reading.damaged(format!(
                    "{} has {} bytes with SHA-256 {}, expected {} with {}",
                    listed.name, there.bytes, there.sha256, listed.bytes, listed.sha256
                )));
            }
            None => return Err(reading.damaged(format!("{} is missing", listed.name))),
        }
    }
    if let Some(name) = found.into_keys().next() {
        return Err(reading.damaged(format!("{name} is not in its list of files")));
    }
    Ok(restored)
}

/// The archive that is read.
struct Reading<'a> {
    archive: &'a Path,
}

type Entry<'a> = tar::Entry<'a, File>;

impl Reading<'_> {
    fn none(&self, problem: String) -> BackupError {
        BackupError::NoBackup {
            path: self.archive.to_owned(),
            problem,
        }
    }

    fn damaged(&self, problem: String) -> BackupError {
        BackupError::Damaged {
            path: self.archive.to_owned(),
            problem,
        }
    }

    fn broken(&self, error: &io::Error) -> BackupError {
        self.damaged(error.to_string())
    }

    /// The name of a plain file, on its way down from the folder alone.
    fn name(&self, entry: &Entry<'_>) -> Result<String, BackupError> {
        let bytes = entry.path_bytes();
        let wrong = |problem: &str| self.damaged(format!("{:?}: {problem}", String::from_utf8_lossy(&bytes)));
        if entry.header().entry_type() != EntryType::Regular {
            return Err(wrong("it is no plain file, expected nothing else"));
        }
        let name = std::str::from_utf8(&bytes).map_err(|_| wrong("the name is not UTF-8"))?;
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if name.is_empty() || name.len() > NAME_LIMIT || !Path::new(name).components().all(plain) {
            return Err(wrong("expected a path below the folder"));
        }
        Ok(name.to_owned())
    }

    /// Before anything is written: whose it is, and whether it can be read.
    fn head(&self, entry: Entry<'_>, kind: Kind) -> Result<Head, BackupError> {
        let is_ours = *entry.path_bytes() == *HEAD.as_bytes();
        if !is_ours {
            return Err(self.none(format!("its first file is not {HEAD}")));
        }
        let text = self.text(entry, HEAD_LIMIT)?;
        let head: Head = serde_json::from_slice(&text).map_err(|error| self.none(error.to_string()))?;
        if head.format != FORMAT {
            return Err(self.none(format!(
                "its form is {:?}, expected {FORMAT:?}; use the release that wrote it, {}",
                head.format, head.software
            )));
        }
        if head.kind != kind {
            return Err(BackupError::OtherKind {
                path: self.archive.to_owned(),
                found: head.kind,
                name: head.name,
                expected: kind,
            });
        }
        Ok(head)
    }

    fn manifest(&self, entry: Entry<'_>) -> Result<Manifest, BackupError> {
        let text = self.text(entry, MANIFEST_LIMIT)?;
        serde_json::from_slice(&text).map_err(|error| self.damaged(format!("its list of files: {error}")))
    }

    fn text(&self, entry: Entry<'_>, limit: u64) -> Result<Vec<u8>, BackupError> {
        let length = entry.size();
        if length > limit {
            return Err(self.damaged(format!("a list of {length} bytes, expected at most {limit}")));
        }
        let mut text = Vec::new();
        entry
            .take(limit)
            .read_to_end(&mut text)
            .map_err(|error| self.broken(&error))?;
        if text.len() as u64 != length {
            return Err(self.damaged("it was cut off".to_owned()));
        }
        Ok(text)
    }

    fn file(&self, entry: Entry<'_>, name: &str, staging: &Path) -> Result<Listed, BackupError> {
        let path = staging.join(name);
        let mode = entry.header().mode().map_err(|error| self.broken(&error))? & 0o777;
        let length = entry.size();
        let folder = parent(&path);
        fs::create_dir_all(folder).map_err(BackupError::at("make the folder", folder))?;
        let at = BackupError::at("write the file", &path);
        // Never readable for more than it shall be, and never wider than files are made here.
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .map_err(&at)?;
        let mut reader = Hashing::new(entry);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = reader.read(&mut buffer).map_err(|error| self.broken(&error))?;
            match buffer.get(..count) {
                Some([]) | None => break,
                Some(read) => file.write_all(read).map_err(&at)?,
            }
        }
        if reader.count != length {
            return Err(self.damaged(format!("{name} was cut off")));
        }
        file.sync_all().map_err(&at)?;
        Ok(Listed {
            name: name.to_owned(),
            mode,
            bytes: length,
            sha256: reader.sha256(),
        })
    }
}
