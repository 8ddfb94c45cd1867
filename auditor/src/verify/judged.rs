//! What a replayed sum says of a model's predictions.

use veilsum_protocol::model::ScoreSums;
use veilsum_protocol::task::Task;

/// The last judgement of a task's model whose sum gave what the log says.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The task.
    pub task: Task,
    /// The step that began from the model.
    pub step: u32,
    /// The sums over the held-out rows of all banks in it.
    pub scores: ScoreSums,
}
