use std::sync::Arc;

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::entry::RoundOpen;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::task::Task;

use crate::participant::home::Home;
use crate::participant::states::StateError;

/// A task whose text is here.
pub(in crate::participant) struct Known {
    pub(in crate::participant) task: Arc<Task>,
    pub(in crate::participant) plan: Arc<Plan>,
    /// The newest state that was derived or read in this run.
    pub(super) state: Option<(Digest, Arc<TaskState>)>,
}

impl Known {
    /// The state that a round starts from.
    pub(super) fn state_at(&mut self, home: &Home, open: &RoundOpen) -> Result<Arc<TaskState>, StateError> {
        if let Some((hash, state)) = &self.state
            && *hash == open.state
        {
            return Ok(state.clone());
        }
        let state = Arc::new(home.states.load(&open.task, open.step, &open.state)?);
        self.state = Some((open.state, state.clone()));
        Ok(state)
    }
}
