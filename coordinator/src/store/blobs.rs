//! Models, sums and masked updates, as files under their SHA-256: `blobs/<first 2 hex digits>/<64 hex digits>`.
//!
//! Not trusted: whoever opens a blob knows its hash and compares. To lose one costs what it held: a bank that joins late
//! cannot fetch that sum, an auditor cannot replay that round; a masked update of a round that is still open must be
//! uploaded again. Nothing here can be read without the masks.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use veilsum_protocol::ids::Digest;

use crate::atomic_file::{
    TEMPORARY_SUFFIX, durable_create_folder, durable_rename, durable_write, sync_folder,
};
use crate::engine::ports::StoreError;

/// Content-addressed files under one folder.
///
/// A name is there only with the whole contents behind it, durably. Two writers of the same blob at once are not allowed.
#[derive(Clone, Debug)]
pub struct BlobStore {
    folder: PathBuf,
}

impl BlobStore {
    /// Opens the folder `blobs` under `folder`, or creates it, and removes what a crash left half-written.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the system refuses.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let folder = folder.join("blobs");
        durable_create_folder(&folder)?;
        let store = Self { folder };
        for path in store.files()? {
            if path.to_str().is_some_and(|path| path.ends_with(TEMPORARY_SUFFIX)) {
                fs::remove_file(&path).map_err(StoreError::io("remove the half-written file", &path))?;
            }
        }
        Ok(store)
    }

    /// Stores `bytes` and returns their SHA-256 when they are durable.
    ///
    /// # Errors
    /// [`StoreError::Io`]; after an error the blob is there as a whole or not at all.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let hash = Digest::of(bytes);
        self.put_as(&hash, bytes)?;
        Ok(hash)
    }

    /// The same where the caller has computed the hash.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_as(&self, hash: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.prepare(hash)?;
        Ok(durable_write(&path, bytes)?)
    }

    /// Takes over a finished file under the hash of its contents, which the caller has computed while it wrote them. The
    /// file must be in the same file system; it is gone from its old place.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the file is then at its old or at its new place.
    pub fn adopt(&self, finished: &Path, hash: &Digest) -> Result<(), StoreError> {
        File::open(finished)
            .and_then(|file| file.sync_all())
            .map_err(StoreError::io("fsync the file", finished))?;
        let path = self.prepare(hash)?;
        Ok(durable_rename(finished, &path)?)
    }

    /// Opens a blob for reading; `None` if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the system refuses.
    pub fn open_blob(&self, hash: &Digest) -> Result<Option<File>, StoreError> {
        let path = self.path(hash);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("open the blob", &path)(error)),
        }
    }

    /// Removes a blob, durably; `false` if it was not there.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the system refuses.
    pub fn remove(&self, hash: &Digest) -> Result<bool, StoreError> {
        let path = self.path(hash);
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(&self.shelf(hash))
                .map(|()| true)
                .map_err(StoreError::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io("remove the blob", &path)(error)),
        }
    }

    /// The hashes of all blobs, sorted. Files with other names are passed over.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the system refuses.
    pub fn hashes(&self) -> Result<Vec<Digest>, StoreError> {
        let files = self.files()?;
        let named = files
            .iter()
            .filter_map(|path| Digest::from_hex(path.file_name()?.to_str()?).zip(Some(path)));
        let mut hashes: Vec<Digest> = named
            .filter(|(hash, path)| self.path(hash) == **path)
            .map(|(hash, _)| hash)
            .collect();
        hashes.sort_unstable();
        Ok(hashes)
    }

    /// Where the blob is, or would be.
    pub fn path(&self, hash: &Digest) -> PathBuf {
        self.shelf(hash).join(hash.to_hex())
    }

    fn shelf(&self, hash: &Digest) -> PathBuf {
        shelf(&self.folder, hash)
    }

    fn prepare(&self, hash: &Digest) -> Result<PathBuf, StoreError> {
        durable_create_folder(&self.shelf(hash))?;
        Ok(self.path(hash))
    }

    fn files(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut files = Vec::new();
        for shelf in list(&self.folder)?.into_iter().filter(|path| path.is_dir()) {
            files.extend(list(&shelf)?);
        }
        Ok(files)
    }
}

/// Where the store under `folder` has the blob, or would have it, for who only reads.
pub fn path_in(folder: &Path, hash: &Digest) -> PathBuf {
    shelf(&folder.join("blobs"), hash).join(hash.to_hex())
}

fn shelf(blobs: &Path, hash: &Digest) -> PathBuf {
    let Digest([first, ..]) = hash;
    blobs.join(format!("{first:02x}"))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    fs::read_dir(folder)
        .and_then(|files| files.map(|file| file.map(|file| file.path())).collect())
        .map_err(StoreError::io("list the folder", folder))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read;

    use super::*;

    fn read(store: &BlobStore, hash: &Digest) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        store.open_blob(hash).unwrap()?.read_to_end(&mut bytes).unwrap();
        Some(bytes)
    }

    #[test]
    fn a_blob_is_found_under_its_hash_by_this_store_and_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let hash = store.put(b"abc").unwrap();
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_hex(), hex);
        assert_eq!(
            fs::read(folder.path().join("blobs/ba").join(hex)).unwrap(),
            b"abc"
        );
        store.put(b"abc").unwrap();
        let reopened = BlobStore::open(folder.path()).unwrap();
        assert_eq!(read(&reopened, &hash).unwrap(), b"abc");
        assert_eq!(read(&reopened, &Digest::of(b"other")), None);
    }

    #[test]
    fn a_finished_file_is_adopted_and_gone_from_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let upload = folder.path().join("upload-7");
        fs::write(&upload, b"masked").unwrap();
        let hash = Digest::of(b"masked");
        store.adopt(&upload, &hash).unwrap();
        assert_eq!(read(&store, &hash).unwrap(), b"masked");
        assert!(!upload.exists());
        let error = store.adopt(&upload, &hash).unwrap_err();
        assert!(matches!(error, StoreError::Io { path, .. } if path == upload));
    }

    #[test]
    fn blobs_are_listed_in_order_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let mut hashes: Vec<Digest> = (0..20u8).map(|n| store.put(&[n]).unwrap()).collect();
        hashes.sort_unstable();
        fs::write(folder.path().join("blobs/README"), b"not a blob").unwrap();
        fs::write(
            folder
                .path()
                .join("blobs")
                .join(&hashes[0].to_hex()[..2])
                .join("stray"),
            b"not a blob",
        )
        .unwrap();
        assert_eq!(store.hashes().unwrap(), hashes);
        assert!(store.remove(&hashes[3]).unwrap());
        assert!(!store.remove(&hashes[3]).unwrap());
        hashes.remove(3);
        assert_eq!(store.hashes().unwrap(), hashes);
    }

    #[test]
    fn what_a_crash_left_half_written_is_no_blob_and_is_removed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let hash = store.put(b"whole").unwrap();
        let torn = store
            .path(&hash)
            .with_file_name(format!("{}{TEMPORARY_SUFFIX}", Digest::of(b"torn")));
        fs::write(&torn, b"to").unwrap();
        assert_eq!(store.hashes().unwrap(), [hash]);
        let reopened = BlobStore::open(folder.path()).unwrap();
        assert!(!torn.exists());
        assert_eq!(reopened.hashes().unwrap(), [hash]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("blobs"), b"a file").unwrap();
        let error = BlobStore::open(folder.path()).unwrap_err();
        assert!(
            matches!(&error, StoreError::Io { path, .. } if path.ends_with("blobs")),
            "{error}"
        );
    }
}
