//! The spool: uploads on their way in.
//!
//! Not trusted beyond its lengths: the engine compares the hash that it is given with the one that the bank signed. Losing it costs
//! the uploads of the running round, which the banks send again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use ring::digest::{Context, SHA256};
use veilsum_protocol::ids::{BankIndex, Digest, Round};

const READ_BUFFER: usize = 256 << 10;
/// Bytes that are gathered in the system's cache before the disk begins with them.
const FLUSH_EVERY: u64 = 4 << 20;

/// The folder of uploads.
#[derive(Debug, Clone)]
pub(super) struct Spool {
    folder: PathBuf,
}

/// An upload that is being received, or was received before.
pub(super) struct Incoming {
    part: PathBuf,
    whole: PathBuf,
    file: File,
    hash: Context,
    /// Bytes that were stored when the disk was last told to begin with them.
    begun: u64,
    /// The disk at work.
    flushing: Option<JoinHandle<io::Result<()>>>,
    /// Bytes that are stored.
    pub(super) offset: u64,
    /// Whether all of it was received and made durable by an earlier call.
    pub(super) complete: bool,
}

impl Spool {
    /// Opens the folder, making it if need be.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Where uploads lie.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Goes on with an upload: its bytes so far are hashed again from the disk.
    pub(super) fn resume(&self, bank: BankIndex, round: Round, length: u64) -> io::Result<Incoming> {
        let name = format!("{:020}-{:05}", round.0, bank.get());
        let part = self.folder.join(format!("{name}.part"));
        let whole = self.folder.join(format!("{name}.upload"));
        match File::open(&whole) {
            Ok(file) if file.metadata()?.len() == length => {
                let mut incoming = Incoming {
                    part,
                    whole,
                    file,
                    hash: Context::new(&SHA256),
                    begun: 0,
                    flushing: None,
                    offset: 0,
                    complete: true,
                };
                incoming.hash_stored()?;
                return Ok(incoming);
            }
            // Never accepted by an engine that checks lengths, and in the way of one that would be.
            Ok(_) => fs::remove_file(&whole)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part)?;
        if file.metadata()?.len() > length {
            file.set_len(0)?;
        }
        let mut incoming = Incoming {
            part,
            whole,
            file,
            hash: Context::new(&SHA256),
            begun: 0,
            flushing: None,
            offset: 0,
            complete: false,
        };
        incoming.hash_stored()?;
        Ok(incoming)
    }
}

impl Incoming {
    fn hash_stored(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; READ_BUFFER];
        loop {
            match self.file.read(&mut buffer)? {
                0 => return Ok(()),
                count => {
                    self.hash.update(&buffer[..count]);
                    self.offset += u64::try_from(count).map_err(io::Error::other)?;
                    self.begun = self.offset;
                }
            }
        }
    }

    /// Adds bytes at the end.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.offset += u64::try_from(bytes.len()).map_err(io::Error::other)?;
        self.begin_flush()
    }

    /// Lets the disk begin while more comes, so that little is left to wait for at the end.
    fn begin_flush(&mut self) -> io::Result<()> {
        if self.offset < self.begun + FLUSH_EVERY
            || self.flushing.as_ref().is_some_and(|it| !it.is_finished())
        {
            return Ok(());
        }
        self.flushed()?;
        self.begun = self.offset;
        let file = self.file.try_clone()?;
        let flush = thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || file.sync_data())?;
        self.flushing = Some(flush);
        Ok(())
    }

    /// An error is told once for the file, to whoever asks first: so everybody's counts.
    fn flushed(&mut self) -> io::Result<()> {
        match self.flushing.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(io::Error::other("the thread that flushes an upload has panicked")),
        }
    }

    /// Makes the bytes of the whole upload durable and gives them their final name. The name may be lost in a crash; what is found under the old
    /// one then is taken up as if its trailer were missing.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.complete {
            return Ok(());
        }
        self.flushed()?;
        self.file.sync_all()?;
        fs::rename(&self.part, &self.whole)
    }

    /// Where the whole upload lies.
    pub(super) fn path(&self) -> &Path {
        &self.whole
    }

    /// SHA-256 of the bytes so far.
    pub(super) fn sha256(&self) -> Digest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.hash.clone().finish().as_ref());
        Digest(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn bank() -> BankIndex {
        BankIndex::new(2).unwrap()
    }

    #[test]
    fn an_upload_goes_on_where_it_stopped_with_the_hash_of_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        spool.resume(bank(), Round(7), 6).unwrap().append(b"abc").unwrap();
        let mut again = spool.resume(bank(), Round(7), 6).unwrap();
        assert_eq!((again.offset, again.complete), (3, false));
        again.append(b"def").unwrap();
        again.finish().unwrap();
        assert_eq!(again.sha256(), Digest::of(b"abcdef"));
        assert_eq!(fs::read(again.path()).unwrap(), b"abcdef");
        let whole = spool.resume(bank(), Round(7), 6).unwrap();
        assert_eq!(
            (whole.offset, whole.complete, whole.sha256()),
            (6, true, Digest::of(b"abcdef"))
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn leftovers_of_another_length_start_anew() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        spool
            .resume(bank(), Round(1), 9)
            .unwrap()
            .append(b"too long")
            .unwrap();
        let mut shorter = spool.resume(bank(), Round(1), 4).unwrap();
        assert_eq!(shorter.offset, 0);
        shorter.append(b"four").unwrap();
        shorter.finish().unwrap();
        assert_eq!(spool.resume(bank(), Round(1), 5).unwrap().offset, 0);
    }

    #[test]
    fn banks_and_rounds_do_not_share_files() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        spool.resume(bank(), Round(1), 9).unwrap().append(b"x").unwrap();
        assert_eq!(spool.resume(bank(), Round(2), 9).unwrap().offset, 0);
        assert_eq!(
            spool
                .resume(BankIndex::new(1).unwrap(), Round(1), 9)
                .unwrap()
                .offset,
            0
        );
    }
}
