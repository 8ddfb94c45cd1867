//! `serve.toml`: the server's settings, read at the start, and which version of each model answers, read again whenever the file changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use veilsum_serving::{Registry, Settings, Share, TlsFiles};

use super::ServeError;

/// The settings, in the bank's folder; all have defaults.
const SETTINGS_FILE: &str = "serve.toml";

/// The file.
#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    models: BTreeMap<String, Wanted>,
    #[serde(flatten)]
    settings: toml::Table,
}

/// Which version of a model answers. Without anything, the latest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    /// This one, whatever is published; an earlier one takes a newer one back.
    pin: Option<String>,
    /// This one is asked as well, and by how much it differs is counted; it answers nobody.
    shadow: Option<String>,
    /// Requests that name no version are shared among these, by weight.
    split: BTreeMap<String, u32>,
}

/// The file as it was read last.
pub(crate) struct Steering {
    path: PathBuf,
    text: String,
    wanted: BTreeMap<String, Wanted>,
    tls: Option<TlsFiles>,
}

impl Steering {
    /// Reads the file of a bank's folder; without one everything is as by default.
    ///
    /// # Errors
    /// A key that is none, or a value out of its range.
    pub(crate) fn read(dir: &Path) -> Result<(Self, Settings), ServeError> {
        let path = dir.join(SETTINGS_FILE);
        let wrong = |problem: String| ServeError::Content {
            path: path.clone(),
            problem,
        };
        let text = text(&path).map_err(wrong)?;
        let (wanted, mut settings) = parse(&text).map_err(wrong)?;
        // Paths are taken from the file's own folder.
        if let Some(keys) = &mut settings.keys {
            *keys = dir.join(&keys);
        }
        if let Some(tls) = &mut settings.tls {
            for file in [&mut tls.certificate, &mut tls.key]
                .into_iter()
                .chain(&mut tls.callers_ca)
            {
                *file = dir.join(&file);
            }
        }
        if let Some(decisions) = &mut settings.decisions {
            decisions.folder = dir.join(&decisions.folder);
        }
        let steering = Self {
            path: path.clone(),
            text,
            wanted,
            tls: settings.tls.clone(),
        };
        Ok((steering, settings))
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says of certificates by now.
    pub(super) fn tls(&self) -> Option<&TlsFiles> {
        self.tls.as_ref()
    }

    /// Reads the file again. What it says of the server itself counts from the next start on, but for the callers whose certificates let them in.
    ///
    /// # Errors
    /// What is wrong with it; the wishes before hold on then.
    pub(super) fn again(&mut self) -> Result<(), String> {
        let text = text(&self.path)?;
        if text != self.text {
            let (wanted, settings) =
                parse(&text).map_err(|problem| format!("{}: {problem}", self.path.display()))?;
            (self.text, self.wanted, self.tls) = (text, wanted, settings.tls);
        }
        Ok(())
    }

    /// Puts the wishes into force. What already holds is done again, which changes nothing.
    ///
    /// # Errors
    /// The first that cannot be, in words; the others are in force.
    pub(super) fn apply(&self, registry: &Registry) -> Result<(), String> {
        let none = Wanted::default();
        let mut problem = None;
        for standing in registry.standings() {
            let name = standing.name.as_str();
            let wanted = self.wanted.get(name).unwrap_or(&none);
            let latest = standing
                .cards
                .iter()
                .map(|card| card.version.as_str())
                .max_by_key(|version| order(version));
            let pinned = match (&wanted.pin, latest) {
                (Some(version), _) if standing.pinned && standing.current == *version => Ok(()),
                (Some(version), _) => registry.pin(name, version),
                (None, Some(latest)) if standing.pinned => {
                    registry.unpin(name).and_then(|()| registry.promote(name, latest))
                }
                (None, _) => Ok(()),
            };
            let shares: Vec<Share> = wanted
                .split
                .iter()
                .map(|(version, weight)| Share {
                    version: version.clone(),
                    weight: *weight,
                })
                .collect();
            let all = [
                pinned,
                registry.shadow(name, wanted.shadow.as_deref()),
                registry.split(name, &shares),
            ];
            for refused in all.into_iter().filter_map(Result::err) {
                problem.get_or_insert_with(|| format!("{}: [models.{name}] {refused}", self.path.display()));
            }
        }
        problem.map_or(Ok(()), Err)
    }
}

/// Rounds in their order, steps before them.
pub(super) fn order(version: &str) -> (bool, u64, String) {
    let round = version.parse::<u64>().ok();
    (round.is_some(), round.unwrap_or_default(), version.to_owned())
}

fn text(path: &Path) -> Result<String, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error.to_string()),
    }
}

fn parse(text: &str) -> Result<(BTreeMap<String, Wanted>, Settings), String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    // Straight from the text where that is all, so that an error tells line and column.
    let settings: Settings = if file.models.is_empty() && !file.settings.is_empty() {
        toml::from_str(text).map_err(|error| error.to_string())?
    } else {
        toml::Value::Table(file.settings)
            .try_into()
            .map_err(|error: toml::de::Error| error.message().to_owned())?
    };
    let problems = settings.problems();
    if problems.is_empty() {
        Ok((file.models, settings))
    } else {
        Err(problems.join("; "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_file_sets_the_server_and_which_version_answers() {
        let text = "listen = \"127.0.0.1:9\"\n[models.credit]\npin = \"12\"\n[models.fraud]\nsplit = { 3 = 9, 4 = 1 }\nshadow = \"2\"\n";
        let (wanted, settings) = parse(text).unwrap();
        assert_eq!(settings.listen.port(), 9);
        assert_eq!(wanted["credit"].pin.as_deref(), Some("12"));
        assert_eq!(
            wanted["fraud"].split,
            BTreeMap::from([("3".to_owned(), 9), ("4".to_owned(), 1)])
        );
        assert_eq!(parse("").unwrap().1, Settings::default());
        for (wrong, part) in [
            ("max_row = 1", "max_row"),
            ("[models.credit]\npins = 1", "pins"),
            ("max_rows = 0", "max_rows"),
            ("max_row = 1\n[models.credit]\npin = \"1\"", "max_row"),
        ] {
            let problem = parse(wrong).unwrap_err();
            assert!(problem.contains(part), "{problem}");
        }
    }

    #[test]
    fn rounds_are_in_the_order_of_their_numbers() {
        let mut versions = ["9", "step-3", "10", "2"];
        versions.sort_by_key(|version| order(version));
        assert_eq!(versions, ["step-3", "2", "9", "10"]);
    }
}
