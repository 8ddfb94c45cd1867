//! What is known of the columns before training begins, worked out from banks' tables as the masked rounds work it out, but without masks.

use veilsum_client::data::{Dataset, EncodedData};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::model::{ColumnSums, Moments, Preparation, Vocabularies};
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::task::Task;

use super::DemoError;

/// What rows are encoded by.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// They standardise numbers.
    pub moments: Moments,
    /// Of a task that prepares: the counts that encodings follow from.
    pub preparation: Option<Preparation>,
}

impl Known {
    /// Of these banks' training rows together: the sums and counts that the statistics round adds up.
    ///
    /// # Errors
    /// If the sums are impossible.
    pub fn of(task: &Task, banks: &[&Dataset]) -> Result<Self, DemoError> {
        let mut sums: Vec<ColumnSums> = Vec::new();
        let mut preparation = None;
        for bank in banks {
            let columns = bank.statistics().map_err(DemoError::trial)?.columns;
            sums.resize(columns.len(), ColumnSums::default());
            for (sum, column) in sums.iter_mut().zip(columns) {
                sum.count += column.count;
                sum.sum += column.sum;
                sum.sum_of_squares += column.sum_of_squares;
            }
            if let Some(spec) = &task.preparation {
                let bins = spec.histogram_bins;
                let counts = bank.counts(bins).map_err(DemoError::trial)?;
                preparation
                    .get_or_insert_with(|| Preparation::empty(&task.schema, bins))
                    .add(&counts);
            }
        }
        Ok(Self {
            moments: Moments::from_sums(&sums).map_err(DemoError::trial)?,
            preparation,
        })
    }

    /// What the consortium's state holds; `None` before its statistics round.
    pub fn in_state(state: &TaskState) -> Option<Self> {
        Some(Self {
            moments: state.moments.clone()?,
            preparation: state.preparation.clone(),
        })
    }

    /// Rows as the task's model takes them.
    ///
    /// # Errors
    /// If it is of other columns than theirs.
    pub fn encode(&self, task: &Task, rows: &Dataset) -> Result<EncodedData, DemoError> {
        rows.encode_prepared(&task.model, &self.moments, self.preparation.as_ref())
            .map_err(DemoError::trial)
    }
}

/// The values that the banks find of the categories which the task leaves to them: the two rounds' sums without masks. `None` for a task
/// without such a column. `banks` were read before anything was found.
///
/// # Errors
/// If the sums are impossible.
pub fn found(task: &Task, banks: &[Dataset]) -> Result<Option<Vocabularies>, DemoError> {
    let plan = Plan::new(task);
    let turnout = u16::try_from(banks.len()).map_err(DemoError::trial)?;
    let values: Vec<_> = banks.iter().map(Dataset::open_values).collect();
    let mut state = TaskState::initial(task);
    while let Some(kind @ (RoundKind::Support | RoundKind::Vocabulary)) = plan.kind(state.step) {
        let part = |values: &Vec<Vec<String>>| match (kind, &state.vocabularies) {
            (RoundKind::Vocabulary, Some(Vocabularies::Supported(supported))) => {
                plan.vocabulary(supported, values)
            }
            _ => plan.support(values),
        };
        let parts: Result<Vec<Digits>, _> = values.iter().map(part).collect();
        let mut sum = vec![0; plan.layout(kind).lanes()];
        for part in parts.map_err(DemoError::trial)? {
            sum.iter_mut()
                .zip(part.lanes())
                .for_each(|(sum, lane)| *sum += lane);
        }
        let advanced = state
            .advance(task, &plan, &sum, turnout)
            .map_err(DemoError::trial)?;
        state = advanced.0;
    }
    Ok(state.vocabularies)
}
