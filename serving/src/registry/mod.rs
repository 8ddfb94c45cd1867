//! The models that are served, by name and version.
//!
//! What is served is one snapshot that is replaced as a whole: a request takes its version from the snapshot that stood when it came, and holds
//! it until it is answered, whatever is swapped meanwhile.

mod choice;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::batcher::{Batcher, Coming};
use crate::card::Card;
use crate::meters::Meters;
use crate::model::Model;
use crate::refusal::{Kind, Refusal};
use crate::settings::Batching;

pub use choice::Share;

/// A version that is served, with its queue.
pub struct Served {
    model: Arc<dyn Model>,
    pub(crate) batcher: Batcher,
}

impl Served {
    /// What the model says of itself.
    pub fn card(&self) -> &Card {
        self.model.card()
    }

    pub(crate) fn model(&self) -> Arc<dyn Model> {
        Arc::clone(&self.model)
    }
}

#[derive(Clone)]
struct Entry {
    versions: BTreeMap<String, Arc<Served>>,
    current: String,
    /// Versions that were current before, the latest last.
    former: Vec<String>,
    pinned: bool,
    shadow: Option<String>,
    split: Vec<Share>,
}

type Snapshot = BTreeMap<String, Entry>;

/// The models that are served. Every change is one step for whoever asks.
pub struct Registry {
    snapshot: RwLock<Arc<Snapshot>>,
    batching: Batching,
    meters: Meters,
    coming: Coming,
}

/// Which version answers a request, and which is asked beside it.
pub(crate) struct Chosen {
    pub(crate) served: Arc<Served>,
    pub(crate) shadow: Option<Arc<Served>>,
}

/// How a model is served.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Name of the model.
    pub name: String,
    /// Cards of its versions, by their names.
    pub cards: Vec<Card>,
    /// Version that answers where the request names none.
    pub current: String,
    /// Whether what is published stays aside until [`Registry::unpin`].
    pub pinned: bool,
    /// Version that is asked beside the one that answers.
    pub shadow: Option<String>,
    /// Versions that share the requests that name none, if they are shared.
    pub split: Vec<Share>,
}

impl Registry {
    pub(crate) fn new(batching: Batching, meters: Meters, coming: Coming) -> Self {
        Self {
            snapshot: RwLock::default(),
            batching,
            meters,
            coming,
        }
    }

    /// Takes a new version in, and makes it the current one unless another is pinned. A version that has the name of one that is there is
    /// refused: a name means one model for good.
    ///
    /// # Errors
    /// What is wrong with the card, or that no thread could be started.
    pub fn publish(&self, model: Arc<dyn Model>) -> Result<(), Refusal> {
        self.take(model, true)
    }

    /// Takes a new version in beside the current one; the first of its name becomes current.
    ///
    /// # Errors
    /// As for [`Self::publish`].
    pub fn add(&self, model: Arc<dyn Model>) -> Result<(), Refusal> {
        self.take(model, false)
    }

    fn take(&self, model: Arc<dyn Model>, forward: bool) -> Result<(), Refusal> {
        let card = model.card();
        if let Some(problem) = card.problem() {
            return Err(Refusal::invalid(problem));
        }
        let (name, version) = (card.name.clone(), card.version.clone());
        let batcher = Batcher::start(
            Arc::clone(&model),
            self.batching,
            self.meters.clone(),
            self.coming.clone(),
        )
        .map_err(|error| {
            Refusal::new(
                Kind::Unavailable,
                format!("no thread for scoring could be started: {error}"),
            )
        })?;
        let served = Arc::new(Served { model, batcher });
        self.change(|all| {
            let Some(entry) = all.get_mut(&name) else {
                let entry = Entry {
                    versions: BTreeMap::from([(version.clone(), served)]),
                    current: version.clone(),
                    former: Vec::new(),
                    pinned: false,
                    shadow: None,
                    split: Vec::new(),
                };
                all.insert(name.clone(), entry);
                return Ok(());
            };
            if entry.versions.contains_key(&version) {
                let words = format!(
                    "model {name:?} has a version {version:?} already; give the new one a name of its own"
                );
                return Err(Refusal::invalid(words));
            }
            if let Some(current) = entry.versions.get(&entry.current) {
                same_columns(current.card(), served.card())?;
            }
            entry.versions.insert(version.clone(), served);
            if forward && !entry.pinned {
                entry.turn_to(&version);
            }
            Ok(())
        })
    }

