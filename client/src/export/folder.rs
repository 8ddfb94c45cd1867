//! The folder of an export: what may be there before, and what is there afterwards.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use veilsum_protocol::log::receipt::RECEIPT_EXTENSION;

use super::Format;
use super::card::{Card, FORMAT};
use crate::participant::FileError;
use crate::participant::durable::{PUBLIC, make_folder, promote, replace, stage};

/// The card, by which a folder is known for an export.
const CARD: &str = "card.json";
/// Files of every export.
const ALWAYS: [&str; 4] = [CARD, "card.md", "model.json", "task.toml"];
/// Behind the name of a file that is not whole yet.
const STAGED: &str = ".new";

/// The folder is not one for this export.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system's reason.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something else lies there.
    #[error(
        "{}: found {found}, expected an empty folder, none, or an earlier export of {model}; give another folder with --out", folder.display()
    )]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// What is there.
        found: String,
        /// The model's name.
        model: String,
    },
}

/// A folder that takes an export.
pub(super) struct OutFolder {
    path: PathBuf,
    written: Vec<String>,
}

impl OutFolder {
    /// Makes the folder. An earlier export of the model may be there, and will be replaced.
    ///
    /// # Errors
    /// If anything else is there, or it cannot be made.
    pub(super) fn of(path: &Path, model: &str) -> Result<Self, FolderError> {
        let taken = |found: String| FolderError::Taken {
            folder: path.to_owned(),
            found,
            model: model.to_owned(),
        };
        let names = match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(FileError::at(path)(error).into()),
            Ok(found) if !found.is_dir() => return Err(taken("a file".to_owned())),
            Ok(_) => names(path)?,
        };
        if !names.is_empty() {
            let other = names.iter().find(|name| !is_of_an_export(name));
            if let Some(other) = other {
                return Err(taken(format!("{other:?}")));
            }
            let card = fs::read(path.join(CARD)).ok();
            let card = card.and_then(|card| serde_json::from_slice::<Card>(&card).ok());
            match card {
                Some(card) if card.format == FORMAT && card.model.name == model => {}
                Some(card) => return Err(taken(format!("an export of {}", card.model.name))),
                None => return Err(taken(format!("files without a readable {CARD}"))),
            }
        }
        make_folder(path)?;
        Ok(Self {
            path: path.to_owned(),
            written: Vec::new(),
        })
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub(super) fn write(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<(), FileError> {
        replace(&self.path.join(name), mode, content)?;
        self.written.push(name.to_owned());
        Ok(())
    }

    /// The same of a file that `save` writes to the path that it is given, of which it then gives the content.
    ///
    /// # Errors
    /// If the disk does not take it, or as `save`.
    pub(super) fn save<E: From<FileError>>(
        &mut self,
        name: &str,
        mode: u32,
        save: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let path = self.path.join(name);
        // It exists with its mode before anything is in it.
        let staged = stage(&path, mode, &[])?;
        save(&staged)?;
        let content = fs::read(&staged).map_err(FileError::at(&staged))?;
        promote(&staged, &path)?;
        self.written.push(name.to_owned());
        Ok(content)
    }

    /// Writes the card and takes away what an earlier export left. The earlier card stays until the new one is there, so that a run that was
    /// interrupted can be run again.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub(super) fn finish(mut self, card: &[u8]) -> Result<Vec<String>, FileError> {
        for name in names(&self.path)? {
            if name != CARD && !self.written.contains(&name) {
                let path = self.path.join(name);
                fs::remove_file(&path).map_err(FileError::at(&path))?;
            }
        }
        self.write(CARD, PUBLIC, card)?;
        Ok(self.written)
    }
}

fn is_of_an_export(name: &str) -> bool {
    let name = name.strip_suffix(STAGED).unwrap_or(name);
    ALWAYS.contains(&name)
        || Format::ALL.iter().any(|format| format.file() == name)
        || Path::new(name)
            .extension()
            .is_some_and(|ending| ending == RECEIPT_EXTENSION)
}

fn names(folder: &Path) -> Result<Vec<String>, FileError> {
    let at = FileError::at(folder);
    let mut names = fs::read_dir(folder)
        .map_err(&at)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(&at)?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_with_other_things_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let place = scratch.path().join("a/b");
        let mut folder = OutFolder::of(&place, "credit").unwrap();
        folder.write("model.onnx", PUBLIC, b"1").unwrap();
        // Without a card nobody knows whose it is.
        let error = |model: &str| OutFolder::of(&place, model).err().map(|error| error.to_string());
        let told = error("credit").unwrap();
        assert!(told.contains("without a readable card.json"), "{told}");
        fs::write(place.join("notes.txt"), "mine").unwrap();
        let told = error("credit").unwrap();
        assert!(told.contains("\"notes.txt\"") && told.contains("--out"), "{told}");
        fs::remove_dir_all(&place).unwrap();
        fs::write(&place, "mine").unwrap();
        let told = error("credit").unwrap();
        assert!(told.contains("found a file"), "{told}");
    }
}
