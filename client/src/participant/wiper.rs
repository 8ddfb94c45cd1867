//! The thread that overwrites the participant's last state when it was replaced, and keeps its file for the next.
//!
//! Nothing that the bank says waits for it. A file that is made and removed with every state would cost more than its contents: ext4 looks
//! at each inode that was freed lately before it gives one out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use super::durable::{FileError, beside, zero};

/// A handle to the thread. Dropping it waits until nothing is left to overwrite.
#[derive(Debug)]
pub(super) struct Wiper {
    ask: Option<mpsc::Sender<()>>,
    done: mpsc::Receiver<Result<(), FileError>>,
    busy: bool,
    thread: Option<JoinHandle<()>>,
}

impl Wiper {
    /// For the state at `path`: what it overwrites is `path.old`, which becomes `path.new`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(path: &Path) -> Result<Self, FileError> {
        let (ask, asked) = mpsc::channel();
        let (tell, done) = mpsc::channel();
        let file = path.to_owned();
        let work = move || {
            while asked.recv().is_ok() {
                if tell.send(wipe_old(&file)).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("wiper".to_owned())
            .spawn(work)
            .map_err(FileError::at(path))?;
        Ok(Self {
            ask: Some(ask),
            done,
            busy: false,
            thread: Some(thread),
        })
    }

    /// Begins.
    pub(super) fn begin(&mut self) {
        if let Some(ask) = &self.ask {
            self.busy = ask.send(()).is_ok();
        }
    }

    /// Waits until it is done.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub(super) fn finish(&mut self, path: &Path) -> Result<(), FileError> {
        if !std::mem::take(&mut self.busy) {
            return Ok(());
        }
        self.done.recv().unwrap_or_else(|_| {
            let gone = io::Error::other("the thread that overwrites old content has ended");
            Err(FileError::at(path)(gone))
        })
    }
}

impl Drop for Wiper {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            // What could not be overwritten is found by its name at the next start.
            let _ = thread.join();
        }
    }
}

fn wipe_old(path: &Path) -> Result<(), FileError> {
    let (old, spare): (PathBuf, PathBuf) = (beside(path, "old"), beside(path, "new"));
    // There is none after the first state.
    if zero(&old)? {
        fs::rename(&old, &spare).map_err(FileError::at(&old))?;
    }
    Ok(())
}
