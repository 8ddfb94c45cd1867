//! The work that runs beside the daemon's loop: what waits for the network or for a large file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::spawn_blocking;
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::log::entry::{RoundOpen, RoundResult};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::{Outcome, TaskState, Turnout};
use veilsum_protocol::round::participant::DerivedState;
use veilsum_protocol::secagg::mask::Masks;
use veilsum_protocol::secagg::pack;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical as _;
use veilsum_protocol::wire::outbound::OutboundUpdate;
use veilsum_protocol::wire::stream::Rejected;
use zeroize::Zeroizing;

use crate::transport::{FetchError, UploadError};

use super::channel::Channel;
use super::digits_file::DigitsFileError;
use super::error::DriverError;
use super::history::Importance;
use super::own;
use super::own_files::OwnFiles;
use super::round_files::{MaskedFile, RoundFiles};
use super::states::States;

/// How long to wait after the coordinator could not give or take something.
const PAUSE: Duration = Duration::from_secs(5);

/// How often the coordinator may answer with another text before the task is passed over. A text that it does not have is waited for.
const WRONG_TEXTS: usize = 5;

/// Work that has ended.
pub(super) enum Done {
    /// A task's text is here, or is not to be had.
    Fetched(Digest, Result<Vec<u8>, String>),
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
    /// What was derived, if anything could be.
    pub(super) next: Option<DerivedState>,
    /// The state, if it is the one of the log.
    pub(super) state: Option<Arc<TaskState>>,
    /// The bank's personal parameters, for the model of its own use.
    pub(super) personal: Option<Zeroizing<Vec<f32>>>,
    /// What moves the last model's answers, if the sum says so.
    pub(super) importance: Option<Importance>,
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
    pub(super) own: OwnFiles,
    /// Whether this bank's update is in the sum.
    pub(super) in_sum: bool,
}

/// How a blob is asked for.
struct Wish<'a> {
    /// For the operator, who is told what is waited for.
    what: &'a str,
    hash: Digest,
    /// Most bytes.
    limit: usize,
    /// Wrong answers until that counts as the answer. A blob that is not there is asked for again for as long as there is a coordinator to
    /// ask: its operator may put it back.
    wrong: usize,
    pause: Duration,
}

async fn fetch<C: Channel>(
    channel: &C,
    wish: Wish<'_>,
    notes: &UnboundedSender<String>,
) -> Result<Vec<u8>, FetchError> {
    let Wish {
        what,
        hash,
        limit,
        wrong,
        pause,
    } = wish;
    let mut wrong_answers = 0;
    loop {
        let error = match channel.fetch(hash, limit).await {
            Err(error) if !matches!(error, FetchError::Closed(_)) => error,
            outcome => return outcome,
        };
        if !matches!(error, FetchError::NoSuchBlob(_)) {
            wrong_answers += 1;
        }
        if wrong_answers >= wrong {
            return Err(error);
        }
        // Nobody listens only when the daemon is stopping.
        let _ = notes.send(format!(
            "waiting for {what}: {error}; asking again every {} s, and nothing later in the log is acted on until it is here",
            pause.as_secs()
        ));
        tokio::time::sleep(pause).await;
    }
}

