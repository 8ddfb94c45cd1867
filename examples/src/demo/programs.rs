use std::path::{Path, PathBuf};

use super::DemoError;

/// The three programs of a consortium.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `veilsum-coordinator`.
    pub coordinator: PathBuf,
    /// `veilsum-client`.
    pub client: PathBuf,
    /// `veilsum-auditor`.
    pub auditor: PathBuf,
}

impl Programs {
    /// Those that were built together with the running program: in its own folder or, for a test, the one above.
    ///
    /// # Errors
    /// [`DemoError::NoProgram`] with the command that builds them.
    pub fn beside_this_one() -> Result<Self, DemoError> {
        let own = std::env::current_exe().map_err(DemoError::file(Path::new("the path of this program")))?;
        let folder = own.parent().unwrap_or(Path::new("."));
        let folder = match folder.parent() {
            Some(above) if folder.ends_with("deps") => above,
            _ => folder,
        };
        let find = |name: &str| there(folder.join(name));
        Ok(Self {
            coordinator: find("veilsum-coordinator")?,
            client: find("veilsum-client")?,
            auditor: find("veilsum-auditor")?,
        })
    }

    /// Another coordinator and another client, which lie beside these under these names with something behind.
    ///
    /// # Errors
    /// [`DemoError::NoProgram`].
    pub fn with_suffix(&self, suffix: &str) -> Result<Self, DemoError> {
        let find = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            there(PathBuf::from(name))
        };
        Ok(Self {
            coordinator: find(&self.coordinator)?,
            client: find(&self.client)?,
            auditor: self.auditor.clone(),
        })
    }
}

fn there(path: PathBuf) -> Result<PathBuf, DemoError> {
    if path.is_file() {
        Ok(path)
    } else {
        Err(DemoError::NoProgram { path })
    }
}