    /// Lets a version answer where the request names none.
    ///
    /// # Errors
    /// If there is no such version.
    pub fn promote(&self, name: &str, version: &str) -> Result<(), Refusal> {
        self.at(name, version, |entry| {
            entry.turn_to(version);
            Ok(())
        })
    }

    /// As [`Self::promote`]; what is published later stays aside until [`Self::unpin`].
    ///
    /// # Errors
    /// If there is no such version.
    pub fn pin(&self, name: &str, version: &str) -> Result<(), Refusal> {
        self.at(name, version, |entry| {
            entry.turn_to(version);
            entry.pinned = true;
            Ok(())
        })
    }

    /// Lets the next version that is published become current.
    ///
    /// # Errors
    /// If there is no such model.
    pub fn unpin(&self, name: &str) -> Result<(), Refusal> {
        self.of(name, |entry| {
            entry.pinned = false;
            Ok(())
        })
    }

    /// Lets the version answer that did before the current one, and gives its name. It is not pinned by that.
    ///
    /// # Errors
    /// If there is no such model, or none of its versions was current before.
    pub fn roll_back(&self, name: &str) -> Result<String, Refusal> {
        let mut back = String::new();
        self.of(name, |entry| {
            let Some(version) = entry.former.pop() else {
                let words = format!(
                    "no version of model {name:?} was current before {:?}",
                    entry.current
                );
                return Err(Refusal::new(Kind::NotFound, words));
            };
            entry.current.clone_from(&version);
            back = version;
            Ok(())
        })?;
        Ok(back)
    }

    /// Asks a second version beside whichever answers, and counts by how much it differs; nothing ends that.
    ///
    /// # Errors
    /// If there is no such version.
    pub fn shadow(&self, name: &str, version: Option<&str>) -> Result<(), Refusal> {
        self.of(name, |entry| {
            if let Some(version) = version {
                entry.known(name, version)?;
            }
            entry.shadow = version.map(str::to_owned);
            Ok(())
        })
    }

    /// Shares the requests that name no version, in proportion to the weights; the same key always gets the same version. No shares end that.
    ///
    /// # Errors
    /// If there is no such version, a weight is 0, or a version comes twice.
    pub fn split(&self, name: &str, shares: &[Share]) -> Result<(), Refusal> {
        self.of(name, |entry| {
            for (at, share) in shares.iter().enumerate() {
                entry.known(name, &share.version)?;
                let twice = shares.iter().take(at).any(|other| other.version == share.version);
                if share.weight == 0 || twice {
                    let words = format!(
                        "the share of version {:?} has the weight {}; expected at least 1, and each version once",
                        share.version, share.weight
                    );
                    return Err(Refusal::invalid(words));
                }
            }
            entry.split = shares.to_vec();
            Ok(())
        })
    }

    /// Takes a version out. Requests that it was chosen for are still answered.
    ///
    /// # Errors
    /// If there is no such version, or it is current, shadows or has a share.
    pub fn remove(&self, name: &str, version: &str) -> Result<(), Refusal> {
        self.at(name, version, |entry| {
            let is_used = entry.current == version
                || entry.shadow.as_deref() == Some(version)
                || entry.split.iter().any(|share| share.version == version);
            if is_used {
                let words = format!(
                    "version {version:?} of model {name:?} is current, shadows or has a share; end that first"
                );
                return Err(Refusal::invalid(words));
            }
            entry.versions.remove(version);
            entry.former.retain(|former| former != version);
            Ok(())
        })
    }