pub(super) async fn fetch_task<C: Channel>(
    channel: C,
    hash: Digest,
    notes: UnboundedSender<String>,
) -> Result<Done, DriverError> {
    let wish = Wish {
        what: &format!("the text of task {hash:?}"),
        hash,
        limit: Task::TEXT_LIMIT,
        wrong: WRONG_TEXTS,
        pause: PAUSE,
    };
    match fetch(&channel, wish, &notes).await {
        Err(FetchError::Closed(_)) => Ok(Done::Closed),
        outcome => Ok(Done::Fetched(hash, outcome.map_err(|error| error.to_string()))),
    }
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
    // Without the sum there is no next step, so there is nothing else to wait for.
    let wish = Wish {
        what: &format!("the sum of round {}", base.result.round),
        hash: base.result.sum,
        limit: ring.packed_bytes(layout.lanes()),
        wrong: usize::MAX,
        pause: PAUSE,
    };
    let fetched = fetch(&channel, wish, &notes).await;
    let Ok(packed) = fetched else {
        return Ok(Done::Closed);
    };
    let advanced = spawn_blocking(move || {
        let lanes = base.plan.layout(base.open.kind).lanes();
        let mut sum = Vec::with_capacity(lanes);
        if let Err(error) = pack::unpack(ring, &packed, lanes, |lane| sum.push(lane)) {
            return Ok(base.refused(error.to_string()));
        }
        let turnout = Turnout {
            survivors: base.result.survivors,
            banks,
        };
        match base.state.advance(&base.task, &base.plan, &sum, turnout) {
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
            next: None,
            state: None,
            personal: None,
            importance: None,
            objection: Some(format!("the published sum is not one of this step: {problem}")),
        }
    }

    fn accept(&self, state: TaskState, outcome: &Outcome) -> Result<Derivation, DriverError> {
        let form = state.to_bytes();
        let hash = Digest::of(&form);
        let mut derivation = Derivation {
            result: self.result.clone(),
            task: self.open.task,
            next: Some(DerivedState {
                hash,
                step: state.step,
            }),
            state: None,
            personal: None,
            importance: None,
            objection: None,
        };
        if hash != self.result.next_state {
            return Ok(derivation);
        }
        self.states.save_form(&state, &form, &hash)?;
        self.own.settle(&self.open.task, self.result.round, self.in_sum)?;
        derivation.personal = own::personal(&self.plan, &state, &self.own);
        let importance = outcome.judgement.as_ref();
        let importance = importance.and_then(|judgement| judgement.importance.as_ref());
        derivation.importance = importance.and_then(|sums| Importance::of(&self.task, sums));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use tokio::sync::mpsc::unbounded_channel;
    use veilsum_protocol::wire::outbound::OutboundMessage;

    use super::*;
    use crate::transport::NotSent;

    type Answer = Result<Vec<u8>, FetchError>;

    /// A coordinator that gives these answers, the last one first.
    #[derive(Clone)]
    struct Answers(Arc<Mutex<Vec<Answer>>>);

    impl Channel for Answers {
        async fn send(&self, _: &OutboundMessage) -> Result<(), NotSent> {
            Err(NotSent)
        }

        async fn upload(&self, _: &OutboundUpdate, _: &Path) -> Result<(), UploadError> {
            std::future::pending().await
        }

        async fn fetch(&self, _: Digest, _: usize) -> Result<Vec<u8>, FetchError> {
            self.0.lock().unwrap().pop().unwrap()
        }
    }

    async fn asked(answers: Vec<Answer>) -> (Answer, usize, String) {
        let channel = Answers(Arc::new(Mutex::new(answers)));
        let (notes, mut said) = unbounded_channel();
        let wish = Wish {
            what: "the text of a task",
            hash: Digest([7; 32]),
            limit: 100,
            wrong: WRONG_TEXTS,
            pause: Duration::ZERO,
        };
        let outcome = fetch(&channel, wish, &notes).await;
        let left = channel.0.lock().unwrap().len();
        (outcome, left, said.try_recv().unwrap_or_default())
    }

    #[tokio::test]
    async fn a_text_that_is_not_there_is_waited_for_and_a_wrong_one_is_not() {
        let absent = || Err(FetchError::NoSuchBlob(Digest([7; 32])));
        let wrong = || {
            Err(FetchError::WrongHash {
                found: Digest([8; 32]),
                expected: Digest([7; 32]),
            })
        };
        let mut late = vec![Ok(b"text".to_vec())];
        late.extend((0..1000).map(|_| absent()));
        let (outcome, left, said) = asked(late).await;
        assert_eq!((outcome.unwrap(), left), (b"text".to_vec(), 0));
        assert!(
            said.starts_with("waiting for the text of a task: the coordinator has no blob"),
            "{said}"
        );

        let (outcome, left, _) = asked((0..8).map(|_| wrong()).collect()).await;
        assert!(matches!(outcome, Err(FetchError::WrongHash { .. })));
        assert_eq!(left, 8 - WRONG_TEXTS);
    }
}
