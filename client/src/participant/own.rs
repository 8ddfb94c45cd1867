//! What a bank computes with that is its own: personal parameters, and the control variate of SCAFFOLD.

use std::borrow::Cow;

use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::task::Task;
use zeroize::Zeroizing;

use super::checkpoints::Keeping;
use super::own_files::OwnFiles;

/// The parameters that a bank judges and trains: the common ones, with its personal ones where the task has some. A bank that has none yet
/// begins with those of model 0.
pub(super) fn parameters<'a>(
    plan: &Plan,
    state: &'a TaskState,
    keeping: Option<&mut Keeping<'_>>,
) -> Cow<'a, [f32]> {
    let shared = plan.shared();
    if shared.is_all() {
        return Cow::Borrowed(&state.parameters);
    }
    let length = state.parameters.len().saturating_sub(shared.len());
    match kept(
        plan,
        state,
        length,
        keeping,
        "personal parameters",
        "those of model 0",
    ) {
        None => Cow::Borrowed(&state.parameters),
        Some(values) => {
            let mut parameters = state.parameters.clone();
            shared.put_personal(&values, &mut parameters);
            Cow::Owned(parameters)
        }
    }
}

/// The personal parameters that the bank has trained, for a model of its own use; `None` if it has none, or they cannot be read, which the
/// next training tells.
pub(super) fn personal(plan: &Plan, state: &TaskState, files: &OwnFiles) -> Option<Zeroizing<Vec<f32>>> {
    let shared = plan.shared();
    if shared.is_all() {
        return None;
    }
    let length = state.parameters.len().saturating_sub(shared.len());
    files.load(&plan.task(), length).ok().flatten()
}

/// What a bank's control is before a round of a task with control variates.
pub(super) struct Control {
    /// `c_i`, as long as the model.
    own: Zeroizing<Vec<f32>>,
    /// `c - c_i`, which each step's gradient is corrected by.
    pub(super) correction: Zeroizing<Vec<f32>>,
}

impl Control {
    /// `None` for a task without. A bank that keeps none begins with zeros.
    pub(super) fn of(
        task: &Task,
        plan: &Plan,
        state: &TaskState,
        keeping: Option<&mut Keeping<'_>>,
    ) -> Option<Self> {
        if !task.training.control_variates {
            return None;
        }
        let length = state.control.len();
        let own = kept(plan, state, length, keeping, "control variate", "zeros")
            .unwrap_or_else(|| Zeroizing::new(vec![0.0; length]));
        let correction = state
            .control
            .iter()
            .zip(own.iter())
            .map(|(common, own)| common - own);
        Some(Self {
            correction: Zeroizing::new(correction.collect()),
            own,
        })
    }

    /// By how much the control moves when `steps` steps of `learning_rate` have led to `update`: `c_i+ - c_i = -c - update / (K eta)`
    /// (Karimireddy et al. 2020, algorithm 1, option II).
    pub(super) fn change(
        state: &TaskState,
        update: &[f32],
        steps: u64,
        learning_rate: f64,
    ) -> Zeroizing<Vec<f32>> {
        let way = steps as f64 * learning_rate;
        let change = state.control.iter().zip(update);
        let change = change.map(|(common, update)| (-f64::from(*common) - f64::from(*update) / way) as f32);
        Zeroizing::new(change.collect())
    }

    /// The control after a round whose digits are these: it moves by what the sum takes its change to be, rounded and cut as it was, so
    /// that the server's control stays the mean of the banks'.
    pub(super) fn after(&self, plan: &Plan, digits: &Digits) -> Zeroizing<Vec<f32>> {
        let change = Zeroizing::new(plan.control_change(digits));
        Zeroizing::new(
            self.own
                .iter()
                .zip(change.iter())
                .map(|(own, change)| own + change)
                .collect(),
        )
    }
}

fn kept(
    plan: &Plan,
    state: &TaskState,
    length: usize,
    keeping: Option<&mut Keeping<'_>>,
    what: &str,
    beginning: &str,
) -> Option<Zeroizing<Vec<f32>>> {
    let keeping = keeping?;
    let why = match keeping.own.load(&plan.task(), length) {
        Ok(Some(values)) => return Some(values),
        // Nobody has any before the first training round.
        Ok(None) if plan.train_round(state.step) == 0 => return None,
        Ok(None) => "none is kept here of an earlier round".to_owned(),
        Err(problem) => problem,
    };
    (keeping.tell)(format!(
        "this bank's {what} of the task begins with {beginning}: {why}"
    ));
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Logistic regression of one input and an offset; from zeros, the row x = 2 of label 1 has gradient (1/2 - 1) (2, 1) = (-1, -1/2).
    /// One step of 1/4 leads by (1/4, 1/8). With the server's control at (1/2, 0) the change is -(1/2, 0) + (-1, -1/2), and the control
    /// from (0, 0) the gradient less the server's, as `c_i+ = c_i - c + g` says. Two steps that led twice as far say the same.
    #[test]
    fn by_hand() {
        let text = "name = \"t\"\nrounds = 1\nseed = 1\n[schema]\nversion = 1\nlabel = \"y\"\n\
                    column = [{ name = \"x\", type = \"number\", min = 0, max = 1 }]\n[model]\nfamily = \"logistic\"\n\
                    [training]\noptimiser = \"sgd\"\nlearning_rate = 0.25\nbatch_size = 1\nlocal_epochs = 1\ncontrol_variates = true\n";
        let task = Task::parse(text).unwrap();
        let mut state = TaskState::initial(&task);
        state.control = vec![0.5, 0.0];
        assert_eq!(
            Control::change(&state, &[0.25, 0.125], 1, 0.25).to_vec(),
            [-1.5, -0.5]
        );
        assert_eq!(
            Control::change(&state, &[0.5, 0.25], 2, 0.25).to_vec(),
            [-1.5, -0.5]
        );
        let control = Control::of(&task, &Plan::new(&task), &state, None).unwrap();
        assert_eq!(
            (control.own.to_vec(), control.correction.to_vec()),
            (vec![0.0, 0.0], vec![0.5, 0.0])
        );
    }
}
