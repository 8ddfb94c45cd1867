//! Coordinator and banks with tables and a task of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use veilsum_client::data::{Dataset, HoldOut};
use veilsum_client::enrol::init::read_hold_out_salt;
use veilsum_client::model::Snapshot;
use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_examples::demo::consortium::{Consortium, Member, Setup};
use veilsum_examples::demo::history::{History, RoundEnd, RoundStory};
use veilsum_examples::demo::trial::read_rows;
use veilsum_examples::demo::{Keeper, Programs};
use veilsum_examples::files::TableFiles;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::Vocabularies;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::secagg::pack;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical as _;

/// Longest that anything may take; processes of several tests share the machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct Scene {
    pub consortium: Consortium,
    pub banks: Vec<String>,
    pub task: Task,
    _scratch: TempDir,
}

impl Scene {
    /// Coordinator and one bank for each table, running, with a task that all of them approved. A bank that is away counts as gone after
    /// `grace_s` seconds.
    pub fn start(task: &str, tables: &[String], grace_s: u32) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("c");
        let banks: Vec<String> = (1..=tables.len())
            .map(|number| format!("bank-{number}"))
            .collect();
        let member = |(name, table): (&String, &String)| {
            let path = scratch.path().join(format!("{name}.csv"));
            fs::write(&path, table).unwrap();
            Member {
                name: name.clone(),
                table: path,
                labels: None,
            }
        };
        let parsed: toml::Table = toml::from_str(task).unwrap();
        let setup = Setup {
            dir: dir.clone(),
            name: "test".to_owned(),
            banks: banks.iter().zip(tables).map(member).collect(),
            schema: toml::to_string(&parsed["schema"]).unwrap(),
            reconnect_grace_s: grace_s,
            idle_s: 5,
        };
        let programs = Programs::beside_this_one().unwrap();
        let tell = Box::new(|line: &str| println!("$ {line}"));
        let consortium = Consortium::enrol(setup, programs, Keeper::default(), tell).unwrap();
        fs::write(dir.join("task.toml"), task).unwrap();
        consortium.start_coordinator().unwrap();
        for bank in &banks {
            consortium.start_bank(bank).unwrap();
        }
        let task = Task::parse(task).unwrap();
        let hash = consortium.create_task("task.toml").unwrap();
        consortium
            .approve_everywhere(&task.name, &hash, PATIENCE)
            .unwrap();
        Self {
            consortium,
            banks,
            task,
            _scratch: scratch,
        }
    }

    /// Waits for the end of the task and for its last model at every bank, stops all and has the auditor look.
    pub fn finish(&self) -> History {
        let over = |status: &Status| {
            status.round.is_none()
                && status
                    .tasks
                    .iter()
                    .all(|task| task.status == TaskStatus::Finished)
        };
        let status = self
            .consortium
            .wait_for("the end of the task", PATIENCE, over)
            .unwrap();
        let read = || {
            let mut history = History::default();
            // The coordinator publishes while this looks.
            let followed = history.follow(&self.consortium.log_folder(), self.consortium.log_key());
            followed.is_ok_and(|news| news).then_some(history)
        };
        let whole = |_: &Status| read().is_some_and(|history| history.size() >= status.log_size);
        self.consortium
            .wait_for("the last entries of the log", PATIENCE, whole)
            .unwrap();
        let history = read().unwrap();
        let last = self.state(&history.last_state().unwrap());
        let version = u64::from(last.trained(&Plan::new(&self.task)));
        let everywhere = |_: &Status| {
            let mut models = self.banks.iter().map(|bank| self.model(bank));
            models.all(|model| model.is_some_and(|model| model.version == version))
        };
        self.consortium
            .wait_for("the last model at every bank", PATIENCE, everywhere)
            .unwrap();
        self.consortium.stop();
        let verdict = self.consortium.verify().unwrap();
        assert!(verdict.verifies, "{}", verdict.verdict);
        let published = history.rounds().filter(|story| story.is_published()).count();
        assert_eq!(verdict.replayed, Some(published as u64));
        history
    }

    /// The newest model that lies at a bank, if it is whole.
    pub fn model(&self, bank: &str) -> Option<Snapshot> {
        let folder = self
            .consortium
            .bank_folder(bank)
            .join("models")
            .join(&self.task.name);
        let bytes = fs::read(folder.join("model.safetensors")).ok()?;
        Snapshot::from_bytes(&bytes, &self.task).ok()
    }

    /// What the coordinator keeps under a hash.
    pub fn blob(&self, hash: &Digest) -> Vec<u8> {
        let name = hash.to_hex();
        let path = self
            .consortium
            .archive()
            .join("blobs")
            .join(&name[..2])
            .join(&name);
        let bytes = fs::read(path).unwrap();
        assert_eq!(Digest::of(&bytes), *hash);
        bytes
    }

    pub fn state(&self, hash: &Digest) -> TaskState {
        TaskState::from_bytes(&self.blob(hash)).unwrap()
    }

    /// The state behind a round.
    pub fn state_behind(&self, story: &RoundStory) -> TaskState {
        match &story.end {
            Some(RoundEnd::Published { next_state, .. }) => self.state(next_state),
            end => panic!("round {}: {end:?}", story.round),
        }
    }

    /// The published sum of a round, one value a lane.
    pub fn sum(&self, story: &RoundStory) -> Vec<u32> {
        let Some(RoundEnd::Published { sum, .. }) = &story.end else {
            panic!("round {}: {:?}", story.round, story.end);
        };
        let plan = Plan::new(&self.task);
        let layout = plan.layout(story.kind);
        let mut lanes = Vec::new();
        let ring = layout.ring(story.banks).unwrap();
        pack::unpack(ring, &self.blob(sum), layout.lanes(), |lane| lanes.push(lane)).unwrap();
        lanes
    }

    /// A bank's table as its daemon reads it, with the same rows held out.
    pub fn rows(&self, bank: &str, found: Option<&Vocabularies>) -> Dataset {
        let folder = self.consortium.bank_folder(bank);
        let salt = read_hold_out_salt(&folder.join("identity/hold-out.salt")).unwrap();
        let hold_out = HoldOut::of(salt, &self.task.evaluation.split);
        read_rows(
            &self.task,
            &TableFiles::table(folder.join("data.csv")),
            &hold_out,
            found,
        )
        .unwrap()
    }

    /// What a daemon has printed so far.
    pub fn printed_by(&self, name: &str) -> String {
        fs::read_to_string(self.consortium.trace(name)).unwrap()
    }

    /// Every file of the consortium, coordinator, banks and traces alike.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.consortium.setup().dir, &mut found);
        found
    }
}

/// The one published round of a kind.
pub fn only(history: &History, kind: RoundKind) -> &RoundStory {
    let mut those = history
        .rounds()
        .filter(|story| story.kind == kind && story.is_published());
    let story = those.next().unwrap();
    assert!(those.next().is_none(), "several rounds of {kind:?}");
    story
}

pub fn holds(path: &Path, text: &str) -> bool {
    let bytes = fs::read(path).unwrap();
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}
