//! Who may ask: the file of callers' keys, read again when it changes, so that a key is taken away without a restart.

use std::fs;
use std::path::{Path, PathBuf};

use veilsum_serving::{Callers, Keys, Settings};

use super::ServeError;

/// The file as it was read last.
pub(super) struct KeyFile {
    path: PathBuf,
    text: String,
}

impl KeyFile {
    /// Reads the file that the settings name, if they name one.
    ///
    /// # Errors
    /// If it cannot be read, or a key in it is none.
    pub(super) fn read(settings: &Settings) -> Result<(Option<Self>, Option<Keys>), ServeError> {
        let Some(path) = &settings.keys else {
            return Ok((None, None));
        };
        let (text, keys) = read(path).map_err(|problem| ServeError::Content {
            path: path.clone(),
            problem,
        })?;
        let file = Self {
            path: path.clone(),
            text,
        };
        Ok((Some(file), Some(keys)))
    }

    /// Lets those in that the file names by now.
    ///
    /// # Errors
    /// What is wrong with it; those who were let in before still are then.
    pub(super) fn again(&mut self, callers: &Callers) -> Result<(), String> {
        let told = |problem: String| format!("{}: {problem}", self.path.display());
        let text = fs::read_to_string(&self.path).map_err(|error| told(error.to_string()))?;
        if text != self.text {
            callers.replace_keys(Keys::read(&text).map_err(told)?);
            self.text = text;
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<(String, Keys), String> {
    let text = fs::read_to_string(path).map_err(|error| {
        format!("{error}; `veilsum-client model key NAME` makes a key and the lines for this file")
    })?;
    let keys = Keys::read(&text)?;
    Ok((text, keys))
}
