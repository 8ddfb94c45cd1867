//! The participant's snapshot on disk: one file of mode 0600 that holds every secret of the open round and of the key epoch.
//!
//! Trusted: whoever reads it can unmask this bank's update of the open round together with the coordinator. Lost: the rounds in
//! progress, and a new key epoch is needed. A copy must never run beside the original, or be put back after it ran on: it would
//! answer differently from what the bank has answered.
//!
//! A replacement is atomic, and the old content is overwritten with zeros before its file goes, so that a key that the protocol has
//! wiped does not live on in free blocks. A crash at any step leaves the old state or the new one, and the next start ends the
//! overwriting. This protects on file systems that write in place (ext4 and XFS on a plain disk). It does not on those that copy on
//! write (btrfs, ZFS, snapshots of volumes), nor inside an SSD, whose controller keeps replaced blocks for a while: there, encrypt the
//! volume.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::durable::{FileError, PRIVATE, beside, promote, wipe};
use super::wiper::Wiper;

/// The state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// It could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others than its owner may read it.
    #[error("{}: mode {mode:04o} lets others at the protocol's secrets, expected 0600; run: chmod 600 '{}'", path.display(), path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// The file.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    wiper: Mutex<Wiper>,
}

impl StateFile {
    /// The state at `path`; ends what a crash interrupted.
    ///
    /// # Errors
    /// If left-over files cannot be removed.
    pub fn open(path: PathBuf) -> Result<Self, StateFileError> {
        wipe(&beside(&path, "new"))?;
        drop_old(&path)?;
        let wiper = Mutex::new(Wiper::start(&path)?);
        Ok(Self { path, wiper })
    }

    /// The state; `None` before the first [`StateFile::replace`].
    ///
    /// # Errors
    /// If it cannot be read, or others than its owner could.
    pub fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StateFileError> {
        let at = FileError::at(&self.path);
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(error).into()),
        };
        let facts = file.metadata().map_err(&at)?;
        let mode = facts.permissions().mode() & 0o7777;
        if mode & !PRIVATE != 0 {
            return Err(StateFileError::Mode {
                path: self.path.clone(),
                mode,
            });
        }
        // Room for all of it at once: a vector that grows would leave copies behind.
        let mut content = Zeroizing::new(Vec::with_capacity(
            usize::try_from(facts.len()).unwrap_or_default() + 1,
        ));
        file.read_to_end(&mut content).map_err(&at)?;
        Ok(Some(content))
    }

    /// Makes `content` the state, durably. The old content is overwritten by another thread, so that what waits for the new one does not wait
    /// for that too; the next replacement does.
    ///
    /// # Errors
    /// If the disk does not take it; then the old state stands. Or if the content before the last could not be overwritten.
    pub fn replace(&self, content: &[u8]) -> Result<(), StateFileError> {
        // What it guards is whole whoever panicked.
        let mut wiper = self.wiper.lock().unwrap_or_else(PoisonError::into_inner);
        wiper.finish(&self.path)?;
        let staged = write_over(&beside(&self.path, "new"), content)?;
        self.keep_old()?;
        promote(&staged, &self.path)?;
        wiper.begin();
        Ok(())
    }

    /// A second name for the old content, so that it can be found and overwritten after a crash as well.
    fn keep_old(&self) -> Result<(), StateFileError> {
        let old = old(&self.path);
        match fs::hard_link(&self.path, &old) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(FileError::at(&old)(error).into()),
        }
    }
}

/// Writes over the file that the last overwriting left, or a new one.
fn write_over(staged: &Path, content: &[u8]) -> Result<PathBuf, FileError> {
    let at = FileError::at(staged);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(staged)
        .map_err(&at)?;
    file.write_all(content).map_err(&at)?;
    // What was there is zeros.
    file.set_len(content.len() as u64).map_err(&at)?;
    file.sync_data().map_err(&at)?;
    Ok(staged.to_owned())
}

