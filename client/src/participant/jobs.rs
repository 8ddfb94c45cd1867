//! The work that runs beside the daemon's loop: what waits for the network or for a large file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::spawn_blocking;
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::log::entry::{RoundOpen, RoundResult};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::{Outcome, TaskState};
use veilsum_protocol::secagg::mask::Masks;
use veilsum_protocol::secagg::pack;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical as _;
use veilsum_protocol::wire::outbound::OutboundUpdate;
use veilsum_protocol::wire::stream::Rejected;

use crate::transport::{FetchError, UploadError};

use super::channel::Channel;
use super::digits_file::DigitsFileError;
use super::driver::DriverError;
use super::model_files::ModelFiles;
use super::round_files::{MaskedFile, RoundFiles};
use super::states::States;
use super::voice;

/// How long to wait after the coordinator could not give or take something.
const PAUSE: Duration = Duration::from_secs(5);

/// Largest text of a task, in bytes.
const TASK_LIMIT: usize = 1 << 20;

/// Work that has ended.
pub(super) enum Done {
    /// A task's text is here.
    Fetched(Digest, Vec<u8>),
    /// The next state is derived, and durable if it is the one of the log.
    Derived(Box<Derivation>),
    /// The masked vector is durable, or its digits were lost.
    Masked(Round, Result<MaskedFile, String>),
    /// The coordinator has the masked vector.
    Uploaded(Round, u64),
    /// The coordinator does not take it.
    NotUploaded(Round, String),
    /// The link has ended.
    Closed,
}

/// What became of a result.
pub(super) struct Derivation {
    pub(super) result: RoundResult,
    pub(super) task: Digest,
    /// Hash of what was derived; `None` if nothing could be.
    pub(super) hash: Option<Digest>,
    /// The state, if it is the one of the log.
    pub(super) state: Option<Arc<TaskState>>,
    /// What else is wrong, in words.
    pub(super) objection: Option<String>,
}

/// What a derivation starts from.
pub(super) struct Base {
    pub(super) task: Arc<Task>,
    pub(super) plan: Arc<Plan>,
    pub(super) state: Arc<TaskState>,
    pub(super) open: RoundOpen,
    pub(super) result: RoundResult,
    pub(super) states: States,
    pub(super) models: ModelFiles,
}

/// Fetches a blob however long it takes. `None` if the link has ended.
async fn fetch<C: Channel>(
    channel: &C,
    what: &str,
    hash: Digest,
    limit: usize,
    notes: &UnboundedSender<String>,
) -> Option<Vec<u8>> {
    loop {
        match channel.fetch(hash, limit).await {
            Ok(bytes) => return Some(bytes),
            Err(FetchError::Closed(_)) => return None,
            Err(error) => {
                // Nobody listens only when the daemon is stopping.
                let _ = notes.send(format!(
                    "{what}: {error}; asking again every {} s",
                    PAUSE.as_secs()
                ));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

pub(super) async fn fetch_task<C: Channel>(
    channel: C,
    hash: Digest,
    notes: UnboundedSender<String>,
) -> Result<Done, DriverError> {
    let text = fetch(&channel, "a task's text", hash, TASK_LIMIT, &notes).await;
    Ok(text.map_or(Done::Closed, |text| Done::Fetched(hash, text)))
}

pub(super) async fn derive<C: Channel>(
    channel: C,
    base: Base,
    notes: UnboundedSender<String>,
) -> Result<Done, DriverError> {
    let layout = base.plan.layout(base.open.kind);
    // The ring of the round, not of today's roster: an old sum keeps its width.
    let banks = base.open.thresholds.banks;
    let Some(ring) = layout.ring(banks) else {
        let problem = format!("digits of {} bits for {banks} banks", layout.digit_bits);
        return Ok(Done::Derived(Box::new(base.refused(problem))));
    };
    let what = format!("round {}: the sum", base.result.round);
    let limit = ring.packed_bytes(layout.lanes());
    let Some(packed) = fetch(&channel, &what, base.result.sum, limit, &notes).await else {
        return Ok(Done::Closed);
    };
    let advanced = spawn_blocking(move || {
        let lanes = base.plan.layout(base.open.kind).lanes();
        let mut sum = Vec::with_capacity(lanes);
        if let Err(error) = pack::unpack(ring, &packed, lanes, |lane| sum.push(lane)) {
            return Ok(base.refused(error.to_string()));
        }
        match base
            .state
            .advance(&base.task, &base.plan, &sum, base.result.survivors)
        {
            Err(error) => Ok(base.refused(error.to_string())),
            Ok((state, outcome)) => base.accept(state, &outcome),
        }
    });
    let derivation = advanced
        .await
        .map_err(|error| DriverError::Work(error.to_string()))??;
    Ok(Done::Derived(Box::new(derivation)))
}

impl Base {
    /// There is no next state, which the participant will find to be another than the log's.
    fn refused(&self, problem: String) -> Derivation {
        Derivation {
            result: self.result.clone(),
            task: self.open.task,
            hash: None,
            state: None,
            objection: Some(format!("the published sum is not one of this step: {problem}")),
        }
    }

    fn accept(&self, state: TaskState, outcome: &Outcome) -> Result<Derivation, DriverError> {
        let hash = state.hash();
        let mut derivation = Derivation {
            result: self.result.clone(),
            task: self.open.task,
            hash: Some(hash),
            state: None,
            objection: None,
        };
        if hash != self.result.next_state {
            return Ok(derivation);
        }
        self.states.save(&state)?;
        let version = voice::version(&self.plan, state.step);
        self.models.write(&self.task, version, &state, &hash)?;
        if outcome.metrics != self.result.metrics || outcome.weight != self.result.weight {
            let problem =
                "the log's metrics or weight are not those of the published sum; the model is right";
            derivation.objection = Some(problem.to_owned());
        }
        derivation.state = Some(Arc::new(state));
        Ok(derivation)
    }
}

pub(super) async fn mask(files: RoundFiles, round: Round, masks: Masks) -> Result<Done, DriverError> {
    let masked = spawn_blocking(move || files.mask(round, &masks)).await;
    match masked.map_err(|error| DriverError::Work(error.to_string()))? {
        Ok(masked) => Ok(Done::Masked(round, Ok(masked))),
        Err(error @ DigitsFileError::Damaged { .. }) => Ok(Done::Masked(round, Err(error.to_string()))),
        Err(DigitsFileError::File(error)) if error.error.kind() == std::io::ErrorKind::NotFound => {
            Ok(Done::Masked(round, Err(error.to_string())))
        }
        Err(DigitsFileError::File(error)) => Err(error.into()),
    }
}

pub(super) async fn upload<C: Channel>(
    channel: C,
    update: OutboundUpdate,
    file: PathBuf,
) -> Result<Done, DriverError> {
    let round = update.round();
    loop {
        match channel.upload(&update, &file).await {
            Ok(()) => return Ok(Done::Uploaded(round, update.length())),
            Err(UploadError::Closed(_)) => return Ok(Done::Closed),
            Err(UploadError::Rejected(rejected)) if rejected.code == Rejected::TRY_AGAIN => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Ok(Done::NotUploaded(round, error.to_string())),
        }
    }
}
