//! What a replayed sum says of a model's answers.

use veilsum_protocol::model::Judgement;
use veilsum_protocol::task::Task;

/// The last judgement of a task's model whose sum gave what the log says.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The task.
    pub task: Task,
    /// The step that began from the model.
    pub step: u32,
    /// What the sum says.
    pub judgement: Judgement,
}

impl Judged {
    pub(super) fn new(task: Task, (step, judgement): (u32, Judgement)) -> Self {
        Self {
            task,
            step,
            judgement,
        }
    }
}