    /// How every model is served, by name.
    pub fn standings(&self) -> Vec<Standing> {
        let snapshot = self.snapshot();
        let standing = |(name, entry): (&String, &Entry)| Standing {
            name: name.clone(),
            cards: entry
                .versions
                .values()
                .map(|served| served.card().clone())
                .collect(),
            current: entry.current.clone(),
            pinned: entry.pinned,
            shadow: entry.shadow.clone(),
            split: entry.split.clone(),
        };
        snapshot.iter().map(standing).collect()
    }

    /// The version of a name, or the current one.
    ///
    /// # Errors
    /// If there is no such model or version.
    pub fn find(&self, name: &str, version: Option<&str>) -> Result<Arc<Served>, Refusal> {
        let snapshot = self.snapshot();
        let entry = snapshot.get(name).ok_or_else(|| nothing(name, &snapshot))?;
        entry.known(name, version.unwrap_or(&entry.current)).cloned()
    }

    /// Which version answers a request. A version that the request names has no shadow and no share.
    pub(crate) fn choose(&self, name: &str, version: Option<&str>, key: &str) -> Result<Chosen, Refusal> {
        let snapshot = self.snapshot();
        let entry = snapshot.get(name).ok_or_else(|| nothing(name, &snapshot))?;
        if let Some(version) = version {
            let served = entry.known(name, version)?.clone();
            return Ok(Chosen { served, shadow: None });
        }
        let version = choice::share(name, key, &entry.split).unwrap_or(&entry.current);
        let served = entry.known(name, version)?.clone();
        let shadow = entry.shadow.as_deref().filter(|shadow| *shadow != version);
        let shadow = shadow.and_then(|shadow| entry.versions.get(shadow)).cloned();
        Ok(Chosen { served, shadow })
    }

    pub(crate) fn versions(&self, name: &str) -> Vec<String> {
        let snapshot = self.snapshot();
        let versions = snapshot
            .get(name)
            .map(|entry| entry.versions.keys().cloned().collect());
        versions.unwrap_or_default()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, step: impl FnOnce(&mut Snapshot) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let mut place = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = Snapshot::clone(&place);
        step(&mut next)?;
        *place = Arc::new(next);
        Ok(())
    }

    fn of(&self, name: &str, step: impl FnOnce(&mut Entry) -> Result<(), Refusal>) -> Result<(), Refusal> {
        self.change(|all| {
            let missing = nothing(name, all);
            step(all.get_mut(name).ok_or(missing)?)
        })
    }

    fn at(
        &self,
        name: &str,
        version: &str,
        step: impl FnOnce(&mut Entry) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.of(name, |entry| {
            entry.known(name, version)?;
            step(entry)
        })
    }
}

impl Entry {
    fn turn_to(&mut self, version: &str) {
        if self.current != version {
            let before = std::mem::replace(&mut self.current, version.to_owned());
            // A version stands once among the former ones, so that their list is no longer than that of the versions.
            self.former
                .retain(|former| *former != before && former != version);
            self.former.push(before);
        }
    }

    fn known(&self, name: &str, version: &str) -> Result<&Arc<Served>, Refusal> {
        self.versions.get(version).ok_or_else(|| {
            let there: Vec<&str> = self.versions.keys().map(String::as_str).collect();
            let words = format!(
                "model {name:?} has no version {version:?}; it has {}",
                there.join(", ")
            );
            Refusal::new(Kind::NotFound, words)
        })
    }
}

fn nothing(name: &str, all: &Snapshot) -> Refusal {
    let there: Vec<&str> = all.keys().map(String::as_str).collect();
    let there = if there.is_empty() {
        "no model is served yet".to_owned()
    } else {
        format!("served are {}", there.join(", "))
    };
    Refusal::new(Kind::NotFound, format!("there is no model {name:?}; {there}"))
}

/// Applications go on sending the same columns when the version changes under them.
fn same_columns(old: &Card, new: &Card) -> Result<(), Refusal> {
    if old.inputs == new.inputs && old.outputs == new.outputs {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "version {:?} of model {:?} has other inputs or outputs than version {:?}; give the model a name of its own",
        new.version, new.name, old.version
    )))
}
