//! Writing an archive.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use serde::Serialize;
use tar::{Builder, EntryType, Header};

use crate::{BackupError, HEAD, Head, Listed, MANIFEST, Manifest, NAME_LIMIT};

/// Files that are not longer are read whole before they are written, so that one that is replaced meanwhile is in the archive as it was at one moment.
const WHOLE: u64 = 16 << 20;

/// An archive that is being written, under another name. Dropped before [`Writer::finish`] it leaves nothing behind.
pub struct Writer {
    tar: Option<Builder<Hashing<File>>>,
    files: Vec<Listed>,
    bytes: u64,
    made_at: u64,
    temporary: PathBuf,
    path: PathBuf,
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// The archive.
    pub path: PathBuf,
    /// Files in it.
    pub files: usize,
    /// Bytes of these files.
    pub bytes: u64,
    /// SHA-256 of the archive, hex.
    pub sha256: String,
}

impl Writer {
    /// Begins an archive at `path`, which must not exist; only its owner may read it.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn create(path: &Path, head: &Head) -> Result<Self, BackupError> {
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::Exists {
                path: path.to_owned(),
            });
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.partial", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(BackupError::at("write the file", &temporary))?;
        let mut writer = Self {
            tar: Some(Builder::new(Hashing::new(file))),
            files: Vec::new(),
            bytes: 0,
            made_at: u64::try_from(head.made_at).unwrap_or(0),
            temporary,
            path: path.to_owned(),
        };
        let text = serde_json::to_vec_pretty(head).map_err(|error| writer.own(error.into()))?;
        writer.append(HEAD, 0o600, text.len() as u64, &mut text.as_slice())?;
        Ok(writer)
    }

    fn own(&self, source: io::Error) -> BackupError {
        BackupError::at("write the file", &self.temporary)(source)
    }

    fn append(
        &mut self,
        name: &str,
        mode: u32,
        length: u64,
        content: &mut impl Read,
    ) -> Result<String, BackupError> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(mode);
        header.set_size(length);
        header.set_mtime(self.made_at);
        let own = BackupError::at("write the file", &self.temporary);
        let Some(tar) = &mut self.tar else {
            return Err(own(io::Error::other("the archive is finished")));
        };
        // Exactly what the header says, whatever happens to the file meanwhile.
        let mut counted = Hashing::new(content.take(length));
        tar.append_data(&mut header, name, &mut counted).map_err(own)?;
        if counted.count != length {
            return Err(BackupError::Unfit {
                path: name.into(),
                problem: format!(
                    "{} bytes came, expected {length}: it was cut while it was read; try again",
                    counted.count
                ),
            });
        }
        Ok(counted.sha256())
    }

    /// Adds a file with this content.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn add(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<(), BackupError> {
        self.take(name, mode, content.len() as u64, &mut &*content)
    }

    fn take(
        &mut self,
        name: &str,
        mode: u32,
        length: u64,
        content: &mut impl Read,
    ) -> Result<(), BackupError> {
        if name.len() > NAME_LIMIT {
            return Err(BackupError::Unfit {
                path: name.into(),
                problem: format!("the name has {} bytes, expected at most {NAME_LIMIT}", name.len()),
            });
        }
        let mode = mode & 0o777;
        let sha256 = self.append(name, mode, length, content)?;
        self.bytes = self.bytes.saturating_add(length);
        self.files.push(Listed {
            name: name.to_owned(),
            mode,
            bytes: length,
            sha256,
        });
        Ok(())
    }

    /// Adds the file at `path` with its mode; false if there is none.
    ///
    /// # Errors
    /// [`BackupError`], also for what is no plain file.
    pub fn add_file(&mut self, name: &str, path: &Path) -> Result<bool, BackupError> {
        let at = BackupError::at("read the file", path);
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(at(error)),
        };
        let facts = file.metadata().map_err(&at)?;
        if !facts.is_file() {
            return Err(BackupError::Unfit {
                path: path.to_owned(),
                problem: "it is no plain file; an archive takes no others".to_owned(),
            });
        }
        let mode = facts.permissions().mode();
        if facts.len() <= WHOLE {
            let mut content = Vec::new();
            file.read_to_end(&mut content).map_err(&at)?;
            self.add(name, mode, &content)?;
        } else {
            self.take(name, mode, facts.size(), &mut file)?;
        }
        Ok(true)
    }

    /// Adds the files in a folder and in those below it, sorted, but for those that `keep` does not want. One that goes meanwhile is left out; a folder
    /// that is not there is empty.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn add_folder(
        &mut self,
        name: &str,
        path: &Path,
        keep: &dyn Fn(&Path) -> bool,
    ) -> Result<(), BackupError> {
        let at = BackupError::at("read the folder", path);
        let listed = match fs::read_dir(path) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(at(error)),
        };
        let mut inside = Vec::new();
        for entry in listed {
            let entry = entry.map_err(&at)?;
            let kind = entry.file_type().map_err(&at)?;
            inside.push((entry.path(), kind));
        }
        inside.sort_by(|one, other| one.0.cmp(&other.0));
        for (path, kind) in inside {
            let Some(last) = path.file_name().and_then(|last| last.to_str()) else {
                return Err(BackupError::Unfit {
                    path,
                    problem: "its name is not UTF-8; rename it".to_owned(),
                });
            };
            let name = format!("{name}/{last}");
            if kind.is_dir() {
                self.add_folder(&name, &path, keep)?;
            } else if keep(&path) {
                self.add_file(&name, &path)?;
            }
        }
        Ok(())
    }

    /// Makes the archive whole and durable, and gives it its name.
    ///
    /// # Errors
    /// [`BackupError`]; there is no archive then.
    pub fn finish(mut self) -> Result<Written, BackupError> {
        let manifest = Manifest {
            files: std::mem::take(&mut self.files),
        };
        let text = serde_json::to_vec(&manifest).map_err(|error| self.own(error.into()))?;
        self.append(MANIFEST, 0o600, text.len() as u64, &mut text.as_slice())?;
        let tar = self.tar.take();
        let hashing = tar
            .map(Builder::into_inner)
            .transpose()
            .map_err(|error| self.own(error))?;
        let Some(hashing) = hashing else {
            return Err(self.own(io::Error::other("the archive is finished")));
        };
        hashing.inner.sync_all().map_err(|error| self.own(error))?;
        // Unlike a rename, a link never takes the place of a file.
        match fs::hard_link(&self.temporary, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(BackupError::Exists {
                    path: self.path.clone(),
                });
            }
            linked => linked.map_err(BackupError::at("write the file", &self.path))?,
        }
        let parent = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        File::open(parent)
            .and_then(|folder| folder.sync_all())
            .map_err(BackupError::at("make durable the folder", parent))?;
        Ok(Written {
            path: self.path.clone(),
            files: manifest.files.len(),
            bytes: self.bytes,
            sha256: hashing.sha256(),
        })
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, form: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        form.debug_struct("Writer")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What is left of it is of no use, and may hold keys.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Hashes and counts what goes through.
#[derive(Debug)]
pub(crate) struct Hashing<T> {
    pub(crate) inner: T,
    hash: Running,
    pub(crate) count: u64,
}

/// [`Context`] prints nothing of use.
struct Running(Context);

impl std::fmt::Debug for Running {
    fn fmt(&self, form: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        form.write_str("SHA-256")
    }
}

impl<T> Hashing<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            hash: Running(Context::new(&SHA256)),
            count: 0,
        }
    }

    pub(crate) fn sha256(&self) -> String {
        hex::encode(self.hash.0.clone().finish())
    }

    fn note(&mut self, bytes: &[u8]) {
        self.hash.0.update(bytes);
        self.count = self.count.saturating_add(bytes.len() as u64);
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.note(bytes.get(..count).unwrap_or(bytes));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.note(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }
}
