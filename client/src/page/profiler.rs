//! A look at the bank's table beside the rounds: the figures of `data profile` and `data check`, made anew when a file has changed and somebody
//! looks.

use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::SystemTime;

use tokio::sync::watch;

use super::policy;
use crate::app;
use crate::command::data::{Report, survey_first};
use crate::config::Config;
use crate::data::is_of_images;
use crate::survey::{Images, Profile, Survey};

/// Rows of a table that are looked at: rounds have the machine, and the figures of so many stand for the rest.
pub(super) const ROWS: u64 = 200_000;
/// Images of files of more bytes are not read for the page.
const IMAGE_BYTES: u64 = 256 << 20;

/// What the bank's table looks like.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) what: Result<What, String>,
    /// What the policy makes of it, or why that is not known.
    pub(super) check: Result<Report, String>,
    /// What the policy never lets a task do, in words.
    pub(super) limits: Vec<String>,
    /// When it was found, in Unix milliseconds.
    pub(super) at: u64,
}

#[derive(Debug)]
pub(super) enum What {
    Table(Profile),
    Images(Images),
    /// Too many images to be read for a page.
    ManyImages,
}

/// The files as they were: when they were written, and how long they are.
type Stamp = Vec<Option<(SystemTime, u64)>>;

/// Looks when it is asked, in a thread of its own, one look at a time.
#[derive(Clone)]
pub(super) struct Profiler(Arc<Inner>);

struct Inner {
    config: Config,
    state: Mutex<State>,
    beat: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    of: Option<Stamp>,
    is_looking: bool,
    found: Option<Arc<Found>>,
}

impl Profiler {
    /// Nothing is read yet. `beat` goes on when something was found.
    pub(super) fn new(config: Config, beat: watch::Sender<u64>) -> Self {
        Self(Arc::new(Inner {
            config,
            state: Mutex::default(),
            beat,
        }))
    }

    /// What was found last, and whether another look is under way because a file has changed.
    pub(super) fn look(&self) -> (Option<Arc<Found>>, bool) {
        let stamp = self.stamp();
        let mut state = self.lock();
        if state.of.as_ref() != Some(&stamp) && !state.is_looking {
            let profiler = self.clone();
            let started = thread::Builder::new()
                .name("profile".to_owned())
                .spawn(move || profiler.work(stamp));
            // Without a thread the next look tries again.
            state.is_looking = started.is_ok();
        }
        (state.found.clone(), state.is_looking)
    }

    fn work(&self, stamp: Stamp) {
        let found = find(&self.0.config);
        let mut state = self.lock();
        state.of = Some(stamp);
        state.is_looking = false;
        state.found = Some(Arc::new(found));
        drop(state);
        self.0.beat.send_modify(|beat| *beat += 1);
    }

    fn stamp(&self) -> Stamp {
        let data = &self.0.config.data;
        let files = [&data.file, &data.labels, &data.schema, &data.policy];
        let stamp = |file| {
            let facts = fs::metadata(file).ok()?;
            Some((facts.modified().ok()?, facts.len()))
        };
        files.into_iter().map(stamp).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(config: &Config) -> Found {
    let data = &config.data;
    let of_images = is_of_images(&data.file);
    let many = of_images && fs::metadata(&data.file).is_ok_and(|facts| facts.len() > IMAGE_BYTES);
    let what = if many {
        Ok(What::ManyImages)
    } else if of_images {
        let labels = (data.labels.as_os_str() != "").then_some(data.labels.as_path());
        Images::read(&data.file, labels).map(What::Images)
    } else {
        Survey::read_first(&data.file, ROWS).map(|survey| What::Table(Profile::of(&survey)))
    };
    let check = if of_images {
        Err("no columns that rules could change, and nobody looks for identifiers in pictures".to_owned())
    } else {
        survey_first(config, ROWS).map_err(|error| error.to_string())
    };
    Found {
        what: what.map_err(|error| error.to_string()),
        check,
        limits: app::policy(config)
            .rules()
            .map(|rules| policy::words(&rules.policy().limits))
            .unwrap_or_default(),
        at: super::office::milliseconds(),
    }
}
