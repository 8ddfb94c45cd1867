//! The thread that owns libtorch: it takes one round's work after another, so that the daemon answers while it trains.

use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc;
use veilsum_protocol::crypto::entropy::SystemEntropy;
use veilsum_protocol::ids::Round;
use veilsum_protocol::model::ScoreSums;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::task::Task;

use crate::train::Progress;

use super::checkpoints::{Keeping, PAUSE};
use super::contribution::{ContributionError, Source, Step, Workbench};
use super::own_files::OwnFiles;
use super::round_files::RoundFiles;

/// Work for one round.
pub struct Order {
    /// The round.
    pub round: Round,
    /// What is computed.
    pub kind: RoundKind,
    /// The task.
    pub task: Arc<Task>,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// The state that it starts from.
    pub state: Arc<TaskState>,
}

/// What the thread tells.
#[derive(Debug)]
pub enum News {
    /// One pass over the rows is done.
    Progress(Round, Progress),
    /// Something about the round's training that the operator should know.
    Note(Round, String),
    /// How the model that the round starts from did on the bank's own held-out rows: for the bank alone.
    Judged(Round, ScoreSums),
    /// The digits of the round are durable.
    Computed(Round),
    /// The bank's table or schema cannot be used, or its rows not be kept, so there is no contribution to the round; why, for the bank's own
    /// operator. Both are read again for the next order.
    NoData(Round, String),
    /// There is no contribution to the round; why, for the bank's own operator.
    Failed(Round, String),
}

/// A handle to the thread. Dropping it ends the thread after the work at hand.
pub struct Trainer {
    orders: std::sync::mpsc::Sender<Order>,
    news: mpsc::UnboundedReceiver<News>,
}

/// The thread has ended, which only a bug brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the training thread has ended; start the daemon again, and report what stands above this line")]
pub struct TrainerGone;

impl Trainer {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(source: Source, files: RoundFiles, own: OwnFiles) -> std::io::Result<Self> {
        let (orders, work) = std::sync::mpsc::channel();
        let (tell, news) = mpsc::unbounded_channel();
        thread::Builder::new()
            .name("training".to_owned())
            .spawn(move || labour(source, &files, &own, &work, &tell))?;
        Ok(Self { orders, news })
    }

    /// Queues work.
    ///
    /// # Errors
    /// [`TrainerGone`].
    pub fn order(&self, order: Order) -> Result<(), TrainerGone> {
        self.orders.send(order).map_err(|_| TrainerGone)
    }

    /// The next news.
    ///
    /// # Errors
    /// [`TrainerGone`].
    pub async fn news(&mut self) -> Result<News, TrainerGone> {
        self.news.recv().await.ok_or(TrainerGone)
    }
}

fn labour(
    source: Source,
    files: &RoundFiles,
    own: &OwnFiles,
    work: &std::sync::mpsc::Receiver<Order>,
    tell: &mpsc::UnboundedSender<News>,
) {
    let mut workbench = Workbench::new(source);
    let mut entropy = SystemEntropy::new();
    while let Ok(order) = work.recv() {
        let round = order.round;
        let step = Step {
            task: &order.task,
            plan: &order.plan,
            kind: order.kind,
            state: &order.state,
        };
        // The receiver is gone only when the daemon is stopping; then nobody needs the news.
        let mut progress = |progress| drop(tell.send(News::Progress(round, progress)));
        let mut note = |text| drop(tell.send(News::Note(round, text)));
        let keeping = Keeping {
            files,
            own,
            round,
            pause: PAUSE,
            tell: &mut note,
        };
        let digit_bits = order.plan.layout(order.kind).digit_bits;
        let contributed = workbench.contribute_keeping(&step, Some(keeping), &mut entropy, &mut progress);
        if let Some(scores) = workbench.judged() {
            let _ = tell.send(News::Judged(round, scores));
        }
        let _ = tell.send(match contributed {
            // The digits first: until they are durable the training may be needed again.
            Ok(digits) => match files
                .write_digits(round, digit_bits, &digits)
                .and_then(|()| files.drop_training(round))
            {
                Ok(()) => News::Computed(round),
                Err(error) => News::Failed(round, error.to_string()),
            },
            Err(ContributionError::Data(error)) => News::NoData(round, error.to_string()),
            Err(error) => News::Failed(round, error.to_string()),
        });
    }
}