/// Ends what a crash interrupted.
fn drop_old(path: &Path) -> Result<(), FileError> {
    let old = old(path);
    if same_file(path, &old)? {
        // The crash came before the new state had its name: this is the state that still counts.
        return fs::remove_file(&old).map_err(FileError::at(&old));
    }
    wipe(&old)
}

fn old(path: &Path) -> PathBuf {
    beside(path, "old")
}

fn same_file(a: &Path, b: &Path) -> Result<bool, FileError> {
    let identity = |path: &Path| match fs::metadata(path) {
        Ok(facts) => Ok(Some((facts.dev(), facts.ino()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::at(path)(error)),
    };
    let (a, b) = (identity(a)?, identity(b)?);
    Ok(a.is_some() && a == b)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::durable::stage;
    use super::*;

    struct Scene {
        folder: tempfile::TempDir,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let scene = Self { folder };
            scene.open().replace(b"old secret").unwrap();
            scene
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("participant.state")
        }

        fn open(&self) -> StateFile {
            StateFile::open(self.path()).unwrap()
        }

        fn reopened(&self) -> Vec<u8> {
            let content = self.open().read().unwrap().unwrap().to_vec();
            assert_eq!(
                fs::read_dir(self.folder.path()).unwrap().count(),
                1,
                "nothing is left over"
            );
            content
        }
    }

    fn read_all(mut file: File) -> Vec<u8> {
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        content
    }

    #[test]
    fn the_old_content_is_gone_and_the_mode_is_private() {
        let scene = Scene::new();
        let old = File::open(scene.path()).unwrap();
        // Dropped at once, which waits for the overwriting.
        scene.open().replace(b"new secret").unwrap();
        assert_eq!(read_all(old), [0; 10]);
        assert_eq!(scene.reopened(), b"new secret");
        let mode = fs::metadata(scene.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn there_is_no_state_before_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::open(folder.path().join("participant.state")).unwrap();
        assert!(file.read().unwrap().is_none());
    }

    #[test]
    fn a_crash_between_any_two_steps_leaves_one_whole_state() {
        // While the new content was written.
        let scene = Scene::new();
        let staged = beside(&scene.path(), "new");
        fs::write(&staged, b"new se").unwrap();
        let half = File::open(&staged).unwrap();
        assert_eq!(scene.reopened(), b"old secret");
        assert_eq!(read_all(half), [0; 6], "the half-written secret is gone too");

        // After it was written.
        let scene = Scene::new();
        stage(&scene.path(), PRIVATE, b"new secret").unwrap();
        assert_eq!(scene.reopened(), b"old secret");

        // After the old content got its second name: it still counts, and must not be overwritten.
        let scene = Scene::new();
        stage(&scene.path(), PRIVATE, b"new secret").unwrap();
        scene.open_without_repair().keep_old().unwrap();
        assert_eq!(scene.reopened(), b"old secret");

        // After the new content got its name.
        let scene = Scene::new();
        let old = File::open(scene.path()).unwrap();
        let staged = stage(&scene.path(), PRIVATE, b"new secret").unwrap();
        scene.open_without_repair().keep_old().unwrap();
        promote(&staged, &scene.path()).unwrap();
        assert_eq!(scene.reopened(), b"new secret");
        assert_eq!(read_all(old), [0; 10]);
    }

    impl Scene {
        fn open_without_repair(&self) -> StateFile {
            StateFile {
                path: self.path(),
                wiper: Mutex::new(Wiper::start(&self.path()).unwrap()),
            }
        }
    }

    #[test]
    fn a_state_that_others_may_read_is_refused() {
        let scene = Scene::new();
        fs::set_permissions(scene.path(), fs::Permissions::from_mode(0o640)).unwrap();
        let error = scene.open().read().unwrap_err().to_string();
        assert!(
            error.contains("mode 0640") && error.contains("chmod 600"),
            "{error}"
        );
    }
}
